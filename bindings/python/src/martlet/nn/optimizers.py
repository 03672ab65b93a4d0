"""Adam and AdamW for models: Keras's names, defaults and conventions; torch's spellings of arguments are taken too.

An optimizer here is hyperparameters: the library keeps the moments, in the model. martlet.optim has optimizers over
arrays, whose hyperparameters and convention compile takes as well.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

from martlet import _arguments, _config, _ffi, _groups, _scheduled
from martlet._config import Hyperparameters
from martlet._errors import ArgumentError, DTypeError, OrderError
from martlet._model import Model

Rate = float | Callable[[int], float]


def _hyperparameter(name: str, field: str, number: int, doc: str) -> Any:
    def read(self: Optimizer) -> float:
        return float(getattr(self.hyperparameters(), field))

    def write(self: Optimizer, value: Any) -> None:
        if field == "lr" and not self._takes_number(value, name):
            return
        number_given = _arguments.real(_config.number(value, name), name)
        changed: dict[str, Any] = {field: number_given}
        row = self._row._replace(**changed)
        _config.check(row.lr, (row.beta1, row.beta2), row.eps, row.weight_decay)
        if (model := self._trains()) is not None:
            model.set(number, number_given)
        self._row = row

    return property(read, write, doc=doc)


class Optimizer:
    """Hyperparameters of a model's training. They can be read and set at any time, but set by no other thread than the
    one that is inside the model: BusyError. A copy has the same numbers, and trains no model yet."""

    learning_rate = _hyperparameter(
        "learning_rate",
        "lr",
        _ffi.LR,
        "The learning rate of the next step, 0 or more. "
        "A schedule can be set in its place, and, as in Keras, no number in a schedule's.",
    )
    lr = _hyperparameter("lr", "lr", _ffi.LR, "Another name for learning_rate.")
    beta_1 = _hyperparameter("beta_1", "beta1", _ffi.BETA1, "The decay rate of the first moment, 0 <= beta_1 < 1.")
    beta_2 = _hyperparameter("beta_2", "beta2", _ffi.BETA2, "The decay rate of the second moment, 0 <= beta_2 < 1.")
    epsilon = _hyperparameter("epsilon", "eps", _ffi.EPS, "Added to the denominator, 0 or more.")
    weight_decay = _hyperparameter("weight_decay", "weight_decay", _ffi.WEIGHT_DECAY, "0 or more.")

    def __init__(self, row: Hyperparameters, schedule: Any = None) -> None:
        self._row = row
        self._schedule = schedule
        self._model: weakref.ref[Model] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_row": self._row, "_schedule": self._schedule, "_model": None}

    def __repr__(self) -> str:
        row = self.hyperparameters()
        return (f"<{type(self).__name__} learning_rate={row.lr:g} beta_1={row.beta1:g} beta_2={row.beta2:g} "
                f"epsilon={row.eps:g} weight_decay={row.weight_decay:g}>")  # fmt: skip

    @property
    def iterations(self) -> int:
        """Training steps taken since compile."""
        model = self._trains()
        return 0 if model is None else model.step()

    @property
    def schedule(self) -> Any:
        """The schedule that learning_rate was given; None where that was a number."""
        return self._schedule

    def hyperparameters(self) -> Hyperparameters:
        """The numbers as they are for the next step."""
        return self._row if self._schedule is None else self._row._replace(lr=self._rate())

    def before_step(self) -> None:
        """Tells the model the next step's learning rate, where a schedule gives it."""
        if self._schedule is not None and (model := self._trains()) is not None:
            model.set(_ffi.LR, self._rate())

    def _rate(self) -> float:
        return _scheduled.rate(self._schedule, self.iterations, "learning_rate")

    def _takes_number(self, value: Any, name: str) -> bool:
        """False for a schedule, which is taken."""
        if _scheduled.is_schedule(value):
            _scheduled.rate(value, self.iterations, name)
            self._schedule = value
            return False
        if self._schedule is not None:
            raise DTypeError(f"{name} is the schedule {self._schedule!r}, which a number cannot be set for; wanted "
                             "another schedule, or an optimizer whose learning_rate is a number")  # fmt: skip
        return True

    def _trains(self) -> Model | None:
        """The model whose numbers these are; none where it is gone."""
        return None if self._model is None else self._model()

    def _bind(self, model: Model) -> None:
        """From here on the numbers are the model's too."""
        self._check_free(model)
        self._model = weakref.ref(model)

    def _check_free(self, model: Model | None) -> None:
        """Refuses to train two models, whose numbers it could not both be."""
        if self._trains() not in (None, model):
            gc.collect()  # of a model that nobody can reach any more
        if self._trains() not in (None, model):
            raise OrderError(f"{self!r} trains a model already; make another one")

    def _release(self, model: Model | None) -> None:
        """This model has been compiled anew, or is given up."""
        if self._trains() is model:
            self._model = None


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015), by Keras's convention: epsilon stands beside the uncorrected root of the second
    moment, and weight_decay is decoupled.

    learning_rate (or lr)                              default 0.001; or a schedule of the steps taken since compile,
                                                       such as martlet.schedules.CosineDecay(0.001, 1000)
    beta_1, beta_2 (or beta1 and beta2, or betas)      default 0.9, 0.999
    epsilon (or eps)                                   default 1e-7
    amsgrad                                            divide by the largest second moment so far
    weight_decay                                       None for 0
    maximize                                           climb instead of descend
    semantics                                          "keras", or whose convention else: "torch", "optax", "paper"
    flush_denormals                                    whether numbers too small for the normal range count as zero;
                                                       None: yes where epsilon is at least 1e-10
    """

    _algorithm = _ffi.ADAM

    def __init__(
        self,
        learning_rate: Rate | None = None,
        beta_1: float | None = None,
        beta_2: float | None = None,
        epsilon: float | None = None,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        *,
        lr: Rate | None = None,
        betas: tuple[float, float] | None = None,
        beta1: float | None = None,
        beta2: float | None = None,
        eps: float | None = None,
        maximize: bool = False,
        semantics: str = "keras",
        flush_denormals: bool | None = None,
    ) -> None:
        default = Hyperparameters(self._algorithm, 1e-3, 0.9, 0.999, 1e-7, 0.0)
        given = {
            "lr": lr, "learning_rate": learning_rate, "betas": betas, "eps": eps, "epsilon": epsilon,
            "beta1": _config.one_of(beta1, beta_1, "beta1 and beta_1", None),
            "beta2": _config.one_of(beta2, beta_2, "beta2 and beta_2", None),
            "weight_decay": 0.0 if weight_decay is None else weight_decay, "amsgrad": amsgrad, "maximize": maximize,
            "semantics": semantics, "flush_denormals": flush_denormals,
        }  # fmt: skip
        super().__init__(_groups.completed(default, _scheduled.at(given, 0)), _scheduled.schedule_of(given))


class AdamW(Adam):
    """AdamW (Loshchilov and Hutter, 2019): arguments as Adam's, in Keras's order; weight_decay is 0.004 by default."""

    _algorithm = _ffi.ADAMW

    def __init__(
        self,
        learning_rate: Rate | None = None,
        weight_decay: float = 0.004,
        beta_1: float | None = None,
        beta_2: float | None = None,
        epsilon: float | None = None,
        amsgrad: bool = False,
        **others: Any,
    ) -> None:
        if weight_decay is None:
            raise DTypeError("weight_decay is None; wanted a number: AdamW without decay is Adam")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, **others)


_NAMES: dict[str, type[Adam]] = {"adam": Adam, "adamw": AdamW}


def get(given: Any) -> Optimizer:
    """The optimizer that a name, a class, an object or one of martlet.optim's stands for."""
    if isinstance(given, Optimizer):
        return given
    if isinstance(given, type) and issubclass(given, Adam):
        return given()
    if isinstance(given, str):
        return _arguments.one_of(given, _NAMES, "optimizer")()
    algorithm: Any = getattr(given, "_algorithm", None)
    groups: Any = getattr(given, "param_groups", None)
    if algorithm in (_ffi.ADAM, _ffi.ADAMW) and type(given).__module__.startswith("martlet."):
        if len(groups or ()) > 1:
            raise ArgumentError(f"optimizer has {len(groups)} groups, and a model has one")
        (group,) = groups or (given.defaults,)
        row = _groups.check_group(algorithm, _scheduled.at(group, 0), "optimizer")
        return of(row, _scheduled.schedule_of(group))
    raise DTypeError(
        f"optimizer is {given!r}; wanted {_arguments.listed(_NAMES)}, or a martlet.nn or martlet.optim Adam"
    )


def of(row: Hyperparameters, schedule: Any = None) -> Optimizer:
    """An optimizer with these hyperparameters."""
    made = (Adam if row.algorithm == _ffi.ADAM else AdamW)()
    made._row, made._schedule = row, schedule
    return made
