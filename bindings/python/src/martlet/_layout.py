"""How a parameter and its arrays lie in memory, as martlet_array says it: contiguous, or by sizes and strides.

Shapes and strides are tuples of elements. Nothing here knows numpy or torch, or touches memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple


class Layout(NamedTuple):
    """An array without its address. Empty sizes: contiguous."""

    dtype: int
    sizes: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()


def layouts(
    shape: Sequence[int], arrays: Sequence[tuple[int, Sequence[int]]], *, keeps_dimensions: bool = False
) -> list[Layout]:
    """The layouts of arrays of one shape, each given as (dtype, strides), whose elements belong together.

    Arrays that all lie in the same order without holes are contiguous in that order: a transposed matrix with
    transposed gradient and moments is one run of memory. keeps_dimensions: that is so for fewer than two dimensions
    alone, and arrays of more are described as they lie.
    """
    if keeps_dimensions and len(shape) > 1:
        return [Layout(dtype, tuple(shape), tuple(strides)) for dtype, strides in arrays]
    kept = [axis for axis, size in enumerate(shape) if size != 1]
    sizes = tuple(shape[axis] for axis in kept)
    orders = [(dtype, tuple(strides[axis] for axis in kept)) for dtype, strides in arrays]
    first = orders[0][1]
    if prod(sizes) <= 1 or (all(strides == first for _, strides in orders) and is_dense(sizes, first)):
        return [Layout(dtype) for dtype, _ in orders]
    return [
        Layout(dtype) if is_contiguous(sizes, strides) else Layout(dtype, sizes, strides) for dtype, strides in orders
    ]


def is_contiguous(sizes: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether the elements follow one another, the last dimension fastest. Sizes of 1 have been left out."""
    expected = 1
    for size, stride in zip(reversed(sizes), reversed(strides), strict=True):
        if stride != expected:
            return False
        expected *= size
    return True


def is_dense(sizes: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether the elements fill one run of memory in some order of the dimensions, all strides positive."""
    order = sorted(range(len(sizes)), key=lambda axis: strides[axis], reverse=True)
    return is_contiguous([sizes[axis] for axis in order], [strides[axis] for axis in order])
