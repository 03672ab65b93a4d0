"""An estimator's parameters, checked when it is fitted, as scikit-learn wants it: errors name parameter, value and what
was wanted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from martlet import _arguments
from martlet._errors import ArgumentError, DTypeError
from martlet.nn import activations, optimizers

_ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid", **{name: name for name in activations.NUMBERS}}
_SCHEDULES = {name: name for name in ("constant", "invscaling", "adaptive")}


class Options(NamedTuple):
    """What the parameters of an estimator say."""

    hidden: list[int]
    activation: str
    solver: str
    alpha: float
    batch_size: int | None
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    tol: float
    verbose: bool
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    dropout: list[float]
    batch_normalization: bool

    @classmethod
    def of(cls, given: Any) -> Options:
        """given: an estimator."""
        hidden = _sizes(given.hidden_layer_sizes)
        if isinstance(given.solver, str) and given.solver.lower() == "lbfgs":
            raise ArgumentError('solver is "lbfgs", which is not served: wanted "adam", "sgd" or another of '
                                "martlet.nn's by its name, or scikit-learn's own estimator")  # fmt: skip
        unlimited = given.n_iter_no_change == math.inf
        patience = math.inf if unlimited else _arguments.integer(given.n_iter_no_change, "n_iter_no_change")
        _arguments.integer(given.max_fun, "max_fun")
        return cls(
            hidden,
            _arguments.one_of(given.activation, _ACTIVATIONS, "activation"),
            _solver(given.solver),
            _arguments.within(given.alpha, "alpha", 0, math.inf),
            None if _is(given.batch_size, "auto") else _arguments.integer(given.batch_size, "batch_size"),
            _arguments.one_of(given.learning_rate, _SCHEDULES, "learning_rate"),
            _positive(given.learning_rate_init, "learning_rate_init"),
            _arguments.within(given.power_t, "power_t", 0, math.inf),
            _arguments.integer(given.max_iter, "max_iter"),
            _arguments.flag(given.shuffle, "shuffle"),
            _arguments.within(given.tol, "tol", 0, math.inf),
            bool(given.verbose),
            _arguments.flag(given.warm_start, "warm_start"),
            _arguments.within(given.momentum, "momentum", 0, 1),
            _arguments.flag(given.nesterovs_momentum, "nesterovs_momentum"),
            _arguments.flag(given.early_stopping, "early_stopping"),
            _arguments.within(given.validation_fraction, "validation_fraction", 0, 1, open_end=True),
            _arguments.within(given.beta_1, "beta_1", 0, 1, open_end=True),
            _arguments.within(given.beta_2, "beta_2", 0, 1, open_end=True),
            _positive(given.epsilon, "epsilon"),
            patience,
            _rates(given.dropout, len(hidden)),
            _arguments.flag(given.batch_normalization, "batch_normalization"),
        )

    def optimizer(self) -> optimizers.Optimizer:
        """A new one, as the solver says: scikit-learn's two by its parameters, others by learning_rate_init alone."""
        if self.solver == "adam":
            return optimizers.Adam(self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon)
        if self.solver == "sgd":
            return optimizers.SGD(self.learning_rate_init, self.momentum, self.nesterovs_momentum and self.momentum > 0)
        found = optimizers.get(self.solver)
        found.learning_rate = self.learning_rate_init  # type: ignore[attr-defined]
        return found

    @property
    def schedule(self) -> str:
        """learning_rate, which only "sgd" reads."""
        return self.learning_rate if self.solver == "sgd" else "constant"


def _is(value: Any, name: str) -> bool:
    return isinstance(value, str) and value == name


def _solver(given: Any) -> str:
    name: str = _arguments.one_of(given, {name: name for name in optimizers._names()}, "solver")
    return name


def _positive(value: Any, where: str) -> float:
    number = _arguments.within(value, where, 0, math.inf)
    if number == 0:
        raise ArgumentError(f"{where} is 0; wanted more than 0")
    return number


def _sizes(given: Any) -> list[int]:
    sizes = [*given] if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    if any(isinstance(size, Integral) and size <= 0 for size in sizes):
        raise ArgumentError(f"hidden_layer_sizes must be > 0, got {sizes}; wanted units of each hidden layer")
    return [_arguments.integer(size, "hidden_layer_sizes") for size in sizes]


def _rates(given: Any, layers: int) -> list[float]:
    """The share of each hidden layer's units that dropout leaves out."""
    if not isinstance(given, Sequence | np.ndarray) or isinstance(given, str):
        return [_arguments.within(given, "dropout", 0, 1, open_end=True)] * layers
    if len(given) != layers:
        raise DTypeError(f"dropout has {len(given)} rates; wanted one, or {layers}, one for each hidden layer")
    return [_arguments.within(rate, f"dropout[{place}]", 0, 1, open_end=True) for place, rate in enumerate(given)]
