"""State of the torch optimizers: made, checked, exported to a state_dict and taken over from one.

Inside, "step" is a 0-d int64 tensor that the library counts up; outside, it is torch's 0-d float32 one. Moments have
torch's names. Nothing here steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from martlet._errors import DTypeError, FormatError, ShapeError
from martlet.torch.tensors import DTYPES, check_shape, check_written

SLOTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
_FLOAT32_COUNTS_TO = 2**24
_PAIR_OF = {torch.float64: torch.complex128, torch.float32: torch.complex64, torch.float16: torch.complex32}


def check_state_dtype(dtype: Any) -> None:
    if dtype is not None and dtype not in DTYPES:
        raise DTypeError(f"state_dtype is {dtype!r}; wanted torch.float64, float32, bfloat16, float16 or None")


def name_of(group: dict[str, Any], index: int, place: int) -> str:
    """What a parameter is called in messages: its own name where it has one."""
    names = group.get("param_names")
    if names:
        return f"parameter {names[place]!r}"
    return f"param_groups[{index}]['params'][{place}]"


def moment(parameter: Tensor, dtype: torch.dtype | None) -> Tensor:
    """Zeros for a parameter, in its order of dimensions."""
    if dtype is not None and parameter.is_complex():
        dtype = _PAIR_OF.get(dtype, parameter.dtype)
    return torch.zeros_like(parameter, dtype=dtype, memory_format=torch.preserve_format, requires_grad=False)


def counter(value: Any, name: str) -> Tensor:
    """A step count, given as a number or a tensor, as the 0-d int64 tensor that the library counts up."""
    if isinstance(value, Tensor):
        if value.dtype == torch.int64 and value.dim() == 0 and value.is_cpu and type(value) is Tensor:
            return value
        value = value.item() if value.numel() == 1 else value
    if isinstance(value, int | float) and 0 <= value < 2**62 and int(value) == value:
        return torch.tensor(int(value), dtype=torch.int64)
    raise FormatError(f"the step of {name} is {value!r}; wanted the number of steps taken, 0 or more")


def checked_slots(entry: dict[str, Any], slots: Sequence[str], parameter: Tensor, name: str) -> list[Tensor]:
    """The moments of a state in the library's order."""
    tensors = []
    for slot in slots:
        tensor = entry[slot]
        check_written(tensor, f"{slot} of {name}")
        check_shape(tensor, f"{slot} of {name}", parameter)
        tensors.append(tensor)
    return tensors


def exported(entry: Any) -> Any:
    """One parameter's state as torch has it."""
    if not isinstance(entry, dict) or "step" not in entry:
        return entry
    exact = int(entry["step"])
    packed = {**entry, "step": torch.tensor(float(exact), dtype=torch.float32)}
    if exact > _FLOAT32_COUNTS_TO:
        packed["step_exact"] = torch.tensor(exact, dtype=torch.int64)
    return packed


class Shield:
    """Carries a value past torch's load_state_dict, which would cast it to the parameter's type."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def shielded(entry: Any) -> Any:
    """One parameter's loaded state with its exact step as "step", and its moments kept from torch's cast."""
    if not isinstance(entry, dict):
        return entry
    packed = {key: Shield(value) if key in SLOTS else value for key, value in entry.items() if key != "step_exact"}
    if "step" in entry:
        packed["step"] = Shield(_exact_step(entry["step"], entry.get("step_exact")))
    return packed


def _exact_step(step: Any, exact: Any) -> Any:
    """step_exact where it is what step was rounded from; another optimizer may have carried it along unchanged."""
    if isinstance(exact, Tensor) and exact.dtype == torch.int64 and exact.numel() == 1:
        rounded = torch.tensor(int(exact), dtype=torch.float32)
        return int(exact) if float(rounded) == float(step) else step
    return step


def take_over(state: dict[Any, Any], groups: Iterable[dict[str, Any]]) -> None:
    """Turns loaded or unpickled states into what a step works on, in place. Checks all of them first."""
    ready = []
    for index, group in enumerate(groups):
        for place, parameter in enumerate(group["params"]):
            entry = state.get(parameter)
            if entry:
                ready.append((parameter, _taken_over(entry, parameter, group, name_of(group, index, place))))
    for parameter, entry in ready:
        state[parameter] = entry


def _taken_over(entry: dict[str, Any], parameter: Tensor, group: dict[str, Any], name: str) -> dict[str, Any]:
    made = dict(entry)
    if "step" in entry:
        step = entry["step"]
        made["step"] = counter(step.value if isinstance(step, Shield) else step, name)
    for slot in SLOTS:
        held = entry.get(slot)
        value = held.value if isinstance(held, Shield) else held
        if value is None:
            continue
        if not isinstance(value, Tensor):
            raise FormatError(f"{name}: {slot} is a {type(value).__name__}; wanted a tensor")
        if value.shape != parameter.shape:
            raise ShapeError(
                f"{name}: {slot} has shape {tuple(value.shape)}, and the parameter has {tuple(parameter.shape)}"
            )
        if isinstance(held, Shield):
            dtype = moment(parameter.new_empty(0), group.get("state_dtype")).dtype
            value = value.detach().to(dtype=dtype, device=parameter.device, copy=True)
        made[slot] = value
    return made
