"""Readers of IDX and CIFAR-10: right files, wrong files, and files that say they are larger than they are."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import martlet
from martlet.data import load_mnist_idx, read_cifar10, read_idx

RNG = np.random.default_rng(1)
IMAGES = RNG.integers(0, 256, (7, 28, 28), dtype=np.uint8)
LABELS = RNG.integers(0, 10, 7, dtype=np.uint8)


def idx(array: np.ndarray[Any, Any], kind: int = 0x08) -> bytes:
    """By the format's description, independent of the reader."""
    content = array.astype(array.dtype.newbyteorder(">")).tobytes()
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + content


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("kind", "dtype"), [(8, "u1"), (9, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")]
)
def test_idx(tmp_path: Path, kind: int, dtype: str, packed: bool) -> None:
    array = (RNG.random((3, 4, 5)) * 100).astype(dtype)
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(idx(array, kind)) if packed else idx(array, kind))
    found = read_idx(path)
    assert found.dtype == array.dtype and found.dtype.isnative and (found == array).all()


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("dash", "-.")
def test_mnist(tmp_path: Path, packed: str, dash: str) -> None:
    press = gzip.compress if packed else bytes
    for part, start in (("train", 0), ("t10k", 4)):
        (tmp_path / f"{part}-images{dash}idx3-ubyte{packed}").write_bytes(press(idx(IMAGES[start:])))
        (tmp_path / f"{part}-labels{dash}idx1-ubyte{packed}").write_bytes(press(idx(LABELS[start:])))
    (x_train, y_train), (x_test, y_test) = load_mnist_idx(tmp_path)
    assert (x_train == IMAGES).all() and (y_train == LABELS).all()
    assert (x_test == IMAGES[4:]).all() and (y_test == LABELS[4:]).all()
    names = [str(tmp_path / f"t10k-{kind}{packed}") for kind in (f"images{dash}idx3-ubyte", f"labels{dash}idx1-ubyte")]
    x, y = load_mnist_idx(names)
    assert (x == IMAGES[4:]).all() and (y == LABELS[4:]).all()


def test_mnist_that_does_not_fit(tmp_path: Path) -> None:
    images, labels, more = (tmp_path / name for name in ("images", "labels", "more"))
    images.write_bytes(idx(IMAGES))
    labels.write_bytes(idx(LABELS[:5]))
    more.write_bytes(idx(LABELS.astype(np.int32), 0x0C))
    with pytest.raises(martlet.FormatError, match=r"images holds 7 images and .*labels 5 labels"):
        load_mnist_idx((images, labels))
    with pytest.raises(martlet.FormatError, match=r"labels holds uint8 of shape \(5,\); wanted uint8 images"):
        load_mnist_idx((labels, labels))
    with pytest.raises(martlet.FormatError, match=r"more holds int32 of shape \(7,\); wanted uint8 labels"):
        load_mnist_idx((images, more))
    with pytest.raises(martlet.FileError, match="has none of train-images-idx3-ubyte, train-images-idx3-ubyte.gz"):
        load_mnist_idx(tmp_path)
    with pytest.raises(martlet.FileError, match="nowhere: No such file or folder"):
        load_mnist_idx(tmp_path / "nowhere")
    with pytest.raises(martlet.FileError, match="images is no folder; wanted one, or a list of files"):
        load_mnist_idx(images)
    with pytest.raises(martlet.ArgumentError, match="has 1 files; wanted images and labels"):
        load_mnist_idx([images])
    with pytest.raises(martlet.DTypeError, match="folder_or_files is 3"):
        load_mnist_idx(3)


