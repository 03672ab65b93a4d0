"""A model's nodes as who writes it in other words reads them: what was said of each, and its arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from martlet import _ffi_models
from martlet._records import Line
from martlet.nn._built import Built
from martlet.nn._matching import NDArray


class Laid(NamedTuple):
    """A node: the layer's name and kind, what was said of it, the sizes of a sample that it gives, the nodes that it
    reads, whose arrays it has, and these, by their own names; the nodes that made the mask which it reads, and that of
    what it gives, or -1; and, of one that reads another one's table, whose that is, the table being among its
    arrays."""

    name: str
    kind: int
    said: Line
    sizes: tuple[int, ...]
    reads: tuple[int, ...]
    owner: str
    arrays: dict[str, NDArray]
    reads_mask: int = -1
    mask: int = -1
    lender: str = ""


def nodes(built: Built) -> Iterator[Laid]:
    """All but the first input, in an order in which each comes behind those that it reads. The arrays are where they
    lie."""
    native = built.model

    def owner(index: int) -> int:
        first = native.node(index).first
        return index if first < 0 else first

    for index in range(1, native.node_count()):
        node, said, first, lender = native.node(index), native.layer(index), owner(index), ""
        lenders = [owner(said["table"])] if node.kind == _ffi_models.LAYER_TIED_DENSE else []
        arrays = {view.name.rpartition("/")[2]: array for one in (first, *lenders) for view, array in built.views(one)}
        for one in lenders:
            lender = native.node(one).name
        name, masks = native.node(first).name, (node.reads_mask, node.mask)
        yield Laid(node.name, node.kind, said, node.sizes, node.inputs, name, arrays, *masks, lender)
