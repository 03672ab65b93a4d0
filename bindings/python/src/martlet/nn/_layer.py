"""What all layers share: a name, a place in one model, and weights as numpy arrays.

A layer is a description until its model is built, and computes nothing itself. Called with nodes it gives another one.
"""

from __future__ import annotations

import re
import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, DTypeError, MartletError, OrderError, ShapeError, UnsupportedError
from martlet._records import Node as Described
from martlet._records import View
from martlet.nn import _trial, node
from martlet.nn._early import early
from martlet.nn._laying import Graph, Place, spoken
from martlet.nn._matching import NDArray, matched
from martlet.nn._open import Sizes
from martlet.nn._subclasses import is_martlets, refuse_methods
from martlet.nn._trial import Given
from martlet.nn.node import Node

if TYPE_CHECKING:
    from martlet.nn._built import Built


class Layer(ABC):
    """A step of a model.

    name          unique in its model; None: the class's, with a number where there are several
    input_shape   of the first layer: the sizes of one sample, the batch not among them
    trainable     whether training changes its weights; of layers that have some

    What it was given are its attributes, which can be set until it is in a model: OrderError; trainable can be set at
    any time, and counts from the next compile on. A class of one's own may add to one of martlet.nn's, but not compute:
    UnsupportedError. OwnLayer is for those that do.

    layer(node) gives a node, for Model(inputs, outputs). A layer that is called several times has the same weights in
    each place. It is in one model: one in which another one's nodes are found again takes the whole model, called as a
    layer is.
    """

    # Whether it reads several nodes, or any number; whether it is a model's input; whether a class of a user's own says
    # what it gives.
    _merges = _reads_any = _is_input = _computes = False
    # The library's words for what are other arguments here.
    _words: ClassVar[dict[str, str]] = {
        "kernel_value": "kernel_initializer",
        "bias_value": "bias_initializer",
        "slope": "negative_slope",
        "stride": "strides",
        "pads": "padding",
    }

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_methods(cls, "__call__", "forward", "backward")
        if not cls._computes:
            refuse_methods(cls, "call", "build", "compute_output_shape")
        if cls._lay is Layer._lay and not is_martlets(cls):
            raise UnsupportedError(f"class {cls.__name__} says nothing that the library computes; wanted a subclass of "
                                   "OwnLayer, or of one of martlet.nn's other layers")  # fmt: skip

    def __init__(self, *, name: str | None = None, input_shape: Any = None, trainable: bool = True) -> None:
        if name is not None and not isinstance(name, str):
            raise DTypeError(f"name is {name!r} of type {type(name).__name__}; wanted text")
        if name is not None and "\0" in name:
            raise ArgumentError(f"name is {name!r}, which holds a zero character; wanted a name without")
        self._name = self._given_name = name
        self.input_shape = None if input_shape is None else _arguments.open_shape(input_shape, f"input_shape of {self}")
        self._trainable = self._laid_trainable = _arguments.flag(trainable, f"trainable of {self}")
        self._built: Built | None = None
        self._taken = False
        self._called: tuple[Sizes, ...] = ()  # the shapes that it was first called with
        self._given: weakref.ref[Node] | None = None  # what its first call gave
        self._kept: list[NDArray] = []
        self._node = 0  # the one that has its weights
        self._output_shape: Sizes | None = None

    def __repr__(self) -> str:
        given = getattr(self, "name", None)
        return f"<{type(self).__name__}{f' {given!r}' if given else ''}>"

    def __setattr__(self, name: str, value: Any) -> None:
        own = vars(self)
        if name in own and not name.startswith("_") and own.get("_taken"):
            raise OrderError(f"{name} of {self!r} was read when a model took the layer; set it before")
        super().__setattr__(name, value)

    @property
    def name(self) -> str | None:
        """What its model knows it by; None before it is in one, where none was given."""
        return self._name

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._taken:
            raise UnsupportedError(f"{self!r} is in a model and cannot be copied or pickled: make another one and give "
                                   "it get_weights()'s arrays, or save the model")  # fmt: skip
        return super().__reduce_ex__(protocol)

    def __getstate__(self) -> dict[str, Any]:
        """A copy, or what is pickled, has not been called."""
        return {**vars(self), "_given": None, "_called": ()}

    @classmethod
    def _base_name(cls) -> str:
        """The class's name as Keras spells it: MaxPooling2D as max_pooling2d."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def trainable(self) -> bool:
        """Whether training changes its weights. What is set counts from the next compile on. A BatchNormalization that
        is not trained uses its moving statistics in training too, and leaves them as they are."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: Any) -> None:
        self._trainable = _arguments.flag(value, f"trainable of {self!r}")

    @property
    def _frozen_flag(self) -> int:
        return 0 if self._trainable else _ffi_models.FROZEN

    @node.call
    def __call__(self, inputs: Any) -> Node:
        """What it gives for a node, or of Add, Multiply and Concatenate for a list of them.

        Raises DTypeError for what is no node, and what is said of the layer when a model is built: ShapeError where the
        node does not suit, also where the weights would have other shapes than in a call before.
        """
        return self._called_with(inputs)

    def _called_with(self, inputs: Any) -> Node:
        nodes = node.listed(inputs, f"the argument of {self!r}")
        if len(nodes) > 1 and not self._merges and not self._reads_any:
            raise ShapeError(f"{self!r} was called with {len(nodes)} nodes; wanted one")
        if len(nodes) < 2 and self._merges:
            raise ShapeError(f"{self!r} was called with one node; wanted a list of two or more")
        given = self._would_give(nodes)
        self._called = self._called or tuple(one.sizes for one in nodes)
        found = Node(self, nodes, given.sizes, mask=given.mask)
        if self._given is None:
            self._given = weakref.ref(found)
        return found

    def _would_give(self, nodes: Sequence[Node]) -> Given:
        """What it gives for nodes. Raises what is said of __call__."""
        return _trial.given(self, self.name or self._base_name(), nodes, self._called)

    @abstractmethod
    def _lay(self, graph: Graph, name: str) -> int:
        """Adds the layer's nodes; returns the one that has its weights."""

    def _enter(self, built: Built, name: str, reads: Sequence[Place]) -> Place:
        """Takes its place in a model, or another one, over what it reads; returns where what it gives lies."""
        graph = built.graph
        again = built.laid.get(id(self), [])
        graph.begin(reads, again)
        try:
            node = self._lay(graph, name)
        except MartletError as error:
            raise type(error)(spoken(str(error), name, self._words)) from None
        if not again:
            built.laid[id(self)] = graph.laid
            built.take(self, node)
        return graph.place

    def _part(self, whole: Node, part: int) -> Node:
        """A further node that it gives beside one of its own."""
        raise ArgumentError(f"part is {part!r} of {whole!r}; wanted none: {self!r} gives one node")

    def _settle(self, built: Built, node: int, output_shape: tuple[int, ...]) -> None:
        """Remembers its place in a model."""
        self._built, self._node, self._output_shape = built, node, output_shape
        self._laid_trainable = self._trainable

    def _is_as_laid(self) -> bool:
        """Whether what is trained is what was when it took its place."""
        return self._laid_trainable == self._trainable

    def _unsettle(self) -> None:
        """Forgets a model that could not be built."""
        self._built = self._output_shape = None

    def _leaves(self) -> list[Layer]:
        return [self]

    def _leave(self) -> None:
        """Is free for another model, as its own was not made or lets it go."""
        self._unsettle()
        self._name, self._taken = self._given_name, False

    def _check_free(self) -> None:
        """Refuses a second place: a layer's weights are one model's."""
        if self._taken:
            raise OrderError(f"{self!r} is in a model already; make another one")

    def _hidden_names(self, name: str) -> list[str]:
        """Of a layer of this name: names of nodes beside its own."""
        return []

    def _take(self, name: str) -> None:
        """Marks it as some model's, in which it has this name."""
        self._name, self._taken = name, True

    def _keep_weights(self) -> None:
        """Has the weights it has now in the next model too."""
        self._kept = self.get_weights()

    def _filled(self) -> None:
        """Called once the weights have been made."""
        if self._kept:
            kept, self._kept = self._kept, []
            for (_, array), value in zip(self._views(), kept, strict=True):
                array[...] = value

    def get_config(self) -> dict[str, Any]:
        """The arguments that make another layer like it, as JSON takes them, with Keras's names."""
        from martlet.nn import _configs

        return _configs.of_layer(self)

    @classmethod
    def from_config(cls, config: Any) -> Any:
        """A layer of what get_config gave. Raises DTypeError or ArgumentError for what it could not have given."""
        from martlet.nn import _configs

        return _configs.layer_of(cls, config)

    def _further_config(self) -> dict[str, Any]:
        """What get_config has beside the arguments that are attributes."""
        return {}

    # ---- what a model's user asks ----

    @property
    @early
    def output_shape(self) -> tuple[int | None, ...]:
        """The sizes of its output, with None for the batch."""
        if self._output_shape is None:
            raise OrderError(f"{self} has no shape yet: give the model's first layer input_shape=, or fit")
        return (None, *self._output_shape)

    def _weighted_nodes(self) -> list[int]:
        """The nodes that have its weights."""
        return [self._node]

    def _trained(self) -> list[bool]:
        """Of each of these whether training changes what it has."""
        return [self._trainable for _ in self._weighted_nodes()]

    def _described(self) -> list[Described]:
        model = self._place().model
        return [model.node(node) for node in self._weighted_nodes()]

    @property
    @early
    def output(self) -> Node:
        """The node that it gives, where it was first called, or in its Sequential: for Model(inputs, outputs)."""
        found = None if self._given is None else self._given()
        if found is None:
            raise OrderError(f"{self!r} gives no node yet: call it, or give its model the shape of its samples")
        return found

    @property
    @early
    def input(self) -> Any:
        """The node that it reads there, or a list of them."""
        inputs = self.output.inputs
        return inputs[0] if len(inputs) == 1 else [*inputs]

    def count_params(self) -> int:
        """Elements of its weights, those that training leaves alone among them."""
        return sum(node.parameter_count + node.statistics_count for node in self._described())

    @property
    @early
    def weight_names(self) -> list[str]:
        """What get_weights returns, by name."""
        return [view.name for view, _ in self._views()]

    @property
    @early
    def weights(self) -> list[NDArray]:
        """Its weights where they lie: writing them changes the model. get_weights has copies."""
        return [array for _, array in self._views()]

    @property
    @early
    def trainable_weights(self) -> list[NDArray]:
        """Those of weights that training changes."""
        found = self._views() if self._trainable else []
        trained = {view.name for view in self._place().model.views(_ffi_models.BUFFER_PARAMETERS)} if found else set()
        return [array for view, array in found if view.name in trained]

    @property
    @early
    def non_trainable_weights(self) -> list[NDArray]:
        """Those of weights that training leaves as they are, or that are statistics."""
        return self.weights[len(self.trainable_weights) :]

    def get_weights(self) -> list[NDArray]:
        """Copies of its weights: kernel and bias, or of BatchNormalization gamma, beta, moving mean and variance."""
        place = self._place()
        with place.model.owner.settled(lambda: place.is_finished):
            return [array.copy() for _, array in self._views()]

    def set_weights(self, weights: Any) -> None:
        """Replaces its weights with arrays of the shapes that get_weights returns."""
        with self._place().model.owner.inside():
            views = self._views()
            for (_, array), value in zip(views, matched(weights, views, f"layer {self.name!r}"), strict=True):
                array[...] = value

    def _views(self) -> list[tuple[View, NDArray]]:
        built = self._place()
        return [pair for node in self._weighted_nodes() for pair in self._views_in(built, node)]

    def _views_in(self, built: Built, node: int) -> list[tuple[View, NDArray]]:
        """The weights that a node of its has in a model."""
        return built.views(node)

    def _place(self) -> Built:
        if self._built is None:
            raise OrderError(f"{self} is in no built model, so it has no weights yet: give the model's first layer "
                             "input_shape=, or fit")  # fmt: skip
        return self._built
