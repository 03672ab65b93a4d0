"""An epoch of scikit-learn's loss: each batch's mean loss, and alpha / 2 sum w^2 over the kernels, divided by the sum
of the batch's weights.

The library's own penalty is the same in every batch. Batches that it suits, those of batch_size samples without
weights, are native steps. Of others the gradient is taken, given what its penalty lacks, and stepped by.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from martlet import _arrays, _bound, _ffi
from martlet._bound import Bound, Column
from martlet._ffi_optimizers import TRAINING
from martlet._samples import NDArray
from martlet.nn import _inputs
from martlet.nn.optimizers import SGD
from martlet.sklearn._network import Perceptron
from martlet.sklearn._options import Options

_COLUMNS = [Column("loss", _bound.LOSS), Column("own", _bound.OWN_LOSS)]


class Samples:
    """Samples, targets and weights in the library's memory: all of them, or of a sparse x one batch at a time."""

    def __init__(self, x: Any, y: NDArray, weights: NDArray | None, batch_size: int) -> None:
        self.count, self.batch_size = len(y), batch_size
        self._sparse = None if isinstance(x, np.ndarray) else x
        self.targets, self._weights = y, weights
        if self._sparse is None:
            self.x, self.y = x, y
            self.weights = None if weights is None else weights.astype(np.float32)
            return
        self.x = np.empty((batch_size, x.shape[1]), np.float32)
        self.y = np.empty((batch_size, *y.shape[1:]), y.dtype)
        self.weights = None if weights is None else np.empty(batch_size, np.float32)
        self._rows = np.arange(batch_size)

    @property
    def whole(self) -> int:
        """How many are in batches of batch_size for which nothing is to be made ready."""
        is_ready = self._sparse is None and self._weights is None
        return self.count - self.count % self.batch_size if is_ready else 0

    def totals(self, order: NDArray) -> NDArray:
        """The sum of the weights of each batch of samples in this order."""
        starts = np.arange(0, len(order), self.batch_size)
        if self._weights is None:
            return np.minimum(self.batch_size, len(order) - starts).astype(np.float64)
        found: NDArray = np.add.reduceat(self._weights[order], starts)
        return found

    def total(self, numbers: NDArray, order: NDArray) -> float:
        """The sum over all batches of their sizes times their weighted means of a number of each sample."""
        if self._weights is None:
            return float(numbers.sum())
        starts = np.arange(0, self.count, self.batch_size)
        sums, totals = np.add.reduceat((self._weights * numbers)[order], starts), self.totals(order)
        sizes = np.minimum(self.batch_size, self.count - starts)
        return float((sizes * np.divide(sums, totals, where=totals > 0, out=np.zeros_like(sums))).sum())

    def batch(self, order: NDArray, start: int, total: float) -> tuple[int, int]:
        """Puts a batch where the library finds it, weights such that their mean is 1: where its rows lie, and their
        count."""
        rows = order[start : start + self.batch_size]
        count = len(rows)
        if self._sparse is None:
            if self.weights is not None and self._weights is not None and total:
                self.weights[rows] = self._weights[rows] * (count / total)
            return _arrays.address(order) + 8 * start, count
        self._sparse[rows].toarray(out=self.x[:count])
        self.y[:count] = self.targets[rows]
        if self.weights is not None and self._weights is not None and total:
            self.weights[:count] = self._weights[rows] * (count / total)
        return _arrays.address(self._rows), count


