"""Options that are one of several, such as Muon's scale: what users call the choices, and the flags of the library that
each stands for.
"""

from __future__ import annotations

from typing import Any

from martlet import _algorithms, _ffi_optimizers
from martlet._errors import ArgumentError

TABLE: dict[str, dict[str | None, int]] = {
    "adjust_lr_fn": {
        None: 0,
        "original": 0,
        "match_rms_adamw": _ffi_optimizers.MATCH_RMS,
        "spectral": _ffi_optimizers.SPECTRAL,
        "spectral_unclamped": _ffi_optimizers.SPECTRAL,
    },
    "low_precision": {
        None: 0,
        "stochastic": _ffi_optimizers.STOCHASTIC_ROUNDING,
        "kahan": _ffi_optimizers.KAHAN,
        "split": _ffi_optimizers.SPLIT,
    },
    "grafting": {None: 0, "adam": _ffi_optimizers.GRAFT_ADAM},
    "ns_coefficients": {
        "simple": 0,
        "quintic": _ffi_optimizers.QUINTIC,
        "polar_express": _ffi_optimizers.POLAR_EXPRESS,
    },
}
# Those for which numbers of one's own will do too: a name stands for the library's.
OR_NUMBERS = frozenset({"ns_coefficients"})


def keys(algorithm: int) -> tuple[str, ...]:
    """The options of an algorithm that are one of several."""
    return tuple(key for key in TABLE if _mask(key) & _algorithms.of(algorithm).flags)


def chosen(key: str, flags: int) -> str | None:
    """The option that flags stand for; None for the first, or for numbers of one's own."""
    bits = flags & _mask(key)
    return next(name for name, own in TABLE[key].items() if own == bits) if bits else None


def choose(flags: int, value: Any, key: str) -> int:
    """Flags with what a choice stands for."""
    if key in OR_NUMBERS and not isinstance(value, str):
        return flags & ~_mask(key)
    if not (value is None or isinstance(value, str)) or value not in TABLE[key]:
        also = " or numbers" if key in OR_NUMBERS else ""
        raise ArgumentError(f"{key} is {value!r}; wanted one of {', '.join(map(repr, TABLE[key]))}{also}")
    return flags & ~_mask(key) | TABLE[key][value]


def _mask(key: str) -> int:
    """The flags that a choice is made of."""
    mask = 0
    for bits in TABLE[key].values():
        mask |= bits
    return mask
