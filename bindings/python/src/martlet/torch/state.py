"""State of the torch optimizers while they train: what is in it, made and checked.

It is torch's: moments under torch's names, and "step", one float32 (float64 where that is torch's default type). The
library counts steps in an integer beside it, since float32 stands still at 2^24, and shows the count in "step" at each
step; where it finds another number there, somebody has changed it, and it goes on from that. How state leaves and comes
back is state_dict.py's work. Nothing here steps.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from martlet._algorithms import OF_VALUES, Slots
from martlet._errors import FormatError, MissingError, ShapeError, UnsupportedError
from martlet._small import Small
from martlet.torch import shards
from martlet.torch.options import Kind
from martlet.torch.tensors import STATE_NAMES, check_memory, check_mode, check_shape, check_small, check_written

# The types that a count can be shown in, and how far each shows it.
SHOWN = {torch.float32: 2**24, torch.float64: 2**53}
_PAIR_OF = {torch.float64: torch.complex128, torch.float32: torch.complex64, torch.float16: torch.complex32}

# The types of parameters whose state may be kept in few bits.
_BESIDE_SMALL = (torch.float32, torch.bfloat16, torch.float16)

_OTHER_STATE = "load a state of this model, or clear optimizer.state"

# By parameter, the exact number of its steps, in an array that the library counts up.
Counts = dict[Tensor, "array[int]"]


def counter(count: int) -> array[int]:
    """Memory for one int64."""
    return array("q", [count])


def name_of(group: dict[str, Any], index: int, place: int) -> str:
    """What a parameter is called in messages: its own name where it has one."""
    names = group.get("param_names")
    if names:
        return f"parameter {names[place]!r}"
    return f"param_groups[{index}]['params'][{place}]"


def named(group: dict[str, Any], index: int) -> dict[Tensor, str]:
    """What messages call each parameter of a group, which may have one twice."""
    names: dict[Tensor, str] = {}
    for place, parameter in enumerate(group["params"]):
        names.setdefault(parameter, name_of(group, index, place))
    return names


def moment_dtype(parameter: Tensor, dtype: Any, name: str) -> torch.dtype:
    """The type of a parameter's moments where state_dtype is dtype, of those that are not kept in few bits."""
    wanted: torch.dtype | None = STATE_NAMES[dtype] if isinstance(dtype, str) else dtype
    if wanted is None:
        # Who asks for scaled numbers has no use for plain ones of as many bits.
        return torch.float32 if dtype == "fp16" and parameter.dtype == torch.float16 else parameter.dtype
    if not parameter.is_complex():
        return wanted
    if wanted not in _PAIR_OF:
        raise UnsupportedError(
            f"state_dtype={dtype} is not supported for {name}, which is complex: torch has no pairs of that type. Give "
            "torch.float64, float32, float16 or None"
        )
    return _PAIR_OF[wanted]


def squares_dtype(parameter: Tensor, dtype: Any, name: str) -> torch.dtype:
    """The type of a parameter's squares of sides where state_dtype is dtype."""
    return torch.float64 if moment_dtype(parameter, dtype, name) == torch.float64 else torch.float32


def small_moment(parameter: Tensor, slot: str, dtype: Any, slots: Slots) -> Tensor | None:
    """Zeros for a slot that is kept in few bits where state_dtype is dtype; None: it is not."""
    if parameter.grad is not None and parameter.grad.dtype == torch.float64:
        return None
    small = small_type(parameter, slot, dtype, slots)
    if small is None:
        return None
    return torch.zeros(small.size(shards.part_of(parameter).numel()), dtype=torch.uint8, device="cpu")


def small_type(parameter: Tensor, slot: str, dtype: Any, slots: Slots) -> Small | None:
    """What a slot is kept in where state_dtype is dtype: blocks are of what this process has of a parameter, which in
    all processes is kept in few bits or in none."""
    if parameter.dtype not in _BESIDE_SMALL:
        return None
    if shards.is_cut(parameter) and (slots.are_shaped or (slots.are_whole and not shards.lies_in_rows(parameter))):
        return None
    return slots.small_type(slot, dtype, parameter.shape)


def moment(
    parameter: Tensor,
    dtype: Any,
    name: str = "a parameter",
    shape: tuple[int, ...] | None = None,
    *,
    is_square: bool = False,
) -> Tensor:
    """Zeros for a parameter, of a shape, or else of its own and in its order of dimensions."""
    dtype = (squares_dtype if is_square else moment_dtype)(parameter, dtype, name)
    if shape is not None:
        zeros: Tensor = shards.zeros_beside(parameter, shape, dtype)
        return zeros
    return torch.zeros_like(parameter, dtype=dtype, memory_format=torch.preserve_format, requires_grad=False)


