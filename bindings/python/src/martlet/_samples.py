"""What users give as samples, as numpy arrays, and statistics of their channels.

Shared by martlet.nn and martlet.data. Nothing here knows models, or keeps anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.ma import MaskedArray
from numpy.random import Philox

from martlet import _tables
from martlet._errors import ArgumentError, DTypeError, MartletError, ShapeError

NDArray = np.ndarray[Any, Any]
Float64 = np.ndarray[Any, np.dtype[np.float64]]

# Elements that statistics look at together: float64 copies are made of so many only.
_CHUNK = 1 << 20
# float32's largest number.
_LARGEST = float(np.finfo(np.float32).max)


def any_array(data: Any, where: str) -> NDArray:
    """data as a numpy array of any element type but Python objects, with an axis for the samples."""
    if isinstance(data, MaskedArray):
        raise DTypeError(f"{where} is a masked array, whose mask would be ignored; give its data: array.data")
    if data is None or isinstance(data, str | bytes):
        raise DTypeError(f"{where} is {data!r}; wanted an array of numbers")
    try:
        found = np.asarray(_tables.as_numpy(data, where))
    except MartletError:
        raise
    except Exception as error:  # other libraries' objects say it in their own words
        raise DTypeError(f"{where} is no array of numbers: {error}") from None
    if found.dtype.hasobject:
        raise DTypeError(
            f"{where} has dtype {found.dtype.name}, from {type(data).__name__}; wanted an array of numbers"
        )
    if found.ndim == 0:
        raise ShapeError(f"{where} is one number, {found[()]}; wanted an array whose first axis counts the samples")
    return found


def array(data: Any, where: str) -> NDArray:
    """data as a numpy array of real numbers with an axis for the samples."""
    found = any_array(data, where)
    if found.dtype.kind not in "fiub" and not _is_bfloat16(found):
        raise DTypeError(f"{where} has dtype {found.dtype.name}; wanted real numbers")
    if found.ndim > 9:
        raise ShapeError(f"{where} has {found.ndim} axes; wanted at most 9, the samples' among them")
    return found


def _is_bfloat16(found: NDArray) -> bool:
    """ml_dtypes' type, which numpy counts among the raw ones."""
    return bool(found.dtype.name == "bfloat16")


def filled(found: NDArray, where: str) -> NDArray:
    """The array, which must hold something."""
    if not found.size:
        raise ShapeError(f"{where} has shape {found.shape}, which holds no samples; wanted at least one")
    return found


def checked(data: Any, where: str) -> NDArray:
    """data as an array of real numbers, at least one sample, of any type and order in memory."""
    try:
        return filled(array(data, where), where)
    except DTypeError:
        _refuse_batches(data, where)
        raise


def samples(data: Any, where: str) -> NDArray:
    """data as contiguous, aligned fp32, at least one sample. Infinities stay; numbers beyond fp32 are refused."""
    found = checked(data, where)
    try:
        with np.errstate(all="ignore", over="raise"):
            return np.require(found, np.float32, ["C", "A"])
    except FloatingPointError:
        place, number = _first(found, np.isfinite(found) & (np.abs(found) > _LARGEST))
        raise ArgumentError(
            f"{where} holds {number}, first at {place}, which float32 does not; wanted at most {_LARGEST:.3g}"
        ) from None


def _refuse_batches(data: Any, where: str) -> None:
    """Says what to do with batches, such as martlet.data.Batches, where one is wanted."""
    is_known = hasattr(data, "__array__") or isinstance(data, str | bytes | list | tuple | Mapping)
    if is_known or _tables.library_of(data):
        return
    if hasattr(data, "__iter__") or hasattr(data, "__getitem__"):
        raise DTypeError(f"{where} is {data!r}; wanted an array of numbers: what gives batches is for fit, evaluate "
                         "and predict")  # fmt: skip


def refuse_nan(data: NDArray, where: str, otherwise: str = "") -> None:
    """Refuses NaN, and infinity too where data is fp32, which is what the library reads as it is."""
    _refuse(data, where, otherwise, infinite=data.dtype == np.float32)


def refuse_nonfinite(data: NDArray, where: str, otherwise: str = "") -> None:
    """Refuses NaN and infinity."""
    _refuse(data, where, otherwise, infinite=True)


def _refuse(data: NDArray, where: str, otherwise: str, infinite: bool) -> None:
    """The extremes of an array with a NaN are NaN, which takes no memory to find out."""
    if data.dtype.kind != "f" and not _is_bfloat16(data):
        return
    with np.errstate(invalid="ignore"):  # bfloat16 warns of NaN
        extremes = [data.max(), data.min()] if infinite else [data.max()]
    if any(np.isnan(extreme) for extreme in extremes):
        place, _ = _first(data, np.isnan(data))
        raise ArgumentError(f"{where} holds a NaN, first at {place}; wanted numbers{otherwise}")
    if infinite and any(np.isinf(extreme) for extreme in extremes):
        place, number = _first(data, np.isinf(data))
        raise ArgumentError(f"{where} holds {number}, first at {place}; wanted finite numbers{otherwise}")


def _first(data: NDArray, wrong: NDArray) -> tuple[tuple[int, ...], float]:
    """The place of the first element that is wrong, and that element."""
    place = tuple(int(index) for index in np.unravel_index(wrong.argmax(), data.shape))
    return place, float(data[place])


def parts(x: NDArray) -> Iterator[slice]:
    """The samples in parts of which a float64 copy may be made."""
    step = max(_CHUNK // max(x[:1].size, 1), 1)
    for start in range(0, len(x), step):
        yield slice(start, start + step)


def _chunks(x: NDArray, axis: int | None) -> Iterator[NDArray]:
    """Copies of parts of the samples with their channels last; with axis None everything is one channel."""
    for rows in parts(x):
        part = x[rows].astype(np.float64)
        if axis is None:
            yield part.reshape(-1, 1)
        else:
            yield np.moveaxis(part, axis, -1).reshape(-1, x.shape[axis])


def moments(x: NDArray, axis: int | None) -> tuple[Float64, Float64]:
    """Mean and variance of each channel, over all samples and places.

    The second pass also sums the deviations, which would be 0 from an exact mean, and corrects both by them (Chan,
    Golub and LeVeque, 1983).
    """
    count = x.size // (1 if axis is None else x.shape[axis])
    mean = np.sum([part.sum(axis=0) for part in _chunks(x, axis)], axis=0) / count
    rest, squares = np.zeros_like(mean), np.zeros_like(mean)
    for part in _chunks(x, axis):
        part -= mean
        rest += part.sum(axis=0)
        squares += np.square(part, out=part).sum(axis=0)
    rest /= count
    return mean + rest, np.maximum(squares / count - np.square(rest), 0)


def extremes(x: NDArray, axis: int | None) -> tuple[Float64, Float64]:
    """The least and the largest number of each channel."""
    least = np.min([part.min(axis=0) for part in _chunks(x, axis)], axis=0)
    return least, np.max([part.max(axis=0) for part in _chunks(x, axis)], axis=0)


def order(seed: int, step: int, samples: int) -> NDArray:
    """An order of samples for a seed and a step: an epoch of Batches, or the training steps that a model has taken, so
    that a model that was saved and loaded goes on with the same.

    numpy promises Philox's bits for all of its versions, and what its permutation makes of them for one alone.
    """
    # The step counts in Philox's third word: neighbouring counters would give overlapping streams.
    keys = Philox(key=seed, counter=[0, 0, step, 0]).random_raw(samples)
    return np.argsort(keys, kind="stable").astype(np.int64, copy=False)
