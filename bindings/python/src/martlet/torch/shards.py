"""Parameters of which each process has a part: torch's DTensor, as FSDP2 and tensor parallelism make them.

A step is of the parts, which are plain memory; its state is of DTensors that lie as their parameter. What it sums over
a parameter, or over all gradients, is added up over the processes that have parts, in float64 and in the order of their
ranks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from martlet import _algorithms, _ffi_optimizers
from martlet._config import Hyperparameters
from martlet._errors import UnsupportedError
from martlet.torch.tensors import NoMemoryError

# Flags under which a step looks at sums.
_SUMMING = (
    _ffi_optimizers.CAUTIOUS_UPDATE
    | _ffi_optimizers.HYPERBALL
    | _ffi_optimizers.SKIP_NONFINITE
    | _ffi_optimizers.MEASURE
    | _ffi_optimizers.MEASURE_UPDATE
)
# Which dimensions of which mesh processes have parts along.
_Spread = tuple[Any, tuple[int, ...]]


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


def checked_part(parameter: Tensor, name: str, *, sees_shape: bool) -> Tensor:
    """This process's part of a parameter that a native call can step by parts; sees_shape: whether its algorithm looks
    at rows and columns."""
    part: Tensor = part_of(parameter)
    if part is parameter:
        return part
    placements = parameter.placements  # type: ignore[attr-defined]
    if any(placement.is_partial() for placement in placements):
        raise NoMemoryError(f"{name} is a DTensor whose parts are to be added up", "redistribute it")
    if sees_shape and part.shape != parameter.shape:
        raise NoMemoryError(
            f"{name} is a DTensor of which this process has a part, and its algorithm sees matrices",
            "give it to an algorithm that steps each element",
        )
    return part


def check_alike(tensor: Any, name: str, parameter: Tensor) -> None:
    """Raises where a gradient, a moment or a copy of a DTensor does not lie as the parameter does."""
    if is_spread(parameter) is not is_spread(tensor):
        raise NoMemoryError(
            f"{name} is {'no' if is_spread(parameter) else 'a'} DTensor, other than its parameter",
            "give one that lies as the parameter",
        )
    if is_spread(tensor):
        both: tuple[Any, Any] = (tensor, parameter)
        here, there = ((one.device_mesh, tuple(one.placements)) for one in both)
        if here != there:
            raise NoMemoryError(
                f"{name} is a DTensor placed {here[1]}, and its parameter {there[1]}",
                "give one that lies as the parameter",
            )


def reduction(parameters: Sequence[tuple[Tensor, str, Hyperparameters]]) -> Callable[[Tensor], None] | None:
    """What adds up a step's sums over processes; None: each parameter is whole here, or none is summed over.

    parameters: with their names and hyperparameters, those without a gradient left out.
    """
    summed = [(name, _spread(parameter)) for parameter, name, row in parameters if _sums(row)]
    if not any(spread for _, spread in summed):
        return None
    first, spread = summed[0]
    for name, other in summed:
        if other != spread:
            raise UnsupportedError(
                f"a step sums over {first} and {name}, of which processes have parts in different ways; give "
                "reduce_sums, or each to an optimizer of its own"
            )
    assert spread is not None
    mesh, dimensions = spread

    def reduce(sums: Tensor) -> None:
        for dimension in dimensions:
            _add_up(sums, mesh.get_group(dimension))

    return reduce


def _add_up(sums: Tensor, group: Any) -> None:
    """Sums over the processes of a group, in their order, and so to the same bits in each."""
    distributed = torch.distributed
    parts = [torch.empty_like(sums) for _ in range(distributed.get_world_size(group))]
    distributed.all_gather(parts, sums, group=group)
    sums.copy_(parts[0])
    for part in parts[1:]:
        sums.add_(part)


def _spread(parameter: Any) -> _Spread | None:
    """Along which dimensions of its mesh processes have parts of a parameter; None: along none."""
    if not is_spread(parameter):
        return None
    dimensions = tuple(index for index, placement in enumerate(parameter.placements) if placement.is_shard())
    return (parameter.device_mesh, dimensions) if dimensions else None


def _sums(row: Hyperparameters) -> bool:
    """Whether a step looks at sums over a parameter, or over all gradients."""
    kind = _algorithms.of(row.algorithm)
    usual = kind.defaults
    norms = any(getattr(row, name) != usual[name] for name in ("max_norm", "clip_norm"))
    return kind.is_whole or bool(row.flags & _SUMMING) or norms


def first_element(parameter: Any, name: str) -> int:
    """The place of a part's first element among all of the parameter's, for what is drawn at random by it."""
    part = part_of(parameter)
    if part is parameter or part.shape == parameter.shape or not part.numel():
        return 0
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    _, offsets = compute_local_shape_and_global_offset(parameter.shape, parameter.device_mesh, parameter.placements)
    if any(offsets[1:]) or part.shape[1:] != parameter.shape[1:]:
        raise UnsupportedError(
            f"{name} is placed {tuple(parameter.placements)}, and is rounded at random by an element's place: wanted "
            "parts along the first dimension"
        )
    rows, size = part.shape[0], part.numel()
    return int(offsets[0]) * (int(size) // int(rows))


def parts(tensors: Iterable[Any]) -> list[Any]:
    return list(map(part_of, tensors))
