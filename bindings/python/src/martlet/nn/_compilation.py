"""What compile was given: loss, metrics and optimizer, as the library takes them and as results are named.

It knows no layers; when the library hears of it is _training.py's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from martlet import _ffi_models, _model
from martlet._errors import ArgumentError, UnsupportedError
from martlet._model import Training
from martlet._samples import NDArray
from martlet.nn import _own, losses, metrics, optimizers
from martlet.nn._built import Built
from martlet.nn._own import Own


class Compilation(NamedTuple):
    """A loss, metrics and an optimizer."""

    loss: losses.Loss
    metrics: list[metrics.Metric]
    optimizer: optimizers.Optimizer

    @classmethod
    def of(cls, optimizer: Any, loss: Any, wanted: Any) -> Compilation:
        found = cls(losses.get(loss), metrics.get(wanted), optimizers.get(optimizer))
        if isinstance(found.loss, losses.OwnLoss):
            for metric in found.metrics:
                if metric.function is None:
                    raise UnsupportedError(f"metric {metric.name!r} is the library's, which has no part in "
                                           f"{found.loss!r}; wanted functions")  # fmt: skip
        if found.loss.takes_labels:
            found._refuse_comparing()
        return found

    def _refuse_comparing(self) -> None:
        """Refuses metrics that need numbers where there are labels."""
        for metric in self.metrics:
            if metric.compares_numbers:
                raise UnsupportedError(f"metric {metric.name!r} compares the output with numbers, and the targets of "
                                       f"{self.loss!r} are labels; wanted a loss of targets, such as "
                                       "categorical_crossentropy with one-hot rows")  # fmt: skip

    def training(self, batch_size: int) -> Training:
        flags, top = 0, 5
        for metric in self.metrics:
            flags |= metric.flag
            if metric.flag == _ffi_models.METRIC_TOP_ACCURACY:
                top = metric.k
        loss = self.loss
        return Training(loss.number, loss.origin, flags, batch_size, top, loss.label_smoothing, loss.delta)

    def own(self, outputs: tuple[int, ...]) -> Own | None:
        """The functions of a user's own among loss and metrics, for a model with outputs of this shape."""
        loss = self.loss if isinstance(self.loss, losses.OwnLoss) else None
        functions = [metric for metric in self.metrics if metric.function is not None]
        return None if loss is None and not functions else Own(loss, functions, outputs)

    def columns(self) -> list[tuple[str, int]]:
        """The names of what is reported, and where the library's results have it."""
        return [("loss", _model.LOSS), *((metric.name, metric.word) for metric in self.metrics)]

    def targets(self, y: Any, where: str, shape: tuple[int, ...]) -> NDArray:
        """y as the library takes it, for a model with outputs of this shape."""
        found = self.loss.targets(y, where, shape)
        if found.dtype.kind in "iu" and any(metric.compares_numbers for metric in self.metrics):
            if prod(shape) != 1:
                self._refuse_comparing()
            return np.ascontiguousarray(found.reshape(-1, *shape), np.float32)  # of one output, 0 or 1
        return found

    def _asks_each(self, outputs: tuple[int, ...]) -> bool:
        """Whether an accuracy asks of each output by itself, and not which is the largest."""
        return self.loss.number == _ffi_models.LOSS_BINARY_CROSS_ENTROPY or outputs[-1] == 1

    def check_top(self, built: Built) -> None:
        """Refuses to look for the label among more outputs than there are."""
        most = 1 if self._asks_each(built.output_shape) else built.output_shape[-1]
        for metric in self.metrics:
            if metric.flag == _ffi_models.METRIC_TOP_ACCURACY and metric.k > most:
                raise ArgumentError(f"k of metric {metric.name!r} is {metric.k}, and the outputs {built.output_shape} "
                                    f"tell {most} apart; wanted TopK(k) with k at most {most}")  # fmt: skip

    def check(self, built: Built, layers: Sequence[Any]) -> None:
        """Refuses, for a model with layers such as these, what would be computed otherwise than its name says."""
        outputs = built.output_shape
        if isinstance(self.loss, losses.OwnLoss):
            _own.check(layers, self.optimizer.hyperparameters().algorithm, self.loss)
        if built.gives_channels_first and self.loss.is_categorical:
            raise UnsupportedError(f"{self.loss!r} is over the last axis, and the output {outputs} is a channels_first "
                                   "image; wanted a Permute((2, 3, 1)) at the end, or channels_last")  # fmt: skip
        self.check_top(built)
        each = self._asks_each(outputs)
        for metric in self.metrics:
            if metric.name == "binary_accuracy" and not each:
                raise UnsupportedError(f"metric 'binary_accuracy' of outputs {outputs} needs binary_crossentropy, and "
                                       f"the loss is {self.loss!r}")  # fmt: skip
            if metric.name in ("categorical_accuracy", "sparse_categorical_accuracy") and each:
                raise UnsupportedError(f"metric {metric.name!r} of outputs {outputs} needs a categorical loss, and the "
                                       f"loss is {self.loss!r}")  # fmt: skip
