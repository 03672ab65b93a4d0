"""Lays layers down as nodes of a native model, and keeps how the user sees what the last one gives.

The library's images are channels-last. Where layers are channels_first the image is turned on the way into the first
of them, and back before a layer whose result depends on the order of its elements, and at the end; between, nothing
is moved. What a layer adds is the layer's own business (_layer.py and the modules beside it).
"""

from __future__ import annotations

import re
from typing import Any

from martlet import _ffi_models
from martlet._errors import ShapeError
from martlet._model import Model
from martlet.nn import _formats

# What the nodes that turn images are called, each with a number after it.
TURNS = {"to_channels_last": (1, 2, 0), "to_channels_first": (2, 0, 1)}


_NAME = re.compile(rf"({'|'.join(TURNS)})_[0-9]+")


def turn_of(name: str) -> str | None:
    """Which of TURNS a node of this name may be."""
    found = _NAME.fullmatch(name)
    return found[1] if found else None


class Graph:
    """Nodes of one model, in the order of adding."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._turns = 0
        self.turned = False
        """The node added last lies (height, width, channels) where the user sees (channels, height, width)."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of a sample of the node added last, as they lie."""
        return self._model.node(self._model.node_count() - 1).sizes

    @property
    def shape(self) -> tuple[int, ...]:
        """The same as the user sees them."""
        return self.seen(self.sizes)

    def seen(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Sizes as they lie, as the user sees them."""
        return tuple(sizes[axis] for axis in TURNS["to_channels_first"]) if self.turned else sizes

    def add(self, kind: int, name: str, **fields: Any) -> int:
        return self._model.add(kind, name, fields)

    def _turn(self, name: str) -> None:
        self._turns += 1
        self.add(_ffi_models.LAYER_PERMUTE, f"{name}_{self._turns}", rank=3, sizes=TURNS[name])

    def image(self, data_format: str, layer: str) -> None:
        """Makes the next layer read an image as it must lie, given how its user sees it."""
        sizes = self.sizes
        if len(sizes) != 3:
            wanted = "(channels, height, width)" if data_format == _formats.FIRST else "(height, width, channels)"
            raise ShapeError(f"layer {layer!r} reads samples of shape {self.shape}; wanted images, {wanted}")
        if data_format == _formats.LAST:
            self.straighten()
        elif not self.turned:
            self._turn("to_channels_last")
            self.turned = True

    def straighten(self) -> None:
        """Makes the next layer read elements in the order in which the user sees them."""
        if self.turned:
            self._turn("to_channels_first")
            self.turned = False

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
        self.turned = False
