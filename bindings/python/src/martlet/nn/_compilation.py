"""What compile was given: losses, metrics and the optimizer, as the library takes them and as results are named.

It knows no layers; when the library hears of it is _training.py's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from martlet import _arguments, _bound, _ffi_models
from martlet._bound import Column
from martlet._errors import ArgumentError, DTypeError, UnsupportedError
from martlet._records import Training
from martlet._samples import NDArray
from martlet.nn import _inputs, losses, metrics, optimizers
from martlet.nn._built import Built
from martlet.nn._own import Own

# Losses whose outputs each say yes or no.
_SAY_YES = (_ffi_models.LOSS_BINARY_CROSS_ENTROPY, _ffi_models.LOSS_BINARY_FOCAL, _ffi_models.LOSS_HINGE)


class Goal(NamedTuple):
    """What one output is trained for: a loss, how much it counts, and metrics. name: the output's, of several."""

    loss: losses.Loss
    metrics: list[metrics.Metric]
    weight: float = 1.0
    name: str = ""

    @classmethod
    def of(cls, loss: Any, wanted: Any, weight: float = 1.0, name: str = "") -> Goal:
        found = cls(losses.get(loss), metrics.get(wanted), weight, name)
        if isinstance(found.loss, losses.OwnLoss):
            for metric in found.metrics:
                if metric.function is None:
                    raise UnsupportedError(f"metric {metric.name!r} is the library's, which has no part in "
                                           f"{found.loss!r}; wanted functions")  # fmt: skip
        if found.loss.takes_labels:
            found._refuse_comparing()
        return found

    def own(self, outputs: tuple[int, ...]) -> Own:
        """The functions of a user's own among loss and metrics, for an output of this shape."""
        loss = self.loss if isinstance(self.loss, losses.OwnLoss) else None
        functions = [metric for metric in self.metrics if metric.function is not None]
        return Own(loss, functions, outputs, self.weight)

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
            flags |= 1 << metric.number if metric.function is None else 0
            if metric.number == _ffi_models.METRIC_TOP_ACCURACY:
                top = metric.k
        loss = self.loss
        return Training(
            loss.number, loss.origin, flags, batch_size, top, loss.label_smoothing, loss.delta, loss.gamma, loss.alpha,
            self.weight,
        )  # fmt: skip

    def targets(self, y: Any, where: str, shape: tuple[int, ...]) -> NDArray:
        """y as the library takes it, for an output of this shape."""
        found = self.loss.targets(y, where, shape)
        if found.dtype.kind in "iu" and any(metric.compares_numbers for metric in self.metrics):
            if prod(shape) != 1:
                self._refuse_comparing()
            return np.ascontiguousarray(found.reshape(-1, *shape), np.float32)  # of one output, 0 or 1
        return found

    def _asks_each(self, outputs: tuple[int, ...]) -> bool:
        """Whether an accuracy asks of each output by itself, and not which is the largest."""
        return self.loss.number in _SAY_YES or outputs[-1] == 1

    def check_top(self, outputs: tuple[int, ...]) -> None:
        """Refuses to look for the label among more outputs than there are."""
        most = 1 if self._asks_each(outputs) else outputs[-1]
        for metric in self.metrics:
            if metric.number == _ffi_models.METRIC_TOP_ACCURACY and metric.k > most:
                raise ArgumentError(f"k of metric {metric.name!r} is {metric.k}, and the outputs {outputs} "
                                    f"tell {most} apart; wanted TopK(k) with k at most {most}")  # fmt: skip

    def check(self, outputs: tuple[int, ...], is_turned: bool) -> None:
        """Refuses, for an output such as this, what would be computed otherwise than its name says."""
        if is_turned and self.loss.is_categorical:
            raise UnsupportedError(f"{self.loss!r} is over the last axis, and the output {outputs} is a channels_first "
                                   "image; wanted a Permute((2, 3, 1)) at the end, or channels_last")  # fmt: skip
        self.check_top(outputs)
        each = self._asks_each(outputs)
        for metric in self.metrics:
            if metric.name == "binary_accuracy" and not each:
                raise UnsupportedError(f"metric 'binary_accuracy' of outputs {outputs} needs binary_crossentropy, and "
                                       f"the loss is {self.loss!r}")  # fmt: skip
            if metric.name in ("categorical_accuracy", "sparse_categorical_accuracy") and each:
                raise UnsupportedError(f"metric {metric.name!r} of outputs {outputs} needs a categorical loss, and the "
                                       f"loss is {self.loss!r}")  # fmt: skip


