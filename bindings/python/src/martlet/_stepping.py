"""Steps of entries: checks the arrays, lays a native call out, and repeats it while nothing has changed but addresses.

Objects keep a Stepper from step to step; a function uses one once. Which gradient belongs to which entry, and which
thread may step, is decided before.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter, is_, mod
from typing import Any

import numpy as np

from martlet import _backlog, _ffi_optimizers
from martlet._arrays import RowsView, address, extents, lies_in_base, of_one_number, rows_view, writable_address
from martlet._call import LastStep, StepCall, write_configs
from martlet._config import Hyperparameters
from martlet._entry import Entry, LaidOut
from martlet._errors import MartletError, ReadOnlyError
from martlet._reduction import Reduce
from martlet._rows import Rows

# What a call depends on beside an array's address. Whether it is aligned follows from these and the address.
_kind = attrgetter("__class__", "dtype", "shape", "strides")
_base_of = attrgetter("base")
_state_of = attrgetter("state")
_copy_of = attrgetter("copy")


class Stepper:
    """take() is one step. state_dtypes: of each group the element type of new moments, or "int8" or "int4"; None: each
    parameter's own. reduce: adds up what is summed over parameters of which there are parts elsewhere."""

    __slots__ = (
        "_alignments",
        "_call",
        "_copies",
        "_defers",
        "_extents",
        "_grads_at",
        "_kinds",
        "_latest",
        "_of_rows",
        "_rows",
        "_states",
        "_values",
        "_values_at",
        "_zeroes",
        "reduce",
        "state_dtypes",
    )

    def __init__(self, state_dtypes: Sequence[np.dtype[Any] | str | None] = ()) -> None:
        self.state_dtypes = state_dtypes
        self.reduce: Reduce | None = None
        self._call: StepCall | None = None
        self._latest: StepCall | None = None
        self._zeroes = False
        self._defers: list[bool] = []
        self._copies: list[Any] = []
        self._rows: list[Hyperparameters] = []
        self._states: list[dict[str, Any]] = []
        self._values: list[Any] = []
        self._kinds: list[Any] = []
        self._of_rows: list[int] = []  # the places of gradients of rows
        self._values_at: list[int] = []
        self._grads_at: list[int] = []
        self._alignments: tuple[list[int], list[int]] = [], []
        self._extents: dict[int, tuple[int, int]] = {}

    def take(self, rows: list[Hyperparameters], entries: Sequence[Entry], grads: Sequence[Any]) -> None:
        """Steps the entries whose gradient is not None. What is wrong raises before anything is written.

        rows: the hyperparameters by group; the same list object says that they are unchanged.
        """
        if self._repeat(rows, entries, grads):
            return
        pairs = [pair for pair in zip(entries, grads, strict=True) if pair[1] is not None]
        some, given = [entry for entry, _ in pairs], [of_one_number(gradient, entry.value) for entry, gradient in pairs]
        is_same = len(some) == len(entries) and all(map(is_, given, grads))
        if is_same or not self._repeat(rows, some, given):
            self._take_first(rows, some, given)

    @property
    def last_step(self) -> LastStep | None:
        """What the latest step has found; None before the first."""
        return None if self._latest is None else self._latest.last_step

    def move(self, rows: list[Hyperparameters], entries: Sequence[Entry], mode: int) -> None:
        """Moves the entries' parameters to a mode's point, where they have two and were stepped."""
        moved = [entry for entry in entries if entry.state]
        laid_out = self._laid_out(rows, moved, [None] * len(moved))
        _call_of(rows, moved, laid_out, [0] * len(moved)).move(mode)

    def catch_up(
        self, rows: list[Hyperparameters], entries: Sequence[Entry], named: tuple[Entry, Any] | None = None
    ) -> None:
        """Lets all rows of the entries catch up, or those that are named, of one of them."""
        behind = [entry for entry in entries if entry.backlog is not None]
        if named is None:
            if behind:
                laid_out = self._laid_out(rows, behind, [None] * len(behind))
                _call_of(rows, behind, laid_out, [0] * len(behind)).finish()
            return
        entry = named[0]
        numbers, kept = _backlog.numbers(named[1], entry.name)
        if entry.backlog is not None:
            place = self._place_of(entry)
            if self._call is not None and place is not None:
                self._call.finish_rows(place, numbers)
            else:
                (one,) = self._laid_out(rows, [entry], [None])
                _call_of(rows, [entry], [one], [0]).finish_rows(0, numbers)
        del kept  # until here the library reads it

    def _place_of(self, entry: Entry) -> int | None:
        """Where an entry stands in the call that is repeated, if that knows it as it is now."""
        for place, value in enumerate(self._values if self._call is not None else ()):
            if value is entry.value:
                is_same = self._states[place] is entry.state and _kind(value) == self._kinds[place]
                return place if is_same and writable_address(value) == self._values_at[place] else None
        return None

    def _repeat(self, rows: list[Hyperparameters], entries: Sequence[Entry], grads: Sequence[Any]) -> bool:
        """False, and nothing done, where the call must be laid out anew."""
        call, values = self._call, self._values
        if call is None or len(grads) != len(values):
            return False
        if rows is not self._rows and not self._turn_to(call, rows):
            return False
        # A state dict is one entry's own, and another one where its arrays are others.
        if not all(map(is_, self._states, map(_state_of, entries))):
            return False
        copies = self._copies
        if not all(map(is_, copies, map(_copy_of, entries))):
            return False
        of_rows, grads = self._without_rows(entries, grads)
        if of_rows is None:
            return False
        arrays = [*values, *filter(_is_there, copies), *grads]
        try:
            if list(map(_kind, arrays)) != self._kinds:
                return False
            owned = arrays[: len(arrays) - len(grads)]
            values_at = list(map(writable_address, owned))
            grads_at = list(map(writable_address if self._zeroes else address, grads))
            bases = [base for base in map(_base_of, arrays) if base is not None]
        except (AttributeError, ReadOnlyError):
            return False
        as_before = values_at == self._values_at and grads_at == self._grads_at
        if bases and not (as_before and extents(bases) == self._extents) and not all(map(lies_in_base, arrays)):
            return False
        if not as_before and not self._point(call, values_at, grads_at):
            return False
        for place, seen in of_rows:
            call.point_rows(place, seen.pointer, seen.layout, seen.call)
        self._latest = call
        call.run(self.reduce)
        return True

    def _without_rows(
        self, entries: Sequence[Entry], grads: Sequence[Any]
    ) -> tuple[list[tuple[int, RowsView]] | None, Sequence[Any]]:
        """The gradients of rows, and all of them with the parameters themselves in these places; None: others are."""
        if not self._of_rows:
            return [], grads
        dense, found = list(grads), []
        for place in self._of_rows:
            given, entry = grads[place], entries[place]
            if not isinstance(given, Rows):
                return None, grads
            found.append((place, rows_view(given, f"the gradient of {entry.name}", entry.value.shape)))
            dense[place] = entry.value
        return found, dense

    def _turn_to(self, call: StepCall, rows: list[Hyperparameters]) -> bool:
        """Other hyperparameters, as a schedule gives them; false where they want other arrays."""
        if [row.slots for row in rows] != [row.slots for row in self._rows]:
            return False
        if _zeroes(rows) is not self._zeroes or _defers(rows) != self._defers:
            return False
        self._rows = []  # A signal's handler may end this before all is said.
        call.set_hyperparameters(rows)
        self._rows = rows
        return True

    def _point(self, call: StepCall, values_at: list[int], grads_at: list[int]) -> bool:
        """False, and nothing done, where an array is not aligned."""
        values_aligned, grads_aligned = self._alignments
        if any(map(mod, values_at, values_aligned)) or any(map(mod, grads_at, grads_aligned)):
            return False
        self._grads_at = []  # A signal's handler may end this before all is said.
        if values_at != self._values_at:
            count = len(self._values)
            if values_at[count:] != self._values_at[count:]:
                return False  # a copy lies elsewhere
            self._values_at = []
            call.point_values(values_at[:count])
            self._values_at = values_at
        call.point_grads(grads_at)
        self._grads_at = grads_at
        return True

    def _take_first(self, rows: list[Hyperparameters], entries: list[Entry], grads: list[Any]) -> None:
        self._call = None
        self._zeroes, self._defers = _zeroes(rows), _defers(rows)
        laid_out = self._laid_out(rows, entries, grads)
        call = _call_of(rows, entries, laid_out, list(map(_gradient_address, grads)))
        self._run_first(call, entries, laid_out, self.reduce)
        self._latest = call
        self._copies = list(map(_copy_of, entries))
        self._of_rows = [place for place, gradient in enumerate(grads) if isinstance(gradient, Rows)]
        seen = [entry.value if isinstance(grad, Rows) else grad for entry, grad in zip(entries, grads, strict=True)]
        self._remember([entry.value for entry in entries], seen)
        self._rows, self._states = rows, [one.state for one in laid_out]
        self._call = call  # last of all: from here on it is repeated

    def _laid_out(self, rows: list[Hyperparameters], entries: Sequence[Entry], grads: Sequence[Any]) -> list[LaidOut]:
        slots = [row.slots for row in rows]
        return [
            entry.lay_out(
                *(gradient, rows[entry.group].algorithm, slots[entry.group], self.state_dtypes[entry.group]),
                zeroes=bool(rows[entry.group].flags & _ffi_optimizers.ZERO_GRADS),
                defers=bool(rows[entry.group].flags & _ffi_optimizers.DEFER_ROWS),
            )
            for entry, gradient in zip(entries, grads, strict=True)
        ]

    def _remember(self, values: list[Any], grads: list[Any]) -> None:
        """How the arrays of the call lie. They are looked at again at each step."""
        owned = [*values, *filter(_is_there, self._copies)]
        arrays = [*owned, *grads]
        self._values = values
        self._kinds = list(map(_kind, arrays))
        self._values_at, self._grads_at = list(map(address, owned)), list(map(address, grads))
        self._alignments = _alignments(owned), _alignments(grads)
        self._extents = extents([array.base for array in arrays])

    @staticmethod
    def _run_first(call: StepCall, entries: list[Entry], laid_out: list[LaidOut], reduce: Reduce | None) -> None:
        """Steps with these states, which the entries have before, since a signal's handler may end this right after."""
        held = [(entry.state, entry.before, entry.counter) for entry in entries]
        try:
            for entry, one in zip(entries, laid_out, strict=True):
                entry.keep(one.state, one.counter)
            call.run(reduce)
        except MartletError:
            for entry, (state, before, counter) in zip(entries, held, strict=True):
                entry.keep(state)
                entry.before, entry.counter = before, counter
            raise


def _zeroes(rows: list[Hyperparameters]) -> bool:
    """Whether gradients are written."""
    return any(row.flags & _ffi_optimizers.ZERO_GRADS for row in rows)


def _defers(rows: list[Hyperparameters]) -> list[bool]:
    """By group, whether rows without a gradient are left for later."""
    return [bool(row.flags & _ffi_optimizers.DEFER_ROWS) for row in rows]


def _is_there(array: Any) -> bool:
    return array is not None


def _call_of(
    rows: list[Hyperparameters], entries: Sequence[Entry], laid_out: list[LaidOut], grads_at: list[int]
) -> StepCall:
    """A call with all its addresses."""
    call = StepCall([one.item for one in laid_out], *write_configs(rows))
    states_at = [place for one in laid_out for place in one.addresses]
    call.point([address(entry.value) for entry in entries], states_at, grads_at)
    return call


def _gradient_address(gradient: Any) -> int:
    return address(gradient.values if isinstance(gradient, Rows) else gradient)


def _alignments(arrays: list[Any]) -> list[int]:
    """What the arrays' addresses must be multiples of."""
    return [array.itemsize if array.size else 1 for array in arrays]
