"""Masks in ONNX: of each step of a sample whether it is seen, as layers make them and take means by them. What
recurrent layers and attention do with them is beside these."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from martlet import _ffi_models
from martlet.nn import _onnx_windows as windows
from martlet.nn._laid import Laid
from martlet.nn._onnx_graph import Graph, Value, plain


def other_than(graph: Graph, tensor: str, number: float) -> str:
    """Where whole numbers are not this one."""
    # Of type double, which has all of them, and what is none.
    tensor = graph.add("Cast", tensor, to=onnx.TensorProto.DOUBLE)
    hidden = graph.constant(f"{graph.layer}/hidden", np.array(number, np.float64))
    return graph.add("Not", graph.add("Equal", tensor, hidden))


def masking(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    """A sequence with zeros where it is not seen."""
    tensor, number = graph.plain(reads[0]), node.said["offset"]
    if node.said["flags"] & _ffi_models.LENGTHS:
        seen = _first(graph, tensor, graph.plain(reads[1]))
    elif len(reads) > 1:
        seen = other_than(graph, graph.plain(reads[1]), number)
    else:
        features = graph.add("Not", graph.add("Equal", tensor, graph.number("hidden", number)))
        features = graph.add("Cast", features, to=onnx.TensorProto.FLOAT)
        some = graph.add("ReduceMax", features, graph.whole("features", [-1]), keepdims=0)
        seen = graph.add("Cast", some, to=onnx.TensorProto.BOOL)
    graph.masks[node.mask] = seen
    return Value(_shown(graph, seen, tensor), node.sizes, plain(2))


def _first(graph: Graph, sequence: str, counts: str) -> str:
    """Of each sample so many steps from the first on."""
    steps = graph.add("Gather", graph.add("Shape", sequence), graph.whole("of steps", 1))
    places = graph.add("Range", graph.whole("from", 0), steps, graph.whole("by", 1))
    return graph.add("Less", places, graph.add("Cast", counts, to=onnx.TensorProto.INT64))


def _shown(graph: Graph, seen: str, tensor: str) -> str:
    wide = graph.add("Unsqueeze", seen, graph.whole("of features", [2]))
    return graph.add("Where", wide, tensor, graph.number("nothing", 0))


def mean(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    """Of the steps that are seen; 0 where none is."""
    if node.reads_mask < 0:
        found: Value = windows.whole("ReduceMean")(graph, node, reads)
        return found
    seen, steps = graph.masks[node.reads_mask], graph.whole("steps", [1])
    numbers = graph.add("Cast", seen, to=onnx.TensorProto.FLOAT)
    count = graph.add("Max", graph.add("ReduceSum", numbers, steps, keepdims=1), graph.number("at least", 1))
    total = graph.add("ReduceSum", _shown(graph, seen, graph.plain(reads[0])), steps, keepdims=0)
    return Value(graph.add("Div", total, count), node.sizes, plain(1))
