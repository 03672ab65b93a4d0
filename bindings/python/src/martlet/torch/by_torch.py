"""What torch steps in Martlet's place, in the same optimizer and with the same state: groups with differentiable=True,
since autograd cannot look into a native call, and parameters that have no memory a native call could use.

State is the same, so a parameter can change over at any time. What such a step needs of tensors is torch's business.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer as TorchOptimizer

from martlet import _arguments
from martlet._errors import MartletError, UnsupportedError
from martlet.torch import state as states
from martlet.torch.options import Group, Kind
from martlet.torch.tensors import has_memory, refuse_sparse

NAME = "strict"
# By torch's class, Martlet's.
OURS: dict[type[TorchOptimizer], type[Any]] = {}
# What of a group reaches over all groups' gradients.
_OF_ALL = ("max_norm", "skip_nonfinite")
# Parameters that a warning names.
_NAMED = 3


class Scale(NamedTuple):
    """What torch's GradScaler hands over to a step."""

    found_inf: Any = None
    grad_scale: Any = None

    @classmethod
    def of(cls, optimizer: Any) -> Scale:
        return cls(*(getattr(optimizer, name, None) for name in cls._fields))

    @property
    def number(self) -> float | None:
        """What the loss was multiplied by; None: a gradient was not finite."""
        if self.found_inf is not None and float(self.found_inf) != 0:
            return None
        return 1.0 if self.grad_scale is None else float(self.grad_scale)


class Left(NamedTuple):
    """A parameter that torch steps, and why, in words that name it."""

    group: int
    parameter: Tensor
    why: str


def is_strict(given: Any) -> bool:
    """Whether what only torch could step is an error; given: a constructor's strict=, or None."""
    if given is None:
        return os.environ.get("MARTLET_STRICT", "0") not in ("", "0")
    return _arguments.flag(given, NAME)


def warn(title: str, left: Collection[Left], known: set[int], stacklevel: int) -> None:
    """Says once of each parameter that torch steps it. known: the identities of those of which it was said."""
    new = [one for one in left if id(one.parameter) not in known]
    if not new:
        return
    known.update(id(one.parameter) for one in new)
    more = f"; and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
    warnings.warn(
        f"torch.optim.{title} steps what martlet.torch.{title} cannot: "
        + "; ".join(one.why for one in new[:_NAMED])
        + f"{more}. Under strict=True that is an error",
        UserWarning,
        stacklevel=stacklevel + 1,
    )


def take_step(
    kind: Kind, groups: list[Group], state: dict[Any, Any], left: Iterable[Left], scale: Scale, *, graph: bool
) -> None:
    """Steps the groups that are differentiable, and the parameters that are left. graph: whether autograd records
    groups that are differentiable."""
    shares: dict[int, set[Tensor]] = {}
    for one in left:
        shares.setdefault(one.group, set()).add(one.parameter)
    for index, group in enumerate(groups):
        own = kind.of(group)
        is_differentiable, share = own.is_differentiable(group), shares.get(index, set())
        every = group["params"] if own.steps_twice else dict.fromkeys(group["params"])
        if parameters := [one for one in every if is_differentiable or one in share]:
            with torch.set_grad_enabled(graph and is_differentiable):
                _take_step(own, {**group, "params": parameters}, state, scale)


def check(kind: Kind, groups: list[Group], state: dict[Any, Any], left: Iterable[Left]) -> None:
    """Refuses what torch cannot step."""
    why: dict[int, Left] = {}
    for one in left:
        why.setdefault(one.group, one)
    for index, group in enumerate(groups):
        own = kind.of(group)
        if own.is_differentiable(group):
            own.check_group(group, f"param_groups[{index}]")
            _check(own, group, index, state, f"param_groups[{index}] is differentiable")
        elif index in why:
            _check(own, group, index, state, why[index].why)
    for index, group in enumerate(groups) if why else ():
        for option in _OF_ALL:
            if option in kind.of(group).beyond_torch(group):
                raise UnsupportedError(
                    f"{next(iter(why.values())).why}; torch steps it then, and has no {option!r}, for which "
                    f"param_groups[{index}] asks over all gradients"
                )


def all_left(groups: list[Group], why: str) -> list[Left]:
    """All parameters, for one reason."""
    return [Left(index, one, why) for index, group in enumerate(groups) for one in group["params"]]


