"""Steps of entries: checks the arrays, lays a native call out, and repeats it while nothing has changed but addresses.

Objects keep a Stepper from step to step; a function uses one once. Which gradient belongs to which entry, and which
thread may step, is decided before.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter, is_
from typing import Any

import numpy as np

from martlet._arrays import address
from martlet._call import StepCall, write_configs
from martlet._config import Hyperparameters
from martlet._entry import Entry
from martlet._errors import MartletError

# All of an array but its address that a call depends on. Equal kinds need no second look.
_read_kind = attrgetter("__class__", "dtype", "shape", "strides", "flags.aligned")
_written_kind = attrgetter("__class__", "dtype", "shape", "strides", "flags.behaved")
_state_of = attrgetter("state")


class Stepper:
    """take() is one step. state_dtype: the element type of new moments; None: each parameter's own."""

    __slots__ = ("_addresses", "_call", "_kinds", "_rows", "_states", "_values", "state_dtype")

    def __init__(self, state_dtype: np.dtype[Any] | None) -> None:
        self.state_dtype = state_dtype
        self._call: StepCall | None = None
        self._rows: list[Hyperparameters] = []
        self._values: list[Any] = []
        self._states: list[dict[str, Any]] = []
        self._kinds: list[Any] = []
        self._addresses: list[int] = []

    def take(self, rows: list[Hyperparameters], entries: Sequence[Entry], grads: Sequence[Any]) -> None:
        """Steps the entries whose gradient is not None. What is wrong raises before anything is written.

        rows: the hyperparameters by group; the same list object says that they are unchanged.
        """
        if self._repeat(rows, entries, grads):
            return
        pairs = [pair for pair in zip(entries, grads, strict=True) if pair[1] is not None]
        some, given = [entry for entry, _ in pairs], [gradient for _, gradient in pairs]
        if len(some) == len(entries) or not self._repeat(rows, some, given):
            self._take_first(rows, some, given)

    def _repeat(self, rows: list[Hyperparameters], entries: Sequence[Entry], grads: Sequence[Any]) -> bool:
        """False, and nothing done, where the call must be laid out anew."""
        call, values = self._call, self._values
        if call is None or rows is not self._rows or len(grads) != len(values):
            return False
        # A state dict is one entry's own, and another one where its arrays are others.
        if not all(map(is_, self._states, map(_state_of, entries))):
            return False
        try:
            kinds = [*map(_written_kind, values), *map(_read_kind, grads)]
        except AttributeError:
            return False
        if kinds != self._kinds:
            return False
        addresses = list(map(address, chain(values, grads)))
        if addresses != self._addresses:
            self._addresses = []  # A signal's handler may end this between the two.
            call.point_arrays(addresses[: len(values)], addresses[len(values) :])
            self._addresses = addresses
        call.run()
        return True

    def _take_first(self, rows: list[Hyperparameters], entries: list[Entry], grads: list[Any]) -> None:
        self._call = None
        states, items, states_at = [], [], []
        for entry, gradient in zip(entries, grads, strict=True):
            item, at, state = entry.lay_out(gradient, rows[entry.group].slots, self.state_dtype)
            states.append(state)
            items.append(item)
            states_at += at
        values = [entry.value for entry in entries]
        values_at, grads_at = list(map(address, values)), list(map(address, grads))
        call = StepCall(items, *write_configs(rows))
        call.point(values_at, states_at, grads_at)
        self._run_first(call, entries, states)
        self._rows, self._values, self._states = rows, values, states
        self._kinds = [*map(_written_kind, values), *map(_read_kind, grads)]
        self._addresses = values_at + grads_at
        self._call = call  # last of all: from here on it is repeated

    @staticmethod
    def _run_first(call: StepCall, entries: list[Entry], states: list[dict[str, Any]]) -> None:
        """Steps with these states, which the entries have before, since a signal's handler may end this right after."""
        before = [entry.state for entry in entries]
        try:
            for entry, state in zip(entries, states, strict=True):
                entry.state = state
            call.run()
        except MartletError:
            for entry, state in zip(entries, before, strict=True):
                entry.state = state
            raise
