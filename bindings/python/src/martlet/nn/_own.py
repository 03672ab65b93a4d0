"""Losses and metrics that are functions of a user's own, on numpy arrays: slower than the library's, which has no part
in them.

A batch is predicted, the function gives its losses and their slopes, and the library leads the slopes back. It has one
loss that is linear, so that its slope is the target itself, whatever the output: hinge, where target times output is
under 1. Targets are made small enough for that by a power of two, which the gradients are then multiplied by, so
nothing is rounded but each slope, to fp32.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from martlet import _arrays, _bound, _ffi_models, _ffi_optimizers, _memory, _model
from martlet._bound import Column
from martlet._errors import ArgumentError, DTypeError, ShapeError, UnsupportedError
from martlet._ffi_optimizers import EVALUATION, TRAINING
from martlet._model import Model
from martlet._samples import NDArray
from martlet.nn import _inputs
from martlet.nn.augmentations import GaussianNoise, RandomCrop, RandomFlip, RandomTranslation
from martlet.nn.basic import Dropout
from martlet.nn.losses import OwnLoss
from martlet.nn.metrics import Metric
from martlet.nn.normalizations import BatchNormalization

# What stands for a target of 0, which hinge takes for -1: its gradient counts as zero.
_LEAST = np.float32(2.0**-126)
_SCHEDULE_FREE = (
    _ffi_optimizers.SCHEDULE_FREE_SGD, _ffi_optimizers.SCHEDULE_FREE_ADAMW, _ffi_optimizers.SCHEDULE_FREE_RADAM,
)  # fmt: skip


class Own(NamedTuple):
    """A user's functions, the shape of an output, and how much its loss counts."""

    loss: OwnLoss | None
    metrics: Sequence[Metric]
    outputs: tuple[int, ...]
    weight: float

    def results(self, y: NDArray, out: NDArray) -> dict[int, float]:
        """What the metrics say of a batch."""
        return {metric.number: _mean(metric, y, out) for metric in self.metrics}


class Tally:
    """Sums over batches of what functions gave."""

    def __init__(self, keeps: bool = False) -> None:
        self.keeps, self.samples = keeps, 0
        self.sums: dict[int, float] = {}

    def add(self, found: dict[int, float], samples: int) -> None:
        if not self.keeps:
            self.samples, self.sums = 0, {}
        self.samples += samples
        for place, value in found.items():
            self.sums[place] = self.sums.get(place, 0.0) + value * samples


# Of each model, in training and in evaluation: batches that come by themselves are bound one by one.
_TALLIES: WeakKeyDictionary[Model, dict[int, Tally]] = WeakKeyDictionary()


