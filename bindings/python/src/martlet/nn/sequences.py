"""Layers over sequences, (length, channels), and Embedding, which makes them of whole numbers.

Their arguments are Keras's by name and default, as far as they are listed; padding may also be given in numbers.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import DTypeError
from martlet.nn import _formats, activations, initializers, regularizers
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph
from martlet.nn.basic import activated, unserved, weighted
from martlet.nn.images import ImageLayer


class Embedding(Layer):
    """The row of a table that each whole number of an input names: (...) becomes (..., output_dim).

    input_dim                 rows of the table: samples hold 0 to input_dim - 1, else ArgumentError
    output_dim                columns
    embeddings_initializer    as Dense's kernel_initializer; "uniform" is within 0.05
    embeddings_regularizer    as Dense's kernel_regularizer
    mask_zero                 whether 0 stands for no step: LSTM and its like pass over such steps, behind layers that
                              hand a mask on, as Masking says. Samples are sequences then, (steps,)
    others                    Keras's argument embeddings_constraint: another than None raises UnsupportedError
    trainable                 as Layer's
    sparse                    torch.nn.Embedding's argument: True steps those rows alone that a batch names, with their
                              moments, as torch.optim.SparseAdam does: quicker where the table is large. With an
                              optimizer's defer_rows=True the others follow later, to the bits of sparse=False. What
                              sees a parameter as a whole, averages, accumulates or copies it takes no such table:
                              UnsupportedError by the first step; with a regularizer it is ArgumentError

    padding_idx               torch's argument: the row that gets no gradient where it is named; None: none. What else
                              reads the table, such as TiedDense, gives it one, and decay moves it, as in torch. With
                              sparse it is ArgumentError

    It reads a model's input alone, whose samples are int32, int64 or uint8, and are read as they are; other whole
    numbers are converted once. Weights: embeddings, (input_dim, output_dim).
    """

    _words = Layer._words | {
        "vocabulary": "input_dim", "units": "output_dim", "kernel_value": "embeddings_initializer",
        "still_row": "padding_idx",
    }  # fmt: skip

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        *,
        mask_zero: bool = False,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        sparse: bool = False,
        padding_idx: int | None = None,
        **others: Any,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        unserved(self, others, ("embeddings_constraint",))
        self.sparse = _arguments.flag(sparse, f"sparse of {self}")
        self.input_dim = _arguments.integer(input_dim, f"input_dim of {self}")
        self.output_dim = _arguments.integer(output_dim, f"output_dim of {self}")
        self.embeddings_initializer = initializers.get(embeddings_initializer, f"embeddings_initializer of {self}")
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer, f"embeddings_regularizer of {self}")
        self.mask_zero = _arguments.flag(mask_zero, f"mask_zero of {self}")
        where = f"padding_idx of {self}"
        self.padding_idx = (
            None if padding_idx is None else _arguments.integer(padding_idx, where, 0, self.input_dim - 1)
        )

    def _lay(self, graph: Graph, name: str) -> int:
        graph.reads_rows(self.input_dim, name)
        return graph.add(
            _ffi_models.LAYER_EMBEDDING,
            name,
            vocabulary=self.input_dim,
            units=self.output_dim,
            flags=self._frozen_flag
            | (_ffi_models.SPARSE if self.sparse else 0)
            | (_ffi_models.MASK_ZERO if self.mask_zero else 0),
            kernel_initializer=self.embeddings_initializer.number,
            kernel_value=self.embeddings_initializer.value,
            still_row=-1 if self.padding_idx is None else self.padding_idx,
            **regularizers.factors(self.embeddings_regularizer),
        )


class SequenceLayer(ImageLayer):
    """A layer over sequences. data_format is Keras's argument: "channels_first" raises UnsupportedError when the model
    is built. Not for use by itself."""


class Conv1D(SequenceLayer):
    """activation(cross-correlation of x with kernel + bias) along a sequence.

    filters         channels of the output
    kernel_size     length of the window; a whole number, or one in a tuple; so strides and dilation_rate
    padding         "valid": none; "same": the output has ceil(length / stride); "causal": zeros before the first, so
                    that no place sees later ones; or zeros at both ends: one number, or (before, after), each less than
                    the window that dilation spans
    groups, activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer, trainable, others
                    as Conv2D's

    (length, channels) becomes (places, filters). Weights: kernel, (length of the window, channels / groups, filters);
    bias, (filters,). A window longer than the padded sequence raises ShapeError when the model is built.
    """

    _words = ImageLayer._words | {"units": "filters", "kernel": "kernel_size", "dilation": "dilation_rate"}

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        self.kernel_size = _one(kernel_size, f"kernel_size of {self}")
        self.strides = _one(strides, f"strides of {self}")
        self.dilation_rate = _one(dilation_rate, f"dilation_rate of {self}")
        self.padding = padding
        behind = self.dilation_rate[0] * (self.kernel_size[0] - 1)
        self._padding = padded((behind, 0) if padding == "causal" else padding, f"padding of {self}")
        self.groups = _arguments.integer(groups, f"groups of {self}")
        self.activation = activations.get(activation, f"activation of {self}")
        self.use_bias = _arguments.flag(use_bias, f"use_bias of {self}")
        self.kernel_initializer = initializers.get(kernel_initializer, f"kernel_initializer of {self}")
        self.bias_initializer = initializers.get(bias_initializer, f"bias_initializer of {self}")
        self.kernel_regularizer = regularizers.get(kernel_regularizer, f"kernel_regularizer of {self}")
        unserved(self, others)

    def _lay(self, graph: Graph, name: str) -> int:
        graph.sequence(self.data_format, name)
        return graph.add(
            _ffi_models.LAYER_CONV1D,
            name,
            units=self.filters,
            kernel=(*self.kernel_size, 1),
            stride=(*self.strides, 1),
            dilation=(*self.dilation_rate, 1),
            groups=self.groups,
            **self._padding,
            **activated(self.activation),
            **weighted(self),
        )


class Cropping1D(Layer):
    """A sequence without some steps: (length, channels) becomes (length - before - after, channels).

    cropping    steps that are left out: as many at either end, or (before, after)
    """

    _words = Layer._words | {"pads": "cropping"}

    def __init__(self, cropping: Any = (1, 1), *, name: str | None = None, input_shape: Any = None) -> None:
        super().__init__(name=name, input_shape=input_shape)
        self.cropping = _arguments.pair(cropping, f"cropping of {self}", 0)

    def _lay(self, graph: Graph, name: str) -> int:
        graph.sequence(_formats.LAST, name)
        return graph.add(_ffi_models.LAYER_CROPPING1D, name, pads=(*self.cropping, 0, 0))


class Pool1D(SequenceLayer):
    """A window that moves along each channel apart. Not for use by itself.

    pool_size      length of the window; so strides, None being the window's own
    padding        "valid", "same", or zeros at both ends as Conv1D's; what it adds counts in no window

    (length, channels) becomes (places, channels).
    """

    _kind = 0
    _words = ImageLayer._words | {"kernel": "pool_size"}

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: Any = None,
    ) -> None:
        super().__init__(data_format, name, input_shape)
        self.pool_size = _one(pool_size, f"pool_size of {self}")
        self.strides = self.pool_size if strides is None else _one(strides, f"strides of {self}")
        self.padding = padding
        self._padding = padded(padding, f"padding of {self}")

    def _lay(self, graph: Graph, name: str) -> int:
        graph.sequence(self.data_format, name)
        return graph.add(self._kind, name, kernel=(*self.pool_size, 1), stride=(*self.strides, 1), **self._padding)


class MaxPooling1D(Pool1D):
    """The largest element of each window: (length, channels) becomes (places, channels). Arguments as Pool1D's."""

    _kind = _ffi_models.LAYER_MAX_POOL1D


