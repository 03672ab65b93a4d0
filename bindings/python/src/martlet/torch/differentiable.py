"""Steps that autograd sees through: torch's own arithmetic for groups with differentiable=True, since autograd cannot
look into a native call.

State is the same, so a group can change over at any time. What such a step needs of tensors is torch's business.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.adam import adam

from martlet import _ffi
from martlet._config import used_slots
from martlet._errors import UnsupportedError
from martlet.torch import options
from martlet.torch import state as states
from martlet.torch.tensors import refuse_sparse

_GIVEN_ON = ("lr", "eps", "weight_decay", "amsgrad", "maximize", "decoupled_weight_decay")


def take_step(groups: list[options.Group], state: dict[Any, Any], graph: bool) -> None:
    """Steps the groups that are differentiable; graph: whether autograd records it."""
    for index, group in enumerate(groups):
        if group["differentiable"]:
            _check(group, index, state)
            with torch.set_grad_enabled(graph):
                _take_step(group, state)


def _check(group: options.Group, index: int, state: dict[Any, Any]) -> None:
    options.check_group(group, f"param_groups[{index}]")
    if options.own(group, "semantics") != "torch" or options.own(group, "state_dtype") is not None:
        raise UnsupportedError(
            f"param_groups[{index}] is differentiable, so torch steps it, by its own convention and with moments of "
            'each parameter\'s type: set "semantics" to "torch" and "state_dtype" to None'
        )
    for parameter, name in states.named(group, index).items():
        if parameter.grad is not None:
            refuse_sparse(parameter.grad, name)
            states.check_complete(state.get(parameter) or {}, name)


def _take_step(group: options.Group, state: dict[Any, Any]) -> None:
    parameters = [parameter for parameter in dict.fromkeys(group["params"]) if parameter.grad is not None]
    slots = used_slots(_ffi.ADAM, bool(group["amsgrad"]))
    entries = [state[parameter] for parameter in parameters]
    for parameter, entry in zip(parameters, entries, strict=True):
        if "step" not in entry:
            entry["step"] = states.number_tensor(0.0, states.step_dtype(group))
        for slot in slots:
            if slot not in entry:
                entry[slot] = states.moment(parameter, None)
    beta1, beta2 = group["betas"]
    exp_avgs, exp_avg_sqs, max_exp_avg_sqs = (
        [entry[slot] for entry in entries if slot in slots] for slot in states.SLOTS
    )
    adam(
        parameters,
        [parameter.grad for parameter in parameters],
        exp_avgs,
        exp_avg_sqs,
        max_exp_avg_sqs,
        [entry["step"] for entry in entries],
        has_complex=any(map(torch.is_complex, parameters)),
        foreach=False,
        differentiable=True,
        beta1=beta1,
        beta2=beta2,
        **{option: group[option] for option in _GIVEN_ON},
    )
