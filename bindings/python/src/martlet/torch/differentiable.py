"""Steps that autograd sees through: torch's own, for groups with differentiable=True, since autograd cannot look into a
native call.

State is the same, so a group can change over at any time. What such a step needs of tensors is torch's business.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch.optim import Optimizer as TorchOptimizer

from martlet._errors import UnsupportedError
from martlet.torch import options
from martlet.torch import state as states
from martlet.torch.options import Kind
from martlet.torch.tensors import refuse_sparse


def take_step(kind: Kind, groups: list[options.Group], state: dict[Any, Any], graph: bool) -> None:
    """Steps the groups that are differentiable; graph: whether autograd records it."""
    for index, group in enumerate(groups):
        own = kind.of(group)
        if own.is_differentiable(group):
            peer = _check(own, group, index, state)
            with torch.set_grad_enabled(graph):
                _take_step(own, peer, group, state)


def _check(kind: Kind, group: options.Group, index: int, state: dict[Any, Any]) -> type[TorchOptimizer]:
    """Refuses what torch cannot step; returns torch's class."""
    where = f"param_groups[{index}]"
    kind.check_group(group, where)
    if kind.peer is None:
        raise UnsupportedError(f"{where} is differentiable, and torch, which steps such groups, has no {kind.title}")
    for option, default in kind.own.items():
        if option != "flush_denormals" and group.get(option, default) != default:
            raise UnsupportedError(
                f"{where} is differentiable, so torch steps it, which has no {option!r}: leave it {default!r}"
            )
    for parameter, name in states.named(group, index).items():
        if parameter.grad is not None:
            refuse_sparse(parameter.grad, name, kind.title)
            states.check_complete(states.entry_of(state, parameter, name), parameter, group, name, kind)
    return kind.peer


def _take_step(kind: Kind, peer: type[TorchOptimizer], group: options.Group, state: dict[Any, Any]) -> None:
    slots = kind.row(group).slots.arrays
    parameters = dict.fromkeys(group["params"])
    for parameter in parameters:
        entry = state.get(parameter)
        if parameter.grad is not None and entry:
            for slot in slots:
                if slot not in entry:
                    entry[slot] = states.moment(parameter, None)
    stepper = peer.__new__(peer)
    switches = {"foreach": False, "fused": False}
    own = {**group, **{key: value for key, value in switches.items() if key in group}, "params": list(parameters)}
    vars(stepper).update(param_groups=[own], state=state, defaults={"differentiable": True})
    # torch's function itself, without its hooks, which this step has around it already.
    inspect.unwrap(peer.step)(stepper)
