"""What windows that slide, and frames of images, are in ONNX. Padding is written in numbers, which ONNX's words for it
would leave to who reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from martlet import _ffi_models
from martlet.nn._laid import Laid
from martlet.nn._matching import NDArray
from martlet.nn._onnx_graph import Graph, Value, channels_first, plain


class Window:
    """A layer's window along each direction: of images two, of sequences one."""

    def __init__(self, node: Laid, sizes: Sequence[int]) -> None:
        said, count = node.said, len(sizes)
        self.kernel = said["kernel"][:count]
        self.strides = said["stride"][:count] if any(said["stride"]) else self.kernel
        self.dilations = said["dilation"][:count]
        self.reach = [(kernel - 1) * rate + 1 for kernel, rate in zip(self.kernel, self.dilations, strict=True)]
        self._padding = said["padding"]
        self._pads = [(said["pads"][2 * place], said["pads"][2 * place + 1]) for place in range(count)]

    def pads(self, sizes: Sequence[int], places: Sequence[int]) -> list[int]:
        """Zeros before each direction and behind it, for so many places: those before come first."""
        found = self._pads
        if self._padding != _ffi_models.PADDING_EXPLICIT:
            found = [(0, 0)] * len(sizes)
        if self._padding == _ffi_models.PADDING_SAME:
            over = [
                max((count - 1) * stride + reach - size, 0)
                for count, stride, reach, size in zip(places, self.strides, self.reach, sizes, strict=True)
            ]
            found = [(more // 2, more - more // 2) for more in over]
        return [before for before, _ in found] + [behind for _, behind in found]

    def cut(self, sizes: Sequence[int], places: Sequence[int]) -> list[tuple[int, int]]:
        """Of a transposed convolution: what is cut off before the output, and how much that then lacks behind, which is
        less than 0 where that is cut off too."""
        found = []
        for place, (size, count) in enumerate(zip(sizes, places, strict=True)):
            whole = (size - 1) * self.strides[place] + self.reach[place]
            before = self._pads[place][0] if self._padding == _ffi_models.PADDING_EXPLICIT else 0
            if self._padding == _ffi_models.PADDING_SAME:
                before = max((whole - count) // 2, 0)
            found.append((before, before + count - whole))
        return found

    def words(self, sizes: Sequence[int], places: Sequence[int]) -> dict[str, Any]:
        """The attributes of a convolution or a pool."""
        return {"kernel_shape": self.kernel, "strides": self.strides, "pads": self.pads(sizes, places)}


def _convolved(graph: Graph, node: Laid, value: Value, kernel: NDArray, groups: int) -> Value:
    """kernel: filters, channels of a group, and places."""
    window = Window(node, value.sizes[:-1])
    arrays = {"kernel": kernel} | ({"bias": node.arrays["bias"]} if "bias" in node.arrays else {})
    constants = [graph.constant(f"{node.owner}/{name}", array) for name, array in arrays.items()]
    tensor = graph.add(
        "Conv", graph.channels_first(value), *constants, dilations=window.dilations, group=groups,
        **window.words(value.sizes[:-1], node.sizes[:-1]),
    )  # fmt: skip
    return Value(tensor, node.sizes, channels_first(len(node.sizes)))


def convolution(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    kernel = node.arrays["kernel"]
    places = range(kernel.ndim - 2)
    return _convolved(graph, node, reads[0], kernel.transpose(-1, -2, *places), node.said["groups"])


def depthwise(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    kernel = node.arrays["kernel"].transpose(2, 3, 0, 1)
    return _convolved(graph, node, reads[0], kernel.reshape(-1, 1, *kernel.shape[2:]), kernel.shape[0])


def transposed(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    """Where the output has more rows or columns than a window reaches, these are the bias alone."""
    (value,) = reads
    window = Window(node, value.sizes[:-1])
    cut = window.cut(value.sizes[:-1], node.sizes[:-1])
    pads = [before for before, _ in cut] + [max(-more, 0) for _, more in cut]
    kernel = graph.constant(f"{node.owner}/kernel", node.arrays["kernel"].transpose(3, 2, 0, 1))
    tensor = graph.add(
        "ConvTranspose", graph.channels_first(value), kernel, kernel_shape=window.kernel, strides=window.strides,
        dilations=window.dilations, pads=pads,
    )  # fmt: skip
    found = Value(tensor, node.sizes, channels_first(3))
    if any(more > 0 for _, more in cut):
        found = _framed(graph, found, [(0, max(more, 0)) for _, more in cut])
    if "bias" in node.arrays:
        bias = graph.constant(f"{node.owner}/bias", found.spread(node.arrays["bias"]))
        found = found._replace(tensor=graph.add("Add", found.tensor, bias))
    return found


def max_pool(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    return _pooled(graph, node, reads[0], "MaxPool")


def average_pool(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    counts = bool(node.said["flags"] & _ffi_models.COUNT_PADDING)
    return _pooled(graph, node, reads[0], "AveragePool", count_include_pad=int(counts))


def _pooled(graph: Graph, node: Laid, value: Value, operator: str, **more: Any) -> Value:
    window = Window(node, value.sizes[:-1])
    words = window.words(value.sizes[:-1], node.sizes[:-1])
    tensor = graph.add(operator, graph.channels_first(value), **words, **more)
    return Value(tensor, node.sizes, channels_first(len(node.sizes)))


def whole(operator: str) -> Any:
    """A pool over all places."""

    def lay(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
        (value,) = reads
        axes = sorted(map(value.axis, range(len(value.sizes) - 1)))
        tensor = graph.add(operator, value.tensor, graph.whole("places", axes), keepdims=0)
        return Value(tensor, node.sizes, plain(1))

    return lay


# ---- frames ----


def _framed(graph: Graph, value: Value, sides: Sequence[tuple[int, int]]) -> Value:
    """Zeros around the places."""
    sides = [*sides, (0, 0)]
    ends = [[0, *(sides[size][end] for size in value.order)] for end in (0, 1)]
    tensor = graph.add("Pad", value.tensor, graph.whole("sides", [*ends[0], *ends[1]]))
    return value._replace(tensor=tensor)


def zeros(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    top, bottom, left, right = node.said["pads"]
    return _framed(graph, reads[0], [(top, bottom), (left, right)])._replace(sizes=node.sizes)


def up_sampling(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    scales = graph.constant(f"{node.name}/scales", np.array([1, 1, *node.said["kernel"]], np.float32))
    tensor = graph.add(
        "Resize", graph.channels_first(reads[0]), "", scales, mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
    return Value(tensor, node.sizes, channels_first(3))


def middle(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    """The part that a crop takes outside of training."""
    (value,) = reads
    return _part(graph, node, value, [(value.sizes[size] - node.sizes[size]) // 2 for size in (0, 1)])


def cropping(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    (value,), (before, after) = reads, node.said["pads"][:2]
    part = graph.parts.get(value.tensor, {}).get((before, after, node.said["units"]))
    if part is not None:
        return Value(part, node.sizes, value.order)
    return _part(graph, node, value, [value.sizes[0] - after - node.sizes[0]])


def _part(graph: Graph, node: Laid, value: Value, starts: Sequence[int]) -> Value:
    """From a place of the first sizes on."""
    tensor = graph.add(
        "Slice",
        value.tensor,
        graph.whole("starts", starts),
        graph.whole("ends", [start + node.sizes[size] for size, start in enumerate(starts)]),
        graph.whole("axes", [value.axis(size) for size in range(len(starts))]),
    )
    return Value(tensor, node.sizes, value.order)
