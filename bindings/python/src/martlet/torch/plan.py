"""A step laid out once: which tensors it touches, where they are, and how to see cheaply that this still holds.

A plan is made from parameter groups and state. repeat() then looks, at each step, at all that can have changed since,
in loops that run inside the interpreter's C code: the identities of groups and parameters, hyperparameters, each
tensor's address, type, shape and strides. Whatever differs leads to another plan, never to a stale address. What a
tensor must be is the business of tensors.py, what an option means that of options.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from math import isfinite, nan
from operator import attrgetter, is_, itemgetter
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from martlet import _ffi_optimizers
from martlet._call import LastStep, RowNumbers
from martlet.torch import by_torch, deferred, shards
from martlet.torch import state as states
from martlet.torch.copies import Copies
from martlet.torch.meetings import Meetings
from martlet.torch.options import Group, Kind
from martlet.torch.tensors import in_inference_mode
from martlet.torch.together import Together
from martlet.torch.watch import address_of, seen, watch

_grad_of = attrgetter("grad")
_address_of = Tensor.data_ptr
_BETAS = ("beta1", "beta2")
_increment_version = torch.autograd.graph.increment_version

Entry = dict[str, Any]
State = dict[Any, Any]


class Plan(Together):
    """run_first() takes the step that the plan was made for; repeat() takes later ones, or says that it cannot.

    shared: why some parameters cannot be stepped at once with the others. left: those that torch is to step, which
    needs_torch, as groups that are differentiable do; strict: that is an error. key: the place of the first parameter
    among all.
    copies: what steps copy parameters into. counts: the optimizer's counters. run_first() leaves those in it that are
    counted from then on. is_private: whether nobody else can have the moments, so that a repeated step need not look at
    them. backlogs: what rows have not seen, to which the plan adds.
    """

    def __init__(
        self,
        kind: Kind,
        groups: list[Group],
        state: State,
        counts: states.Counts,
        is_private: bool,
        copies: Copies,
        reduce: Callable[[Tensor], Any] | None = None,
        shared: Mapping[Tensor, str] = MappingProxyType({}),
        *,
        strict: bool = False,
        key: int = 0,
        backlogs: deferred.Backlogs | None = None,
        meetings: Meetings | None = None,
    ) -> None:
        known: deferred.Backlogs = {} if backlogs is None else backlogs
        super().__init__(kind, groups, state, counts, copies, known, meetings)
        self._is_private, self._in_inference_mode = is_private, in_inference_mode()
        self._shared = set(shared)
        self._scale, self._scales = 1.0, [row.loss_scale for row in self._rows]
        self._remember_options(groups)
        self._expect(reduce)
        self._prepare(self._lay_out(shared, key, strict=strict), reduce)
        self._has_more = bool(copies) or any(self._zeroed)
        self._remember_layout()

    def _remember_options(self, groups: list[Group]) -> None:
        self._options = [list(group.values()) for group in groups]
        self._rate_places = [_rate_places(self._kind.of(group), list(group)) for group in groups]
        self._options_change_in_place = any(self._kind.of(group).change_in_place(group) for group in groups)

    def _remember_layout(self) -> None:
        """Notes where everything is and how it lies, for repeat() to compare."""
        self._remember_placements()
        active = self._parts(self._active)
        given = self._sparse.stand_in(self._grads) or self._grads
        grads = [parameter if gradient is None else gradient for parameter, gradient in zip(active, given, strict=True)]
        moments = self._parts(chain.from_iterable(self._moments))
        self._holders = [parameter for parameter, names in zip(self._active, self._moment_names, strict=True) if names]
        self._moments_of = _moments_reader(list(filter(None, self._moment_names)))
        known = [self._copies.get(parameter) for parameter in self._active]
        self._held = [*self._active, *(copy for copy in known if copy is not None)]
        held = self._parts(self._held)
        owned = held if self._is_private else [*held, *moments]
        self._watch = watch([*owned, *grads])
        self._seen = list(map(seen, active)) if self._backlogs else []
        self._owned_count = len(owned)
        self._addresses = list(map(address_of, [*owned, *given]))
        states_at: list[int] = []
        for counter, own_moments, copy in zip(self._counts.values(), self._moments, known, strict=True):
            states_at += [counter.buffer_info()[0], *map(_address_of, self._parts(own_moments))]
            states_at += () if copy is None else (shards.part_of(copy).data_ptr(),)
        self._call.point(
            list(map(_address_of, active)),
            states_at,
            [0 if gradient is None else gradient.data_ptr() for gradient in given],
        )
        self._sparse.point(self._call)

    def move(self, mode: int) -> None:
        """Moves the parameters to a mode's point, where they have two and were stepped."""
        self._move(mode)
        _increment_version(self._parts(self._active))
        _increment_version(self._parts(chain.from_iterable(self._moments)))

    def catch_up(self, parameter: Tensor, rows: RowNumbers) -> bool:
        """Lets rows catch up. False, and nothing done, where the plan does not know the parameter as it is now."""
        for place, known in enumerate(self._active):
            if known is parameter:
                is_there = [address_of(parameter)] == self._addresses[place : place + 1]
                if not self._is_private or not is_there or seen(parameter) != self._seen[place]:
                    return False
                self._call.finish_rows(place, rows)
                _increment_version([parameter])
                return True
        return False

    def run_first(self) -> bool:
        """Steps, and puts the state that this plan has made into the optimizer's. False where the plan cannot be
        repeated, since a gradient had to be copied to be read, or torch steps a group."""
        # Put in before it is stepped: what Ctrl-C leaves is a state of zeros at worst, and never a step without one.
        held = [(parameter, self._state.get(parameter)) for parameter, _ in self._made]
        before = [(parameter, None if entry is None else dict(entry)) for parameter, entry in held]
        for parameter, added in self._made:
            self._state.setdefault(parameter, {}).update(added)  # in place: who holds the entry sees it there
        try:
            self._run()
        except Exception:  # of torch.distributed, too
            for parameter, entry in before:
                if entry is None:
                    del self._state[parameter]
                else:
                    self._state[parameter].clear()
                    self._state[parameter].update(entry)
            raise
        self._zero_originals()
        _increment_version(self._written_by(self._grads))
        counts = self._counts | self._elsewhere
        self._all_counts.update(counts)
        for parameter in self._all_counts.keys() - counts.keys():
            del self._all_counts[parameter]
        lasting = all(map(is_, self._grads, self._parts(map(_grad_of, self._active))))
        lasting = lasting and not self._steppers
        self._made, self._grads = [], []
        # Keeping the objects also keeps their identities from being given out again.
        self._kept = [(group, list(group["params"])) for group in self._groups]
        self._owners = list(self._state)
        self._state_is_active = list(map(id, self._state)) == list(map(id, self._holders))
        return lasting

    def _zero_originals(self) -> None:
        """Of gradients that had to be copied to be read, and are to be zeroed."""
        for parameter, gradient, is_zeroed in zip(self._active, self._grads, self._is_zeroed, strict=True):
            original = shards.part_of(parameter.grad)
            if is_zeroed and original is not None and gradient is not original:
                original.zero_()

    def native_share(self) -> float:
        """How much of what is stepped, by elements, is stepped natively."""
        others = [one.parameter for one in self.left]
        for group in self._groups:
            others += group["params"] if self._kind.of(group).is_differentiable(group) else ()
        native, left = (sum(one.numel() for one in some if one.grad is not None) for some in (self._active, others))
        return native / (native + left) if left else 1.0

    @property
    def last_step(self) -> LastStep:
        """What the latest run has found."""
        return self._call.last_step if self._found is None else self._found

    def set_scale(self, scale: float) -> None:
        """The loss was multiplied by this, and by the groups' own loss_scale."""
        if scale != self._scale:
            for index, own in enumerate(self._scales):
                self._configs[index].loss_scale = own * scale
            self._scale = scale

    def repeat(self, groups: list[Group], state: State, is_private: bool) -> bool:
        """Steps, with new gradients and hyperparameters. False, and nothing done, where another plan is needed."""
        if is_private is not self._is_private or in_inference_mode() is not self._in_inference_mode:
            return False
        if not self._has_kept(groups, state):
            return False
        if self.left and not self._are_left(groups):
            return False
        try:
            options = [list(group.values()) for group in groups]
            if self._options_change_in_place or (options != self._options and not self._take_rates(options)):
                self._take_options(groups)
        except (LookupError, TypeError, ValueError, RuntimeError):  # tensors and arrays do not compare as numbers do
            return False  # making another plan says what is wrong
        active = self._active
        try:
            moments = () if is_private else self._moments_in(state)
            given = grads = list(map(_grad_of, active))
            held: Iterable[Any] = self._held
            if self._is_spread:
                if not self._lie_as_known(grads):
                    return False
                read = shards.own_parts if self._are_all_spread else shards.parts
                given, held, moments = read(grads), read(held), self._parts(moments)
                grads = given
            if self._sparse:
                dense = self._sparse.stand_in(grads)
                if dense is None:
                    return False
                grads = dense
            tensors = [*held, *moments, *grads]
            addresses = self._watch.addresses(tensors)
        except (TypeError, AttributeError):
            return self._repeat_some(state)
        except (LookupError, ValueError, RuntimeError):
            return False
        if addresses is None and any(gradient is None for gradient in grads):
            return self._repeat_some(state)
        if addresses is None or (self._idle and any(map(_has_grad, self._idle))):
            return False
        if addresses is not self._addresses and not self._point(addresses, tensors):
            return False
        if self._sparse:
            self._sparse.point(self._call)
        self._run()
        if self._has_more:
            _increment_version(self._written_by(given))
        else:
            _increment_version(held if self._is_spread else active)
        return True

    def _are_left(self, groups: list[Group]) -> bool:
        """Whether torch is still to step what it was left to."""
        others = [one.parameter for one in self.left if one.parameter not in self._shared | self._twice]
        if any(shards.have_memory(one, one.grad) for one in others):
            return False
        return not self._shared or self._shared == by_torch.overlapping(groups).keys()

    def _has_kept(self, groups: list[Group], state: State) -> bool:
        """Whether these are the groups, the parameters and the owners of state that the plan was made for."""
        if len(groups) != len(self._kept):
            return False
        for index, group in enumerate(groups):  # for a group or two faster than zip()
            known, parameters = self._kept[index]
            if group is not known or not _are_same(group["params"], parameters):
                return False
        return self._is_private or _are_same(state, self._owners)

    def _moments_in(self, state: State) -> Iterable[Tensor]:
        """What a step writes beside the parameters, in their order."""
        entries = state.values() if self._state_is_active else map(state.__getitem__, self._holders)
        return chain.from_iterable(self._moments_of(entries))

    def _take_rates(self, options: list[list[Any]]) -> bool:
        """Writes learning rates and betas into the configs, as schedulers change them at every step. False where
        anything else has changed too, or one is no plain number."""
        found: list[tuple[float, Any]] = []
        for given, known, (rate, betas) in zip(options, self._options, self._rate_places, strict=True):
            if type(given[rate]) is not float or not isfinite(given[rate]):
                return False
            known[rate] = given[rate]
            changed: Any = ()
            if betas is not None and given[betas] != known[betas]:
                changed = given[betas]
                # At 0 there may be other state.
                if not all(type(beta) is float and 0 < beta < 1 for beta in (*changed, *known[betas])):
                    return False
                known[betas] = changed
            found.append((given[rate], changed))
        if options != self._options:
            self._options = []
            return False
        for index, (number, betas) in enumerate(found):
            config = self._configs[index]
            config.lr = number
            for name, beta in zip(_BETAS, betas, strict=False):
                setattr(config, name, beta)
        self._options = options
        return True

    def _take_options(self, groups: list[Group]) -> None:
        """Writes changed hyperparameters into the configs. Raises LookupError where they need other state."""
        rows = [self._kind.of(group).row(group) for group in groups]
        if [row.slots for row in rows] != self._slots or [row.algorithm for row in rows] != self._algorithms:
            raise LookupError
        if self.needs_torch or self._has_differentiable(groups):
            raise LookupError
        if [bool(row.flags & _ffi_optimizers.ZERO_GRADS) for row in rows] != self._zeroed:
            raise LookupError
        if deferred.defers(rows) != self._defers:
            raise LookupError
        self._options = []  # nothing is remembered of what is half written
        for index, row in enumerate(rows):
            row.write(self._configs[index])
        scale, self._scale, self._scales = self._scale, 1.0, [row.loss_scale for row in rows]
        self.set_scale(scale)
        self._remember_options(groups)

    def _has_differentiable(self, groups: list[Group]) -> bool:
        """Whether torch steps one of them."""
        return any(self._kind.of(group).is_differentiable(group) for group in groups)

    def _repeat_some(self, state: State) -> bool:
        """repeat() where some parameters have no gradient this time."""
        given = list(map(_grad_of, self._active))
        if self._is_spread and not self._lie_where_they_are(given):
            return False
        grads = self._parts(given)
        try:
            tensors = self._parts([*self._held, *(() if self._is_private else self._moments_in(state)), *grads])
            if not self._watch.are_alike(tensors):
                return False
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError):
            return False  # something else stands where a tensor did
        for parameter, gradient in zip(self._active, grads, strict=True):
            if gradient is None and not parameter.numel():
                return False
        if any(map(_has_grad, self._idle)) or not self._point(list(map(address_of, tensors)), tensors):
            return False
        self._run()
        _increment_version(self._written_by(grads))
        return True

    def _point(self, addresses: list[int], tensors: Sequence[Tensor | None]) -> bool:
        """Points the call at gradients that lie elsewhere now. False where anything else does, or has no memory."""
        count = self._owned_count
        if addresses[:count] != self._addresses[:count]:
            return False
        if 0 in addresses:
            for address, tensor in zip(addresses, tensors, strict=True):
                if not address and tensor is not None and tensor.numel():
                    return False
        self._addresses = []  # nothing is remembered of what is half pointed
        self._call.point_grads(addresses[count:])
        self._addresses = addresses
        return True

    def _written_by(self, grads: list[Tensor | None]) -> list[Tensor]:
        """The tensors of the caller's that a run with these gradients writes."""
        active = [parameter for parameter, gradient in zip(self._active, grads, strict=True) if gradient is not None]
        written = self._parts(active)
        if self._has_more:
            copies = self._parts(self._copies[parameter] for parameter in active if parameter in self._copies)
            zeroed = [
                one for one, is_zeroed in zip(grads, self._is_zeroed, strict=True) if is_zeroed and one is not None
            ]
            written += [*copies, *zeroed]
        return written


