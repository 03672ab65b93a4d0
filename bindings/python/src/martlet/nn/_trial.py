"""What a layer, or a model, would give: tried on a native model that is thrown away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from martlet import _ffi_models
from martlet._model import Model
from martlet.nn import _open
from martlet.nn._laying import Place
from martlet.nn._open import Sizes
from martlet.nn.node import Node


class Given(NamedTuple):
    """The sizes of what an entry gives, and which mask goes with it: that of a node, or one that it makes; None: none.
    The same mask made twice is equal to itself."""

    sizes: Sizes
    mask: object | None


def given(entry: Any, name: str, nodes: Sequence[Node], before: Sequence[Sizes] = ()) -> Given:
    """What an entry gives for nodes. before: the sizes of those that it was called with first, whose weights it has.
    Raises what a model would."""
    found = _open.tried(
        [*before, *(one.sizes for one in nodes)], lambda sizes: _tried(entry, name, sizes, len(before), nodes)
    )
    return Given(_open.merged([sizes for sizes, _ in found]), found[0][1])


def _tried(
    entry: Any, name: str, sizes: Sequence[tuple[int, ...]], before: int, nodes: Sequence[Node]
) -> tuple[tuple[int, ...], object | None]:
    from martlet.nn._built import Built

    first, *others = sizes
    built = Built(Model(first, 0), settles=False)
    built.graph.batch = 1
    places = [Place(), *(built.graph.input(f"read by {name[:150]}, {k}", one) for k, one in enumerate(others))]
    if before:
        built.add(entry, name, places[:before])
    makers: dict[object, int] = {}
    for place, node in enumerate(nodes, before):
        if node.mask is not None:
            places[place] = _masked(built.model, sizes[place], node.mask, makers)
    built.add(entry, name, places[before:])
    maker = built.model.node(built.graph.place.node).mask
    mask = next((mask for mask, known in makers.items() if known == maker), None)
    if maker >= 0 and mask is None:
        mask = _made(built.model, maker, {place.node: node for place, node in zip(places[before:], nodes, strict=True)})
    return built.graph.shape, mask


def _made(model: Model, maker: int, read: Mapping[int, Node]) -> object:
    """A mask by what it is made of: the node that says which steps are hidden, of those that were read, and how."""
    made, line = model.node(maker), model.layer(maker)
    said, is_table = read.get(made.inputs[-1]), made.kind == _ffi_models.LAYER_EMBEDDING
    if said is None:
        return object()
    if line["flags"] & _ffi_models.LENGTHS:
        return said, "lengths"
    return said, is_table or len(made.inputs) > 1, 0.0 if is_table else line["offset"]


def _masked(model: Model, sizes: tuple[int, ...], mask: object, makers: dict[object, int]) -> Place:
    """A node like one that has a mask. makers: the nodes that make those that there are."""
    steps, features = sizes
    if mask not in makers:
        read = model.add(_ffi_models.LAYER_INPUT, f"hidden {len(makers)}", {"rank": 2, "sizes": (steps, 1)})
        makers[mask] = model.add(_ffi_models.LAYER_MASKING, f"hides {len(makers)}", {}, [read])
    # What hands the mask of any sequence on, with as many features.
    name = f"masked {model.node_count()}"
    return Place(model.add(_ffi_models.LAYER_DENSE, name, {"units": features}, [makers[mask]]))
