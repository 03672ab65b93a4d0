"""Layers of one's own, in numpy: a subclass of OwnLayer says what it gives and what becomes of slopes; Lambda takes two
functions.

The library runs the model and calls back at such a layer, on the way forward and on the way back. The layer's weights
lie among the model's, so that optimizers, files and callbacks find them there.
"""

from __future__ import annotations

import inspect
import weakref
from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, DTypeError, OrderError, ShapeError, UnsupportedError
from martlet._records import OwnPass, View
from martlet.nn import _own_passes, initializers
from martlet.nn._built import Built
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph
from martlet.nn._matching import NDArray
from martlet.nn._own_passes import Shape, Weight


class OwnLayer(Layer):
    """A layer that a class of one's own computes with numpy: slower than the library's, which computes the rest.

        class Scale(OwnLayer):
            def build(self, input_shape):
                self.scale = self.add_weight(input_shape[1:], "ones", name="scale")

            def call(self, x):
                return x * self.scale

            def gradient(self, x, slopes):
                return slopes * self.scale, [(slopes * x).sum(0)]

    build(input_shape)    makes weights by add_weight; called once, with None for the batch and the sizes of a sample
    call(x)               what the layer gives for a batch x, (samples, sizes...) in float32: as many samples. With a
                          parameter named training it is told whether the batch is trained on
    gradient(x, slopes)   given what the loss changes by with each element that call(x) gave, what it changes by with
                          each of x; of a layer with weights a pair of that, and a list of the same for each weight,
                          which are sums over the batch
    compute_output_shape(input_shape)    the sizes of what call gives, None first; without it, call is tried on two
                          samples of zeros, and weights of ones

    Called with a list of nodes, up to 16, input_shape, x and gradient's first are lists of as many. x is a copy of the
    layer's own. In call and gradient a weight is its array, to read; elsewhere it is where it lies, as weights are.

    get_config has the arguments of __init__ that are attributes, and name and trainable where it takes **options;
    load_model and from_config take the class as custom_objects. Muon leaves the weights to AdamW, and a regularizer is
    for a loss of one's own to add. What call or gradient raises, the call raises that needed it, and so are ShapeError,
    DTypeError and ArgumentError for what they should not give: other shapes, no numbers, slopes that are not finite
    where those given were. Then no step was taken, and moving means are as before. Inside them, calls that compute in
    the library raise BusyError. Several threads that predict at once are inside call at once.
    """

    _computes = _reads_any = True

    def __init__(self, *, name: str | None = None, input_shape: Any = None, trainable: bool = True) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        self._weights: list[Weight] = []
        self._attributes: dict[str, int] = {}
        self._shapes: list[Shape] | None = None  # for which it is built
        self._is_building = self._is_new = False
        self._hears_training = "training" in inspect.signature(self.call).parameters

    @abstractmethod
    def call(self, x: Any) -> Any:
        """What the layer gives for a batch."""

    @abstractmethod
    def gradient(self, x: Any, slopes: NDArray) -> Any:
        """What the loss changes by with x, and with each weight."""

    def build(self, input_shape: Any) -> None:
        """Makes the weights; without it there are none."""

    def add_weight(
        self, shape: Any = (), initializer: Any = "glorot_uniform", name: str | None = None, *, trainable: bool = True
    ) -> Any:
        """A weight, in build: what it gives becomes an attribute, self.kernel = self.add_weight((3, 4)).

        shape         its sizes, a tuple, or a number of one size
        initializer   a name or an object of martlet.nn.initializers, or an array of the shape
        name          in files; None: "weight", with a number where there are several
        trainable     taken for Keras's sake: True. Layers are frozen as a whole

        Raises ArgumentError, DTypeError or ShapeError for what cannot be, and OrderError outside of build.
        """
        if not self._is_building:
            raise OrderError(f"add_weight of {self!r} came outside of build; wanted it in build(self, input_shape)")
        if trainable is not True:
            raise UnsupportedError(f"trainable of a weight of {self!r} is {trainable!r}; wanted True, or the layer's")
        given_sizes = (shape,) if isinstance(shape, Integral) else shape
        is_scalar = isinstance(shape, tuple | list) and not shape
        sizes = () if is_scalar else _arguments.shape(given_sizes, f"shape of a weight of {self!r}")
        taken = {weight.name for weight in self._weights}
        where = f"name of a weight of {self!r}"
        given = self._free_weight_name(taken) if name is None else _arguments.text(name, where)
        if not given or "/" in given or given in taken:
            raise ArgumentError(f"{where} is {given!r}; wanted one of its own, without '/'")
        if isinstance(initializer, np.ndarray):
            initial: Any = np.array(_own_passes.numbers(initializer, f"initializer of {self!r}"), np.float32)
            if initial.shape != sizes:
                raise ShapeError(f"initializer of {self!r} is an array of shape {initial.shape}; wanted {sizes}")
        else:
            initial = initializers.get(initializer, f"initializer of {self!r}")
        self._weights.append(Weight(len(self._weights), given, sizes, initial))
        return self._weights[-1]

    @staticmethod
    def _free_weight_name(taken: set[str]) -> str:
        number = 0
        while (name := f"weight_{number}" if number else "weight") in taken:
            number += 1
        return name

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The sizes of what call gives, with None for the batch."""
        shapes = [tuple(one[1:]) for one in (input_shape if isinstance(input_shape, list) else [input_shape])]
        x = [np.zeros((2, *sizes), np.float32) for sizes in shapes]
        weights = [np.ones(weight.shape, np.float32) for weight in self._weights]
        with _own_passes.inside(self, weights), np.errstate(all="ignore"):
            found = _own_passes.called(self, x, training=False)
        if found.ndim < 2 or len(found) != 2:
            raise ShapeError(f"call of {self!r} gave shape {found.shape} for 2 samples of {_own_passes.listed(shapes)}"
                             "; wanted (2, ...), as many samples")  # fmt: skip
        return (None, *found.shape[1:])

    # ---- weights as attributes ----

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Weight):
            self._attributes[name] = value.place
        else:
            object.__setattr__(self, name, value)  # also in a model: a layer of one's own may keep what it likes

    def __getattr__(self, name: str) -> Any:
        place = self.__dict__.get("_attributes", {}).get(name)
        if place is None:
            return object.__getattribute__(self, name)  # which says why there is none
        return _own_passes.weights_of(self)[place]

    def _views_in(self, built: Built, node: int) -> list[tuple[View, NDArray]]:
        found = []
        for view, array in super()._views_in(built, node):
            prefix, offset = view.name.rpartition("/")[0], view.offset
            for weight, part in zip(self._weights, _own_passes.parted(self._weights, array), strict=True):
                found.append((View(f"{prefix}/{weight.name}", node, weight.shape, offset, part.size, view.group), part))
                offset += part.size
        return found

    @property
    def trainable_weights(self) -> list[NDArray]:
        """Those of weights that training changes: all or none."""
        return self.weights if self._trainable else []

    def _filled(self) -> None:
        if self._is_new and not self._kept:
            seed = self._place().model.seed()
            for weight, (_, array) in zip(self._weights, self._views(), strict=True):
                array[...] = weight.drawn((seed + 0x9E3779B97F4A7C15 * (64 * self._node + weight.place + 1)) % 2**64)
        super()._filled()

    def _further_config(self) -> dict[str, Any]:
        kinds = [one.kind for one in inspect.signature(type(self)).parameters.values()]
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            return {}
        shape = {} if self.input_shape is None else {"input_shape": [*self.input_shape]}
        return {"name": self.name, "trainable": self.trainable, **shape}

    # ---- in a model ----

    def _lay(self, graph: Graph, name: str) -> int:
        graph.straighten()
        shapes = graph.all_sizes
        self._build(shapes)
        given: Any = [(None, *sizes) for sizes in shapes]
        found = self.compute_output_shape(given if len(given) > 1 else given[0])
        if not isinstance(found, tuple | list) or len(found) < 2:
            raise ShapeError(f"compute_output_shape of {self!r} gave {found!r}; wanted (None, sizes...)")
        sizes = _arguments.shape(tuple(found[1:]), f"what compute_output_shape of {self!r} gave")
        count = sum(weight.size for weight in self._weights)
        node = graph.add(
            _ffi_models.LAYER_OWN, name, units=count, rank=len(sizes), sizes=sizes, flags=self._frozen_flag
        )
        this = weakref.ref(self)  # a model is in no cycle

        def compute(told: OwnPass) -> None:
            layer = this()
            assert layer is not None
            _own_passes.run(layer, layer._weights, told, shapes, sizes)

        graph.compute(node, compute)
        self._is_new = graph.is_new
        return node

    def _build(self, shapes: list[Shape]) -> None:
        """Has the class make its weights, once for the same shapes."""
        if self._shapes == shapes:
            return
        given: Any = [(None, *sizes) for sizes in shapes]
        self._weights, self._attributes, self._is_building = [], {}, True
        try:
            self.build(given if len(given) > 1 else given[0])
        finally:
            self._is_building = False
        self._shapes = shapes


class Lambda(OwnLayer):
    """A layer of two functions: Lambda(np.square, gradient=lambda x, slopes: 2 * x * slopes).

    function       what it gives for a batch, as OwnLayer's call
    output_shape   the sizes of a sample of what it gives, without the batch; None: function is tried
    gradient       what becomes of slopes, as OwnLayer's gradient: numpy finds none by itself

    A file cannot hold functions: UnsupportedError of save and get_config, for which a subclass of OwnLayer is.
    """

    def __init__(
        self, function: Callable[[Any], Any], output_shape: Any = None, *,
        gradient: Callable[[Any, Any], Any] | None = None, name: str | None = None, input_shape: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(name=name, input_shape=input_shape)
        for what, given in (("function", function), ("gradient", gradient)):
            if not callable(given):
                raise DTypeError(f"{what} of {self} is {given!r}; wanted a function: numpy finds none by itself")
        self._function, self._gradient = function, gradient
        self._shape = None if output_shape is None else _arguments.shape(output_shape, f"output_shape of {self}")

    def call(self, x: Any) -> Any:
        return self._function(x)

    def gradient(self, x: Any, slopes: NDArray) -> Any:
        assert self._gradient is not None
        return self._gradient(x, slopes)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return super().compute_output_shape(input_shape) if self._shape is None else (None, *self._shape)

    def get_config(self) -> dict[str, Any]:
        raise UnsupportedError(f"{self!r} is made of functions, which no config or file can hold; wanted a subclass of "
                               "OwnLayer")  # fmt: skip
