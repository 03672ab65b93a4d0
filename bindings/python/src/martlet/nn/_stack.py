"""Layers one on another, before and after there is a native model of them.

What Sequential is but for training: adding, building, shapes, the table. _build.py has the native side.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from martlet._errors import DTypeError, OrderError
from martlet._model import Model
from martlet._samples import NDArray
from martlet.nn import _arguments
from martlet.nn._build import Built
from martlet.nn._layer import Layer
from martlet.nn._summary import summary
from martlet.nn._weights import Weights
from martlet.nn.layers import Input


class Stack(Weights):
    """A list of layers that becomes a model. Not for use by itself."""

    def __init__(self, layers: Iterable[Any] | None = None, name: str | None = None, seed: int | None = None) -> None:
        if isinstance(layers, str) or (layers is not None and not isinstance(layers, Iterable)):
            raise DTypeError(f"layers is {layers!r}; wanted a list of layers")
        self.name = "sequential" if name is None else name
        self.seed = int.from_bytes(os.urandom(8), "little") if seed is None else _arguments.seed(seed)
        self._layers: list[Layer] = []
        self._input_shape: tuple[int, ...] | None = None
        self._built: Built | None = None
        try:
            for layer in layers or ():
                self.add(layer)
        except BaseException:
            for layer in self._layers:
                layer.leave()
            raise

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} of {len(self._layers)} layers>"

    # ---- layers ----

    @property
    def layers(self) -> list[Layer]:
        return [*self._layers]

    def add(self, layer: Any) -> None:
        """Adds a layer; first of all an Input may be added."""
        if isinstance(layer, Input):
            if self._layers or self._input_shape is not None:
                raise OrderError(f"{layer!r} comes after {self!r} has its input; wanted first of all")
            self._input_shape = layer.shape
            return
        if not isinstance(layer, Layer):
            raise DTypeError(f"layers[{len(self._layers)}] is {layer!r}; wanted a layer of martlet.nn")
        layer.check_free()
        if not self._layers and layer.input_shape is not None and self._input_shape is None:
            self._input_shape = layer.input_shape
        if layer.name is None:
            layer.name = self._free_name(layer.base_name())
        if self._built is None and self._input_shape is not None:
            self._built = Built(Model(self._input_shape, self.seed))
        if self._built is not None:
            self._built.add(layer, layer.name)
        layer.take()
        self._layers.append(layer)

    def _free_name(self, base: str) -> str:
        taken = {layer.name for layer in self._layers}
        number = 0
        while (name := f"{base}_{number}" if number else base) in taken:
            number += 1
        return name

    def build(self, input_shape: Any) -> None:
        """Lays the layers down for samples of this shape, the batch not among the sizes."""
        shape = _arguments.shape(input_shape, "input_shape")
        if self._built is not None:
            if shape != self._built.input_shape:
                raise OrderError(f"{self!r} reads samples of {self._built.input_shape} already, and not of {shape}")
            return
        built = Built(Model(shape, self.seed))
        try:
            for layer in self._layers:
                built.add(layer, layer.name or layer.base_name())
        except BaseException:
            for layer in built.layers:
                layer.unsettle()
            raise
        self._built = built

    def adopt(self, built: Built) -> None:
        """Takes a native model that was loaded, and its layers."""
        for layer in built.layers:
            layer.take()
        self._layers, self._built, self._input_shape = [*built.layers], built, built.input_shape
        built.finish()

    def _build_for(self, x: NDArray) -> Built:
        if self._built is None:
            self.build(x.shape[1:] or (1,))
        return self._ready()

    def _ready(self) -> Built:
        """The native model with its parameters."""
        built = self._laid()
        built.finish()
        return built

    def _laid(self) -> Built:
        """The native model with all layers that there are."""
        if not self._layers:
            raise OrderError(f"{self!r} has no layer; add one first")
        if self._built is None:
            raise OrderError(
                f"{self!r} does not know its samples' shape yet: give the first layer input_shape=, or fit"
            )
        return self._built

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        return (None, *self._laid().input_shape)

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        return (None, *self._laid().output_shape)

    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Prints a table of the layers, their shapes and parameters."""
        self._laid()
        summary(self.name, self._layers, print_fn)
