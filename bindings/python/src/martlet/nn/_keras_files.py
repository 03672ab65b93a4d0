"""What a .keras file and a model of Keras's say: layers as JSON has them, and the arrays of each.

Files are read without Keras, and nothing that they hold is run. Their arrays stand under the class of a layer and a
number where there are several, in the order of the layers, and not under its name.
"""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from martlet import _arguments, _forks
from martlet._errors import DTypeError, FileError, FormatError, UnsupportedError
from martlet.nn._matching import NDArray

Entry = dict[str, Any]
Arrays = Callable[[Sequence[str]], list[NDArray]]
"""The arrays of a layer, which the names of the models that it is in, and its own, lead to."""


# Layers inside of layers, by what their files and objects call them.
_ATTENDING = ("query_dense", "key_dense", "value_dense", "output_dense")
_BOTH = ("forward_layer", "backward_layer")
# How many bytes of an array one of a file may stand for: more than any packing of numbers that were trained.
_MOST_PACKED = 1024


def of(source: Any) -> tuple[Entry, Arrays]:
    """Of a file's name, or a model of Keras's."""
    if isinstance(source, str | bytes | os.PathLike):
        return _of_file(_arguments.file_name(source, "source"))
    keras = sys.modules.get("keras")
    if keras is None or not isinstance(source, keras.Model):
        raise DTypeError(f"source is {source!r}; wanted a model of Keras's, or the name of a .keras file")
    try:
        entry = json.loads(source.to_json())
    except (TypeError, ValueError, NotImplementedError) as error:
        raise UnsupportedError(f"source is {source!r}, which has no config: {error}") from None

    def arrays(names: Sequence[str]) -> list[NDArray]:
        layer: Any = source
        for name in names:
            layer = layer.get_layer(name)
        parts = [[f"_{name}" for name in _ATTENDING], [*_BOTH]]
        inside = next((names for names in parts if hasattr(layer, names[0])), [])
        inner = [getattr(layer, name) for name in inside] or [layer]
        found = []
        for part in inner:
            store: dict[str, Any] = {}
            getattr(part, "cell", part).save_own_variables(store)
            found += [np.asarray(keras.ops.convert_to_numpy(store[key])) for key in sorted(store, key=int)]
        return found

    return entry, arrays


def _of_file(path: bytes) -> tuple[Entry, Arrays]:
    with _forks.held_off:
        try:
            import h5py  # type: ignore[import-untyped, unused-ignore]
        except ImportError as error:
            raise ImportError("from_keras needs h5py to read files: pip install h5py") from error
    name = os.fsdecode(path)
    try:
        with zipfile.ZipFile(name) as archive:
            entry = json.loads(archive.read("config.json"))
            with archive.open("model.weights.h5") as content, h5py.File(content, "r") as file:
                found = _walked(entry, file)
    except FormatError:
        raise
    except (zipfile.BadZipFile, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{name} is no .keras file: {error}") from None
    except OSError as error:
        if error.errno is None:  # which h5py says of its content
            raise FormatError(f"{name} is no .keras file: {error}") from None
        raise FileError(f"{name}: {error.strerror}") from error

    def arrays(names: Sequence[str]) -> list[NDArray]:
        return found[tuple(names)]

    return entry, arrays


def _walked(model: Entry, group: Any, names: tuple[str, ...] = ()) -> dict[tuple[str, ...], list[NDArray]]:
    """The arrays of all layers of a model."""
    found: dict[tuple[str, ...], list[NDArray]] = {}
    counts: dict[str, int] = {}
    for entry in model["config"]["layers"]:
        base = _snake(entry["class_name"])
        number = counts[base] = counts.get(base, -1) + 1
        here = (*names, entry["config"]["name"])
        place = group.get(f"layers/{base}_{number}" if number else f"layers/{base}")
        if place is None:
            found[here] = []
        elif is_model(entry):
            found |= _walked(entry, place, here)
        else:
            names_inside = next((names for names in (_ATTENDING, _BOTH) if names[0] in place), ())
            inner = [place[name] for name in names_inside] or [place]
            found[here] = [array for part in inner for array in _arrays(part, here)]
    return found


def _arrays(place: Any, names: Sequence[str]) -> list[NDArray]:
    """Those of a layer, or, of a recurrent one, its cell's."""
    inside = place.get("cell/vars" if "cell" in place else "vars", {})
    found = []
    for key in sorted(inside, key=int):
        array = inside[key]
        if array.nbytes > _MOST_PACKED * array.id.get_storage_size():
            raise FormatError(f"layer {'/'.join(names)!r} has an array of shape {array.shape}, of whose "
                              f"{array.nbytes} bytes the file has {array.id.get_storage_size()}")  # fmt: skip
        found.append(np.array(array))
    return found


def is_model(entry: Entry) -> bool:
    return isinstance(entry["config"].get("layers"), list)


def _snake(name: str) -> str:
    """As Keras files a class."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
