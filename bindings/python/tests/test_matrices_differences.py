"""The rows of docs/differences.md about matrices: what Martlet does where Muons differ.

Expected values are worked out here in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import martlet.optim


def noise(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def step(gradient: np.ndarray, **options: Any) -> np.ndarray:
    """How far a first step at rate 1 goes, without decay."""
    array = np.zeros_like(gradient)
    martlet.optim.Muon([array], lr=1.0, weight_decay=0.0, **options).step([gradient])
    return -array


def orthogonal(u: np.ndarray) -> np.ndarray:
    """By the singular values, of each of which five iterations make the same as the matrix's would."""
    left, values, right = np.linalg.svd(u, full_matrices=False)
    values = values / np.linalg.norm(values)
    for _ in range(5):
        values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
    return (left * values) @ right


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_muon_iterates_in_float32(dtype: Any) -> None:
    gradient = noise(20, 31).astype(dtype)
    np.testing.assert_allclose(step(gradient), orthogonal(gradient.astype(np.float64)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("steps", [20, 99])
@pytest.mark.parametrize("shape", [(24, 96), (96, 24), (24, 24)])
def test_errors_of_many_steps_do_not_add_up(steps: int, shape: tuple[int, int]) -> None:
    """Of a matrix whose singular values fall to 1e-4: what float32 loses of the smallest is all that is lost."""
    left, right = (np.linalg.qr(noise(side, 24, seed=side))[0] for side in shape)
    values = 10 ** np.linspace(0, -4, 24)
    gradient = ((left * values) @ right.T).astype(np.float32)
    found = step(gradient, ns_steps=steps, ns_coefficients=(1.875, -1.25, 0.375))
    np.testing.assert_allclose(found / max(1, shape[0] / shape[1]) ** 0.5, left @ right.T, rtol=0, atol=5e-4)


@pytest.mark.parametrize("size", [1e-8, 1e-12, 0.0])
def test_muon_leaves_matrices_whose_gradient_is_under_eps(size: float) -> None:
    gradient = noise(12, 20)
    assert not step(gradient * size / np.linalg.norm(gradient)).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_muon_leaves_matrices_of_zeros_without_eps(dtype: Any) -> None:
    assert not step(np.zeros((3, 4), dtype), eps=0.0).any()


def test_muon_counts_rows_as_outputs() -> None:
    """As torch's layers lie in memory: tall matrices take longer steps than their transposes."""
    gradient = noise(40, 10)
    np.testing.assert_allclose(step(gradient), 2 * step(gradient.T.copy()).T, rtol=0, atol=1e-5)


def test_muon_looks_ahead_without_correction() -> None:
    """The second step's direction is of the two gradients as the averages weigh them."""
    first, second = noise(6, 9), noise(6, 9, seed=2)
    array = np.zeros((6, 9))
    optimizer = martlet.optim.Muon([array], lr=0.0, weight_decay=0.0)
    optimizer.step([first])
    optimizer.lr = 1.0
    optimizer.step([second])
    average = 0.95 * 0.05 * first + 0.05 * second
    np.testing.assert_allclose(-array, orthogonal(0.95 * average + 0.05 * second), rtol=0, atol=1e-5)


def test_muon_steps_kernels_as_matrices_of_their_filters() -> None:
    gradient = noise(8, 3, 3, 3)
    np.testing.assert_array_equal(step(gradient), step(gradient.reshape(8, 27)).reshape(8, 3, 3, 3))


def test_muon_keeps_averages() -> None:
    gradient = noise(4, 5)
    optimizer = martlet.optim.Muon([np.zeros((4, 5))])
    optimizer.step([gradient])
    kept = optimizer.state_dict()["state"][0]["momentum_buffer"]
    np.testing.assert_allclose(kept, 0.05 * gradient, rtol=1e-12)
