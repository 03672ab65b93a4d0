"""Checks of plain arguments, with errors that name the argument, what was given and what was wanted.

Shapes of data are checked in _inputs.py, and what the library checks is left to it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np

from martlet._errors import ArgumentError, DTypeError

Choice = TypeVar("Choice")


def integer(value: Any, where: str, least: int = 1, most: int = 2**63 - 1) -> int:
    """A whole number from least to most."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
        raise DTypeError(f"{where} is {value!r} of type {type(value).__name__}; wanted a whole number")
    number = int(value)
    if not least <= number <= most:
        shown = number if number.bit_length() < 128 else f"a number of {number.bit_length()} bits"
        raise ArgumentError(f"{where} is {shown}; wanted {least} {'or more' if number < least else f'to {most}'}")
    return number


def real(value: Any, where: str, wanted: str = "a finite number") -> float:
    """A finite number."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise DTypeError(f"{where} is {value!r} of type {type(value).__name__}; wanted a number")
    try:
        number = float(value)
    except OverflowError:
        raise ArgumentError(f"{where} is beyond float64's range; wanted {wanted}") from None
    if not math.isfinite(number):
        raise ArgumentError(f"{where} is {value}; wanted {wanted}")
    return number


def within(value: Any, where: str, least: float, most: float, *, open_end: bool = False) -> float:
    """A number from least to most; with open_end, less than most."""
    wanted = f"{least:g} or more" if most == math.inf else f"{least:g} to {most:g}"
    if open_end and most != math.inf:
        wanted = f"{least:g} or more and less than {most:g}"
    number = real(value, where, f"{wanted}, and finite" if most == math.inf else wanted)
    if not least <= number <= most or (open_end and number == most):
        raise ArgumentError(f"{where} is {value}; wanted {wanted}")
    return number


def flag(value: Any, where: str) -> bool:
    """Yes or no. A text such as "False" would be true in Python, and is none."""
    if not isinstance(value, Integral | np.bool_) or value not in (0, 1):
        raise DTypeError(f"{where} is {value!r}; wanted True or False")
    return bool(value)


def pair(value: Any, where: str, least: int = 1) -> tuple[int, int]:
    """One whole number for both, or two."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        both = integer(value, where, least)
        return both, both
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        return integer(value[0], f"{where}[0]", least), integer(value[1], f"{where}[1]", least)
    raise DTypeError(f"{where} is {value!r}; wanted a whole number or two of them")


def shape(value: Any, where: str) -> tuple[int, ...]:
    """Sizes of a sample, each 1 or more."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        raise DTypeError(f"{where} is {value!r}; wanted the sizes of one sample, as in ({value},)")
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise DTypeError(f"{where} is {value!r}; wanted the sizes of one sample, as in (784,) or (28, 28, 1)")
    if not 1 <= len(value) <= 8:
        raise ArgumentError(f"{where} is {tuple(value)}; wanted 1 to 8 sizes, the batch not among them")
    return tuple(integer(size, f"{where}[{index}]") for index, size in enumerate(value))


def open_shape(value: Any, where: str) -> tuple[int | None, ...]:
    """The same of samples whose sizes may be open, None."""
    if isinstance(value, Sequence) and not isinstance(value, str) and None in value and len(value) <= 8:
        known = shape([1 if size is None else size for size in value], where)
        return tuple(None if size is None else checked for size, checked in zip(value, known, strict=True))
    return shape(value, where)


def text(value: Any, where: str) -> str:
    """A text."""
    if not isinstance(value, str):
        raise DTypeError(f"{where} is {value!r} of type {type(value).__name__}; wanted text")
    return value


def one_of(value: Any, choices: Mapping[str, Choice], where: str) -> Choice:
    """What a name stands for."""
    if isinstance(value, str) and value.lower() in choices:
        return choices[value.lower()]
    if not isinstance(value, str):
        raise DTypeError(f"{where} is {value!r} of type {type(value).__name__}; wanted a name: {listed(choices)}")
    raise ArgumentError(f"{where} is {value!r}; wanted one of {listed(choices)}")


def seed(value: Any) -> int:
    """A number of 64 bits."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
        raise DTypeError(f"seed is {value!r} of type {type(value).__name__}; wanted a whole number or None")
    number = int(value)
    if not 0 <= number < 2**64:
        raise ArgumentError(f"seed is {value}; wanted 0 to 2^64 - 1")
    return number


def batch_size(value: Any) -> int:
    """Samples in a step; None is Keras's 32."""
    return 32 if value is None else integer(value, "batch_size")


def listed(names: Any) -> str:
    return ", ".join(f'"{name}"' for name in names)


def file_name(path: Any, where: str = "path", wanted: str = "a file name") -> bytes:
    """A path, as text, bytes or an object that has one, as the system takes it. A number, which open would take for a
    file that is open already, is none."""
    try:
        name = os.fsencode(path)
    except TypeError:
        raise DTypeError(f"{where} is {path!r}; wanted {wanted}") from None
    except UnicodeEncodeError as error:
        raise ArgumentError(f"{where} is {path!r}, which cannot be said in bytes ({error}); wanted {wanted}") from None
    if not name:
        raise ArgumentError(f"{where} is {path!r}; wanted {wanted}")
    if b"\0" in name:
        raise ArgumentError(f"{where} is {path!r}, which holds a zero byte; wanted {wanted}")
    return name
