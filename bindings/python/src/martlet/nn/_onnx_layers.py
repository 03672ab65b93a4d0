"""What each kind of layer is in ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from martlet import _ffi_models as kinds
from martlet._errors import UnsupportedError
from martlet.nn import _onnx_attention as attention
from martlet.nn import _onnx_masks as masks
from martlet.nn import _onnx_recurrent as recurrent
from martlet.nn import _onnx_windows as windows
from martlet.nn import activations
from martlet.nn._laid import Laid
from martlet.nn._onnx_graph import Graph, Value, channels_first, plain

_Layer = Callable[[Graph, Laid, Sequence[Value]], Value]


def lay(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    """Adds a layer's nodes. Raises UnsupportedError for one that has none."""
    if node.kind not in _LAYERS:
        raise UnsupportedError(f"layer {node.name!r} is of a kind that has no ONNX here")
    graph.layer = node.name
    found = _LAYERS[node.kind](graph, node, reads)
    if node.kind not in _CELLS:  # whose activations are within
        found = _activated(graph, node, found)
    graph.end(found)
    return found


# ---- activations ----

_PLAIN = {
    "relu": "Relu", "gelu": "Gelu", "tanh": "Tanh", "sigmoid": "Sigmoid", "elu": "Elu", "selu": "Selu",
    "softplus": "Softplus", "mish": "Mish", "exponential": "Exp",
}  # fmt: skip


def _activated(graph: Graph, node: Laid, value: Value) -> Value:
    (name,) = (name for name, number in activations.NUMBERS.items() if number == node.said["activation"])
    if name == "linear":
        return value
    if name == "softmax":  # over the last size
        tensor = graph.add("Softmax", value.tensor, axis=value.axis(len(value.sizes) - 1))
    elif name == "leaky_relu":
        tensor = graph.add("LeakyRelu", value.tensor, alpha=node.said["slope"])
    elif name == "hard_sigmoid":
        tensor = graph.add("HardSigmoid", value.tensor, alpha=1 / 6, beta=0.5)
    elif name == "silu":
        tensor = graph.add("Mul", value.tensor, graph.add("Sigmoid", value.tensor))
    else:
        tensor = graph.add(_PLAIN[name], value.tensor)
    return value._replace(tensor=tensor)


# ---- products, and numbers for each channel ----


def _array(graph: Graph, node: Laid, name: str, start: float = 0.0) -> str:
    """A constant for each channel: the layer's own, or, where it has none, what such numbers start as."""
    if name in node.arrays:
        return graph.constant(f"{node.owner}/{name}", node.arrays[name])
    return graph.constant(f"{node.owner}/{name}", np.full(node.sizes[-1], start, np.float32))


