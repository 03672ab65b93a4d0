"""What all layers share: a name, a place in one model, and weights as numpy arrays.

A layer is a description until its model is built, and computes nothing itself.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from martlet import _arguments
from martlet._errors import ArgumentError, DTypeError, MartletError, OrderError, ShapeError, UnsupportedError
from martlet._model import Node, View
from martlet.nn import _formats
from martlet.nn._early import early
from martlet.nn._graph import Graph
from martlet.nn._subclasses import is_martlets, refuse_methods

if TYPE_CHECKING:
    from martlet.nn._build import Built

NDArray = np.ndarray[Any, np.dtype[np.float32]]


def _refuse_freezing(self: Any, value: Any) -> None:
    if not _arguments.flag(value, f"trainable of {self!r}"):
        raise UnsupportedError(f"trainable of {self!r} is False; wanted True: training changes all weights but "
                               "statistics")  # fmt: skip


trainable = property(lambda self: True, _refuse_freezing, doc="True: no weights can be kept from training.")


class Layer(ABC):
    """A step of a model.

    name          unique in its model; None: the class's, with a number where there are several
    input_shape   of the first layer: the sizes of one sample, the batch not among them

    What it was given are its attributes, which can be set until it is in a model: OrderError. A class of one's own may
    add to one of martlet.nn's, but not compute: UnsupportedError.
    """

    trainable = trainable
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
        refuse_methods(cls, "call", "__call__", "build", "compute_output_shape")
        if cls._lay is Layer._lay and not is_martlets(cls):
            raise UnsupportedError(f"class {cls.__name__} says nothing that the library computes; wanted a subclass of "
                                   "one of martlet.nn's layers")  # fmt: skip

    def __init__(self, *, name: str | None = None, input_shape: Any = None) -> None:
        if name is not None and not isinstance(name, str):
            raise DTypeError(f"name is {name!r} of type {type(name).__name__}; wanted text")
        if name is not None and "\0" in name:
            raise ArgumentError(f"name is {name!r}, which holds a zero character; wanted a name without")
        self._name = self._given_name = name
        self.input_shape = None if input_shape is None else _arguments.shape(input_shape, f"input_shape of {self}")
        self._built: Built | None = None
        self._taken = False
        self._node = 0  # the one that has its weights
        self._output_shape: tuple[int, ...] | None = None

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

    @classmethod
    def _base_name(cls) -> str:
        """The class's name as Keras spells it: MaxPooling2D as max_pooling2d."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()

    @abstractmethod
    def _lay(self, graph: Graph, name: str) -> int:
        """Adds the layer's nodes; returns the one that has its weights."""

    def _enter(self, built: Built, graph: Graph, name: str) -> None:
        """Takes its place in a model."""
        try:
            node = self._lay(graph, name)
        except MartletError as error:
            raise type(error)(self._spoken(str(error), name)) from None
        self._settle(built, name, node, graph.shape)

    def _spoken(self, text: str, name: str) -> str:
        """What the library says of one of its layers, by the names of this one's arguments."""

        def argument(found: re.Match[str]) -> str:
            return f"{self._words.get(found[1], found[1])} of layer {name!r}"

        text = re.sub(r"\blayer\.(\w+)(\[\d\])?", argument, text)
        return text.replace("divisor of units", f"divisor of {self._words.get('units', 'units')}")

    def _settle(self, built: Built, name: str, node: int, output_shape: tuple[int, ...]) -> None:
        """Remembers its place in a model."""
        self._built, self._name, self._node, self._output_shape = built, name, node, output_shape

    def _unsettle(self) -> None:
        """Forgets a model that could not be built."""
        self._built = self._output_shape = None

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

    def _filled(self) -> None:  # noqa: B027
        """Called once the weights have been made. Most layers have nothing to do then."""

    # ---- what a model's user asks ----

    @property
    @early
    def output_shape(self) -> tuple[int | None, ...]:
        """The sizes of its output, with None for the batch."""
        if self._output_shape is None:
            raise OrderError(f"{self} has no shape yet: give the model's first layer input_shape=, or fit")
        return (None, *self._output_shape)

    def _described(self) -> Node:
        return self._place().model.node(self._node)

    def count_params(self) -> int:
        """Elements of its weights, those that training leaves alone among them."""
        node = self._described()
        return node.parameter_count + node.statistics_count

    @property
    @early
    def weight_names(self) -> list[str]:
        """What get_weights returns, by name."""
        return [view.name for view, _ in self._views()]

    def get_weights(self) -> list[NDArray]:
        """Copies of its weights: kernel and bias, or of BatchNormalization gamma, beta, moving mean and variance."""
        with self._place().model.owner.inside():
            return [array.copy() for _, array in self._views()]

    def set_weights(self, weights: Any) -> None:
        """Replaces its weights with arrays of the shapes that get_weights returns."""
        with self._place().model.owner.inside():
            views = self._views()
            for (_, array), value in zip(views, matched(weights, views, f"layer {self.name!r}"), strict=True):
                array[...] = value

    def _views(self) -> list[tuple[View, NDArray]]:
        return self._place().views(self._node)

    def _place(self) -> Built:
        if self._built is None:
            raise OrderError(f"{self} is in no built model, so it has no weights yet: give the model's first layer "
                             "input_shape=, or fit")  # fmt: skip
        return self._built


def matched(weights: Any, views: list[tuple[View, NDArray]], owner: str) -> list[NDArray]:
    """Weights as arrays, checked against the views that they shall fill; nothing is written.

    Raises DTypeError for what is no list of arrays of real numbers, ShapeError for other shapes than the views', and
    ArgumentError for finite numbers that float32 does not hold.
    """
    if isinstance(weights, np.ndarray) or not isinstance(weights, list | tuple):
        raise DTypeError(f"weights of {owner} are {type(weights).__name__}; wanted a list of arrays")
    if len(weights) != len(views):
        raise ShapeError(f"{owner} has {len(views)} weights, and {len(weights)} were given")
    arrays = []
    for (view, array), value in zip(views, weights, strict=True):
        try:
            found = np.asarray(value)
            if found.dtype.kind not in "fiub" and found.dtype.name != "bfloat16":
                raise TypeError(f"its dtype is {found.dtype.name}")
            with np.errstate(all="ignore"):
                given = found.astype(np.float32, copy=False)
        except (TypeError, ValueError, RuntimeError) as error:
            raise DTypeError(f"weight {view.name!r} of {owner}: {error}; wanted an array of real numbers") from None
        if given.shape != array.shape:
            raise ShapeError(f"weight {view.name!r} of {owner} has shape {array.shape}, and {given.shape} was given")
        if (np.isinf(given) & np.isfinite(found)).any():
            raise ArgumentError(f"weight {view.name!r} of {owner} holds numbers that float32 does not")
        arrays.append(given)
    return arrays


class ImageLayer(Layer):
    """A layer over images, whose sizes the user sees in the order of data_format."""

    def __init__(self, data_format: Any, name: str | None, input_shape: Any) -> None:
        super().__init__(name=name, input_shape=input_shape)
        self.data_format = _formats.resolved(data_format, f"data_format of {self}")
