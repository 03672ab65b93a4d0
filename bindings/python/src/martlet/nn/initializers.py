"""How kernels and biases start: by name, as in Keras, or as one of these objects.

The library draws the numbers, from the model's seed, so none takes Keras's seed=. What the schemes are, and after whom
they are named, stands in martlet.h.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from martlet import _arguments, _ffi_models
from martlet._errors import DTypeError, UnsupportedError


class Initializer(NamedTuple):
    """A scheme of the library's, and the number beside it where it asks for one."""

    number: int
    value: float = 0.0


def Constant(value: float = 0.0) -> Initializer:  # noqa: N802
    """Every element is value."""
    return Initializer(_ffi_models.INITIALIZER_CONSTANT, _arguments.real(value, "value"))


def RandomNormal(mean: float = 0.0, stddev: float = 0.05) -> Initializer:  # noqa: N802
    """Normal with this deviation (0 or more). mean is Keras's argument; only 0 is served."""
    if _arguments.real(mean, "mean of RandomNormal") != 0:
        raise UnsupportedError(f"mean of RandomNormal is {mean}, and only 0 is served")
    return Initializer(_ffi_models.INITIALIZER_NORMAL, _arguments.within(stddev, "stddev", 0, float("inf")))


def RandomUniform(minval: float = -0.05, maxval: float = 0.05) -> Initializer:  # noqa: N802
    """Uniform from minval to maxval. Only intervals around 0 are served: minval is -maxval."""
    most = _arguments.within(maxval, "maxval of RandomUniform", 0, float("inf"))
    if _arguments.real(minval, "minval of RandomUniform") != -most:
        raise UnsupportedError(f"minval of RandomUniform is {minval} and maxval {maxval}; only intervals around 0 are "
                               f"served: wanted minval {-most:g}")  # fmt: skip
    return Initializer(_ffi_models.INITIALIZER_UNIFORM, most)


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
    "normal": RandomNormal,
    "uniform": RandomUniform,
}


def serialize(given: Initializer) -> Any:
    """An initializer as its name, or with its value as Keras's dict."""
    for name, kind in _NAMES.items():
        made = kind()
        if made.number == given.number:
            if made.value == given.value:
                return name
            argument = {_ffi_models.INITIALIZER_NORMAL: "stddev", _ffi_models.INITIALIZER_CONSTANT: "value"}
            config = {argument.get(given.number, "maxval"): given.value}
            if given.number == _ffi_models.INITIALIZER_UNIFORM:
                config["minval"] = -given.value
            return {"class_name": kind.__name__, "config": config}
    raise UnsupportedError(f"{given!r} is no initializer of this version")


def deserialize(given: Any, where: str) -> Initializer:
    """What serialize gave."""
    kinds = {kind.__name__: kind for kind in _NAMES.values()}
    try:
        found: Initializer = kinds[given["class_name"]](**given["config"])
    except (LookupError, TypeError) as error:
        raise DTypeError(f"{where} is {given!r}, which is no initializer: {error!r}") from None
    return found


def get(given: Any, where: str) -> Initializer:
    """The initializer that a name or an object stands for."""
    if isinstance(given, Initializer):
        return given
    return _arguments.one_of(given, _NAMES, where)()
