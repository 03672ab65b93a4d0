"""The loops over batches: an epoch of training, and evaluation, in Python over native calls.

Ctrl-C is seen between two batches, and the model is then as it is after its latest step. A batch costs a few
microseconds here: the structs are made once for each fit, and a batch is two numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from martlet import _arrays, _model
from martlet._errors import ArgumentError
from martlet._model import Bound, Model
from martlet._samples import NDArray
from martlet.nn import _inputs
from martlet.nn._callback import Logs
from martlet.nn._callback_list import Callbacks
from martlet.nn._own import Own, OwnBound
from martlet.nn._progress import Progress

if TYPE_CHECKING:
    from martlet.nn._trained import Trained

# Batches that one native call evaluates or predicts: enough to make the call cheap, and few enough for Ctrl-C.
BATCHES_A_CALL = 16


class Data(NamedTuple):
    """Samples and targets that fit a model, and the model bound to them."""

    inputs: Sequence[NDArray]
    y: NDArray
    bound: Bound | OwnBound
    weights: NDArray | None = None
    own: Own | None = None

    @classmethod
    def of(
        cls, model: Model, x: NDArray | Sequence[NDArray], y: NDArray, weights: NDArray | None = None,
        own: Own | None = None,
    ) -> Data:  # fmt: skip
        """x: of several inputs an array for each. weights: how much each sample counts. own: a user's functions."""
        inputs = [x] if isinstance(x, np.ndarray) else x
        librarys: Bound | None = None
        if own is None or own.loss is None:
            counted = None if weights is None else _inputs.placed(weights)
            librarys = Bound(model, [_inputs.placed(one) for one in inputs], _inputs.placed(y), counted)
        if own is not None:
            return cls(inputs, y, OwnBound(model, inputs, y, weights, own, librarys), weights, own)
        assert librarys is not None
        return cls(inputs, y, librarys, weights)

    @property
    def samples(self) -> int:
        return len(self.y)

    def part(self, model: Model, rows: slice, *, is_weighted: bool = True) -> Data:
        """Some neighbours among the samples, with their weights or without."""
        weights = self.weights[rows] if self.weights is not None and is_weighted else None
        return Data.of(model, [one[rows] for one in self.inputs], self.y[rows], weights, self.own)


def train_epoch(
    data: Data,
    rows: NDArray,
    batch_size: int,
    columns: list[tuple[str, int]],
    callbacks: Callbacks,
    model: Trained,
    progress: Progress,
) -> tuple[Logs, int]:
    """Trains on the rows in their order, or until the model's stop_training says so; returns the means over the samples
    that were trained on, and how many there were."""
    train, numbers = data.bound.train, data.bound.numbers
    begin, end = callbacks.hooks("on_train_batch_begin"), callbacks.hooks("on_train_batch_end")
    words = [word for _, word in columns]
    sums = [0.0] * len(words)
    indices = range(len(words))
    address, samples, due = _arrays.address(rows), len(rows), progress.due
    optimizer = model.optimizer
    done = 0
    # Python-level hooks cost a few hundred nanoseconds each, so batches have them only where somebody listens.
    for batch, start in enumerate(range(0, samples, batch_size)):
        for hook in begin:
            hook(batch, {})
        count = min(batch_size, samples - start)
        if optimizer.schedule is not None:
            optimizer.before_step()
        status = train(address + 8 * start, count)
        if status:
            raise _model.error_of(status)
        for index in indices:
            sums[index] += numbers[words[index]] * count
        done += count
        if end:
            for hook in end:
                hook(batch, _means(columns, sums, done))
        if model.stop_training:
            break
        if perf_counter() >= due:
            progress.show(done, _means(columns, sums, done))
            due = progress.due
    data.bound.settle()
    return _means(columns, sums, done), done


def train_stream(
    batches: Iterator[tuple[Any, Any, Any]],
    check: bool,
    columns: list[tuple[str, int]],
    callbacks: Callbacks,
    model: Trained,
    progress: Progress,
    class_weight: Any = None,
) -> tuple[Logs, int]:
    """The same on batches as they come; each is checked, and lent to the library, by itself."""
    begin, end = callbacks.hooks("on_train_batch_begin"), callbacks.hooks("on_train_batch_end")
    sums, done = [0.0] * len(columns), 0
    for batch, (x, y, weights) in enumerate(batches):
        for hook in begin:
            hook(batch, {})
        data = model._data(x, y, None, check, "", weights, class_weight)
        model.optimizer.before_step()
        data.bound.train_all()
        for index, (_, word) in enumerate(columns):
            sums[index] += data.bound.numbers[word] * data.samples
        done += data.samples
        for hook in end:
            hook(batch, _means(columns, sums, done))
        if model.stop_training:
            break
        if perf_counter() >= progress.due:
            progress.show(done, _means(columns, sums, done))
    if done:
        data.bound.settle()
    return _means(columns, sums, done), done


