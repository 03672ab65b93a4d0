"""What every optimizer for models is: hyperparameters, which are a model's while it trains one.

A class of one algorithm is a signature over this (optimizers.py). The library keeps the moments, in the model.
"""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Mapping, Sequence
from math import inf
from types import MappingProxyType
from typing import Any

from martlet import (
    _algorithms,
    _arguments,
    _ffi_models,
    _ffi_optimizers,
    _groups,
    _scheduled,
    _signatures,
    _spellings,
)
from martlet._config import Hyperparameters, defaults
from martlet._errors import ArgumentError, DTypeError, OrderError, UnsupportedError
from martlet._model import Model
from martlet._records import Training, View
from martlet.nn import _storage, _undecayed
from martlet.nn._storage import Copies, Storage

# Keras's defaults.
ADAMW = defaults(_ffi_optimizers.ADAMW).changed({"eps": 1e-7, "weight_decay": 0.004})._replace(semantics="keras")
_SHARED = {"maximize": False, "semantics": "keras", "flush_denormals": None, **_storage.OPTIONS}


def hyperparameter(name: str, field: str) -> Any:
    """A number of an optimizer's, as an attribute."""

    def read(self: Optimizer) -> float | None:
        value = float(getattr(self.hyperparameters(), field))
        return None if value == inf and field in _algorithms.BOUNDS else value

    def write(self: Optimizer, value: Any) -> None:
        if field == "lr" and not self._takes_number(value, name):
            return
        unbounded = value is None and field in _algorithms.BOUNDS
        number = inf if unbounded else _arguments.real(_spellings.number(value, name), name)
        row = self._row.changed({field: number})
        row.check(lambda: {field: value})
        self._tell(0, field, number)
        self._row = row
        if field in _spellings.EVERYWHERE:
            for place in range(1, 1 + len(self._others)):
                self._tell(place, field, number)
            self._others = tuple(_groups.around(other, row) for other in self._others)

    return property(read, write, doc=f"martlet_config's {field}, as martlet.h describes it.")


