"""Layers over samples of any shape: Dense, activations, Dropout, and those that move elements or rename sizes.

Their arguments are Keras's by name and default, as far as they are listed. Images have images.py, normalisation
normalizations.py; layers.py has all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, ShapeError, UnsupportedError
from martlet.nn import activations, initializers, regularizers
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph


class Dense(Layer):
    """activation(x kernel + bias) over the last size: (..., inputs) becomes (..., units).

    units                units of the output, 1 or more
    activation           "relu", "leaky_relu" (slope 0.2), "gelu" (exact), "silu" or "swish", "tanh", "sigmoid",
                         "softmax" (over the last size), "elu", "selu", "softplus", "hard_sigmoid", "mish",
                         "exponential", or None or "linear": none
    use_bias             whether there is a bias
    kernel_initializer   "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform",
    bias_initializer     "lecun_normal", "zeros", "ones", "constant", "random_normal", "random_uniform",
                         "variance_scaling", or an object
                         of martlet.nn.initializers, such as RandomNormal(stddev=0.1); of the kernel "orthogonal"
    kernel_regularizer   None, or an object of martlet.nn.regularizers, such as L2(1e-4), or its name
    input_dim            of the first layer: input_shape with this one size
    trainable            as Layer's
    others               Keras's arguments bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint:
                         others than None raise UnsupportedError

    Weights: kernel, (inputs, units); bias, (units,). Arguments that cannot be raise ArgumentError or DTypeError.
    """

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        *,
        name: str | None = None,
        input_shape: Any = None,
        input_dim: int | None = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        if input_dim is not None:
            if input_shape is not None:
                raise ArgumentError(f"input_shape is {input_shape!r} and input_dim {input_dim!r}; wanted one of them")
            input_shape = (input_dim,)
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        self.units = _arguments.integer(units, f"units of {self}")
        self.activation = activations.get(activation, f"activation of {self}")
        self.use_bias = _arguments.flag(use_bias, f"use_bias of {self}")
        self.kernel_initializer = initializers.get(kernel_initializer, f"kernel_initializer of {self}")
        self.bias_initializer = initializers.get(bias_initializer, f"bias_initializer of {self}")
        self.kernel_regularizer = regularizers.get(kernel_regularizer, f"kernel_regularizer of {self}")
        unserved(self, others)

    def _lay(self, graph: Graph, name: str) -> int:
        graph.straighten()
        return graph.add(
            _ffi_models.LAYER_DENSE, name, units=self.units, **activated(self.activation), **weighted(self)
        )


class Activation(Layer):
    """activation(x), by one of the names that Dense lists. The shape stays; softmax is over the last size."""

    def __init__(self, activation: str, *, name: str | None = None, input_shape: Any = None) -> None:
        super().__init__(name=name, input_shape=input_shape)
        self.activation = activations.get(activation, f"activation of {self}")
        self.slope = activations.SLOPE

    def _lay(self, graph: Graph, name: str) -> int:
        if self.activation == "softmax":
            graph.straighten()
        return graph.add(_ffi_models.LAYER_ACTIVATION, name, **activated(self.activation, self.slope))


class ELU(Activation):
    """x, or exp(x) - 1 where x < 0. The shape stays. alpha is Keras's argument; only 1 is served, else
    UnsupportedError."""

    def __init__(self, alpha: float = 1.0, *, name: str | None = None, input_shape: Any = None) -> None:
        super().__init__("elu", name=name, input_shape=input_shape)
        self.alpha = _arguments.real(alpha, f"alpha of {self}")
        if self.alpha != 1:
            raise UnsupportedError(f"alpha of {self} is {alpha}, and only 1 is served")


class ReLU(Activation):
    """max(x, 0); with negative_slope, 0 or more, that times x where x < 0. The shape stays.

    max_value and threshold are Keras's arguments; others than None and 0 raise UnsupportedError.
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        *,
        name: str | None = None,
        input_shape: Any = None,
    ) -> None:
        super().__init__("relu", name=name, input_shape=input_shape)
        if max_value is not None or threshold != 0:
            raise UnsupportedError(f"{self}: max_value and threshold are not served; wanted None and 0")
        self.slope = _arguments.within(negative_slope, f"negative_slope of {self}", 0, math.inf)
        if self.slope:
            self.activation = "leaky_relu"

    @property
    def negative_slope(self) -> float:
        return self.slope if self.activation == "leaky_relu" else 0.0


class LeakyReLU(Activation):
    """x, or negative_slope x where x < 0; the slope is 0 or more. torch's default is 0.01. The shape stays."""

    def __init__(self, negative_slope: float = 0.3, *, name: str | None = None, input_shape: Any = None) -> None:
        super().__init__("leaky_relu", name=name, input_shape=input_shape)
        self.slope = _arguments.within(negative_slope, f"negative_slope of {self}", 0, math.inf)

    @property
    def negative_slope(self) -> float:
        return self.slope


