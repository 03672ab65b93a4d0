"""What fit calls between its steps: Keras's callbacks, and one that stops at a gradient's norm.

A callback overrides what it wants to hear of; batches cost nothing where none listens to them. Raising out of a
callback ends fit, and leaves the model as it is after its latest step.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from martlet._errors import ArgumentError, DTypeError
from martlet.nn import _arguments

Logs = dict[str, float]


class Callback:
    """The base of all callbacks. model and params are set before training begins.

    logs holds the loss and the metrics: at a batch's end the epoch's means so far, at an epoch's end also those of the
    validation data, with "val_" before their names. self.model.stop_training = True ends training.
    """

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def on_train_begin(self, logs: Logs) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """After an epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Logs) -> None:
        """Before a training step, counted from 0 in each epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """After a training step."""


class LambdaCallback(Callback):
    """Functions in the places of methods: LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs))."""

    def __init__(
        self,
        on_epoch_begin: Callable[[int, Logs], Any] | None = None,
        on_epoch_end: Callable[[int, Logs], Any] | None = None,
        on_train_begin: Callable[[Logs], Any] | None = None,
        on_train_end: Callable[[Logs], Any] | None = None,
        on_train_batch_begin: Callable[[int, Logs], Any] | None = None,
        on_train_batch_end: Callable[[int, Logs], Any] | None = None,
    ) -> None:
        super().__init__()
        for name, function in {**locals()}.items():
            if not name.startswith("on_") or function is None:
                continue
            if not callable(function):
                raise DTypeError(f"{name} is {function!r}; wanted a function")
            setattr(self, name, function)


class Monitor(Callback):
    """A callback that looks whether a number of the epochs gets better. Not for use by itself."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(f'mode is {mode!r}; wanted "auto", "min" or "max"')
        self.monitor = monitor
        self.min_delta = abs(_arguments.real(min_delta, "min_delta"))
        climbs = mode == "max" or (mode == "auto" and monitor.endswith(("accuracy", "acc")))
        self._sign = -1.0 if climbs else 1.0
        self.best: float | None = None

    def value(self, logs: Logs) -> float | None:
        """What is watched; None, with a warning, where it is not reported."""
        if self.monitor not in logs:
            warnings.warn(f"{type(self).__name__} watches {self.monitor!r}, which is not reported; there are "
                          f"{', '.join(map(repr, logs))}", stacklevel=3)  # fmt: skip
            return None
        return logs[self.monitor]

    def improves(self, value: float) -> bool:
        """Whether value is better than the best by more than min_delta. The first number is; NaN never."""
        if math.isnan(value):
            return False
        return self.best is None or self._sign * value < self._sign * self.best - self.min_delta


class EarlyStopping(Monitor):
    """Stops when a number has not got better for `patience` epochs.

    monitor                 "val_loss", or another name of logs
    min_delta               what counts as better is better by more than this
    mode                    "min", "max", or "auto": max for accuracies, else min
    restore_best_weights    at the end the model gets the weights (not the moments) of its best epoch
    start_from_epoch        epochs before this one are not looked at
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = _arguments.integer(patience, "patience", 0)
        self.verbose = verbose
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = _arguments.integer(start_from_epoch, "start_from_epoch", 0)
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: Any = None

    def on_train_begin(self, logs: Logs) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.best_weights = None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        value = self.value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        better = self.improves(value)
        if self.restore_best_weights and (better or self.best_weights is None):
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        if better:
            self.best, self.best_epoch, self.wait = value, epoch, 0
            return
        self.wait += 1
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(Monitor):
    """Saves the model after each epoch, to go on from or to load.

    filepath          where; may hold names of logs and the epoch, counted from 1: "model-{epoch:02d}-{val_loss:.3f}"
    monitor, mode     as EarlyStopping's
    save_best_only    only when the number has got better
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        mode: str = "auto",
    ) -> None:
        super().__init__(monitor, mode)
        _arguments.file_name(filepath)
        self.filepath = filepath
        self.verbose = verbose
        self.save_best_only = save_best_only

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.save_best_only:
            value = self.value(logs)
            if value is None or not self.improves(value):
                return
            self.best = value
        try:
            path = str(self.filepath).format(epoch=epoch + 1, **logs)
        except (KeyError, IndexError, ValueError) as error:
            raise ArgumentError(f"filepath {str(self.filepath)!r} cannot be filled in ({error}); there are 'epoch', "
                                f"{', '.join(map(repr, logs))}") from None  # fmt: skip
        self.model.save(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved {path}")


class TerminateOnNaN(Callback):
    """Stops when the loss is NaN or infinite."""

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        if not math.isfinite(logs["loss"]):
            print(f"Batch {batch}: loss is {logs['loss']}, training ends")
            self.model.stop_training = True


class GradientNorm(Callback):
    """Stops when the Euclidean norm of a training step's gradient is under tolerance.

    norm holds the latest one.
    """

    def __init__(self, tolerance: float = 1e-6) -> None:
        super().__init__()
        self.tolerance = _arguments.within(tolerance, "tolerance", 0, math.inf)
        self.norm = math.nan

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        self.norm = self.model.gradient_norm()
        if self.norm < self.tolerance:
            self.model.stop_training = True


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch, to schedule(epoch, learning_rate) or schedule(epoch)."""

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise DTypeError(f"schedule is {schedule!r}; wanted a function of the epoch and the learning rate")
        self.schedule = schedule
        self.verbose = verbose
        try:
            inspect.signature(schedule).bind(0, 0.1)
            self._takes_rate = True
        except (TypeError, ValueError):
            self._takes_rate = False

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        optimizer = self.model.optimizer
        rate = self.schedule(epoch, optimizer.learning_rate) if self._takes_rate else self.schedule(epoch)
        if not isinstance(rate, float | np.floating | int) or isinstance(rate, bool):
            raise DTypeError(f"schedule({epoch}) gave {rate!r}; wanted a number")
        optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {float(rate):g}")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        logs["learning_rate"] = self.model.optimizer.learning_rate


class Callbacks:
    """Several callbacks as one. last hears of everything after the others, who may add to logs."""

    def __init__(self, given: Any, last: Callback, model: Any, params: dict[str, Any]) -> None:
        if given is None:
            given = []
        elif isinstance(given, Callback):
            given = [given]
        if not isinstance(given, list | tuple):
            raise DTypeError(f"callbacks is {given!r}; wanted a list of callbacks")
        for index, callback in enumerate(given):
            if not isinstance(callback, Callback):
                raise DTypeError(f"callbacks[{index}] is {callback!r}; wanted a martlet.nn.Callback")
        self._all = [*given, last]
        for callback in self._all:
            callback.set_model(model)
            callback.set_params(params)
        self.batch_begin = self._listening("on_train_batch_begin")
        self.batch_end = self._listening("on_train_batch_end")

    def _listening(self, name: str) -> list[Callable[[int, Logs], None]]:
        """Those that override a method, in the class or in the object."""
        return [
            getattr(callback, name)
            for callback in self._all
            if name in vars(callback) or getattr(type(callback), name) is not getattr(Callback, name)
        ]

    def train_begin(self) -> None:
        for callback in self._all:
            callback.on_train_begin({})

    def train_end(self, logs: Logs) -> None:
        for callback in self._all:
            callback.on_train_end(logs)

    def epoch_begin(self, epoch: int) -> None:
        for callback in self._all:
            callback.on_epoch_begin(epoch, {})

    def epoch_end(self, epoch: int, logs: Logs) -> None:
        for callback in self._all:
            callback.on_epoch_end(epoch, logs)
