"""What a layer, or a model, would give: tried on a native model that is thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from martlet import _ffi_models
from martlet._model import Model
from martlet.nn import _open
from martlet.nn._laying import Place
from martlet.nn._open import Sizes
from martlet.nn.node import Node


class Given(NamedTuple):
    """The sizes of what an entry gives, and which mask goes with it: that of a node, or one of its own; None: none."""

    sizes: Sizes
    mask: object | None


def given(entry: Any, name: str, nodes: Sequence[Node], before: Sequence[Sizes] = ()) -> Given:
    """What an entry gives for nodes. before: the sizes of those that it was called with first, whose weights it has.
    Raises what a model would."""
    masks = [one.mask for one in nodes]
    found = _open.tried(
        [*before, *(one.sizes for one in nodes)], lambda sizes: _tried(entry, name, sizes, len(before), masks)
    )
    return Given(_open.merged([sizes for sizes, _ in found]), found[0][1])


def _tried(
    entry: Any, name: str, sizes: Sequence[tuple[int, ...]], before: int, masks: Sequence[object | None]
) -> tuple[tuple[int, ...], object | None]:
    from martlet.nn._built import Built

    first, *others = sizes
    built = Built(Model(first, 0), settles=False)
    built.graph.batch = 1
    places = [Place(), *(built.graph.input(f"read by {name[:150]}, {k}", one) for k, one in enumerate(others))]
    if before:
        built.add(entry, name, places[:before])
    makers: dict[object, int] = {}
    for place, mask in enumerate(masks, before):
        if mask is not None:
            places[place] = _masked(built.model, sizes[place], mask, makers)
    built.add(entry, name, places[before:])
    maker = built.model.node(built.graph.place.node).mask
    known = {node: mask for mask, node in makers.items()}
    return built.graph.shape, known.get(maker, object()) if maker >= 0 else None


def _masked(model: Model, sizes: tuple[int, ...], mask: object, makers: dict[object, int]) -> Place:
    """A node like one that has a mask. makers: the nodes that make those that there are."""
    steps, features = sizes
    if mask not in makers:
        read = model.add(_ffi_models.LAYER_INPUT, f"hidden {len(makers)}", {"rank": 2, "sizes": (steps, 1)})
        makers[mask] = model.add(_ffi_models.LAYER_MASKING, f"hides {len(makers)}", {}, [read])
    # What hands the mask of any sequence on, with as many features.
    name = f"masked {model.node_count()}"
    return Place(model.add(_ffi_models.LAYER_DENSE, name, {"units": features}, [makers[mask]]))
