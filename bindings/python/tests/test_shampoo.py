"""Shampoo beside its oracle in float64, and where parameters go. What it promises as SOAP does is in
test_preconditioning.py.

Products are in float32: an eps is that of directions in which gradients have nothing, and has to be larger than their
rounding errors for two programs to agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import martlet
import oracles
from martlet import optim
from martlet.torch import Shampoo

USUAL: dict[str, Any] = {"betas": (0.9, 0.999), "eps": 1e-12, "shampoo_beta": 1.0, "block_size": 0}


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape) + 0.3


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((12, 12), {}),
        ((12, 7), {"eps": 1e-6}),
        ((5, 12), {"precondition_frequency": 3, "shampoo_beta": 0.95, "eps": 1e-2}),
        ((6, 2, 3), {"use_bias_correction": False, "shampoo_beta": 0.9, "eps": 1e-4}),
        ((11, 7), {"block_size": 4, "eps": 1e-6}),
        ((9, 9), {"grafting": "adam", "weight_decay": 0.1}),
        ((11, 7), {"grafting": "adam", "block_size": 4, "eps": 1e-6, "use_bias_correction": False}),
        ((1, 9), {"eps": 1e-4}),
        ((9, 1), {"eps": 1e-4, "maximize": True}),
        ((1, 1), {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fifty_steps_are_the_oracles(shape: tuple[int, ...], options: dict[str, Any], dtype: Any) -> None:
    value = noise(shape, 0).astype(dtype)
    expected, kept = value.astype(oracles.LONG), oracles.State(shape)
    options = {**USUAL, **options}
    optimizer = optim.Shampoo([{"params": [value]}], **options)
    for step in range(1, 51):
        gradient = noise(shape, step).astype(dtype)
        optimizer.step([gradient])
        expected = oracles.step(
            oracles.shampoo, expected, gradient, kept, step, lr=1e-2, decoupled_weight_decay=True, **options
        )
        np.testing.assert_allclose(value, expected.astype(np.float64), rtol=0, atol=1e-4)
    assert np.abs(value - noise(shape, 0)).max() > 0.02


def test_a_graft_is_as_long_as_adams_step() -> None:
    value, other = noise((8, 5), 0), noise((8, 5), 0)
    grafted = optim.Shampoo([value], lr=0.01, grafting="adam")
    adam = optim.Adam([other], lr=0.01)
    for step in range(5):
        before, plain = value.copy(), other.copy()
        grafted.step([noise((8, 5), 1 + step)])
        adam.step([noise((8, 5), 1 + step)])
        np.testing.assert_allclose(np.linalg.norm(value - before), np.linalg.norm(other - plain), rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"grafting": "adam"}], ids=str)
def test_gradients_of_zeros_move_nothing(options: dict[str, Any]) -> None:
    value = noise((6, 4), 0)
    optimizer = optim.Shampoo([value], **options)
    for _ in range(3):
        optimizer.step([np.zeros((6, 4))])
    np.testing.assert_array_equal(value, noise((6, 4), 0))
    optimizer.step([noise((6, 4), 1)])
    assert np.isfinite(value).all() and (value != noise((6, 4), 0)).any()


def test_where_parameters_go() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3))
    optimizer = Shampoo(model, weight_decay=0.5)
    assert [group["param_names"] for group in optimizer.param_groups] == [
        ["0.weight", "2.weight"],
        ["0.bias", "1.weight", "1.bias", "2.bias"],
    ]
    rest = optimizer.param_groups[1]
    assert (rest["lr"], rest["betas"], rest["eps"], rest["weight_decay"]) == (1e-3, (0.9, 0.999), 1e-8, 0.5)
    assert Shampoo(model, lr=0.1, grafting="adam").param_groups[1]["lr"] == 0.1
    plain = optim.Shampoo({"a": noise((3, 4), 0), "b": noise((3,), 1)}, lr=0.1, grafting="adam")
    assert [group["lr"] for group in plain.param_groups] == [0.1, 0.1]


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: Shampoo([torch.ones(3, 3)], grafting="sgd"), "grafting is 'sgd'; wanted one of None, 'adam'"),
    (lambda: Shampoo([torch.ones(3, 3)], shampoo_beta=1.5), r"shampoo_beta is 1\.5; expected 0 to 1"),
    (lambda: Shampoo([torch.ones(3, 3)], eps=-1.0), "Invalid epsilon value: -1"),
    (
        lambda: optim.Shampoo([np.ones((3, 3))], graft_eps=-1.0),
        r"graft_eps is -1\.0; expected a finite number, 0 or more",
    ),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refusals(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(martlet.MartletError, match=message):
        make()
