"""Weights alone in a safetensors file, under the names of layers and arrays; what save wrote has them too."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import stat
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from martlet import _arguments, _reading
from martlet._errors import FileError, FormatError

# The format's own bound.
_LONGEST = 100_000_000


def save(model: Any, path: Any, overwrite: Any) -> None:
    """Writes all weights and statistics of a model."""
    name = _arguments.file_name(path, "filepath")
    if not _arguments.flag(overwrite, "overwrite") and os.path.lexists(name):
        raise FileError(f"{os.fsdecode(name)} is there already, and overwrite is False")
    with model._owner.inside():
        pairs = [(view.name, array) for view, array in model._all()]

        def write(target: bytes) -> None:
            header: dict[str, Any] = {"__metadata__": {"format": "martlet.weights", "name": str(model.name)}}
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

        replace(name, write)


def load(model: Any, path: Any) -> None:
    """Reads them back. Raises FormatError, with nothing changed, where the file has not each array in its shape."""
    name = _arguments.file_name(path, "filepath")
    wanted = "a file that save_weights or save of a model of the same layers wrote"
    with _reading.naming(name, wanted), model._owner.inside():
        pairs = model._all()
        header, start = _header(name)
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


def _header(path: bytes) -> tuple[dict[str, Any], int]:
    """The file's header, and where its arrays begin."""
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(_LONGEST, os.fstat(file.fileno()).st_size):
                raise ValueError("its header is longer than the file")
            return dict(json.loads(file.read(length))), 8 + length
    except OSError as error:
        raise FileError(f"{os.fsdecode(path)}: {error.strerror}") from error
    except (struct.error, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise FormatError(f"no model that save wrote: {error}") from None


def replace(path: bytes, write: Callable[[bytes], None]) -> None:
    """Has a file written, and puts it in path's place, which holds the old file or this one whole at any moment."""
    target = os.path.realpath(path)
    try:
        status = os.stat(target) if os.path.exists(target) else None
        if path.endswith(b"/") or (status is not None and not _is_writable(target, status)):
            write(path)  # which says what is wrong with it
            return
        with _folder(os.path.dirname(target)) as folder:
            whole = os.path.join(folder, b"whole")
            write(whole)
            with open(whole, "rb+") as new:
                if status is not None:
                    _keep_owner(new.fileno(), status)
                os.fsync(new.fileno())
            os.replace(whole, target)
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
