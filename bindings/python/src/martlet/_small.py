"""State of 16, 8 and 4 bits: the types of martlet.h, and how codes and scales lie in one array of bytes.

The codes come first; the scales, in float32, from the next multiple of four bytes on. Which slots are kept so is what
_algorithms.py says. Nothing here knows numpy or torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from martlet import _ffi

# What state_dtype says, and the bits of a number.
BITS: Mapping[str, int] = {"fp16": 16, "int8": 8, "int4": 4}
# Arrays of fewer elements are kept in their own type.
LEAST = 4096
# What a row of a matrix has a multiple of, where an algorithm sees rows.
ROW = 256


class Small(NamedTuple):
    """number: of martlet.h; bits: of a code; block: how many codes have one scale."""

    number: int
    bits: int
    block: int

    def scales_at(self, count: int) -> int:
        """Where the scales of so many codes begin, in bytes."""
        return -(-count * self.bits // 32) * 4

    def size(self, count: int) -> int:
        """The bytes of so many codes and their scales."""
        return self.scales_at(count) + 4 * -(-count // self.block)


TYPES = {
    _ffi.FLOAT16: Small(_ffi.FLOAT16, 16, 256),
    _ffi.UFLOAT16: Small(_ffi.UFLOAT16, 16, 256),
    _ffi.FLOAT8: Small(_ffi.FLOAT8, 8, 256),
    _ffi.UFLOAT8: Small(_ffi.UFLOAT8, 8, 256),
    _ffi.FLOAT4: Small(_ffi.FLOAT4, 4, 128),
    _ffi.UFLOAT4: Small(_ffi.UFLOAT4, 4, 128),
}
