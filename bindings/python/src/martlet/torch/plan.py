"""A step laid out once: which tensors it touches, where they are, and how to see cheaply that this still holds.

A plan is made from parameter groups and state. fits() then looks, at each step, at all that can have changed since, in
loops that run inside the interpreter's C code: identities of groups, parameters and state, hyperparameters, each
tensor's address, and how parameters and gradients lie. Whatever differs leads to another plan, never to a stale
address. What a tensor must be is tensors.py's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from operator import attrgetter, is_, itemgetter
from typing import Any

import torch
from torch import Tensor

from martlet import _ffi
from martlet._call import Item, StepCall, write_configs
from martlet._config import Hyperparameters, number
from martlet.torch import state as states
from martlet.torch.tensors import check_parameter, lay_out, readable

_OPTIONS = (
    "amsgrad",
    "lr",
    "betas",
    "eps",
    "weight_decay",
    "maximize",
    "decoupled_weight_decay",
    "semantics",
    "flush_denormals",
    "capturable",
    "differentiable",
)
_AMSGRAD = 0
_options_of = itemgetter(*_OPTIONS)
_grad_of = attrgetter("grad")
_kind_of = attrgetter("shape", "dtype", "is_cpu")
_address_of = Tensor.data_ptr
_is_contiguous = Tensor.is_contiguous
_strides_of = Tensor.stride
_increment_version = torch.autograd.graph.increment_version

Group = dict[str, Any]
Entry = dict[str, Any]


class Plan:
    """run() steps; fits() says whether the next run() may follow without another plan.

    lasting: False where a gradient had to be copied to be read, so that the plan holds for one run.
    """

    def __init__(self, groups: list[Group], state: dict[Any, Any]) -> None:
        rows = [row_of(group) for group in groups]
        configs, count = write_configs(rows)
        self._configs = configs
        self._groups = list(groups)
        self._options = list(map(_options_of, groups))
        self._numbers_change = _has_tensors(self._options)
        self._state = state
        self._made: list[tuple[Tensor, Entry]] = []
        self._idle: list[Tensor] = []
        self._active: list[Tensor] = []
        self._slots: list[tuple[str, ...]] = []
        self._moments: list[list[Tensor]] = []
        self._grads: list[Tensor | None] = []
        items = []
        for index, group in enumerate(groups):
            for place, parameter in enumerate(group["params"]):
                name = states.name_of(group, index, place)
                item = self._take_in(name, index, parameter, group["state_dtype"], rows[index])
                if item is not None:
                    items.append(item)
        self._call = StepCall(items, configs, count)
        self._remember()

    def _take_in(
        self, name: str, group: int, parameter: Tensor, dtype: torch.dtype | None, row: Hyperparameters
    ) -> Item | None:
        """Checks a parameter with its gradient and state. None: it has neither, and nothing is to be done."""
        entry: Entry = self._state.get(parameter) or {}
        if parameter.grad is None and ("exp_avg" not in entry or not parameter.numel()):
            self._idle.append(parameter)
            return None
        check_parameter(parameter, name)
        gradient = readable(parameter.grad, parameter, name)
        entry = self._ready_entry(entry, name, parameter, dtype, row)
        slots = states.checked_slots(entry, row.slots, parameter, name)
        self._active.append(parameter)
        self._grads.append(gradient)
        self._slots.append(row.slots)
        self._moments.append([entry["step"], *slots])
        return lay_out(name, group, parameter, gradient, slots)

    def _ready_entry(
        self, entry: Entry, name: str, parameter: Tensor, dtype: torch.dtype | None, row: Hyperparameters
    ) -> Entry:
        """The parameter's state with all that a step needs; what is added is kept once the first run has succeeded."""
        fresh: Entry = {slot: states.moment(parameter, dtype) for slot in row.slots if slot not in entry}
        step = states.counter(entry["step"] if "exp_avg" in entry else 0, name)
        if fresh or step is not entry["step"]:
            entry = {**entry, "step": step, **fresh}
            self._made.append((parameter, entry))
        return entry

    def _remember(self) -> None:
        """Notes how everything lies, for fits() to compare."""
        seen = [
            parameter if gradient is None else gradient
            for parameter, gradient in zip(self._active, self._grads, strict=True)
        ]
        self._kinds = list(map(_kind_of, seen))
        self._strides = list(map(_strides_of, seen))
        self._param_strides = list(map(_strides_of, self._active))
        # A lazily negated tensor is a view of every second real, which shows in its strides, unless it has one element;
        # a lazily conjugated one lies like any other complex tensor.
        self._perhaps_lazy = [
            place
            for place, parameter in enumerate(self._active)
            if parameter.numel() <= 1 or parameter.is_complex() or not parameter.is_contiguous()
        ]
        self._contiguous = all(map(_is_contiguous, seen)) and all(map(_is_contiguous, self._active))
        self._moments_of = _moments_reader(self._slots)
        self._owned = [*self._active, *chain.from_iterable(self._moments)]
        self._addresses = list(map(_address_of, self._owned))
        self._grad_addresses = [0 if gradient is None else gradient.data_ptr() for gradient in self._grads]
        self._written = self._written_by(self._grads)
        count = len(self._active)
        self._call.point(self._addresses[:count], self._addresses[count:], self._grad_addresses)
        self.lasting = all(map(is_, self._grads, map(_grad_of, self._active)))

    def _written_by(self, grads: list[Tensor | None]) -> list[Tensor]:
        """What a run with these gradients writes."""
        written: list[Tensor] = []
        for parameter, moments, gradient in zip(self._active, self._moments, grads, strict=True):
            if gradient is not None:
                written += [parameter, *moments]
        return written

    def keep_state(self) -> None:
        """Puts the state that this plan has made into the optimizer's; called when the first run has succeeded."""
        for parameter, entry in self._made:
            self._state[parameter] = entry
        self._made, self._grads = [], []
        # The objects themselves are kept beside their identities, so that none of these numbers can be given out again;
        # so are the moments (in _owned), whose memory cannot be given out either while they are here.
        self._kept = list(_objects(self._groups, self._state))
        self._identities = list(map(id, self._kept))
        self._state_is_active = list(map(id, self._state)) == list(map(id, self._active))

    def fits(self, groups: list[Group], state: dict[Any, Any]) -> bool:
        """Looks at everything that may have changed, and takes in new gradients and hyperparameters."""
        if list(map(id, _objects(groups, state))) != self._identities:
            return False
        try:
            moments = chain.from_iterable(self._moments_of(self._entries_in(state)))
            if list(map(_address_of, chain(self._active, moments))) != self._addresses:
                return False
        except (LookupError, TypeError, ValueError, RuntimeError):
            return False
        options = list(map(_options_of, groups))
        if (self._numbers_change or options != self._options) and not self._take_options(groups, options):
            return False
        return self._take_gradients()

    def _entries_in(self, state: dict[Any, Any]) -> Iterable[Entry]:
        """The states of the active parameters, in their order."""
        return state.values() if self._state_is_active else [state[parameter] for parameter in self._active]

    def _take_options(self, groups: list[Group], options: list[tuple[Any, ...]]) -> bool:
        """Writes changed hyperparameters into the configs. False: other state is needed."""
        for row, known in zip(options, self._options, strict=True):
            if row[_AMSGRAD] is not known[_AMSGRAD]:
                return False
        rows = [row_of(group) for group in groups]
        for index, row in enumerate(rows):
            row.write(self._configs[index])
        self._options = options
        self._numbers_change = _has_tensors(options)
        return True

    def _take_gradients(self) -> bool:
        active = self._active
        grads = list(map(_grad_of, active))
        try:
            addresses = list(map(_address_of, grads))
        except TypeError:
            return self._take_some(grads)
        except RuntimeError:
            return False
        if list(map(_kind_of, grads)) != self._kinds:
            return False
        if self._contiguous:
            if not all(map(_is_contiguous, chain(grads, active))):
                return False
        elif list(map(_strides_of, chain(grads, active))) != self._strides + self._param_strides:
            return False
        for place in self._perhaps_lazy:
            if grads[place].is_neg() or grads[place].is_conj():
                return False
        for parameter in self._idle:
            if parameter.grad is not None:
                return False
        if addresses != self._grad_addresses:
            if 0 in addresses and self._lacks_memory(addresses):
                return False
            self._grad_addresses = addresses
            self._call.point_grads(addresses)
        self._written = self._owned
        return True

    def _take_some(self, grads: list[Tensor | None]) -> bool:
        """The same where some parameters have no gradient this time."""
        addresses = []
        for place, gradient in enumerate(grads):
            parameter = self._active[place]
            if parameter.stride() != self._param_strides[place]:
                return False
            if gradient is None:
                if not parameter.numel():
                    return False
                addresses.append(0)
                continue
            if (
                gradient.layout != torch.strided
                or _kind_of(gradient) != self._kinds[place]
                or gradient.stride() != self._strides[place]
                or gradient.is_neg()
                or gradient.is_conj()
            ):
                return False
            addresses.append(gradient.data_ptr())
            if not addresses[-1] and parameter.numel():
                return False
        if any(parameter.grad is not None for parameter in self._idle):
            return False
        self._grad_addresses = addresses
        self._call.point_grads(addresses)
        self._written = self._written_by(grads)
        return True

    def _lacks_memory(self, addresses: list[int]) -> bool:
        return any(
            not address and parameter.numel() for address, parameter in zip(addresses, self._active, strict=True)
        )

    def run(self) -> None:
        """Steps, and tells autograd which tensors were written."""
        self._call.run()
        _increment_version(self._written)


