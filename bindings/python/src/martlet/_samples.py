"""What users give as samples, as numpy arrays, and statistics of their channels.

Shared by martlet.nn and martlet.data. Nothing here knows models, or keeps anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from martlet._errors import ArgumentError, DTypeError, ShapeError

NDArray = np.ndarray[Any, Any]
Float64 = np.ndarray[Any, np.dtype[np.float64]]

# Elements that statistics look at together: float64 copies are made of so many only.
_CHUNK = 1 << 20


def array(data: Any, where: str) -> NDArray:
    """data as a numpy array of real numbers with an axis for the samples."""
    if isinstance(data, np.ma.MaskedArray):
        raise DTypeError(f"{where} is a masked array, whose mask would be ignored; give its data: array.data")
    if data is None or isinstance(data, str | bytes):
        raise DTypeError(f"{where} is {data!r}; wanted an array of numbers")
    try:
        found = np.asarray(data)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DTypeError(f"{where} is no array of numbers: {error}") from None
    if found.dtype.kind not in "fiub" and found.dtype.name != "bfloat16":
        raise DTypeError(f"{where} has dtype {found.dtype.name}; wanted real numbers")
    if found.ndim == 0:
        raise ShapeError(f"{where} is one number, {found[()]}; wanted an array whose first axis counts the samples")
    if found.ndim > 9:
        raise ShapeError(f"{where} has {found.ndim} axes; wanted at most 9, the samples' among them")
    return found


def filled(found: NDArray, where: str) -> NDArray:
    """The array, which must hold something."""
    if not found.size:
        raise ShapeError(f"{where} has shape {found.shape}, which holds no samples; wanted at least one")
    return found


def samples(data: Any, where: str) -> NDArray:
    """data as contiguous fp32, at least one sample."""
    return np.ascontiguousarray(filled(array(data, where), where), np.float32)


def refuse_nan(data: NDArray, where: str, otherwise: str = "") -> None:
    """The largest element of an array with a NaN is NaN, which takes no memory to find out."""
    if data.dtype.kind == "f" and np.isnan(data.max()):
        place = tuple(int(index) for index in np.unravel_index(np.isnan(data).argmax(), data.shape))
        raise ArgumentError(f"{where} holds a NaN, first at {place}; wanted numbers{otherwise}")


def _chunks(x: NDArray, axis: int | None) -> Iterator[NDArray]:
    """Parts of the samples with their channels last; with axis None everything is one channel."""
    step = max(_CHUNK // max(x[0].size, 1), 1)
    for start in range(0, len(x), step):
        part = x[start : start + step].astype(np.float64)
        if axis is None:
            yield part.reshape(-1, 1)
        else:
            yield np.moveaxis(part, axis, -1).reshape(-1, x.shape[axis])


def moments(x: NDArray, axis: int | None) -> tuple[Float64, Float64]:
    """Mean and variance of each channel, over all samples and places."""
    count = x.size // (1 if axis is None else x.shape[axis])
    mean = np.sum([part.sum(axis=0) for part in _chunks(x, axis)], axis=0) / count
    squares = np.sum([np.square(part - mean).sum(axis=0) for part in _chunks(x, axis)], axis=0)
    return mean, squares / count


def extremes(x: NDArray, axis: int | None) -> tuple[Float64, Float64]:
    """The least and the largest number of each channel."""
    least = np.min([part.min(axis=0) for part in _chunks(x, axis)], axis=0)
    return least, np.max([part.max(axis=0) for part in _chunks(x, axis)], axis=0)
