"""Sums that a caller adds up over shards: what a step of parts of parameters asks a Python function for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from martlet import _ffi_bound
from martlet._errors import DTypeError, ShapeError

# Takes a float64 array to be summed in place over all processes; or returns the sums.
Reduce = Callable[[np.ndarray[Any, Any]], Any]


def step(report: int, place: tuple[int, int, int, int], reduce: Reduce) -> int:
    """martlet_step_sharded: returns the status, or raises what the function has raised.

    report: the address of a Report; place: the addresses and counts of arrays of Parameter and Config.
    """
    raised: list[BaseException] = []

    def serve(context: Any, sums: Any, count: int) -> int:
        try:
            given = np.ctypeslib.as_array(sums, (count,))
            given[:] = _summed(given.copy(), reduce)
        except BaseException as error:  # it cannot pass through the library
            raised.append(error)
            return 1
        return 0

    status = _ffi_bound.step_sharded(report, *place, serve)
    if raised:
        raise raised[0]
    return status


def _summed(sums: np.ndarray[Any, Any], reduce: Reduce) -> np.ndarray[Any, Any]:
    """What the function makes of a copy, which it may keep: the library's numbers are gone when the step is."""
    found = reduce(sums)
    if found is None:
        return sums
    try:
        made = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        raise DTypeError(f"reduce_sums returned {found!r:.80}; wanted None, or the sums as numbers") from None
    if made.shape != sums.shape:
        raise ShapeError(f"reduce_sums returned numbers of shape {made.shape}; wanted None, or the sums, {sums.shape}")
    return made


def checked(function: Any) -> Any:
    """What may stand as reduce_sums."""
    if function is not None and not callable(function):
        raise DTypeError(f"reduce_sums is {function!r:.80}; wanted a function of an array of sums, or None")
    return function
