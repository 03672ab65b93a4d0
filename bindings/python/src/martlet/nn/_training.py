"""The loops over batches: an epoch of training, and evaluation, in Python over native calls.

Ctrl-C is seen between two batches, and the model is then as it is after its latest step. A batch costs a few
microseconds here: the structs are made once for each fit, and a batch is two numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from math import prod
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from martlet import _arrays, _ffi
from martlet._bound import Bound, Column
from martlet._errors import ArgumentError
from martlet._ffi_optimizers import EVALUATION, TRAINING
from martlet._model import Model
from martlet._samples import NDArray
from martlet.nn import _inputs
from martlet.nn._callback import Logs
from martlet.nn._callback_list import Callbacks
from martlet.nn._own import Own, OwnBound
from martlet.nn._progress import Progress

if TYPE_CHECKING:
    from martlet.nn._trained import Trained

Columns = Sequence[Column]

# Batches that one native call evaluates or predicts: enough to make the call cheap, and few enough for Ctrl-C.
BATCHES_A_CALL = 16


class Data(NamedTuple):
    """Samples and targets that fit a model, and the model bound to them."""

    inputs: Sequence[NDArray]
    targets: Sequence[NDArray]
    bound: Bound | OwnBound
    weights: NDArray | None = None
    owns: Sequence[Own] = ()

    @classmethod
    def of(
        cls, model: Model, inputs: Sequence[NDArray], targets: Sequence[NDArray], weights: NDArray | None = None,
        owns: Sequence[Own] = (),
    ) -> Data:  # fmt: skip
        """An array for each input and output. weights: how much each sample counts. owns: a user's functions for each
        output, where there are any."""
        if owns:
            bound: Bound | OwnBound = OwnBound(model, inputs, targets, weights, owns)
        else:
            bound = _inputs.bound(model, inputs, targets, weights)
        return cls(inputs, targets, bound, weights, owns)

    @property
    def samples(self) -> int:
        return len(self.targets[0])

    def part(self, model: Model, rows: slice, *, is_weighted: bool = True) -> Data:
        """Some neighbours among the samples, with their weights or without."""
        weights = self.weights[rows] if self.weights is not None and is_weighted else None
        inputs, targets = ([one[rows] for one in arrays] for arrays in (self.inputs, self.targets))
        return Data.of(model, inputs, targets, weights, self.owns)


def train_epoch(
    data: Data,
    rows: NDArray,
    batch_size: int,
    columns: Columns,
    callbacks: Callbacks,
    model: Trained,
    progress: Progress,
    behind: int = 0,
) -> tuple[Logs, int]:
    """Trains on the rows in their order, or until the model's stop_training says so; returns loss and metrics over the
    samples that were trained on, and how many there were. behind: the batches that are done."""
    train, numbers = data.bound.train, data.bound.numbers
    data.bound.tally(TRAINING, keeps=True)
    begin, end = callbacks.hooks("on_train_batch_begin"), callbacks.hooks("on_train_batch_end")
    address, samples, due = _arrays.address(rows), len(rows), progress.due
    optimizer = model.optimizer
    done = 0
    # Python-level hooks cost a few hundred nanoseconds each, so batches have them only where somebody listens.
    for batch, start in enumerate(range(behind * batch_size, samples, batch_size), behind):
        for hook in begin:
            hook(batch, {})
        count = min(batch_size, samples - start)
        if optimizer.schedule is not None:
            optimizer.before_step()
        status = train(address + 8 * start, count)
        if status:
            raise _ffi.failure_of(status)
        done += count
        if end:
            for hook in end:
                hook(batch, numbers(columns, TRAINING))
        if model.stop_training:
            break
        if perf_counter() >= due:
            progress.show(done, numbers(columns, TRAINING))
            due = progress.due
    data.bound.settle()
    return numbers(columns, TRAINING), done


def train_stream(
    batches: Iterator[tuple[Any, Any, Any]],
    check: bool,
    columns: Columns,
    callbacks: Callbacks,
    model: Trained,
    progress: Progress,
    class_weight: Any = None,
    behind: int = 0,
) -> tuple[Logs, int]:
    """The same on batches as they come; each is checked, and lent to the library, by itself."""
    begin, end = callbacks.hooks("on_train_batch_begin"), callbacks.hooks("on_train_batch_end")
    done, data = 0, None
    for batch, (x, y, weights) in enumerate(islice(batches, behind, None), behind):
        for hook in begin:
            hook(batch, {})
        data = model._data(x, y, None, check, "", weights, class_weight)
        if batch == behind:
            data.bound.tally(TRAINING, keeps=True)
        model.optimizer.before_step()
        data.bound.train_all()
        done += data.samples
        for hook in end:
            hook(batch, data.bound.numbers(columns, TRAINING))
        if model.stop_training:
            break
        if perf_counter() >= progress.due:
            progress.show(done, data.bound.numbers(columns, TRAINING))
    if data is None:
        return {}, 0
    data.bound.settle()
    return data.bound.numbers(columns, TRAINING), done


def evaluate_stream(
    batches: Iterator[tuple[Any, Any, Any]],
    check: bool,
    columns: Columns,
    callbacks: Callbacks,
    model: Trained,
    progress: Progress | None = None,
) -> tuple[Logs, int]:
    """Loss and metrics over all samples of batches as they come, and how many there are."""
    begin, end = callbacks.hooks("on_test_batch_begin"), callbacks.hooks("on_test_batch_end")
    done, data = 0, None
    callbacks.call("on_test_begin", {})
    for batch, (x, y, weights) in enumerate(batches):
        for hook in begin:
            hook(batch, {})
        data = model._data(x, y, None, check, "", weights)
        if not batch:
            data.bound.tally(EVALUATION, keeps=True)
        data.bound.evaluate(0, data.samples, data.samples)
        done += data.samples
        for hook in end:
            hook(batch, data.bound.numbers(columns, EVALUATION))
        if progress is not None and perf_counter() >= progress.due:
            progress.show(done, data.bound.numbers(columns, EVALUATION))
    if data is None:
        raise ArgumentError("what is to be evaluated gives no batch; wanted one or more")
    found = data.bound.numbers(columns, EVALUATION)
    callbacks.call("on_test_end", found)
    return found, done


def evaluate(
    data: Data,
    batch_size: int,
    columns: Columns,
    callbacks: Callbacks,
    progress: Progress | None = None,
) -> Logs:
    """Loss and metrics over all samples."""
    numbers, samples = data.bound.numbers, data.samples
    data.bound.tally(EVALUATION, keeps=True)
    begin, end = callbacks.hooks("on_test_batch_begin"), callbacks.hooks("on_test_batch_end")
    batch_size = min(batch_size, samples)
    stride = _stride(batch_size, begin or end)
    callbacks.call("on_test_begin", {})
    for batch, start in enumerate(range(0, samples, stride)):
        for hook in begin:
            hook(batch, {})
        count = min(stride, samples - start)
        data.bound.evaluate(start, count, batch_size)
        for hook in end:
            hook(batch, numbers(columns, EVALUATION))
        if progress is not None and perf_counter() >= progress.due:
            progress.show(start + count, numbers(columns, EVALUATION))
    found = numbers(columns, EVALUATION)
    callbacks.call("on_test_end", found)
    return found


def predict(
    model: Model, inputs: Sequence[NDArray], outputs: Sequence[tuple[int, ...]], batch_size: int, callbacks: Callbacks
) -> list[NDArray]:
    """What each output gives for every sample."""
    begin, end = callbacks.hooks("on_predict_batch_begin"), callbacks.hooks("on_predict_batch_end")
    samples = len(inputs[0])
    found = [np.empty((samples, *sizes), np.float32) for sizes in outputs]
    batch_size = min(batch_size, samples)
    places, each = [_inputs.placed(one) for one in inputs], [prod(sizes) for sizes in outputs]
    read = [one.shape[1:] for one in inputs]
    stride = _stride(batch_size, begin or end)
    # One output's numbers go where they belong at once; of several, those of a call lie behind one another.
    room = found[0] if len(found) == 1 else np.empty(stride * sum(each), np.float32)
    address = _arrays.address(room)
    callbacks.call("on_predict_begin", {})
    for batch, start in enumerate(range(0, samples, stride)):
        for hook in begin:
            hook(batch, {})
        count = min(stride, samples - start)
        first = start * each[0] if len(found) == 1 else 0
        if model.is_open:
            model.set_sizes(read)
        model.predict(address + 4 * first, count * sum(each), places, start, count, batch_size)
        parts = [one[start : start + count] for one in found]
        if len(found) > 1:
            pieces = _inputs.apart(room[: count * sum(each)], [part.shape for part in parts])
            for part, piece in zip(parts, pieces, strict=True):
                part[...] = piece
        for hook in end:
            hook(batch, {"outputs": parts[0] if len(parts) == 1 else parts})
    callbacks.call("on_predict_end", {})
    return found


def _stride(batch_size: int, hooks: Sequence[Any]) -> int:
    """Samples of a native call: one batch where somebody wants to hear of each."""
    return batch_size if hooks else batch_size * BATCHES_A_CALL
