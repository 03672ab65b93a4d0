"""What stands in keras.utils: to_categorical, set_random_seed, plot_model."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from martlet import _arguments, _samples
from martlet._errors import ArgumentError, DTypeError
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


def set_random_seed(seed: int) -> None:
    """Seeds Python's random, numpy's and that of every model made from here on without one of its own: the first, the
    second and so on have the same in each run. 0 to 2^32 - 1."""
    number = _arguments.integer(seed, "seed", 0, 2**32 - 1)
    random.seed(number)
    np.random.seed(number)
    _seeds.begin(number)
