"""Weights alone in a safetensors file, under the names of layers and arrays; what save wrote has them too."""

from __future__ import annotations

import json
import os
import struct
from typing import Any

import numpy as np

from martlet import _arguments, _reading
from martlet._errors import FileError, FormatError
from martlet.nn import _header, _notes


def save(model: Any, path: Any, overwrite: Any) -> None:
    """Writes all weights and statistics of a model."""
    name = _arguments.file_name(path, "filepath")
    if not _arguments.flag(overwrite, "overwrite") and os.path.lexists(name):
        raise FileError(f"{os.fsdecode(name)} is there already, and overwrite is False")
    with model._owner.inside():
        pairs = [(view.name, array) for view, array in model._all()]

        def write(target: bytes) -> None:
            header: dict[str, Any] = {"__metadata__": {"format": "martlet.weights"}}
            place = 0
            for key, array in pairs:
                header[key] = {
                    "dtype": "F32", "shape": [*array.shape], "data_offsets": [place, place + array.nbytes],
                }  # fmt: skip
                place += array.nbytes
            text = json.dumps(header, separators=(",", ":")).encode()
            text += b" " * (-len(text) % 8)
            with open(target, "wb") as file:
                file.write(struct.pack("<Q", len(text)) + text)
                for _, array in pairs:
                    file.write(array.tobytes())

        _notes.save(name, write, {"name": str(model.name)})


def load(model: Any, path: Any) -> None:
    """Reads them back. Raises FormatError, with nothing changed, where the file has not each array in its shape."""
    name = _arguments.file_name(path, "filepath")
    wanted = "a file that save_weights or save of a model of the same layers wrote"
    with _reading.naming(name, wanted), model._owner.inside():
        pairs = model._all()
        header, start = _header.whole(name)
        found = []
        for view, array in pairs:
            entry = header.get(view.name)
            if not isinstance(entry, dict) or entry.get("shape") != [*array.shape] or entry.get("dtype") != "F32":
                raise FormatError(f"it has no {view.name!r} of shape {array.shape} in float32")
            try:
                first, last = entry["data_offsets"]
                if not (0 <= first <= last and last - first == array.nbytes):
                    raise ValueError(f"its place is {first} to {last}")
                values = np.fromfile(os.fsdecode(name), np.float32, array.size, offset=start + first)
            except (LookupError, TypeError, ValueError, OverflowError) as error:
                raise FormatError(f"its {view.name!r} is no array: {error}") from None
            if values.size != array.size:
                raise FormatError(f"it ends within {view.name!r}")
            found.append(values)
        for (_, array), values in zip(pairs, found, strict=True):
            array[...] = values.reshape(array.shape)
