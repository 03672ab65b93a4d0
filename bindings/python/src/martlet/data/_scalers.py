"""Standardizer and MinMaxScaler: channels brought to a common scale, by statistics of the training data alone.

layer() gives them as a layer, which a model begins with and its file keeps; there x goes in as it was measured.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from martlet import _forks, _samples
from martlet._errors import ArgumentError, DTypeError, OrderError, ShapeError
from martlet._samples import Float64, NDArray

if TYPE_CHECKING:
    from martlet.nn import Normalization


# What a mean may be at most, in deviations or widths, for the layer: float32 has 24 bits, so at least two are left.
_FARTHEST = 2.0**22
_FLOAT32 = np.finfo(np.float32)


class Scaler(ABC):
    """(x - origin) factor + low for each channel. Not for use by itself.

    axis   of the channels, the samples being axis 0: -1 for the last one, 1 for channels_first images; None: one
           statistic for everything, as in Standardizer(axis=None) for images without channels, (samples, height,
           width), whose last axis is a row's pixels

    Statistics are float64. x is an array of finite real numbers: anything else is a DTypeError, ShapeError or
    ArgumentError that says where, and leaves the scaler as it was. A scaler that is fitted may be used by several
    threads; fit changes it.
    """

    def __init__(self, axis: int | None = -1) -> None:
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int | np.integer)):
            raise DTypeError(f"axis is {axis!r}; wanted a whole number or None")
        self.axis = axis
        self._low = 0.0
        self._rank = 0
        self._numbers: tuple[Float64, Float64] | None = None
        self._refused: str | None = None

    def _fitted(self, origin: Float64, factor: Float64, constant: NDArray) -> None:
        """Takes what transform needs, unless float64 does not hold it; says whether the layer can do the same."""
        lost = ~(np.isfinite(origin) & np.isfinite(factor) & (factor > 0))
        if lost.any():
            raise ArgumentError(
                f"x has numbers in channel {lost.argmax()} whose spread float64 does not hold; wanted numbers of at "
                "most about 1e150, and not closer than 1e-150"
            )
        mean = origin - self._low / factor
        farthest = np.where(constant & (self._low == 0), 0, np.abs(mean * factor))
        coarse = (np.abs(mean) > _FLOAT32.max) | (factor < _FLOAT32.tiny) | (factor > _FLOAT32.max)
        coarse |= farthest > _FARTHEST
        self._refused = None
        if coarse.any():
            channel = int(coarse.argmax())
            self._refused = f"(x - {mean[channel]:.9g}) * {factor[channel]:.9g} in channel {channel}"
        self._numbers = origin, factor

    @abstractmethod
    def _fit(self, x: NDArray, axis: int | None) -> None:
        """Takes the statistics of an array of finite numbers."""

    def fit(self, x: Any) -> Any:
        """Takes the statistics from x, the training data. Returns itself."""
        data = _samples.filled(_samples.array(x, "x"), "x")
        _samples.refuse_nonfinite(data, "x")
        axis = self.axis
        if axis is not None:
            axis = axis % data.ndim if -data.ndim <= axis < data.ndim else 0
            if axis == 0:
                raise ShapeError(f"axis is {self.axis} and x has shape {data.shape}; wanted an axis after the samples'")
        with np.errstate(all="ignore"):  # what overflows is found afterwards
            self._fit(data, axis)
        self._rank = data.ndim
        return self

    def _checked(self) -> tuple[Float64, Float64]:
        if self._numbers is None:
            raise OrderError(f"{type(self).__name__} has seen no data; call fit(x_train) first")
        return self._numbers

    def _broadcast(self, data: NDArray, numbers: tuple[NDArray, NDArray]) -> tuple[NDArray, NDArray]:
        if data.ndim != self._rank:
            raise ShapeError(f"x has {data.ndim} axes; wanted {self._rank}, as the data that fit saw")
        if self.axis is None:
            return numbers
        if data.shape[self.axis] != len(numbers[0]):
            wanted = f"wanted {len(numbers[0])}, as the data that fit saw"
            raise ShapeError(f"x has {data.shape[self.axis]} channels; {wanted}")
        shape = [1] * data.ndim
        shape[self.axis] = -1
        return numbers[0].reshape(shape), numbers[1].reshape(shape)

    def _in_float32(self) -> tuple[NDArray, NDArray]:
        """The layer's mean and factor."""
        origin, factor = self._checked()
        with np.errstate(all="ignore"):  # what float32 does not hold was refused, or is used in float64
            return (origin - self._low / factor).astype(np.float32), factor.astype(np.float32)

    def transform(self, x: Any) -> NDArray:
        """x on the scale of what fit saw, as float32 of x's shape.

        Types that float32 holds, such as uint8 and float32 itself, give the bits that layer() gives. Others, such as
        float64 and int64, are subtracted in float64, so that what tells large numbers apart is kept, and so is
        everything where layer() refuses.
        """
        data = _samples.array(x, "x")
        single = self._refused is None and (data.dtype.name == "bfloat16" or np.can_cast(data.dtype, np.float32))
        origin, factor = self._broadcast(data, self._in_float32() if single else self._checked())
        _refuse_nonfinite(data)
        scaled = np.empty(data.shape, np.float32)
        try:
            with np.errstate(all="ignore", over="raise"):
                for part in _samples.parts(data):
                    if single:
                        scaled[part] = (data[part].astype(np.float32) - origin) * factor
                    else:
                        scaled[part] = (data[part].astype(np.float64) - origin) * factor + self._low
        except FloatingPointError:
            raise ArgumentError(
                "x holds numbers that are beyond float32 on the new scale; wanted numbers like those that fit saw"
            ) from None
        return scaled

    def fit_transform(self, x: Any) -> NDArray:
        """fit, then transform."""
        self.fit(x)
        return self.transform(x)

    def inverse_transform(self, x: Any) -> Float64:
        """Back to the scale of the training data, as float64 of x's shape."""
        data = _samples.array(x, "x")
        origin, factor = self._broadcast(data, self._checked())
        _refuse_nonfinite(data)
        measured: Float64 = (data.astype(np.float64) - self._low) / factor + origin
        return measured

    def layer(self, name: str | None = None, input_shape: Any = None) -> Normalization:
        """The same as the first layer of a model, which saves it: (x - mean) factor, in float32.

        x is float32 before it gets there, so of the 24 bits as many are lost as mean / deviation has. A channel whose
        mean is more than 2^22 of its deviations (for MinMaxScaler: widths) from 0, or whose statistics float32 does
        not hold, is an ArgumentError; subtract such an offset beforehand, or give transform(x) to the model.
        """
        with _forks.held_off:
            from martlet.nn import Normalization

        self._checked()
        if self._refused is not None:
            raise ArgumentError(
                f"the data that fit saw need {self._refused}, for which a layer's float32 is too coarse; wanted at "
                "most 2^22 deviations from 0: subtract an offset from x beforehand, or give the model transform(x)"
            )
        mean, factor = self._in_float32()
        return Normalization(self.axis, mean=mean, factor=factor, name=name, input_shape=input_shape)


