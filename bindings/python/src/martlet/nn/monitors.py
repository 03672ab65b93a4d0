"""Callbacks that look at the numbers of a training: Keras's, and one that stops at a gradient's norm."""

from __future__ import annotations

import inspect
import math
import os
import string
import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any

from martlet import _arguments
from martlet._errors import ArgumentError, DTypeError, FileError
from martlet.nn import metrics
from martlet.nn._callback import Callback


class Monitor(Callback):
    """A callback that looks whether a number of the epochs gets better. Not for use by itself."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        super().__init__()
        self.monitor = _arguments.text(monitor, "monitor")
        self.min_delta = abs(_arguments.real(min_delta, "min_delta"))
        self.mode = _arguments.one_of(mode, {name: name for name in ("auto", "min", "max")}, "mode")
        self.best: float | None = None

    @property
    def _sign(self) -> float:
        """What makes smaller better: -1 for what climbs."""
        if self.mode != "auto":
            return -1.0 if self.mode == "max" else 1.0
        compilation = getattr(self.model, "_compilation", None)
        name = self.monitor.removeprefix("val_")
        climbs = compilation.climbs(name) if compilation else metrics.climbs(name)
        if climbs is None:
            raise ArgumentError(f'{type(self).__name__} watches {self.monitor!r}, and mode is "auto", which knows the '
                                'loss and the metrics that the library computes alone; wanted mode="max" where larger '
                                'is better, else mode="min"')  # fmt: skip
        return -1.0 if climbs else 1.0

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuses, before there is anything to lose, a number of which nobody knows when it is better."""
        _ = self._sign

    def value(self, logs: Any) -> float | None:
        """What is watched; None, with a warning, where it is not reported."""
        logs = logs or {}
        if self.monitor not in logs:
            warnings.warn(f"{type(self).__name__} watches {self.monitor!r}, which is not reported; there are "
                          f"{', '.join(map(repr, logs))}", stacklevel=3)  # fmt: skip
            return None
        return float(logs[self.monitor])

    def improves(self, value: float) -> bool:
        """Whether value is better than the best by more than min_delta. The first number is; NaN never."""
        return self.betters(value, self.best)

    def betters(self, value: float, other: float | None) -> bool:
        """The same against any number."""
        if math.isnan(value):
            return False
        return other is None or self._sign * value < self._sign * other - self.min_delta


class EarlyStopping(Monitor):
    """Stops when a number has not got better for `patience` epochs.

    monitor                 "val_loss", or another name of logs
    min_delta               what counts as better is better by more than this
    mode                    "min", "max", or "auto": what is better for the loss or a metric that the library computes.
                            Another number, such as a callback's own "val_f1", needs one of the two: ArgumentError
    baseline                epochs that are not better than this number count against patience too
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
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = _arguments.integer(patience, "patience", 0)
        self.verbose = verbose
        self.baseline = None if baseline is None else _arguments.real(baseline, "baseline")
        self.restore_best_weights = _arguments.flag(restore_best_weights, "restore_best_weights")
        self.start_from_epoch = _arguments.integer(start_from_epoch, "start_from_epoch", 0)
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.best_weights = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = self.value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        better = self.improves(value)
        if self.restore_best_weights and (better or self.best_weights is None):
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if better:
            self.best, self.best_epoch = value, epoch
            if self.betters(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(Monitor):
    """Saves the model after each epoch, to go on from or to load. An epoch whose loss is NaN or infinite is not saved,
    with a warning, so that the file before it stays.

    filepath          where; may hold names of logs and the epoch, counted from 1: "model-{epoch:02d}-{val_loss:.3f}";
                      a folder that is missing is made
    monitor, mode     as EarlyStopping's
    save_best_only    only when the number has got better
    save_weights_only save_weights in the place of save: for load_weights
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath = _template(os.fsdecode(_arguments.file_name(filepath, "filepath")))
        self.verbose = verbose
        self.save_best_only = _arguments.flag(save_best_only, "save_best_only")
        self.save_weights_only = _arguments.flag(save_weights_only, "save_weights_only")

    def on_train_begin(self, logs: Any = None) -> None:
        if self.save_best_only:
            super().on_train_begin(logs)
        if "{" not in os.path.dirname(self.filepath):
            self._make_folder(self.filepath)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        if not math.isfinite(logs.get("loss", 0.0)):
            warnings.warn(f"epoch {epoch + 1}: the loss is {logs['loss']}, so the model is not saved", stacklevel=2)
            return
        if self.save_best_only:
            value = self.value(logs)
            if value is None or not self.improves(value):
                return
            self.best = value
        path = self._path(epoch, logs)
        self._make_folder(path)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved {path}")

    def _path(self, epoch: int, logs: Any) -> str:
        try:
            return self.filepath.format(**{**logs, "epoch": epoch + 1})
        except (LookupError, ValueError, TypeError) as error:
            raise ArgumentError(f"filepath {self.filepath!r} cannot be filled in ({error}); there are 'epoch', "
                                f"{', '.join(map(repr, logs))}") from None  # fmt: skip

    def _make_folder(self, path: str) -> None:
        try:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        except OSError as error:
            raise FileError(f"filepath {self.filepath!r}: the folder of {path!r} cannot be made: "
                            f"{error.strerror}") from error  # fmt: skip


def _template(path: str) -> str:
    """A file name with fields, checked as far as can be before there are numbers for them."""
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(path) if field is not None]
        if not all(field.isidentifier() for field in fields):
            raise ValueError("a field has no name or more than one")
        path.format(**{**dict.fromkeys(fields, 1.0), "epoch": 1})
    except (LookupError, ValueError, TypeError) as error:
        raise ArgumentError(f"filepath {path!r} cannot be filled in ({error}); wanted fields such as {{epoch:02d}} and "
                            "{val_loss:.3f}") from None  # fmt: skip
    return path


class TerminateOnNaN(Callback):
    """Stops when the loss is NaN or infinite."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            print(f"Batch {batch}: loss is {loss}, training ends")
            self.model.stop_training = True


class GradientNorm(Callback):
    """Stops when the Euclidean norm of a training step's gradient is under tolerance.

    norm holds the latest one.
    """

    def __init__(self, tolerance: float = 1e-6) -> None:
        super().__init__()
        self.tolerance = _arguments.within(tolerance, "tolerance", 0, math.inf)
        self.norm = math.nan

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.norm = self.model.gradient_norm()
        if self.norm < self.tolerance:
            self.model.stop_training = True


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch, to schedule(epoch, learning_rate) or schedule(epoch): a number, or an
    array of no axes."""

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

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        optimizer = self.model.optimizer
        rate: Any = self.schedule(epoch, optimizer.learning_rate) if self._takes_rate else self.schedule(epoch)
        number = rate.item() if getattr(rate, "ndim", None) == 0 else rate
        if not isinstance(number, Real) or isinstance(number, bool):
            raise DTypeError(f"schedule({epoch}) gave {rate!r}; wanted a number")
        optimizer.learning_rate = number
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {optimizer.learning_rate:g}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate
