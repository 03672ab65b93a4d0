"""Losses and metrics that are functions of a user's own, on numpy arrays: slower than the library's, which has no part
in them.

The library runs a batch forward, with what losses it has itself; the functions give those of its outputs and their
slopes, which the library leads back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import prod
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from martlet import _arrays, _bound, _ffi_models, _memory
from martlet._bound import Column
from martlet._errors import ArgumentError, DTypeError, ShapeError
from martlet._ffi_optimizers import EVALUATION, TRAINING
from martlet._model import Model
from martlet._samples import NDArray
from martlet.nn import _inputs
from martlet.nn.losses import OwnLoss
from martlet.nn.metrics import Metric

Found = dict[tuple[int, int], float]
"""What functions gave, by the places of columns: a number's, and the output's."""

# What the library is given for an output that has a function for a loss.
_NOTHING = np.empty((0, 0), np.float32)


def _add(sums: Found, found: Found, times: float = 1.0) -> None:
    for place, value in found.items():
        sums[place] = sums.get(place, 0.0) + value * times


class Own(NamedTuple):
    """A user's functions for one output, its shape, and how much its loss counts."""

    loss: OwnLoss | None
    metrics: Sequence[Metric]
    shape: tuple[int, ...]
    weight: float

    def scores(self, output: int, y: NDArray, out: NDArray, weights: NDArray | None) -> tuple[Found, NDArray | None]:
        """What the functions say of a batch, and the slopes of the loss's mean; None without a loss."""
        found = {(metric.number, output): _mean(metric, y, out) for metric in self.metrics}
        if self.loss is None:
            return found, None
        losses, slopes = self.loss.both(y, out)
        if weights is not None:
            losses = losses * weights
            slopes = slopes * weights.reshape(-1, *[1] * (slopes.ndim - 1))
        mean = float(np.mean(losses))
        return found | {(_bound.OWN_LOSS, output): mean, (_bound.LOSS, 0): self.weight * mean}, slopes

    def rounded(self, slopes: NDArray, out: NDArray) -> None:
        """Writes the slopes of the weighted mean."""
        assert self.loss is not None
        with np.errstate(over="ignore"):
            out[...] = slopes * (self.weight / len(slopes))
        if not np.isfinite(out).all():
            raise ArgumentError(f"{self.loss!r} gave slopes up to {np.abs(slopes).max()}, which times "
                                f"{self.weight / len(slopes):.3g} are beyond float32")  # fmt: skip


class Tally:
    """Sums over batches of what functions gave."""

    def __init__(self, keeps: bool = False) -> None:
        self.keeps, self.samples = keeps, 0
        self.sums: Found = {}

    def add(self, found: Found, samples: int) -> None:
        if not self.keeps:
            self.samples, self.sums = 0, {}
        self.samples += samples
        _add(self.sums, found, samples)


# Of each model, in training and in evaluation: batches that come by themselves are bound one by one.
_TALLIES: WeakKeyDictionary[Model, dict[int, Tally]] = WeakKeyDictionary()


