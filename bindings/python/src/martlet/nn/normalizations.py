"""BatchNormalization and LayerNormalization, and Normalization with statistics that are computed once, from training
data.

All but LayerNormalization work on each channel apart: the last size of a sample, or the first of a channels_first
image.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from martlet import _arguments, _ffi_models, _samples
from martlet._errors import ArgumentError, DTypeError, ShapeError, UnsupportedError
from martlet._samples import Float64
from martlet.nn import _formats
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph
from martlet.nn._matching import NDArray
from martlet.nn.basic import unserved

# Keras's: what a deviation is at least before it divides.
_LEAST_DEVIATION = 1e-7
# One over its root is still a normal number of float32.
_LARGEST_VARIANCE = 1e75

# Keras's arguments that gammas and betas have there.
UNSERVED = (
    "beta_initializer", "gamma_initializer", "beta_regularizer", "gamma_regularizer", "beta_constraint",
    "gamma_constraint", "moving_mean_initializer", "moving_variance_initializer",
)  # fmt: skip


class BatchNormalization(Layer):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta (Ioffe and Szegedy, 2015).

    axis                 of the channels, the batch being axis 0: -1 for the last one, or for the first of an image
                         where layers before it, or set_data_format, are channels_first; 1 says so itself
    momentum             the moving statistics become momentum times themselves plus (1 - momentum) times the batch's
                         (torch's momentum is 1 minus this one)
    epsilon              more than 0
    center, scale        whether there is a beta, and a gamma
    unbiased_variance    the moving variance is a sample's, divided by n - 1, as torch's
    trainable            as Layer's; where it is False the moving statistics are used, and kept, in training too
    others               Keras's initializers, regularizers and constraints of these: others than None raise
                         UnsupportedError

    The shape stays. Weights: gamma, where scale; beta, where center; moving mean; moving variance: (channels,) each.
    An axis that the samples have not raises ShapeError when the model is built.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        *,
        name: str | None = None,
        input_shape: Any = None,
        unbiased_variance: bool = False,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        unserved(self, others, UNSERVED)
        self.axis = _arguments.integer(axis, f"axis of {self}", -8)
        self.momentum = _arguments.within(momentum, f"momentum of {self}", 0, 1)
        self.epsilon = _arguments.within(epsilon, f"epsilon of {self}", 0, math.inf)
        if self.epsilon == 0:
            raise ArgumentError(f"epsilon of {self} is 0; wanted more than 0")
        self.center = _arguments.flag(center, f"center of {self}")
        self.scale = _arguments.flag(scale, f"scale of {self}")
        self.unbiased_variance = _arguments.flag(unbiased_variance, f"unbiased_variance of {self}")
        self.data_format = _formats.get_data_format()

    def _lay(self, graph: Graph, name: str) -> int:
        graph.channels(self.axis, self.data_format, name)
        flags = self._frozen_flag | (0 if self.center else _ffi_models.NO_BIAS)
        flags |= 0 if self.scale else _ffi_models.NO_SCALE
        flags |= _ffi_models.UNBIASED_VARIANCE if self.unbiased_variance else 0
        return graph.add(_ffi_models.LAYER_BATCH_NORM, name, flags=flags, momentum=self.momentum, epsilon=self.epsilon)

    def _further_config(self) -> dict[str, Any]:
        return {"data_format": self.data_format}


class LayerNormalization(Layer):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, with the mean and variance of each row, the last axis (Ba,
    Kiros and Hinton, 2016).

    axis             -1, or the last one's number, the batch being axis 0; another one raises UnsupportedError when the
                     model is built
    epsilon          more than 0
    center, scale    whether there is a beta, and a gamma
    trainable        as Layer's
    others           as BatchNormalization's

    The shape stays. Weights: gamma, where scale; beta, where center: (the last size,) each.
    """

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        *,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        unserved(self, others, UNSERVED)
        self.axis = _arguments.integer(axis, f"axis of {self}", -8)
        self.epsilon = _arguments.within(epsilon, f"epsilon of {self}", 0, math.inf)
        if self.epsilon == 0:
            raise ArgumentError(f"epsilon of {self} is 0; wanted more than 0")
        self.center = _arguments.flag(center, f"center of {self}")
        self.scale = _arguments.flag(scale, f"scale of {self}")

    def _lay(self, graph: Graph, name: str) -> int:
        _last_axis(self.axis, graph, name)
        flags = self._frozen_flag | (0 if self.center else _ffi_models.NO_BIAS)
        flags |= 0 if self.scale else _ffi_models.NO_SCALE
        return graph.add(_ffi_models.LAYER_LAYER_NORM, name, flags=flags, epsilon=self.epsilon)


