"""Parameters and gradients of several shapes that the numpy tests step with."""

from __future__ import annotations

from typing import Any

import numpy as np

SHAPES = [(6, 5), (5,), (), (2, 3, 4)]


def values(dtype: Any = np.float32) -> list[np.ndarray[Any, Any]]:
    generator = np.random.default_rng(1)
    return [generator.standard_normal(shape).astype(dtype) for shape in SHAPES]


def grads(step: int, dtype: Any = np.float32) -> list[np.ndarray[Any, Any]]:
    generator = np.random.default_rng(100 + step)
    return [generator.standard_normal(shape).astype(dtype) for shape in SHAPES]
