"""A whole training: what fit was asked for, and the loop over epochs. A single epoch is _training.py's."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from martlet import _arguments
from martlet._errors import ArgumentError, DTypeError, UnsupportedError
from martlet.nn import _orders, _progress, _training
from martlet.nn._callback import Callback, Logs
from martlet.nn._callback_list import Callbacks
from martlet.nn._streams import Stream, is_stream, of_fit
from martlet.nn._training import Columns, Data
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
    steps_per_epoch: Any
    validation_steps: Any
    validation_freq: Any
    sample_weight: Any = None
    class_weight: Any = None

    @classmethod
    def checked(
        cls, batch_size: Any, epochs: Any, verbose: Any, callbacks: Any, validation_split: Any, validation_data: Any,
        shuffle: Any, initial_epoch: Any, validation_batch_size: Any, check: Any,
        steps_per_epoch: Any, validation_steps: Any, validation_freq: Any, sample_weight: Any, class_weight: Any,
    ) -> Options:  # fmt: skip
        if validation_data is not None and not is_stream(validation_data):
            validation_data = _validation_triple(validation_data)
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
            steps_per_epoch,
            validation_steps,
            _frequency(validation_freq),
            sample_weight,
            class_weight,
        )  # fmt: skip

    def validates(self, epoch: int) -> bool:
        """Whether an epoch, counted from 0, ends with a validation."""
        every = self.validation_freq
        return (epoch + 1) % every == 0 if isinstance(every, int) else epoch + 1 in every


def _validation_triple(given: Any) -> tuple[Any, Any, Any]:
    if not isinstance(given, list | tuple) or len(given) not in (2, 3):
        raise DTypeError("validation_data is no pair; wanted (x, y), arrays of samples and targets, (x, y, "
                         "sample_weight), or what gives batches")  # fmt: skip
    return given[0], given[1], given[2] if len(given) == 3 else None


def _frequency(given: Any) -> Any:
    if isinstance(given, list | tuple | set | range):
        return [_arguments.integer(epoch, "an epoch of validation_freq") for epoch in given]
    return _arguments.integer(given, "validation_freq")


def fit(model: Trained, x: Any, y: Any, options: Options) -> History:
    """Trains from initial_epoch to epochs."""
    history = History()
    with model._tentative():
        resumed = [callback._resume(model) for callback in _listed(options.callbacks)]
        first, behind = max([(options.initial_epoch, 0), *resumed])
        training, validation = _given(model, x, y, options)
        params = {"epochs": options.epochs, "batch_size": training.batch_size, "samples": training.samples,
                  "verbose": options.verbose, "steps": training.steps}  # fmt: skip
        callbacks = Callbacks(options.callbacks, model, params, history)
    model.history, model.stop_training = history, False
    columns = model._compiled().columns()
    logs: Logs = {}
    callbacks.call("on_train_begin", {})
    for epoch in range(first, options.epochs):
        callbacks.call("on_epoch_begin", epoch, {})
        progress = _progress.Progress(options.verbose, f"Epoch {epoch + 1}/{options.epochs}", training.samples)
        try:
            logs, done = training.train(columns, callbacks, progress, behind)
            if not done and not behind:
                _warn_of_the_end(epoch, first, options)
                break
            progress.pause(done, logs)
            if validation is not None and options.validates(epoch):
                found = validation.evaluate(columns, callbacks)
                logs |= {f"val_{name}": value for name, value in found.items()}
            progress.end(logs)
        finally:
            progress.close()
        callbacks.call("on_epoch_end", epoch, logs)
        behind = 0
        if model.stop_training:
            break
    callbacks.call("on_train_end", logs)
    return history


def _listed(callbacks: Any) -> list[Callback]:
    """What may be callbacks; what else there is is refused where all are looked at."""
    given = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    return [one for one in given if isinstance(one, Callback)]


def _warn_of_the_end(epoch: int, first: int, options: Options) -> None:
    if epoch == first:
        raise ArgumentError("x gives no batch; wanted one or more")
    warnings.warn(f"x has no more batches after epoch {epoch} of {options.epochs}, so training ends", stacklevel=5)


class _Arrays:
    """Samples that lie in arrays."""

    def __init__(self, model: Trained, data: Data, batch_size: int, options: Options) -> None:
        self._model, self._data, self.batch_size, self._options = model, data, batch_size, options
        self.samples = data.samples
        self.steps = -(-data.samples // batch_size)

    def train(
        self, columns: Columns, callbacks: Callbacks, progress: _progress.Progress, behind: int
    ) -> tuple[Logs, int]:
        """An epoch, of which so many batches are done."""
        native = self._model._ready().model
        if behind:
            native.set_epoch(max(native.epoch() - 1, 0))
        rows = _orders.begun(native, self.samples, shuffles=self._options.shuffle)
        return _training.train_epoch(
            self._data, rows, self.batch_size, columns, callbacks, self._model, progress, behind
        )

    def evaluate(self, columns: Columns, callbacks: Callbacks) -> Logs:
        return _training.evaluate(self._data, self.batch_size, columns, callbacks)


class _Batches:
    """Samples that come in batches."""

    batch_size = None

    def __init__(
        self, model: Trained, stream: Stream, check: bool, samples: int | None, class_weight: Any = None
    ) -> None:
        self._model, self._stream, self._check, self.samples = model, stream, check, samples
        self._class_weight = class_weight
        self.steps = stream.steps

    def train(
        self, columns: Columns, callbacks: Callbacks, progress: _progress.Progress, behind: int
    ) -> tuple[Logs, int]:
        batches, counts = self._stream.batches(), self._class_weight
        logs, done = _training.train_stream(
            batches, self._check, columns, callbacks, self._model, progress, counts, behind
        )
        if done or behind:
            native = self._model._ready().model
            native.set_epoch(native.epoch() + 1)
        return logs, done

    def evaluate(self, columns: Columns, callbacks: Callbacks) -> Logs:
        found, _ = _training.evaluate_stream(self._stream.batches(), self._check, columns, callbacks, self._model)
        return found


def _given(model: Trained, x: Any, y: Any, options: Options) -> tuple[_Arrays | _Batches, _Arrays | _Batches | None]:
    """What to train on, and to validate with."""
    model._compiled()
    if is_stream(x):
        if options.validation_split:
            raise UnsupportedError("validation_split is given, and x gives batches, which have no last ones to hold "
                                   "back; wanted validation_data")  # fmt: skip
        stream = of_fit(model, x, y, options.sample_weight, options.steps_per_epoch, options.shuffle)
        samples = getattr(x, "samples", None) if options.steps_per_epoch is None else None
        training: _Arrays | _Batches = _Batches(model, stream, options.check, samples, options.class_weight)
        return training, _validation(model, options)
    if options.steps_per_epoch is not None:
        raise UnsupportedError("steps_per_epoch is given, and x is arrays, of which an epoch is all samples; wanted "
                               "None, or something that gives batches, such as martlet.data.Batches")  # fmt: skip
    data = model._data(x, y, options.batch_size, options.check, "", options.sample_weight, options.class_weight)
    if options.validation_data is not None or not options.validation_split:
        return _Arrays(model, data, options.batch_size, options), _validation(model, options)
    kept = int(data.samples * (1 - options.validation_split))
    if not 0 < kept < data.samples:
        raise ArgumentError(f"validation_split is {options.validation_split} of {data.samples} samples, which leaves "
                            f"{kept} to train on; wanted at least one on either side")  # fmt: skip
    native = model._ready().model
    first = data.part(native, slice(kept))
    second = data.part(native, slice(kept, None), is_weighted=options.class_weight is None)
    return (
        _Arrays(model, first, options.batch_size, options),
        _Arrays(model, second, options.validation_batch_size, options),
    )


def _validation(model: Trained, options: Options) -> _Arrays | _Batches | None:
    given = options.validation_data
    if given is None:
        return None
    if is_stream(given):
        return _Batches(model, Stream(given, "validation_data", options.validation_steps), options.check, None)
    x, y, weights = given
    data = model._data(x, y, options.validation_batch_size, options.check, "validation_", weights)
    return _Arrays(model, data, options.validation_batch_size, options)
