"""Readers of data sets as they are handed around: IDX, the format of MNIST, and the binary version of CIFAR-10.

Nothing is downloaded. What a file says of itself is held against its length before memory is taken for it.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from martlet import _arguments, _reading
from martlet._errors import ArgumentError, FileError, FormatError
from martlet._samples import NDArray

Pair = tuple[NDArray, NDArray]

_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CIFAR_RECORD = 1 + 3 * 32 * 32
# The most bytes that deflate makes of one, and what a file has beside them.
_DEFLATE = 1032
_PIECE = 1 << 20
# The most axes that every version of numpy takes.
_AXES = 32


def read_idx(path: Any) -> NDArray:
    """An IDX file as an array of its own type and shape; compressed by gzip or not."""
    name = _name(path, "path")
    try:
        with open(name, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if file.read(2) != b"\x1f\x8b":
                file.seek(0)
                return _idx(file, name, size)
            file.seek(0)
            with gzip.GzipFile(fileobj=file) as packed:
                return _idx(packed, name, size * _DEFLATE)  # type: ignore[arg-type]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(f"{name} is damaged: {error}") from None
    except OSError as error:
        raise _unreadable(name, error) from error


def _idx(file: BinaryIO, name: str, most: int) -> NDArray:
    """most: the bytes that there can be."""
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _IDX_TYPES:
        found = _reading.kind(start)
        what = f"is {found}" if found else f"begins with {start.hex() or 'nothing'}"
        raise FormatError(f"{name} {what}; wanted an IDX file, which begins with 0000, a type and a rank")
    dtype, rank = np.dtype(_IDX_TYPES[start[2]]), start[3]
    if rank > _AXES:
        raise FormatError(f"{name} says that its rank is {rank}; wanted at most {_AXES}")
    sizes = file.read(4 * rank)
    if rank == 0 or len(sizes) < 4 * rank:
        raise FormatError(f"{name} ends in its header; wanted {rank or 'at least one'} sizes")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    wanted = prod(shape) * dtype.itemsize
    if wanted > most - 4 - 4 * rank:
        raise FormatError(f"{name} says that it holds {shape} numbers, {wanted:,} bytes; there are fewer")
    if prod(size for size in shape if size) * dtype.itemsize >= 2**63:  # which numpy refuses for an empty array too
        raise FormatError(f"{name} says that it holds {shape} numbers; wanted sizes that an array can have")
    content = bytearray()
    while len(content) <= wanted and (piece := file.read(min(_PIECE, wanted + 1 - len(content)))):
        content += piece
    if len(content) != wanted:
        fewer = f"there are {len(content):,}" if len(content) < wanted else "there are more"
        raise FormatError(f"{name} says that it holds {shape} numbers, {wanted:,} bytes; {fewer}")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def load_mnist_idx(folder_or_files: Any) -> Any:
    """MNIST, or a set of its form, from IDX files.

    A folder gives (x_train, y_train), (x_test, y_test) from the four files by their usual names, compressed or not; a
    pair of files, images and labels, gives (x, y). Images are uint8 of (samples, height, width), labels uint8. A scaler
    takes the last axis for channels, which these have not: Standardizer(axis=None) scales the images as they are.
    """
    if _is_sequence(folder_or_files):
        if len(folder_or_files) != 2:
            raise ArgumentError(f"folder_or_files has {len(folder_or_files)} files; wanted images and labels")
        return _images_and_labels(*_names(folder_or_files))
    folder = _folder(folder_or_files)
    return tuple(
        _images_and_labels(
            _found(folder, f"{part}-images", "idx3-ubyte"), _found(folder, f"{part}-labels", "idx1-ubyte")
        )
        for part in ("train", "t10k")
    )


def _images_and_labels(images: str, labels: str) -> Pair:
    x, y = read_idx(images), read_idx(labels)
    if x.ndim != 3 or x.dtype != np.uint8:
        raise FormatError(f"{images} holds {x.dtype} of shape {x.shape}; wanted uint8 images, of rank 3")
    if y.ndim != 1 or y.dtype != np.uint8:
        raise FormatError(f"{labels} holds {y.dtype} of shape {y.shape}; wanted uint8 labels, of rank 1")
    if len(x) != len(y):
        raise FormatError(f"{images} holds {len(x)} images and {labels} {len(y)} labels; wanted as many")
    return x, y


def _found(folder: Path, start: str, end: str) -> str:
    names = [f"{start}{dash}{end}{packed}" for dash in "-." for packed in ("", ".gz")]
    for name in names:
        if os.path.isfile(folder / name):
            return str(folder / name)
    raise FileError(f"{folder} has none of {', '.join(names)}")


def read_cifar10(folder_or_files: Any, data_format: str = "channels_last") -> Any:
    """CIFAR-10's binary version.

    A folder gives (x_train, y_train), (x_test, y_test) from data_batch_1.bin to data_batch_5.bin and test_batch.bin, of
    which none may lack; a file or several give (x, y). Images are uint8 of (samples, 32, 32, 3), or (samples, 3, 32,
    32) with data_format "channels_first"; labels are uint8.
    """
    if not isinstance(data_format, str) or data_format not in ("channels_last", "channels_first"):
        raise ArgumentError(f'data_format is {data_format!r}; wanted "channels_last" or "channels_first"')
    if _is_sequence(folder_or_files):
        return _cifar(_names(folder_or_files), data_format)
    if os.path.isfile(given := _name(folder_or_files, "folder_or_files", "a folder, a file or a list of files")):
        return _cifar([given], data_format)
    folder = _folder(given)
    train, test = [folder / f"data_batch_{number}.bin" for number in range(1, 6)], folder / "test_batch.bin"
    for path in (*train, test):
        if not path.is_file():
            raise FileError(f"{folder} lacks {path.name}; wanted data_batch_1.bin to data_batch_5.bin and "
                            "test_batch.bin, or a list of the files that are meant")  # fmt: skip
    return _cifar([str(path) for path in train], data_format), _cifar([str(test)], data_format)


def _cifar(names: Sequence[str], data_format: str) -> Pair:
    if not names:
        raise ArgumentError("folder_or_files is empty; wanted at least one file")
    records = []
    for name in names:
        try:
            content = np.fromfile(name, np.uint8)
        except OSError as error:
            raise _unreadable(name, error) from error
        if not content.size or content.size % _CIFAR_RECORD:
            found = _reading.kind(content[:4].tobytes())
            what = f"is {found}" if found else f"has {content.size:,} bytes"
            raise FormatError(f"{name} {what}; wanted the binary version, records of {_CIFAR_RECORD:,}, one or more")
        records.append(content.reshape(-1, _CIFAR_RECORD))
        if (wrong := records[-1][:, 0] > 9).any():
            record = int(wrong.argmax())
            raise FormatError(f"{name} has label {records[-1][record, 0]} in record {record}; wanted 0 to 9")
    joined = np.concatenate(records)
    images = joined[:, 1:].reshape(-1, 3, 32, 32)
    if data_format == "channels_last":
        images = images.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), joined[:, 0].copy()


def _is_sequence(given: Any) -> bool:
    return isinstance(given, list | tuple)


def _name(path: Any, where: str, wanted: str = "a file name") -> str:
    return os.fsdecode(_arguments.file_name(path, where, wanted))


def _names(paths: Sequence[Any]) -> list[str]:
    return [_name(path, f"folder_or_files[{index}]") for index, path in enumerate(paths)]


def _folder(given: Any) -> Path:
    name = _name(given, "folder_or_files", "a folder, or a list of files")
    if not os.path.exists(name):
        raise FileError(f"{name}: No such file or folder")
    if not os.path.isdir(name):
        raise FileError(f"{name} is no folder; wanted one, or a list of files")
    return Path(name)


def _unreadable(name: str, error: OSError) -> FileError:
    return FileError(f"{name}: {error.strerror or error}")