class RMSNormalization(Layer):
    """gamma x / sqrt(mean of x^2 + epsilon), with the mean of each row, the last size (Zhang and Sennrich, 2019).

    axis, trainable  as LayerNormalization's
    epsilon          more than 0

    The shape stays. Weights: gamma, (the last size,).
    """

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-6,
        *,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        self.axis = _arguments.integer(axis, f"axis of {self}", -8)
        self.epsilon = _arguments.within(epsilon, f"epsilon of {self}", 0, math.inf)
        if self.epsilon == 0:
            raise ArgumentError(f"epsilon of {self} is 0; wanted more than 0")

    def _lay(self, graph: Graph, name: str) -> int:
        _last_axis(self.axis, graph, name)
        return graph.add(_ffi_models.LAYER_RMS_NORM, name, flags=self._frozen_flag, epsilon=self.epsilon)


def _last_axis(axis: int, graph: Graph, name: str) -> None:
    """Makes what is read lie as the user sees it, and refuses another axis than the last."""
    graph.straighten()
    if axis not in (-1, len(graph.sizes)):
        raise UnsupportedError(f"layer {name!r}: axis is {axis}, and only the last one, -1, is served; wanted "
                               "a Permute before it that moves the axis there")  # fmt: skip


class Normalization(Layer):
    """(x - mean) / sqrt(variance) for each channel, with statistics that training leaves alone and files keep.

    axis             of the channels, as BatchNormalization's; None: one mean and variance for all
    mean, variance   the statistics, a number or one for each channel; without them adapt computes them
    factor           in place of variance: what x - mean is multiplied by

    The shape stays. Weights: mean, (channels,); factor, (channels,): 1 / sqrt(variance), at most 1e7. Statistics that
    are no finite numbers, or that float32 does not hold, raise ArgumentError; of another number of channels ShapeError.
    """

    def __init__(
        self,
        axis: int | None = -1,
        mean: Any = None,
        variance: Any = None,
        *,
        name: str | None = None,
        input_shape: Any = None,
        factor: Any = None,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape)
        self.axis = None if axis is None else _arguments.integer(axis, f"axis of {self}", -8)
        self.data_format = _formats.get_data_format()
        self._statistics: tuple[NDArray, NDArray] | None = None
        if mean is None and variance is None and factor is None:
            return
        if mean is None or (variance is None) == (factor is None):
            raise ArgumentError(
                f"{self} lacks a statistic, or has one too many; wanted mean and variance, or mean and factor, or none"
            )
        means = _numbers(mean, f"mean of {self}")
        if factor is None:
            factors = _factor(_numbers(variance, f"variance of {self}"), f"variance of {self}")
        else:
            factors = _numbers(factor, f"factor of {self}")
        self._statistics = _in_float32((means, factors), f"{self}")

    def adapt(self, data: Any) -> None:
        """Takes mean and variance from data: samples like those that the model will read, of the training set alone.

        Raises ShapeError for data without such an axis or with other channels than the model's, and DTypeError or
        ArgumentError for data that are no finite numbers; the statistics are then as they were.
        """
        x = _samples.filled(_samples.array(data, "data"), "data")
        if x.ndim == 1:
            x = x[:, None]
        axis = self._axis_of(x.ndim)
        _samples.refuse_nonfinite(x, "data")
        with np.errstate(all="ignore"):  # what overflows is found afterwards
            mean, variance = _samples.moments(x, axis)
            statistics = _in_float32((mean, _factor(variance, "the variance of data")), "data")
        if self._built is None:
            self._statistics = statistics
            return
        with self._built.model.owner.inside():
            self._write(statistics)
            self._statistics = statistics

    def _axis_of(self, rank: int) -> int | None:
        if self.axis is None:
            return None
        first = self.axis == -1 and rank == 4 and self.data_format == _formats.FIRST
        axis = 1 if first else self.axis % rank if -rank <= self.axis < rank else 0
        if axis == 0:
            raise ShapeError(f"axis of {self} is {self.axis}, and data has {rank} axes; wanted -1 or 1 to {rank - 1}")
        return axis

    def _lay(self, graph: Graph, name: str) -> int:
        graph.channels(-1 if self.axis is None else self.axis, self.data_format, name)
        channels = graph.sizes[-1]
        for numbers in self._statistics or ():
            if numbers.size not in (1, channels):
                raise ShapeError(f"layer {name!r} has statistics of {numbers.size} channels, and reads samples of "
                                 f"shape {graph.shape} with {channels}")  # fmt: skip
        return graph.add(_ffi_models.LAYER_NORMALIZATION, name)

    def _filled(self) -> None:
        """Writes the statistics into the model that was built."""
        if self._statistics is not None:
            self._write(self._statistics)
        super()._filled()

    def _further_config(self) -> dict[str, Any]:
        found: dict[str, Any] = {"data_format": self.data_format}
        known = self._built is not None and self._built.is_finished
        numbers = [array for _, array in self._views()] if known else self._statistics
        if numbers:
            found |= {"mean": numbers[0].tolist(), "factor": numbers[1].tolist()}
        return found

    def _write(self, statistics: tuple[NDArray, NDArray]) -> None:
        views = [array for _, array in self._views()]
        for array, numbers in zip(views, statistics, strict=True):
            if numbers.size not in (1, array.size):
                raise ShapeError(f"layer {self.name!r} has {array.size} channels, and data has {numbers.size}")
        for array, numbers in zip(views, statistics, strict=True):
            array[...] = numbers


