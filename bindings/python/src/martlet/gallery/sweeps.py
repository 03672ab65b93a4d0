"""Runs of every algorithm at every rate of one grid.

Every algorithm has the library's defaults, but no weight decay, which would move the minimum, and takes the same number
of steps from the same start. Its best rate is that of the least loss after the last step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from martlet import _algorithms, optim
from martlet.gallery.surfaces import Surface

# Two rates a decade, from 1e-5 to 10.
RATES = tuple(10.0 ** (place / 2) for place in range(-10, 3))
STEPS = 500


class Contender(NamedTuple):
    """An algorithm as it is run: a class of martlet.optim and what it gets beside the rate."""

    name: str
    kind: Callable[..., optim.Optimizer]
    options: dict[str, Any]
    takes_vectors: bool


class Run(NamedTuple):
    """A problem's loss after the last step, inf where it was not finite."""

    rate: float
    loss: float


def contenders() -> dict[str, Contender]:
    """All algorithms that martlet.optim has, by their names in the library's order, and SGD with momentum."""
    kinds = {kind.__dict__["_algorithm"]: kind for kind in vars(optim).values() if _is_algorithm(kind)}
    found = {}
    for number in sorted(kinds):
        algorithm = _algorithms.of(number)
        options = {"weight_decay": 0.0} if "weight_decay" in algorithm.defaults else {}
        found[algorithm.name] = Contender(algorithm.name, kinds[number], options, algorithm.takes_vectors)
        if algorithm.name == "sgd":
            found["momentum"] = Contender("momentum", kinds[number], {**options, "momentum": 0.9}, True)
    return found


def _is_algorithm(kind: Any) -> bool:
    return isinstance(kind, type) and "_algorithm" in kind.__dict__


def descend(contender: Contender, surface: Surface, rate: float, steps: int = STEPS) -> Run:
    """Steps from the surface's start. Where an algorithm trains at one point for the sake of another, the loss is the
    other's."""
    point = np.array(surface.start)
    gradient = np.empty(2)
    optimizer = contender.kind([point], lr=rate, **contender.options)
    try:
        for _ in range(steps):
            gradient[:] = surface.gradient(*point.tolist())
            optimizer.step([gradient])
        if hasattr(optimizer, "eval"):
            optimizer.eval()
        loss = surface.value(*point.tolist())
    except OverflowError:  # Python's powers, of a point that has left
        loss = math.inf
    return Run(rate, loss if math.isfinite(loss) else math.inf)


def sweep(contender: Contender, surface: Surface, steps: int = STEPS) -> list[Run]:
    """A run for each of RATES; none where the algorithm steps matrices alone."""
    return [descend(contender, surface, rate, steps) for rate in RATES] if contender.takes_vectors else []


def best(runs: Iterable[Run]) -> Run:
    """The run of the least loss, and of those the one of the least rate."""
    return min(runs, key=lambda run: (run.loss, run.rate))