class Softmax(Activation):
    """exp(x) / sum exp(x) over the last size. The shape stays. Another axis than the last raises UnsupportedError when
    the model is built."""

    def __init__(self, axis: int = -1, *, name: str | None = None, input_shape: Any = None) -> None:
        super().__init__("softmax", name=name, input_shape=input_shape)
        self.axis = axis
        _arguments.integer(axis, f"axis of {self}", -8)

    def _lay(self, graph: Graph, name: str) -> int:
        if self.axis not in (-1, len(graph.sizes)):
            raise UnsupportedError(f"layer {name!r}: axis is {self.axis!r}, and only the last one, -1, is served")
        return super()._lay(graph, name)


class Dropout(Layer):
    """In training each element becomes 0 with probability rate, and x / (1 - rate) otherwise (Srivastava et al.,
    2014). Which ones is drawn from the model's seed. rate is 0 or more and less than 1. The shape stays. Keras's
    arguments noise_shape and seed raise UnsupportedError where they are not None."""

    def __init__(self, rate: float, *, name: str | None = None, input_shape: Any = None, **others: Any) -> None:
        super().__init__(name=name, input_shape=input_shape)
        self.rate = _arguments.within(rate, f"rate of {self}", 0, 1, open_end=True)
        unserved(self, others, ("noise_shape", "seed"))

    def _lay(self, graph: Graph, name: str) -> int:
        return graph.add(_ffi_models.LAYER_DROPOUT, name, rate=self.rate)


class Flatten(Layer):
    """All elements of a sample in one row, in the order in which its user sees them: channels_first images channel by
    channel, as in torch (Keras turns them first): (a, b, ...) becomes (a b ...,)."""

    def _lay(self, graph: Graph, name: str) -> int:
        graph.straighten()
        return graph.add(_ffi_models.LAYER_FLATTEN, name)


class Reshape(Layer):
    """The same elements with other sizes, of which one may be -1: what is left.

    Reshape((2, -1)) makes (2, 6) of (3, 4). There are 1 to 8 sizes, the batch not among them. Another number of
    elements raises ShapeError when the model is built.
    """

    def __init__(self, target_shape: Sequence[int], *, name: str | None = None, input_shape: Any = None) -> None:
        super().__init__(name=name, input_shape=input_shape)
        where = f"target_shape of {self}"
        given = list(target_shape) if isinstance(target_shape, list | tuple) else []
        known = [1 if isinstance(size, Integral) and size == -1 else size for size in given]
        _arguments.shape(known or target_shape, where)
        self.target_shape = tuple(int(size) for size in target_shape)

    def _lay(self, graph: Graph, name: str) -> int:
        graph.straighten()
        return graph.add(_ffi_models.LAYER_RESHAPE, name, rank=len(self.target_shape), sizes=self.target_shape)


class Permute(Layer):
    """The sizes in another order: dims names, from 1, the input's dimension that each of the output's is.

    Permute((3, 1, 2)) makes (c, a, b) of (a, b, c): a channels_first image of a channels_last one. dims that are not
    each of 1 to their number once raise ShapeError, and so does an input of another number of sizes, when the model is
    built.
    """

    def __init__(self, dims: Sequence[int], *, name: str | None = None, input_shape: Any = None) -> None:
        super().__init__(name=name, input_shape=input_shape)
        self.dims = _arguments.shape(dims, f"dims of {self}")
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ShapeError(f"dims of {self} is {self.dims}; wanted each of 1 to {len(self.dims)} once")

    def _lay(self, graph: Graph, name: str) -> int:
        graph.straighten()
        sizes = tuple(dimension - 1 for dimension in self.dims)
        return graph.add(_ffi_models.LAYER_PERMUTE, name, rank=len(sizes), sizes=sizes)


def activated(activation: str, slope: float = activations.SLOPE) -> dict[str, Any]:
    """The fields of a layer's activation."""
    fields: dict[str, Any] = {"activation": activations.NUMBERS[activation]}
    if activation == "leaky_relu":
        fields["slope"] = slope
    return fields


def weighted(layer: Any, kernel_name: str = "kernel") -> dict[str, Any]:
    """The fields of a layer's kernel, of this name, and bias."""
    kernel, bias = getattr(layer, f"{kernel_name}_initializer"), layer.bias_initializer
    return {
        **regularizers.factors(getattr(layer, f"{kernel_name}_regularizer")),
        "flags": layer._frozen_flag | (0 if layer.use_bias else _ffi_models.NO_BIAS),
        "kernel_initializer": kernel.number,
        "kernel_value": kernel.value,
        "bias_initializer": bias.number,
        "bias_value": bias.value,
    }


_UNSERVED = ("bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint")


def refuse_mask(layer: Layer, name: str, mask: Any) -> None:
    """Refuses a call's mask that is not the sequence's own."""
    if mask is not None:
        raise UnsupportedError(f"{layer!r} was called with {name}; wanted a sequence that has it, such as "
                               "Masking()(x, mask=m) or SequenceMask()(x, lengths) gives")  # fmt: skip


def unserved(layer: Any, given: dict[str, Any], names: Sequence[str] = _UNSERVED) -> None:
    """Takes Keras's arguments that the library does not serve where they are None, and names others."""
    for name, value in given.items():
        if name not in names:
            raise TypeError(f"{type(layer).__name__}() got an unexpected keyword argument {name!r}")
        if value is not None:
            raise UnsupportedError(f"{name} of {layer} is {value!r}, which is not served; wanted None")
