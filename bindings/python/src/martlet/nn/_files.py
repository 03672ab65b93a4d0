"""load_model: a model from what save wrote, by Python or any other language.

The library makes the model; here layers, loss, metrics and optimizer get their Python objects. What Python wrote has
notes (_notes.py); of other files metrics have their plain names and order, and labels and rows of targets are taken.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

from martlet import _arguments, _ffi_models, _reading, _samples, schedules
from martlet._errors import ArgumentError, DTypeError, FormatError
from martlet._model import Model as Native
from martlet._owner import Owner
from martlet._records import Line, Node
from martlet._samples import NDArray
from martlet.nn import _file_graphs, _formats, _notes, _storage, images, losses, optimizers, sequences
from martlet.nn import metrics as metrics_module
from martlet.nn._built import Built
from martlet.nn._compilation import Compilation, Goal
from martlet.nn._file_layers import MAKERS, noted
from martlet.nn._laying import TURNS, Place, Rows, turn_of
from martlet.nn._storage import Storage
from martlet.nn.metrics import Metric
from martlet.nn.model import Model
from martlet.nn.own_layers import OwnLayer
from martlet.nn.sequential import Sequential


def load_model(path: Any, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """Makes a model from what save wrote; where it was training, it goes on to the bit.

    Weights, statistics, the loss, metrics with their names and order, the optimizer's numbers, moments and counters
    come back, layers with their classes and arguments, and what model.text was. What does not: set_data_format,
    callbacks, and what classes of one's own add.

    custom_objects: functions of one's own, by their names, where a loss or metrics were such; without one of them the
    model comes uncompiled, with a warning. Subclasses of OwnLayer too: without one there is no model, ArgumentError.

    A file of a chain of layers gives a Sequential, one of a graph a Model.

    A file that C or Swift wrote has no names of metrics: they are "accuracy", "top_k_categorical_accuracy", "mse",
    "mae", "rmse", "r2", "precision", "recall", "f1", "auc", "perplexity", in this order, and a cross-entropy takes
    labels and rows of targets.

    Raises FileError where the system refuses, and FormatError where the file is no model, or not whole.
    """
    name = _arguments.file_name(path)
    own = {} if custom_objects is None else custom_objects
    if not isinstance(own, Mapping):
        raise DTypeError(f"custom_objects is {own!r}; wanted a dict of functions by their names")
    with _reading.naming(name, "a file that a model's save wrote; other libraries' weights go in by set_weights"):
        return _loaded(name, own)


def _loaded(name: bytes, own: Mapping[str, Any]) -> Model:
    owner = Owner()
    native = Native.load(name, owner)
    notes = _notes.read(native)
    lines = _file_graphs.lines_of(native)
    seed = native.seed()
    if "graph" in notes:
        model = _file_graphs.noted(native, lines, notes["graph"], seed, owner, _layers_of(notes, own))
    elif _file_graphs.is_chain(lines) and native.outputs() == [len(lines)]:
        model = _chain(native, lines, notes, seed, owner)
    else:
        model = _file_graphs.plain(native, lines, notes.get("name"), seed, owner)
    model._text = _notes.text_of(notes)
    missing = [function for function in _notes.functions(notes) if function not in own]
    if missing:
        warnings.warn(f"the file's model is trained with {_arguments.listed(missing)}, which custom_objects has not, "
                      "so it comes uncompiled", stacklevel=4)  # fmt: skip
    elif native.training() is not None:
        model._resume(_compilation(native, notes, own))
    return model


def _layers_of(notes: dict[str, Any], own: Mapping[str, Any]) -> dict[str, type[OwnLayer]]:
    """A user's own layers that a file's model has, by their classes' names."""
    found: dict[str, type[OwnLayer]] = {}
    for name in notes.get("own_layers", []):
        kind = own.get(name)
        if not (isinstance(kind, type) and issubclass(kind, OwnLayer)):
            given = "has not" if kind is None else f"has as {kind!r}"
            raise ArgumentError(f"the file's model has layers of class {name!r}, which custom_objects {given}; wanted "
                                "the class, a subclass of OwnLayer")  # fmt: skip
        found[name] = kind
    return found


