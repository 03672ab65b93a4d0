"""Where the parts of a DTensor lie in the whole, and which processes have them.

A placement says how a dimension of a mesh cuts a tensor; the first dimension cuts first. Nothing here talks to another
process.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor

from martlet.torch.tensors import NoMemoryError

Shape = tuple[int, ...]


class Part(NamedTuple):
    """A process, by its rank among all, and what it has of each dimension."""

    rank: int
    slices: tuple[slice, ...]

    @property
    def shape(self) -> Shape:
        return tuple(each.stop - each.start for each in self.slices)


def is_cut(tensor: Any) -> bool:
    """Whether processes have parts of a DTensor, of which they have one each."""
    return any(_cuts(tensor.device_mesh, tensor.placements))


def parts_of(tensor: Any, name: str) -> list[Part]:
    """The parts that make up a DTensor, this process's among them, in the order of the mesh: of what several have a
    copy of, those of the copy that this process has a part of."""
    return _checked_parts(tuple(tensor.shape), tensor.device_mesh, tuple(tensor.placements), name)


def sharers(tensor: Any) -> Shape:
    """The ranks of the processes that have the parts of one copy, in ascending order."""
    return _sharers(tensor.device_mesh, tuple(tensor.placements))


def own_part(tensor: Any, name: str) -> Part:
    """This process's."""
    return part_at(tuple(tensor.shape), tensor.device_mesh, tensor.placements, name)


def part_at(shape: Shape, mesh: Any, placements: Sequence[Any], name: str) -> Part:
    """This process's of what has such a shape and placements."""
    rank = mesh.get_rank()
    return next(part for part in _checked_parts(shape, mesh, tuple(placements), name) if part.rank == rank)


def _checked_parts(shape: Shape, mesh: Any, placements: tuple[Any, ...], name: str) -> list[Part]:
    found = _parts(shape, mesh, placements)
    if found is None:
        raise NoMemoryError(f"{name} is placed {placements}, in parts that have gaps", "redistribute it")
    return found


@lru_cache
def _sharers(mesh: Any, placements: Sequence[Any]) -> Shape:
    return tuple(sorted(rank for rank, _ in _coordinates(mesh, placements)))


@lru_cache(maxsize=4096)
def _parts(shape: Shape, mesh: Any, placements: Sequence[Any]) -> list[Part] | None:
    found = []
    for rank, coordinate in _coordinates(mesh, placements):
        places = [torch.arange(size) for size in shape]
        for dimension, (placement, place) in enumerate(zip(placements, coordinate, strict=True)):
            if hasattr(placement, "dim") and not placement.is_partial():
                axis = placement.dim % max(len(shape), 1)
                places[axis] = _cut(places[axis], placement, mesh.size(dimension), place)
        slices = [one for one in map(_slice, places) if one is not None]
        if len(slices) < len(places):
            return None
        found.append(Part(rank, tuple(slices)))
    return found


def _coordinates(mesh: Any, placements: Sequence[Any]) -> list[tuple[int, tuple[int, ...]]]:
    """The ranks that have the parts of this process's copy, and where they stand in the mesh."""
    own = mesh.get_coordinate()
    cuts = _cuts(mesh, placements)
    ways = [range(mesh.size(index)) if is_cut else (own[index],) for index, is_cut in enumerate(cuts)]
    return [(int(mesh.mesh[coordinate]), coordinate) for coordinate in product(*ways)]


def _cuts(mesh: Any, placements: Sequence[Any]) -> list[bool]:
    """For each dimension of a mesh, whether several processes along it have parts."""
    return [
        not placement.is_replicate() and not placement.is_partial() and mesh.size(dimension) > 1
        for dimension, placement in enumerate(placements)
    ]


def _cut(places: Tensor, placement: Any, count: int, place: int) -> Tensor:
    """Of the places that are left of a dimension, those that one of so many processes has."""
    runs = _chunks(places, getattr(placement, "split_factor", 1))
    return torch.cat([_chunks(run, count)[place] for run in runs])


def _chunks(places: Tensor, count: int) -> list[Tensor]:
    """As torch.chunk cuts, with nothing for those that get none."""
    found = list(places.chunk(count))
    return found + [places[:0]] * (count - len(found))


def _slice(places: Tensor) -> slice | None:
    """Places in a row; None: they are not."""
    count = places.numel()
    if not count:
        return slice(0, 0)
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first == count - 1 else None
