"""A step of Keras variables laid out once: their tensors, those of their state, and how to see cheaply that this holds.

What tensors must be is the business of martlet.torch.tensors, how they are watched that of martlet.torch.watch, what
the numbers mean that of _rules.py. A plan counts nothing: Keras's iterations say which step it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from math import hypot, isfinite
from operator import attrgetter, is_
from typing import Any

import torch
from torch import Tensor

from martlet import _algorithms, _threads
from martlet._algorithms import Slots
from martlet._call import StepCall, write_configs
from martlet._config import Hyperparameters
from martlet._errors import UnsupportedError
from martlet.keras._rules import Group, clipping
from martlet.torch.tensors import DTYPES, check_parameter, check_written, lay_out, readable
from martlet.torch.watch import address_of, watch

# The tensor of a variable, which is what .value gives outside of scopes, at a fiftieth of the time.
tensor_of = attrgetter("_value")
_num_threads = torch.get_num_threads
_increment_version = torch.autograd.graph.increment_version


class Plan:
    """run() is a step. variables: of Keras; places: the group of each; states: by variable its slots, as variables.
    is_alone: whether each variable has numbers of its own, as those of its group are."""

    def __init__(
        self,
        variables: Sequence[Any],
        grads: Sequence[Tensor],
        keys: Sequence[int],
        groups: Sequence[Group],
        places: Sequence[int],
        states: Sequence[Mapping[str, Any]],
        *,
        is_alone: bool,
    ) -> None:
        self.variables = list(variables)
        self.is_alone = is_alone
        self._places = list(places)
        self._rows = self._rows_of(groups)
        if is_alone:
            places = range(len(places))
        self._slots = [row.slots for row in self._rows]
        self._configs, count = write_configs(self._rows)
        self._factors = [1.0] * len(self._rows)
        self._kept: list[Any] = []
        # The numbers of all variables that are one for each: a column for each name.
        self.averages = any("ema_params" in slots.arrays for slots in self._slots)
        self._names = list(dict.fromkeys(name for slots in self._slots for name in slots.scalars))
        self._numbers = [torch.zeros(len(variables), dtype=torch.float64) for _ in self._names]
        self._counts = array("q", [0]) * len(variables)
        # Of algorithms whose steps are all alike, the first one would start a momentum anew.
        are_alike = [row.algorithm in _algorithms.UNCOUNTED for row in self._rows]
        self._uncounted = [index for index, place in enumerate(places) if are_alike[place]]
        items, at = [], []
        for index, (variable, place) in enumerate(zip(variables, places, strict=True)):
            wanted = self._slots[place].of(variable.shape)
            kept = {name: states[index][name] for name in wanted.arrays if name in states[index]}
            self._kept += kept.values()
            tensors = {name: tensor_of(one) for name, one in kept.items()}
            tensors |= {name: self._numbers[self._names.index(name)][index] for name in wanted.scalars}
            items.append(_item(variable, grads[index], place, self._slots[place], tensors)._replace(key=keys[index]))
            at += [self._counts.buffer_info()[0] + 8 * index, *(tensor.data_ptr() for tensor in tensors.values())]
        self._call = StepCall(items, self._configs, count)
        owned = [*map(tensor_of, variables), *map(tensor_of, self._kept)]
        self._watch = watch([*owned, *grads])
        self._owned_count = len(owned)
        self._addresses = list(map(address_of, [*owned, *grads]))
        self._call.point(self._addresses[: len(variables)], at, self._addresses[self._owned_count :])

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles of an optimizer make their own."""
        return type(None), ()

    def is_of(self, variables: Sequence[Any]) -> bool:
        """Whether these are the variables."""
        return len(variables) == len(self.variables) and all(map(is_, variables, self.variables))

    def take(self, variables: Sequence[Any], grads: Sequence[Tensor]) -> bool:
        """Whether these are the variables, where and as they were, with gradients that lie alike."""
        if not self.is_of(variables):
            return False
        try:
            tensors = [*map(tensor_of, variables), *map(tensor_of, self._kept), *grads]
            addresses = self._watch.addresses(tensors)
        except (TypeError, AttributeError, RuntimeError):
            return False
        if addresses is None:
            return False
        if addresses is not self._addresses:
            count = self._owned_count
            if addresses[:count] != self._addresses[:count] or _lacks_memory(addresses[count:], grads):
                return False
            self._addresses = []  # nothing is remembered of what is half pointed
            self._call.point_grads(addresses[count:])
            self._addresses = addresses
        return True

    def _rows_of(self, groups: Sequence[Group]) -> list[Hyperparameters]:
        return [groups[place].row for place in self._places] if self.is_alone else [group.row for group in groups]

    def turn_to(self, groups: Sequence[Group]) -> bool:
        """Other numbers; false where they want other state."""
        rows = self._rows_of(groups)
        if rows == self._rows:
            return True
        if [row.slots for row in rows] != self._slots:
            return False
        self._rows = []
        self._call.set_hyperparameters(rows)
        self._rows, self._factors = rows, [1.0] * len(rows)
        return True

    def run(self, steps: int, numbers: Mapping[str, float], factors: Sequence[float] | None) -> None:
        """Steps, where so many were taken before. numbers: what the scalars of all variables are. factors: what
        gradients are multiplied by, of all or of each variable; None: nothing."""
        self._multiply(factors or [1.0])
        self._counts[:] = array("q", [steps]) * len(self._counts)
        if not steps:
            for index in self._uncounted:
                self._counts[index] = 1
        for name, row in zip(self._names, self._numbers, strict=True):
            row.fill_(numbers[name])
        if (threads := _num_threads()) != _threads.followed:
            _threads.follow(threads)
        self._call.run()
        _increment_version(list(map(tensor_of, self.variables)))

    def _multiply(self, factors: Sequence[float]) -> None:
        every = list(factors) if self.is_alone and len(factors) > 1 else list(factors) * len(self._rows)
        if every != self._factors:
            self._factors = every
            for index, (row, factor) in enumerate(zip(self._rows, every, strict=True)):
                self._configs[index].loss_scale = row.loss_scale / factor


