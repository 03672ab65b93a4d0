"""Python's layer for each kind of a file's layers, made of what the file says of it."""

from __future__ import annotations

from typing import Any

from martlet import _ffi_models
from martlet._records import Line
from martlet.nn import (
    _formats,
    activations,
    augmentations,
    convolutions,
    images,
    layers,
    masking,
    normalizations,
    recurrent,
    sequences,
    tied,
)
from martlet.nn._layer import Layer
from martlet.nn._recurrence import Recurrent
from martlet.nn.group_normalizations import GroupNormalization
from martlet.nn.initializers import Initializer
from martlet.nn.regularizers import Regularizer


def noted(layer: Layer, note: dict[str, Any]) -> Layer:
    """The layer of the class, and with the axis, that Python's notes say."""
    if (
        isinstance(layer, normalizations.BatchNormalization | normalizations.Normalization | GroupNormalization)
        and "axis" in note
    ):
        layer.axis = type(layer)(axis=note["axis"]).axis
    if not isinstance(layer, layers.Activation):
        return layer
    name, wanted = layer.activation, note.get("class")
    if wanted == "Activation" and (name != "leaky_relu" or layer.slope == activations.SLOPE):
        return layers.Activation(name)
    if wanted == "ReLU" and name in ("relu", "leaky_relu"):
        return layers.ReLU(negative_slope=layer.slope if name == "leaky_relu" else 0.0)
    if wanted == "ELU" and name == "elu":
        return layers.ELU()
    if wanted == "Softmax" and name == "softmax":
        return layers.Softmax()
    return layer


def _weighted(line: Line, kernel: str = "kernel") -> dict[str, Any]:
    return {
        "activation": _activation(line),
        "use_bias": not line["flags"] & _ffi_models.NO_BIAS,
        "trainable": not line["flags"] & _ffi_models.FROZEN,
        "bias_initializer": Initializer(line["bias_initializer"], line["bias_value"]),
        f"{kernel}_initializer": Initializer(line["kernel_initializer"], line["kernel_value"]),
        f"{kernel}_regularizer": _penalty(line),
    }


def _penalty(line: Line) -> Regularizer | None:
    return Regularizer(line["l1"], line["l2"]) if line["l1"] or line["l2"] else None


def _activation(line: Line, field: str = "activation") -> str:
    (name,) = (name for name, number in activations.NUMBERS.items() if number == line[field])
    return name


def _padding(line: Line) -> Any:
    top, bottom, left, right = line["pads"]
    return ("valid", "same", ((top, bottom), (left, right)))[line["padding"]]


def _dense(line: Line, data_format: str) -> Layer:
    return layers.Dense(line["units"], **_weighted(line))


def _conv2d(line: Line, data_format: str) -> Layer:
    return images.Conv2D(
        line["units"], line["kernel"], line["stride"], _padding(line), data_format, line["dilation"], line["groups"],
        **_weighted(line),
    )  # fmt: skip


def _pool(line: Line) -> dict[str, Any]:
    strides = None if line["stride"] == (0, 0) else line["stride"]
    return {"pool_size": line["kernel"], "strides": strides, "padding": _padding(line)}


def _axis(axis: int) -> int:
    """As the user says it, the batch being axis 0."""
    return axis if axis < 0 else axis + 1


def _max_pool(line: Line, data_format: str) -> Layer:
    return images.MaxPooling2D(**_pool(line), data_format=data_format)


def _average_pool(line: Line, data_format: str) -> Layer:
    counts = bool(line["flags"] & _ffi_models.COUNT_PADDING)
    return images.AveragePooling2D(**_pool(line), data_format=data_format, count_padding=counts)


def _batch_norm(line: Line, data_format: str) -> Layer:
    flags = line["flags"]
    layer = normalizations.BatchNormalization(
        momentum=line["momentum"],
        epsilon=line["epsilon"],
        center=not flags & _ffi_models.NO_BIAS,
        scale=not flags & _ffi_models.NO_SCALE,
        unbiased_variance=bool(flags & _ffi_models.UNBIASED_VARIANCE),
        trainable=not flags & _ffi_models.FROZEN,
    )
    layer.data_format = data_format
    return layer


def _layer_norm(line: Line, data_format: str) -> Layer:
    flags = line["flags"]
    return normalizations.LayerNormalization(
        epsilon=line["epsilon"],
        center=not flags & _ffi_models.NO_BIAS,
        scale=not flags & _ffi_models.NO_SCALE,
        trainable=not flags & _ffi_models.FROZEN,
    )


def _rms_norm(line: Line, data_format: str) -> Layer:
    if line["flags"] & _ffi_models.NO_SCALE:
        raise ValueError("it has no scale, which no class has")
    return normalizations.RMSNormalization(epsilon=line["epsilon"], trainable=not line["flags"] & _ffi_models.FROZEN)


