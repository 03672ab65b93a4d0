"""State of few bits as numbers, and numbers as codes: Martlet's own, as martlet.h says, and codes of a map of numbers.

Which slots are kept so is _algorithms.py's business, and what other libraries' states look like _coded.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import prod
from typing import Any

import numpy as np

from martlet import _algorithms, _ffi
from martlet._algorithms import Slots
from martlet._errors import FormatError
from martlet._small import Small
from martlet.convert._values import as_array, like

NDArray = np.ndarray[Any, Any]

_SHIFTS = {16: 13, 8: 20, 4: 22}  # bits of float32 below those that a code has
_SIGNED = (_ffi.FLOAT16, _ffi.FLOAT8, _ffi.FLOAT4)


@cache
def _magnitudes(small: Small) -> NDArray:
    """What the codes without a sign stand for beside a scale of 1, from 0 to 1."""
    top = (1 << (small.bits - (small.number in _SIGNED))) - 1
    bits = 0x3F800000 - ((top - np.arange(top + 1)) << _SHIFTS[small.bits])
    found = bits.astype(np.uint32).view(np.float32)
    found[0] = 0
    return found


def in_numbers(entry: Mapping[str, Any], algorithm: int, shape: tuple[int, ...]) -> dict[str, Any]:
    """What of a parameter's state is kept in few bits."""
    slots, made = _algorithms.all_slots(algorithm), {}
    for slot in slots.small.keys() & entry.keys():
        if _type_of(entry[slot]) == "uint8":
            state = as_array(entry[slot])
            small = slots.small_of(slot, state.size, shape)
            if small is None:
                raise FormatError(f"our {slot} is uint8 of {state.size} bytes; wanted those of a parameter of {shape}")
            made[slot] = like(decoded(state, small, prod(shape)).reshape(shape), entry[slot])
    return made


def in_codes(entry: Mapping[str, Any], slots: Slots, state_dtype: Any, parameter: Any) -> dict[str, Any]:
    """What of a parameter's state is to be kept in few bits, where state_dtype says so."""
    if _type_of(parameter) not in ("float32", "bfloat16", "float16"):
        return {}
    shape, made = tuple(parameter.shape), {}
    for slot in slots.small.keys() & entry.keys():
        small = slots.small_type(slot, state_dtype, shape)
        if small is not None and tuple(entry[slot].shape) == shape:  # else who loads it says what is wrong
            made[slot] = like(encoded(as_array(entry[slot]).ravel(), small), entry[slot])
    return made


def _type_of(array: Any) -> str:
    return str(array.dtype).removeprefix("torch.")


def decoded(state: NDArray, small: Small, count: int) -> NDArray:
    """The numbers of a state, in float32."""
    codes = state[: -(-count * small.bits // 8)]
    if small.bits == 16:
        codes = codes.view(np.uint16)
    elif small.bits == 4:
        codes = np.stack([codes & 15, codes >> 4], axis=1).ravel()[:count]
    table = _magnitudes(small)
    if small.number in _SIGNED:
        table = np.concatenate([table, -table])
    scales = state[small.scales_at(count) :].view(np.float32)
    found: NDArray = table[codes] * np.repeat(scales, small.block)[:count]
    return found


def encoded(numbers: NDArray, small: Small) -> NDArray:
    """The state of numbers in one dimension: the codes nearest to them, but that what is divided by and is not 0 has no
    code 0."""
    table, count = _magnitudes(small), numbers.size
    limit = np.finfo(np.float32).max
    wide = np.clip(numbers.astype(np.float64), -limit, limit)
    scales = largest(wide, small.block)
    codes = nearest(scaled(np.abs(wide), scales, small.block), table)
    if small.number in _SIGNED:
        codes |= np.where((wide < 0) & (codes > 0), len(table), 0).astype(codes.dtype)
    else:
        codes[(codes == 0) & (wide > 0)] = 1
    state = np.zeros(small.size(count), np.uint8)
    if small.bits == 4:
        pairs = np.append(codes, np.zeros(count % 2, np.uint8)).reshape(-1, 2)
        codes = pairs[:, 0] | pairs[:, 1] << 4
    state[: codes.nbytes] = codes.view(np.uint8)
    state[small.scales_at(count) :].view(np.float32)[:] = scales
    return state


def largest(numbers: NDArray, block: int) -> NDArray:
    """The largest magnitude of each block, in float32."""
    if not numbers.size:
        return np.zeros(0, np.float32)
    return np.maximum.reduceat(np.abs(numbers), np.arange(0, numbers.size, block)).astype(np.float32)


def scaled(numbers: NDArray, scales: NDArray, block: int) -> NDArray:
    """Numbers over the scales of their blocks; 0 where that is 0."""
    each = np.repeat(scales.astype(np.float64), block)[: numbers.size]
    return np.divide(numbers, each, out=np.zeros(numbers.size), where=each > 0)


def nearest(numbers: NDArray, table: NDArray) -> NDArray:
    """The places of a sorted table's nearest numbers, as bytes or, of a long table, halves."""
    wide = table.astype(np.float64)
    return np.searchsorted((wide[:-1] + wide[1:]) / 2, numbers).astype(np.uint8 if len(table) <= 256 else np.uint16)
