"""Layers that make one of several: Add, Multiply, Concatenate. They are called with a list of nodes."""

from __future__ import annotations

from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, ShapeError
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph
from martlet.nn.node import Node


class Merging(Layer):
    """A layer that reads two nodes or more. Not for use by itself."""

    _merges = True


class Elementwise(Merging):
    """Element by element, of one shape. Not for use by itself."""

    _kind = 0

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def _lay(self, graph: Graph, name: str) -> int:
        if not graph.turned:
            graph.straighten()
        return graph.add(self._kind, name)


class Add(Elementwise):
    """The sum of nodes of one shape: Add()([a, b]), or a + b. Others raise ShapeError: sizes of 1 are not repeated."""

    _kind = _ffi_models.LAYER_ADD


class Multiply(Elementwise):
    """The product of nodes of one shape, element by element: Multiply()([a, b]), or a * b. Errors as Add's."""

    _kind = _ffi_models.LAYER_MULTIPLY


class Concatenate(Merging):
    """Nodes beside one another along an axis, in which alone they may differ: else ShapeError.

    axis    the batch being axis 0; or from the last where it is negative
    """

    def __init__(self, axis: int = -1, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.axis = _arguments.integer(axis, f"axis of {self}", -8)
        if self.axis == 0:
            raise ArgumentError(f"axis of {self} is 0, which counts the samples; wanted -1, or 1 for a sample's first")

    def _lay(self, graph: Graph, name: str) -> int:
        if not graph.turned:
            graph.straighten()
        rank = len(graph.sizes)
        axis = self.axis - 1 if self.axis > 0 else self.axis + rank
        if not 0 <= axis < rank:
            raise ShapeError(f"layer {name!r} has axis {self.axis} and reads samples of shape {graph.shape}; wanted 1 "
                             f"to {rank} or {-rank} to -1")  # fmt: skip
        return graph.add(_ffi_models.LAYER_CONCATENATE, name, axis=(axis - 1) % 3 if graph.turned else axis)


def add(inputs: Any, *, name: str | None = None) -> Node:
    """Add()(inputs)."""
    return Add(name=name)._called_with(inputs)


def multiply(inputs: Any, *, name: str | None = None) -> Node:
    """Multiply()(inputs)."""
    return Multiply(name=name)._called_with(inputs)


def concatenate(inputs: Any, axis: int = -1, *, name: str | None = None) -> Node:
    """Concatenate(axis)(inputs)."""
    return Concatenate(axis, name=name)._called_with(inputs)
