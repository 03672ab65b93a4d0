"""What a saved model tells Python alone: its name, the metrics' names and order, whether targets are labels, which
class a layer is, the schedule of the learning rate, and the vocabulary of texts.

The library has no words for these. They are one more entry of the file's metadata, which it does not look at; a file
without them is as good, and what a file says is checked like any other.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import stat
import struct
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from martlet._errors import FileError, FormatError, MartletError
from martlet.nn import _configs
from martlet.nn._compilation import Compilation
from martlet.nn._layer import Layer
from martlet.nn.convolutions import SeparableConv2D
from martlet.nn.hashing import Hashing
from martlet.nn.losses import OwnLoss
from martlet.nn.metrics import OWN
from martlet.nn.sequential import Sequential
from martlet.nn.text import TextVectorization
from martlet.schedules import _schedule

_KEY = "python"
# Of a layer: what the library's own words leave open.
_ARGUMENTS = ("axis",)


def of(model: Any, compilation: Compilation | None) -> dict[str, Any]:
    """The notes on a model, as JSON takes them: of a chain its layers', of a graph the whole of it."""
    notes: dict[str, Any] = {"name": str(model.name), "layers": {}}
    if isinstance(model, Sequential) and all(_is_one_node(layer) for layer in model.layers):
        notes["layers"] = {layer.name: _of_layer(layer) for layer in model.layers}
    else:
        notes["graph"] = _of_graph(_configs.plain(model), model)
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
    found = [goal["function"] for goal in goals if goal["loss"] == OwnLoss.__name__]
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
    return isinstance(entry, Layer) and not isinstance(entry, SeparableConv2D)


def _of_graph(config: dict[str, Any], entry: Any) -> dict[str, Any]:
    """A config as the native model has it: what is not trained, and without numbers, which the file has."""
    arguments = config["config"]
    if isinstance(entry, Layer):
        if "trainable" in arguments:
            arguments["trainable"] = entry._laid_trainable
        for name in ("mean", "factor"):
            arguments.pop(name, None)
    else:
        for inner, layer in zip(arguments["layers"], entry.layers, strict=True):
            _of_graph(inner, layer)
    return config


def _of_layer(layer: Layer) -> dict[str, Any]:
    found = {"class": type(layer).__name__}
    return found | {name: getattr(layer, name) for name in _ARGUMENTS if hasattr(layer, name)}


def read(metadata: dict[str, str]) -> dict[str, Any]:
    """The notes in a file's metadata, of the kinds that they must be; empty ones where there are none."""
    if _KEY not in metadata:
        return {}
    try:
        notes = json.loads(metadata[_KEY])
        layers, goals = notes["layers"], notes.get("goals", [])
        if not all(isinstance(layer["class"], str) for layer in layers.values()):
            raise ValueError("a layer has no class")
        if not isinstance(goals, list):
            raise ValueError("its outputs are no list")
        for goal in goals:
            if not all(isinstance(name, str) and isinstance(number, int) for name, number in goal["metrics"]):
                raise ValueError("a metric has no name")
            if not all(isinstance(goal.get(word, ""), str) for word in ("name", "loss", "function")):
                raise ValueError("an output or its loss has no name")
        if not isinstance(notes["name"], str):
            raise ValueError("the model has no name")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"the file's {_KEY} is none of this version: {error!r}") from None
    return dict(notes)


def save(path: bytes, write: Callable[[bytes], None], notes: dict[str, Any]) -> None:
    """Has the library write a file, and puts it with notes in path's place, which holds the old file or this one whole
    at any moment."""
    target = os.path.realpath(path)
    try:
        status = os.stat(target) if os.path.exists(target) else None
        if path.endswith(b"/") or (status is not None and not _is_writable(target, status)):
            write(path)  # which says what is wrong with it
            return
        with _folder(os.path.dirname(target)) as folder:
            plain, noted = os.path.join(folder, b"plain"), os.path.join(folder, b"noted")
            write(plain)
            with open(plain, "rb") as old, open(noted, "xb") as new:
                _keep_owner(new.fileno(), status or os.fstat(old.fileno()))
                new.write(_header(old, notes))
                shutil.copyfileobj(old, new, 1 << 20)
                new.flush()
                os.fsync(new.fileno())
            os.replace(noted, target)
        _sync(os.path.dirname(target))
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{os.fsdecode(path)}: {error.strerror}") from error


@contextlib.contextmanager
def _folder(parent: bytes) -> Iterator[bytes]:
    """A folder of one's own that is gone afterwards, also where Ctrl-C comes while it is made or taken away."""
    folder = os.path.join(parent, b".martlet." + secrets.token_hex(8).encode())
    try:
        os.mkdir(folder, 0o700)
        yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _is_writable(target: bytes, status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and os.access(target, os.W_OK, effective_ids=True)


def _keep_owner(descriptor: int, status: os.stat_result) -> None:
    with contextlib.suppress(PermissionError):  # only the superuser may give files away
        os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))


def _sync(folder: bytes) -> None:
    """Makes a new name last through a power cut, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _header(file: Any, notes: dict[str, Any]) -> bytes:
    """The header of a safetensors file with one more entry, padded as the format wants it; the file is left at its
    tensors."""
    (length,) = struct.unpack("<Q", file.read(8))
    header = json.loads(file.read(length))
    header["__metadata__"][_KEY] = json.dumps(notes, separators=(",", ":"))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
