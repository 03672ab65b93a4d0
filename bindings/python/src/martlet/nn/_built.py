"""A model once the shape of its samples is known: the native handle, its nodes, and its numbers as numpy arrays.

Parameters are made when they are first asked for; from then on no layer can be added. What layers are is _layer.py's
and its neighbours' business; training is _training.py's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from martlet import _ffi_models, _memory
from martlet._errors import ShapeError, UnsupportedError
from martlet._model import Model
from martlet._records import View
from martlet.nn import _open
from martlet.nn._laying import Graph, Place, Rows
from martlet.nn._open import Sizes
from martlet.nn._single import Single

if TYPE_CHECKING:
    from martlet.nn._layer import Layer
    from martlet.nn._network import Network

NDArray = np.ndarray[Any, np.dtype[np.float32]]
_BUFFERS = (_ffi_models.BUFFER_PARAMETERS, _ffi_models.BUFFER_STATISTICS)


class Built:
    """A native model and the layers that were laid down in it."""

    def __init__(self, model: Model, *, settles: bool = True) -> None:
        self.model, self._settles = model, settles
        self.graph = Graph(model)
        self.inputs = [Place()]
        """Where the model's inputs lie."""
        self.laid: dict[int, list[int]] = {}
        """The nodes of layers that have been laid down, by their identity."""
        self._final_reads: list[tuple[int, ...]] = []
        self._final_shapes: list[tuple[int, ...]] = []
        """Of samples of inputs and outputs, once neither changes any more."""
        self.layers: list[Layer] = []
        self.gives_channels_first = False
        """The output is an image whose sizes are turned to (channels, height, width) at the end."""
        self._views: dict[int, list[tuple[View, NDArray]]] | None = None
        self._places: list[Place] = []
        """Where that lies which the layers give."""
        self._parts: list[tuple[Network, list[Place], Place]] = []
        """Models that are parts of this one, and what they read and give."""
        self._reads: list[Sizes] = []
        self._gives: list[Sizes] = []
        """Where sizes are open, those of inputs and outputs, with None."""
        self.single: Single | None = None
        """What predicts one sample, once somebody has; of models with one input of numbers and one output."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The first output's, as the user sees it."""
        return self.output_shapes[0]

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """Of a sample of each output, as the user sees them."""
        return self._final_shapes or [self.seen(place) for place in self.graph.places]

    @property
    def given_shapes(self) -> Sequence[Sizes]:
        """The same, with None for what is open."""
        return self._gives or self.output_shapes

    @property
    def input_shape(self) -> Sizes:
        """Of a sample of the first input, with None for what is open."""
        return self.read_shapes[0]

    @property
    def read_shapes(self) -> Sequence[Sizes]:
        """The same of each input."""
        return self._reads or self._final_reads or self.input_sizes()

    def open(self, sizes: Sequence[Sizes]) -> None:
        """Says what is open of the inputs, before the parameters are made, and finds what that leaves open of what
        layers give. Raises ShapeError where a layer has other weights at another length."""
        places = [*self._places, *self.graph.places]
        for _, reads, gives in self._parts:
            places += [*reads, gives]
        found = _open.tried(sizes, lambda at: self._seen_at(at, places))
        told = [_open.merged(shapes) for shapes in zip(*found, strict=True)]
        for layer in self.layers:
            layer._output_shape = told.pop(0)
        self._reads, self._gives = [*sizes], [told.pop(0) for _ in self.graph.places]
        self.model.is_open = True
        for model, reads, _ in self._parts:
            model._called, model._gives = tuple(told.pop(0) for _ in reads), told.pop(0)
        self._parts.clear()
        for length in _open.SHORT:
            try:
                self.model.set_sizes([_open.at(one, length) for one in sizes])
            except ShapeError:
                continue
            break

    def refuse_open(self, why: str) -> None:
        """Raises where sizes are open."""
        if self.model.is_open:
            shapes = ", ".join(map(str, self.read_shapes))
            raise UnsupportedError(f"the model reads samples of {shapes}, and {why}; wanted an Input without None")

    def _seen_at(self, sizes: Sequence[tuple[int, ...]], places: Sequence[Place]) -> list[tuple[int, ...]]:
        """The sizes of what lies in some places, with inputs of these."""
        try:
            self.model.set_sizes(sizes)
        except ShapeError as error:
            raise ShapeError(f"a size of the input is None, and at another length {error}; wanted layers whose weights "
                             "do not depend on it, such as GlobalAveragePooling1D instead of Flatten, or a "
                             "number") from None  # fmt: skip
        return [self.seen(place) for place in places]

    def take_sizes(self, inputs: Sequence[NDArray]) -> None:
        """Has the model read samples of these arrays' sizes, where sizes are open."""
        if self.model.is_open:
            self.model.set_sizes([one.shape[1:] for one in inputs])

    def add(self, entry: Layer | Network, name: str, reads: Sequence[Place] | None = None) -> Place:
        """Lays a layer or a model down over what it reads, or over what was laid down last; returns where that lies
        which it gives."""
        return entry._enter(self, name, [self.graph.place] if reads is None else reads)

    def seen(self, place: Place) -> tuple[int, ...]:
        """The sizes of what lies there, as the user sees them."""
        return self.graph.seen(self.model.node(place.node).sizes, place.turned)

    def hold(self, model: Network, name: str, reads: Sequence[Place], gives: Place) -> None:
        """Tells a model that it is a part of this one, where it has this name, and what it reads and gives there."""
        if self._settles and name:
            model._built, model._gives = self, self.seen(gives)
            model._called = model._called or tuple(self.seen(place) for place in reads)
            self._parts.append((model, [*reads], gives))

    def add_input(self, name: str, sizes: tuple[int, ...]) -> None:
        """Adds a further input."""
        self.inputs.append(self.graph.input(name, sizes))

    def take(self, layer: Layer, node: int) -> None:
        """Tells a layer, which has just been laid down, where it is."""
        if self._settles:
            layer._settle(self, node, self.graph.shape)
            self.layers.append(layer)
            self._places.append(self.graph.place)

    def input_sizes(self) -> list[tuple[int, ...]]:
        """Of a sample of each input."""
        return [self.model.node(place.node).sizes for place in self.inputs]

    def tables(self) -> list[Rows | None]:
        """Of each input of which a layer reads whole numbers: which; None: it holds numbers."""
        found = [self.graph.tables.get(place.node, ()) for place in self.inputs]
        return [min((rows.at(self.model) for rows in one), default=None) for one in found]

    @property
    def _is_plain(self) -> bool:
        """Whether it is of one input of numbers, of sizes that stay, and of one output."""
        return self.tables() == [None] and len(self.output_shapes) == 1 and not self.model.is_open

    def allows_single(self) -> bool:
        """Whether there is what predicts one sample, which is made where it can be."""
        if self.single is None and self._is_plain:
            self.single = Single(self.model, self.input_sizes()[0], self.output_shape)
        return self.single is not None

    @property
    def is_finished(self) -> bool:
        """Whether there are parameters."""
        return self._views is not None

    def finish(self) -> None:
        """Makes the parameters, if there are none yet."""
        if self.is_finished:
            return
        self.gives_channels_first |= self.graph.turned
        self.graph.straighten()
        outputs = [place.node for place in self.graph.places]
        if outputs != self.model.outputs():
            self.model.set_outputs(outputs)
        shapes = self.output_shapes
        found: dict[int, list[tuple[View, NDArray]]] = {}
        for buffer in _BUFFERS:
            views, numbers = self.model.views(buffer), self.numbers(buffer)
            for view in views:
                array = numbers[view.offset : view.offset + view.size].reshape(view.sizes)
                found.setdefault(view.node, []).append((view, array))
        if not self.model.is_open:
            self._final_reads, self._final_shapes = self.input_sizes(), shapes
        self._views = found
        for layer in self.layers:
            layer._filled()
        # No layer can come from here on. A model that nobody refers to is freed at once, as it is in no cycle.
        self.layers.clear()
        self._parts.clear()

    def views(self, node: int) -> list[tuple[View, NDArray]]:
        """A node's weights, where they lie: parameters, then statistics."""
        self.finish()
        self.model.settle()
        assert self._views is not None
        return self._views.get(node, [])

    def numbers(self, buffer: int) -> NDArray:
        """A whole buffer, where it lies. The array keeps the model."""
        if buffer != _ffi_models.BUFFER_GRADIENTS:
            self.model.settle()
        address, count = self.model.buffer(buffer)
        if not count:
            return np.empty(0, np.float32)
        return np.frombuffer(_memory.floats(address, count, self.model), np.float32)
