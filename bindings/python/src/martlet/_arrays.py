"""numpy arrays at the boundary: what each must be before its address is taken, and how they pair into items.

An in-place optimizer never copies an array silently, so whatever the library cannot read or write where it lies is
refused, with the array's name, what it is and what to do. Nothing here steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, NamedTuple
from weakref import ref

import numpy as np
from numpy.ma import MaskedArray

from martlet import _ffi, _small
from martlet._algorithms import Slots
from martlet._call import Item, RowNumbers, state_layouts
from martlet._errors import AlignmentError, DTypeError, OverlapError, ReadOnlyError, ShapeError
from martlet._layout import Layout, layouts
from martlet._memory import buffer_address
from martlet._rows import Rows
from martlet._tree import NUMBERS

_NUMBERS: dict[np.dtype[Any], int] = {
    np.dtype(np.float64): _ffi.FP64,
    np.dtype(np.float32): _ffi.FP32,
    np.dtype(np.float16): _ffi.FP16,
}
# What state_dtype may say in words.
_STATE_NAMES = {"fp64": "float64", "fp32": "float32", "bf16": "bfloat16"}
_WANTED = "float64, float32, float16 or ml_dtypes.bfloat16"


class View(NamedTuple):
    """Where an array is and how it lies; strides in elements."""

    pointer: int
    shape: tuple[int, ...]
    dtype: int
    strides: tuple[int, ...]


def dtype_number(dtype: np.dtype[Any], name: str) -> int:
    """The library's number for an element type."""
    known = _NUMBERS.get(dtype)
    if known is not None:
        return known
    if dtype.name == "bfloat16" and dtype.itemsize == 2 and dtype.isnative:
        _NUMBERS[dtype] = _ffi.BF16
        return _ffi.BF16
    if not dtype.isnative and dtype.newbyteorder("=") in _NUMBERS:
        raise DTypeError(
            f"{name} has dtype {dtype.str!r}, which is not in this machine's byte order; convert it once: "
            f"array.astype({dtype.newbyteorder('=').name!r})"
        )
    if dtype.kind == "c":
        real = "float32" if dtype.itemsize == 8 else "float64"
        raise DTypeError(
            f"{name} has dtype {dtype.name}; wanted {_WANTED}: give its real and imaginary parts as one array, "
            f"array.view({real!r}), which keeps the memory"
        )
    raise DTypeError(f"{name} has dtype {dtype.name}; wanted {_WANTED}: convert it once, array.astype('float32')")


