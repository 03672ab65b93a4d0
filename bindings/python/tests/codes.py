"""State of 16, 8 and 4 bits: what codes stand for, in float64 from what martlet.h says."""

from __future__ import annotations

from typing import Any

import numpy as np

NDArray = np.ndarray[Any, Any]
# By the bits of a number, and whether it has a sign: the largest code, codes to each halving, numbers of a block.
FORMATS = {
    (16, True): (32767, 1024, 256), (16, False): (65535, 1024, 256),
    (8, True): (127, 8, 256), (8, False): (255, 8, 256), (4, True): (7, 2, 128), (4, False): (15, 2, 128),
}  # fmt: skip
UNSIGNED = ("exp_avg_sq", "max_exp_avg_sq", "exp_avg_var", "max_exp_avg_var", "sum", "exp_inf", "square_avg")


def magnitudes(bits: int, signed: bool) -> NDArray:
    """What each code stands for beside a scale of 1, from 0 to the largest."""
    top, steps, _ = FORMATS[bits, signed]
    found = [0.0]
    for code in range(1, top + 1):
        octave, step = divmod(max(top - code - 1, 0), steps)
        found.append(1.0 if code == top else (2 * steps - 1 - step) / (2 * steps) * 2.0**-octave)
    return np.array(found)


def parts(state: NDArray, count: int, bits: int) -> tuple[NDArray, NDArray]:
    """The codes and the scales of a state's bytes."""
    at = -(-count * bits // 32) * 4
    codes = state[: -(-count * bits // 8)]
    if bits == 16:
        codes = codes.view(np.uint16)
    if bits == 4:
        codes = np.stack([codes & 15, codes >> 4], axis=1).ravel()[:count]
    return codes.astype(int), state[at:].view(np.float32)


def decoded(state: NDArray, count: int, slot: str, bits: int) -> NDArray:
    """The numbers of a state."""
    signed = slot not in UNSIGNED
    table, block = magnitudes(bits, signed), FORMATS[bits, signed][2]
    both = np.concatenate([table, -table]) if signed else table
    codes, scales = parts(state, count, bits)
    return (both[codes].astype(np.float32) * np.repeat(scales, block)[:count]).astype(np.float32)


def check_codes(state: NDArray, wide: NDArray, slot: str, bits: int) -> None:
    """That a state's codes are beside the numbers that it stands for, and scales the largest of each block."""
    signed = slot not in UNSIGNED
    table, block = magnitudes(bits, signed), FORMATS[bits, signed][2]
    count, wide = wide.size, wide.ravel().astype(np.float64)
    codes, scales = parts(state, count, bits)
    most = [np.abs(wide[at : at + block]).max() for at in range(0, count, block)]
    assert np.array_equal(scales, np.array(most, np.float32))
    scale = np.repeat(scales, block)[:count].astype(np.float64)
    size = np.divide(np.abs(wide), scale, out=np.zeros(count), where=scale > 0)
    code = codes % len(table)
    below, above = table[np.maximum(code - 1, 0)], table[np.minimum(code + 1, len(table) - 1)]
    assert np.all((size > below * (1 - 1e-6)) | (code <= 1))
    assert np.all((size < above * (1 + 1e-6)) | (code == len(table) - 1))
    decided = np.abs(size / table[1] - 1) > 2e-6  # as far as fp32 says
    assert np.all((code > 0)[decided & (size > table[1])])
    assert np.all((code == 0)[size < min(table[1], 1 / 128) * (1 - 2e-6)] if signed else (code == 0) == (wide == 0))
    if signed:
        assert np.array_equal(codes >= len(table), (wide < 0) & (code > 0))
