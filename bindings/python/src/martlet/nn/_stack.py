"""Layers one on another, before and after there is a native model of them.

What Sequential is but for training: adding, building, shapes, the table. _build.py has the native side.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from martlet import _arguments
from martlet._errors import ArgumentError, DTypeError, OrderError, ShapeError, UnsupportedError
from martlet._model import Model
from martlet._owner import Owner
from martlet._samples import NDArray
from martlet.nn._build import Built
from martlet.nn._core import Input
from martlet.nn._early import early
from martlet.nn._graph import turn_of
from martlet.nn._layer import Layer, trainable
from martlet.nn._summary import summary
from martlet.nn._weights import Weights

Self = TypeVar("Self", bound="Stack")


class Stack(Weights):
    """A list of layers that becomes a model. Not for use by itself."""

    trainable = trainable

    def __init__(
        self, layers: Iterable[Any] | None = None, *, name: str | None = None, seed: int | None = None
    ) -> None:
        if isinstance(layers, str) or (layers is not None and not isinstance(layers, Iterable)):
            raise DTypeError(f"layers is {layers!r}; wanted a list of layers")
        self._name = "sequential" if name is None else name
        self._seed = int.from_bytes(os.urandom(8), "little") if seed is None else _arguments.seed(seed)
        self._layers: list[Layer] = []
        self._input_shape: tuple[int, ...] | None = None
        self._built: Built | None = None
        self._owner = Owner()
        self._closed = False
        _arguments.text(self.name, "name")
        try:
            for layer in layers or ():
                self.add(layer)
        except BaseException:
            for layer in self._layers:
                layer._leave()
            raise

    @property
    def name(self) -> str:
        """What summary calls it."""
        return self._name

    @property
    def seed(self) -> int:
        """Of initial values, dropout and the order of samples."""
        return self._seed

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} of {len(self._layers)} layers>"

    # ---- its life ----

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise UnsupportedError(f"{self!r} cannot be copied or pickled: save(path) and martlet.nn.load_model(path) make "
                               "another one with the same weights and moments")  # fmt: skip

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        """Gives the memory back, at once where no array from parameters or statistics is in use any more. No call that
        needs weights works from there on; closing twice is nothing. `with` closes at its end."""
        with self._owner.inside():
            self._refuse_in_fit("close")
            self._forget()
            self._closed = True

    def _refuse_in_fit(self, call: str) -> None:
        """Raises where a training is going on, which the call would pull the ground from under."""

    def _refuse_closed(self) -> None:
        if self._closed:
            raise OrderError(f"{self!r} is closed; make another one, or load it")

    def _forget(self) -> None:
        """Gives the native model up."""
        self._built = None
        for layer in self._layers:
            layer._unsettle()

    def _tentative(self) -> AbstractContextManager[None]:
        """Where what follows fails, a model that it built is forgotten, and with it the shape of the samples."""
        return self._forgetting() if self._built is None else nullcontext()

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            if self._built is not None:
                self._forget()
            raise

    # ---- layers ----

    @property
    def layers(self) -> list[Layer]:
        return [*self._layers]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of this name, or the one at this place."""
        if (name is None) == (index is None):
            raise ArgumentError(f"name is {name!r} and index {index!r}; wanted one of them")
        if index is not None:
            place = _arguments.integer(index, "index", -len(self._layers))
            if place >= len(self._layers):
                raise ArgumentError(f"index is {index}; wanted less than {len(self._layers)}")
            return self._layers[place]
        for layer in self._layers:
            if layer.name == name:
                return layer
        raise ArgumentError(f"name is {name!r}; wanted one of {_arguments.listed(x.name for x in self._layers)}")

    def add(self, layer: Any) -> None:
        """Adds a layer; first of all an Input may be added."""
        if isinstance(layer, Input):
            if self._layers or self._input_shape is not None:
                raise OrderError(f"{layer!r} comes after {self!r} has its input; wanted first of all")
            self._input_shape = layer.shape
            return
        if not isinstance(layer, Layer):
            raise DTypeError(f"layers[{len(self._layers)}] is {layer!r}; wanted a layer of martlet.nn")
        self._refuse_closed()
        layer._check_free()
        shape, built = self._input_shape, self._built
        if not self._layers and layer.input_shape is not None:
            if shape not in (None, layer.input_shape):
                raise ShapeError(f"input_shape is {layer.input_shape}, and the model's input {shape}; "
                                 "wanted one of them, or both the same")  # fmt: skip
            shape = layer.input_shape
        name = self._free_name(layer._base_name()) if layer.name is None else layer.name
        self._refuse_taken(name, layer._hidden_names(name))
        with self._owner.inside():
            if built is None and shape is not None:
                built = self._laid_down(shape)
            if built is not None:
                try:
                    built.add(layer, name)
                except BaseException:
                    # Some of its nodes may be there.
                    if self._built is not None and not built.is_finished:
                        self._built = self._laid_down(built.input_shape)
                    raise
            layer._take(name)
            self._layers.append(layer)
            self._input_shape, self._built = shape, built

    def pop(self) -> Layer:
        """Takes the last layer away and returns it, free for another model. Raises OrderError where there is none, or
        where parameters have been made."""
        with self._owner.inside():
            self._refuse_closed()
            if not self._layers:
                raise OrderError(f"{self!r} has no layer to take away")
            if self._built is not None and self._built.is_finished:
                raise OrderError(f"{self!r} has its parameters, and its layers are fixed; make another one")
            layer = self._layers.pop()
            layer._leave()
            if not self._layers and layer.input_shape is not None:
                self._input_shape = self._built = None
            elif self._built is not None:
                self._built = self._laid_down(self._built.input_shape)
            return layer

    def _refuse_taken(self, name: str, more: list[str]) -> None:
        """Refuses a layer of this name, and of nodes of more names, where nodes have them, with a layer or without."""
        names = [layer.name for layer in self._layers]
        hidden = [node for layer in self._layers for node in layer._hidden_names(str(layer.name))]
        if name in names:
            raise ArgumentError(f"name is {name!r}, another layer's of {self!r}; wanted one of its own")
        if turn_of(name) or name in hidden:
            raise ArgumentError(f"name is {name!r}, which the model itself uses in its files; wanted another one")
        for node in more:
            if node in names:
                raise ArgumentError(f"name is {name!r}, for which the model needs {node!r} in its files, another "
                                    "layer's; wanted another one")  # fmt: skip

    def _free_name(self, base: str) -> str:
        taken = {layer.name for layer in self._layers}
        number = 0
        while (name := f"{base}_{number}" if number else base) in taken:
            number += 1
        return name

    def build(self, input_shape: Any) -> None:
        """Lays the layers down for batches of this shape, whose first size is the batch's, None or any, as in Keras."""
        if not isinstance(input_shape, tuple | list) or len(input_shape) < 2:
            raise ShapeError(f"input_shape is {input_shape!r}; wanted the batch's size or None, and a sample's sizes, "
                             "as in (None, 20)")  # fmt: skip
        if input_shape[0] is not None:
            _arguments.integer(input_shape[0], "input_shape[0]")
        self._build(_arguments.shape(input_shape[1:], "input_shape[1:]"))

    def _build(self, shape: tuple[int, ...]) -> None:
        self._refuse_closed()
        if self._built is not None:
            if shape != self._built.input_shape:
                raise OrderError(f"{self!r} reads samples of {self._built.input_shape} already, and not of {shape}")
            return
        with self._owner.inside():
            self._built = self._laid_down(shape)

    def _laid_down(self, shape: tuple[int, ...]) -> Built:
        """A new native model with all layers that there are."""
        built = Built(Model(shape, self.seed, self._owner))
        try:
            for layer in self._layers:
                built.add(layer, str(layer.name))
        except BaseException:
            for layer in self._layers:
                layer._unsettle()
            self._built = None
            raise
        return built

    def _adopt(self, built: Built) -> None:
        """Takes a native model that was loaded, and its layers."""
        for layer in built.layers:
            layer._take(str(layer.name))
        self._layers, self._built, self._input_shape = [*built.layers], built, built.input_shape
        built.finish()

    def _build_for(self, x: NDArray) -> Built:
        if self._built is None:
            self._build(x.shape[1:] or (1,))
        return self._ready()

    def _ready(self) -> Built:
        """The native model with its parameters."""
        built = self._laid()
        built.finish()
        return built

    def _laid(self) -> Built:
        """The native model with all layers that there are."""
        self._refuse_closed()
        if not self._layers:
            raise OrderError(f"{self!r} has no layer; add one first")
        if self._built is None:
            raise OrderError(
                f"{self!r} does not know its samples' shape yet: give the first layer input_shape=, or fit"
            )
        return self._built

    @property
    @early
    def input_shape(self) -> tuple[int | None, ...]:
        return (None, *self._laid().input_shape)

    @property
    @early
    def output_shape(self) -> tuple[int | None, ...]:
        return (None, *self._laid().output_shape)

    def summary(self, *, print_fn: Callable[[str], Any] = print) -> None:
        """Prints a table of the layers, their shapes and parameters, "?" before the shape of the samples is known."""
        with self._owner.inside():
            self._refuse_closed()
            summary(self.name, self._layers, print_fn)