def takes_numbers(kind: Kind, groups: list[Group], state: dict[Any, Any]) -> bool:
    """Whether there are numbers that are not finite, and torch can step by them."""
    try:
        if all(kind.of(group).is_finite(group) for group in groups):
            return False
        check(kind, groups, state, all_left(groups, "a number is not finite"))
    except (MartletError, LookupError):
        return False
    return True


def _check(kind: Kind, group: Group, index: int, state: dict[Any, Any], why: str) -> None:
    if kind.peer is None:
        raise UnsupportedError(f"{why}; torch steps it then, and has no {kind.title}")
    for option, default in kind.beyond_torch(group).items():
        raise UnsupportedError(f"{why}; torch steps it then, and has no {option!r}: leave it {default!r}")
    if not kind.is_differentiable(group):
        return
    for parameter, name in states.named(group, index).items():
        if parameter.grad is not None:
            refuse_sparse(parameter.grad, name, kind.title)
            states.check_complete(states.entry_of(state, parameter, name), parameter, group, name, kind)


def _take_step(kind: Kind, group: Group, state: dict[Any, Any], scale: Scale) -> None:
    assert kind.peer is not None
    switches: Group = {}
    if kind.is_differentiable(group):
        slots = kind.row(group).slots.arrays
        switches = {key: False for key in ("foreach", "fused") if key in group}
        for parameter in group["params"]:
            entry = state.get(parameter)
            if parameter.grad is not None and entry:
                for slot in slots:
                    if slot not in entry:
                        entry[slot] = states.moment(parameter, None)
    if group.get("capturable") and all(parameter.is_cpu for parameter in group["params"]):
        switches["capturable"] = False  # which native steps, and so this one, need not be
    own = {**group, **switches}
    stepper = kind.peer.__new__(kind.peer)
    vars(stepper).update(param_groups=[own], state=state, defaults={**own, "differentiable": True})
    if own.get("fused"):
        vars(stepper).update(scale._asdict())
    elif scale.grad_scale is not None:
        with torch.no_grad():
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(scale.grad_scale.to(parameter.grad.device))
    # torch's function itself, without its hooks, which this step has around it already.
    inspect.unwrap(kind.peer.step)(stepper)


def overlapping(groups: list[Group]) -> dict[Tensor, str]:
    """Parameters whose memory is in part that of another, or of a gradient, and why they cannot be stepped at once:
    torch steps one after the other."""
    names: dict[Tensor, str] = {}
    for index, group in enumerate(groups):
        given = states.named(group, index)
        names |= {one: name for one, name in given.items() if one.grad is not None and has_memory(one, one.grad)}
    spans: list[tuple[int, int, bool, Tensor]] = []
    for parameter in names:
        assert parameter.grad is not None
        spans.append((*_span(parameter), True, parameter))
        spans.append((*_span(parameter.grad), False, parameter))
        if _overlaps_itself(parameter):
            spans.append(spans[-2])
    spans.sort(key=lambda span: span[:2])
    found: dict[Tensor, str] = {}
    reach: list[tuple[int, int, bool, Tensor]] = []
    for span in spans:
        reach = [other for other in reach if other[1] > span[0]]
        for other in reach:
            if (span[2] or other[2]) and span[0] < span[1]:
                for one, beside in ((span[3], other[3]), (other[3], span[3])):
                    peer = "itself, or with its gradient" if one is beside else f"{names[beside]}, or with its gradient"
                    found.setdefault(one, f"{names[one]} shares memory with {peer}")
        reach.append(span)
    return found


def _span(tensor: Tensor) -> tuple[int, int]:
    """The addresses from its first byte to behind its last."""
    if not tensor.numel():
        return 0, 0
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    start = tensor.data_ptr()
    return start, start + (last + 1) * tensor.itemsize


def _overlaps_itself(tensor: Tensor) -> bool:
    """Whether it has an element twice, or might: dimensions that do not lie one within the other."""
    reach = 0
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1:
            if stride <= reach:
                return True
            reach += (size - 1) * stride
    return False


def peer_of(cls: type) -> type[TorchOptimizer] | None:
    """torch's class of a class's algorithm: the first of torch's that it is a subclass of."""
    for base in cls.__mro__:
        if base is not TorchOptimizer and base.__module__.startswith("torch.optim"):
            found: type[TorchOptimizer] = base
            return found
    return None
