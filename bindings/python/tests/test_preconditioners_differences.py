"""The rows of docs/differences.md about SOAP and Shampoo: what Martlet does where they differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import martlet.torch
from martlet import optim


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_soap_turns_its_bases_every_so_many_steps() -> None:
    """Counted without the first, which makes them."""
    value, turned, last = noise((6, 6), 0), [], b""
    optimizer = optim.SOAP([value], precondition_frequency=3)
    for step in range(1, 15):
        optimizer.step([noise((6, 6), step)])
        now = optimizer.state_dict()["state"][0]["basis_rows"].tobytes()
        turned += [step] * (now != last)
        last = now
    assert turned == [1, 4, 7, 10, 13]


def test_soap_starts_late_parameters_as_any_other() -> None:
    early, late, alone = (torch.from_numpy(noise((6, 6), 0)) for _ in range(3))
    both, one = martlet.torch.SOAP([early, late]), martlet.torch.SOAP([alone])
    for step in range(1, 31):
        early.grad = torch.from_numpy(noise((6, 6), 100 + step))
        if step > 20:
            late.grad = torch.from_numpy(noise((6, 6), step))
            alone.grad = late.grad.clone()
            one.step()
        both.step()
        assert torch.equal(late, alone)
        assert step > 21 or np.array_equal(late.numpy(), noise((6, 6), 0))


def test_soap_has_its_authors_defaults() -> None:
    group: dict[str, Any] = martlet.torch.SOAP([torch.ones(2, 2)]).param_groups[0]
    said = {key: group[key] for key in ("lr", "betas", "precondition_frequency", "max_precond_dim", "weight_decay")}
    assert said == {"lr": 3e-3, "betas": (0.95, 0.95), "precondition_frequency": 10, "max_precond_dim": 10000,
                    "weight_decay": 0.01}  # fmt: skip


def test_shampoo_moves_at_its_first_step() -> None:
    """Along the orthogonal factor of the first gradient, whose Gram matrices are all that there is."""
    value, gradient = np.zeros((5, 5)), noise((5, 5), 1)
    optim.Shampoo([value], lr=1.0, precondition_frequency=10).step([gradient])
    left, _, right = np.linalg.svd(gradient)
    np.testing.assert_allclose(value, -left @ right, atol=1e-4)


def test_shampoo_takes_fourth_roots_of_kernels() -> None:
    kernel, flat, gradient = np.zeros((4, 2, 2, 1)), np.zeros((4, 4)), noise((4, 4), 1)
    optim.Shampoo([kernel], lr=1.0).step([gradient.reshape(4, 2, 2, 1)])
    optim.Shampoo([flat], lr=1.0).step([gradient])
    np.testing.assert_array_equal(kernel.reshape(4, 4), flat)


def test_shampoo_averages_gradients() -> None:
    """By which the roots are multiplied; what goes into them is each gradient by itself."""
    value, gradients = np.zeros((5, 5)), [noise((5, 5), 1), 1e3 * noise((5, 5), 2)]
    optimizer = optim.Shampoo([value], lr=1.0, betas=(0.9, 0.999), use_bias_correction=False)
    for gradient in gradients:
        optimizer.step([gradient])
    state = optimizer.state_dict()["state"][0]
    np.testing.assert_allclose(state["exp_avg"], 0.09 * gradients[0] + 0.1 * gradients[1], rtol=1e-9)
    np.testing.assert_allclose(state["gram_rows"], sum(one @ one.T for one in gradients), rtol=1e-4)
