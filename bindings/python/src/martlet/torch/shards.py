"""Parameters of which each process has a part: torch's DTensor, as FSDP2 and tensor parallelism make them.

A step is of the parts, which are plain memory; its state is of DTensors that lie as their parameter, or in parts of
their first dimension where they have another shape. Which processes have what is placed.py's business, what they say to
one another company.py's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from martlet import _algorithms, _ffi_optimizers
from martlet._config import Hyperparameters
from martlet._errors import FormatError
from martlet.torch import placed
from martlet.torch.tensors import NoMemoryError, has_memory

_part_of = attrgetter("_local_tensor")
_placements_of = attrgetter("_spec.placements")
# Flags under which a step looks at sums over a parameter, and over all of them.
_SUMMING_EACH = _ffi_optimizers.CAUTIOUS_UPDATE | _ffi_optimizers.HYPERBALL
_SUMMING_ALL = _ffi_optimizers.SKIP_NONFINITE | _ffi_optimizers.MEASURE | _ffi_optimizers.MEASURE_UPDATE


def is_spread(tensor: Any) -> bool:
    """Whether it is a DTensor; where nobody has imported the class there is none."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def part_of(tensor: Any) -> Any:
    """This process's part of a DTensor, in plain memory; what is none, as it is."""
    if not is_spread(tensor):
        return tensor
    part = tensor._local_tensor
    return part.wait() if type(part).__name__ == "AsyncCollectiveTensor" else part


def checked_part(parameter: Tensor, name: str) -> Tensor:
    """This process's part of a parameter that a native call can step by parts."""
    part: Tensor = part_of(parameter)
    if part is parameter:
        return part
    placements = parameter.placements  # type: ignore[attr-defined]
    if any(placement.is_partial() for placement in placements):
        raise NoMemoryError(f"{name} is a DTensor whose parts are to be added up", "redistribute it")
    return part


def check_alike(tensor: Any, name: str, parameter: Tensor) -> None:
    """Raises where a gradient, a moment or a copy of a DTensor does not lie as the parameter does."""
    if is_spread(parameter) is not is_spread(tensor):
        raise NoMemoryError(
            f"{name} is {'no' if is_spread(parameter) else 'a'} DTensor, other than its parameter",
            "give one that lies as the parameter",
        )
    if is_spread(tensor) and _differ(tensor, parameter):
        raise NoMemoryError(
            f"{name} is a DTensor {_place_of(tensor)}, and its parameter is {_place_of(parameter)}",
            "give one that lies as the parameter",
        )


def _differ(one: Any, other: Any) -> bool:
    """Whether two DTensors lie in different ways."""
    return bool(one.device_mesh != other.device_mesh or tuple(one.placements) != tuple(other.placements))


def _place_of(tensor: Any) -> str:
    """Where a DTensor lies, in words."""
    mesh = tensor.device_mesh
    first = int(mesh.mesh.flatten()[0])
    return f"placed {tuple(tensor.placements)} on a mesh of {' x '.join(map(str, mesh.shape))} from rank {first}"


def have_memory(parameter: Tensor, gradient: Tensor | None) -> bool:
    """Whether native calls can use a parameter, or this process's part of it, with its gradient."""
    try:
        checked_part(parameter, "")
        if gradient is not None:
            check_alike(gradient, "", parameter)
    except NoMemoryError:
        return False
    return has_memory(part_of(parameter), part_of(gradient))


def is_cut(tensor: Any) -> bool:
    """Whether it is a DTensor of which several processes have parts, here in the CPU's memory."""
    return is_spread(tensor) and placed.is_cut(tensor) and part_of(tensor).is_cpu


def sums_each(row: Hyperparameters) -> bool:
    """Whether a step looks at sums over each parameter."""
    kind = _algorithms.of(row.algorithm)
    return kind.is_whole or bool(row.flags & _SUMMING_EACH) or bool(row.clip_norm != kind.defaults["clip_norm"])


def sums_all(row: Hyperparameters) -> bool:
    """Whether a step looks at sums over all gradients."""
    return bool(row.flags & _SUMMING_ALL) or bool(row.max_norm != _algorithms.of(row.algorithm).defaults["max_norm"])


