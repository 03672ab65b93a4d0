"""An ONNX graph in the making: nodes, constants, and in which order a value's sizes lie.

The library's images are (height, width, channels), and ONNX's convolutions read (channels, height, width). So each
value knows which of its sizes each axis of its tensor is. A layer asks for the order that it reads, and a Transpose
comes only where the value lies otherwise; a Permute renames sizes and moves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx

from martlet.nn._matching import NDArray

OPSET, IR = 20, 10

Order = tuple[int, ...]


class Value(NamedTuple):
    """What a layer gives: the tensor that holds it, the sizes of one sample as the library has them, and which of these
    each axis of the tensor is, from axis 1 on."""

    tensor: str
    sizes: tuple[int, ...]
    order: Order

    def axis(self, size: int) -> int:
        """Which axis of the tensor one of the sizes is."""
        return self.order.index(size) + 1

    def spread(self, numbers: NDArray) -> NDArray:
        """A number for each channel, the last size, in a shape that goes with the tensor's."""
        axis = self.axis(len(self.sizes) - 1)
        return numbers.reshape(-1, *[1] * (len(self.sizes) - axis))


def plain(rank: int) -> Order:
    """The library's order."""
    return tuple(range(rank))


def channels_first(rank: int) -> Order:
    """Channels, then places: what ONNX's convolutions, pools and normalizations read."""
    return (rank - 1, *range(rank - 1))


class Graph:
    """Nodes and constants. Names of tensors are unique, and none is among those taken: the inputs' and outputs'."""

    def __init__(self, taken: Sequence[str]) -> None:
        self._names = {*taken}
        self._nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._turned: dict[tuple[str, Order], str] = {}
        self._called: dict[str, str] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self.masks: dict[int, str] = {}
        """Of each node that made a mask the tensor of it: for each step of a sample whether it is seen."""
        self.parts: dict[str, dict[tuple[int, ...], str]] = {}
        """Of a recurrent layer's steps with its states behind them: what is a part of these, by the numbers of the
        Cropping1D that takes it."""
        self.layer = ""
        """Whose nodes are being added, which begin with this name and a slash."""

    def _free(self, name: str) -> str:
        number, found = 1, name
        while found in self._names:
            number += 1
            found = f"{name}_{number}"
        self._names.add(found)
        return found

    def add(self, operator: str, *reads: str, skipped: int = 0, **attributes: Any) -> str:
        """Adds a node; returns the tensor that it gives, behind so many others of its that nobody reads."""
        return self.several(operator, *reads, wanted=[*[False] * skipped, True], **attributes)[-1]

    def several(self, operator: str, *reads: str, wanted: Sequence[bool], **attributes: Any) -> list[str]:
        """Adds a node; returns the tensors that it gives, "" for those that nobody reads."""
        tensors = [self._free(f"{self.layer}/{operator}") if one else "" for one in wanted]
        self._nodes.append((operator, [*reads], tensors, attributes))
        return tensors

    def constant(self, name: str, numbers: Any) -> str:
        """A tensor of these numbers. A layer that is there more than once has its own once."""
        if name not in self._constants:
            tensor = self._free(name)
            self._constants[name] = onnx.numpy_helper.from_array(np.ascontiguousarray(numbers), tensor)
        found: str = self._constants[name].name
        return found

    def number(self, name: str, value: float) -> str:
        """A single one of the layer's."""
        return self.constant(f"{self.layer}/{name}", np.array(value, np.float32))

    def whole(self, name: str, values: Sequence[int] | int) -> str:
        """Whole numbers of the layer's, or a single one."""
        return self.constant(f"{self.layer}/{name}", np.array(values, np.int64))

    def laid(self, value: Value, order: Order) -> str:
        """The value as a tensor of this order, turned once for all that read it so."""
        if value.order == order:
            return value.tensor
        if (value.tensor, order) not in self._turned:
            axes = [0, *map(value.axis, order)]
            self._turned[value.tensor, order] = self.add("Transpose", value.tensor, perm=axes)
        return self._turned[value.tensor, order]

    def plain(self, value: Value) -> str:
        """The value as the library has it."""
        return self.laid(value, plain(len(value.sizes)))

    def channels_first(self, value: Value) -> str:
        return self.laid(value, channels_first(len(value.sizes)))

    def end(self, value: Value) -> None:
        """Calls what a layer gives by its name, unless it gives what another one does."""
        if value.tensor.startswith(f"{self.layer}/"):
            self._called[value.tensor] = self._free(self.layer)

    def read(self, name: str, kind: int, sizes: Sequence[int | str | None]) -> None:
        """Adds an input: onnx's number of its type, and the sizes of a sample, or what one that is free is called, None
        where that is nothing."""
        self._inputs.append(onnx.helper.make_tensor_value_info(name, kind, ["batch", *sizes]))

    def give(self, value: Value, name: str, steps: str = "") -> None:
        """Makes a value the model's next output. steps: what its steps are called, where they are any number."""
        self.layer = name
        tensor = self.plain(value)
        known = {given.name for given in [*self._inputs, *self._outputs]}
        if self._called.get(tensor, tensor) in known:
            tensor = self.add("Identity", tensor)
        self._called[tensor] = name
        kind = onnx.TensorProto.FLOAT
        sizes: list[Any] = ["batch", steps, *value.sizes[1:]] if steps else ["batch", *value.sizes]
        self._outputs.append(onnx.helper.make_tensor_value_info(name, kind, sizes))

    def model(self, name: str) -> onnx.ModelProto:
        """All of it, as onnx has it."""
        nodes, needed = [], {one.name for one in self._outputs}
        for operator, reads, tensors, attributes in reversed(self._nodes):
            gives = [self._called.get(tensor, tensor) for tensor in tensors]
            if needed.isdisjoint(gives):
                continue
            given = [self._called.get(read, read) for read in reads]
            needed.update(one for one in given if one)
            nodes.append(onnx.helper.make_node(operator, given, gives, name=gives[-1], **attributes))
        constants = [one for one in self._constants.values() if one.name in needed]
        graph = onnx.helper.make_graph(nodes[::-1], name, self._inputs, self._outputs, constants)
        opsets = [onnx.helper.make_opsetid("", OPSET)]
        return onnx.helper.make_model(graph, producer_name="martlet", opset_imports=opsets, ir_version=IR)
