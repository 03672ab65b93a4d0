"""How kernels and biases start: by name, as in Keras, or as one of these objects.

The library draws the numbers, from the model's seed. What the schemes are, and after whom they are named, stands in
martlet.h.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from martlet import _ffi_models
from martlet.nn import _arguments


class Initializer(NamedTuple):
    """A scheme of the library's, and the number beside it where it asks for one."""

    number: int
    value: float = 0.0


def Constant(value: float = 0.0) -> Initializer:  # noqa: N802
    """Every element is value."""
    return Initializer(_ffi_models.INITIALIZER_CONSTANT, _arguments.real(value, "value"))


def RandomNormal(stddev: float = 0.05) -> Initializer:  # noqa: N802
    """Normal, mean 0, with this deviation (0 or more)."""
    return Initializer(_ffi_models.INITIALIZER_NORMAL, _arguments.within(stddev, "stddev", 0, float("inf")))


def RandomUniform(limit: float = 0.05) -> Initializer:  # noqa: N802
    """Uniform from -limit to limit (0 or more)."""
    return Initializer(_ffi_models.INITIALIZER_UNIFORM, _arguments.within(limit, "limit", 0, float("inf")))


def Zeros() -> Initializer:  # noqa: N802
    """Every element is 0."""
    return Initializer(_ffi_models.INITIALIZER_ZEROS)


def Ones() -> Initializer:  # noqa: N802
    """Every element is 1."""
    return Constant(1.0)


def GlorotUniform() -> Initializer:  # noqa: N802
    """Uniform with variance 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""
    return Initializer(_ffi_models.INITIALIZER_GLOROT_UNIFORM)


def GlorotNormal() -> Initializer:  # noqa: N802
    """Normal with variance 2 / (fan_in + fan_out), cut at two deviations."""
    return Initializer(_ffi_models.INITIALIZER_GLOROT_NORMAL)


def HeUniform() -> Initializer:  # noqa: N802
    """Uniform with variance 2 / fan_in (He et al., 2015)."""
    return Initializer(_ffi_models.INITIALIZER_HE_UNIFORM)


def HeNormal() -> Initializer:  # noqa: N802
    """Normal with variance 2 / fan_in, cut at two deviations."""
    return Initializer(_ffi_models.INITIALIZER_HE_NORMAL)


def LecunUniform() -> Initializer:  # noqa: N802
    """Uniform with variance 1 / fan_in (LeCun et al., 1998)."""
    return Initializer(_ffi_models.INITIALIZER_LECUN_UNIFORM)


def LecunNormal() -> Initializer:  # noqa: N802
    """Normal with variance 1 / fan_in, cut at two deviations."""
    return Initializer(_ffi_models.INITIALIZER_LECUN_NORMAL)


_NAMES = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
}


def get(given: Any, where: str) -> Initializer:
    """The initializer that a name or an object stands for."""
    if isinstance(given, Initializer):
        return given
    return _arguments.one_of(given, _NAMES, where)()
