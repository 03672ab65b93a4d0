"""Optimizers for models: Keras's names, defaults and conventions; torch's spellings of arguments are taken too.

An optimizer here is hyperparameters: the library keeps the moments, in the model. martlet.optim has optimizers over
arrays, whose hyperparameters and convention compile takes as well.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from martlet import _algorithms, _arguments, _ffi_optimizers, _groups, _scheduled, _signatures, _spellings
from martlet._config import Hyperparameters, defaults
from martlet._errors import ArgumentError, DTypeError, OrderError
from martlet._model import Model

Rate = float | Callable[[int], float]
_SHARED = {"maximize": False, "semantics": "keras", "flush_denormals": None}
# Keras's names of hyperparameters.
_KERAS = {name: alias for alias, name in _spellings.ALIASES.items()}


def _hyperparameter(name: str, field: str) -> Any:
    def read(self: Optimizer) -> float:
        return float(getattr(self.hyperparameters(), field))

    def write(self: Optimizer, value: Any) -> None:
        if field == "lr" and not self._takes_number(value, name):
            return
        number = _arguments.real(_spellings.number(value, name), name)
        row = self._row.changed({field: number})
        row.check({field: value})
        if (model := self._trains()) is not None:
            model.set(_algorithms.HYPERPARAMETERS[field], number)
        self._row = row

    return property(read, write, doc=f"martlet_config's {field}, as martlet.h describes it.")


class Optimizer:
    """Hyperparameters of a model's training. They can be read and set at any time, but set by no other thread than the
    one that is inside the model: BusyError. A copy has the same numbers, and trains no model yet.

    Every hyperparameter of the algorithm is an attribute under its name and Keras's: learning_rate and lr, epsilon and
    eps, beta_1 and beta1. learning_rate may be a schedule: a function of the steps taken since compile, such as
    martlet.schedules.CosineDecay(0.001, 1000); as in Keras no number can be set for one. Each class takes these
    arguments beside its own:

    maximize                   climb instead of descend
    semantics                  "keras", or whose convention else: "torch", "optax", "paper"
    flush_denormals            whether numbers too small for the normal range count as zero; None: yes, but where
                               epsilon is under 1e-10
    decoupled_weight_decay, cautious_weight_decay, corrected_weight_decay
                               as in martlet.optim.Optimizer; Keras's convention decouples it always
    """

    _algorithm: int
    # What a constructor takes beside the arguments that it states, with defaults.
    _options: dict[str, Any]
    _defaults: Hyperparameters

    def __init_subclass__(cls, algorithm: int | None = None, **keras: float) -> None:
        """keras: the defaults of Keras that are not the library's."""
        super().__init_subclass__()
        if algorithm is None:
            return
        cls._algorithm = algorithm
        cls._defaults = defaults(algorithm).changed(keras)._replace(semantics="keras")
        cls._options = {**_SHARED, **{key: getattr(cls._defaults, key) for key in _spellings.flag_keys(algorithm)}}
        cls._options |= dict.fromkeys(sorted(_groups.keys(algorithm).known - cls._options.keys()))
        if "__init__" in cls.__dict__:
            _signatures.show(cls.__init__, cls._options)
        for field in _algorithms.of(algorithm).places:
            for name in {field, _KERAS.get(field, field)}:
                setattr(cls, name, _hyperparameter(name, field))

    def __init__(self, given: Mapping[str, Any]) -> None:
        """given: the locals() of a class's constructor."""
        arguments = _signatures.arguments(given, self._options, type(self).__name__)
        if arguments.get("weight_decay", 0) is None:
            del arguments["weight_decay"]
        row = _groups.completed(self._defaults, _scheduled.at(arguments, 0))
        self._start(row, _scheduled.schedule_of(arguments))

    @classmethod
    def _of(cls, row: Hyperparameters, schedule: Any = None) -> Optimizer:
        """One with these hyperparameters."""
        made = cls.__new__(cls)
        made._start(row, schedule)
        return made

    def _start(self, row: Hyperparameters, schedule: Any) -> None:
        self._row = row
        self._schedule = schedule
        self._model: weakref.ref[Model] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_row": self._row, "_schedule": self._schedule, "_model": None}

    def __repr__(self) -> str:
        row = self.hyperparameters()
        numbers = [f"{_KERAS.get(name, name)}={getattr(row, name):g}" for name in _algorithms.of(row.algorithm).places]
        return f"<{' '.join([type(self).__name__, *numbers])}>"

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
        return self._row if self._schedule is None else self._row.changed({"lr": self._rate()})

    def before_step(self) -> None:
        """Tells the model the next step's learning rate, where a schedule gives it."""
        if self._schedule is not None and (model := self._trains()) is not None:
            model.set(_ffi_optimizers.LR, self._rate())

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


