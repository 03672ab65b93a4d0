"""Memory of our own at addresses that stay, for the library to read: words, configs, names.

Each object frees its memory when it is collected, so whoever hands out an address keeps the object. What the structs
hold is _ffi.py's to say.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from martlet import _ffi


class Words:
    """Zeroed 8-byte words at a fixed address, for structs that are written by number and not by field."""

    __slots__ = ("_memory", "address", "view")

    def __init__(self, count: int) -> None:
        self._memory = (ctypes.c_uint64 * max(count, 1))()
        self.address = ctypes.addressof(self._memory)
        self.view = memoryview(self._memory).cast("B").cast("Q")


class Configs:
    """An array of Config at a fixed address."""

    __slots__ = ("_memory", "address")

    def __init__(self, count: int) -> None:
        self._memory = (_ffi.Config * max(count, 1))()
        self.address = ctypes.addressof(self._memory)

    def __getitem__(self, index: int) -> _ffi.Config:
        return self._memory[index]


def int64s(values: Sequence[int]) -> Any:
    """A C array of int64."""
    return (ctypes.c_int64 * len(values))(*values)


def copy_bytes(target: int, source: int, size: int) -> None:
    """memcpy."""
    ctypes.memmove(target, source, size)


_byte_of = ctypes.c_char.from_buffer


def buffer_address(owner: Any) -> int:
    """Where the memory of a contiguous, writable object starts. What has none raises TypeError, ValueError or
    BufferError."""
    return ctypes.addressof(_byte_of(owner))