class Optimizer:
    """Hyperparameters of a model's training. They can be read and set at any time, but set by no other thread than the
    one that is inside the model: BusyError. A copy has the same numbers, and trains no model yet.

    Every hyperparameter of the algorithm is an attribute under its name and Keras's: learning_rate and lr, epsilon and
    eps, beta_1 and beta1. learning_rate may be a schedule: a function of the steps taken since compile, such as
    martlet.schedules.CosineDecay(0.001, 1000); as in Keras no number can be set for one. Each class takes these
    arguments beside its own:

    maximize                   climb instead of descend
    semantics                  "keras", or whose convention else the algorithm knows: "torch", "optax", "paper"
    flush_denormals            whether numbers too small for the normal range count as zero; None: yes, but where
                               epsilon is under 1e-10
    decoupled_weight_decay, cautious_weight_decay, corrected_weight_decay, cautious, hyperball, lookahead_steps,
    lookahead_alpha, loss_scale, max_norm (or global_clipnorm), clip_norm (clipnorm), clip_value (clipvalue),
    skip_nonfinite, accumulate (gradient_accumulation_steps), ema_decay, ema_bias_correction, ema_warmup
                               as in martlet.optim.Optimizer; Keras's convention decouples weight decay always, and adds
                               nothing to norms
    defer_rows                 of SGD, Adam, AdamW, Adagrad and RMSprop: rows of an Embedding(sparse=True) that no batch
                               names follow later, to the bits of sparse=False; without it they stay
    low_precision, seed        as there: a model's parameters are float32, which low_precision does not concern
    state_dtype                what moments are kept in: "fp32", "bf16", "float16", or "fp16", "int8" and "int4" with
                               scales, as there; a file keeps it
    param_copy                 a type, such as numpy.float16, of copies of the weights that each step leaves:
                               param_copies has them by name

    Ranges are those of martlet.optim's class of the same algorithm. A number out of its range, an option that the
    algorithm does not read, or does not by this convention, and a convention that it does not know raise an
    ArgumentError; what is no number, flag or schedule, and an argument of no such name, a DTypeError: a ValueError and
    a TypeError, before anything is changed. One optimizer trains one model: OrderError by a second one's compile.
    """

    _algorithm: int
    # What a constructor takes beside the arguments that it states, with defaults.
    _options: dict[str, Any]
    _defaults: Hyperparameters
    # Keras's names of hyperparameters.
    _keras: dict[str, str]

    # Further groups of a model's parameters: their numbers, with a rate that is a share of the first's; and the groups
    # of parameters by name, where a file says so.
    _others: tuple[Hyperparameters, ...] = ()
    _places: Mapping[str, int] = MappingProxyType({})
    # In what type moments are kept, and copies of parameters.
    _storage = Storage()
    _copies: Copies | None = None
    # What is excluded from weight decay; and groups that come after those, each one of them without decay.
    _excluded: Sequence[re.Pattern[str]] = ()
    _copied: tuple[int, ...] = ()

    def __init_subclass__(
        cls, algorithm: int | None = None, options: Mapping[str, Any] | None = None, **keras: float
    ) -> None:
        """options: what a constructor takes beside its own, where that is not all that there is; keras: the defaults of
        Keras that are not the library's."""
        super().__init_subclass__()
        if algorithm is None:
            return
        cls._algorithm = algorithm
        has_keras = _ffi_optimizers.SEMANTICS_KERAS in _algorithms.of(algorithm).conventions
        cls._defaults = defaults(algorithm).changed(keras)._replace(semantics="keras" if has_keras else "torch")
        cls._options = {**_SHARED, **{key: getattr(cls._defaults, key) for key in _spellings.flag_keys(algorithm)}}
        cls._options |= dict.fromkeys(sorted(_groups.keys(algorithm).known - cls._options.keys()))
        if options is not None:
            cls._options = dict(options)
        if "__init__" in cls.__dict__:
            _signatures.show(cls.__init__, cls._options)
        kind = _algorithms.of(algorithm)
        if not kind.takes_vectors:
            cls._others = (ADAMW.changed({"lr": 1.0}),)
        cls._keras = {name: alias for alias, name in _spellings.aliases(kind).items()}
        for field in kind.places:
            for name in {field, cls._keras.get(field, field)} - cls.__dict__.keys():
                setattr(cls, name, hyperparameter(name, field))

    def __init__(self, given: Mapping[str, Any]) -> None:
        """given: the locals() of a class's constructor."""
        arguments = _signatures.arguments(given, self._options, type(self).__name__)
        if arguments.get("weight_decay", 0) is None:
            del arguments["weight_decay"]
        self._storage = Storage.taken(arguments)
        row = _groups.completed(self._defaults, _scheduled.at(arguments, 0))
        self._start(row, _scheduled.schedule_of(arguments))

    @classmethod
    def _of(
        cls,
        row: Hyperparameters,
        schedule: Any = None,
        others: Sequence[Hyperparameters] | None = None,
        places: Mapping[str, int] | None = None,
    ) -> Optimizer:
        """One with these hyperparameters. others: those of further groups, as a file has them, with a rate that is a
        share of the first's; places: the groups of parameters by name."""
        made = cls.__new__(cls)
        made._start(row, schedule)
        if others is not None:
            count, made._copied = _undecayed.split([row.changed({"lr": 1.0}), *others])
            made._others, made._places = tuple(others[: count - 1]), dict(places or {})
        return made

    def _start(self, row: Hyperparameters, schedule: Any) -> None:
        self._row = row
        self._others = tuple(_groups.around(other, row) for other in self._others)
        self._schedule = schedule
        self._model: weakref.ref[Model] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_model": None, "_copies": None}

    def __repr__(self) -> str:
        row, usual = self.hyperparameters(), _algorithms.of(self._algorithm).defaults
        names = [name for name in usual if name not in _spellings.EVERYWHERE or getattr(row, name) != usual[name]]
        numbers = [f"{self._keras.get(name, name)}={getattr(row, name):g}" for name in names]
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

    @property
    def state_dtype(self) -> str:
        """What moments are kept in."""
        return self._storage.state_dtype

    @property
    def param_copies(self) -> dict[str, Any]:
        """Copies of the weights in param_copy's type by name, "dense/kernel", as the latest training step left them:
        arrays to be read, which later steps write. There are none before it, nor of a model that is loaded until
        param_copy is set."""
        return {} if self._copies is None else self._copies.by_name()

    @property
    def param_copy(self) -> Any:
        """The type of copies; None: there are none. It can be set at any time."""
        return self._storage.param_copy

    @param_copy.setter
    def param_copy(self, value: Any) -> None:
        storage = self._storage._replace(param_copy=_storage.copy_type(value))
        if (model := self._trains()) is not None:
            self._copies = Copies.of(model, storage.param_copy)
        self._storage = storage

    def hyperparameters(self) -> Hyperparameters:
        """The numbers as they are for the next step."""
        return self._row if self._schedule is None else self._row.changed({"lr": self._rate()})

    def before_step(self) -> None:
        """Tells the model the next step's learning rate, where a schedule gives it."""
        if self._schedule is not None and (model := self._trains()) is not None:
            model.set(_ffi_optimizers.LR, self._rate())

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Sequence[str] | None = None) -> None:
        """Leaves parameters without weight decay, as in Keras: those in whose names one of var_names is found, which
        are regular expressions: ["bias"] for biases, ["dense_1/"] for a layer. What is found nowhere excludes nothing,
        and a second call takes the place of the first. Call it before the first training step, OrderError after.

        var_list: for what has no names; a model's parameters have, so UnsupportedError.
        """
        if "weight_decay" not in _algorithms.of(self._algorithm).places:
            raise ArgumentError(f"{type(self).__name__} has no weight decay to exclude parameters from")
        if var_list is not None:
            raise UnsupportedError("var_list: a model's parameters go by names here; wanted var_names=['dense_1/bias']")
        excluded = _undecayed.patterns(var_names)
        if self._trains() is not None:
            raise OrderError(f"{self!r} trains a model already; exclude_from_weight_decay comes before the first step")
        self._excluded = excluded

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

    def _compile(self, model: Model, outputs: Sequence[Training]) -> None:
        """Compiles a model for these numbers, which are its from here on. outputs: what each is trained for."""
        self._check_free(model)
        outputs = [one._replace(state_dtype=_storage.TYPES[self.state_dtype]) for one in outputs]
        row, views = self.hyperparameters(), model.views(_ffi_models.BUFFER_PARAMETERS)
        places = self._placed(views)
        if not self._places:
            self._copied = self._copy(places, views)
        rows = [row.changed({"lr": 1.0}), *self._others]
        rows += [_undecayed.without(rows[place]) for place in self._copied]
        if len(rows) > 1:
            for other in rows[1:]:
                other.changed({"lr": row.lr * other.lr}).check()
            # Rates that are shares of 1 move together from any number on, and a schedule may begin at 0.
            model.compile(outputs, rows, places)
            model.set(_ffi_optimizers.LR, row.lr)
        else:
            model.compile(outputs, [row])
        self._copies = Copies.of(model, self._storage.param_copy)
        self._bind(model)

    def _shares(self) -> list[float]:
        """The shares of the first group's rate that those of the other groups of a model are."""
        rates = [1.0, *(other.lr for other in self._others)]
        return [*rates[1:], *(rates[place] for place in self._copied)]

    def _copy(self, places: list[int], views: Sequence[View]) -> tuple[int, ...]:
        """Moves what has no decay to groups without, which stand behind the others; which groups those are of."""
        copied: dict[int, int] = {}
        for index, view in enumerate(views):
            if _undecayed.matches(self._excluded, view.name):
                place = copied.setdefault(places[index], len(copied))
                places[index] = 1 + len(self._others) + place
        return tuple(copied)

    def _tell(self, place: int, field: str, number: float) -> None:
        """Tells the model, where there is one, a number of a group's, and of the same group without decay. The first
        one's rate moves all."""
        if (model := self._trains()) is None:
            return
        key = _algorithms.HYPERPARAMETERS[field]
        if place == 0:
            model.set(key, number)
        else:
            model.group_set(place, key, number)
        if field not in ("lr", "weight_decay"):
            for index, of in enumerate(self._copied, 1 + len(self._others)):
                if of == place:
                    model.group_set(index, key, number)

    def _placed(self, views: Sequence[View]) -> list[int]:
        """The group of each of a model's parameters. What steps matrices alone has AdamW beside it for vectors."""
        if self._places:
            return [self._places.get(view.name, 0) for view in views]
        return [int(bool(self._others) and len(view.sizes) < 2) for view in views]

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
            self._model, self._copies = None, None
