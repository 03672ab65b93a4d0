"""A model's nodes as who writes it in other words reads them: what was said of each, and its arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from martlet._model import Line
from martlet.nn._built import Built
from martlet.nn._matching import NDArray


class Laid(NamedTuple):
    """A node: the layer's name and kind, what was said of it, the sizes of a sample that it gives, the nodes that it
    reads, whose arrays it has, and these, by their own names."""

    name: str
    kind: int
    said: Line
    sizes: tuple[int, ...]
    reads: tuple[int, ...]
    owner: str
    arrays: dict[str, NDArray]


def nodes(built: Built) -> Iterator[Laid]:
    """All but the first input, in an order in which each comes behind those that it reads. The arrays are where they
    lie."""
    native = built.model
    for index in range(1, native.node_count()):
        node = native.node(index)
        first = index if node.first < 0 else node.first
        arrays = {view.name.rpartition("/")[2]: array for view, array in built.views(first)}
        yield Laid(node.name, node.kind, native.layer(index), node.sizes, node.inputs, native.node(first).name, arrays)