def missing(
    entry: Mapping[str, Any], parameter: Tensor, group: dict[str, Any], slots: Slots, name: str, wanted: Any
) -> dict[str, Any]:
    """What a parameter's state lacks of its slots, as it begins; numbers that are kept in another way than the library
    writes them too. wanted: the state_dtype."""
    added: dict[str, Any] = {}
    alike = slots.alike(parameter.shape)
    for slot in slots.arrays:
        if entry.get(slot) is not None:
            continue
        shape = None if slot in alike else slots.shape(slot, parameter.shape)
        dtype = None if slot in OF_VALUES else wanted
        made = small_moment(parameter, slot, dtype, slots)
        if made is None:
            made = moment(parameter, dtype, name, shape, is_square=slots.is_precise(slot))
        added[slot] = made
    for slot in slots.scalars:
        number = scalar(entry.get(slot, start(slot, group)), slot, name)
        if number is not entry.get(slot):
            added[slot] = number
    return added


def step_dtype(group: dict[str, Any]) -> torch.dtype:
    """The type of a new step count: torch's own choice."""
    return torch.float64 if torch.get_default_dtype() == torch.float64 and not group.get("fused") else torch.float32


def shown_step(value: Any, dtype: torch.dtype, name: str) -> tuple[Tensor, int | None]:
    """A step count, given as a number or a tensor, as a tensor in which the library can show it: the one given where it
    can be that, else one of dtype, and then the exact count where a whole number was given."""
    if _is_number_tensor(value):
        check_memory(value, f"the step of {name}")
        check_mode(value, f"the step of {name}")
        return value, None
    try:
        number = value.item() if isinstance(value, Tensor) else value
        if isinstance(number, int | float | np.integer | np.floating) and -1 < number < 2**63:
            exact = int(number)
            return number_tensor(number, dtype), exact if exact == number else None
    except (RuntimeError, TypeError):
        pass  # a tensor of several elements, or without memory
    raise FormatError(f"the step of {name} is {value!r}; wanted the number of steps taken, 0 or more")


def start(slot: str, group: dict[str, Any]) -> Any:
    """What a new scalar holds; at 0 it starts as martlet.h says. The rate that a scheduler starts from stands in its
    group."""
    return group.get("initial_lr", 0.0) if slot == "base_lr" else 0.0


def scalar(value: Any, slot: str, name: str) -> Tensor:
    """A single number of a state as a tensor that the library can write: the one given where it can be that, else one
    of float64, since steps form these numbers in it."""
    if _is_number_tensor(value) and value.dtype == torch.float64:
        check_memory(value, f"{slot} of {name}")
        check_mode(value, f"{slot} of {name}")
        return value
    try:
        return number_tensor(float(value), torch.float64)
    except (OverflowError, RuntimeError, TypeError, ValueError):
        raise FormatError(f"{slot} of {name} is {value!r}; wanted a number") from None


def _is_number_tensor(value: Any) -> TypeGuard[Tensor]:
    return (
        type(value) is Tensor
        and value.dtype in SHOWN
        and value.numel() == 1
        and value.is_cpu
        and value.layout == torch.strided
        and not value.is_neg()
    )


def number_tensor(value: Any, dtype: torch.dtype) -> Tensor:
    """A 0-d tensor on the CPU, whatever torch's default device is."""
    return torch.tensor(value, dtype=dtype, device="cpu")


def entry_of(state: dict[Any, Any], parameter: Tensor, name: str) -> dict[str, Any]:
    """A parameter's state; empty where it has none."""
    entry = state.get(parameter, {})
    if not isinstance(entry, dict):
        raise FormatError(f"the state of {name} is a {type(entry).__name__}; wanted a dict")
    return entry


def check_complete(entry: dict[str, Any], parameter: Tensor, group: dict[str, Any], name: str, kind: Kind) -> None:
    """Refuses a state that has some of what a step needs, as other optimizers leave it."""
    steps = ("step",) if kind.shows_step else ()
    if not any(key in entry for key in (*steps, *kind.slots.names)):
        return
    least = (*steps, *kind.slots_of(group, least=True).of(parameter.shape).names)
    if not all(key in entry for key in least):
        raise MissingError(
            f"the state of {name} has {sorted(map(str, entry))}; wanted {', '.join(least)}: it is another optimizer's"
        )


