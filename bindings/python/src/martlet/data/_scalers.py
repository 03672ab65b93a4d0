"""Standardizer and MinMaxScaler: channels brought to a common scale, by statistics of the training data alone.

layer() gives them as a layer, which a model begins with and its file keeps; there x goes in as it was measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from martlet import _samples
from martlet._errors import ArgumentError, DTypeError, OrderError, ShapeError
from martlet._samples import Float64, NDArray

if TYPE_CHECKING:
    from martlet.nn import Normalization


class Scaler:
    """(x - mean) factor for each channel. Not for use by itself.

    axis   of the channels, the samples being axis 0: -1 for the last one, 1 for channels_first images; None: one
           statistic for everything
    """

    def __init__(self, axis: int | None = -1) -> None:
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int | np.integer)):
            raise DTypeError(f"axis is {axis!r}; wanted a whole number or None")
        self.axis = axis
        self._rank = 0
        self._numbers: tuple[NDArray, NDArray] | None = None

    def _fitted(self, mean: Float64, factor: Float64) -> None:
        # fp32, as the layer has them, so that both give the same bits.
        self._numbers = mean.astype(np.float32), factor.astype(np.float32)

    def _fit(self, x: NDArray, axis: int | None) -> None:
        raise NotImplementedError

    def fit(self, x: Any) -> Any:
        """Takes the statistics from x, the training data. Returns itself."""
        data = _samples.filled(_samples.array(x, "x"), "x")
        _samples.refuse_nan(data, "x")
        axis = self.axis
        if axis is not None:
            axis = axis % data.ndim if -data.ndim <= axis < data.ndim else 0
            if axis == 0:
                raise ShapeError(f"axis is {self.axis} and x has shape {data.shape}; wanted an axis after the samples'")
        self._fit(data, axis)
        self._rank = data.ndim
        return self

    def _broadcast(self, data: NDArray) -> tuple[NDArray, NDArray]:
        mean, factor = self._checked()
        if data.ndim != self._rank:
            raise ShapeError(f"x has {data.ndim} axes; wanted {self._rank}, as the data that fit saw")
        if self.axis is None:
            return mean, factor
        if data.shape[self.axis] != len(mean):
            raise ShapeError(f"x has {data.shape[self.axis]} channels; wanted {len(mean)}, as the data that fit saw")
        shape = [1] * data.ndim
        shape[self.axis] = -1
        return mean.reshape(shape), factor.reshape(shape)

    def _checked(self) -> tuple[NDArray, NDArray]:
        if self._numbers is None:
            raise OrderError(f"{type(self).__name__} has seen no data; call fit(x_train) first")
        return self._numbers

    def transform(self, x: Any) -> NDArray:
        """x on the new scale, as float32."""
        data = _samples.array(x, "x")
        mean, factor = self._broadcast(data)
        scaled: NDArray = (data.astype(np.float32) - mean) * factor
        return scaled

    def fit_transform(self, x: Any) -> NDArray:
        """fit, then transform."""
        self.fit(x)
        return self.transform(x)

    def inverse_transform(self, x: Any) -> NDArray:
        """Back to the scale of the training data."""
        data = _samples.array(x, "x")
        mean, factor = self._broadcast(data)
        measured: NDArray = data.astype(np.float32) / factor + mean
        return measured

    def layer(self, name: str | None = None, input_shape: Any = None) -> Normalization:
        """The same as the first layer of a model, which saves it."""
        from martlet.nn import Normalization

        mean, factor = self._checked()
        return Normalization(self.axis, mean=mean, factor=factor, name=name, input_shape=input_shape)


class Standardizer(Scaler):
    """Mean 0 and standard deviation 1 for each channel: (x - mean) / deviation. A constant channel becomes 0.

    After fit: mean and deviation.
    """

    mean: Float64
    deviation: Float64

    def _fit(self, x: NDArray, axis: int | None) -> None:
        self.mean, variance = _samples.moments(x, axis)
        self.deviation = np.sqrt(variance)
        self._fitted(self.mean, 1 / np.where(self.deviation > 0, self.deviation, 1))


class MinMaxScaler(Scaler):
    """Each channel from its least number to its largest brought to a range, (0, 1) by default. A constant channel
    becomes the range's lower end.

    After fit: least and largest.
    """

    least: Float64
    largest: Float64

    def __init__(self, range: tuple[float, float] = (0.0, 1.0), axis: int | None = -1) -> None:
        super().__init__(axis)
        try:
            low, high = (float(end) for end in range)
        except (TypeError, ValueError):
            raise DTypeError(f"range is {range!r}; wanted two numbers, such as (0, 1)") from None
        if not -np.inf < low < high < np.inf:
            raise ArgumentError(f"range is {range!r}; wanted two finite numbers, the lower one first")
        self.range = low, high

    def _fit(self, x: NDArray, axis: int | None) -> None:
        low, high = self.range
        self.least, self.largest = _samples.extremes(x, axis)
        width = self.largest - self.least
        factor = (high - low) / np.where(width > 0, width, 1)
        self._fitted(self.least - low / factor, factor)
