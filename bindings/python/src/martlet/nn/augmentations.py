"""Layers that change what training reads, each time anew: noise, and images mirrored, cut and moved; and what gives
images another size or range. What is drawn comes of the model's seed: Keras's argument seed raises UnsupportedError.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, UnsupportedError
from martlet.nn import _formats
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph
from martlet.nn.basic import unserved
from martlet.nn.images import ImageLayer, padded

_SEED = ("seed",)


class ZeroPadding2D(ImageLayer):
    """Images with zeros around them.

    padding        one number for all sides, (height, width), or ((top, bottom), (left, right)); 0 or more
    data_format    as Conv2D's

    (height, width, channels) becomes (top + height + bottom, left + width + right, channels).
    """

    def __init__(
        self,
        padding: Any = (1, 1),
        data_format: str | None = None,
        *,
        name: str | None = None,
        input_shape: Any = None,
    ) -> None:
        super().__init__(data_format, name, input_shape)
        where = f"padding of {self}"
        if isinstance(padding, str):
            _arguments.pair(padding, where)
        self.padding = padding
        self._pads: tuple[int, ...] = padded(padding, where)["pads"]

    def _lay(self, graph: Graph, name: str) -> int:
        graph.image(self.data_format, name)
        return graph.add(_ffi_models.LAYER_ZERO_PADDING2D, name, pads=self._pads)


class UpSampling2D(ImageLayer):
    """Each pixel several times, side by side.

    size             how many times in height and width, or one number for both
    data_format      as Conv2D's
    interpolation    Keras's argument; others than "nearest" raise UnsupportedError

    (height, width, channels) becomes (height size[0], width size[1], channels).
    """

    _words = ImageLayer._words | {"kernel": "size"}

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        *,
        name: str | None = None,
        input_shape: Any = None,
    ) -> None:
        super().__init__(data_format, name, input_shape)
        self.size = _arguments.pair(size, f"size of {self}")
        self.interpolation = _only(interpolation, "nearest", f"interpolation of {self}")

    def _lay(self, graph: Graph, name: str) -> int:
        graph.image(self.data_format, name)
        return graph.add(_ffi_models.LAYER_UP_SAMPLING2D, name, kernel=self.size)


class Rescaling(Layer):
    """x scale + offset. The shape stays. Rescaling(1 / 255) makes numbers from 0 to 1 of bytes. Both are numbers: rows
    of them, one for each channel, raise UnsupportedError."""

    def __init__(self, scale: float, offset: float = 0.0, *, name: str | None = None, input_shape: Any = None) -> None:
        super().__init__(name=name, input_shape=input_shape)
        for word, value in (("scale", scale), ("offset", offset)):
            if isinstance(value, Sequence) and not isinstance(value, str):
                raise UnsupportedError(f"{word} of {self} is {value!r}, and one number is served; wanted Normalization "
                                       "for one of each channel")  # fmt: skip
        self.scale = _arguments.real(scale, f"scale of {self}")
        self.offset = _arguments.real(offset, f"offset of {self}")

    def _lay(self, graph: Graph, name: str) -> int:
        return graph.add(_ffi_models.LAYER_RESCALING, name, scale=self.scale, offset=self.offset)


class GaussianNoise(Layer):
    """In training x + numbers of the normal distribution with this deviation, 0 or more; otherwise x. The shape
    stays."""

    _words = Layer._words | {"rate": "stddev"}

    def __init__(self, stddev: float, *, name: str | None = None, input_shape: Any = None, **others: Any) -> None:
        super().__init__(name=name, input_shape=input_shape)
        self.stddev = _arguments.within(stddev, f"stddev of {self}", 0, math.inf)
        unserved(self, others, _SEED)

    def _lay(self, graph: Graph, name: str) -> int:
        return graph.add(_ffi_models.LAYER_GAUSSIAN_NOISE, name, rate=self.stddev)


_HORIZONTAL, _VERTICAL = _ffi_models.FLIP_HORIZONTAL, _ffi_models.FLIP_VERTICAL
FLIPS = {"horizontal": _HORIZONTAL, "vertical": _VERTICAL, "horizontal_and_vertical": _HORIZONTAL | _VERTICAL}


class RandomFlip(ImageLayer):
    """In training each image mirrored in half of all cases; otherwise x. The shape stays.

    mode           "horizontal": left and right change places; "vertical": top and bottom do;
                   "horizontal_and_vertical": each of the two in half of all cases
    data_format    as Conv2D's
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        *,
        data_format: str | None = None,
        name: str | None = None,
        input_shape: Any = None,
        **others: Any,
    ) -> None:
        super().__init__(data_format, name, input_shape)
        self.mode = mode
        self._flags = _arguments.one_of(mode, FLIPS, f"mode of {self}")
        unserved(self, others, _SEED)

    def _lay(self, graph: Graph, name: str) -> int:
        graph.image(self.data_format, name)
        return graph.add(_ffi_models.LAYER_RANDOM_FLIP, name, flags=self._flags)


