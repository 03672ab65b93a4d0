"""The parameters of a numpy optimizer: which array is which entry, what each is called, and that none share memory.

Arrays are known again by their memory, so a fresh view of an array is that array. Nothing here steps.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from martlet import _tree
from martlet._arrays import address, extent, gradient_view, view
from martlet._entry import Entry, NDArray, check_name
from martlet._errors import ArgumentError, OverlapError
from martlet._groups import check_count

_OVERLAP_WORK: Any = 10_000


class Parameters:
    """entries: in the order in which they came; by_name: the same under their names; group_count: what they are in."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries: list[Entry] = []
        self.by_name: dict[str, Entry] = {}
        self.group_count = 1
        self._by_object: dict[int, Entry] = {}
        self._by_memory: dict[Any, Entry] = {}
        self._spans = _Spans()
        self.add(entries)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.entries,)

    def look_again(self) -> None:
        """Before arrays are found by their memory: those that are kept may have another one by now."""
        keys = [_memory_key(entry.value) for entry in self.entries]
        if keys != list(self._by_memory):
            self._by_memory = dict(zip(keys, self.entries, strict=True))
            self._spans = _Spans()
            for entry in self.entries:
                self._spans.add(entry)

    def find(self, array: Any, name: str) -> Entry | None:
        """The entry of an array, or None. Raises the exception that names what is wrong with the array."""
        known = self._by_object.get(id(array))
        if known is None:
            view(array, name, written=True)
            known = self._by_memory.get(_memory_key(array))
        return known

    def new(self, named: Iterable[tuple[str | None, Any]], group: int) -> list[Entry]:
        """Entries for arrays, named and checked, to be kept with add() once all else has succeeded."""
        self.look_again()
        made = Parameters(())
        for name, array in named:
            place = len(self.entries) + len(made.entries)
            entry = Entry(f"params[{place}]" if name is None else name, array, group)
            entry.key = place
            check_name(entry.name)
            entry.view()
            key = _memory_key(array)
            for known in (self, made):
                known._refuse_twin(entry, key)
            made.add([entry])
        return made.entries

    def of_variables(self, variables: Sequence[Any], may_be_new: bool) -> tuple[list[Entry], list[Entry]]:
        """The entries of apply_gradients' variables, each once, and those among them that are not kept yet."""
        if any(id(variable) not in self._by_object for variable in variables):
            self.look_again()
        found = [self.find(variable, f"grads_and_vars[{index}][1]") for index, variable in enumerate(variables)]
        known = [entry for entry in found if entry is not None]
        if len(set(map(id, known))) < len(known):
            raise OverlapError("apply_gradients: a variable appears twice; add its gradients up, and give it once")
        if len(known) < len(found) and not may_be_new:
            index = found.index(None)
            raise ArgumentError(
                f"grads_and_vars[{index}][1], of shape {variables[index].shape}, is none of this optimizer's "
                "parameters; add it first: add_param_group({'params': [variable]})"
            )
        unknown = [variable for entry, variable in zip(found, variables, strict=True) if entry is None]
        new = self.new(((None, variable) for variable in unknown), 0)
        coming = iter(new)
        return [entry or next(coming) for entry in found], new

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.entries.append(entry)
            self.by_name[entry.name] = entry
            self.group_count = max(self.group_count, entry.group + 1)
            self._by_object[id(entry.value)] = entry
            self._by_memory[_memory_key(entry.value)] = entry
            self._spans.add(entry)

    def by_group(self, groups: Sequence[Any]) -> list[list[Entry]]:
        """The entries of each group."""
        check_count(groups, self.group_count)
        return [[entry for entry in self.entries if entry.group == group] for group in range(len(groups))]

    def aligned(self, grads: Any) -> Sequence[Any]:
        """Gradients, given as to a step, in the order of the entries."""
        return _tree.in_order(_tree.listed(grads), self.by_name)

    def _refuse_twin(self, entry: Entry, key: Any) -> None:
        twin = self._by_memory.get(key)
        if twin is not None:
            raise OverlapError(f"{entry.name} is the same array as {twin.name}: give each parameter once")
        twin = self._spans.sharing(entry)
        if twin is not None:
            raise OverlapError(
                f"{entry.name}, of shape {entry.value.shape}, overlaps {twin.name}, of shape {twin.value.shape}, in "
                "memory: give the same array each time, and no part of it as another parameter"
            )
        if entry.name in self.by_name:
            raise ArgumentError(f"two parameters are named {entry.name!r}: give each a name of its own")


class BoundGradients:
    """Gradient arrays of the user's that an optimizer reads at each step and may clear; a call gives them in order."""

    def __init__(self, grads: Any, parameters: Parameters) -> None:
        self._grads = _tree.listed(grads)
        self._parameters = parameters
        self._check(written=False)

    def __call__(self) -> Sequence[Any]:
        return self._parameters.aligned(self._grads)

    def clear(self) -> None:
        """Sets them to zero."""
        for gradient in self._check(written=True):
            gradient.fill(0)

    def _check(self, *, written: bool) -> list[Any]:
        bound = [pair for pair in zip(self._parameters.entries, self(), strict=True) if pair[1] is not None]
        for entry, gradient in bound:
            name = f"the gradient of {entry.name}"
            gradient_view(gradient, name, entry.value.shape)
            view(gradient, name, written=written)
        return [gradient for _, gradient in bound]


class _Spans:
    """The ranges of memory in which entries lie, in the order of their starts."""

    def __init__(self) -> None:
        self._starts: list[tuple[int, int]] = []
        self._entries: list[tuple[int, Entry]] = []
        self._longest = 0

    def add(self, entry: Entry) -> None:
        start, end = extent(entry.value)
        if start == end:
            return
        insort(self._starts, (start, len(self._entries)))
        self._entries.append((end, entry))
        self._longest = max(self._longest, end - start)

    def sharing(self, entry: Entry) -> Entry | None:
        """An entry that shares an element's memory. Columns of one matrix lie between each other, and share none."""
        start, end = extent(entry.value)
        if start == end:
            return None
        first = bisect_left(self._starts, (start - self._longest, 0))
        for _, place in self._starts[first : bisect_left(self._starts, (end, 0))]:
            other_end, other = self._entries[place]
            if other_end > start and _share(entry.value, other.value):
                return other
        return None


def _share(first: Any, second: Any) -> bool:
    try:
        return np.shares_memory(first, second, max_work=_OVERLAP_WORK)
    except RuntimeError:
        # Too hard to tell, as numpy says. The library looks again at each step.
        return False


def _memory_key(array: NDArray) -> Any:
    """What tells one array from another: its memory, or for one without elements the object itself."""
    if not array.size:
        return id(array)
    strides = tuple(stride if size > 1 else 0 for size, stride in zip(array.shape, array.strides, strict=True))
    return address(array), array.dtype, array.shape, strides
