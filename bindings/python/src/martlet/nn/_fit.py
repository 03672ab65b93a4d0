"""A whole training: what fit was asked for, and the loop over epochs. A single epoch is _training.py's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from martlet import _arguments, _samples
from martlet._errors import ArgumentError, DTypeError, UnsupportedError
from martlet.nn import _progress, _training
from martlet.nn._hooks import Logs
from martlet.nn._listeners import Callbacks
from martlet.nn._training import Data
from martlet.nn.history import History

if TYPE_CHECKING:
    from martlet.nn._trained import Trained


class Options(NamedTuple):
    """fit's arguments but x and y, checked."""

    batch_size: int
    epochs: int
    verbose: int
    callbacks: Any
    validation_split: float
    validation_data: Any
    shuffle: bool
    initial_epoch: int
    validation_batch_size: int
    check: bool

    @classmethod
    def checked(
        cls, batch_size: Any, epochs: Any, verbose: Any, callbacks: Any, validation_split: Any, validation_data: Any,
        shuffle: Any, initial_epoch: Any, validation_batch_size: Any, check: Any,
    ) -> Options:  # fmt: skip
        if validation_data is not None and (not isinstance(validation_data, list | tuple) or len(validation_data) != 2):
            raise DTypeError("validation_data is no pair; wanted (x, y), arrays of samples and targets")
        return cls(
            _arguments.batch_size(batch_size),
            _arguments.integer(epochs, "epochs", 0),
            _progress.level(verbose),
            callbacks,
            _arguments.within(validation_split, "validation_split", 0, 1, open_end=True),
            validation_data,
            _arguments.flag(shuffle, "shuffle"),
            _arguments.integer(initial_epoch, "initial_epoch", 0),
            _arguments.batch_size(batch_size) if validation_batch_size is None
            else _arguments.integer(validation_batch_size, "validation_batch_size"),
            _arguments.flag(check, "check"),
        )  # fmt: skip


def fit(model: Trained, x: Any, y: Any, options: Options) -> History:
    """Trains from initial_epoch to epochs."""
    history = History()
    with model._tentative():
        data, validation = _split(model, x, y, options)
        samples, batch_size = data.samples, options.batch_size
        callbacks = Callbacks.of(
            options.callbacks, model, batch_size, samples, options.verbose, options.epochs, last=history
        )
    model.history, model.stop_training = history, False
    columns = model._compiled().columns()
    in_order = np.arange(samples, dtype=np.int64)
    logs: Logs = {}
    callbacks.call("on_train_begin", {})
    for epoch in range(options.initial_epoch, options.epochs):
        callbacks.call("on_epoch_begin", epoch, {})
        step = model.optimizer.iterations
        rows = _samples.order(model.seed, step, samples) if options.shuffle else in_order
        progress = _progress.Progress(options.verbose, f"Epoch {epoch + 1}/{options.epochs}", samples)
        try:
            logs, done = _training.train_epoch(data, rows, batch_size, columns, callbacks, model, progress)
            progress.pause(done, logs)
            if validation is not None:
                found = _training.evaluate(validation, options.validation_batch_size, columns, callbacks)
                logs |= {f"val_{name}": value for name, value in found.items()}
            progress.end(logs)
        finally:
            progress.close()
        callbacks.call("on_epoch_end", epoch, logs)
        if model.stop_training:
            break
    callbacks.call("on_train_end", logs)
    return history


def _split(model: Trained, x: Any, y: Any, options: Options) -> tuple[Data, Data | None]:
    """Data to train on, and to validate with."""
    data = model._data(x, y, options.batch_size, options.check)
    if options.validation_data is not None:
        given = options.validation_data
        return data, model._data(given[0], given[1], options.validation_batch_size, options.check, "validation_")
    if not options.validation_split:
        return data, None
    kept = int(data.samples * (1 - options.validation_split))
    if not 0 < kept < data.samples:
        raise ArgumentError(f"validation_split is {options.validation_split} of {data.samples} samples, which leaves "
                            f"{kept} to train on; wanted at least one on either side")  # fmt: skip
    native = model._ready().model
    return data.part(native, slice(kept)), data.part(native, slice(kept, None))


def refuse_weights(**given: Any) -> None:
    """Raises for weights of samples or classes, which Keras has."""
    for name, weights in given.items():
        if weights is not None:
            raise UnsupportedError(f"{name} is given, and every sample counts the same here; wanted None")