class AveragePooling1D(Pool1D):
    """The mean of each window: (length, channels) becomes (places, channels). Arguments as Pool1D's."""

    _kind = _ffi_models.LAYER_AVERAGE_POOL1D


class GlobalPool1D(SequenceLayer):
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
        graph.sequence(self.data_format, name)
        node = graph.add(self._kind, name)
        if self.keepdims:
            graph.add(_ffi_models.LAYER_RESHAPE, self._hidden_names(name)[0], rank=2, sizes=(1, -1))
        return node

    def _hidden_names(self, name: str) -> list[str]:
        return [f"{name}_keepdims"]


class GlobalAveragePooling1D(GlobalPool1D):
    """The mean of each channel: (length, channels) becomes (channels,), or with keepdims (1, channels). Of a sequence
    with a mask that of the steps that are seen, and 0 where none is."""

    _kind = _ffi_models.LAYER_GLOBAL_AVERAGE_POOL1D


class GlobalMaxPooling1D(GlobalPool1D):
    """The largest element of each channel: (length, channels) becomes (channels,), or with keepdims (1, channels)."""

    _kind = _ffi_models.LAYER_GLOBAL_MAX_POOL1D


MaxPool1D = MaxPooling1D
AvgPool1D = AveragePooling1D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalMaxPool1D = GlobalMaxPooling1D
Convolution1D = Conv1D


def _one(value: Any, where: str) -> tuple[int]:
    """A whole number, or one in a tuple."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return (_arguments.integer(value, where),)


def padded(padding: Any, where: str) -> dict[str, Any]:
    """The fields of a sequence layer's padding."""
    if isinstance(padding, str):
        names = {"valid": _ffi_models.PADDING_VALID, "same": _ffi_models.PADDING_SAME}
        return {"padding": _arguments.one_of(padding, names, where)}
    if not isinstance(padding, Integral) and not (isinstance(padding, list | tuple) and len(padding) == 2):
        raise DTypeError(f'{where} is {padding!r}; wanted "valid", "same", a whole number, or (before, after)')
    before, after = _arguments.pair(padding, where, 0)
    return {"padding": _ffi_models.PADDING_EXPLICIT, "pads": (before, after, 0, 0)}
