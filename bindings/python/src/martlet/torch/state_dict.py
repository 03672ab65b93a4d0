"""state_dicts of the torch optimizers: what goes out is a copy, and what comes in is checked and copied.

The shape is torch's. torch hands out the tensors that training goes on writing, and keeps those that it is given, so
that a state_dict changes as its optimizer steps, and two optimizers can write one moment. Here a state_dict is a
picture of one instant, whoever loads it. Nothing here changes an optimizer.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from martlet import _small
from martlet._algorithms import OF_VALUES
from martlet._errors import FormatError, MissingError
from martlet._small import Small
from martlet._state_dict import exact_step
from martlet.torch import coded_parts, shards
from martlet.torch import state as states
from martlet.torch.options import Group, Kind


def snapshot(value: Any) -> Any:
    """A copy of a tensor, or of dicts, lists and tuples with all tensors in them; other values are themselves."""
    return _rebuilt(value, _copied)


def _copied(tensor: Tensor, key: Any = None) -> Tensor:
    return tensor.detach().clone()


def _rebuilt(value: Any, change: Callable[[Tensor, Any], Tensor], key: Any = None) -> Any:
    """A value with all tensors in its dicts, lists and tuples changed; change is also told the key of one."""
    if isinstance(value, Tensor):
        return change(value, key)
    if isinstance(value, dict):
        return {name: _rebuilt(item, change, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_rebuilt(item, change) for item in value]
        if isinstance(value, list):
            return items
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value


def handed_out(entry: Any, counter: array[int] | None, parameter: Any, kind: Kind) -> Any:
    """One parameter's state, with the exact count of its steps where the one shown is rounded. What is kept in few bits
    leaves as numbers where there are processes: blocks are of parts, and another number of them has others."""
    packed = snapshot(entry)
    is_among_others = torch.distributed.is_available() and torch.distributed.is_initialized()
    if is_among_others and isinstance(parameter, Tensor) and isinstance(packed, dict):
        packed |= coded_parts.in_numbers(packed, parameter, kind.slots)
    exact = exact_count(entry, counter)
    if exact is not None:
        packed["step_exact"] = states.number_tensor(exact, torch.int64)
    return packed


def exact_count(entry: Any, counter: array[int] | None) -> int | None:
    """The steps of a state whose "step" can only show them rounded; None where it says all there is to say."""
    step = entry.get("step") if isinstance(entry, dict) else None
    if counter is None or not isinstance(step, Tensor) or step.dtype not in states.SHOWN or step.numel() != 1:
        return None
    count = counter[0]
    is_shown = count > states.SHOWN[step.dtype] and states.number_tensor(count, step.dtype).item() == step.item()
    return count if is_shown else None


def check_packed(packed: Any, groups: Sequence[Group], kind: Kind) -> None:
    """Refuses what is no state_dict, or has other groups than the optimizer, or another optimizer's options."""
    if not isinstance(packed, dict):
        raise FormatError(f"the state_dict is a {type(packed).__name__}; wanted what state_dict() gave")
    for key in ("state", "param_groups"):
        if key not in packed:
            raise MissingError(f"the state_dict has {sorted(map(str, packed))}; wanted state and param_groups")
    loaded, state = packed.get("param_groups"), packed.get("state")
    if not isinstance(loaded, list | tuple) or not isinstance(state, Mapping):
        raise FormatError(
            f"the state_dict has {sorted(map(str, packed))}; wanted a dict as state and a list as param_groups"
        )
    if len(loaded) != len(groups):
        raise FormatError(
            f"loaded state dict has a different number of parameter groups: {len(loaded)}, and the optimizer has "
            f"{len(groups)}; make the optimizer with the groups that were saved"
        )
    for index, (given, own) in enumerate(zip(loaded, groups, strict=True)):
        if not isinstance(given, Mapping):
            raise FormatError(f"the loaded param_groups[{index}] is a {type(given).__name__}; wanted a dict")
        here = kind.of(own)
        if given.get("algorithm", here.name) != here.name:
            raise FormatError(
                f"the loaded param_groups[{index}] is of {given['algorithm']}, and the optimizer's of {here.name}; "
                "make the optimizer with the groups that were saved"
            )
        for option in ("params", *(key for key in here.number_keys if key != "weight_decay")):
            if option not in given:
                raise MissingError(
                    f"the loaded param_groups[{index}] has no {option!r}: it is another optimizer's; load a state_dict "
                    f"of {here.title}"
                )
        params = given["params"]
        if not isinstance(params, list | tuple) or not all(isinstance(key, Hashable) for key in params):
            raise FormatError(
                f"the loaded param_groups[{index}]['params'] is {params!r}; wanted a list of keys of state"
            )
        if len(params) != len(own["params"]):
            raise FormatError(
                f"loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                f"param_groups[{index}] has {len(params)} parameters, and the optimizer's has "
                f"{len(own['params'])}; make the optimizer with the parameters that were saved"
            )