def _group_norm(line: Line, data_format: str) -> Layer:
    flags = line["flags"]
    layer = GroupNormalization(
        line["groups"],
        epsilon=line["epsilon"],
        center=not flags & _ffi_models.NO_BIAS,
        scale=not flags & _ffi_models.NO_SCALE,
        trainable=not flags & _ffi_models.FROZEN,
    )
    layer.data_format = data_format
    return layer


def _depthwise(line: Line, data_format: str) -> Layer:
    return convolutions.DepthwiseConv2D(
        line["kernel"], line["stride"], _padding(line), line["units"], data_format, line["dilation"],
        **_weighted(line, "depthwise"),
    )  # fmt: skip


def _transposed(line: Line, data_format: str) -> Layer:
    more = line["output_padding"]
    return convolutions.Conv2DTranspose(
        line["units"], line["kernel"], line["stride"], _padding(line), None if more == (-1, -1) else more, data_format,
        line["dilation"], **_weighted(line),
    )  # fmt: skip


def _zeros(line: Line, data_format: str) -> Layer:
    top, bottom, left, right = line["pads"]
    return augmentations.ZeroPadding2D(((top, bottom), (left, right)), data_format)


def _flip(line: Line, data_format: str) -> Layer:
    (mode,) = (mode for mode, flags in augmentations.FLIPS.items() if flags == line["flags"])
    return augmentations.RandomFlip(mode, data_format=data_format)


def _embedding(line: Line, data_format: str) -> Layer:
    initializer = Initializer(line["kernel_initializer"], line["kernel_value"])
    flags = line["flags"]
    return sequences.Embedding(
        line["vocabulary"], line["units"], initializer, _penalty(line), trainable=not flags & _ffi_models.FROZEN,
        sparse=bool(flags & _ffi_models.SPARSE), mask_zero=bool(flags & _ffi_models.MASK_ZERO),
        padding_idx=None if line["still_row"] < 0 else line["still_row"],
    )  # fmt: skip


def _recurrent(kind: Any) -> Any:
    def made(line: Line, data_format: str) -> Layer:
        flags, fields = line["flags"], _weighted(line)
        if flags & (_ffi_models.RETURN_STATE | _ffi_models.INPUT_ORDER | _ffi_models.ZERO_HIDDEN):
            raise ValueError("it gives its states in rows, or in an order, that no class has")
        if kind is not recurrent.SimpleRNN:
            fields["recurrent_activation"] = _activation(line, "recurrent_activation")
        if kind is recurrent.LSTM:
            fields["unit_forget_bias"] = bool(flags & _ffi_models.UNIT_FORGET_BIAS)
        if kind is recurrent.GRU:
            fields["reset_after"] = not flags & _ffi_models.RESET_FIRST
        layer: Recurrent = kind(
            line["units"],
            recurrent_initializer=Initializer(line["recurrent_initializer"], line["recurrent_value"]),
            return_sequences=bool(flags & _ffi_models.RETURN_SEQUENCES),
            go_backwards=bool(flags & _ffi_models.GO_BACKWARDS),
            stateful=bool(flags & _ffi_models.STATEFUL),
            dropout=line["rate"],
            recurrent_dropout=line["recurrent_rate"],
            **fields,
        )
        if flags & _ffi_models.STATEFUL:
            layer.batch_size = line["groups"]
        return layer

    return made


def _conv1d(line: Line, data_format: str) -> Layer:
    return sequences.Conv1D(
        line["units"], line["kernel"][0], line["stride"][0], _ends(line), _formats.LAST, line["dilation"][0],
        line["groups"], **_weighted(line),
    )  # fmt: skip


def _ends(line: Line) -> Any:
    return ("valid", "same", tuple(line["pads"][:2]))[line["padding"]]


def _cropping1d(line: Line, data_format: str) -> Layer:
    if line["units"]:
        raise ValueError("it takes the last steps, as many as are said, which no class does")
    return sequences.Cropping1D(line["pads"][:2])


def _pool1d(kind: type[sequences.Pool1D]) -> Any:
    def made(line: Line, data_format: str) -> Layer:
        if line["flags"] & _ffi_models.COUNT_PADDING:
            raise ValueError("zeros at its ends count, which no class has")
        return kind(line["kernel"][0], line["stride"][0] or None, _ends(line), _formats.LAST)

    return made


def _normalization(line: Line, data_format: str) -> Layer:
    layer = normalizations.Normalization()
    layer.data_format = data_format
    return layer


def _activation_layer(line: Line, data_format: str) -> Layer:
    name = _activation(line)
    return layers.LeakyReLU(line["slope"]) if name == "leaky_relu" else layers.Activation(name)


def _own(line: Line, data_format: str) -> Layer:
    raise ValueError("a function of its maker's computes it")


