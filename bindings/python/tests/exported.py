"""The measure by which what a model is written as is held against what it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

NDArray = np.ndarray[Any, Any]


def as_list(found: Any) -> list[Any]:
    """Outputs, or inputs, of which one comes by itself."""
    return [*found] if isinstance(found, list | tuple) else [found]


def alike(found: Any, wanted: Any, bound: float = 1e-5) -> None:
    """At most so much of the largest output apart, and of the same class wherever the two largest outputs are further
    apart than that."""
    for mine, right in zip(as_list(found), as_list(wanted), strict=True):
        assert mine.shape == right.shape and mine.dtype == np.float32
        most = bound * float(np.abs(right).max(initial=0))
        assert float(np.abs(mine.astype(np.float64) - right).max(initial=0)) <= most
        rows, others = mine.reshape(-1, mine.shape[-1]), right.reshape(-1, right.shape[-1])
        if rows.shape[1] > 1:
            two = np.sort(others, axis=1)[:, -2:]
            clear = two[:, 1] - two[:, 0] > 2 * most
            assert (rows.argmax(axis=1) == others.argmax(axis=1))[clear].all()


def probable(found: NDArray, wanted: NDArray) -> None:
    """Of probabilities."""
    assert float(np.abs(found.astype(np.float64) - wanted).max()) <= 1e-6


def fill(model: Any, seed: int = 0) -> None:
    """Weights and statistics that are nowhere plain; over 0 those that begin as ones, such as variances."""
    rng = np.random.default_rng(seed)
    weights = []
    for weight in model.get_weights():
        spread = rng.normal(0, 1 / max(np.prod(weight.shape[:-1]), 1) ** 0.5, weight.shape)
        weights.append((np.abs(spread) + 0.5 if (weight == 1).all() else spread).astype(np.float32))
    model.set_weights(weights)


def numbers(shape: Sequence[int], seed: int = 3) -> NDArray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
