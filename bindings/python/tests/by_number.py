"""The numpy class of every algorithm by its number, and what tests of an option over all of them share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import martlet
from martlet import _algorithms, optim
from martlet._config import defaults

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


def in_every_layout(number: int, dtype: type) -> Iterator[tuple[list[np.ndarray], list[list[np.ndarray]]]]:
    """Parameters of several tiles, of blocks and rests, of one row, one column and none, and gradients for four steps:
    the same numbers with one thread, with more than there are cores, and where rows lie backwards with room between.
    """
    large = (211, 190) if defaults(number).slots.have_squares else LARGE
    shapes = [large, (31, 37), (1, 1), (5, 0), (7, 1), (1, 9)]
    steps = [[noise(100 + 10 * t + k, shape).astype(np.float32) for k, shape in enumerate(shapes)] for t in range(4)]
    for count, strided in ((1, False), (2, False), (7, False), (1, True), (3, True)):
        martlet.set_num_threads(count)
        arrays = []
        for seed, shape in enumerate(shapes):
            room = np.zeros((2 * shape[0], shape[1]), dtype)
            view = room[::-2] if strided else np.empty(shape, dtype)
            view[...] = noise(seed, shape).astype(dtype)
            arrays.append(view)
        yield arrays, steps


def bits(arrays: list[np.ndarray]) -> bytes:
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