class Compilation(NamedTuple):
    """What each output is trained for, and an optimizer."""

    goals: list[Goal]
    optimizer: optimizers.Optimizer

    @classmethod
    def of(cls, optimizer: Any, loss: Any, wanted: Any, weights: Any, names: Sequence[str]) -> Compilation:
        """names: the outputs'."""
        if len(names) == 1:
            found = [Goal.of(_single(loss, names), _single(wanted, names), _weights(weights, names)[0])]
        else:
            asked = _by_output(wanted, names, "metrics", "lists")
            losses_of = _by_output(loss, names, "loss", "losses", loss)
            for name, one in zip(names, losses_of, strict=True):
                if one is None:
                    raise ArgumentError(f"loss has nothing for output {name!r}; wanted a loss for each output")
            given = zip(losses_of, asked, _weights(weights, names), names, strict=True)
            found = [Goal.of(*one) for one in given]
        compilation = cls(found, optimizers.get(optimizer))
        reported = [column.name for column in compilation.columns()]
        for name in reported:
            if reported.count(name) > 1:
                raise ArgumentError(f"two numbers would be reported as {name!r}; wanted metrics of other names")
            if name.startswith("val_"):
                raise ArgumentError(f"an output's loss or metric would be reported as {name!r}, which a history has of "
                                    "validation data; wanted an output of another name")  # fmt: skip
        return compilation

    @property
    def metrics(self) -> list[metrics.Metric]:
        """Of all outputs, by the names under which they are reported."""
        return [
            metric._replace(name=f"{goal.name}_{metric.name}" if goal.name else metric.name)
            for goal in self.goals
            for metric in goal.metrics
        ]

    def climbs(self, name: str) -> bool | None:
        """Whether numbers of this name are better when larger. None: nobody knows."""
        losses = [column.name for column in self.columns() if column.place in (_bound.LOSS, _bound.OWN_LOSS)]
        return False if name in losses else metrics.climbs(name, self.metrics)

    def trainings(self, batch_size: int) -> list[Training]:
        return [goal.training(batch_size) for goal in self.goals]

    def columns(self) -> list[Column]:
        """What is reported, by name: the loss, of several outputs each one's, and metrics."""
        found = [Column("loss", _bound.LOSS)]
        if len(self.goals) > 1:
            found += [Column(f"{goal.name}_loss", _bound.OWN_LOSS, output) for output, goal in enumerate(self.goals)]
        for output, goal in enumerate(self.goals):
            prefix = f"{goal.name}_" if goal.name else ""
            found += [Column(prefix + metric.name, metric.number, output) for metric in goal.metrics]
        return found

    def targets(self, y: Any, where: str, built: Built) -> list[tuple[str, NDArray]]:
        """What each output should give, as the library takes it, and what messages call it."""
        shapes = built.output_shapes
        if len(shapes) == 1:
            names = [goal.name for goal in self.goals]
            return [(where, self.goals[0].targets(_single(y, names), where, shapes[0]))]
        parts = _inputs.parted(y, where, [goal.name for goal in self.goals], "output")
        return [
            (name, goal.targets(one, name, shape))
            for (name, one), goal, shape in zip(parts, self.goals, shapes, strict=True)
        ]

    def check_targets(self, targets: Sequence[tuple[str, NDArray]]) -> None:
        """Refuses numbers that no training can use."""
        for (where, array), goal in zip(targets, self.goals, strict=True):
            _inputs.refuse_nan(array, where)
            goal.loss.check(array, where)

    def check_top(self, built: Built) -> None:
        for goal, shape in zip(self.goals, built.output_shapes, strict=True):
            goal.check_top(shape)

    def owns(self, built: Built) -> list[Own]:
        """A user's functions for each output, where there are any."""
        found = [goal.own(shape) for goal, shape in zip(self.goals, built.output_shapes, strict=True)]
        return found if any(own.loss or own.metrics for own in found) else []

    def check(self, built: Built) -> None:
        for goal, shape in zip(self.goals, built.output_shapes, strict=True):
            goal.check(shape, built.gives_channels_first)


def _single(given: Any, names: Sequence[str]) -> Any:
    """What is given of one output, which may stand by its name."""
    is_named = isinstance(given, dict) and names and [*given] == [names[0]]
    return given[names[0]] if is_named else given


def _by_output(given: Any, names: Sequence[str], where: str, each: str, other: Any = None) -> list[Any]:
    """Something of each output: a list, a dict by their names, or other for all where it is neither."""
    if isinstance(given, dict):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise ArgumentError(f"{where} has {unknown[0]!r}, which is no output's name; wanted those of "
                                f"{_arguments.listed(names)}")  # fmt: skip
        return [given.get(name) for name in names]
    if isinstance(given, list | tuple):
        if len(given) != len(names):
            raise ArgumentError(f"{where} has {len(given)} entries; wanted {len(names)}, one for each output: "
                                f"{_arguments.listed(names)}")  # fmt: skip
        return [*given]
    if given is not None and other is None:
        raise DTypeError(f"{where} is {given!r}, and the model has {len(names)} outputs; wanted a list of {each}, or a "
                         "dict by the outputs' names")  # fmt: skip
    return [other] * len(names)


def _weights(given: Any, names: Sequence[str]) -> list[float]:
    if given is None:
        return [1.0] * len(names)
    if isinstance(given, dict):
        given = dict.fromkeys(names, 1.0) | given
    found = _by_output(given, names, "loss_weights", "numbers")
    return [
        _arguments.within(one, f"loss_weights of output {name!r}", 0, 1e30)
        for name, one in zip(names, found, strict=True)
    ]
