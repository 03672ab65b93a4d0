"""Sequential: layers one after another, the special case of a model in which each reads the one before."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

from martlet import _arguments
from martlet._errors import DTypeError, OrderError, ShapeError, UnsupportedError
from martlet._samples import NDArray
from martlet.nn import _open, inputs
from martlet.nn._built import Built
from martlet.nn._early import early
from martlet.nn._layer import Layer
from martlet.nn._laying import Place
from martlet.nn._network import Network, checked_reads
from martlet.nn._open import Sizes
from martlet.nn._trained import Trained
from martlet.nn.hashing import Hashing
from martlet.nn.inputs import Input
from martlet.nn.model import Model
from martlet.nn.node import Node
from martlet.nn.text import TextVectorization


class Sequential(Model):
    """Layers one after another.

    layers   Input(shape), which may be left out, and layers, or models; more come with add until the parameters are
             made
    name     what summary calls it
    seed     of initial values, dropout and the order of samples, 0 to 2^64 - 1; None: a random one, which .seed tells

    What one sample looks like is said by Input, by input_shape= of the first layer, or by the first data seen; data
    that cannot be used say nothing. All else is as Model has it.
    """

    def __init__(
        self, layers: Iterable[Any] | None = None, *, name: str | None = None, seed: int | None = None
    ) -> None:
        if isinstance(layers, str) or (layers is not None and not isinstance(layers, Iterable)):
            raise DTypeError(f"layers is {layers!r}; wanted a list of layers")
        Trained.__init__(self, "sequential" if name is None else name, seed)
        self._input_shape: Sizes | None = None
        self._batch_size: int | None = None
        self._chain: list[Node] = []
        try:
            for layer in layers or ():
                self.add(layer)
        except BaseException:
            for layer in self._layers:
                layer._leave()
            raise

    # ---- layers ----

    @property
    def layers(self) -> list[Any]:
        if self._built is not None and self._layers and not self._taken:
            self._nodes_of_chain()  # what layers' output is
        return [*self._layers]

    def add(self, layer: Any) -> None:
        """Adds a layer, or a model; first of all an Input may be added."""
        if isinstance(layer, Input):
            if self._layers or self._input_shape is not None:
                raise OrderError(f"{layer!r} comes after {self!r} has its input; wanted first of all")
            self._input_shape, self._batch_size = layer.sizes, inputs.batch_of(layer)
            return
        if isinstance(layer, TextVectorization | Hashing):
            raise UnsupportedError(f"layers[{len(self._layers)}] is {layer!r}, and text is no part of a model here; "
                                   "wanted it beside the model, model.text = ..., and its numbers for fit")  # fmt: skip
        if not isinstance(layer, Layer | Network) or getattr(layer, "_is_input", False):
            raise DTypeError(f"layers[{len(self._layers)}] is {layer!r}; wanted a layer of martlet.nn")
        if isinstance(layer, Layer) and layer._merges:
            raise DTypeError(f"layers[{len(self._layers)}] is {layer!r}, which reads several nodes; wanted it in a "
                             "Model(inputs, outputs)")  # fmt: skip
        if getattr(layer, "return_state", False):
            raise UnsupportedError(f"layers[{len(self._layers)}] is {layer!r}, which gives several nodes; wanted it in "
                                   "a Model(inputs, outputs)")  # fmt: skip
        self._refuse_closed()
        layer._check_free()
        shape, built = self._input_shape, self._built
        first = _first_shape(layer)
        if not self._layers and first is not None:
            if shape not in (None, first):
                raise ShapeError(f"input_shape is {first}, and the model's input {shape}; "
                                 "wanted one of them, or both the same")  # fmt: skip
            shape = first
        name = self._free_name(layer._base_name()) if layer.name is None else layer.name
        self._refuse_name(name, layer._hidden_names(name))
        with self._owner.inside():
            if isinstance(layer, Network):
                layer._let_go()
            # Where sizes are open, what they leave open is found once all layers are there.
            if built is None and shape is not None and not _open.is_open([shape]):
                built = self._anew([shape])
            elif built is not None and built.model.is_open:
                if built.is_finished:
                    raise OrderError(f"{self!r} has its parameters, and its layers are fixed; make another one")
                built = None
            if built is not None:
                try:
                    built.add(layer, name)
                except BaseException:
                    # Some of its nodes may be there.
                    if self._built is not None and not built.is_finished:
                        self._built = self._anew([built.input_shape])
                    raise
            layer._take(name)
            self._layers.append(layer)
            self._input_shape, self._built = shape, built
            self._chain = []

    def pop(self) -> Any:
        """Takes the last layer away and returns it, free for another model. Raises OrderError where there is none, or
        where parameters have been made."""
        with self._owner.inside():
            self._refuse_closed()
            if not self._layers:
                raise OrderError(f"{self!r} has no layer to take away")
            if self._built is not None and self._built.is_finished:
                raise OrderError(f"{self!r} has its parameters, and its layers are fixed; make another one")
            layer = self._layers.pop()
            self._chain = []
            layer._leave()
            if not self._layers and _first_shape(layer) is not None:
                self._input_shape = self._built = None
            elif self._built is not None:
                self._built = self._anew([self._built.input_shape])
            return layer

    def build(self, input_shape: Any) -> None:
        """Lays the layers down for batches of this shape, whose first size is the batch's, None or any, as in Keras."""
        if not isinstance(input_shape, tuple | list) or len(input_shape) < 2:
            raise ShapeError(f"input_shape is {input_shape!r}; wanted the batch's size or None, and a sample's sizes, "
                             "as in (None, 20)")  # fmt: skip
        if input_shape[0] is not None:
            _arguments.integer(input_shape[0], "input_shape[0]")
        self._build(_arguments.open_shape(input_shape[1:], "input_shape[1:]"))

    def _build(self, shape: Sizes) -> None:
        self._refuse_closed()
        if self._built is not None:
            if shape != self._built.input_shape:
                raise OrderError(f"{self!r} reads samples of {self._built.input_shape} already, and not of {shape}")
            return
        with self._owner.inside(), self._tentative():
            self._built = self._anew([shape])
            if self._compilation is not None:
                self._compilation.check_top(self._built)

    def _anew(self, sizes: Sequence[Sizes], *, settles: bool = True) -> Built:
        try:
            return super()._anew(sizes, settles=settles)
        except BaseException:
            for layer in self._leaves():
                layer._unsettle()
            self._built = None
            raise

    def _enter(self, built: Built, name: str, reads: Sequence[Place]) -> Place:
        if name:
            known = [] if self._input_shape is None else [self._input_shape]
            found = [built.seen(place) for place in reads]
            checked_reads(self, name, known or found[:1], found)
        (place,) = reads
        for layer in self._layers:
            place = built.add(layer, f"{name}.{layer.name}" if name else str(layer.name), [place])
        built.hold(self, name, reads, place)
        return place

    def _called_with(self, inputs: Any) -> Node:
        if not self._layers:
            raise OrderError(f"{self!r} has no layer; add one first")
        found = super()._called_with(inputs)
        if self._input_shape is None:
            self._input_shape = found.inputs[0].sizes
        return found

    def _adopt(self, built: Built) -> None:
        """Takes a native model that was loaded, and its layers."""
        for layer in built.layers:
            layer._take(str(layer.name))
        self._layers, self._built, self._input_shape = [*built.layers], built, built.input_shape
        built.finish()

    def _build_for(self, given: Sequence[tuple[str, NDArray]]) -> Built:
        if self._taken:
            return self._apart()
        if self._built is None:
            self._build(self._input_shape or given[0][1].shape[1:] or (1,))
        return self._ready()

    def _laid(self) -> Built:
        self._refuse_closed()
        if not self._layers:
            raise OrderError(f"{self!r} has no layer; add one first")
        if self._built is None and self._input_shape is not None and not self._taken:
            self._built = self._anew([self._input_shape])
        if self._built is None:
            raise OrderError(
                f"{self!r} does not know its samples' shape yet: give the first layer input_shape=, or fit"
            )
        return self._built

    def _input_sizes(self) -> list[Sizes]:
        return [*self._laid().read_shapes]

    def _batch(self) -> int | None:
        return self._batch_size

    def _enter_whole(self, built: Built) -> list[Place]:
        return [self._enter(built, "", built.inputs)]

    def _output_names(self) -> list[str]:
        return [str(self._layers[-1].name) if self._layers else ""]

    def _input_names(self) -> list[str]:
        return ["input"]

    def _input_types(self) -> list[str]:
        return ["float32"]

    @property
    @early
    def input_shape(self) -> tuple[int | None, ...]:
        """The sizes of a sample, with None for the batch."""
        return (None, *(self._called[0] if self._taken and self._called else self._laid().input_shape))

    def _connections(self) -> dict[Any, list[str]]:
        return {}

    # ---- as a graph ----

    def _nodes_of_chain(self) -> list[Node]:
        if not self._chain:
            self._chain = [Input(self._laid().input_shape)]
            for layer in self._layers:
                self._chain.append(Node(layer, [self._chain[-1]], layer.output_shape[1:]))
                layer._given = weakref.ref(self._chain[-1])
        return self._chain

    @property
    @early
    def inputs(self) -> list[Node]:
        """Its Input, in a list."""
        return self._nodes_of_chain()[:1]

    @property
    @early
    def outputs(self) -> list[Node]:
        """The node that it gives, in a list."""
        return self._nodes_of_chain()[-1:]

    @property
    @early
    def input(self) -> Any:
        """Its Input."""
        return self.inputs[0]

    @property
    @early
    def output(self) -> Node:
        """The node that it gives."""
        return self.outputs[0]


def _first_shape(layer: Any) -> Sizes | None:
    """What a model's first layer, or a model in its place, says of the samples."""
    if isinstance(layer, Sequential):
        return layer._input_shape
    if isinstance(layer, Model):
        return layer._inputs[0].sizes if len(layer._inputs) == 1 else None
    shape: Sizes | None = layer.input_shape
    return shape
