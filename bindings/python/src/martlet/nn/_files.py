"""load_model: a Sequential from what save wrote, by Python or any other language.

The library makes the model; here layers, loss, metrics and optimizer get their Python objects. What Python wrote has
notes (_notes.py); of other files metrics have their plain names and order, and labels and rows of targets are taken.
"""

from __future__ import annotations

from typing import Any

from martlet import _arguments, _ffi_models, _reading, _samples, schedules
from martlet._errors import FormatError
from martlet._model import Model, Node
from martlet._owner import Owner
from martlet._samples import NDArray
from martlet.nn import (
    _formats,
    _header,
    _notes,
    _storage,
    activations,
    images,
    layers,
    losses,
    normalizations,
    optimizers,
)
from martlet.nn import metrics as metrics_module
from martlet.nn._build import Built
from martlet.nn._compilation import Compilation
from martlet.nn._graph import TURNS, turn_of
from martlet.nn._header import Line
from martlet.nn._layer import Layer
from martlet.nn._storage import Storage
from martlet.nn.initializers import Initializer
from martlet.nn.metrics import Metric
from martlet.nn.sequential import Sequential


def load_model(path: Any) -> Sequential:
    """Makes a model from what save wrote; where it was training, it goes on to the bit.

    Weights, statistics, the loss, metrics with their names and order, the optimizer's numbers, moments and counters
    come back, and layers with their classes and arguments. What does not: set_data_format, callbacks, and what classes
    of one's own add.

    A file that C or Swift wrote has no names of metrics: they are "accuracy", "top_k_categorical_accuracy", "mse",
    "mae", in this order, and a cross-entropy takes labels and rows of targets.

    Raises FileError where the system refuses, and FormatError where the file is no model, or not whole.
    """
    name = _arguments.file_name(path)
    with _reading.naming(name, "a file that a model's save wrote; other libraries' weights go in by set_weights"):
        return _loaded(name)


def _loaded(name: bytes) -> Sequential:
    owner = Owner()
    native = Model.load(name, owner)
    found = _header.metadata(name)
    notes = _notes.read(found)
    model = Sequential(name=notes.get("name"), seed=_header.bits(found, "model", "seed"))
    model._owner = owner
    built = Built(native)
    for index in range(1, native.node_count()):
        _restore(built, index, _header.line(found, f"layer.{index}"), notes)
    model._adopt(built)
    if "training" in found:
        training = _header.line(found, "training")
        model._resume(_compilation(training, native, found, notes))
    return model


def _restore(built: Built, index: int, line: Line, notes: dict[str, Any]) -> None:
    """A Python layer for a node of the file."""
    node, graph = built.model.node(index), built.graph
    turn = turn_of(node.name)
    if turn and node.kind == _ffi_models.LAYER_PERMUTE and _sizes(line) == TURNS[turn]:
        graph.turned = turn == "to_channels_last"
        built.gives_channels_first = not graph.turned
        return
    built.gives_channels_first = False
    last = built.layers[-1] if built.layers else None
    if isinstance(last, images.GlobalAveragePooling2D) and _keeps_dims(last, node, line):
        last.keepdims, graph.turned = True, last.data_format == _formats.FIRST
        last._settle(built, str(last.name), index - 1, graph.seen(node.sizes))
        return
    try:
        layer = _MAKERS[node.kind](line, _formats.FIRST if graph.turned else _formats.LAST)
        layer = _noted(layer, notes.get("layers", {}).get(node.name, {}))
    except (LookupError, TypeError, ValueError) as error:
        raise FormatError(f"the file's layer.{index} is no layer of this version: {error!r}") from None
    if len(node.sizes) != 3:
        graph.forget_turn()
    layer._settle(built, node.name, index, graph.seen(node.sizes))
    built.layers.append(layer)


def _keeps_dims(last: images.GlobalAveragePooling2D, node: Node, line: Line) -> bool:
    """Whether a node is the second one of a layer with keepdims."""
    is_image = node.kind == _ffi_models.LAYER_RESHAPE and _sizes(line) == (1, 1, -1)
    return is_image and not last.keepdims and node.name in last._hidden_names(str(last.name))


def _noted(layer: Layer, note: dict[str, Any]) -> Layer:
    """The layer of the class, and with the axis, that Python's notes say."""
    if isinstance(layer, normalizations.BatchNormalization | normalizations.Normalization) and "axis" in note:
        layer.axis = type(layer)(note["axis"]).axis
    if not isinstance(layer, layers.Activation):
        return layer
    name, wanted = layer.activation, note.get("class")
    if wanted == "Activation" and (name != "leaky_relu" or layer.slope == activations.SLOPE):
        return layers.Activation(name)
    if wanted == "ReLU" and name in ("relu", "leaky_relu"):
        return layers.ReLU(negative_slope=layer.slope if name == "leaky_relu" else 0.0)
    if wanted == "Softmax" and name == "softmax":
        return layers.Softmax()
    return layer


def _weighted(line: Line) -> dict[str, Any]:
    return {
        "activation": _activation(line),
        "use_bias": not line["flags"] & _ffi_models.NO_BIAS,
        "kernel_initializer": Initializer(line["kernel_initializer"], line["kernel_value"]),
        "bias_initializer": Initializer(line["bias_initializer"], line["bias_value"]),
    }


def _activation(line: Line) -> str:
    (name,) = (name for name, number in activations.NUMBERS.items() if number == line["activation"])
    return name


