"""Sizes that are open: None in the shape of a model's input, such as that of sequences of any length.

The library's model has one length at a time, and takes that of what comes. What is open of what layers give is found by
trying two lengths: sizes that differ are open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from martlet import _ffi_models
from martlet._errors import ShapeError, UnsupportedError
from martlet._model import Model

Sizes = tuple[int | None, ...]
Found = TypeVar("Found")

# Pairs that are tried, the longest that all layers take; nothing is computed at these.
LENGTHS = ((2048, 1024), (256, 128), (32, 16), (4, 2))
# What a model has before samples come: the shortest that all layers take.
SHORT = (8, 64)


def is_open(shapes: Iterable[Sizes]) -> bool:
    """Whether any size is None."""
    return any(None in sizes for sizes in shapes)


def at(sizes: Sizes, length: int = 1) -> tuple[int, ...]:
    """The sizes with a number where they are open."""
    return tuple(length if size is None else size for size in sizes)


def tried(shapes: Sequence[Sizes], attempt: Callable[[list[tuple[int, ...]]], Found]) -> list[Found]:
    """What an attempt gives with the shapes at two lengths, the longer one first; once where nothing is open. Raises
    what it does with the longest that are tried."""
    if not is_open(shapes):
        return [attempt([at(sizes) for sizes in shapes])]
    refused: ShapeError | None = None
    for lengths in LENGTHS:
        try:
            return [attempt([at(sizes, length) for sizes in shapes]) for length in lengths]
        except ShapeError as error:
            refused = refused or error
    assert refused is not None
    raise refused


def merged(found: Sequence[tuple[int, ...]]) -> Sizes:
    """Of what was found at each length: None where it differs."""
    return tuple(sizes[0] if len({*sizes}) == 1 else None for sizes in zip(*found, strict=True))


def fits(wanted: Sizes, found: Sequence[int | None]) -> bool:
    """Whether sizes are those that are wanted, where these say any."""
    return len(wanted) == len(found) and all(
        want is None or want == size for want, size in zip(wanted, found, strict=True)
    )


def check_alike(model: Model, other: Model) -> None:
    """Raises UnsupportedError where a layer of two models, of the same nodes at two lengths, has other numbers."""
    for index in range(1, model.node_count()):
        line = model.layer(index)
        if line["kind"] != _ffi_models.LAYER_INPUT and line != other.layer(index):
            name = model.node(index).name
            raise UnsupportedError(
                f"a size of the input is None, and layer {name!r} has numbers that depend on it; wanted a number"
            )