def _refuse_nonfinite(data: NDArray) -> None:
    if data.size:
        _samples.refuse_nonfinite(data, "x")


class Standardizer(Scaler):
    """Mean 0 and standard deviation 1 for each channel: (x - mean) / deviation. A constant channel becomes 0.

    A channel is constant where its deviation is at most 2^-52 of its mean, one rounding in float64. After fit: mean and
    deviation, float64 of (channels,), in the units of x; the deviation of a constant channel is 0.
    """

    mean: Float64
    deviation: Float64

    def _fit(self, x: NDArray, axis: int | None) -> None:
        least, largest = _samples.extremes(x, axis)
        mean, variance = _samples.moments(x, axis)
        mean, deviation = np.where(least == largest, least, mean), np.sqrt(variance)
        # Less than one rounding of the mean is no deviation, but what sums leave.
        constant = (least == largest) | (deviation <= np.finfo(np.float64).eps * np.abs(mean))
        deviation = np.where(constant, 0, deviation)
        self._fitted(mean, 1 / np.where(constant, 1, deviation), constant)
        self.mean, self.deviation = mean, deviation


class MinMaxScaler(Scaler):
    """Each channel from its least number to its largest brought to a range, (0, 1) by default. A constant channel
    becomes the range's lower end.

    After fit: least and largest, float64 of (channels,), in the units of x.
    """

    least: Float64
    largest: Float64

    def __init__(self, range: tuple[float, float] = (0.0, 1.0), axis: int | None = -1) -> None:
        super().__init__(axis)
        try:
            low, high = (float(end) for end in range)
        except (TypeError, ValueError):
            raise DTypeError(f"range is {range!r}; wanted two numbers, such as (0, 1)") from None
        except OverflowError:
            raise ArgumentError("range is beyond float64's; wanted two finite numbers, the lower one first") from None
        if not -np.inf < low < high < np.inf:
            raise ArgumentError(f"range is {range!r}; wanted two finite numbers, the lower one first")
        self.range = low, high
        self._low = low

    def _fit(self, x: NDArray, axis: int | None) -> None:
        low, high = self.range
        least, largest = _samples.extremes(x, axis)
        constant = least == largest
        self._fitted(least, (high - low) / np.where(constant, 1, largest - least), constant)
        self.least, self.largest = least, largest
