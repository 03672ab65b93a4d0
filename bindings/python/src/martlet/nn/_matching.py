"""Weights that a user gives, against those that they shall replace."""

from __future__ import annotations

from typing import Any

import numpy as np

from martlet._errors import ArgumentError, DTypeError, ShapeError
from martlet._records import View

NDArray = np.ndarray[Any, np.dtype[np.float32]]


def matched(weights: Any, views: list[tuple[View, NDArray]], owner: str) -> list[NDArray]:
    """Weights as arrays, checked against the views that they shall fill; nothing is written.

    Raises DTypeError for what is no list of arrays of real numbers, ShapeError for other shapes than the views', and
    ArgumentError for finite numbers that float32 does not hold.
    """
    if isinstance(weights, np.ndarray) or not isinstance(weights, list | tuple):
        raise DTypeError(f"weights of {owner} are {type(weights).__name__}; wanted a list of arrays")
    if len(weights) != len(views):
        raise ShapeError(f"{owner} has {len(views)} weights, and {len(weights)} were given")
    arrays = []
    for (view, array), value in zip(views, weights, strict=True):
        try:
            found = np.asarray(value)
            if found.dtype.kind not in "fiub" and found.dtype.name != "bfloat16":
                raise TypeError(f"its dtype is {found.dtype.name}")
            with np.errstate(all="ignore"):
                given = found.astype(np.float32, copy=False)
        except (TypeError, ValueError, RuntimeError) as error:
            raise DTypeError(f"weight {view.name!r} of {owner}: {error}; wanted an array of real numbers") from None
        if given.shape != array.shape:
            raise ShapeError(f"weight {view.name!r} of {owner} has shape {array.shape}, and {given.shape} was given")
        if (np.isinf(given) & np.isfinite(found)).any():
            raise ArgumentError(f"weight {view.name!r} of {owner} holds numbers that float32 does not")
        arrays.append(given)
    return arrays
