"""Convolutions over images beside Conv2D: each channel apart, and transposed ones.

Their arguments are Keras's by name and default, as far as they are listed; padding may also be given in numbers.
"""

from __future__ import annotations

from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import UnsupportedError
from martlet.nn import _formats, activations, initializers, regularizers
from martlet.nn._laying import Graph
from martlet.nn.basic import activated, unserved, weighted
from martlet.nn.images import ImageLayer, padded


class Convolution(ImageLayer):
    """What they share: a window, an activation and a bias. Not for use by itself."""

    _unserved: tuple[str, ...] = ("bias_regularizer", "activity_regularizer", "bias_constraint")

    def _window(self, kernel_size: Any, strides: Any, padding: Any, dilation_rate: Any) -> None:
        self.kernel_size = _arguments.pair(kernel_size, f"kernel_size of {self}")
        self.strides = _arguments.pair(strides, f"strides of {self}")
        self.padding = padding
        self._padding = padded(padding, f"padding of {self}")
        self.dilation_rate = _arguments.pair(dilation_rate, f"dilation_rate of {self}")

    def _output(self, activation: Any, use_bias: Any, bias_initializer: Any, others: dict[str, Any]) -> None:
        self.activation = activations.get(activation, f"activation of {self}")
        self.use_bias = _arguments.flag(use_bias, f"use_bias of {self}")
        self.bias_initializer = initializers.get(bias_initializer, f"bias_initializer of {self}")
        unserved(self, others, self._unserved)
        if self.activation == "softmax" and self.data_format == _formats.FIRST:
            raise UnsupportedError(f"activation of {self} is softmax, which is over the last axis: a row of a "
                                   "channels_first image; put a Softmax layer after it if that is meant")  # fmt: skip

    def _fields(self) -> dict[str, Any]:
        """Of the window."""
        return {
            "kernel": self.kernel_size, "stride": self.strides, "dilation": self.dilation_rate, **self._padding,
        }  # fmt: skip


class DepthwiseConv2D(Convolution):
    """activation(cross-correlation of each channel apart with kernels of its own + bias).

    kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, bias_initializer, trainable
                              as Conv2D's
    depth_multiplier          kernels of each channel: the output's channel c depth_multiplier + n is that of channel c
                              with its kernel n
    depthwise_initializer,    as Dense's kernel_initializer and kernel_regularizer
    depthwise_regularizer
    others                    Keras's arguments bias_regularizer, activity_regularizer, depthwise_constraint and
                              bias_constraint: others than None raise UnsupportedError

    (height, width, channels) becomes (rows, columns, channels depth_multiplier), with channels_first in its order.
    Weights: kernel, (height, width, channels, depth_multiplier); bias, (channels depth_multiplier,). Errors as
    Conv2D's.
    """

    _words = ImageLayer._words | {
        "units": "depth_multiplier", "kernel": "kernel_size", "dilation": "dilation_rate",
        "kernel_value": "depthwise_initializer",
    }  # fmt: skip
    _unserved = (*Convolution._unserved, "depthwise_constraint")

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: str | None = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        *,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(data_format, name, input_shape, trainable)
        self._window(kernel_size, strides, padding, dilation_rate)
        self._output(activation, use_bias, bias_initializer, others)
        self.depth_multiplier = _arguments.integer(depth_multiplier, f"depth_multiplier of {self}")
        self.depthwise_initializer = initializers.get(depthwise_initializer, f"depthwise_initializer of {self}")
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer, f"depthwise_regularizer of {self}")

    def _lay(self, graph: Graph, name: str) -> int:
        graph.image(self.data_format, name)
        return graph.add(
            _ffi_models.LAYER_DEPTHWISE_CONV2D,
            name,
            units=self.depth_multiplier,
            **self._fields(),
            **activated(self.activation),
            **weighted(self, "depthwise"),
        )


