"""Saves and loads a numpy optimizer's state through a native handle, so that the file is the library's own:
safetensors, written whole or not at all, the same from every language.

The handle lives for one call. It borrows the parameters' memory, which it neither reads nor writes here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from martlet import _arrays, _ffi, _ffi_optimizers, _small
from martlet._algorithms import Slots
from martlet._arguments import file_name
from martlet._config import Hyperparameters
from martlet._entry import Entry
from martlet._errors import ArgumentError, FormatError
from martlet._handle import Handle
from martlet.convert import _codes

# What the moments of each group are kept in; None: in their parameters' own type.
StateTypes = Sequence[np.dtype[Any] | str | None]


def save(path: Any, rows: Sequence[Hyperparameters], entries: Sequence[Entry], dtypes: StateTypes) -> None:
    """Writes every entry's moments and steps, and the groups' hyperparameters."""
    name = file_name(path)
    with Handle(rows) as handle:
        for index, entry in enumerate(entries):
            states = _add(handle, entry, rows, dtypes)
            slots = rows[entry.group].slots
            for slot, array in states.items():
                if array.dtype == np.uint8:
                    pointer, small = _small_part(entry, slots, slots.names[slot], array)
                    handle.write_small(index, slot, pointer, entry.value.size, small)
                    continue
                row_major = np.ascontiguousarray(array)
                seen = _arrays.view(row_major, entry.name, written=False)
                size = slots.size(slots.names[slot], entry.value.shape)
                handle.write_state(index, slot, seen.pointer, size, seen.dtype)
            handle.set_step(index, entry.steps)
        handle.save(name)


def load(
    path: Any, rows: Sequence[Hyperparameters], entries: Sequence[Entry], dtypes: StateTypes
) -> list[Hyperparameters]:
    """Reads a file into the entries, and returns the groups' hyperparameters. On failure nothing has changed.

    A file that has plain fp16 where scaled numbers are wanted is read as that is, and goes on as these."""
    try:
        return _load(path, rows, entries, dtypes)
    except FormatError:
        if "fp16" not in dtypes:
            raise
        plain = [np.dtype(np.float16) if dtype == "fp16" else dtype for dtype in dtypes]
        with contextlib.suppress(FormatError):
            return _load(path, rows, entries, plain, goes_on=dtypes)
        raise


def _load(
    path: Any, rows: Sequence[Hyperparameters], entries: Sequence[Entry], dtypes: StateTypes, goes_on: StateTypes = ()
) -> list[Hyperparameters]:
    """goes_on: what moments are kept in from here on, where that is not what they are read as."""
    name = file_name(path)
    loaded = []
    with Handle(rows) as handle:
        shapes = [_add(handle, entry, rows, dtypes) for entry in entries]
        handle.load(name)
        for index, (entry, states) in enumerate(zip(entries, shapes, strict=True)):
            slots, arrays = rows[entry.group].slots, {}
            for slot, array in states.items():
                size = slots.size(slots.names[slot], entry.value.shape)
                arrays[slots.names[slot]] = made = np.zeros(array.shape, array.dtype)
                if made.dtype == np.uint8:
                    pointer, small = _small_part(entry, slots, slots.names[slot], made)
                    handle.read_small(index, slot, pointer, entry.value.size, small)
                    continue
                handle.read_state(index, slot, _arrays.address(made), size * made.itemsize)
            if goes_on:
                arrays = _in_types(arrays, entry, slots, goes_on[entry.group])
            loaded.append((entry, handle.step(index), arrays))
        result = [_checked(handle.group(group), group) for group in range(len(rows))]
    for entry, step, state in loaded:
        entry.take(step, state)
    return result


def _in_types(
    arrays: dict[str, np.ndarray[Any, Any]], entry: Entry, slots: Slots, dtype: np.dtype[Any] | str | None
) -> dict[str, np.ndarray[Any, Any]]:
    """Moments in the types that new ones have."""
    codes = _codes.in_codes(arrays, slots, dtype, entry.value)
    new = entry.ready_state(slots, dtype)
    return {slot: codes[slot] if slot in codes else array.astype(new[slot].dtype) for slot, array in arrays.items()}


def _small_part(entry: Entry, slots: Slots, slot: str, array: np.ndarray[Any, Any]) -> tuple[int, _small.Small]:
    """Where codes begin, and their type."""
    seen = _arrays.small_view(array, slot, slots, entry.value.shape, f"{slot} of {entry.name}")
    return seen.pointer, _small.TYPES[seen.dtype]


def _checked(row: Hyperparameters, group: int) -> Hyperparameters:
    """A file's group, which may be of a handle with wider ranges than groups have here."""
    row = row._replace(flags=row.flags & ~_ffi_optimizers.WIDE_RANGES)
    try:
        row.check()
    except ArgumentError as error:
        raise FormatError(f"the file's group.{group}: {error}") from None
    return row


def _add(
    handle: Handle, entry: Entry, rows: Sequence[Hyperparameters], dtypes: StateTypes
) -> dict[int, np.ndarray[Any, Any]]:
    """Adds an entry to the handle; returns the moments that it has by the numbers of their slots; they are zeros before
    its first step."""
    value = entry.view()
    slots = rows[entry.group].slots
    state = entry.ready_state(slots, dtypes[entry.group])
    states = {slot: state[name] for slot, name in enumerate(slots.names) if name in slots.of(value.shape).names}
    kinds = [
        (slots.size(slots.names[slot], value.shape), _type_of(entry, slots, slots.names[slot], states[slot]))
        if slot in states
        else (0, _ffi.FP64 if value.dtype == _ffi.FP64 else _ffi.FP32)
        for slot in range(len(slots.names))
    ]
    handle.add(entry.name, entry.group, value.pointer, value.dtype, value.shape, value.strides, kinds)
    return states


def _type_of(entry: Entry, slots: Slots, slot: str, array: np.ndarray[Any, Any]) -> int:
    """The library's number for what a moment is stored as."""
    if array.dtype == np.uint8:
        return _small_part(entry, slots, slot, array)[1].number
    return _arrays.dtype_number(array.dtype, entry.name)