def view(array: Any, name: str, *, written: bool) -> View:
    """Checks an array and says where it is. Raises the exception that names what is wrong with it."""
    if not isinstance(array, np.ndarray):
        raise DTypeError(_not_an_array(array, name))
    if isinstance(array, MaskedArray):
        raise DTypeError(f"{name} is a masked array, whose mask would be ignored; give its data: array.data")
    dtype = dtype_number(array.dtype, name)
    flags = array.flags
    if written and not flags.writeable:
        raise ReadOnlyError(
            f"{name} is read-only, and a step would write it; give a writable array: array.copy(), or a memory map "
            "opened with mode 'r+' or 'c'"
        )
    itemsize = array.itemsize
    pointer = address(array)
    if array.size and (not flags.aligned or pointer % itemsize):
        raise AlignmentError(
            f"{name} starts at address {pointer:#x}, or has strides {array.strides}, that are no multiples of its "
            f"{itemsize}-byte elements; give an aligned copy: array.copy()"
        )
    strides = []
    for size, stride in zip(array.shape, array.strides, strict=True):
        if size > 1 and stride % itemsize and array.size:
            raise AlignmentError(
                f"{name} has strides {array.strides}, no multiples of its {itemsize}-byte elements; give a copy: "
                "array.copy()"
            )
        if written and size > 1 and stride == 0 and array.size:
            raise OverlapError(
                f"{name} repeats its elements (strides {array.strides}), so writing one writes many; "
                "give an array of its own: array.copy()"
            )
        strides.append(stride // itemsize)
    seen = View(pointer, array.shape, dtype, tuple(strides))
    if not lies_in_base(array):
        raise OverlapError(
            f"{name} is a view of an array that was resized, and lies in memory that is no longer that array's; take "
            "the view again"
        )
    return seen


def lies_in_base(array: np.ndarray[Any, Any]) -> bool:
    """Whether an array is inside of the one of which it is a view, if it is, and that one of its own: numpy lets an
    array be resized that has views, and takes the memory from under them."""
    base = array.base
    if not isinstance(base, np.ndarray) or not array.size:
        return True
    (start, end), (first, last) = extent(base), extent(array)
    return start <= first and last <= end and lies_in_base(base)


def extents(bases: Iterable[Any]) -> dict[int, tuple[int, int]]:
    """Under their identities where arrays, and those of which they are views, start, and how long they are. What is no
    array has no entry."""
    found: dict[int, tuple[int, int]] = {}
    for base in bases:
        while isinstance(base, np.ndarray) and id(base) not in found:
            found[id(base)] = address(base), base.nbytes
            base = base.base
    return found


def extent(array: np.ndarray[Any, Any]) -> tuple[int, int]:
    """The addresses at which an array's elements start and end."""
    start = address(array)
    if not array.size:
        return start, start
    steps = [(size - 1) * stride for size, stride in zip(array.shape, array.strides, strict=True)]
    return start + sum(step for step in steps if step < 0), start + sum(s for s in steps if s > 0) + array.itemsize


def _not_an_array(array: Any, name: str) -> str:
    kind = f"{type(array).__module__}.{type(array).__qualname__}"
    if kind.startswith("torch."):
        return f"{name} is a {kind}; martlet.torch serves tensors, here wanted a numpy.ndarray"
    if isinstance(array, NUMBERS):
        return f"{name} is {array!r}, a {type(array).__name__}; wanted a numpy.ndarray: numpy.array({array!r})"
    return f"{name} is a {kind}; wanted a numpy.ndarray: numpy.array(x) makes one"


def copy_view(array: Any, name: str, value: View) -> View:
    """Checks a copy against its parameter."""
    seen = view(array, name, written=True)
    if seen.shape != value.shape:
        raise ShapeError(f"{name} has shape {seen.shape}, and its parameter has {value.shape}; wanted the same")
    return seen


def gradient_view(gradient: Any, name: str, shape: tuple[int, ...], *, written: bool = False) -> View:
    """Checks a gradient against its parameter's shape."""
    if isinstance(gradient, NUMBERS):
        raise DTypeError(
            f"{name} is {gradient!r}, one number, and its parameter has shape {shape}; wanted a numpy.ndarray of it"
        )
    seen = view(gradient, name, written=written)
    if seen.shape != shape:
        raise ShapeError(
            f"{name} has shape {seen.shape}, and its parameter has {shape}; wanted the same: "
            "reshape the gradient, or sum it over the axes that were broadcast"
        )
    return seen


class RowsView(NamedTuple):
    """A gradient of rows that has been checked; numbers: the int64 array whose address call has."""

    pointer: int
    layout: Layout
    call: RowNumbers
    numbers: np.ndarray[Any, Any]


def rows_view(given: Rows, name: str, shape: tuple[int, ...]) -> RowsView:
    """Checks a gradient of rows against its parameter's shape. Which numbers are rows the library says."""
    if not shape:
        raise ShapeError(f"{name} is of rows, and its parameter has no dimension; wanted a numpy.ndarray of it")
    numbers = np.asarray(given.indices)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise DTypeError(
            f"{name} has indices of shape {numbers.shape} and dtype {numbers.dtype}; wanted integers in one dimension"
        )
    seen = view(given.values, f"the values of {name}", written=False)
    wanted = (len(numbers), *shape[1:])
    if seen.shape != wanted:
        raise ShapeError(
            f"the values of {name} have shape {seen.shape}, and there are {len(numbers)} indices of rows of shape "
            f"{shape[1:]}; wanted {wanted}"
        )
    # An unsigned number past the range of int64 becomes a negative one, which is no row either.
    numbers = np.ascontiguousarray(numbers, dtype=np.int64)
    values: np.ndarray[Any, Any] = given.values
    return RowsView(
        seen.pointer,
        Layout(seen.dtype, seen.shape, seen.strides),
        RowNumbers(address(numbers), len(numbers), values.size),
        numbers,
    )


def of_one_number(gradient: Any, value: Any) -> Any:
    """The gradient of a parameter of one element as an array of its shape, where it is a number, as numpy's reductions
    give them, or an array without axes. Any other gradient as it is."""
    is_number = isinstance(gradient, NUMBERS) or (isinstance(gradient, np.ndarray) and not gradient.shape)
    if not is_number or not isinstance(value, np.ndarray) or value.size != 1:
        return gradient
    array = np.asarray(gradient)
    wide = array.dtype.kind in "iu" or array.dtype == np.longdouble
    return array.astype(np.float64 if wide else array.dtype, copy=False).reshape(value.shape)


def state_dtype(given: Any, name: str = "state_dtype") -> np.dtype[Any] | str | None:
    """The element type that was asked for the moments, or "fp16", "int8" or "int4"; None: each parameter's own."""
    if given is None or (isinstance(given, str) and given in _small.BITS):
        return given
    if isinstance(given, str) and given in _STATE_NAMES:
        given = _STATE_NAMES[given]
    try:
        dtype: np.dtype[Any] = np.dtype(given)
    except TypeError:
        remedy = ": import ml_dtypes, and give ml_dtypes.bfloat16" if given == "bfloat16" else ""
        raise DTypeError(f"{name} is {given!r}; wanted {_WANTED}, 'fp16', 'int8' or 'int4'{remedy}") from None
    dtype_number(dtype, name)
    return dtype


def state_name(given: Any) -> str | None:
    """The same by a name that state_dtype takes again."""
    dtype = state_dtype(given)
    return dtype.name if isinstance(dtype, np.dtype) else dtype


def copy_dtype(given: Any, name: str) -> np.dtype[Any] | None:
    """The element type that was asked for copies of parameters; None: there are to be none."""
    dtype = state_dtype("float16" if isinstance(given, str) and given == "fp16" else given, name)
    if isinstance(dtype, str):
        raise DTypeError(f"{name} is {dtype!r}; wanted {_WANTED}: copies are of numbers")
    return dtype


def small_view(array: Any, slot: str, slots: Slots, shape: tuple[int, ...], name: str) -> View:
    """State of 16, 8 or 4 bits: codes and scales in one array of bytes."""
    small = slots.small_of(slot, array.size, shape) if array.ndim == 1 else None
    if small is None:
        raise ShapeError(
            f"{name} is uint8 of shape {array.shape}, which is no state of 16, 8 or 4 bits for a parameter of {shape}; "
            "give the state that was made for this parameter"
        )
    if not array.flags.c_contiguous or not array.flags.writeable or address(array) % 4:
        raise ShapeError(f"{name} is not contiguous, writable and at a multiple of 4 bytes; give a copy of it")
    return View(address(array), shape, small.number, ())


def item(
    name: str,
    group: int,
    value: View,
    gradient: View | None,
    states: Mapping[str, View],
    slots: Slots,
    copy: View | None,
    *,
    keeps_dimensions: bool = False,
) -> Item:
    """Pairs a parameter with its arrays. Without a gradient the library leaves the parameter as it is.
    keeps_dimensions: as layouts() has it."""
    alike = [slot for slot in slots.alike(value.shape) if states[slot].dtype not in _small.TYPES]
    arrays = [value, gradient or value, *(states[slot] for slot in alike), *(() if copy is None else (copy,))]
    keeps_dimensions = keeps_dimensions or slots.keep_dimensions
    lying = layouts(value.shape, [(array.dtype, array.strides) for array in arrays], keeps_dimensions=keeps_dimensions)
    types = {slot: seen.dtype for slot, seen in states.items()}
    state = state_layouts(slots, value.shape, dict(zip(alike, lying[2:], strict=False)), types)
    own = None if copy is None else lying[-1]
    return Item(name, prod(value.shape), group, lying[0], lying[1], state, slots.names, copy=own)


def address(array: np.ndarray[Any, Any]) -> int:
    """Where an array's first element is."""
    try:
        return buffer_address(array)  # four times as fast as what serves every array
    except (TypeError, ValueError, BufferError):
        pointer: int = array.__array_interface__["data"][0]
        return pointer


def writable_address(array: np.ndarray[Any, Any]) -> int:
    """The same of one that is not read-only."""
    try:
        return buffer_address(array)  # of writable ones alone
    except (TypeError, ValueError, BufferError):
        pointer: int
        pointer, is_read_only = array.__array_interface__["data"]
        if is_read_only:
            raise ReadOnlyError("it is read-only") from None
        return pointer


def held(array: np.ndarray[Any, Any]) -> object:
    """What keeps an array, which is kept itself, where it is, for as long as this is: numpy resizes none that is
    referred to weakly, and one of which it is a view could take the memory from under it."""
    return ref(array), held(array.base) if isinstance(array.base, np.ndarray) else None
