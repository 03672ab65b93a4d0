"""Models as files of C, compiled as strictly as any, and called."""

from __future__ import annotations

import ctypes
import itertools
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from exported import NDArray, as_list

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
_NUMBERS = itertools.count()
STRICT = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-Wvla")


def compiled(path: Path, compiler: str = "gcc", *options: str) -> ctypes.CDLL:
    """The file as a library that has nothing but libm."""
    # A name that no library was loaded by.
    target = path.with_suffix(f".{next(_NUMBERS)}.so")
    flags = [*STRICT, *(options or ("-O1",)), "-fPIC", "-shared", "-Wl,-z,defs"]
    subprocess.run([compiler, *flags, str(path), "-o", str(target), "-lm"], check=True)
    return ctypes.CDLL(str(target))


def memory(path: Path) -> int:
    """How many floats m has."""
    (count,) = re.findall(r"m: room for (\d+) numbers", path.read_text())
    return int(count)


def run(path: Path, x: Any, sizes: list[tuple[int, ...]], compiler: str = "gcc", *options: str) -> list[NDArray]:
    """What the file's function gives for each sample; sizes: of a sample of each output. The memory and the room for
    outputs are between numbers that nobody may write."""
    function = getattr(compiled(path, compiler, *options), f"{path.name.partition('.')[0]}_predict")
    inputs = [np.ascontiguousarray(one, np.int32 if one.dtype.kind == "i" else np.float32) for one in as_list(x)]
    found = [np.empty((len(inputs[0]), *one), np.float32) for one in sizes]
    fence, room = np.float32(12345), np.full(memory(path) + 64, 12345, np.float32)
    outs = [np.full(int(np.prod(one)) + 64, 12345, np.float32) for one in sizes]
    given = [array.ctypes.data + 32 * array.itemsize for array in [*outs, room]]
    for sample in range(len(inputs[0])):
        read = [one[sample : sample + 1].ctypes.data for one in inputs]
        function(*map(ctypes.c_void_p, [*read, *given]))
        for target, out in zip(found, outs, strict=True):
            target[sample] = out[32:-32].reshape(target.shape[1:])
    for array in [*outs, room]:
        assert (array[:32] == fence).all() and (array[-32:] == fence).all()
    return found