class OwnBound:
    """A model bound to samples, as Bound is: it has the same calls. owns: a user's functions for each output."""

    def __init__(
        self, model: Model, inputs: Sequence[NDArray], targets: Sequence[NDArray], weights: NDArray | None,
        owns: Sequence[Own],
    ) -> None:  # fmt: skip
        self._model, self._inputs, self._targets, self._weights, self._owns = model, inputs, targets, weights, owns
        librarys = [y if own.loss is None else _NOTHING for y, own in zip(targets, owns, strict=True)]
        self._librarys = _inputs.bound(model, inputs, librarys, weights)
        self._tallies = _TALLIES.setdefault(model, {TRAINING: Tally(), EVALUATION: Tally()})

    def tally(self, mode: int, *, keeps: bool) -> None:
        self._tallies[mode] = Tally(keeps)
        self._librarys.tally(mode, keeps=keeps)

    def numbers(self, columns: Sequence[Column], mode: int) -> dict[str, float]:
        tally = self._tallies[mode]
        own = {place: value / tally.samples for place, value in tally.sums.items()}
        librarys = [one for one in columns if one.place == _bound.LOSS or (one.place, one.output) not in own]
        found = self._librarys.numbers(librarys, mode)
        for name, place, output in columns:
            if (place, output) in own:
                found[name] = own[place, output] + (found[name] if place == _bound.LOSS else 0.0)
        return {column.name: found[column.name] for column in columns}

    def settle(self) -> None:
        self._model.settle()

    def train(self, address: int, count: int) -> int:
        """Trains on the rows that stand there, or on all samples; raises where Bound's returns a status."""
        self._differentiate(address, count)
        self._model.take_step()
        return 0

    def train_all(self) -> None:
        """Trains on all samples as one batch."""
        self.train(0, 0)

    def differentiate_all(self) -> None:
        """Leaves the gradients of all samples as one batch, without a step."""
        self._differentiate(0, 0)

    def evaluate(self, first: int, count: int, batch_size: int) -> None:
        """Loss and metrics over count samples from the first on."""
        self._librarys.evaluate(first, count, batch_size)
        whole: Found = {}
        for start in range(first, first + count, batch_size):
            rows = slice(start, min(start + batch_size, first + count))
            x = [np.ascontiguousarray(one[rows]) for one in self._inputs]
            room = self._room(len(x[0]))
            places = [_inputs.placed(one) for one in x]
            self._model.predict(_arrays.address(room), room.size, places, 0, len(x[0]), len(x[0]))
            for found, _ in self._scores(rows, self._outputs(room, writeable=False)):
                _add(whole, found, len(x[0]))
        self._tallies[EVALUATION].add({place: value / count for place, value in whole.items()}, count)

    def _differentiate(self, address: int, count: int) -> None:
        """Leaves the gradients of a batch, and adds what the functions gave to the tally. Where one raises, moving
        means and variances are as before."""
        rows = np.frombuffer(_memory.int64s_at(address, count), np.int64) if count else slice(None)
        samples = count or len(self._inputs[0])
        room = self._room(samples)
        slopes = np.zeros_like(room)
        whole: Found = {}
        with _kept_statistics(self._model):
            self._librarys.forward(_arrays.address(room), room.size, address, count)
            scores = self._scores(rows, self._outputs(room, writeable=False))
            for (found, of_loss), own, out in zip(scores, self._owns, self._outputs(slopes), strict=True):
                if of_loss is not None:
                    own.rounded(of_loss, out)
                _add(whole, found)
        self._librarys.backward(_arrays.address(slopes), slopes.size)
        self._tallies[TRAINING].add(whole, samples)

    def _scores(self, rows: Any, outputs: Sequence[NDArray]) -> Iterator[tuple[Found, NDArray | None]]:
        """What each output's functions say of a batch, and slopes."""
        weights = None if self._weights is None else self._weights[rows]
        for number, (own, targets, out) in enumerate(zip(self._owns, self._targets, outputs, strict=True)):
            y = targets[rows].view()
            y.flags.writeable = False  # a user's array may lie behind it
            yield own.scores(number, y, out, weights)

    def _room(self, samples: int) -> NDArray:
        """Room for a number of each element of the outputs, as the library lays them."""
        return np.empty(samples * sum(prod(own.shape) for own in self._owns), np.float32)

    def _outputs(self, room: NDArray, *, writeable: bool = True) -> list[NDArray]:
        """Each output's part of it."""
        samples = room.size // sum(prod(own.shape) for own in self._owns)
        found = _inputs.apart(room, [(samples, *own.shape) for own in self._owns])
        for one in found:
            one.flags.writeable = writeable
        return found


@contextmanager
def _kept_statistics(model: Model) -> Iterator[None]:
    """Puts moving means and variances back where what is inside raises."""
    address, count = model.buffer(_ffi_models.BUFFER_STATISTICS)
    statistics = np.frombuffer(_memory.floats(address, count, model), np.float32) if count else np.empty(0, np.float32)
    before = statistics.copy()
    try:
        yield
    except BaseException:
        statistics[...] = before
        raise


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
