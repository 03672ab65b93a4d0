"""Parameter groups' options as torch names them: what they must be, and what a step makes of them.

Knows no parameters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from martlet import _config, _ffi
from martlet._config import Hyperparameters, number
from martlet._errors import ArgumentError, DTypeError, MartletError, UnsupportedError
from martlet.torch.tensors import DTYPES

Group = dict[str, Any]

# The options that torch.optim.Adam does not have.
OWN = ("flush_denormals", "semantics", "state_dtype")
_SWITCHES = ("amsgrad", "maximize", "decoupled_weight_decay")
_READ = ("params", "lr", "betas", "eps", "weight_decay", "capturable", "differentiable", *_SWITCHES, *OWN)


def check_options(options: Group) -> None:
    """Ranges and kinds of all options that a step reads, before it reads them."""
    _config.check(options["lr"], options["betas"], options["eps"], options["weight_decay"])
    for name in _SWITCHES:
        switch(options[name], name)
    if options["flush_denormals"] is not None:
        switch(options["flush_denormals"], "flush_denormals", "True, False or None")
    _config.semantics_number(options["semantics"])
    check_state_dtype(options["state_dtype"])
    refuse_unserved(options)


def check_group(group: Group, where: str) -> None:
    """As check_options, for a parameter group, which the errors name."""
    for option in _READ:
        if option not in group:
            raise ArgumentError(f"{where} has no {option!r}, which a step reads: put it back, group[{option!r}] = ...")
    try:
        check_options(group)
    except MartletError as error:
        raise type(error)(f"{where}: {error}") from None


def check_groups(groups: Iterable[Group]) -> None:
    """check_group for an optimizer's groups."""
    for index, group in enumerate(groups):
        check_group(group, f"param_groups[{index}]")


def check_state_dtype(dtype: Any) -> None:
    if dtype is not None and dtype not in DTYPES:
        raise DTypeError(f"state_dtype is {dtype!r}; wanted torch.float64, float32, bfloat16, float16 or None")


def switch(value: Any, name: str, wanted: str = "True or False") -> bool:
    """True or False. A text is neither: "False" would count as true."""
    if isinstance(value, int | np.bool_) and value in (0, 1):
        return bool(value)
    raise DTypeError(f"{name} is {value!r} of type {type(value).__name__}; wanted {wanted}")


def row_of(group: Group) -> Hyperparameters:
    """A parameter group's hyperparameters as plain numbers; their ranges are checked where they are written."""
    refuse_unserved(group)
    beta1, beta2 = _config.pair(group["betas"])
    flush = group["flush_denormals"]
    return Hyperparameters(
        _ffi.ADAMW if switch(group["decoupled_weight_decay"], "decoupled_weight_decay") else _ffi.ADAM,
        number(group["lr"], "lr"),
        number(beta1, "betas[0]"),
        number(beta2, "betas[1]"),
        number(group["eps"], "eps"),
        number(group["weight_decay"], "weight_decay"),
        switch(group["amsgrad"], "amsgrad"),
        switch(group["maximize"], "maximize"),
        group["semantics"],
        None if flush is None else switch(flush, "flush_denormals", "True, False or None"),
    )


def refuse_unserved(options: Group) -> None:
    """The options of torch that a native step cannot honour."""
    if options["differentiable"]:
        raise UnsupportedError(
            "differentiable=True is not supported, since autograd cannot see into a native step: set "
            'group["differentiable"] = False, or use torch.optim'
        )
    if options["capturable"]:
        raise UnsupportedError(
            "capturable=True is not supported: it is for graphs of accelerators, and this steps on the CPU. Where it "
            'was loaded with a checkpoint, set group["capturable"] = False'
        )


def change_in_place(group: Group) -> bool:
    """Whether a number can change while the objects in the group stay the same, as a tensor's or a list's can."""
    betas = group["betas"]
    values = (group["lr"], group["eps"], group["weight_decay"], *betas)
    return not isinstance(betas, tuple) or not all(isinstance(value, int | float) for value in values)
