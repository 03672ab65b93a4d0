"""What a layer, or a model, would give: tried on a native model that is thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from martlet._model import Model
from martlet.nn import _open
from martlet.nn._laying import Place
from martlet.nn._open import Sizes


def shape_of(entry: Any, name: str, shapes: Sequence[Sizes], before: Sequence[Sizes] = ()) -> Sizes:
    """The sizes of what an entry gives for nodes of these; before: those that it was called with first, whose weights
    it has. Raises what a model would."""
    count = len(before)
    return _open.merged(_open.tried([*before, *shapes], lambda sizes: _tried(entry, name, sizes, count)))


def _tried(entry: Any, name: str, sizes: Sequence[tuple[int, ...]], before: int) -> tuple[int, ...]:
    from martlet.nn._built import Built

    first, *others = sizes
    built = Built(Model(first, 0), settles=False)
    built.graph.batch = 1
    places = [Place(), *(built.graph.input(f"read by {name[:150]}, {k}", one) for k, one in enumerate(others))]
    if before:
        built.add(entry, name, places[:before])
    built.add(entry, name, places[before:])
    return built.graph.shape
