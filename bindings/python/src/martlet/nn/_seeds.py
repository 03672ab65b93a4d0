"""The seeds of models that are given none: random ones, or after set_random_seed those that it leads to."""

from __future__ import annotations

import os
from itertools import count
from typing import Any

from numpy.random import Philox

_begun: list[tuple[int, Any]] = []


def begin(seed: int) -> None:
    """Has the models that follow have seeds that follow from this one."""
    _begun[:] = [(seed, count())]


def following() -> int:
    """The next model's."""
    if not _begun:
        return int.from_bytes(os.urandom(8), "little")
    seed, places = _begun[0]
    return int(Philox(key=seed, counter=next(places)).random_raw())
