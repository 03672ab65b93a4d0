"""Parameter groups' options as torch names them, and what a step makes of them. Knows no parameters."""

from __future__ import annotations

from typing import Any

from martlet import _ffi
from martlet._config import Hyperparameters, number
from martlet._errors import UnsupportedError

Group = dict[str, Any]


def row_of(group: Group) -> Hyperparameters:
    """A parameter group's hyperparameters as plain numbers; their ranges are checked where they are written."""
    refuse_unserved(group)
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


def refuse_unserved(options: Group) -> None:
    """The options of torch that a native step cannot honour."""
    if options["differentiable"]:
        raise UnsupportedError("differentiable=True is not supported: autograd cannot see into a native step")
    if options["capturable"]:
        raise UnsupportedError(
            "capturable=True is not supported: it is for graphs of accelerators, and this steps on the CPU"
        )


def change_in_place(group: Group) -> bool:
    """Whether a number can change while the objects in the group stay the same, as a tensor's or a list's can."""
    betas = group["betas"]
    values = (group["lr"], group["eps"], group["weight_decay"], *betas)
    return not isinstance(betas, tuple) or not all(isinstance(value, int | float) for value in values)
