"""The rows of docs/differences.md about norms and ratios: what Martlet does where LAMB, LARS and StableAdamW differ.

Expected values are worked out here in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import martlet.optim


def test_lamb_and_lars_adapt_without_decay() -> None:
    """Vectors and matrices: LAMB's step is as long as rate times norm, LARS's by its coefficient of that."""
    for shape in ((10,), (2, 5)):
        start, gradient = np.linspace(1, 2, 10).reshape(shape), np.linspace(-3, 4, 10).reshape(shape)
        for kind, wanted in ((martlet.optim.LAMB, 0.1), (martlet.optim.LARS, 1e-4)):
            array = start.copy()
            kind([array], lr=0.1).step([gradient])
            assert np.linalg.norm(array - start) / np.linalg.norm(start) == pytest.approx(wanted, rel=1e-8)


def lars(array: np.ndarray, gradient: np.ndarray, **options: Any) -> np.ndarray:
    """How far a first step at rate 1 goes."""
    moved = array.copy()
    martlet.optim.LARS([moved], lr=1.0, **options).step([gradient])
    return array - moved


@pytest.mark.parametrize("semantics", ["torch", "optax"])
def test_what_lars_divides_by(semantics: str) -> None:
    p, g = np.array([3.0, 4.0]), np.array([-1.0, 0.5])
    decayed = g + 0.1 * p
    below = np.linalg.norm(decayed) if semantics == "optax" else np.linalg.norm(g) + 0.1 * 5
    found = lars(p, g, weight_decay=0.1, semantics=semantics)
    np.testing.assert_allclose(found, 1e-3 * 5 / below * decayed, rtol=1e-7)


@pytest.mark.parametrize("semantics", ["torch", "optax"])
def test_where_the_rate_of_lars_stands(semantics: str) -> None:
    """A step at rate 1, then one at rate 0, which goes on by the momentum where the rate is inside of it."""
    array = np.ones(4)
    optimizer = martlet.optim.LARS([array], lr=1.0, semantics=semantics)
    optimizer.step([np.ones(4)])
    first, before = 1 - array, array.copy()
    optimizer.lr = 0.0
    optimizer.step([np.ones(4)])
    np.testing.assert_allclose(before - array, (0.9 if semantics == "optax" else 0) * first, rtol=1e-12)


def test_the_first_step_of_lars_is_not_dampened() -> None:
    p, g = np.array([3.0, 4.0]), np.array([-1.0, 0.5])
    np.testing.assert_array_equal(lars(p, g, dampening=0.5), lars(p, g))


@pytest.mark.parametrize("size", [1.0, 1000.0])
def test_lamb_does_not_clip(size: float) -> None:
    """Its averages have the gradients as they are; and each step is as long as the rate times the norm."""
    arrays = [np.linspace(1, 2, 10), np.full(3, 5.0)]
    optimizer = martlet.optim.LAMB(arrays, lr=0.01)
    for step in range(1, 5):
        before = [array.copy() for array in arrays]
        optimizer.step([np.full(10, size), np.full(3, size)])
        for old, array in zip(before, arrays, strict=True):
            assert np.linalg.norm(array - old) / np.linalg.norm(old) == pytest.approx(0.01, rel=1e-9)
        average = optimizer.state_dict()["state"][0]["exp_avg_sq"]
        np.testing.assert_allclose(average, size**2 * (1 - 0.999**step), rtol=1e-9)


@pytest.mark.parametrize("semantics", ["torch", "keras"])
def test_where_the_decay_of_lamb_stands(semantics: str) -> None:
    p, g = np.array([3.0, 4.0]), np.array([-1.0, 0.5])
    array, update = p.copy(), g / (np.abs(g) + 1e-6)
    martlet.optim.LAMB([array], lr=0.1, weight_decay=0.2, semantics=semantics).step([g])
    if semantics == "keras":
        p = p - 0.1 * 0.2 * p
    else:
        update = update + 0.2 * p
    np.testing.assert_allclose(array, p - 0.1 * np.linalg.norm(p) / np.linalg.norm(update) * update, rtol=1e-12)


def test_stable_adamw_decays_by_its_smaller_rate() -> None:
    """By a gradient 100 times the one before: its size is near the root of 1.99, which the rate is divided by."""
    array, lr, decay = np.ones(4), 0.1, 0.5
    optimizer = martlet.optim.StableAdamW([array], lr=lr, betas=(0.0, 0.99), weight_decay=decay)
    optimizer.step([np.ones(4)])
    before = array.copy()
    optimizer.step([np.full(4, 100.0)])
    average = (0.99 * 1 + 1e4) / 1.99
    size = 100 / np.sqrt(average)
    assert size > 1.4
    np.testing.assert_allclose(array, before - lr / size * (decay * before + size), rtol=1e-8)
