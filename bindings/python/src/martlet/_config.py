"""Hyperparameters: their names, spellings and ranges, and how they enter a martlet_config.

Defaults come from the library, so that they are stated once. Ranges are checked here too, and first, because a user
of torch expects torch's words for them. Nothing here knows arrays.
"""

from __future__ import annotations

import math
from functools import cache
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from martlet import _ffi
from martlet._errors import ArgumentError, DTypeError

SEMANTICS = {
    "torch": _ffi.SEMANTICS_TORCH,
    "keras": _ffi.SEMANTICS_KERAS,
    "optax": _ffi.SEMANTICS_OPTAX,
    "paper": _ffi.SEMANTICS_PAPER,
}


class _Omitted:
    def __repr__(self) -> str:
        return "<its default>"


# Stands where no weight_decay was given. None would say "no decay" to one reader and "the default" to another.
OMITTED: Any = _Omitted()


class Hyperparameters(NamedTuple):
    """One group's hyperparameters, as plain numbers."""

    algorithm: int
    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    amsgrad: bool = False
    maximize: bool = False
    semantics: str = "torch"
    flush_denormals: bool | None = None
    # Whether the numbers may lie anywhere, as torch takes them at a step.
    wide: bool = False

    def write(self, config: _ffi.Config) -> None:
        """Checks the numbers, then fills the struct."""
        check(self.lr, (self.beta1, self.beta2), self.eps, self.weight_decay, self.wide)
        semantics = semantics_number(self.semantics)
        _ffi.martlet_config_init(config, CONFIG_SIZE, self.algorithm)
        config.semantics = semantics
        config.flags |= self.flags
        config.lr = self.lr
        config.beta1 = self.beta1
        config.beta2 = self.beta2
        config.eps = self.eps
        config.weight_decay = self.weight_decay

    @property
    def flags(self) -> int:
        flags = _ffi.AMSGRAD if self.amsgrad else 0
        if self.maximize:
            flags |= _ffi.MAXIMIZE
        if self.wide:
            flags |= _ffi.WIDE_RANGES
        if self.flush_denormals is not None:
            flags |= _ffi.FLUSH_DENORMALS if self.flush_denormals else _ffi.KEEP_DENORMALS
        return flags

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the state arrays, in the library's order."""
        return used_slots(self.algorithm, bool(self.amsgrad))


CONFIG_SIZE = _ffi.struct_size(_ffi.Config)


@cache
def defaults(algorithm: int) -> Hyperparameters:
    """The library's own defaults."""
    config = _ffi.Config()
    _ffi.martlet_config_init(config, CONFIG_SIZE, algorithm)
    return Hyperparameters(algorithm, config.lr, config.beta1, config.beta2, config.eps, config.weight_decay)


@cache
def slot_names(algorithm: int) -> tuple[str, ...]:
    """The names of all state arrays that the algorithm can have, in the library's order."""
    return used_slots(algorithm, True)


@cache
def used_slots(algorithm: int, amsgrad: bool) -> tuple[str, ...]:
    """The names of the state arrays that a step uses: the first of slot_names."""
    config, count = _ffi.Config(), _ffi.Int64()
    _ffi.martlet_config_init(config, CONFIG_SIZE, algorithm)
    config.flags |= _ffi.AMSGRAD if amsgrad else 0
    _ffi.martlet_algorithm_slot_count(count, config)
    slot = _ffi.Slot()

    def name(index: int) -> str:
        _ffi.martlet_slot_get(slot, config, index)
        return slot.name.decode()

    return tuple(map(name, range(count.value)))


def check(lr: Any, betas: Any, eps: Any, weight_decay: Any, wide: bool = False) -> None:
    """Ranges, in torch's order and torch's words; wide: any finite number. A NaN is in no range."""

    def fits(value: Any, name: str, below: float = math.inf) -> bool:
        given = number(value, name)
        return math.isfinite(given) if wide else 0.0 <= given < below

    if not fits(lr, "lr"):
        raise ArgumentError(f"Invalid learning rate: {lr}")
    if not fits(eps, "eps"):
        raise ArgumentError(f"Invalid epsilon value: {eps}")
    for index, beta in enumerate(pair(betas)):
        if not fits(beta, f"betas[{index}]", 1.0):
            raise ArgumentError(f"Invalid beta parameter at index {index}: {beta}")
    if not fits(weight_decay, "weight_decay"):
        raise ArgumentError(f"Invalid weight_decay value: {weight_decay}")


def number(value: Any, name: str) -> float:
    """A real number as a float: Python's, numpy's, or a tensor or array of one element."""
    if not isinstance(value, str | bytes | complex):
        try:
            return float(value)
        except OverflowError:
            raise ArgumentError(f"{name} is beyond float64's range; wanted a number") from None
        except (TypeError, ValueError, RuntimeError):
            pass
    raise DTypeError(f"{name} is {value!r} of type {type(value).__name__}; wanted a number")


def pair(betas: Any) -> tuple[Any, Any]:
    """betas as two values."""
    try:
        first, second = betas
    except (TypeError, ValueError) as error:
        kind = DTypeError if isinstance(error, TypeError) else ArgumentError
        raise kind(f"betas is {betas!r}; wanted a pair of numbers, such as (0.9, 0.999)") from None
    return first, second


def semantics_number(name: Any) -> int:
    """The constant for a semantics name."""
    if isinstance(name, str) and name in SEMANTICS:
        return SEMANTICS[name]
    raise ArgumentError(f"Invalid semantics: {name!r}; wanted one of {', '.join(map(repr, SEMANTICS))}")


def one_of(first: Any, second: Any, names: str, default: Any) -> Any:
    """The value of an argument that has two spellings."""
    if first is not None and second is not None:
        raise DTypeError(f"{names} are two names of one argument: give one of them")
    if first is not None:
        return first
    return default if second is None else second


def check_flags(amsgrad: Any, maximize: Any, flush_denormals: Any) -> None:
    """A text such as "False" is true in Python, so only what is meant as yes or no is taken as such."""
    for name, value in (("amsgrad", amsgrad), ("maximize", maximize), ("flush_denormals", flush_denormals)):
        if value is None and name == "flush_denormals":
            continue
        if not isinstance(value, Integral | np.bool_) or value not in (0, 1):
            wanted = "True, False or None" if name == "flush_denormals" else "True or False"
            raise DTypeError(f"{name} is {value!r}; wanted {wanted}")


def spelled(
    default: Hyperparameters,
    *,
    lr: Any = None,
    learning_rate: Any = None,
    betas: Any = None,
    beta1: Any = None,
    beta2: Any = None,
    eps: Any = None,
    epsilon: Any = None,
    weight_decay: Any = OMITTED,
) -> Hyperparameters:
    """Merges both spellings of each hyperparameter with the defaults, and checks the ranges."""
    if betas is not None and (beta1 is not None or beta2 is not None):
        raise DTypeError("betas and beta1, beta2 are two names of one argument: give one of them")
    if betas is None:
        betas = (default.beta1 if beta1 is None else beta1, default.beta2 if beta2 is None else beta2)
    lr = one_of(lr, learning_rate, "lr and learning_rate", default.lr)
    eps = one_of(eps, epsilon, "eps and epsilon", default.eps)
    weight_decay = default.weight_decay if weight_decay is OMITTED else weight_decay
    check(lr, betas, eps, weight_decay)
    return default._replace(
        lr=float(lr), beta1=float(betas[0]), beta2=float(betas[1]), eps=float(eps), weight_decay=float(weight_decay)
    )