GOOD = idx(IMAGES)
HOSTILE = {
    "empty": (b"", "begins with nothing"),
    "short": (GOOD[:3], "begins with 000008"),
    "magic": (b"\1" + GOOD[1:], "begins with 01000803"),
    "type": (bytes([0, 0, 7, 3]) + GOOD[4:], "begins with 00000703"),
    "no rank": (bytes([0, 0, 8, 0]), "ends in its header; wanted at least one"),
    "header": (GOOD[:10], "ends in its header; wanted 3 sizes"),
    "truncated": (GOOD[:-1], "there are fewer"),
    "longer": (GOOD + b"x", "there are more"),
    "huge": (GOOD[:4] + struct.pack(">3I", *[2**32 - 1] * 3) + GOOD[16:], "there are fewer"),
    "rank 255": (
        bytes([0, 0, 8, 255]) + struct.pack(">255I", *[2**32 - 1] * 255),
        "its rank is 255; wanted at most 32",
    ),
    "rank 100": (bytes([0, 0, 8, 100]) + struct.pack(">100I", *[1] * 100) + b"x", "its rank is 100; wanted at most 32"),
    "rank 33": (bytes([0, 0, 8, 33]) + struct.pack(">33I", *[1] * 33) + b"x", "its rank is 33; wanted at most 32"),
    "huge and empty": (GOOD[:4] + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 0), "wanted sizes that an array can have"),
    "doubles, huge and empty": (
        bytes([0, 0, 14, 3]) + struct.pack(">3I", 2**31, 2**29, 0),
        "wanted sizes that an array can have",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("packed", [False, True])
def test_hostile_idx(tmp_path: Path, name: str, packed: bool) -> None:
    content, says = HOSTILE[name]
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(martlet.FormatError, match=says if not packed else None):
        read_idx(path)


@pytest.mark.parametrize("cut", [12, 40, -4])
def test_damaged_gzip(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "file"
    content = bytearray(gzip.compress(idx(IMAGES)))
    path.write_bytes(bytes(content[:cut]))
    with pytest.raises(martlet.FormatError):
        read_idx(path)
    content[60] ^= 255
    path.write_bytes(bytes(content))
    with pytest.raises(martlet.FormatError):
        read_idx(path)


def test_no_memory_is_taken_for_what_is_not_there(tmp_path: Path, run_python: Any) -> None:
    """A file of a few bytes says that it has 3 GB, and a small compressed one really has 800 MB but says less."""
    plain, bomb = tmp_path / "plain", tmp_path / "bomb"
    plain.write_bytes(bytes([0, 0, 8, 1]) + struct.pack(">I", 3_000_000_000))
    with gzip.open(bomb, "wb", compresslevel=1) as file:
        file.write(bytes([0, 0, 8, 1]) + struct.pack(">I", 1000))
        for _ in range(100):
            file.write(bytes(8_000_000))
    run_python(
        f"""
import resource
import martlet
from martlet.data import read_idx
import numpy, gzip, zlib
base = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (base + 100_000_000, -1))
for path in ({str(plain)!r}, {str(bomb)!r}):
    try:
        read_idx(path)
        raise SystemExit(3)
    except martlet.FormatError:
        pass
"""
    )


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(martlet.FileError, match="No such file"):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(OSError):
        read_cifar10([tmp_path / "nowhere"])


READERS: list[Any] = [read_idx, load_mnist_idx, read_cifar10]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("wrong", [None, 3, 987, 2.5, True, (path for path in "ab"), {"a": 1}])
def test_no_path(reader: Any, wrong: Any) -> None:
    with pytest.raises(martlet.DTypeError, match=r"(path|folder_or_files) is .*; wanted a (file|folder)"):
        reader(wrong)
    if reader is not read_idx:
        with pytest.raises(martlet.DTypeError, match=r"folder_or_files\[1\] is .*; wanted a file name"):
            reader(["a", wrong])


@pytest.mark.parametrize("reader", READERS)
def test_paths_that_cannot_be(reader: Any, tmp_path: Path) -> None:
    for wrong in ("", "a\0b"):
        with pytest.raises(martlet.ArgumentError, match=r"(path|folder_or_files) is .*; wanted a (file|folder)"):
            reader(wrong)
    for missing in (tmp_path / "data_batch_1.bin", os.fsencode(tmp_path / "nowhere"), "x" * 5000):
        with pytest.raises(martlet.FileError, match="No such file or|File name too long"):
            reader(missing)


def test_a_descriptor_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(GOOD)
    with open(path, "rb") as file:
        with pytest.raises(martlet.DTypeError, match="path is"):
            read_idx(file.fileno())
        assert file.read(4) == GOOD[:4]


def test_most_axes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes([0, 0, 8, 32]) + struct.pack(">32I", *[1] * 32) + b"x")
    assert read_idx(path).shape == (1,) * 32


def records(count: int) -> np.ndarray[Any, Any]:
    found = RNG.integers(0, 256, (count, 3073), dtype=np.uint8)
    found[:, 0] %= 10
    return found


def test_cifar10(tmp_path: Path) -> None:
    content = [records(5), records(3), records(1), records(4), records(2), records(2)]
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    for name, part in zip(names, content, strict=True):
        part.tofile(tmp_path / name)
    (x_train, y_train), (x_test, y_test) = read_cifar10(tmp_path)
    assert x_train.shape == (15, 32, 32, 3) and x_test.shape == (2, 32, 32, 3) and x_train.dtype == np.uint8
    assert (y_train == np.concatenate(content[:5])[:, 0]).all() and (y_test == content[5][:, 0]).all()
    # A record: the label, then the red plane, row by row, the green and the blue one.
    assert x_train[6, 3, 5, 1] == content[1][1, 1 + 1024 + 3 * 32 + 5]
    first, labels = read_cifar10(tmp_path / "test_batch.bin", data_format="channels_first")
    assert (first == x_test.transpose(0, 3, 1, 2)).all() and (labels == y_test).all()
    both, _ = read_cifar10([tmp_path / "data_batch_1.bin", tmp_path / "data_batch_2.bin"])
    assert (both == x_train[:8]).all()
    for name in names:  # half a download is no data set
        (tmp_path / name).rename(tmp_path / "away")
        with pytest.raises(martlet.FileError, match=f"lacks {name}; wanted data_batch_1.bin to data_batch_5.bin"):
            read_cifar10(tmp_path)
        (tmp_path / "away").rename(tmp_path / name)


def test_hostile_cifar10(tmp_path: Path) -> None:
    path = tmp_path / "data_batch_1.bin"
    for content, says in ((b"", "has 0 bytes"), (bytes(3072), "has 3,072 bytes"), (bytes(3074), "has 3,074 bytes")):
        path.write_bytes(content)
        with pytest.raises(martlet.FormatError, match=says):
            read_cifar10(path)
    wrong = records(4)
    wrong[2, 0] = 10
    wrong.tofile(path)
    with pytest.raises(martlet.FormatError, match="has label 10 in record 2; wanted 0 to 9"):
        read_cifar10([path])
    with pytest.raises(martlet.FileError, match="lacks data_batch_2.bin"):
        read_cifar10(tmp_path)
    for data_format in ("NHWC", np.array(["channels_last"] * 2)):
        with pytest.raises(martlet.ArgumentError, match="data_format is "):
            read_cifar10(path, data_format)
    with pytest.raises(martlet.ArgumentError, match="is empty"):
        read_cifar10([])
