"""Functions of two numbers that show how an optimizer moves, with their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from martlet.gallery.contenders import Contender, trained
from martlet.gallery.problems import Effort, Outcome, finite


class Surface(NamedTuple):
    """value and gradient: of x and y, in float64. The least value of each is 0, at minimum. window: what a picture
    shows, from left to right and from below to above."""

    name: str
    title: str
    start: tuple[float, float]
    minimum: tuple[float, float]
    window: tuple[float, float, float, float]
    value: Callable[[Any, Any], Any]
    gradient: Callable[[float, float], tuple[float, float]]

    @property
    def first_loss(self) -> float:
        return float(self.value(*self.start))

    @property
    def has_matrices(self) -> bool:
        return False

    def run(self, contender: Contender, rate: float, effort: Effort, trail: list[Any] | None = None) -> Outcome:
        """trail: gets the points."""
        point = np.array(self.start)
        gradient = np.empty(2)
        optimizer = contender.kind([point], lr=rate, grads=[gradient], **contender.options)
        try:
            for _ in range(effort.steps):
                gradient[:] = self.gradient(*point.tolist())
                optimizer.step()
                if trail is not None:
                    with trained(optimizer):
                        trail.append(tuple(point.tolist()))
            with trained(optimizer):
                return Outcome(finite(self.value(*point.tolist())))
        except OverflowError:  # Python's powers, of a point that has left
            return Outcome(math.inf)


def _rosenbrock(x: float, y: float) -> float:
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def _rosenbrock_gradient(x: float, y: float) -> tuple[float, float]:
    return -2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)


_BEALE = ((1, 1.5), (2, 2.25), (3, 2.625))


def _beale(x: float, y: float) -> float:
    return sum((wanted - x + x * y**power) ** 2 for power, wanted in _BEALE)


def _beale_gradient(x: float, y: float) -> tuple[float, float]:
    terms = [(power, wanted - x + x * y**power) for power, wanted in _BEALE]
    return (
        sum(2 * term * (y**power - 1) for power, term in terms),
        sum(2 * term * power * x * y ** (power - 1) for power, term in terms),
    )


# The quadratic's curvatures are 1 and 100, along axes that are turned: no rule of single elements sees them apart.
_COSINE, _SINE = 0.8, 0.6


def _quadratic(x: float, y: float) -> float:
    flat, steep = _COSINE * x + _SINE * y, _COSINE * y - _SINE * x
    return 0.5 * (flat * flat + 100 * steep * steep)


def _quadratic_gradient(x: float, y: float) -> tuple[float, float]:
    flat, steep = _COSINE * x + _SINE * y, 100 * (_COSINE * y - _SINE * x)
    return _COSINE * flat - _SINE * steep, _SINE * flat + _COSINE * steep


SURFACES = {
    surface.name: surface
    for surface in (
        Surface(
            "rosenbrock", "Rosenbrock's function",
            (-1.2, 1.0), (1.0, 1.0), (-2.0, 2.0, -1.0, 3.0), _rosenbrock, _rosenbrock_gradient,
        ),
        Surface(
            "beale", "Beale's function",
            (1.0, 1.0), (3.0, 0.5), (-1.0, 4.5, -1.5, 1.5), _beale, _beale_gradient,
        ),
        Surface(
            "quadratic", "A quadratic of condition 100",
            (-2.0, 1.0), (0.0, 0.0), (-2.5, 2.5, -2.0, 2.0), _quadratic, _quadratic_gradient,
        ),
    )
}  # fmt: skip
