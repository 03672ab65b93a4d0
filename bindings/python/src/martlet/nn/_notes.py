"""What a saved model tells Python alone: its name, the metrics' names and order, whether targets are labels, which
class a layer is, the schedule of the learning rate, and the vocabulary of texts.

The library has no words for these. They are a note, which it carries and does not look at; a file without it is as
good, and what it says is checked like anything else.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np

from martlet._errors import FormatError, MartletError
from martlet._model import Model as Native
from martlet.nn import _configs
from martlet.nn._compilation import Compilation
from martlet.nn._layer import Layer
from martlet.nn.attention import MultiHeadAttention
from martlet.nn.bidirectional import Bidirectional
from martlet.nn.convolutions import SeparableConv2D
from martlet.nn.hashing import Hashing
from martlet.nn.losses import OwnLoss
from martlet.nn.metrics import OWN
from martlet.nn.own_layers import OwnLayer
from martlet.nn.sequential import Sequential
from martlet.nn.text import TextVectorization
from martlet.schedules import _schedule

_KEY = b"python"
# Of a layer: what the library's own words leave open.
_ARGUMENTS = ("axis",)


def of(model: Any, compilation: Compilation | None) -> dict[str, Any]:
    """The notes on a model, as JSON takes them: of a chain its layers', of a graph the whole of it."""
    notes: dict[str, Any] = {"name": str(model.name), "layers": {}}
    is_chain = isinstance(model, Sequential) and all(_is_one_node(layer) for layer in model.layers)
    if is_chain and not model._laid().model.is_open:
        notes["layers"] = {layer.name: _of_layer(layer) for layer in model.layers}
    else:
        notes["graph"] = _of_graph(_configs.plain(model), model)
        notes["own_layers"] = sorted({type(one).__name__ for one in model._leaves() if isinstance(one, OwnLayer)})
    if model.text is not None:
        notes["text"] = {"class_name": _class_of(model.text), "config": model.text.get_config()}
    if compilation is not None:
        notes["goals"] = [
            {
                "loss": type(goal.loss).__name__,
                "metrics": [[metric.name, metric.number] for metric in goal.metrics],
                "name": goal.name,
                "function": goal.loss.name if isinstance(goal.loss, OwnLoss) else "",
            }
            for goal in compilation.goals
        ]
        if shares := compilation.optimizer._shares():
            notes["shares"] = shares
        schedule = compilation.optimizer.schedule
        if _schedule.is_known(schedule):
            notes["schedule"] = _schedule.serialize(schedule)
        elif schedule is not None:
            warnings.warn(
                f"the file has the learning rate, and not the schedule {schedule!r}, which is none of "
                "martlet.schedules: set optimizer.learning_rate to it in the loaded model",
                stacklevel=3,
            )
    return notes


def functions(notes: dict[str, Any]) -> list[str]:
    """The names of a user's own functions, among losses and metrics."""
    goals = notes.get("goals", [])
    found = [goal.get("function", "") for goal in goals if goal["loss"] == OwnLoss.__name__]
    return found + [name for goal in goals for name, number in goal["metrics"] if number >= OWN]


_TEXTS: dict[str, Any] = {"TextVectorization": TextVectorization, "Hashing": Hashing}


def _class_of(text: Any) -> str:
    """The class of martlet.nn, without what one of one's own adds."""
    return next(name for name, kind in _TEXTS.items() if isinstance(text, kind))


def text_of(notes: dict[str, Any]) -> Any:
    """What was a model's text, or None."""
    if "text" not in notes:
        return None
    try:
        kind, config = _TEXTS[notes["text"]["class_name"]], notes["text"]["config"]
        if isinstance(config.get("vocabulary"), str):
            raise ValueError("its vocabulary is the name of another file")
        return kind.from_config(config)
    except (LookupError, TypeError, ValueError, AttributeError, MartletError) as error:
        raise FormatError(f"the file's text is none of this version: {error!r}") from None


def _is_one_node(entry: Any) -> bool:
    """Whether what the library's words say of a node is all that there is of an entry."""
    parts = SeparableConv2D | Bidirectional | MultiHeadAttention | OwnLayer
    return isinstance(entry, Layer) and not isinstance(entry, parts)


def _of_graph(config: dict[str, Any], entry: Any) -> dict[str, Any]:
    """A config as the native model has it: what is not trained, and without numbers, which the file has."""
    arguments = config["config"]
    if isinstance(entry, Layer):
        if "trainable" in arguments:
            arguments["trainable"] = entry._laid_trainable
        for name in ("mean", "factor"):
            arguments.pop(name, None)
        if isinstance(entry, Bidirectional):
            for name in arguments.keys() & {"layer", "backward_layer"}:
                _of_graph(arguments[name], getattr(entry, name))
    else:
        for inner, layer in zip(arguments["layers"], entry.layers, strict=True):
            _of_graph(inner, layer)
    return config


def _of_layer(layer: Layer) -> dict[str, Any]:
    found = {"class": type(layer).__name__}
    return found | {name: getattr(layer, name) for name in _ARGUMENTS if hasattr(layer, name)}


def read(model: Native) -> dict[str, Any]:
    """The notes of a model that was loaded, of the kinds that they must be; empty ones where there are none."""
    text = model.note(_KEY)
    if text is None:
        return {}
    try:
        notes = json.loads(text)
        layers, goals = notes["layers"], notes.get("goals", [])
        if not all(isinstance(layer["class"], str) for layer in layers.values()):
            raise ValueError("a layer has no class")
        if not isinstance(goals, list):
            raise ValueError("its outputs are no list")
        for goal in goals:
            if not all(isinstance(name, str) and isinstance(number, int) for name, number in goal["metrics"]):
                raise ValueError("a metric has no name")
            words = (goal["loss"], goal.get("name", ""), goal.get("function", ""))
            if not all(isinstance(word, str) for word in words):
                raise ValueError("an output or its loss has no name")
        if not isinstance(notes["name"], str):
            raise ValueError("the model has no name")
        if not all(isinstance(share, float | int) for share in notes.get("shares", [])):
            raise ValueError("a share of the rate is no number")
        if not all(isinstance(name, str) for name in notes.get("own_layers", [])):
            raise ValueError("a layer's class has no name")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"the file's notes are none of this version: {error!r}") from None
    return dict(notes)


def classes(model: Native) -> Any:
    """The classes of the estimator that a file was saved of, or None."""
    text = model.note(b"classes")
    if text is None:
        return None
    try:
        found = np.asarray(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise FormatError(f'the note "classes" is no list in JSON: {error}') from None
    if found.ndim != 1 or found.dtype.kind not in "biufU":
        raise FormatError('the note "classes" is no list of texts, numbers or bools')
    return found


def write(model: Native, notes: dict[str, Any]) -> None:
    """Has a model carry notes into its file."""
    model.set_note(_KEY, json.dumps(notes, separators=(",", ":")).encode())