def _objects(groups: list[Group], state: dict[Any, Any]) -> Iterable[object]:
    """The groups, each followed by its parameters, and the parameters that have state."""
    if len(groups) == 1:
        return chain(groups, groups[0]["params"], state)
    return chain(*chain.from_iterable(((group,), group["params"]) for group in groups), state)


def _moments_reader(slots: list[tuple[str, ...]]) -> Callable[[Iterable[Entry]], Iterable[tuple[Tensor, ...]]]:
    """Reads what a step writes out of the parameters' states."""
    readers = [itemgetter("step", *names) for names in slots]
    if len(set(slots)) == 1:
        return partial(map, readers[0])
    return lambda entries: (reader(entry) for reader, entry in zip(readers, entries, strict=True))


def _has_tensors(options: list[tuple[Any, ...]]) -> bool:
    """Whether a hyperparameter is a tensor, whose value can change without its identity."""
    return any(isinstance(value, Tensor) for row in options for option in row for value in _flat(option))


def _flat(option: Any) -> tuple[Any, ...]:
    return tuple(option) if isinstance(option, tuple | list) else (option,)


def row_of(group: Group) -> Hyperparameters:
    """A parameter group's hyperparameters as plain numbers."""
    states.refuse_unserved(group)
    beta1, beta2 = group["betas"]
    return Hyperparameters(
        _ffi.ADAMW if group["decoupled_weight_decay"] else _ffi.ADAM,
        number(group["lr"], "lr"),
        number(beta1, "betas[0]"),
        number(beta2, "betas[1]"),
        number(group["eps"], "eps"),
        number(group["weight_decay"], "weight_decay"),
        bool(group["amsgrad"]),
        bool(group["maximize"]),
        group["semantics"],
        group["flush_denormals"],
    )
