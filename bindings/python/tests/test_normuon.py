"""Muon's rows divided by what their mean squares have been: against the equations in float64, with blocks and kernels;
the same bits for any threads, layout and way to go on; what is 0, and what is no number.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import martlet
import martlet.torch
import oracles
import resumed
from martlet import nn, optim
from martlet._errors import ArgumentError

TOLD = {"weight_decay": 0.0, "normuon": True}
ORACLE = {"momentum": 0.95, "eps": 1e-7, "ns_coefficients": (3.4445, -4.775, 2.0315), "normuon": True}


def noise(seed: int, shape: tuple[int, ...] = (12, 20)) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("shape", [(12, 20), (40, 7), (9, 9), (3, 2, 2, 3), (200, 300), (300, 200)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=str)
def test_the_equations(shape: tuple[int, ...], dtype: type) -> None:
    rows = shape[0]
    # Rows of many sizes, which the averages are to make even.
    sizes = 10.0 ** np.linspace(-1, 1, rows).reshape(-1, *[1] * (len(shape) - 1))
    p = noise(0, shape).astype(dtype)
    wanted = p.reshape(rows, -1).astype(oracles.LONG)
    state = oracles.State(wanted.shape)
    optimizer = optim.Muon([p], lr=0.1, beta2=0.8, **TOLD)
    for t in range(5):
        grad = (sizes * noise(t + 1, shape)).astype(dtype)
        optimizer.step([grad])
        (wanted,) = oracles.steps(
            oracles.muon, [wanted], [grad.reshape(rows, -1)], [state], t + 1, lr=0.1, beta2=0.8, **ORACLE
        )
        np.testing.assert_allclose(p.reshape(rows, -1), wanted.astype(float), rtol=0, atol=3e-4)
    (kept,) = optimizer.state_dict()["state"].values()
    assert kept["second_momentum_buffer"].shape == (rows, 1)
    np.testing.assert_allclose(kept["second_momentum_buffer"], state["second_momentum_buffer"].astype(float), rtol=3e-3)


def test_each_block_keeps_a_norm_of_its_own() -> None:
    whole, parts = noise(1, (12, 5)), [noise(1, (12, 5))[first : first + 4].copy() for first in (0, 4, 8)]
    grads = [noise(t + 2, (12, 5)) for t in range(3)]
    one = optim.Muon([whole], blocks=3, **TOLD)
    many = optim.Muon(parts, **TOLD)
    for grad in grads:
        one.step([grad])
        many.step([grad[first : first + 4].copy() for first in (0, 4, 8)])
    assert np.array_equal(whole, np.concatenate(parts))


def test_the_step_has_muons_norm_and_even_rows() -> None:
    """With nothing kept of before, rows are all alike."""
    p, q = np.zeros((6, 9)), np.zeros((6, 9))
    grad = noise(5, (6, 9)) * 10.0 ** np.arange(-3, 3)[:, None]
    optim.Muon([p], lr=1.0, beta2=0.0, eps=1e-12, **TOLD).step([grad])
    optim.Muon([q], lr=1.0, weight_decay=0.0).step([grad])
    assert np.linalg.norm(p) == pytest.approx(np.linalg.norm(q), rel=1e-6)
    norms = np.linalg.norm(p, axis=1)
    np.testing.assert_allclose(norms, norms[0], rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float16], ids=str)
def test_the_same_bits_for_any_threads_and_layout(dtype: type) -> None:
    found = []
    for count, strided in ((1, False), (2, False), (7, False), (1, True), (3, True)):
        martlet.set_num_threads(count)
        arrays = []
        for seed, shape in enumerate([(300, 170), (170, 300), (31, 37), (1, 1), (5, 0), (1, 9), (9, 1)]):
            room = np.zeros((2 * shape[0], shape[1]), dtype)
            view = room[::-2] if strided else np.empty(shape, dtype)
            view[...] = noise(seed, shape).astype(dtype)
            arrays.append(view)
        optimizer = optim.Muon([{"params": arrays, "algorithm": "muon"}], **TOLD)
        for t in range(3):
            optimizer.step([noise(100 + 10 * t + k, array.shape).astype(np.float32) for k, array in enumerate(arrays)])
        states = optimizer.state_dict()["state"].values()
        kept = [state["second_momentum_buffer"].tobytes() for state in states if "second_momentum_buffer" in state]
        assert len(kept) >= 6
        assert all(state["second_momentum_buffer"].dtype == np.float32 for state in states)
        found.append(b"".join([*(np.ascontiguousarray(array).tobytes() for array in arrays), *kept]))
    assert len(set(found)) == 1


def test_training_goes_on_from_a_state(tmp_path: Path) -> None:
    grads = [noise(t, (9, 5)).astype(np.float32) for t in range(7)]
    resumed.check("Muon", noise(8, (9, 5)).astype(np.float32), grads, TOLD, tmp_path)


def test_zeros_stay_and_their_averages_fade() -> None:
    p = noise(1)
    optimizer = optim.Muon([p], momentum=0.0, **TOLD)
    optimizer.step([noise(2)])
    before = p.copy()
    (state,) = optimizer.state_dict()["state"].values()
    kept = state["second_momentum_buffer"].copy()
    optimizer.step([np.zeros_like(p)])
    assert np.array_equal(p, before)
    (state,) = optimizer.state_dict()["state"].values()
    np.testing.assert_allclose(state["second_momentum_buffer"], 0.95 * kept, rtol=1e-15)
    untouched = noise(3)
    optim.Muon([untouched], eps=0.0, **TOLD).step([np.zeros((12, 20))])
    assert np.array_equal(untouched, noise(3))


def test_a_row_of_zeros_moves_nothing() -> None:
    grad = noise(4)
    grad[3] = 0
    p = np.zeros_like(grad)
    optim.Muon([p], eps=0.0, **TOLD).step([grad])
    assert np.isfinite(p).all()
    assert not p[3].any()
    assert p[2].any()


def test_what_is_no_number_is_not_hidden() -> None:
    for bad in (np.nan, np.inf):
        grad = noise(4)
        grad[0, 0] = bad
        p = np.zeros_like(grad)
        optim.Muon([p], **TOLD).step([grad])
        assert np.isnan(p).all()


def test_groups_have_the_option_where_it_is_used() -> None:
    """torch's groups have no such keys, and neither has a state_dict without it."""
    weight = torch.nn.Parameter(torch.randn(4, 6))
    assert not {"normuon", "beta2"} & martlet.torch.Muon([weight]).param_groups[0].keys()
    optimizer = martlet.torch.Muon([weight], normuon=True, beta2=0.9)
    assert optimizer.param_groups[0]["normuon"] is True
    assert optimizer.param_groups[0]["beta2"] == 0.9
    weight.grad = torch.randn(4, 6)
    optimizer.step()
    assert optimizer.state[weight]["second_momentum_buffer"].shape == (4, 1)


