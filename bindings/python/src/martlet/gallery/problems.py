"""What a problem of the gallery is, and how much is run of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from martlet.gallery.contenders import Contender


class Effort(NamedTuple):
    """grid: the rates that every algorithm gets, 10^(number / 2) of each number. widest: how many more it may get, one
    by one, while its best one is the last on a side. steps: on a surface. epochs, seeds: of a network."""

    grid: Sequence[int]
    widest: int
    steps: int
    epochs: int
    seeds: int


# From 1e-5 to 10; quick: from 1e-4 to 1, one a decade, which says no more than that everything runs.
FULL = Effort(tuple(range(-10, 3)), 6, 500, 10, 3)
QUICK = Effort(tuple(range(-8, 1, 2)), 0, 100, 1, 1)


class Outcome(NamedTuple):
    """loss: after the last step, inf where it was not finite; accuracy: of a classification, over what it never saw."""

    loss: float
    accuracy: float | None = None


class Problem(Protocol):
    """name: as --only takes it; title: as people do. first_loss: at the start, where guesses are even. has_matrices:
    whether there is something for algorithms that step matrices alone."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def first_loss(self) -> float: ...

    @property
    def has_matrices(self) -> bool: ...

    def run(self, contender: Contender, rate: float, effort: Effort, trail: list[Any] | None = None) -> Outcome:
        """From the same start for every algorithm and rate. trail: gets what a picture shows of the way."""


def finite(loss: float) -> float:
    """inf for what is not."""
    return loss if math.isfinite(loss) else math.inf