class OwnBound:
    """A model bound to samples, as Bound is: it has the same calls."""

    def __init__(self, model: Model, inputs: Sequence[NDArray], y: NDArray, weights: NDArray | None, own: Own) -> None:
        self._model, self._inputs, self._y, self._weights, self._own = model, inputs, y, weights, own
        # What computes a loss of the library's.
        self._librarys = None if own.loss is not None else _inputs.bound(model, inputs, [y], weights)
        self._tallies = _TALLIES.setdefault(model, {TRAINING: Tally(), EVALUATION: Tally()})

    def tally(self, mode: int, *, keeps: bool) -> None:
        self._tallies[mode] = Tally(keeps)
        if self._librarys is not None:
            self._librarys.tally(mode, keeps=keeps)

    def numbers(self, columns: Sequence[Column], mode: int) -> dict[str, float]:
        tally = self._tallies[mode]
        known = [column for column in columns if column.place not in tally.sums]
        found = {} if self._librarys is None else self._librarys.numbers(known, mode)
        for name, place, _ in columns:
            if place in tally.sums:
                found[name] = tally.sums[place] / tally.samples
        return {column.name: found.get(column.name, float("nan")) for column in columns}

    def settle(self) -> None:
        self._model.settle()

    def train(self, address: int, count: int) -> int:
        """Trains on the rows that stand there; returns the status of a loss of the library's, or raises."""
        rows = np.frombuffer(_memory.int64s_at(address, count), np.int64) if count else slice(None)
        x, y, weights = self._batch(rows)
        out = self._outputs(x)
        if self._librarys is None:
            found = self._differentiate(x, y, weights, out)
            self._model.take_step()
        else:
            found = self._own.results(y, out)
            if status := self._librarys.train(address, count):
                return status
        self._tallies[TRAINING].add(found, len(out))
        return 0

    def train_all(self) -> None:
        """Trains on all samples as one batch."""
        if status := self.train(0, 0):
            raise _model.error_of(status)

    def differentiate_all(self) -> None:
        """Leaves the gradients of all samples as one batch, without a step."""
        x, y, weights = self._batch(slice(None))
        out = self._outputs(x)
        if self._librarys is None:
            found = self._differentiate(x, y, weights, out)
        else:
            found = self._own.results(y, out)
            self._librarys.differentiate_all()
        self._tallies[TRAINING].add(found, len(out))

    def evaluate(self, first: int, count: int, batch_size: int) -> None:
        """Loss and metrics over count samples from the first on."""
        if self._librarys is not None:
            self._librarys.evaluate(first, count, batch_size)
        whole = Tally(keeps=True)
        for start in range(first, first + count, batch_size):
            x, y, weights = self._batch(slice(start, min(start + batch_size, first + count)))
            out = self._outputs(x)
            found = self._own.results(y, out)
            if self._own.loss is not None:
                losses, _ = self._own.loss.both(y, out)
                found[_bound.LOSS] = self._mean_loss(losses if weights is None else losses * weights)
            whole.add(found, len(out))
        self._tallies[EVALUATION].add({place: value / count for place, value in whole.sums.items()}, count)

    def _mean_loss(self, losses: NDArray) -> float:
        return self._own.weight * float(np.mean(losses))

    def _batch(self, rows: Any) -> tuple[list[NDArray], NDArray, NDArray | None]:
        x = [np.ascontiguousarray(one[rows]) for one in self._inputs]
        y = self._y[rows].view()
        y.flags.writeable = False  # a user's array may lie behind it
        return x, y, None if self._weights is None else self._weights[rows]

    def _outputs(self, x: Sequence[NDArray]) -> NDArray:
        out = np.empty((len(x[0]), *self._own.outputs), np.float32)
        places = [_inputs.placed(one) for one in x]
        self._model.predict(_arrays.address(out), out.size, places, 0, len(out), len(out))
        out.flags.writeable = False
        return out

    def _differentiate(
        self, x: Sequence[NDArray], y: NDArray, weights: NDArray | None, out: NDArray
    ) -> dict[int, float]:
        """Leaves the gradients, and returns what the functions gave."""
        assert self._own.loss is not None
        losses, slopes = self._own.loss.both(y, out)
        if weights is not None:
            losses = losses * weights
            slopes = slopes * weights.reshape(-1, *[1] * (slopes.ndim - 1))
        found = {_bound.LOSS: self._mean_loss(losses), **self._own.results(y, out)}
        targets = slopes * -np.prod(out.shape[1:], dtype=np.float64)  # hinge is a mean over a sample's outputs
        reach = float(np.abs(targets * out).max())
        if not np.isfinite(reach):
            raise ArgumentError(f"the model gives {out[~np.isfinite(out)][0]} in a batch, of which {self._own.loss!r} "
                                "makes no step; wanted finite outputs")  # fmt: skip
        power = 0 if reach < 0.5 else -int(np.frexp(reach)[1]) - 1
        targets = np.ascontiguousarray(np.ldexp(targets, power), np.float32)
        targets[np.abs(targets) < _LEAST] = _LEAST
        _inputs.bound(self._model, x, [targets], None).differentiate_all()
        if power:
            address, count = self._model.buffer(_ffi_models.BUFFER_GRADIENTS)
            gradients = np.frombuffer(_memory.floats(address, count, self._model), np.float32)
            np.ldexp(gradients, -power, out=gradients)
        return found


def _mean(metric: Metric, y: NDArray, out: NDArray) -> float:
    assert metric.function is not None
    found = metric.function(y, out)
    values = None
    if found is not None:
        with suppress(TypeError, ValueError):
            values = np.asarray(found, np.float64)
    if values is None:
        raise DTypeError(f"metric {metric.name!r} gave {found!r}; wanted a number, or one for each sample")
    if values.ndim and len(values) != len(out):
        raise ShapeError(f"metric {metric.name!r} gave an array of shape {values.shape} for {len(out)} samples; wanted "
                         "a number, or one for each sample")  # fmt: skip
    return float(values.mean())


def check(layers: Sequence[Any], algorithm: int, loss: OwnLoss) -> None:
    """Refuses a model that gives other outputs in training than it predicts, which nobody is told, and one whose loss
    has more in it than the function's."""
    if algorithm in _SCHEDULE_FREE:
        raise UnsupportedError(f"{loss!r} is a function, and a Schedule-Free optimizer takes gradients where the model "
                               "does not predict; wanted another, or a loss of martlet.nn.losses")  # fmt: skip
    for layer in layers:
        if _differs(layer):
            raise UnsupportedError(f"{loss!r} is a function, and {layer!r} gives something else in training than the "
                                   "model predicts, which a function is not told; wanted a model without, or a loss of "
                                   "martlet.nn.losses")  # fmt: skip
        penalties = [name for name, value in vars(layer).items() if name.endswith("_regularizer") and value is not None]
        if penalties:
            raise UnsupportedError(f"{loss!r} is a function, and {layer!r} has a {penalties[0]}; wanted a model "
                                   "without, or a loss of martlet.nn.losses")  # fmt: skip


def _differs(layer: Any) -> bool:
    if isinstance(layer, BatchNormalization):
        return layer.trainable
    if isinstance(layer, Dropout):
        return layer.rate > 0
    if isinstance(layer, GaussianNoise):
        return layer.stddev > 0
    return isinstance(layer, RandomFlip | RandomCrop | RandomTranslation)
