"""What stands in keras.utils: to_categorical, pad_sequences, set_random_seed, plot_model."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from martlet import _arguments, _samples
from martlet._errors import ArgumentError, DTypeError, ShapeError
from martlet.nn import _seeds
from martlet.nn._pictures import plot_model as plot_model

NDArray = np.ndarray[Any, Any]


def to_categorical(x: Any, num_classes: int | None = None) -> NDArray:
    """Whole numbers as rows of float32 in which the number's place is 1, and the others 0: (...) becomes (...,
    classes), and (..., 1) too. num_classes: None, one more than the largest. Raises DTypeError for what are no whole
    numbers, and ArgumentError for one out of range."""
    found = _samples.filled(_samples.array(x, "x"), "x")
    if found.ndim > 1 and found.shape[-1] == 1:
        found = found[..., 0]
    with np.errstate(invalid="ignore"):
        whole = found.astype(np.int64)
    if (whole != found).any():
        raise DTypeError(f"x holds {found[whole != found][0]}; wanted whole numbers")
    most = int(whole.max())
    classes = most + 1 if num_classes is None else _arguments.integer(num_classes, "num_classes")
    for extreme in (int(whole.min()), most):
        if not 0 <= extreme < classes:
            raise ArgumentError(f"x holds {extreme}; wanted 0 to {classes - 1}")
    rows = np.zeros((*whole.shape, classes), np.float32)
    np.put_along_axis(rows, whole[..., None], 1, axis=-1)
    return rows


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> NDArray:
    """Sequences of any lengths as one array (sequences, maxlen, ...), as Keras's function of this name has it.

    sequences    a list of lists or arrays, each of numbers, or of vectors or more of one shape
    maxlen       None: the longest one's
    dtype        of the array
    padding      "pre": value comes before what is shorter than maxlen; "post": behind it
    truncating   "pre": what is longer loses its beginning; "post": its end
    value        what fills it up

    Raises DTypeError for what are no sequences or for values that dtype does not hold, ShapeError where shapes differ
    or all are empty and maxlen is None, and ArgumentError.
    """
    ends = {"pre": True, "post": False}
    before, late = _arguments.one_of(padding, ends, "padding"), _arguments.one_of(truncating, ends, "truncating")
    if isinstance(sequences, str | bytes) or not hasattr(sequences, "__len__"):
        raise DTypeError(f"sequences is {sequences!r}; wanted a list of sequences")
    rows = [_row(one, dtype, f"sequences[{place}]") for place, one in enumerate(sequences)]
    length = max(map(len, rows), default=0) if maxlen is None else _arguments.integer(maxlen, "maxlen")
    if not length:
        raise ShapeError(f"sequences has {len(rows)}, none with a number in it, and maxlen is None; wanted one")
    sizes = next((row.shape[1:] for row in rows if len(row)), ())
    found = np.empty((len(rows), length, *sizes), dtype)
    found[...] = _row([value], dtype, "value")[0]
    for place, row in enumerate(rows):
        if len(row) and row.shape[1:] != sizes:
            raise ShapeError(f"sequences[{place}] holds items of shape {row.shape[1:]}; wanted {sizes}, as before")
        kept = row[-length:] if late else row[:length]
        if len(kept):
            found[place, slice(-len(kept), None) if before else slice(len(kept))] = kept
    return found


def _row(given: Any, dtype: Any, where: str) -> NDArray:
    """One sequence as an array."""
    if isinstance(given, str | bytes) or not hasattr(given, "__len__"):
        raise DTypeError(f"{where} is {given!r}; wanted a list of numbers")
    try:
        return np.asarray(given, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise DTypeError(f"{where} is {given!r}, which is no {dtype}: {error}") from None


def set_random_seed(seed: int) -> None:
    """Seeds Python's random, numpy's and that of every model made from here on without one of its own: the first, the
    second and so on have the same in each run. 0 to 2^32 - 1."""
    number = _arguments.integer(seed, "seed", 0, 2**32 - 1)
    random.seed(number)
    np.random.seed(number)
    _seeds.begin(number)