def _tied(line: Line, data_format: str) -> Layer:
    if line["activation"] == activations.NUMBERS["leaky_relu"] and line["slope"] != activations.SLOPE:
        raise ValueError("it has a slope of its own, which no class has")
    return tied.TiedDense(
        _activation(line),
        not line["flags"] & _ffi_models.NO_BIAS,
        Initializer(line["bias_initializer"], line["bias_value"]),
        trainable=not line["flags"] & _ffi_models.FROZEN,
    )


MAKERS: dict[int, Any] = {
    _ffi_models.LAYER_OWN: _own,
    _ffi_models.LAYER_DENSE: _dense,
    _ffi_models.LAYER_TIED_DENSE: _tied,
    _ffi_models.LAYER_CONV2D: _conv2d,
    _ffi_models.LAYER_MAX_POOL2D: _max_pool,
    _ffi_models.LAYER_AVERAGE_POOL2D: _average_pool,
    _ffi_models.LAYER_GLOBAL_AVERAGE_POOL2D: lambda line, data_format: images.GlobalAveragePooling2D(data_format),
    _ffi_models.LAYER_GLOBAL_MAX_POOL2D: lambda line, data_format: images.GlobalMaxPooling2D(data_format),
    _ffi_models.LAYER_ADD: lambda line, data_format: layers.Add(),
    _ffi_models.LAYER_MULTIPLY: lambda line, data_format: layers.Multiply(),
    _ffi_models.LAYER_CONCATENATE: lambda line, data_format: layers.Concatenate(_axis(line["axis"])),
    _ffi_models.LAYER_EMBEDDING: _embedding,
    _ffi_models.LAYER_LSTM: _recurrent(recurrent.LSTM),
    _ffi_models.LAYER_GRU: _recurrent(recurrent.GRU),
    _ffi_models.LAYER_SIMPLE_RNN: _recurrent(recurrent.SimpleRNN),
    _ffi_models.LAYER_MASKING: lambda line, data_format: (
        masking.SequenceMask() if line["flags"] & _ffi_models.LENGTHS else masking.Masking(line["offset"])
    ),
    _ffi_models.LAYER_CONV1D: _conv1d,
    _ffi_models.LAYER_CROPPING1D: _cropping1d,
    _ffi_models.LAYER_MAX_POOL1D: _pool1d(sequences.MaxPooling1D),
    _ffi_models.LAYER_AVERAGE_POOL1D: _pool1d(sequences.AveragePooling1D),
    _ffi_models.LAYER_GLOBAL_AVERAGE_POOL1D: lambda line, data_format: sequences.GlobalAveragePooling1D(_formats.LAST),
    _ffi_models.LAYER_GLOBAL_MAX_POOL1D: lambda line, data_format: sequences.GlobalMaxPooling1D(_formats.LAST),
    _ffi_models.LAYER_LAYER_NORM: _layer_norm,
    _ffi_models.LAYER_GROUP_NORM: _group_norm,
    _ffi_models.LAYER_RMS_NORM: _rms_norm,
    _ffi_models.LAYER_DEPTHWISE_CONV2D: _depthwise,
    _ffi_models.LAYER_CONV2D_TRANSPOSE: _transposed,
    _ffi_models.LAYER_ZERO_PADDING2D: _zeros,
    _ffi_models.LAYER_UP_SAMPLING2D: lambda line, data_format: augmentations.UpSampling2D(line["kernel"], data_format),
    _ffi_models.LAYER_RESCALING: lambda line, data_format: augmentations.Rescaling(line["scale"], line["offset"]),
    _ffi_models.LAYER_GAUSSIAN_NOISE: lambda line, data_format: augmentations.GaussianNoise(line["rate"]),
    _ffi_models.LAYER_RANDOM_FLIP: _flip,
    _ffi_models.LAYER_RANDOM_CROP: lambda line, data_format: augmentations.RandomCrop(
        *line["kernel"], data_format=data_format
    ),
    _ffi_models.LAYER_RANDOM_TRANSLATION: augmentations.RandomTranslation.of_line,
    _ffi_models.LAYER_FLATTEN: lambda line, data_format: layers.Flatten(),
    _ffi_models.LAYER_RESHAPE: lambda line, data_format: layers.Reshape(line["sizes"]),
    _ffi_models.LAYER_PERMUTE: lambda line, data_format: layers.Permute([axis + 1 for axis in line["sizes"]]),
    _ffi_models.LAYER_DROPOUT: lambda line, data_format: layers.Dropout(line["rate"]),
    _ffi_models.LAYER_BATCH_NORM: _batch_norm,
    _ffi_models.LAYER_NORMALIZATION: _normalization,
    _ffi_models.LAYER_ACTIVATION: _activation_layer,
}