class Adam(Optimizer, algorithm=_ffi_optimizers.ADAM, eps=1e-7):
    """Adam (Kingma and Ba, 2015), by Keras's convention: epsilon stands beside the uncorrected root of the second
    moment, and weight_decay is decoupled.

    learning_rate (or lr)                              default 0.001; or a schedule of the steps taken since compile,
                                                       such as martlet.schedules.CosineDecay(0.001, 1000)
    beta_1, beta_2 (or beta1 and beta2, or betas)      default 0.9, 0.999
    epsilon (or eps)                                   default 1e-7
    amsgrad                                            divide by the largest second moment so far
    weight_decay                                       None for 0

    What else there is is Optimizer's.
    """

    def __init__(
        self,
        learning_rate: Rate | None = None,
        beta_1: float | None = None,
        beta_2: float | None = None,
        epsilon: float | None = None,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(locals())


class AdamW(Adam, algorithm=_ffi_optimizers.ADAMW, eps=1e-7, weight_decay=0.004):
    """AdamW (Loshchilov and Hutter, 2019): arguments as Adam's, in Keras's order; weight_decay is 0.004 by default."""

    def __init__(
        self,
        learning_rate: Rate | None = None,
        weight_decay: float = 0.004,
        beta_1: float | None = None,
        beta_2: float | None = None,
        epsilon: float | None = None,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        if weight_decay is None:
            raise DTypeError("weight_decay is None; wanted a number: AdamW without decay is Adam")
        Optimizer.__init__(self, locals())


class SGD(Optimizer, algorithm=_ffi_optimizers.SGD, lr=0.01):
    """Gradient descent, by Keras's convention: the learning rate stands inside the momentum, and weight_decay is
    decoupled.

    learning_rate (or lr)   default 0.01
    momentum                what a step keeps of the one before; default 0
    nesterov                look ahead along the momentum, which then must not be 0
    weight_decay            None for 0

    What else there is is Optimizer's.
    """

    def __init__(
        self,
        learning_rate: float | None = None,
        momentum: float | None = None,
        nesterov: bool = False,
        weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(locals())


_CLASSES: dict[int, type[Optimizer]] = {kind._algorithm: kind for kind in (Adam, AdamW, SGD)}


def get(given: Any) -> Optimizer:
    """The optimizer that a name, a class, an object or one of martlet.optim's stands for."""
    if isinstance(given, Optimizer):
        return given
    if isinstance(given, type) and given in _CLASSES.values():
        made: Optimizer = given()
        return made
    if isinstance(given, str):
        number = _arguments.one_of(given, _names(), "optimizer")
        return of(_class_of(number)._defaults)
    arrays = sys.modules.get("martlet.optim")  # who has one of its objects has imported it
    if arrays is not None and isinstance(given, arrays.Optimizer):
        groups = given.param_groups
        if len(groups) > 1:
            raise ArgumentError(f"optimizer has {len(groups)} groups, and a model has one")
        (group,) = groups or (given.defaults,)
        row = _groups.check_group(given._algorithm, _scheduled.at(group, 0), "optimizer")
        return of(row, _scheduled.schedule_of(group))
    raise DTypeError(
        f"optimizer is {given!r}; wanted {_arguments.listed(_names())}, or a martlet.nn or martlet.optim optimizer"
    )


def of(row: Hyperparameters, schedule: Any = None) -> Optimizer:
    """An optimizer with these hyperparameters."""
    return _class_of(row.algorithm)._of(row, schedule)


@cache
def _names() -> dict[str, int]:
    return {_algorithms.of(number).name: number for number in _algorithms.numbers()}


@cache
def _class_of(algorithm: int) -> type[Optimizer]:
    """The class of an algorithm; of one that Keras does not have, one that takes no arguments."""
    if algorithm in _CLASSES:
        return _CLASSES[algorithm]
    return type(_algorithms.of(algorithm).name, (Optimizer,), {}, algorithm=algorithm)
