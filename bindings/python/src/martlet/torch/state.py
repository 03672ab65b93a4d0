"""State of the torch optimizers: made, checked, exported to a state_dict and taken over from one.

Inside, "step" is a 0-d int64 tensor that the library counts up; outside, it is torch's 0-d float32 one. Moments have
torch's names. Nothing here steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from martlet import _ffi
from martlet._config import slot_names, used_slots
from martlet._errors import FormatError, ShapeError, UnsupportedError
from martlet._state_dict import exact_step
from martlet.torch.tensors import check_shape, check_written

SLOTS = slot_names(_ffi.ADAM)
# What every state has; the rest may come later.
_LEAST = ("step", *used_slots(_ffi.ADAM, False))
_FLOAT32_COUNTS_TO = 2**24
_PAIR_OF = {torch.float64: torch.complex128, torch.float32: torch.complex64, torch.float16: torch.complex32}


def name_of(group: dict[str, Any], index: int, place: int) -> str:
    """What a parameter is called in messages: its own name where it has one."""
    names = group.get("param_names")
    if names:
        return f"parameter {names[place]!r}"
    return f"param_groups[{index}]['params'][{place}]"


def moment_dtype(parameter: Tensor, dtype: torch.dtype | None, name: str) -> torch.dtype:
    """The type of a parameter's moments where state_dtype is dtype."""
    if dtype is None:
        return parameter.dtype
    if not parameter.is_complex():
        return dtype
    if dtype not in _PAIR_OF:
        raise UnsupportedError(
            f"state_dtype={dtype} is not supported for {name}, which is complex: torch has no pairs of that type. Give "
            "torch.float64, float32, float16 or None"
        )
    return _PAIR_OF[dtype]


def moment(parameter: Tensor, dtype: torch.dtype | None, name: str = "a parameter") -> Tensor:
    """Zeros for a parameter, in its order of dimensions."""
    dtype = moment_dtype(parameter, dtype, name)
    return torch.zeros_like(parameter, dtype=dtype, memory_format=torch.preserve_format, requires_grad=False)


def counter(value: Any, name: str) -> Tensor:
    """A step count, given as a number or a tensor, as the 0-d int64 tensor that the library counts up."""
    if isinstance(value, Tensor):
        if value.dtype == torch.int64 and value.dim() == 0 and value.is_cpu and type(value) is Tensor:
            return value
        value = value.item() if value.numel() == 1 and not value.is_meta else value
    if isinstance(value, int | float | np.integer | np.floating) and 0 <= value < 2**62 and int(value) == value:
        return _number(int(value), torch.int64)
    raise FormatError(f"the step of {name} is {value!r}; wanted the number of steps taken, 0 or more")


def _number(value: float, dtype: torch.dtype) -> Tensor:
    """A 0-d tensor on the CPU, whatever torch's default device is."""
    return torch.tensor(value, dtype=dtype, device="cpu")


def check_complete(entry: dict[str, Any], name: str) -> None:
    """Refuses a state that has some of what a step needs, as other optimizers leave it."""
    if any(key in entry for key in ("step", *SLOTS)) and not all(key in entry for key in _LEAST):
        raise FormatError(
            f"the state of {name} has {sorted(map(str, entry))}; wanted {', '.join(_LEAST)}: it is another optimizer's"
        )


def checked_slots(entry: dict[str, Any], slots: Sequence[str], parameter: Tensor, name: str) -> list[Tensor]:
    """The moments of a state in the library's order."""
    tensors = []
    for slot in slots:
        tensor = entry[slot]
        check_written(tensor, f"{slot} of {name}")
        check_shape(tensor, f"{slot} of {name}", parameter, "load a state of this model, or clear optimizer.state")
        tensors.append(tensor)
    return tensors


def exported(entry: Any) -> Any:
    """One parameter's state as torch has it."""
    if not isinstance(entry, dict) or "step" not in entry:
        return entry
    exact = int(entry["step"])
    packed = {**entry, "step": _number(float(exact), torch.float32)}
    if exact > _FLOAT32_COUNTS_TO:
        packed["step_exact"] = _number(exact, torch.int64)
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
        packed["step"] = Shield(exact_step(entry["step"], entry.get("step_exact")))
    return packed


def check_packed(packed: dict[str, Any], groups: Sequence[dict[str, Any]]) -> None:
    """Refuses a state_dict that has other groups than the optimizer, or another optimizer's options."""
    for key in ("state", "param_groups"):
        if key not in packed:
            raise FormatError(f"the state_dict has {sorted(map(str, packed))}; wanted state and param_groups")
    loaded = packed["param_groups"]
    if len(loaded) != len(groups):
        raise FormatError(
            f"loaded state dict has a different number of parameter groups: {len(loaded)}, and the optimizer has "
            f"{len(groups)}; make the optimizer with the groups that were saved"
        )
    for index, (given, own) in enumerate(zip(loaded, groups, strict=True)):
        for option in ("params", "lr", "betas", "eps"):
            if option not in given:
                raise FormatError(
                    f"the loaded param_groups[{index}] has no {option!r}: it is another optimizer's; load a state_dict "
                    "of Adam or AdamW"
                )
        if len(given["params"]) != len(own["params"]):
            raise FormatError(
                f"loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                f"param_groups[{index}] has {len(given['params'])} parameters, and the optimizer's has "
                f"{len(own['params'])}; make the optimizer with the parameters that were saved"
            )


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
    check_complete(entry, name)
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
                f"{name}: {slot} has shape {tuple(value.shape)}, and the parameter has {tuple(parameter.shape)}; load "
                "a state of this model"
            )
        if isinstance(held, Shield):
            dtype = moment_dtype(parameter, group.get("state_dtype"), name)
            value = value.detach().to(dtype=dtype, device=parameter.device, copy=True)
        made[slot] = value
    return made
