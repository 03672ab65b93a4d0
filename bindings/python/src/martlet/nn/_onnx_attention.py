"""What attention, positions and RMS normalization are in ONNX: of any number of steps, and of positions as many as
there are rows of their table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from martlet import _ffi_models
from martlet.nn._laid import Laid
from martlet.nn._onnx_graph import Graph, Value, plain


def attention(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    """Each head's softmax of products, times its values."""
    heads = node.said["groups"]
    query, key, value = (_heads(graph, read, heads, [0, 2, 3, 1] if place == 1 else [0, 2, 1, 3])
                         for place, read in enumerate(reads))  # fmt: skip
    scale = graph.number("scale", (reads[0].sizes[-1] // heads) ** -0.5)
    scores = graph.add("MatMul", graph.add("Mul", query, scale), key)
    if node.said["flags"] & _ffi_models.CAUSAL:
        scores = graph.add("Add", scores, _later(graph, scores))
    weights = _weights(graph, node, scores)
    found = graph.add("MatMul", weights, value)
    found = graph.add("Transpose", found, perm=[0, 2, 1, 3])
    found = graph.add("Reshape", found, graph.whole("beside", [0, 0, node.sizes[-1]]))
    return Value(found, node.sizes, plain(2))


def _heads(graph: Graph, read: Value, heads: int, order: list[int]) -> str:
    """(steps, heads dim) as (heads, steps, dim), or another order of these."""
    dim = read.sizes[-1] // heads
    parts = graph.add("Reshape", graph.plain(read), graph.whole(f"heads of {dim}", [0, 0, heads, dim]))
    return graph.add("Transpose", parts, perm=order)


def _weights(graph: Graph, node: Laid, scores: str) -> str:
    """The softmax of scores; under a mask of the keys zeros where nothing is seen, for which Softmax gives NaN."""
    if node.reads_mask < 0:
        return graph.add("Softmax", scores, axis=-1)
    seen = graph.add("Unsqueeze", graph.masks[node.reads_mask], graph.whole("of all heads and queries", [1, 2]))
    scores = graph.add("Where", seen, scores, graph.number("hidden", -np.inf))
    is_hidden = graph.add("IsInf", scores, detect_positive=0)
    return graph.add("Where", is_hidden, graph.number("nothing", 0), graph.add("Softmax", scores, axis=-1))


def _later(graph: Graph, scores: str) -> str:
    """-inf for each place behind a step's own, and 0 for the others."""
    shape = graph.add("Shape", scores, start=2)
    whole = graph.add("Expand", graph.number("hidden", -np.inf), shape)
    return graph.add("Trilu", whole, graph.constant(f"{graph.layer}/behind", np.array(1, np.int64)), upper=1)


def position(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    table = graph.constant(f"{node.owner}/embeddings", node.arrays["embeddings"])
    shape = graph.add("Shape", graph.plain(reads[0]))
    steps = graph.add("Shape", graph.plain(reads[0]), start=1, end=2)
    table = graph.add("Slice", table, graph.whole("first", [0]), steps)
    return Value(graph.add("Expand", table, shape), node.sizes, plain(2))


def rms_norm(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    tensor = graph.plain(reads[0])
    mean = graph.add("ReduceMean", graph.add("Mul", tensor, tensor), graph.whole("last", [-1]), keepdims=1)
    root = graph.add("Sqrt", graph.add("Add", mean, graph.number("epsilon", node.said["epsilon"])))
    tensor = graph.add("Div", tensor, root)
    if "gamma" in node.arrays:
        tensor = graph.add("Mul", tensor, graph.constant(f"{node.owner}/gamma", node.arrays["gamma"]))
    return Value(tensor, node.sizes, plain(len(node.sizes)))
