"""Parameter groups' options as torch names them: what they must be, and what a step makes of them.

Knows no parameters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from martlet import _config, _ffi
from martlet._config import Hyperparameters, number
from martlet._errors import ArgumentError, DTypeError, MartletError, MissingError, UnsupportedError
from martlet.torch.tensors import DTYPES

Group = dict[str, Any]

# The options that torch.optim.Adam does not have, and what they are in a group that does not say. They stand in a group
# only where they are something else, so that groups and state_dicts have torch's keys: tools that save and load by key
# (torch.distributed.checkpoint) then find in one class's files what the other looks for.
OWN: Group = {"flush_denormals": None, "semantics": "torch", "state_dtype": None}
_READ = (
    *("params", "lr", "betas", "eps", "weight_decay", "amsgrad", "maximize"),
    *("differentiable", "decoupled_weight_decay"),
)


def own(options: Group, option: str) -> Any:
    """An option of ours, which a group may leave out."""
    return options.get(option, OWN[option])


def drop_defaults(options: Group) -> None:
    """Takes the options of ours out that are what they would be without."""
    for option, default in OWN.items():
        if option in options and type(options[option]) is type(default) and options[option] == default:
            del options[option]


def check_arguments(lr: Any, betas: Any, eps: Any, weight_decay: Any) -> None:
    """What torch asks of its constructor's numbers."""
    _config.check(_one_element(lr, "lr"), betas, eps, weight_decay)
    first, second = (_one_element(beta, f"betas[{index}]") for index, beta in enumerate(betas))
    if isinstance(first, Tensor) != isinstance(second, Tensor):
        raise ArgumentError("betas must be either both floats or both Tensors")


def check_switched(lr: Any, foreach: Any, capturable: Any, differentiable: Any, fused: Any) -> None:
    """What torch says of switches that do not go together."""
    if foreach and not capturable and isinstance(lr, Tensor):
        raise ArgumentError("lr as a Tensor is not supported for capturable=False and foreach=True")
    if fused and differentiable:
        raise UnsupportedError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise UnsupportedError("`fused` and `foreach` cannot be `True` together.")


def _one_element(value: Any, name: str) -> Any:
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ArgumentError(f"Tensor {name} must be 1-element")
    return value


def scalar(value: Any) -> Any:
    """A tensor of one element as a 0-d one, which is how torch keeps betas."""
    return value.squeeze() if isinstance(value, Tensor) and value.dim() else value


def check_options(options: Group) -> None:
    """Kinds of all options that a step reads, before it reads them. Numbers may be any that arithmetic is defined for:
    torch holds those of its constructor alone to ranges, and schedules go beyond them."""
    _config.check(options["lr"], options["betas"], options["eps"], options["weight_decay"], wide=True)
    check_switches(options)
    _config.semantics_number(own(options, "semantics"))
    check_state_dtype(own(options, "state_dtype"))


def check_group(group: Group, where: str) -> None:
    """As check_options, for a parameter group, which the errors name."""
    for option in _READ:
        if option not in group:
            raise MissingError(f"{where} has no {option!r}, which a step reads: put it back, group[{option!r}] = ...")
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


def check_switches(options: Group) -> None:
    """True or False. A text is neither: "False" would count as true."""
    amsgrad, maximize, flush = options["amsgrad"], options["maximize"], own(options, "flush_denormals")
    if type(amsgrad) is not bool or type(maximize) is not bool or (flush is not None and type(flush) is not bool):
        _config.check_flags(amsgrad, maximize, flush)


def row_of(group: Group) -> Hyperparameters:
    """A parameter group's hyperparameters as plain numbers, which are checked where they are written."""
    check_switches(group)
    beta1, beta2 = _config.pair(group["betas"])
    return Hyperparameters(
        _ffi.ADAMW if group["decoupled_weight_decay"] else _ffi.ADAM,
        number(group["lr"], "lr"),
        number(beta1, "betas[0]"),
        number(beta2, "betas[1]"),
        number(group["eps"], "eps"),
        number(group["weight_decay"], "weight_decay"),
        bool(group["amsgrad"]),
        bool(group["maximize"]),
        own(group, "semantics"),
        own(group, "flush_denormals"),
        wide=True,
    )


def change_in_place(group: Group) -> bool:
    """Whether a number can change while the objects in the group stay the same, as a tensor's or a list's can."""
    betas = group["betas"]
    values = (group["lr"], group["eps"], group["weight_decay"], *betas)
    return not isinstance(betas, tuple) or not all(isinstance(value, int | float) for value in values)