def clip_factors(optimizer: Any, grads: Sequence[Tensor], scale: float) -> list[float]:
    """What Keras's clipping by norms multiplies gradients by that are divided by this: each, or all."""
    norms = torch.stack(torch._foreach_norm(list(grads))).div(scale).tolist()
    if not all(map(isfinite, norms)):
        raise UnsupportedError("a gradient's norm is not finite")
    if clipping(optimizer) == "clipnorm":
        return [optimizer.clipnorm / max(norm, optimizer.clipnorm) for norm in norms]
    return [optimizer.global_clipnorm / max(hypot(*norms), optimizer.global_clipnorm)]


def _item(variable: Any, gradient: Tensor, place: int, slots: Slots, tensors: Mapping[str, Tensor]) -> Any:
    """A variable in a call, checked with its arrays."""
    parameter, name = tensor_of(variable), variable.path
    if not isinstance(parameter, Tensor):
        raise UnsupportedError(f"{name} has no value yet")
    check_parameter(parameter, name)
    if readable(gradient, parameter, name) is not gradient:
        raise UnsupportedError(f"the gradient of {name} is lazily conjugated, negated or zero")
    wanted = slots.of(parameter.shape)
    for slot in wanted.arrays:
        if slot not in tensors:
            raise UnsupportedError(f"{name} has no {slot}; build the optimizer with the options that it has")
        _check_slot(tensors[slot], f"{slot} of {name}", slot in wanted.alike(parameter.shape), parameter)
    return lay_out(name, place, parameter, gradient, None, tensors, slots, None)


def _check_slot(tensor: Tensor, name: str, is_alike: bool, parameter: Tensor) -> None:
    check_written(tensor, name)
    if tensor.dtype not in DTYPES or (is_alike and tensor.shape != parameter.shape):
        raise UnsupportedError(f"{name} is {tensor.dtype} of {tuple(tensor.shape)}, which no state of it is")
    if not is_alike and not tensor.is_contiguous():
        raise UnsupportedError(f"{name} is not contiguous")


def _lacks_memory(addresses: Sequence[int], tensors: Sequence[Tensor]) -> bool:
    return 0 in addresses and any(
        not address and tensor.numel() for address, tensor in zip(addresses, tensors, strict=True)
    )
