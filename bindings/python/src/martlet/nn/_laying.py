"""Lays layers down as nodes of a native model, and keeps how the user sees what each gives.

The library's images are channels-last. Where layers are channels_first the image is turned on the way into the first
of them, and back before a layer whose result depends on the order of its elements, and at the end; between, nothing
is moved. What a layer adds is the layer's own business (_layer.py and the modules beside it).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from martlet import _ffi_models
from martlet._errors import ShapeError, UnsupportedError
from martlet._model import Model
from martlet._records import OwnPass
from martlet.nn import _formats

# What the nodes that turn images are called, each with a number after it.
TURNS = {"to_channels_last": (1, 2, 0), "to_channels_first": (2, 0, 1)}


_NAME = re.compile(rf"({'|'.join(TURNS)})_[0-9]+")


def turn_of(name: str) -> str | None:
    """Which of TURNS a node of this name may be."""
    found = _NAME.fullmatch(name)
    return found[1] if found else None


class Rows(NamedTuple):
    """Which whole numbers a layer reads of an input, 0 to below - 1: rows of its table, or what says which steps of a
    sequence are hidden; with steps_of 0 to as many as that node has."""

    below: int
    layer: str
    what: str = "the rows that layer {!r} has"
    steps_of: int = -1

    def at(self, model: Model) -> Rows:
        """With as many as the steps are now."""
        return self if self.steps_of < 0 else self._replace(below=1 + model.node(self.steps_of).sizes[0])


class Place(NamedTuple):
    """Where a value of the user's lies: the node that gives it, and whether that lies (height, width, channels) where
    the user sees (channels, height, width)."""

    node: int = 0
    turned: bool = False


class Graph:
    """Nodes of one model. A layer that is laid down reads some of them, and what it adds is what is read from there
    on."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._turns = 0
        self._turned: dict[Place, Place] = {}
        self._reads = [Place()]
        self._again: list[int] = []
        self.is_new = True
        """Whether nodes are made, and not found in a model that was loaded."""
        self.batch: int | None = None
        """The samples of a batch, where an input says that."""
        self.laid: list[int] = []
        """The nodes of the layer that is being laid down, but those that turn images."""
        self.tables: dict[int, list[Rows]] = {}
        """Of nodes, inputs all, of which layers read whole numbers: which."""

    def begin(self, reads: Sequence[Place], again: Sequence[int] = ()) -> None:
        """Before a layer that reads these; again: its nodes, where it is there already."""
        self._reads, self._again, self.laid = [*reads], [*again], []

    @property
    def places(self) -> list[Place]:
        """What the next node reads; at the end, the model's outputs."""
        return [*self._reads]

    @places.setter
    def places(self, places: Sequence[Place]) -> None:
        self._reads = [*places]

    @property
    def place(self) -> Place:
        """What the layer laid down last gives."""
        return self._reads[0]

    @place.setter
    def place(self, place: Place) -> None:
        self._reads = [place]

    @property
    def turned(self) -> bool:
        """Of what is read now, whether it lies (height, width, channels) where the user sees (channels, height,
        width)."""
        return all(place.turned for place in self._reads)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of a sample of what is read now, as they lie."""
        return self._model.node(self._reads[0].node).sizes

    @property
    def all_sizes(self) -> list[tuple[int, ...]]:
        """The same of each node that is read."""
        return [self._model.node(place.node).sizes for place in self._reads]

    @property
    def shape(self) -> tuple[int, ...]:
        """The same as the user sees them."""
        return self.seen(self.sizes, self._reads[0].turned)

    @staticmethod
    def seen(sizes: tuple[int, ...], turned: bool) -> tuple[int, ...]:
        """Sizes as they lie, as the user sees them."""
        return tuple(sizes[axis] for axis in TURNS["to_channels_first"]) if turned else sizes

    def add(self, kind: int, name: str, **fields: Any) -> int:
        """Adds a node, or that of a layer which is there already once more, over what is read now."""
        reads = [place.node for place in self._reads]
        if self._again:
            node = self._model.apply(self._again[len(self.laid)], reads)
        else:
            node = self._model.add(kind, name, fields, reads)
        self.laid.append(node)
        self._reads = [Place(node, self.turned)]
        return node

    def compute(self, node: int, function: Callable[[OwnPass], None]) -> None:
        """Has a node's layer, which is a user's own, computed by a function."""
        self._model.compute(node, function)

    def input(self, name: str, sizes: tuple[int, ...]) -> Place:
        """Adds a further input of the model."""
        return Place(self._model.add(_ffi_models.LAYER_INPUT, name, {"rank": len(sizes), "sizes": sizes}))

    def reads_rows(self, count: int, layer: str) -> None:
        """Notes that a layer reads a node as rows of its table, of which there are so many."""
        self.tables.setdefault(self.place.node, []).append(Rows(count, layer))

    def hides_by(self, place: Place, layer: str, by_length: bool) -> None:
        """Notes that a layer over what is read here hides steps by an input: by numbers, or by lengths."""
        rows = Rows(2**31 - 1, layer, "the numbers by which layer {!r} hides steps")
        if by_length:
            rows = Rows(0, layer, "the lengths that layer {!r} takes", self.place.node)
        self.tables.setdefault(place.node, []).append(rows)

    def _turn(self, place: Place, name: str) -> Place:
        """The place in the other order. An image that several layers read is turned for the first of them."""
        if place not in self._turned:
            self._turns += 1
            fields = {"rank": 3, "sizes": TURNS[name]}
            node = self._model.add(_ffi_models.LAYER_PERMUTE, f"{name}_{self._turns}", fields, [place.node])
            self._turned[place] = Place(node, not place.turned)
        return self._turned[place]

    def image(self, data_format: str, layer: str) -> None:
        """Makes the next layer read an image as it must lie, given how its user sees it."""
        sizes = self.sizes
        if len(sizes) != 3:
            wanted = "(channels, height, width)" if data_format == _formats.FIRST else "(height, width, channels)"
            raise ShapeError(f"layer {layer!r} reads samples of shape {self.shape}; wanted images, {wanted}")
        if data_format == _formats.LAST:
            self.straighten()
        elif not self.turned:
            self._reads = [place if place.turned else self._turn(place, "to_channels_last") for place in self._reads]

    def sequence(self, data_format: str, layer: str) -> None:
        """Makes the next layer read a sequence."""
        self.straighten()
        if len(self.sizes) != 2:
            raise ShapeError(
                f"layer {layer!r} reads samples of shape {self.shape}; wanted sequences, (length, channels)"
            )
        if data_format == _formats.FIRST:
            raise UnsupportedError(f"layer {layer!r} is channels_first, and sequences are (length, channels) here; "
                                   'wanted data_format="channels_last", with a Permute((2, 1)) before it')  # fmt: skip

    def straighten(self) -> None:
        """Makes the next layer read elements in the order in which the user sees them."""
        self._reads = [self._turn(place, "to_channels_first") if place.turned else place for place in self._reads]

    def channels(self, axis: int, data_format: str, layer: str) -> None:
        """Makes the axis that the user names, the batch being axis 0, the last one as it lies.

        -1 is the axis of the channels: of an image that layers made channels_first, its first.
        """
        rank = len(self.sizes)
        if axis == -1 and rank == 3 and (self.turned or data_format == _formats.FIRST):
            axis = 1
        if axis in (-1, rank):
            self.straighten()
        elif axis in (1, -rank) and rank == 3:
            self.image(_formats.FIRST, layer)
        else:
            channels = " or 1" if rank == 3 else ""
            raise ShapeError(f"layer {layer!r} has axis {axis} and reads samples of shape {self.shape}; "
                             f"wanted -1, {rank}{channels}: the axis of the channels")  # fmt: skip

    def forget_turn(self) -> None:
        """After a layer whose result has no order of sizes left to turn."""
        self._reads = [Place(place.node) for place in self._reads]


def spoken(text: str, layer: str, words: Mapping[str, str]) -> str:
    """What the library says of one of its layers, by the names of a layer's arguments."""

    def argument(found: re.Match[str]) -> str:
        return f"{words.get(found[1], found[1])} of layer {layer!r}"

    text = re.sub(r"\blayer\.(\w+)(\[\d\])?", argument, text)
    text = re.sub(r"(layer \"[^\"]*\"'s )inputs\[(\d+)\]", r"\1argument number \2", text)
    return text.replace("divisor of units", f"divisor of {words.get('units', 'units')}")