def _sizes(line: Line) -> tuple[int, ...]:
    return tuple(line[f"size{place}"] for place in range(8) if f"size{place}" in line)


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
    )
    layer.data_format = data_format
    return layer


def _normalization(line: Line, data_format: str) -> Layer:
    layer = normalizations.Normalization()
    layer.data_format = data_format
    return layer


def _activation_layer(line: Line, data_format: str) -> Layer:
    name = _activation(line)
    return layers.LeakyReLU(line["slope"]) if name == "leaky_relu" else layers.Activation(name)


_MAKERS: dict[int, Any] = {
    _ffi_models.LAYER_DENSE: _dense,
    _ffi_models.LAYER_CONV2D: _conv2d,
    _ffi_models.LAYER_MAX_POOL2D: _max_pool,
    _ffi_models.LAYER_AVERAGE_POOL2D: _average_pool,
    _ffi_models.LAYER_GLOBAL_AVERAGE_POOL2D: lambda line, data_format: images.GlobalAveragePooling2D(data_format),
    _ffi_models.LAYER_FLATTEN: lambda line, data_format: layers.Flatten(),
    _ffi_models.LAYER_RESHAPE: lambda line, data_format: layers.Reshape(_sizes(line)),
    _ffi_models.LAYER_PERMUTE: lambda line, data_format: layers.Permute([axis + 1 for axis in _sizes(line)]),
    _ffi_models.LAYER_DROPOUT: lambda line, data_format: layers.Dropout(line["rate"]),
    _ffi_models.LAYER_BATCH_NORM: _batch_norm,
    _ffi_models.LAYER_NORMALIZATION: _normalization,
    _ffi_models.LAYER_ACTIVATION: _activation_layer,
}


class _Crossentropy(losses.SparseCategoricalCrossentropy):
    """A loaded cross-entropy: whether labels or rows of targets come, the data say."""

    takes_labels = False  # it may

    def __repr__(self) -> str:
        return "SparseCategoricalCrossentropy()"

    def targets(self, y: Any, where: str, shape: tuple[int, ...]) -> NDArray:
        found = _samples.array(y, where)
        if found.shape[1:] == shape and shape[-1] > 1:
            return losses.CategoricalCrossentropy().targets(found, where, shape)
        return super().targets(found, where, shape)

    def check(self, targets: NDArray, where: str) -> None:
        if targets.dtype.kind == "f":
            losses.CategoricalCrossentropy().check(targets, where)


_LOSSES: dict[int, type[losses.Loss]] = {
    _ffi_models.LOSS_CROSS_ENTROPY: _Crossentropy,
    _ffi_models.LOSS_NLL: losses.NLL,
    _ffi_models.LOSS_BINARY_CROSS_ENTROPY: losses.BinaryCrossentropy,
    _ffi_models.LOSS_MSE: losses.MeanSquaredError,
    _ffi_models.LOSS_MAE: losses.MeanAbsoluteError,
    _ffi_models.LOSS_HUBER: losses.Huber,
}


_CROSSENTROPIES: dict[Any, type[losses.Loss]] = {
    kind.__name__: kind for kind in (losses.SparseCategoricalCrossentropy, losses.CategoricalCrossentropy)
}


def _loss(line: Line, notes: dict[str, Any]) -> losses.Loss:
    plain = _LOSSES[line["loss"]]
    return (_CROSSENTROPIES.get(notes.get("loss"), plain) if plain is _Crossentropy else plain)()


def _metrics(line: Line, notes: dict[str, Any]) -> list[Metric]:
    """The metrics that the library computes, under the names of the notes."""
    known = {
        metric.flag: metric
        for metric in (
            metrics_module.Accuracy(),
            metrics_module.TopK(line["top"]),
            metrics_module.MeanSquaredError("mse"),
            metrics_module.MeanAbsoluteError("mae"),
        )
    }
    plain = [metric for metric in known.values() if metric.flag & line["metrics"]]
    if "metrics" not in notes:
        return plain
    found = metrics_module.get([known[flag]._replace(name=name) for name, flag in notes["metrics"]])
    if {metric.flag for metric in found} != {metric.flag for metric in plain}:
        raise ValueError(f"its metrics are {notes['metrics']}")
    return found


def _compilation(line: Line, native: Model, found: dict[str, str], notes: dict[str, Any]) -> Compilation:
    """Loss, metrics and optimizer of a file."""
    try:
        loss = _loss(line, notes)
        loss.origin, loss.label_smoothing, loss.delta = line["from"], line["label_smoothing"], line["delta"]
        wanted = _metrics(line, notes)
        schedule = schedules.deserialize(notes["schedule"]) if "schedule" in notes else None
        row, *others = native.groups()
        shares = [float(_header.line(found, f"group.{group}")["share"]) for group in range(1, len(others) + 1)]
    except (LookupError, TypeError, ValueError) as error:
        raise FormatError(f"the file's training is none of this version: {error!r}") from None
    others = [other.changed({"lr": share}) for other, share in zip(others, shares, strict=True)]
    places = {view.name: view.group for view in native.views(_ffi_models.BUFFER_PARAMETERS)}
    optimizer = optimizers.of(row, schedule, others, places)
    optimizer._storage = Storage(_storage.word_of(line.get("state_dtype", _storage.TYPES["fp32"])))
    return Compilation(loss, wanted, optimizer)
