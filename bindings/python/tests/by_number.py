"""The numpy class of every algorithm by its number, and what tests of an option over all of them share."""

from __future__ import annotations

from typing import Any

import numpy as np

from martlet import _algorithms, optim

CLASSES = {
    kind._algorithm: kind for name in reversed(optim.__all__) if hasattr(kind := getattr(optim, name), "_algorithm")
}
#: Several tiles of 16,384 elements and of blocks, and a rest.
LARGE = (3 * 16_384 + 123, 1)


def name_of(number: int) -> str:
    return _algorithms.of(number).name


def told(number: int, **options: Any) -> dict[str, Any]:
    """With a momentum where there may be one, since without it nothing goes against the gradient."""
    usual = {"weight_decay": 0.0, "momentum": 0.9}
    return {key: value for key, value in usual.items() if key in _algorithms.of(number).places} | options


def noise(seed: int, shape: tuple[int, ...] = (31, 37)) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)
