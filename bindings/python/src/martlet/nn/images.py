"""Layers over images: Conv2D, the pools, GlobalAveragePooling2D.

Their arguments are Keras's by name and default, as far as they are listed; padding may also be given in numbers, as in
torch. A kernel's shape is (height, width, channels / groups, filters) whatever the data format, as in Keras.
"""

from __future__ import annotations

from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import DTypeError, UnsupportedError
from martlet.nn import _formats, activations, initializers, regularizers
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph
from martlet.nn.basic import activated, unserved, weighted


class ImageLayer(Layer):
    """A layer over images, whose sizes the user sees in the order of data_format."""

    def __init__(self, data_format: Any, name: str | None, input_shape: Any, trainable: bool = True) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        self.data_format = _formats.resolved(data_format, f"data_format of {self}")


class Conv2D(ImageLayer):
    """activation(cross-correlation of x with kernel + bias).

    filters         channels of the output
    kernel_size     height and width of the window, or one number for both; so strides and dilation_rate
    padding         "valid": none; "same": the output has ceil(size / stride); or zeros at the border: one number,
                    (height, width), or ((top, bottom), (left, right)), each less than the window that dilation spans
    data_format     "channels_last", "channels_first", or None: what set_data_format said
    groups          divides channels and filters
    trainable       as Layer's
    activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer, others    as Dense's

    (height, width, channels) becomes (rows, columns, filters), with channels_first (filters, rows, columns) of
    (channels, height, width). Weights: kernel, (height, width, channels / groups, filters); bias, (filters,). A window
    larger than the padded image raises ShapeError when the model is built.
    """

    _words = ImageLayer._words | {"units": "filters", "kernel": "kernel_size", "dilation": "dilation_rate"}

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        groups: int = 1,
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
        self.kernel_size = _arguments.pair(kernel_size, f"kernel_size of {self}")
        self.strides = _arguments.pair(strides, f"strides of {self}")
        self.padding = padding
        self._padding = padded(padding, f"padding of {self}")
        self.dilation_rate = _arguments.pair(dilation_rate, f"dilation_rate of {self}")
        self.groups = _arguments.integer(groups, f"groups of {self}")
        self.activation = activations.get(activation, f"activation of {self}")
        self.use_bias = _arguments.flag(use_bias, f"use_bias of {self}")
        self.kernel_initializer = initializers.get(kernel_initializer, f"kernel_initializer of {self}")
        self.bias_initializer = initializers.get(bias_initializer, f"bias_initializer of {self}")
        self.kernel_regularizer = regularizers.get(kernel_regularizer, f"kernel_regularizer of {self}")
        unserved(self, others)
        if self.activation == "softmax" and self.data_format == _formats.FIRST:
            raise UnsupportedError(f"activation of {self} is softmax, which is over the last axis: a row of a "
                                   "channels_first image; put a Softmax layer after it if that is meant")  # fmt: skip

    def _lay(self, graph: Graph, name: str) -> int:
        graph.image(self.data_format, name)
        return graph.add(
            _ffi_models.LAYER_CONV2D,
            name,
            units=self.filters,
            kernel=self.kernel_size,
            stride=self.strides,
            dilation=self.dilation_rate,
            groups=self.groups,
            **self._padding,
            **activated(self.activation),
            **weighted(self),
        )


class Pool(ImageLayer):
    """A window that moves over each channel apart. Not for use by itself.

    pool_size      height and width of the window, or one number for both; so strides, None being the window's own size
    padding        as Conv2D's, each border less than the window; what it adds counts in no window
    data_format    as Conv2D's

    (height, width, channels) becomes (rows, columns, channels), with channels_first (channels, rows, columns) of
    (channels, height, width). A window larger than the padded image raises ShapeError when the model is built.
    """

    _kind = 0
    _flags = 0
    _words = ImageLayer._words | {"kernel": "pool_size"}

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: Any = None,
    ) -> None:
        super().__init__(data_format, name, input_shape)
        self.pool_size = _arguments.pair(pool_size, f"pool_size of {self}")
        self.strides = self.pool_size if strides is None else _arguments.pair(strides, f"strides of {self}")
        self.padding = padding
        self._padding = padded(padding, f"padding of {self}")

    def _lay(self, graph: Graph, name: str) -> int:
        graph.image(self.data_format, name)
        window = {"kernel": self.pool_size, "stride": self.strides, "flags": self._flags}
        return graph.add(self._kind, name, **window, **self._padding)


