"""What everybody gets in the parity table: parameters, gradients and rates. Each draw has other numbers of one kind."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from parity_rows import Row
from parity_rules import ALGORITHMS

Array = np.ndarray[Any, Any]
Shapes = tuple[tuple[int, ...], ...]

SHAPES: Shapes = ((40, 36), (480,))
#: Kernels of convolutions; the second is a square as a matrix.
KERNELS: Shapes = ((16, 8, 3, 3), (18, 2, 3, 3), (16,))
#: The side of a square matrix.
SIDE = 36


def rate(row: Row, t: int) -> float:
    """Half the rate, from step 10 on a tenth and up to all of it at step 100, and down half a cosine until 300."""
    down = 0.525 + 0.475 * float(np.cos(np.pi * max(t - 100, 0) / 200))
    parts = {"constant": 1.0, "falling": down, "changing": 0.5 if t < 10 else 0.1 + t / 111 if t < 100 else down}
    return ALGORITHMS[row.algorithm].lr * parts[row.rates]


def taken(row: Row, arrays: list[Array]) -> list[Array]:
    """Those that the row's algorithm steps: some step matrices alone, and of some only square ones say much."""
    algorithm = ALGORITHMS[row.algorithm]
    if algorithm.plain:
        return [array[:SIDE, :SIDE] for array in arrays if array.ndim == 2 or array.shape == KERNELS[1]]
    return [array for array in arrays if array.ndim > 1 or not algorithm.matrices]


def given(row: Row, t: int, denormals: bool | None = None) -> list[Array]:
    """The gradients of a row's algorithm at a step."""
    algorithm = ALGORITHMS[row.algorithm]
    if algorithm.plain:
        return taken(row, ordinary(t, row.draw, shapes(row)))
    return taken(row, gradients(t, row.denormals if denormals is None else denormals, row.draw, shapes(row)))


def shapes(row: Row) -> Shapes:
    return KERNELS if row.kernels else SHAPES


@functools.cache
def start(draw: int = 0, shapes: Shapes = SHAPES) -> list[Array]:
    """Small numbers, as weights are; but no nearer to 0 than 1 where weight decay will be nearly all that moves them:
    around 0 such a one swings, and its sign hangs on the last bit.
    """
    made = []
    for k, shape in enumerate(shapes):
        noise = np.random.default_rng(100_000 * draw + k).standard_normal(shape)
        far = np.isin(kinds(shape), (2, 6, 7))
        made.append(np.where(far, noise + np.copysign(1, noise), 0.05 * noise).astype(np.float32))
    return made


def kinds(shape: tuple[int, ...]) -> Array:
    return np.arange(np.prod(shape)).reshape(shape) % 8


@functools.cache
def gradients(t: int, denormals: bool, draw: int = 0, shapes: Shapes = SHAPES) -> list[Array]:
    """The same for everybody, in float32. Every eighth element gets ordinary noise with a drift; the next to it small;
    of eps's size; large; of any size; seldom any; denormal; always zero.
    """
    generator = drawn(t, draw)
    made = []
    for shape in shapes:
        noise = generator.standard_normal(shape) + 0.3
        seldom = generator.random(shape) < 0.2
        scales = [
            1,
            1e-3,
            1e-8,
            1e4,
            10 ** generator.uniform(-9, 3, shape),
            np.where(seldom, 1, 0),
            1e-39 * denormals,
            0,
        ]
        made.append((noise * np.select([kinds(shape) == k for k in range(8)], scales)).astype(np.float32))
    return made


@functools.cache
def ordinary(t: int, draw: int = 0, shapes: Shapes = SHAPES) -> list[Array]:
    """Gradients of noise with a drift alone."""
    generator = drawn(t, draw)
    return [(generator.standard_normal(shape) + 0.3).astype(np.float32) for shape in shapes]


def drawn(t: int, draw: int) -> np.random.Generator:
    return np.random.default_rng(100_000 * draw + 1000 + t)


def begun(row: Row, dtype: Any) -> list[Array]:
    return [array.astype(dtype) for array in taken(row, start(row.draw, shapes(row)))]
