"""Samples and targets as the library takes them: contiguous, aligned, fp32 or whole-number labels, of shapes that fit.

What is not so already is converted once, into a copy. Every error names the argument, what was given and what was
wanted. Nothing here knows models.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from martlet import _arguments, _arrays, _ffi, _samples
from martlet._bound import Bound
from martlet._errors import ArgumentError, DTypeError, ShapeError
from martlet._model import Model
from martlet._records import Samples
from martlet._samples import NDArray, array, samples
from martlet.nn import _open
from martlet.nn._laying import Rows
from martlet.nn._open import Sizes

if TYPE_CHECKING:
    from martlet.nn._built import Built

_NUMBERS = {
    np.dtype(np.float32): _ffi.FP32,
    np.dtype(np.int32): _ffi.INT32,
    np.dtype(np.int64): _ffi.INT64,
    np.dtype(np.uint8): _ffi.UINT8,
}


def fitting(data: Any, where: str, shape: Sizes, what: str = "the model reads") -> NDArray:
    """The same, checked against the shape of one sample."""
    return _of_shape(samples(data, where), where, shape, what)


def _of_shape(found: NDArray, where: str, shape: Sizes, what: str) -> NDArray:
    """The same of an array."""
    if found.ndim == 1 and shape == (1,):
        return found[:, None]
    if not _open.fits(shape, found.shape[1:]):
        way = "" if None in shape else _way(found.shape, where, _open.at(shape))
        raise ShapeError(f"{where} has samples of shape {found.shape[1:]}, and {what} {shape}{way}")
    return found


def arrays(data: Any, where: str, names: Sequence[str]) -> list[tuple[str, NDArray]]:
    """What a user gave for each of a model's inputs, as arrays as they are, and what messages call them."""
    if len(names) == 1:
        if isinstance(data, dict) and [*data] == [*names]:
            data = data[names[0]]
        elif isinstance(data, list | tuple) and len(data) == 1 and getattr(data[0], "ndim", 0) > 1:
            data = data[0]
        parts = [(where, data)]
    else:
        parts = parted(data, where, names, "input")
    return [(name, _samples.checked(one, name)) for name, one in parts]


def parted(data: Any, where: str, names: Sequence[str], what: str) -> list[tuple[str, Any]]:
    """What a user gave for each of several inputs, or outputs, by their names or in their order, and what messages call
    it."""
    if isinstance(data, dict):
        if {*data} != {*names}:
            raise ArgumentError(f"{where} has {_arguments.listed(data)}; wanted {_arguments.listed(names)}, an array "
                                f"for each {what}")  # fmt: skip
        return [(f"{where}[{name!r}]", data[name]) for name in names]
    count = len(data) if isinstance(data, list | tuple) else None
    if count != len(names):
        given = f"a {type(data).__name__}" if count is None else f"{count} arrays"
        raise ArgumentError(f"{where} is {given}; wanted a list of {len(names)}, an array for each {what}: "
                            f"{_arguments.listed(names)}")  # fmt: skip
    return [(f"{where}[{place}]", one) for place, one in enumerate(data)]


def converted(
    given: Sequence[tuple[str, NDArray]], built: Built, sizes: Sequence[tuple[int, ...]] | None = None
) -> list[NDArray]:
    """The arrays as the library takes them, for a model's inputs: fp32 or uint8 numbers, or rows of a table. sizes: of
    their samples, where these are not the model's."""
    found = []
    wanted = built.read_shapes if sizes is None else sizes
    for (where, data), one, table in zip(given, wanted, built.tables(), strict=True):
        if table is not None:
            shaped = _of_shape(data, where, one, "the model reads")
            found.append(shaped if shaped.dtype.kind in "iu" else _whole(shaped, where, table.what.format(table.layer)))
        elif data.dtype == np.uint8:
            found.append(np.require(_of_shape(data, where, one, "the model reads"), np.uint8, ["C", "A"]))
        else:
            found.append(fitting(data, where, one))
        if len(found[-1]) != len(found[0]):
            raise ShapeError(
                f"{where} has {len(found[-1])} samples and {given[0][0]} has {len(found[0])}; wanted as many"
            )
    if sizes is None:
        built.take_sizes(found)
    tables = built.tables()
    return [
        one if table is None else _rows(one, where, table)
        for (where, _), one, table in zip(given, found, tables, strict=True)
    ]


def _rows(found: NDArray, where: str, rows: Rows) -> NDArray:
    """Whole numbers as the library takes them. Raises for those that it does not."""
    for extreme in (found.argmin(), found.argmax()):
        row = found.reshape(-1)[extreme]
        if not 0 <= row < rows.below:
            raise ArgumentError(f"{where} holds {row} at {_place(extreme, found)}; wanted 0 to {rows.below - 1}, "
                                f"{rows.what.format(rows.layer)}")  # fmt: skip
    return np.require(found, found.dtype if found.dtype in _NUMBERS else np.int64, ["C", "A"])