class RandomCrop(ImageLayer):
    """In training a part of each image, wherever it lies in it; otherwise the part in the middle.

    height, width    of the part; images that are smaller raise ShapeError when the model is built: none is resized
    data_format      as Conv2D's

    (rows, columns, channels) becomes (height, width, channels).
    """

    _words = ImageLayer._words | {"kernel": "height or width"}

    def __init__(
        self,
        height: int,
        width: int,
        *,
        data_format: str | None = None,
        name: str | None = None,
        input_shape: Any = None,
        **others: Any,
    ) -> None:
        super().__init__(data_format, name, input_shape)
        self.height = _arguments.integer(height, f"height of {self}")
        self.width = _arguments.integer(width, f"width of {self}")
        unserved(self, others, _SEED)

    def _lay(self, graph: Graph, name: str) -> int:
        graph.image(self.data_format, name)
        return graph.add(_ffi_models.LAYER_RANDOM_CROP, name, kernel=(self.height, self.width))


class RandomTranslation(ImageLayer):
    """In training each image moved by whole pixels, up or down and left or right, with zeros behind it; otherwise x.
    The shape stays.

    height_factor    the most that it moves down or up, as a part of the height, 0 to 1, rounded to whole pixels;
                     (-0.1, 0.1) is the same as 0.1, and other pairs raise UnsupportedError; so width_factor
    fill_mode, fill_value, interpolation
                     Keras's arguments and defaults, of which "constant", 0 and "nearest" alone are served: others raise
                     UnsupportedError
    data_format      as Conv2D's
    """

    _words = ImageLayer._words | {"kernel": "height_factor or width_factor"}

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        *,
        fill_value: float = 0.0,
        data_format: str | None = None,
        name: str | None = None,
        input_shape: Any = None,
        **others: Any,
    ) -> None:
        super().__init__(data_format, name, input_shape)
        self._factors = (
            _factor(height_factor, f"height_factor of {self}"),
            _factor(width_factor, f"width_factor of {self}"),
        )
        self._pixels: tuple[int, int] | None = None
        self.fill_mode = _only(fill_mode, "constant", f"fill_mode of {self}")
        self.interpolation = _only(interpolation, "nearest", f"interpolation of {self}")
        self.fill_value = _only(fill_value, 0.0, f"fill_value of {self}")
        unserved(self, others, _SEED)

    @classmethod
    def of_pixels(cls, pixels: tuple[int, int], data_format: str) -> RandomTranslation:
        """One that moves by so many pixels, whatever the image's size is."""
        layer = cls(0, 0, "constant", "nearest", data_format=data_format)
        layer._pixels = pixels
        return layer

    @property
    def height_factor(self) -> float:
        return self._parts()[0]

    @property
    def width_factor(self) -> float:
        return self._parts()[1]

    def _parts(self) -> tuple[float, float]:
        if self._pixels is None or self._output_shape is None:
            return self._factors
        first = 1 if self.data_format == _formats.FIRST else 0
        height, width = self._output_shape[first : first + 2]
        return self._pixels[0] / height, self._pixels[1] / width

    def _lay(self, graph: Graph, name: str) -> int:
        graph.image(self.data_format, name)
        pixels = self._pixels
        if pixels is None:
            height, width, _ = graph.sizes
            pixels = round(self._factors[0] * height), round(self._factors[1] * width)
        return graph.add(_ffi_models.LAYER_RANDOM_TRANSLATION, name, kernel=pixels)


def _factor(value: Any, where: str) -> float:
    """A part of an image, either way."""
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise ArgumentError(f"{where} is {value!r}; wanted a number, or two")
        low, high = (_arguments.within(one, where, -1, 1) for one in value)
        if low != -high:
            raise UnsupportedError(f"{where} is {value!r}, and only as far one way as the other is served; wanted "
                                   f"{max(abs(low), abs(high)):g}")  # fmt: skip
        return abs(high)
    return abs(_arguments.within(value, where, -1, 1))


def _only(value: Any, served: Any, where: str) -> Any:
    """The one value of Keras's argument that is served."""
    if value != served:
        raise UnsupportedError(f"{where} is {value!r}, and only {served!r} is served")
    return served
