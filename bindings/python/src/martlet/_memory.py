"""Memory at addresses that stay: words and configs of our own for the library to read, and views of the library's.

Each object of our own frees its memory when it is collected, so whoever hands out an address keeps the object.
What the structs hold is _ffi.py's to say.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from martlet import _ffi_optimizers


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
        self._memory = (_ffi_optimizers.Config * max(count, 1))()
        self.address = ctypes.addressof(self._memory)

    def __getitem__(self, index: int) -> _ffi_optimizers.Config:
        return self._memory[index]


class Report:
    """A Report at a fixed address, for a step to fill in."""

    __slots__ = ("address", "numbers")

    def __init__(self) -> None:
        self.numbers = _ffi_optimizers.Report(struct_size=ctypes.sizeof(_ffi_optimizers.Report))
        self.address = ctypes.addressof(self.numbers)


def int64s(values: Sequence[int]) -> Any:
    """A C array of int64."""
    return (ctypes.c_int64 * len(values))(*values)


def int32s(values: Sequence[int]) -> Any:
    """A C array of int32."""
    return (ctypes.c_int32 * len(values))(*values)


def addresses(values: Sequence[int]) -> Any:
    """A C array of addresses. A list is assigned to a slice of it in half the time that an array.array is made in."""
    return (ctypes.c_uint64 * len(values))(*values)


def copy_bytes(target: int, source: int, size: int) -> None:
    """memcpy."""
    ctypes.memmove(target, source, size)


_byte_of = ctypes.c_char.from_buffer


def buffer_address(owner: Any) -> int:
    """Where the memory of a contiguous, writable object starts. What has none raises TypeError, ValueError or
    BufferError."""
    return ctypes.addressof(_byte_of(owner))


def address_of(struct: Any) -> int:
    """Where a struct, or an array of them, lies."""
    return ctypes.addressof(struct)


def pointer_value(pointer: Any) -> int:
    """The address that a typed pointer holds; 0 for NULL."""
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def doubles(struct: Any) -> memoryview[float]:
    """A struct of 8-byte words as floats, in place."""
    return memoryview(struct).cast("B").cast("d")


def floats_at(address: int) -> Any:
    """What a function that takes a float pointer is given for an address."""
    return ctypes.c_float.from_address(address) if address else None


def int64s_at(address: int, count: int) -> Any:
    """Foreign int64s as an object with a buffer, for as long as they are there."""
    return (ctypes.c_int64 * count).from_address(address)


def int64_at(address: int) -> Any:
    """The same of one that takes an int64 pointer."""
    return ctypes.c_int64.from_address(address)


def floats(address: int, count: int, owner: Any) -> Any:
    """Foreign floats as an object with a buffer, which keeps their owner."""
    block: Any = (ctypes.c_float * count).from_address(address)
    block.owner = owner
    return block