class Trainer:
    """A perceptron and the samples that it is trained on. The samples' arrays live as long as this."""

    def __init__(self, network: Perceptron, samples: Samples, options: Options) -> None:
        self._network, self.samples, self._alpha = network, samples, options.alpha
        self._native = network.model._prepare(samples.batch_size)
        self._bound = self._bind(network)
        # Batches whose weights differ, and so the penalty, get their gradients from a model that takes no steps.
        self._beside: Perceptron | None = None
        if samples.weights is not None and samples.count > samples.batch_size:
            seed = (network.seed + self._native.step()) % 2**64
            self._beside = Perceptron(network.units, options, network.goal, 0.0, seed)
            self._beside.compile(SGD(0.0))
            self._beside.model._prepare(samples.batch_size)
            self._beside.model.set_weights(network.model.get_weights())
            self._weighted = self._bind(self._beside)
            self._copied, self._beside_gradients = self._beside.model.parameters(), self._beside.gradients
        self._gradients = network.gradients
        self._parameters = network.model.parameters()
        self._kernels = network.kernels_of(self._parameters)
        self._kernel_gradients = network.kernels_of(self._gradients)
        self._offsets = network.goal.offsets(samples.targets)
        # So many samples, the first of an epoch, come in batches whose penalty is the network's own.
        self._alike = samples.whole if options.alpha / samples.batch_size == network.decay else 0

    def _bind(self, network: Perceptron) -> Bound:
        samples = self.samples
        return _inputs.bound(network.model._prepare(samples.batch_size), [samples.x], [samples.y], samples.weights)

    def epoch(self, order: NDArray) -> float:
        """Trains on all samples in this order, int64; returns scikit-learn's loss, each batch's before its step."""
        samples, loss = self.samples, 0.0
        self._bound.tally(TRAINING, keeps=True)
        self._native.unsettle()
        taken = self._alike
        self._train_alike(_arrays.address(order), taken)
        for batch, total in enumerate(samples.totals(order[taken:]).tolist()):
            start = self._alike + batch * samples.batch_size
            if not total:  # nothing counts here
                continue
            address, count = samples.batch(order, start, total)
            decay = self._alpha / total
            if self._beside is not None:
                loss += self._step_beside(address, count, decay)
            elif decay == self._network.decay:
                _check(self._bound.train(address, count))
                taken += count
            else:
                self._bound.differentiate(address, count)
                loss += count * self._add_penalty(decay - self._network.decay)
                self._native.take_step()
                taken += count
        self._native.settle()
        if self._offsets is not None:
            loss += samples.total(self._offsets, order)
        if taken:
            loss += taken * self._reported(self._bound)
        if self._beside is not None:
            self._network.model.statistics()[...] = self._beside.model.statistics()
        return loss / samples.count

    def _train_alike(self, address: int, count: int) -> None:
        """Steps of whole batches, with what Python does for each left out: that is a tenth of a small epoch."""
        train, size = self._bound.train, self.samples.batch_size
        for rows in range(address, address + 8 * count, 8 * size):
            status = train(rows, size)
            if status:
                raise _ffi.failure_of(status)

    def _step_beside(self, address: int, count: int, decay: float) -> float:
        """A step by the gradient that the model beside takes; returns the loss of all samples of the batch."""
        self._copied[...] = self._parameters
        _check(self._weighted.train(address, count))
        self._gradients[...] = self._beside_gradients
        loss = self._reported(self._weighted) + self._add_penalty(decay)
        self._native.take_step()
        return count * loss

    def _reported(self, bound: Bound) -> float:
        """The loss as scikit-learn tells it, with the library's penalty."""
        found, goal = bound.numbers(_COLUMNS, TRAINING), self._network.goal
        return found["loss"] + (goal.reported - goal.weight) * found["own"]

    def _add_penalty(self, decay: float) -> float:
        """Adds what decay / 2 sum w^2 has for a gradient to the gradients; returns that sum."""
        penalty = 0.0
        for kernel, gradient in zip(self._kernels, self._kernel_gradients, strict=True):
            gradient += np.float32(decay) * kernel
            penalty += float(np.vdot(kernel, kernel))
        return decay / 2 * penalty


def _check(status: int) -> None:
    if status:
        raise _ffi.failure_of(status)


def merged(x: NDArray, y: NDArray, weights: NDArray | None) -> tuple[NDArray, NDArray, NDArray]:
    """Equal samples as one with the sum of their weights, in an order of their own: where an epoch is one batch, a
    sample of weight 2 is to the bit two samples, and one of weight 0 is none. x: float32."""
    weights = np.ones(len(y)) if weights is None else weights
    counts = weights > 0
    if not counts.all():
        x, y, weights = x[counts], y[counts], weights[counts]
    # Rows are ordered as bytes, of which most pairs differ in the first few: once a fit, in about an epoch's time, with
    # a few copies of the samples in float32, which holds the numbers of classes too. Adding 0 makes -0 another 0.
    rows = np.concatenate([x, y.reshape(len(y), -1).astype(np.float32)], axis=1)
    rows += 0
    whole = rows.view(f"V{rows.itemsize * rows.shape[1]}")[:, 0]
    _, first, place = np.unique(whole, return_index=True, return_inverse=True)
    sums = np.bincount(place.reshape(-1), weights, len(first))
    return np.ascontiguousarray(x[first]), np.ascontiguousarray(y[first]), sums
