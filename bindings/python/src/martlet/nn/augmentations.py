"""Layers that change what training reads, each time anew: noise, and images mirrored, cut and moved; and what gives
images another size or range. What is drawn comes of the model's seed: Keras's argument seed raises UnsupportedError.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, UnsupportedError
from martlet.nn import _formats, _open
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


_FILLS = {"constant": 0, "nearest": _ffi_models.FILL_NEAREST, "reflect": _ffi_models.FILL_REFLECT,
          "wrap": _ffi_models.FILL_WRAP}  # fmt: skip
_BETWEEN = {"nearest": 0, "bilinear": _ffi_models.BILINEAR}
_PARTS = 65_536  # of a pixel


class RandomTranslation(ImageLayer):
    """In training each image moved down or up, and to the right or the left; otherwise x. The shape stays.

    height_factor    how far it moves down, as a part of the height: anything between two numbers from -1 to 1, or from
                     -height_factor to it
    width_factor     how far to the right, as a part of the width
    fill_mode        what stands around the image: "reflect", its mirror image; "wrap", the image again; "nearest", its
                     border; "constant", fill_value
    interpolation    "bilinear": between two pixels both count, by how near they are; "nearest": the nearer
    fill_value       a number
    data_format      as Conv2D's

    With "constant", "nearest", a fill_value of 0 and factors that are the same either way, images move by whole pixels,
    up to as many as the factor comes to when rounded, each as often.
    """

    _words = ImageLayer._words | {"kernel": "height_factor or width_factor", "offset": "fill_value"}

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
        self._pixels: tuple[float, ...] | None = None
        self._flags = _arguments.one_of(fill_mode, _FILLS, f"fill_mode of {self}")
        self._flags |= _arguments.one_of(interpolation, _BETWEEN, f"interpolation of {self}")
        self.fill_mode, self.interpolation = fill_mode, interpolation
        self.fill_value = _arguments.real(fill_value, f"fill_value of {self}")
        unserved(self, others, _SEED)

    @classmethod
    def of_line(cls, line: Any, data_format: str) -> RandomTranslation:
        """One that moves by so many pixels, whatever the image's size is."""
        by_parts, flags = any(line["pads"]), line["flags"]
        (fill,) = (name for name, flag in _FILLS.items() if flag == flags & ~_ffi_models.BILINEAR)
        between = "bilinear" if flags & _ffi_models.BILINEAR else "nearest"
        layer = cls(0, 0, fill, between, fill_value=line["offset"], data_format=data_format)
        down, right = line["kernel"]
        layer._pixels = tuple(part / _PARTS for part in line["pads"]) if by_parts else (-down, down, -right, right)
        return layer

    @property
    def height_factor(self) -> float | tuple[float, float]:
        """A number where it is the same either way, else two."""
        return _either(self._parts()[0])

    @property
    def width_factor(self) -> float | tuple[float, float]:
        return _either(self._parts()[1])

    def _parts(self) -> tuple[tuple[float, float], tuple[float, float]]:
        if self._pixels is None or self._output_shape is None:
            return self._factors
        first = 1 if self.data_format == _formats.FIRST else 0
        height, width = _open.at(self._output_shape)[first : first + 2]
        up, down, left, right = self._pixels
        return (up / height, down / height), (left / width, right / width)

    def _lay(self, graph: Graph, name: str) -> int:
        graph.image(self.data_format, name)
        pixels = self._pixels
        if pixels is None:
            height, width, _ = graph.sizes
            pixels = (*(part * height for part in self._factors[0]), *(part * width for part in self._factors[1]))
        up, down, left, right = pixels
        is_whole = (self._flags, self.fill_value, up, left) == (0, 0.0, -down, -right)
        moves: dict[str, Any] = (
            {"kernel": (round(down), round(right))}
            if is_whole
            else {"pads": tuple(round(part * _PARTS) for part in pixels), "offset": self.fill_value}
        )
        return graph.add(_ffi_models.LAYER_RANDOM_TRANSLATION, name, flags=self._flags, **moves)


def _either(parts: tuple[float, float]) -> float | tuple[float, float]:
    return parts[1] if parts[0] == -parts[1] else parts


def _factor(value: Any, where: str) -> tuple[float, float]:
    """Parts of an image, between which one is drawn."""
    if not isinstance(value, list | tuple):
        most = abs(_arguments.within(value, where, -1, 1))
        return -most, most
    if len(value) != 2:
        raise ArgumentError(f"{where} is {value!r}; wanted a number, or two")
    low, high = (_arguments.within(one, where, -1, 1) for one in value)
    if low > high:
        raise ArgumentError(f"{where} is {value!r}; wanted the lower number first")
    return low, high


def _only(value: Any, served: Any, where: str) -> Any:
    """The one value of Keras's argument that is served."""
    if value != served:
        raise UnsupportedError(f"{where} is {value!r}, and only {served!r} is served")
    return served