class MaxPooling2D(Pool):
    """The largest element of each window: (height, width, channels) becomes (rows, columns, channels). Arguments and
    errors as Pool's."""

    _kind = _ffi_models.LAYER_MAX_POOL2D


class AveragePooling2D(Pool):
    """The mean of each window: (height, width, channels) becomes (rows, columns, channels). Arguments and errors as
    Pool's; count_padding: zeros at the border count too, as torch has it by default."""

    _kind = _ffi_models.LAYER_AVERAGE_POOL2D

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: Any = None,
        count_padding: bool = False,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name=name, input_shape=input_shape)
        self.count_padding = _arguments.flag(count_padding, f"count_padding of {self}")
        self._flags = _ffi_models.COUNT_PADDING if self.count_padding else 0


class GlobalPool(ImageLayer):
    """One number for each channel. Not for use by itself."""

    _kind = 0

    def __init__(
        self,
        data_format: str | None = None,
        keepdims: bool = False,
        *,
        name: str | None = None,
        input_shape: Any = None,
    ) -> None:
        super().__init__(data_format, name, input_shape)
        self.keepdims = _arguments.flag(keepdims, f"keepdims of {self}")

    def _lay(self, graph: Graph, name: str) -> int:
        graph.image(self.data_format, name)
        node = graph.add(self._kind, name)
        if self.keepdims:
            graph.add(_ffi_models.LAYER_RESHAPE, self._hidden_name(name), rank=3, sizes=(1, 1, -1))
        else:
            graph.forget_turn()
        return node

    @staticmethod
    def _hidden_name(name: str) -> str:
        """Of the node that makes an image of the means."""
        return f"{name}_keepdims"

    def _hidden_names(self, name: str) -> list[str]:
        return [self._hidden_name(name)]


class GlobalAveragePooling2D(GlobalPool):
    """The mean of each channel: (height, width, channels), or (channels, height, width) with channels_first, becomes
    (channels,); with keepdims an image of one pixel, (1, 1, channels) or (channels, 1, 1).

    data_format is as Conv2D's. Samples that are no images raise ShapeError when the model is built.
    """

    _kind = _ffi_models.LAYER_GLOBAL_AVERAGE_POOL2D


class GlobalMaxPooling2D(GlobalPool):
    """The largest element of each channel. Shapes, arguments and errors as GlobalAveragePooling2D's."""

    _kind = _ffi_models.LAYER_GLOBAL_MAX_POOL2D


Convolution2D = Conv2D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalMaxPool2D = GlobalMaxPooling2D
MaxPool2D = MaxPooling2D
AvgPool2D = AveragePooling2D


def padded(padding: Any, where: str) -> dict[str, Any]:
    """The fields of a layer's padding."""
    if isinstance(padding, str):
        names = {"valid": _ffi_models.PADDING_VALID, "same": _ffi_models.PADDING_SAME}
        return {"padding": _arguments.one_of(padding, names, where)}
    if isinstance(padding, list | tuple) and any(isinstance(side, list | tuple) for side in padding):
        if len(padding) != 2:
            raise DTypeError(f"{where} is {padding!r}; wanted ((top, bottom), (left, right))")
        sides = [_arguments.pair(side, f"{where}[{index}]", 0) for index, side in enumerate(padding)]
    else:
        sides = [(number, number) for number in _arguments.pair(padding, where, 0)]
    return {"padding": _ffi_models.PADDING_EXPLICIT, "pads": (*sides[0], *sides[1])}
