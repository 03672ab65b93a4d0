"""Copies of numpy parameters in another type, which each step writes beside them: made by a type, or the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from martlet import _arrays
from martlet._entry import Entry
from martlet._errors import ArgumentError

NAME = "param_copy"


class Copies:
    """What a constructor was given as param_copy: an element type for all parameters, those that come later too, or an
    array or None for each of its first ones."""

    __slots__ = ("_arrays", "dtype")

    def __init__(self, given: Any) -> None:
        listed = isinstance(given, list | tuple)
        self._arrays: Sequence[Any] = given if listed else ()
        self.dtype = None if listed else _arrays.copy_dtype(given, NAME)

    def give(self, entries: Sequence[Entry]) -> None:
        """Gives the first parameters theirs, which are then equal to them."""
        if self._arrays and len(self._arrays) != len(entries):
            raise ArgumentError(f"{NAME} has {len(self._arrays)} arrays; wanted {len(entries)}, one for each parameter")
        for index, array in enumerate(self._arrays):
            if array is not None:
                _arrays.copy_view(array, f"{NAME}[{index}]", entries[index].view())
        for entry, array in zip(entries, self._arrays, strict=False):
            entry.copy = array
            if array is not None:
                array[...] = entry.value
        self._arrays = ()

    def give_new(self, entries: Sequence[Entry]) -> None:
        """Makes those of new parameters, where a type was given."""
        if self.dtype is not None:
            for entry in entries:
                entry.copy = entry.value.astype(self.dtype, order="K", subok=False)


def copies_of(entries: Sequence[Entry]) -> list[Any]:
    """Those that there are."""
    return [entry.copy for entry in entries if entry.copy is not None]