def is_drawn(flags: int, value: torch.dtype, moments: Iterable[torch.dtype]) -> bool:
    """Whether something of a parameter is rounded at random, by an element's place."""
    if flags & _ffi_optimizers.STOCHASTIC_ROUNDING and value in (torch.bfloat16, torch.float16):
        return True
    is_chosen = value in (torch.float32, torch.float16) or bool(flags & (_ffi_optimizers.KAHAN | _ffi_optimizers.SPLIT))
    return is_chosen and torch.bfloat16 in moments


def lies_in_rows(parameter: Any) -> bool:
    """Whether each process's part of a DTensor is of the elements between two places, as parts of the first dimension
    are."""
    return all(placement.is_replicate() or getattr(placement, "dim", 0) == 0 for placement in parameter.placements)


def first_element(parameter: Any, name: str) -> int:
    """The place of the first element of a part in rows among all of the parameter's."""
    if not is_cut(parameter) or not parameter.shape:
        return 0
    first: int = placed.own_part(parameter, name).slices[0].start * (parameter.numel() // max(parameter.shape[0], 1))
    return first


def zeros_beside(parameter: Any, shape: tuple[int, ...], dtype: torch.dtype) -> Any:
    """Zeros of another shape than a parameter's: beside a DTensor one in parts of its rows."""
    if not is_spread(parameter) or not shape:
        return torch.zeros(shape, dtype=dtype, device=parameter.device)
    from torch.distributed.tensor import zeros

    return zeros(shape, dtype=dtype, device_mesh=parameter.device_mesh, placements=_in_rows(parameter))


def lies_in_rows_of(tensor: Any, parameter: Any) -> bool:
    """Whether a tensor lies as zeros_beside() makes it."""
    return (
        is_spread(tensor)
        and tensor.device_mesh == parameter.device_mesh
        and list(tensor.placements) == _in_rows(parameter)
    )


def _in_rows(parameter: Any) -> list[Any]:
    from torch.distributed.tensor import Replicate, Shard

    return [Replicate() if placement.is_replicate() else Shard(0) for placement in parameter.placements]


def placed_beside(value: Any, parameter: Any, name: str, *, is_alike: bool) -> Any:
    """A loaded moment of a DTensor: placed as that where it is alike, or in parts of its rows. What is whole in each
    process becomes so without a word to the others. Raises a FormatError for a DTensor that is placed otherwise."""
    if not is_spread(value):
        return _spread_as(value, parameter, name, list(parameter.placements) if is_alike else _in_rows(parameter))
    if not _differ(value, parameter) if is_alike else lies_in_rows_of(value, parameter):
        return value
    raise FormatError(
        f"{name} is a DTensor {_place_of(value)}, and its parameter is {_place_of(parameter)}: load the state through "
        "torch.distributed.checkpoint"
    )


def _spread_as(whole: Tensor, parameter: Any, name: str, placements: list[Any]) -> Any:
    from torch.distributed.tensor import DTensor

    mesh = parameter.device_mesh
    slices = placed.part_at(tuple(whole.shape), mesh, placements, name).slices
    part = whole[slices].clone(memory_format=torch.contiguous_format)
    return DTensor.from_local(part, mesh, placements, run_check=False, shape=whole.shape, stride=whole.stride())


def parts(tensors: Iterable[Any]) -> list[Any]:
    return list(map(part_of, tensors))


def own_parts(tensors: Iterable[Any]) -> list[Any]:
    """The same of DTensors alone, in less time. Raises AttributeError for what is none."""
    return list(map(_part_of, tensors))


def placements(tensors: Iterable[Any]) -> list[Any]:
    """How each lies; None for what is no DTensor."""
    return [_placements_of(tensor) if is_spread(tensor) else None for tensor in tensors]


def lie_as(tensors: Iterable[Any], known: list[Any]) -> bool:
    """Whether DTensors lie as known, in the time that it takes to look. Raises AttributeError for what is none."""
    return list(map(_placements_of, tensors)) == known
