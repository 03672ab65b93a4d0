"""What layers that read a sequence step by step are in ONNX, whose operators read (steps, batch, features)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from martlet import _ffi_models
from martlet._errors import UnsupportedError
from martlet.nn import activations
from martlet.nn._laid import Laid
from martlet.nn._matching import NDArray
from martlet.nn._onnx_graph import Graph, Value, plain

# Of each activation that ONNX's cells know: its name, alpha and beta there.
_KNOWN: dict[str, tuple[str, list[float], list[float]]] = {
    "linear": ("Affine", [1.0], [0.0]), "relu": ("Relu", [], []), "tanh": ("Tanh", [], []),
    "sigmoid": ("Sigmoid", [], []), "hard_sigmoid": ("HardSigmoid", [1 / 6], [0.5]), "elu": ("Elu", [1.0], []),
    "softplus": ("Softplus", [], []), "leaky_relu": ("LeakyRelu", [], []),
}  # fmt: skip


def _words(node: Laid, numbers: Sequence[int]) -> dict[str, Any]:
    """The attributes of a cell's activations."""
    found: tuple[list[str], list[float], list[float]] = ([], [], [])
    for number in numbers:
        (name,) = (name for name, known in activations.NUMBERS.items() if known == number)
        if name not in _KNOWN:
            raise UnsupportedError(f"layer {node.name!r} has the activation {name!r}, which ONNX's cells have not")
        theirs, alpha, beta = _KNOWN[name]
        found[0].append(theirs)
        found[1].extend([node.said["slope"]] if name == "leaky_relu" else alpha)
        found[2].extend(beta)
    words: dict[str, Any] = {"activations": found[0]}
    if found[1]:
        words["activation_alpha"] = found[1]
    if found[2]:
        words["activation_beta"] = found[2]
    return words


def _gates(array: NDArray, order: Sequence[int]) -> NDArray:
    """What lies gate beside gate in the last size, in another order, the gates' numbers first."""
    parts = np.split(array, len(order), axis=-1)
    return np.concatenate([parts[gate] for gate in order], axis=-1).T[None]


def _recurrent(
    graph: Graph, node: Laid, reads: Sequence[Value], operator: str, order: Sequence[int], numbers: Sequence[int],
    **more: Any,
) -> Value:  # fmt: skip
    value, units, flags = reads[0], node.said["units"], node.said["flags"]
    if len(node.reads) > 1 or flags & (_ffi_models.RETURN_STATE | _ffi_models.STATEFUL):
        raise UnsupportedError(f"layer {node.name!r} begins with states that it is given or has kept, or gives them, "
                               "which does not go out; wanted zeros, and what it gives alone")  # fmt: skip
    if len(reads) > 1:
        raise UnsupportedError(f"layer {node.name!r} reads a mask, and masks do not go out; wanted a model without")
    tensor = graph.add("Transpose", graph.plain(value), perm=[1, 0, 2])
    if flags & _ffi_models.GO_BACKWARDS:
        tensor = _backwards(graph, tensor)
    kernels = [
        graph.constant(f"{node.owner}/{name}", _gates(node.arrays[name], order))
        for name in ("kernel", "recurrent_kernel")
    ]
    bias = np.zeros((2, len(order) * units), np.float32)
    if "bias" in node.arrays:
        bias[: node.arrays["bias"].ndim] = node.arrays["bias"]
    both = np.concatenate([_gates(row[None], order)[..., 0] for row in bias], axis=-1)
    biases = graph.constant(f"{node.owner}/bias", both)
    words = _words(node, numbers) | more
    gives_all = bool(flags & _ffi_models.RETURN_SEQUENCES)
    tensor = graph.add(operator, tensor, *kernels, biases, hidden_size=units, skipped=0 if gives_all else 1, **words)
    tensor = graph.add("Squeeze", tensor, graph.whole("direction", [1 if gives_all else 0]))
    if flags & _ffi_models.INPUT_ORDER:
        tensor = _backwards(graph, tensor)
    if gives_all:
        tensor = graph.add("Transpose", tensor, perm=[1, 0, 2])
    return Value(tensor, node.sizes, plain(len(node.sizes)))


def _backwards(graph: Graph, tensor: str) -> str:
    """The last step first."""
    ends = [graph.whole(name, [number]) for name, number in (("last", -1), ("first", -(2**31)), ("steps", 0))]
    return graph.add("Slice", tensor, *ends, graph.whole("way", [-1]))


def lstm(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    """The gates that let in, forget, and let out, and what is let in, are in another order there."""
    gate, cell = node.said["recurrent_activation"], node.said["activation"]
    return _recurrent(graph, node, reads, "LSTM", (0, 3, 1, 2), (gate, cell, cell))


def gru(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    numbers = (node.said["recurrent_activation"], node.said["activation"])
    return _recurrent(graph, node, reads, "GRU", (0, 1, 2), numbers, linear_before_reset=1)


def simple_rnn(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    return _recurrent(graph, node, reads, "RNN", (0,), (node.said["activation"],))
