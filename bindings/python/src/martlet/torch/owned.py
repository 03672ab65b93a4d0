"""Which parameters one process steps as a whole, though others have parts of them, and which process that is.

They are those of algorithms that see matrices, and of what is rounded at random by the places of elements, where a part
is not of the elements between two places. Beside such, a step adds up nothing over processes but norms of all
gradients: what sums over each parameter is then stepped as a whole too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

from torch import Tensor

from martlet import _ffi_optimizers
from martlet._config import Hyperparameters
from martlet._errors import UnsupportedError
from martlet.torch import placed, shards
from martlet.torch.options import Group, Kind
from martlet.torch.state import moment_dtype


def owners_of(
    kind: Kind, groups: Sequence[Group], rows: Sequence[Hyperparameters], state: dict[Any, Any]
) -> dict[Tensor, int]:
    """The ranks that step parameters as a whole, by parameter; empty: none is. All processes find the same."""
    cut = [
        (group, row, parameter)
        for group, row in zip(groups, rows, strict=True)
        for parameter in group["params"]
        if shards.is_cut(parameter)
    ]
    whole = [one[2] for one in cut if _sees_whole(kind, *one, state)]
    if not whole:
        return {}
    for group, row, _ in cut:
        _check(kind.of(group), row)
    whole += [parameter for _, row, parameter in cut if shards.sums_each(row)]
    return _owners(dict.fromkeys(whole))


def _sees_whole(kind: Kind, group: Group, row: Hyperparameters, parameter: Any, state: dict[Any, Any]) -> bool:
    """Whether a step needs all of a parameter in one place."""
    own = kind.of(group)
    if row.slots.are_shaped or not own.reader.kind.takes_vectors or row.flags & _ffi_optimizers.HYPERBALL:
        return True
    if shards.lies_in_rows(parameter):
        return False
    moments = {one.dtype for one in state.get(parameter, {}).values() if isinstance(one, Tensor) and one.dim()}
    asked = own.state_dtype(group)
    return shards.is_drawn(row.flags, parameter.dtype, moments or {moment_dtype(parameter, asked, "a parameter")})


def _check(own: Kind, row: Hyperparameters) -> None:
    """Refuses what cannot be had beside parameters that one process steps as a whole."""
    if row.algorithm == _ffi_optimizers.PRODIGY:
        raise UnsupportedError(
            f"{own.title} sums over all parameters, of which processes have parts, beside an algorithm that sees "
            "matrices; wanted an optimizer for each"
        )
    if row.flags & _ffi_optimizers.MEASURE_UPDATE:
        raise UnsupportedError(
            "measure_update is of all parameters, of which processes have parts, beside an algorithm that sees "
            "matrices; wanted an optimizer for each, or measure_update=False"
        )
    if row.accumulate > 1 and shards.sums_all(row):
        raise UnsupportedError(
            "accumulate beside max_norm, skip_nonfinite and measure is not supported for parameters of which processes "
            "have parts, where an algorithm sees matrices; accumulate in .grad"
        )


def _owners(parameters: Iterable[Any]) -> dict[Tensor, int]:
    """The largest first, each to the process that has least to do."""
    found: dict[Tensor, int] = {}
    busy: dict[int, int] = {}
    for parameter in sorted(parameters, key=_work, reverse=True):
        owner = min(placed.sharers(parameter), key=lambda rank: (busy.get(rank, 0), rank))
        busy[owner] = busy.get(owner, 0) + _work(parameter)
        found[parameter] = owner
    return found


def _work(parameter: Tensor) -> int:
    """About what a step of a matrix costs: products with its smaller side."""
    shape = tuple(parameter.shape)
    return prod(shape) * min(shape[0], prod(shape[1:])) if len(shape) > 1 else prod(shape)
