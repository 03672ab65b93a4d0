"""What a step touches: parameters with their gradients and state, checked and laid out for a native call; what no such
call can step is left.

What a tensor must be is the business of tensors.py, what an option means that of options.py, what state is that of
state.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from martlet import _ffi_optimizers
from martlet._algorithms import Slots
from martlet._call import Item
from martlet._errors import UnsupportedError
from martlet.torch import deferred, gathered, owned, shards, sparse
from martlet.torch import state as states
from martlet.torch.by_torch import Left
from martlet.torch.copies import Copies, check_copy
from martlet.torch.options import Group, Kind
from martlet.torch.tensors import NoMemoryError, check_parameter, check_written, lay_out, readable

Entry = dict[str, Any]
State = dict[Any, Any]


class LaidOut:
    """The parameters of a step. left: those that torch is to step, which needs_torch, as groups that are differentiable
    do."""

    def __init__(
        self,
        kind: Kind,
        groups: list[Group],
        state: State,
        counts: states.Counts,
        copies: Copies,
        backlogs: deferred.Backlogs,
    ) -> None:
        self._kind, self._groups, self._state = kind, list(groups), state
        self._copies, self._backlogs = copies, backlogs
        self._rows = [kind.of(group).row(group) for group in groups]
        self._slots = [row.slots for row in self._rows]
        self._algorithms = [row.algorithm for row in self._rows]
        self._zeroed = [bool(row.flags & _ffi_optimizers.ZERO_GRADS) for row in self._rows]
        self._is_zeroed: list[bool] = []
        self._defers = deferred.defers(self._rows)
        self._all_counts = counts
        self._counts: states.Counts = {}
        self._made: list[tuple[Tensor, Entry]] = []
        self._idle: list[Tensor] = []
        self._active: list[Tensor] = []
        self._moment_names: list[tuple[str, ...]] = []
        self._moments: list[list[Tensor]] = []
        self._grads: list[Tensor | None] = []
        self._sparse = sparse.SparseGradients()
        self._is_spread = False
        # Parameters that one process steps as a whole, by whom; those of them that are stepped; and their counters.
        self._steppers = owned.owners_of(kind, self._groups, self._rows, state)
        self._gathered = gathered.Gathered()
        self._elsewhere: states.Counts = {}
        self.left: list[Left] = []
        # Those of them that are stepped twice.
        self._twice: set[Tensor] = set()
        self.needs_torch = False

    def _lay_out(self, shared: Mapping[Tensor, str], key: int, *, strict: bool) -> list[Item]:
        """All parameters that have something to step by. shared: why some cannot be stepped at once with the others.
        key: the place of the first one among all. strict: that one is left is an error."""
        items = []
        for index, group in enumerate(self._groups):
            if self._kind.of(group).is_differentiable(group):
                self.needs_torch = True
                continue
            if self._kind.of(group).steps_twice:
                self._twice |= _twice(group["params"])
            for place, (parameter, name) in enumerate(states.named(group, index).items()):
                item = self._take_in_or_leave(name, index, parameter, group, shared, strict=strict)
                if item is not None:
                    before = key + sum(len(other["params"]) for other in self._groups[:index])
                    items.append(item._replace(key=before + place))
        return items

    def _parts(self, tensors: Iterable[Any]) -> list[Any]:
        """What a native call sees of tensors."""
        return shards.parts(tensors) if self._is_spread else list(tensors)

    def _take_in_or_leave(
        self, name: str, index: int, parameter: Tensor, group: Group, shared: Mapping[Tensor, str], *, strict: bool
    ) -> Item | None:
        """What a native step needs of a parameter; None where there is nothing to do, or where torch does it."""
        made = len(self._made)
        try:
            if parameter in shared:
                raise NoMemoryError(shared[parameter], "give tensors of their own: tensor.clone()")
            if parameter in self._twice:
                raise NoMemoryError(f"{name} is in its group twice", "give it once")
            return self._take_in(name, index, parameter, group)
        except NoMemoryError as error:
            if strict or parameter in self._copies or self._kind.of(group).peer is None:
                raise
            del self._made[made:]
            self._counts.pop(parameter, None)
            self._elsewhere.pop(parameter, None)
            self.left.append(Left(index, parameter, error.why))
            self.needs_torch = True
            return None

    def _take_in(self, name: str, index: int, parameter: Tensor, group: Group) -> Item | None:
        """Checks a parameter with its gradient and state. None: it has neither, and nothing is to be done."""
        kind, every = self._kind.of(group), self._slots[index]
        wanted = every.of(parameter.shape)
        entry = states.entry_of(self._state, parameter, name)
        if parameter.grad is None and (not _has_stepped(entry, kind) or not parameter.numel()):
            self._idle.append(parameter)
            return None
        if parameter in self._steppers:
            return self._take_in_whole(name, index, parameter, group)
        part = shards.checked_part(parameter, name)
        check_parameter(part, name)
        if every.are_shaped and parameter.is_complex():
            raise UnsupportedError(f"{kind.title} does not support complex parameters, and {name} is one")
        gradient, rows = parameter.grad, None
        if sparse.is_sparse(gradient) and kind.moves_other_rows(group):
            raise NoMemoryError(
                f"the gradient of {name} is sparse, beside a momentum, which moves rows that it does not name",
                "take martlet.torch.SGD, which leaves these as they are",
            )
        states.check_complete(entry, parameter, group, name, kind)
        if gradient is not None and sparse.is_sparse(gradient):
            rows = sparse.lay_out(*sparse.rows_of(gradient, parameter, name))
            self._sparse.add(len(self._active), parameter, name)
            if self._defers[index]:
                deferred.give(self._backlogs, parameter)
        else:
            if gradient is not None:
                shards.check_alike(gradient, f"the gradient of {name}", parameter)
            gradient = readable(shards.part_of(gradient), part, name)
        entry = self._ready_entry(entry, name, parameter, group, wanted)
        states.check_spread(entry, wanted, parameter, name)
        parts = {slot: shards.part_of(entry[slot]) for slot in wanted.names}
        states.check_slots(parts, wanted, part, name)
        step = entry["step"] if kind.shows_step else None
        copy = self._copies.get(parameter)
        if copy is not None:
            shards.check_alike(copy, f"the copy of {name}", parameter)
            copy = shards.part_of(copy)
            check_copy(copy, f"the copy of {name}", part)
        self._is_spread |= part is not parameter
        types = (one.dtype for one in parts.values())
        drawn = part is not parameter and shards.is_drawn(self._rows[index].flags, part.dtype, types)
        first = shards.first_element(parameter, name) if drawn else 0
        self._active.append(parameter)
        self._grads.append(gradient)
        self._is_zeroed.append(self._zeroed[index])
        names = (*(("step",) if kind.shows_step else ()), *wanted.names)
        self._moment_names.append(names)
        self._moments.append([entry[slot] for slot in names])
        keeps = parameter in self._backlogs
        item = lay_out(name, index, part, gradient, step, parts, every, copy, rows, keeps_dimensions=keeps)
        return deferred.with_backlog(item._replace(offset=first), self._backlogs, parameter)

    def _take_in_whole(self, name: str, index: int, parameter: Tensor, group: Group) -> Item | None:
        """The same of a parameter that one process steps as a whole; None where that is another."""
        kind, every = self._kind.of(group), self._slots[index]
        wanted = every.of(parameter.shape)
        check_written(shards.checked_part(parameter, name), name)
        if parameter.is_complex():
            raise UnsupportedError(f"{kind.title} does not support complex parameters in parts, and {name} is one")
        entry = states.entry_of(self._state, parameter, name)
        states.check_complete(entry, parameter, group, name, kind)
        if parameter.grad is not None:
            shards.check_alike(parameter.grad, f"the gradient of {name}", parameter)
            readable(shards.part_of(parameter.grad), shards.part_of(parameter), name)
        entry = self._ready_entry(entry, name, parameter, group, wanted)
        shown: list[Tensor] = [entry["step"]] if kind.shows_step else []
        scalars = [entry[slot] for slot in wanted.scalars]
        own_states = states.checked_whole(entry, wanted, parameter, name)
        counter = self._elsewhere[parameter] = self._counts[parameter]
        numbers, owner = [*shown, *scalars], self._steppers[parameter]
        one = gathered.Whole(parameter, parameter.grad, own_states, numbers, counter, name, owner)
        one.is_zeroed, one.copy = self._zeroed[index], self._copies.get(parameter)
        self._gathered.all.append(one)
        if not one.is_owner:
            del self._counts[parameter]
            return None
        self._counts[parameter] = one.lent_counter
        shown, scalars = one.lent[: len(shown)], one.lent[len(shown) :]
        value, gradient, whole_states = one.wholes()
        value.grad = gradient
        self._active.append(value)
        self._grads.append(gradient)
        self._is_zeroed.append(False)
        parts = {**whole_states, **dict(zip(wanted.scalars, scalars, strict=True))}
        self._moment_names.append((*(("step",) if kind.shows_step else ()), *wanted.names))
        self._moments.append([*shown, *(parts[slot] for slot in wanted.names)])
        return lay_out(name, index, value, gradient, shown[0] if shown else None, parts, every, None)

    def _ready_entry(self, entry: Entry, name: str, parameter: Tensor, group: Group, slots: Slots) -> Entry:
        """The parameter's state with all that a step needs; what is added is kept once the first run has succeeded."""
        kind = self._kind.of(group)
        wanted = kind.state_dtype(group)
        # torch's Adagrad makes its state in its constructor, which may be outside of the mode that a step is in.
        is_early = kind.reader.kind.number == _ffi_optimizers.ADAGRAD
        with torch.inference_mode(mode=False) if is_early else nullcontext():
            added = self._counted(entry, name, parameter, group, slots)
            added |= states.missing(entry, parameter, group, slots, name, wanted)
        if not added:
            return entry
        self._made.append((parameter, added))
        return {**entry, **added}

    def _counted(self, entry: Entry, name: str, parameter: Tensor, group: Group, slots: Slots) -> Entry:
        """Notes where a parameter's steps are counted; returns its "step" where the state shows it in another one."""
        kind = self._kind.of(group)
        if not kind.shows_step:
            # What was stepped has its moments, and which step it was makes no difference.
            is_first = any(entry.get(slot) is None for slot in slots.arrays)
            count = None if is_first else self._all_counts.get(parameter)
            self._counts[parameter] = count or states.counter(int(bool(slots.arrays) and not is_first))
            return {}
        given = entry["step"] if _has_stepped(entry, kind) else 0
        step, exact = states.shown_step(given, states.step_dtype(group), name)
        # A counter that is not what the step shows gives way to it in the library.
        count = self._all_counts.get(parameter) if exact is None else None
        self._counts[parameter] = count or states.counter(exact or 0)
        return {} if step is given else {"step": step}


def _twice(parameters: list[Tensor]) -> set[Tensor]:
    """Those that are there more than once."""
    if len(set(parameters)) == len(parameters):
        return set()
    return {one for one, count in Counter(parameters).items() if count > 1}


def _has_stepped(entry: Entry, kind: Kind) -> bool:
    """Whether a state says that its parameter has taken a step."""
    return any(slot in entry for slot in kind.slots.names)