class SeparableConv2D(Convolution):
    """activation(Conv2D of one pixel, with a bias, of DepthwiseConv2D without one): two nodes of the model.

    filters                   channels of the output
    kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier    of the first, DepthwiseConv2D
    activation, use_bias, bias_initializer    of the second
    depthwise_initializer, pointwise_initializer, depthwise_regularizer, pointwise_regularizer
                              of the first and second kernel, as Dense's
    trainable                 as Layer's
    others                    Keras's arguments bias_regularizer, activity_regularizer, depthwise_constraint,
                              pointwise_constraint and bias_constraint: others than None raise UnsupportedError

    (height, width, channels) becomes (rows, columns, filters), with channels_first in its order. Weights: depthwise
    kernel, (height, width, channels, depth_multiplier); kernel, (1, 1, channels depth_multiplier, filters); bias,
    (filters,). Errors as Conv2D's.
    """

    _words = ImageLayer._words | {
        "units": "filters, or depth_multiplier,", "kernel": "kernel_size", "dilation": "dilation_rate",
        "kernel_value": "depthwise_initializer or pointwise_initializer",
    }  # fmt: skip
    _unserved = (*Convolution._unserved, "depthwise_constraint", "pointwise_constraint")

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        depth_multiplier: int = 1,
        activation: str | None = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        *,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(data_format, name, input_shape, trainable)
        self.filters = _arguments.integer(filters, f"filters of {self}")
        self._window(kernel_size, strides, padding, dilation_rate)
        self.depth_multiplier = _arguments.integer(depth_multiplier, f"depth_multiplier of {self}")
        self._output(activation, use_bias, bias_initializer, others)
        self.depthwise_initializer = initializers.get(depthwise_initializer, f"depthwise_initializer of {self}")
        self.pointwise_initializer = initializers.get(pointwise_initializer, f"pointwise_initializer of {self}")
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer, f"depthwise_regularizer of {self}")
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer, f"pointwise_regularizer of {self}")

    def _lay(self, graph: Graph, name: str) -> int:
        graph.image(self.data_format, name)
        first = weighted(self, "depthwise")
        first["flags"] |= _ffi_models.NO_BIAS
        graph.add(
            _ffi_models.LAYER_DEPTHWISE_CONV2D,
            self._hidden_names(name)[0],
            units=self.depth_multiplier,
            **self._fields(),
            **first,
        )
        return graph.add(
            _ffi_models.LAYER_CONV2D,
            name,
            units=self.filters,
            kernel=(1, 1),
            **activated(self.activation),
            **weighted(self, "pointwise"),
        )

    def _hidden_names(self, name: str) -> list[str]:
        return [f"{name}_depthwise"]

    def _weighted_nodes(self) -> list[int]:
        return [self._node - 1, self._node]


class Conv2DTranspose(Convolution):
    """activation(transposed convolution of x with kernel + bias): what a Conv2D's gradient of its input is, taken
    forward.

    filters            channels of the output
    kernel_size, strides, data_format, dilation_rate, activation, use_bias, kernel_initializer, bias_initializer,
    kernel_regularizer, trainable, others    as Conv2D's
    padding            "valid": with n = dilation_rate (kernel_size - 1) + 1 and o for output_padding the output has
                       (size - 1) stride + n + o; "same": (size - 1) stride + n % 2 + o; numbers as Conv2D's: the first,
                       less these zeros at either end, as torch has it
    output_padding     rows and columns more at the end, one number or two; None: as many as make of "same" size stride,
                       and of "valid" (size - 1) stride + max(n, stride)

    (height, width, channels) becomes (rows, columns, filters), with channels_first in its order. Weights: kernel,
    (height, width, filters, channels); bias, (filters,). An output without a pixel raises ShapeError when the model is
    built.
    """

    _words = ImageLayer._words | {"units": "filters", "kernel": "kernel_size", "dilation": "dilation_rate"}
    _unserved = (*Convolution._unserved, "kernel_constraint")

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        *,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(data_format, name, input_shape, trainable)
        self.filters = _arguments.integer(filters, f"filters of {self}")
        self._window(kernel_size, strides, padding, dilation_rate)
        where = f"output_padding of {self}"
        self.output_padding = None if output_padding is None else _arguments.pair(output_padding, where, 0)
        self._output(activation, use_bias, bias_initializer, others)
        self.kernel_initializer = initializers.get(kernel_initializer, f"kernel_initializer of {self}")
        self.kernel_regularizer = regularizers.get(kernel_regularizer, f"kernel_regularizer of {self}")

    def _lay(self, graph: Graph, name: str) -> int:
        graph.image(self.data_format, name)
        return graph.add(
            _ffi_models.LAYER_CONV2D_TRANSPOSE,
            name,
            units=self.filters,
            output_padding=self.output_padding or (-1, -1),
            **self._fields(),
            **activated(self.activation),
            **weighted(self),
        )


SeparableConvolution2D = SeparableConv2D
Convolution2DTranspose = Conv2DTranspose
