"""What layers that read a sequence step by step are in ONNX, whose operators read (steps, batch, features)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

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
    if flags & _ffi_models.STATEFUL:
        raise UnsupportedError(f"layer {node.name!r} keeps states from batch to batch, which does not go out; wanted "
                               "initial_state and return_state")  # fmt: skip
    tensor = graph.add("Transpose", graph.plain(value), perm=[1, 0, 2])
    if flags & _ffi_models.GO_BACKWARDS:
        tensor = _backwards(graph, tensor)
    seen = _Seen(graph, node) if node.reads_mask >= 0 else None
    if seen is not None:
        tensor = seen.in_front(tensor)
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
    gives_all, gives_states = (bool(flags & flag) for flag in (_ffi_models.RETURN_SEQUENCES, _ffi_models.RETURN_STATE))
    first = [graph.add("Unsqueeze", graph.plain(state), graph.whole("ways", [0])) for state in reads[1:]]
    count = (2 if operator == "LSTM" else 1) if gives_states else 0 if gives_all else 1
    lengths = "" if seen is None else seen.counts
    steps, *states = graph.several(
        operator, tensor, *kernels, biases, *([lengths, *first] if lengths or first else []), hidden_size=units,
        wanted=[gives_all, *[True] * count], **words,
    )  # fmt: skip
    if seen is not None:
        befores = first or [graph.number("before", 0)] * len(states)
        states = [seen.last(state, before) for state, before in zip(states, befores, strict=False)]
    if gives_all:
        steps = graph.add("Squeeze", steps, graph.whole("direction", [1]))
        if seen is not None:
            before = graph.plain(reads[1]) if first else graph.number("before", 0)
            steps = seen.at_steps(steps, before, bool(flags & _ffi_models.ZERO_HIDDEN))
        if flags & _ffi_models.INPUT_ORDER:
            steps = _backwards(graph, steps)
        steps = graph.add("Transpose", steps, perm=[1, 0, 2])
    if gives_states:
        steps = _with_states(graph, steps, states)
    elif not gives_all:
        steps = graph.add("Squeeze", states[0], graph.whole("direction", [0]))
    return Value(steps, node.sizes, plain(len(node.sizes)))


def _with_states(graph: Graph, steps: str, states: Sequence[str]) -> str:
    """The last states as further rows, behind those of the steps, where these are given."""
    rows = [graph.add("Transpose", state, perm=[1, 0, 2]) for state in states]
    whole = graph.add("Concat", *([steps] if steps else []), *rows, axis=1)
    graph.parts[whole] = {(0, len(rows) - 1 - place, 1): row for place, row in enumerate(rows)}
    if steps:
        graph.parts[whole][0, len(rows), 0] = steps
    return whole


def _backwards(graph: Graph, tensor: str) -> str:
    """The last step first."""
    ends = [graph.whole(name, [number]) for name, number in (("last", -1), ("first", -(2**31)), ("steps", 0))]
    return graph.add("Slice", tensor, *ends, graph.whole("way", [-1]))


class _Seen:
    """The steps that a mask lets a layer see, in the order in which it reads them. It reads those alone, one behind
    another, and gives at each step what the last one seen has left: the state before the first, where there is none."""

    def __init__(self, graph: Graph, node: Laid) -> None:
        self._graph = graph
        mask = graph.add("Transpose", graph.masks[node.reads_mask], perm=[1, 0])
        self._mask = _backwards(graph, mask) if node.said["flags"] & _ffi_models.GO_BACKWARDS else mask
        self._numbers = graph.add("Cast", self._mask, to=onnx.TensorProto.INT64)
        self._zero, self._one = graph.whole("none", 0), graph.whole("one", 1)
        self._so_far = graph.add("CumSum", self._numbers, self._zero)
        self._in_all = graph.add("ReduceSum", self._numbers, graph.whole("over steps", [0]), keepdims=0)
        # ONNX does not say what 0 gives; last() does.
        self.counts = graph.add("Cast", graph.add("Max", self._in_all, self._one), to=onnx.TensorProto.INT32)

    def _wide(self, places: str, tensor: str) -> str:
        """Places of steps, for each sample other ones, as those of a tensor's features."""
        places = self._graph.add("Unsqueeze", places, self._graph.whole("of features", [2]))
        return self._graph.add("Expand", places, self._graph.add("Shape", tensor))

    def in_front(self, tensor: str) -> str:
        """The steps that are seen, in their order, before the others."""
        graph = self._graph
        others = graph.add("CumSum", graph.add("Sub", self._one, self._numbers), self._zero)
        behind = graph.add("Where", self._mask, self._so_far, graph.add("Add", others, self._in_all))
        places = graph.add("Sub", behind, self._one)
        return graph.add("ScatterElements", tensor, self._wide(places, tensor), tensor, axis=0)

    def at_steps(self, tensor: str, before: str, hides: bool) -> str:
        """What is given behind each step that is seen, at all steps; before: the state before the first; hides: zeros
        at those that are not seen."""
        graph = self._graph
        places = graph.add("Max", graph.add("Sub", self._so_far, self._one), self._zero)
        found = graph.add("GatherElements", tensor, self._wide(places, tensor), axis=0)
        if hides:
            return self._shown(self._mask, found, graph.number("hidden", 0))
        return self._shown(graph.add("Greater", self._so_far, self._zero), found, before)

    def last(self, tensor: str, before: str) -> str:
        """What is given behind the last step that is seen; before: where none is."""
        return self._shown(self._graph.add("Greater", self._in_all, self._zero), tensor, before)

    def _shown(self, shown: str, tensor: str, other: str) -> str:
        graph = self._graph
        shown = graph.add("Unsqueeze", shown, graph.whole("of units", [-1]))
        return graph.add("Where", shown, tensor, other)


def lstm(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    """The gates that let in, forget, and let out, and what is let in, are in another order there."""
    gate, cell = node.said["recurrent_activation"], node.said["activation"]
    return _recurrent(graph, node, reads, "LSTM", (0, 3, 1, 2), (gate, cell, cell))


def gru(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    numbers = (node.said["recurrent_activation"], node.said["activation"])
    is_before = not node.said["flags"] & _ffi_models.RESET_FIRST
    return _recurrent(graph, node, reads, "GRU", (0, 1, 2), numbers, linear_before_reset=int(is_before))


def simple_rnn(graph: Graph, node: Laid, reads: Sequence[Value]) -> Value:
    return _recurrent(graph, node, reads, "RNN", (0,), (node.said["activation"],))