def _chain(native: Native, lines: list[Line], notes: dict[str, Any], seed: int, owner: Owner) -> Sequential:
    model = Sequential(name=notes.get("name"), seed=seed)
    model._owner = owner
    built = Built(native)
    for index, line in enumerate(lines, 1):
        _restore(built, index, line, notes)
    model._adopt(built)
    return model


def _restore(built: Built, index: int, line: Line, notes: dict[str, Any]) -> None:
    """A Python layer for a node of the file."""
    node, graph = built.model.node(index), built.graph
    turn = turn_of(node.name)
    if turn and node.kind == _ffi_models.LAYER_PERMUTE and line["sizes"] == TURNS[turn]:
        graph.place = Place(index, turn == "to_channels_last")
        built.gives_channels_first = not graph.turned
        return
    built.gives_channels_first = False
    last = built.layers[-1] if built.layers else None
    if isinstance(last, images.GlobalAveragePooling2D) and _keeps_dims(last, node, line):
        last.keepdims = True
        graph.place = Place(index, last.data_format == _formats.FIRST)
        last._settle(built, index - 1, graph.shape)
        return
    try:
        layer = MAKERS[node.kind](line, _formats.FIRST if graph.turned else _formats.LAST)
        layer = noted(layer, notes.get("layers", {}).get(node.name, {}))
    except (LookupError, TypeError, ValueError) as error:
        raise FormatError(f"the file's layer.{index} is no layer of this version: {error!r}") from None
    graph.place = Place(index, graph.turned and len(node.sizes) == 3)
    if isinstance(layer, sequences.Embedding):
        graph.tables[line["inputs"][0]] = [Rows(layer.input_dim, node.name)]
    layer._name = node.name
    layer._settle(built, index, graph.shape)
    built.layers.append(layer)


def _keeps_dims(last: images.GlobalAveragePooling2D, node: Node, line: Line) -> bool:
    """Whether a node is the second one of a layer with keepdims."""
    is_image = node.kind == _ffi_models.LAYER_RESHAPE and line["sizes"] == (1, 1, -1)
    return is_image and not last.keepdims and node.name in last._hidden_names(str(last.name))


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
    _ffi_models.LOSS_KL_DIVERGENCE: losses.KLDivergence,
    _ffi_models.LOSS_HINGE: losses.Hinge,
    _ffi_models.LOSS_LOG_COSH: losses.LogCosh,
    _ffi_models.LOSS_POISSON: losses.Poisson,
    _ffi_models.LOSS_COSINE: losses.CosineSimilarity,
    _ffi_models.LOSS_FOCAL: losses.CategoricalFocalCrossentropy,
    _ffi_models.LOSS_BINARY_FOCAL: losses.BinaryFocalCrossentropy,
}


_CROSSENTROPIES: dict[Any, type[losses.Loss]] = {
    kind.__name__: kind for kind in (losses.SparseCategoricalCrossentropy, losses.CategoricalCrossentropy)
}


def _loss(line: Line, notes: dict[str, Any], own: Mapping[str, Any]) -> losses.Loss:
    if notes.get("loss") == losses.OwnLoss.__name__:
        return losses.OwnLoss(own[notes["function"]])
    plain = _LOSSES[line["loss"]]
    return (_CROSSENTROPIES.get(notes.get("loss", ""), plain) if plain is _Crossentropy else plain)()