def drop_step(groups: list[Group], state: State, kind: Kind) -> LastStep:
    """What a step leaves where a gradient is known not to be finite: means without gradients, and zeros where gradients
    are to be zeroed."""
    for group in groups:
        zeroes = kind.of(group).row(group).flags & _ffi_optimizers.ZERO_GRADS
        for parameter in group["params"]:
            entry = state.get(parameter, {})
            for slot in ("grad_mean", "accumulated"):
                if slot in entry:
                    entry[slot].zero_()
            if zeroes and parameter.grad is not None:
                parameter.grad.zero_()
    return LastStep(skipped=True, grad_norm=nan, update_norm=nan, nonfinite=None)


def _rate_places(kind: Kind, keys: list[str]) -> tuple[int, int | None]:
    """Where a group has its rate, and the betas that a config has under these names."""
    has_betas = list(kind.reader.lists.get("betas", ())) == list(_BETAS)
    return keys.index("lr"), keys.index("betas") if has_betas else None


def _has_grad(parameter: Tensor) -> bool:
    return parameter.grad is not None


def _are_same(given: Collection[object], known: Sequence[object]) -> bool:
    """Whether they have the same objects."""
    return len(given) == len(known) and all(map(is_, given, known))


def _moments_reader(slots: list[tuple[str, ...]]) -> Callable[[Iterable[Entry]], Iterable[tuple[Tensor, ...]]]:
    """Reads what a step writes out of the parameters' states."""
    readers = list(map(_reader, slots))
    if len(set(slots)) == 1:
        return partial(map, readers[0])
    return lambda entries: (reader(entry) for reader, entry in zip(readers, entries, strict=True))


def _reader(names: tuple[str, ...]) -> Callable[[Entry], tuple[Tensor, ...]]:
    return itemgetter(*names) if len(names) > 1 else lambda entry: (entry[names[0]],)