# What torch's class does not have, no schedule changes: it is in the library's ranges, as in numpy's.
WRONG: list[tuple[str, Any, str]] = [
    ("beta2", 1.0, "beta2 is 1.0; expected 0 or more and less than 1"),
    ("beta2", 1.5, "beta2 is 1.5; expected"),
    ("beta2", -0.1, "beta2 is -0.1; expected"),
    ("beta2", np.nan, "beta2 is nan; expected"),
    ("beta2", np.inf, "beta2 is inf; expected"),
    ("beta2", torch.tensor(2.0), "beta2 is 2.0; expected"),
    ("ns_steps", 0, "ns_steps is 0; expected a whole number, 1 to 99"),
    ("ns_steps", 2.5, "ns_steps is 2.5; expected"),
    ("ns_coefficients", (1.0, np.inf, 1.0), "ns_coefficients[1] is inf; expected a finite number"),
    ("blocks", 0, "blocks is 0; expected a whole number, 1 to 2^31"),
    ("blocks", -1, "blocks is -1; expected"),
    ("hyperball", True, "weight_decay is 0.1; expected 0 with HYPERBALL"),
]


@pytest.mark.parametrize(("option", "value", "said"), WRONG, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("normuon", [False, True])
def test_numbers_out_of_range(option: str, value: Any, said: str, normuon: bool) -> None:
    said = re.escape(said)
    told, given = {"normuon": True} if normuon else {}, {option: value}
    weight, other = (torch.nn.Parameter(torch.ones(4, 6)) for _ in range(2))
    with pytest.raises(ArgumentError, match=said):
        optim.Muon([np.ones((4, 6))], **(told | given))
    with pytest.raises(ArgumentError, match=f"^{said}"):
        martlet.torch.Muon([weight], **(told | given))
    with pytest.raises(ArgumentError, match=rf"^param_groups\[0\]: {said}"):
        martlet.torch.Muon([{"params": [weight], **given}], **told)
    optimizer = martlet.torch.Muon([weight], **told)
    with pytest.raises(ArgumentError, match=rf"^param_groups\[1\]: {said}"):
        optimizer.add_param_group({"params": [other], **given})
    adam = martlet.torch.AdamW([other])
    with pytest.raises(ArgumentError, match=rf"^param_groups\[1\]: {said}"):
        adam.add_param_group({"params": [weight], "algorithm": "muon", **given})
    assert len(optimizer.param_groups) == len(adam.param_groups) == 1


@pytest.mark.parametrize(("option", "value", "said"), WRONG, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("warm", [False, True], ids=["first step", "later step"])
def test_numbers_that_turn_bad(option: str, value: Any, said: str, warm: bool) -> None:
    weight = torch.nn.Parameter(torch.ones(4, 6))
    weight.grad = torch.ones(4, 6)
    optimizer = martlet.torch.Muon([weight], normuon=True)
    if warm:
        optimizer.step()
    before = weight.detach().clone()
    usual = optimizer.param_groups[0].get(option)
    optimizer.param_groups[0][option] = value
    with pytest.raises(ArgumentError, match="^" + re.escape(f"param_groups[0]: {said}")):
        optimizer.step()
    assert torch.equal(weight, before)
    if usual is None:
        del optimizer.param_groups[0][option]
    else:
        optimizer.param_groups[0][option] = usual
    optimizer.step()
    assert not torch.equal(weight, before)


def test_16_bit_tensors_have_averages_in_float32() -> None:
    weight = torch.nn.Parameter(torch.randn(4, 6, dtype=torch.bfloat16))
    optimizer = martlet.torch.Muon([weight], normuon=True)
    weight.grad = torch.randn(4, 6, dtype=torch.bfloat16)
    optimizer.step()
    assert optimizer.state[weight]["second_momentum_buffer"].dtype == torch.float32
    assert optimizer.state[weight]["momentum_buffer"].dtype == torch.bfloat16


def test_a_models_kernels_have_a_number_for_each_output() -> None:
    """As the transposed array has it."""
    model = nn.Sequential([nn.Input((3,)), nn.Dense(4), nn.Dense(2)], seed=1)
    muon: Any = nn.Muon(learning_rate=0.1, weight_decay=None, normuon=True, beta2=0.8)
    model.compile(muon, "mse")
    kernels = [array.T.copy() for array in model.get_weights() if array.ndim > 1]
    alone = optim.Muon(kernels, lr=0.1, beta2=0.8, adjust_lr_fn="match_rms_adamw", **TOLD)
    x, y = noise(1, (5, 3)).astype(np.float32), noise(2, (5, 2)).astype(np.float32)
    for _ in range(4):
        model.train_on_batch(x, y)
        flat = model.gradients()
        grads = [flat[:12].reshape(3, 4).T.copy(), flat[16:24].reshape(4, 2).T.copy()]
        alone.step(grads)
    ours = [array for array in model.get_weights() if array.ndim > 1]
    for mine, theirs in zip(ours, kernels, strict=True):
        np.testing.assert_allclose(mine, theirs.T, rtol=0, atol=2e-6)