def loaded_groups(given: Sequence[Group], own: Sequence[Group], kind: Kind) -> list[Group]:
    """The groups that an optimizer has after loading: what was given, over its own parameters."""
    groups = []
    for loaded, group in zip(given, own, strict=True):
        made = deepcopy(loaded)
        for option in (*kind.of(group).own, "param_names", "algorithm"):
            if option in group and option not in made:
                made[option] = group[option]
        made["params"] = group["params"]
        groups.append(made)
    return groups


def loaded_state(packed: dict[str, Any], groups: Sequence[Group], kind: Kind) -> defaultdict[Any, Any]:
    """Copies of the loaded states under their parameters; what is under no parameter's key is carried along as it is.

    groups: those that loaded_groups gave.
    """
    owners = {}
    for index, (given, group) in enumerate(zip(packed["param_groups"], groups, strict=True)):
        for place, (key, parameter) in enumerate(zip(given["params"], group["params"], strict=True)):
            owners[key] = parameter, group, states.name_of(group, index, place)
    state: defaultdict[Any, Any] = defaultdict(dict)
    for key, entry in packed["state"].items():
        if key not in owners:
            state[key] = snapshot(entry)
        elif entry is not None:
            parameter, group, name = owners[key]
            state[parameter] = _loaded_entry(entry, parameter, group, name, kind.of(group))
    return state


def _small_type(parameter: Tensor, slot: str, group: Group, kind: Kind) -> Small | None:
    """What a loaded moment is to be kept in, where a group asks for few bits."""
    asked = kind.state_dtype(group)
    if asked not in _small.BITS:
        return None
    # Groups of older state_dicts have not all options.
    return states.small_type(parameter, slot, asked, kind.row({**kind.defaults({}), **group}).slots)


def _loaded_entry(entry: Any, parameter: Tensor, group: Group, name: str, kind: Kind) -> Any:
    if not isinstance(entry, Mapping):
        raise FormatError(f"the state of {name} is a {type(entry).__name__}; wanted a dict")

    def moved(tensor: Tensor, dtype: torch.dtype) -> Tensor:
        return tensor.detach().to(dtype=dtype, device=parameter.device, copy=True)

    def cast(tensor: Tensor, key: Any) -> Tensor:
        """As torch treats what it does not know."""
        if key == "step":
            return _copied(tensor)
        return moved(tensor, parameter.dtype if parameter.is_floating_point() else tensor.dtype)

    made = {}
    alike = kind.slots.alike(parameter.shape)
    for key, value in entry.items():
        if key in kind.slots.scalars:
            made[key] = states.scalar(snapshot(value), key, name)
        elif key in kind.slots.arrays and value is not None:
            states.check_moment(value, key, name)
            if value.dtype == torch.uint8:  # of few bits, which stay as they are, but those of a whole beside a part
                whole = coded_parts.of_whole(value, key, parameter, kind.slots) if shards.is_cut(parameter) else None
                if whole is None:
                    made[key] = _copied(value)
                    continue
                value = whole
            if shards.is_spread(parameter):
                value = shards.placed_beside(value, parameter, f"{name}: {key}", is_alike=key in alike)
            small = (
                _small_type(parameter, key, group, kind) if value.is_cpu and value.shape == parameter.shape else None
            )
            if small is not None:
                made[key] = coded_parts.in_codes(value, small)
                continue
            dtype_of = states.squares_dtype if kind.slots.is_precise(key) else states.moment_dtype
            wanted = None if key in OF_VALUES else kind.state_dtype(group)
            found = moved(value, dtype_of(parameter, wanted, name))
            made[key] = found if key in alike else found.contiguous()
        elif key == "step" and kind.shows_step:
            made[key] = snapshot(exact_step(value, entry.get("step_exact")))
        elif key != "step_exact":
            made[key] = _rebuilt(value, cast, key)
    return made