def check_slots(entry: dict[str, Any], slots: Slots, parameter: Tensor, name: str) -> None:
    """Refuses moments that cannot be those of a parameter. slots: those that it has."""
    alike = slots.alike(parameter.shape)
    for slot in slots.arrays:
        tensor, called, shape = entry[slot], f"{slot} of {name}", slots.shape(slot, parameter.shape)
        if isinstance(tensor, Tensor) and tensor.dtype == torch.uint8:
            check_small(tensor, slot, slots, parameter, called, _OTHER_STATE)
            continue
        check_written(tensor, called)
        if slot in alike:
            check_shape(tensor, called, parameter, _OTHER_STATE)
            continue
        check_shape(tensor, called, parameter, _OTHER_STATE, shape)
        if not tensor.is_contiguous():
            raise UnsupportedError(f"{called} is not contiguous; give tensor.contiguous()")


def check_spread(entry: dict[str, Any], slots: Slots, parameter: Tensor, name: str) -> None:
    """Refuses moments that do not lie beside a DTensor: as it does, or in parts of their rows. Few bits are of a
    part."""
    alike = slots.alike(parameter.shape)
    for slot in slots.arrays:
        tensor, called = entry[slot], f"{slot} of {name}"
        if slot in alike and getattr(tensor, "dtype", None) != torch.uint8:
            shards.check_alike(tensor, called, parameter)
        elif slot not in alike and shards.is_spread(parameter) and not shards.lies_in_rows_of(tensor, parameter):
            raise FormatError(f"{called} is no DTensor in parts of its rows, on its parameter's mesh: {_OTHER_STATE}")


def checked_whole(entry: dict[str, Any], slots: Slots, parameter: Tensor, name: str) -> dict[str, Tensor]:
    """The moments of a parameter of which processes have parts and which one steps as a whole."""
    check_spread(entry, slots, parameter, name)
    for slot in slots.arrays:
        called = f"{slot} of {name}"
        check_shape(entry[slot], called, parameter, _OTHER_STATE, slots.shape(slot, parameter.shape))
        check_written(shards.part_of(entry[slot]), called)
    return {slot: entry[slot] for slot in slots.arrays}


def take_over(state: dict[Any, Any], groups: Iterable[dict[str, Any]], kind: Kind) -> Counts:
    """Turns loaded or unpickled states into what a step works on, in place. Checks all of them first.

    Returns the counters of the steps that were given exactly.
    """
    ready = []
    counts: Counts = {}
    for index, group in enumerate(groups):
        for parameter, name in named(group, index).items():
            entry = state.get(parameter)
            if entry:
                ready.append((parameter, _taken_over(entry, parameter, group, name, counts, kind.of(group))))
    for parameter, entry in ready:
        state[parameter] = entry
    return counts


def check_moment(value: Any, slot: str, name: str) -> None:
    """Refuses what is given as a moment and can be none."""
    if not isinstance(value, Tensor):
        raise FormatError(f"{name}: {slot} is a {type(value).__name__}; wanted a tensor")
    if value.layout != torch.strided or value.is_meta:
        kind = "on the meta device" if value.is_meta else f"of layout {value.layout}"
        raise FormatError(f"{name}: {slot} is {kind}; wanted a dense tensor that has memory")


def _taken_over(
    entry: Any, parameter: Tensor, group: dict[str, Any], name: str, counts: Counts, kind: Kind
) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise FormatError(f"the state of {name} is a {type(entry).__name__}; wanted a dict")
    # torch keeps None where it has no moment yet.
    made = {key: value for key, value in entry.items() if value is not None or key not in kind.slots.names}
    check_complete(made, parameter, group, name, kind)
    for slot in kind.slots.scalars:
        if slot in made:
            made[slot] = scalar(made[slot], slot, name)
    if kind.shows_step and "step" in made:
        made["step"], exact = shown_step(made["step"], step_dtype(group), name)
        taken = made["step"].item()
        if not -1 < taken <= 2**63:
            raise FormatError(f"the step of {name} is {taken}; wanted the number of steps taken, 0 or more")
        if exact is not None:
            counts[parameter] = counter(exact)
    slots = kind.slots_of(group).of(parameter.shape)
    for slot in slots.arrays:
        if slot not in made:
            continue
        value, shape = made[slot], slots.shape(slot, parameter.shape)
        check_moment(value, slot, name)
        if value.dtype == torch.uint8:
            check_small(value, slot, slots, shards.part_of(parameter), f"{name}: {slot}", _OTHER_STATE)
            continue
        if value.shape != shape:
            wanted = "" if shape == parameter.shape else f", which wants {shape}"
            raise ShapeError(
                f"{name}: {slot} has shape {tuple(value.shape)}, and the parameter has {tuple(parameter.shape)}"
                f"{wanted}; load a state of this model"
            )
    return made