def evaluate_stream(
    batches: Iterator[tuple[Any, Any, Any]],
    check: bool,
    columns: list[tuple[str, int]],
    callbacks: Callbacks,
    model: Trained,
    progress: Progress | None = None,
) -> tuple[Logs, int]:
    """Loss and metrics over batches as they come, as means over all samples, of which there are so many."""
    begin, end = callbacks.hooks("on_test_batch_begin"), callbacks.hooks("on_test_batch_end")
    sums, done = [0.0] * len(columns), 0
    callbacks.call("on_test_begin", {})
    for batch, (x, y, weights) in enumerate(batches):
        for hook in begin:
            hook(batch, {})
        data = model._data(x, y, None, check, "", weights)
        data.bound.evaluate(0, data.samples, data.samples)
        for index, (_, word) in enumerate(columns):
            sums[index] += data.bound.numbers[word] * data.samples
        done += data.samples
        for hook in end:
            hook(batch, _means(columns, sums, done))
        if progress is not None and perf_counter() >= progress.due:
            progress.show(done, _means(columns, sums, done))
    if not done:
        raise ArgumentError("what is to be evaluated gives no batch; wanted one or more")
    found = _means(columns, sums, done)
    callbacks.call("on_test_end", found)
    return found, done


def evaluate(
    data: Data,
    batch_size: int,
    columns: list[tuple[str, int]],
    callbacks: Callbacks,
    progress: Progress | None = None,
) -> Logs:
    """Loss and metrics, as means over all samples."""
    numbers, samples = data.bound.numbers, data.samples
    begin, end = callbacks.hooks("on_test_batch_begin"), callbacks.hooks("on_test_batch_end")
    sums = [0.0] * len(columns)
    batch_size = min(batch_size, samples)
    stride = _stride(batch_size, begin or end)
    callbacks.call("on_test_begin", {})
    for batch, start in enumerate(range(0, samples, stride)):
        for hook in begin:
            hook(batch, {})
        count = min(stride, samples - start)
        data.bound.evaluate(start, count, batch_size)
        for index, (_, word) in enumerate(columns):
            sums[index] += numbers[word] * count
        for hook in end:
            hook(batch, _means(columns, sums, start + count))
        if progress is not None and perf_counter() >= progress.due:
            progress.show(start + count, _means(columns, sums, start + count))
    found = _means(columns, sums, samples)
    callbacks.call("on_test_end", found)
    return found


def predict(
    model: Model, inputs: Sequence[NDArray], outputs: tuple[int, ...], batch_size: int, callbacks: Callbacks
) -> NDArray:
    """The output of every sample."""
    begin, end = callbacks.hooks("on_predict_batch_begin"), callbacks.hooks("on_predict_batch_end")
    samples = len(inputs[0])
    out = np.empty((samples, *outputs), np.float32)
    batch_size = min(batch_size, samples)
    places, each = [_inputs.placed(one) for one in inputs], out[0].size
    address, stride = _arrays.address(out), _stride(batch_size, begin or end)
    callbacks.call("on_predict_begin", {})
    for batch, start in enumerate(range(0, samples, stride)):
        for hook in begin:
            hook(batch, {})
        count = min(stride, samples - start)
        model.predict(address + 4 * each * start, each * count, places, start, count, batch_size)
        for hook in end:
            hook(batch, {"outputs": out[start : start + count]})
    callbacks.call("on_predict_end", {})
    return out


def _stride(batch_size: int, hooks: Sequence[Any]) -> int:
    """Samples of a native call: one batch where somebody wants to hear of each."""
    return batch_size if hooks else batch_size * BATCHES_A_CALL


def _means(columns: list[tuple[str, int]], sums: list[float], samples: int) -> Logs:
    return {name: total / max(samples, 1) for (name, _), total in zip(columns, sums, strict=True)}