def _dense(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    (value,) = reads
    kernel = graph.constant(f"{node.owner}/kernel", node.arrays["kernel"])
    bias = [_array(graph, node, "bias")] if "bias" in node.arrays else []
    tensor = graph.plain(value)
    if len(value.sizes) == 1:
        tensor = graph.add("Gemm", tensor, kernel, *bias)
    else:
        tensor = graph.add("MatMul", tensor, kernel)
        tensor = graph.add("Add", tensor, *bias) if bias else tensor
    return Value(tensor, node.sizes, plain(len(node.sizes)))


def _tied(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    """The embedding's table, turned where it is read."""
    table = graph.constant(f"{node.lender}/embeddings", node.arrays["embeddings"])
    tensor = graph.add("MatMul", graph.plain(reads[0]), graph.add("Transpose", table, perm=[1, 0]))
    if "bias" in node.arrays:
        tensor = graph.add("Add", tensor, _array(graph, node, "bias"))
    return Value(tensor, node.sizes, plain(len(node.sizes)))


def _embedding(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    if node.said["flags"] & kinds.MASK_ZERO:
        graph.masks[node.mask] = masks.other_than(graph, graph.plain(reads[0]), 0)
    table = graph.constant(f"{node.owner}/embeddings", node.arrays["embeddings"])
    tensor = graph.add("Gather", table, graph.plain(reads[0]))
    return Value(tensor, node.sizes, plain(len(node.sizes)))


def _scaled(graph: Graph, node: Laid, value: Value, *steps: tuple[str, str]) -> Value:
    """Operators with an array of the layer's each, where it has it."""
    tensor = value.tensor
    for operator, name in steps:
        if name in node.arrays:
            numbers = value.spread(node.arrays[name])
            tensor = graph.add(operator, tensor, graph.constant(f"{node.owner}/{name}", numbers))
    return value._replace(tensor=tensor)


def _normalization(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    return _scaled(graph, node, reads[0], ("Sub", "mean"), ("Mul", "factor"))


def _batch_norm(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    arrays = [_array(graph, node, name, start) for name, start in (("gamma", 1.0), ("beta", 0.0))]
    arrays += [_array(graph, node, name) for name in ("moving_mean", "moving_variance")]
    tensor = graph.channels_first(reads[0])
    tensor = graph.add("BatchNormalization", tensor, *arrays, epsilon=node.said["epsilon"])
    return Value(tensor, node.sizes, channels_first(len(node.sizes)))


def _layer_norm(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    arrays = [_array(graph, node, "gamma", 1.0), *([_array(graph, node, "beta")] if "beta" in node.arrays else [])]
    tensor = graph.add("LayerNormalization", graph.plain(reads[0]), *arrays, epsilon=node.said["epsilon"])
    return Value(tensor, node.sizes, plain(len(node.sizes)))


def _group_norm(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    """Each group is a channel of an InstanceNormalization; opset 20's own has a scale for each group."""
    groups, rank = node.said["groups"], len(node.sizes)
    tensor = graph.channels_first(reads[0])
    tensor = graph.add("Reshape", tensor, graph.whole("groups", [0, groups, -1]))
    ones, zeros = (graph.constant(f"{node.owner}/{name}", np.full(groups, value, np.float32))
                   for name, value in (("ones", 1), ("zeros", 0)))  # fmt: skip
    tensor = graph.add("InstanceNormalization", tensor, ones, zeros, epsilon=node.said["epsilon"])
    sizes = [node.sizes[size] for size in channels_first(rank)]
    tensor = graph.add("Reshape", tensor, graph.whole("shape", [0, *sizes]))
    value = Value(tensor, node.sizes, channels_first(rank))
    return _scaled(graph, node, value, ("Mul", "gamma"), ("Add", "beta"))


def _rescaling(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    tensor = graph.add("Mul", reads[0].tensor, graph.number("scale", node.said["scale"]))
    tensor = graph.add("Add", tensor, graph.number("offset", node.said["offset"]))
    return reads[0]._replace(tensor=tensor)


# ---- what moves elements, or brings values together ----


def _same(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    """What training alone changes."""
    return reads[0]


def _reshape(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    tensor = graph.add("Reshape", graph.plain(reads[0]), graph.whole("shape", [0, *node.sizes]))
    return Value(tensor, node.sizes, plain(len(node.sizes)))


def _permute(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    order = tuple(node.said["sizes"].index(size) for size in reads[0].order)
    return Value(reads[0].tensor, node.sizes, order)


def _merge(operator: str) -> _Layer:
    def lay(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
        order = reads[0].order
        tensor = reads[0].tensor
        for read in reads[1:]:
            tensor = graph.add(operator, tensor, graph.laid(read, order))
        return Value(tensor, node.sizes, order)

    return lay


def _concatenate(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    order = reads[0].order
    tensors = [graph.laid(read, order) for read in reads]
    found = Value("", node.sizes, order)
    return found._replace(tensor=graph.add("Concat", *tensors, axis=found.axis(node.said["axis"] % len(node.sizes))))


_CELLS = (kinds.LAYER_LSTM, kinds.LAYER_GRU, kinds.LAYER_SIMPLE_RNN)
_LAYERS: dict[int, _Layer] = {
    kinds.LAYER_DENSE: _dense,
    kinds.LAYER_TIED_DENSE: _tied,
    kinds.LAYER_CONV2D: windows.convolution,
    kinds.LAYER_CONV1D: windows.convolution,
    kinds.LAYER_DEPTHWISE_CONV2D: windows.depthwise,
    kinds.LAYER_CONV2D_TRANSPOSE: windows.transposed,
    kinds.LAYER_MAX_POOL2D: windows.max_pool,
    kinds.LAYER_MAX_POOL1D: windows.max_pool,
    kinds.LAYER_AVERAGE_POOL2D: windows.average_pool,
    kinds.LAYER_AVERAGE_POOL1D: windows.average_pool,
    kinds.LAYER_GLOBAL_AVERAGE_POOL2D: windows.whole("ReduceMean"),
    kinds.LAYER_GLOBAL_AVERAGE_POOL1D: masks.mean,
    kinds.LAYER_GLOBAL_MAX_POOL2D: windows.whole("ReduceMax"),
    kinds.LAYER_GLOBAL_MAX_POOL1D: windows.whole("ReduceMax"),
    kinds.LAYER_ZERO_PADDING2D: windows.zeros,
    kinds.LAYER_CROPPING1D: windows.cropping,
    kinds.LAYER_UP_SAMPLING2D: windows.up_sampling,
    kinds.LAYER_RANDOM_CROP: windows.middle,
    kinds.LAYER_FLATTEN: _reshape,
    kinds.LAYER_RESHAPE: _reshape,
    kinds.LAYER_PERMUTE: _permute,
    kinds.LAYER_DROPOUT: _same,
    kinds.LAYER_GAUSSIAN_NOISE: _same,
    kinds.LAYER_RANDOM_FLIP: _same,
    kinds.LAYER_RANDOM_TRANSLATION: _same,
    kinds.LAYER_BATCH_NORM: _batch_norm,
    kinds.LAYER_NORMALIZATION: _normalization,
    kinds.LAYER_LAYER_NORM: _layer_norm,
    kinds.LAYER_GROUP_NORM: _group_norm,
    kinds.LAYER_RESCALING: _rescaling,
    kinds.LAYER_ACTIVATION: _same,
    kinds.LAYER_ADD: _merge("Add"),
    kinds.LAYER_MULTIPLY: _merge("Mul"),
    kinds.LAYER_CONCATENATE: _concatenate,
    kinds.LAYER_EMBEDDING: _embedding,
    kinds.LAYER_MASKING: masks.masking,
    kinds.LAYER_RMS_NORM: attention.rms_norm,
    kinds.LAYER_ATTENTION: attention.attention,
    kinds.LAYER_POSITION: attention.position,
    kinds.LAYER_LSTM: recurrent.lstm,
    kinds.LAYER_GRU: recurrent.gru,
    kinds.LAYER_SIMPLE_RNN: recurrent.simple_rnn,
}