def _metrics(line: Line, notes: dict[str, Any], own: Mapping[str, Any]) -> list[Metric]:
    """The metrics that the library computes, under the names of the notes, and those of one's own."""
    known = {
        metric.number: metric
        for metric in (
            metrics_module.Accuracy(),
            metrics_module.TopK(line["top"]),
            metrics_module.MeanSquaredError("mse"),
            metrics_module.MeanAbsoluteError("mae"),
            metrics_module.RootMeanSquaredError("rmse"),
            metrics_module.R2Score("r2"),
            metrics_module.Precision(),
            metrics_module.Recall(),
            metrics_module.F1Score("f1"),
            metrics_module.AUC(),
            metrics_module.Perplexity(),
        )
    }
    plain = [metric for metric in known.values() if line["metrics"] >> metric.number & 1]
    if "metrics" not in notes:
        return plain
    found = metrics_module.get([
        known[number]._replace(name=name) if number < metrics_module.OWN
        else metrics_module.own(own[name], number - metrics_module.OWN)._replace(name=name)
        for name, number in notes["metrics"]
    ])  # fmt: skip
    if {metric.number for metric in found if metric.function is None} != {metric.number for metric in plain}:
        raise ValueError(f"its metrics are {notes['metrics']}")
    return found


def _goal(line: Line, notes: dict[str, Any], name: str, own: Mapping[str, Any]) -> Goal:
    """What an output is trained for; notes: Python's of it."""
    loss = _loss(line, notes, own)
    loss.origin, loss.label_smoothing, loss.delta = line["from"], line["label_smoothing"], line["delta"]
    loss.gamma, loss.alpha = line["gamma"], line["alpha"]
    return Goal(loss, _metrics(line, notes, own), line["weight"], notes.get("name", name))


def _compilation(native: Native, notes: dict[str, Any], own: Mapping[str, Any]) -> Compilation:
    """Losses, metrics and optimizer of a file."""
    lines = [native.training(output) or {} for output in range(len(native.outputs()))]
    try:
        if len(notes.get("goals", lines)) != len(lines):
            raise ValueError(f"its notes are of {len(notes['goals'])} outputs, and it has {len(lines)}")
        goals = []
        for place, (node, one) in enumerate(zip(native.outputs(), lines, strict=True)):
            said = notes["goals"][place] if "goals" in notes else {}
            goals.append(_goal(one, said, native.node(node).name if len(lines) > 1 else "", own))
        schedule = schedules.deserialize(notes["schedule"]) if "schedule" in notes else None
        row, *others = native.groups()
        shares = notes.get("shares") or [other.lr / row.lr if row.lr else math.nan for other in others]
        others = [other.changed({"lr": float(share)}) for other, share in zip(others, shares, strict=True)]
    except (LookupError, TypeError, ValueError) as error:
        raise FormatError(f"the file's training is none of this version: {error!r}") from None
    places = {view.name: view.group for view in native.views(_ffi_models.BUFFER_PARAMETERS)}
    optimizer = optimizers.of(row, schedule, others, places)
    optimizer._storage = Storage(_storage.word_of(lines[0]["state_dtype"]))
    return Compilation(goals, optimizer)


def resume(model: Model, path: Any) -> None:
    """Gives a model, which is compiled, the weights, moments and counters of a file that its save wrote. Raises
    FormatError where the file is another model's, or of one that was compiled otherwise."""
    name = _arguments.file_name(path)
    with _reading.naming(name, "a file that save of the same model, compiled alike, wrote"):
        compilation = model._compiled()
        native = Native.load(name, model._owner)
        lines, training = _file_graphs.lines_of(native), native.training()
        if training is None:
            raise FormatError("its model is not compiled")
        loss, row = training["loss"], native.groups()[0]
        if (
            loss != compilation.goals[0].loss.number
            or row.algorithm != compilation.optimizer.hyperparameters().algorithm
        ):
            raise FormatError("its model is compiled with another loss or algorithm")
        compilation.optimizer._release(model._native())
        _file_graphs.lay_over(model, native, lines)
        model._resume(compilation)
        if compilation.optimizer.schedule is None:
            compilation.optimizer.learning_rate = row.lr  # type: ignore[attr-defined]
