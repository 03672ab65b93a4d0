"""A parameter of a numpy optimizer: its array, its place, and the moments that the optimizer keeps for it.

Used by optim.py and _checkpoint.py; it checks loaded states and steps nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from martlet import _arrays
from martlet._errors import DTypeError, FormatError

NDArray = np.ndarray[Any, Any]
SLOTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")


class Entry:
    """name and group: for messages, files and hyperparameters. state: slot name to array; empty before the first step.
    counter: steps taken, a 0-d int64 array that the library counts up."""

    __slots__ = ("counter", "group", "name", "state", "value")

    def __init__(self, name: str, value: NDArray, group: int) -> None:
        self.name = name
        self.value = value
        self.group = group
        self.state: dict[str, NDArray] = {}
        self.counter: NDArray = np.zeros((), dtype=np.int64)

    def ready_state(self, slots: tuple[str, ...], dtype: np.dtype[Any] | None) -> dict[str, NDArray]:
        """The slots in order; those that are not there yet as zeros, which the caller keeps once they were stepped."""
        return {
            slot: self.state[slot] if slot in self.state else _arrays.new_state(self.value, dtype) for slot in slots
        }

    def export(self) -> dict[str, Any]:
        """A copy, in plain types."""
        return {"step": int(self.counter), **{slot: array.copy() for slot, array in self.state.items()}}


def memory_key(seen: _arrays.View, array: NDArray) -> Any:
    """What tells one variable from another: its memory, or for an array without elements the object itself."""
    return seen if array.size else id(array)


def parse_state(entry: Entry, given: Any) -> tuple[int, dict[str, NDArray]]:
    """Checks a loaded state against the parameter and copies it."""
    if not isinstance(given, Mapping) or "step" not in given:
        raise FormatError(
            f"the state of {entry.name} is {type(given).__name__} without 'step'; wanted what state_dict() gave"
        )
    step = int(given["step"])
    if not 0 <= step < 2**62:
        raise FormatError(f"the state of {entry.name} has step {given['step']!r}; wanted the steps taken, 0 or more")
    state = {}
    for slot in SLOTS:
        if slot not in given:
            continue
        try:
            array = np.asarray(given[slot]).copy(order="K")
        except (TypeError, ValueError) as error:
            raise DTypeError(f"{entry.name}.{slot} cannot be read as a numpy array: {error}") from error
        if array.shape != entry.value.shape:
            raise FormatError(f"{entry.name}.{slot} has shape {array.shape}, and the parameter has {entry.value.shape}")
        _arrays.dtype_number(array.dtype, f"{entry.name}.{slot}")
        state[slot] = array
    if state and not {"exp_avg", "exp_avg_sq"} <= state.keys():
        raise FormatError(f"the state of {entry.name} has {list(given)}; wanted step, exp_avg and exp_avg_sq")
    return step, state