def _numbers(given: Any, where: str) -> Float64:
    try:
        numbers = np.asarray(given, np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise DTypeError(f"{where} is {given!r}; wanted a number, or one for each channel") from None
    except OverflowError:
        raise ArgumentError(f"{where} is beyond float64's range; wanted finite numbers") from None
    if not numbers.size or not np.isfinite(numbers).all():
        raise ArgumentError(f"{where} is {given!r}; wanted finite numbers")
    return numbers


def _in_float32(statistics: tuple[Float64, Float64], owner: str) -> tuple[NDArray, NDArray]:
    """Mean and factor as the model keeps them."""
    with np.errstate(all="ignore"):
        mean, factor = (numbers.astype(np.float32) for numbers in statistics)
    for numbers, what in ((mean, "mean"), (factor, "factor")):
        if not np.isfinite(numbers).all():
            raise ArgumentError(f"{owner} has a {what} that float32 does not hold; wanted numbers of a smaller size")
    return mean, factor


def _factor(variance: Any, where: str) -> Float64:
    if np.min(variance) < 0:
        raise ArgumentError(f"{where} is {np.min(variance)}; wanted 0 or more")
    if np.max(variance) > _LARGEST_VARIANCE:
        raise ArgumentError(f"{where} is {np.max(variance)}; wanted at most {_LARGEST_VARIANCE:g}")
    return np.asarray(1 / np.maximum(np.sqrt(variance), _LEAST_DEVIATION))