def _way(found: tuple[int, ...], where: str, shape: tuple[int, ...]) -> str:
    """How to come from an array to samples of a shape, where numbers need not guess which they are."""
    sizes = found[1:]
    if found == shape:
        return f"; for one sample give {where}[None]"
    if sorted(sizes) == sorted(shape):
        axes = [axis + 1 for axis in range(len(sizes))]
        order = [axes.pop(next(place for place, axis in enumerate(axes) if found[axis] == size)) for size in shape]
        return f"; {where}.transpose({(0, *order)}) has it"
    is_flat = len(sizes) == 1 or len(shape) == 1 or [size for size in sizes if size > 1] == [s for s in shape if s > 1]
    return f"; {where}.reshape({(-1, *shape)}) has it" if is_flat and prod(sizes) == prod(shape) else ""


def refuse_nan(data: NDArray, where: str) -> None:
    _samples.refuse_nan(data, where, ", or check=False to train on it as it is")


def refuse_improbable(data: NDArray, where: str) -> None:
    """Raises for targets that are no probabilities."""
    for extreme in (data.argmin(), data.argmax()):
        target = data.reshape(-1)[extreme]
        if not 0 <= target <= 1:
            raise ArgumentError(f"{where} holds {target} at {_place(extreme, data)}; wanted probabilities, 0 to 1, or "
                                "check=False to train on it as it is")  # fmt: skip


def labels(data: Any, where: str, classes: int, places: tuple[int, ...] = ()) -> NDArray:
    """Whole numbers from 0 to classes - 1, one for each sample, or for each of its places."""
    found = array(data, where)
    if found.shape[1:] == (*places, 1):
        found = found[..., 0]
    if found.shape[1:] != places:
        hint = (
            f": {where}.argmax(axis=-1) has them, or take a categorical loss" if found.ndim == len(places) + 2 else ""
        )
        wanted = f"labels of shape {places} for each sample" if places else "one label for each sample"
        raise ShapeError(f"{where} has shape {found.shape}; wanted {wanted}{hint}")
    found = _samples.filled(found, where)
    if found.dtype.kind not in "iu":
        found = _whole(found, where, "labels")
    for extreme in (found.argmin(), found.argmax()):
        label = found.reshape(-1)[extreme]
        if not 0 <= label < classes:
            raise ArgumentError(f"{where} holds label {label} at {_place(extreme, found)}; wanted 0 to {classes - 1}, "
                                f"the classes that the model tells apart")  # fmt: skip
    return np.require(found, found.dtype if found.dtype in _NUMBERS else np.int64, ["C", "A"])


def _whole(found: NDArray, where: str, what: str) -> NDArray:
    """Whole numbers that came as floats or truth values."""
    refuse_nan(found, where)
    with np.errstate(invalid="ignore"):
        whole = found.astype(np.int64)
    if (whole != found).any():
        place = (whole != found).argmax()
        raise DTypeError(f"{where} holds {found.reshape(-1)[place]} at {_place(place, found)}; wanted {what}, which "
                         "are whole numbers")  # fmt: skip
    return whole


def _place(index: Any, found: NDArray) -> str:
    place = tuple(int(axis) for axis in np.unravel_index(index, found.shape))
    return f"sample {place[0]}" if len(place) == 1 else f"{place}"


def apart(room: NDArray, shapes: Sequence[tuple[int, ...]]) -> list[NDArray]:
    """The arrays of these shapes that lie one behind another in a flat one, as several outputs do."""
    ends = np.cumsum([prod(shape) for shape in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(room, ends), shapes, strict=True)]


def placed(data: NDArray) -> Samples:
    """Where an array lies, as the library is told. The caller keeps the array."""
    return Samples(_arrays.address(data), len(data), prod(data.shape[1:]), _NUMBERS[data.dtype], _arrays.held(data))


def bound(model: Model, inputs: Sequence[NDArray], targets: Sequence[NDArray], weights: NDArray | None) -> Bound:
    """A model bound to samples, targets and weights. The caller keeps the arrays."""
    counted = None if weights is None else placed(weights)
    sizes = [one.shape[1:] for one in inputs]
    return Bound(model, [placed(one) for one in inputs], [placed(one) for one in targets], counted, sizes)


def same_length(x: NDArray, y: NDArray, x_name: str, y_name: str) -> None:
    if len(x) != len(y):
        raise ShapeError(f"{x_name} has {len(x)} samples and {y_name} has {len(y)}; wanted as many")
