"""Functions of two numbers that show how an optimizer moves, with their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Surface(NamedTuple):
    """value and gradient: of x and y, in float64. The least value of each is 0, at minimum."""

    name: str
    start: tuple[float, float]
    minimum: tuple[float, float]
    value: Callable[[float, float], float]
    gradient: Callable[[float, float], tuple[float, float]]


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
        Surface("rosenbrock", (-1.2, 1.0), (1.0, 1.0), _rosenbrock, _rosenbrock_gradient),
        Surface("beale", (1.0, 1.0), (3.0, 0.5), _beale, _beale_gradient),
        Surface("quadratic", (-2.0, 1.0), (0.0, 0.0), _quadratic, _quadratic_gradient),
    )
}
