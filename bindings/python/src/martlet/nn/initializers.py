"""How kernels and biases start: by name, as in Keras, or as one of these objects.

The library draws the numbers, from the model's seed, so none takes Keras's seed=. What the schemes are, and after whom
they are named, stands in martlet.h.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, DTypeError, UnsupportedError


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


def Orthogonal(gain: float = 1.0) -> Initializer:  # noqa: N802
    """Rows, or columns where they are fewer, that are orthogonal and of length gain, more than 0, of the kernel as a
    matrix whose columns are its last axis (Saxe, McClelland and Ganguli, 2014). Not for a bias; of more than 4,096 of
    them it raises UnsupportedError."""
    return Initializer(_ffi_models.INITIALIZER_ORTHOGONAL, _positive(gain, "gain of Orthogonal"))


def VarianceScaling(  # noqa: N802
    scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal"
) -> Initializer:
    """With variance scale / n, scale being more than 0.

    mode            what n is: "fan_in", "fan_out", or "fan_avg", their mean
    distribution    "truncated_normal", cut at two deviations, "untruncated_normal" or "uniform"
    """
    fan = _arguments.one_of(mode, {name: place for place, name in enumerate(_MODES)}, "mode of VarianceScaling")
    shapes = {name: place for place, name in enumerate(_DISTRIBUTIONS)} | {"normal": 0}
    shape = _arguments.one_of(distribution, shapes, "distribution of VarianceScaling")
    number = _ffi_models.INITIALIZER_FAN_IN_NORMAL + len(_DISTRIBUTIONS) * fan + shape
    return Initializer(number, _positive(scale, "scale of VarianceScaling"))


# In the order of the library's numbers.
_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


def _positive(value: Any, where: str) -> float:
    if _arguments.real(value, where) <= 0:
        raise ArgumentError(f"{where} is {value}; wanted more than 0")
    return float(value)


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
    "orthogonal": Orthogonal,
    "variance_scaling": VarianceScaling,
}


def serialize(given: Initializer) -> Any:
    """An initializer as its name, or with its value as Keras's dict."""
    if given.number >= _ffi_models.INITIALIZER_FAN_IN_NORMAL:
        fan, shape = divmod(given.number - _ffi_models.INITIALIZER_FAN_IN_NORMAL, len(_DISTRIBUTIONS))
        if fan < len(_MODES):
            scaling = {"scale": given.value, "mode": _MODES[fan], "distribution": _DISTRIBUTIONS[shape]}
            return {"class_name": "VarianceScaling", "config": scaling}
    for name, kind in _NAMES.items():
        made = kind()
        if made.number == given.number:
            if made.value == given.value:
                return name
            argument = {
                _ffi_models.INITIALIZER_NORMAL: "stddev", _ffi_models.INITIALIZER_CONSTANT: "value",
                _ffi_models.INITIALIZER_ORTHOGONAL: "gain",
            }  # fmt: skip
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
