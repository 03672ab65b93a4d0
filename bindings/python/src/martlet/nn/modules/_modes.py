"""What a module computes in evaluation beside what it does in training, which a model's layers know for dropout and
batch normalization alone."""

from __future__ import annotations

from typing import Any

import torch

from martlet._errors import UnsupportedError
from martlet.nn.modules._exporting import Exported, arguments, exported, operation, refusal

_FLAGS = {
    "aten.dropout.default": "train", "aten.dropout_.default": "train", "aten.batch_norm.default": "training",
    "aten.lstm.input": "train", "aten.gru.input": "train", "aten.rnn_tanh.input": "train",
    "aten.rnn_relu.input": "train", "aten.scaled_dot_product_attention.default": "dropout_p",
}  # fmt: skip

_OTHERWISE = "differs between training and evaluation, as only dropout and batch normalization may"


def compare(given: Exported) -> None:
    """Refuses a module that computes something else in evaluation, by the first operation that differs."""
    other = exported(given.module, given.inputs, False)
    first, first_out = _steps(given.nodes, given.outputs, set(given.counts))
    second, second_out = _steps(list(other.graph.nodes), list(other.graph_signature.user_outputs), set())
    for (node, text, flag), (_, wanted, evaluates) in zip(first, second, strict=False):
        if text != wanted:
            raise refusal(node, _OTHERWISE)
        if flag and evaluates:
            raise refusal(node, "does in evaluation what it does in training, which is not taken")
    rest = first[len(second) :] or second[len(first) :]
    if rest:
        raise refusal(rest[0][0], _OTHERWISE)
    if first_out != second_out:
        raise UnsupportedError(f"what the module returns {_OTHERWISE}")


def _steps(nodes: list[Any], outputs: list[Any], counts: set[Any]) -> tuple[list[Any], list[str]]:
    """Operations, what they compute of which others, and their flags; and what is given, in the same words."""
    known: dict[Any, str] = {}
    found: list[Any] = []
    for node in nodes:
        if node.op != "call_function" or node in counts:
            known[node] = node.name
            continue
        if operation(node) == "aten.contiguous.default":  # as numbers lie, which may differ
            known[node] = known[node.args[0]]
            continue
        named = _FLAGS.get(operation(node))
        given = arguments(node) if named else {}
        flag = given.pop(named) if named else None
        what = given if named else (node.args, node.kwargs)
        text = f"{node.target} {torch.fx.node.map_arg(what, lambda one: _Named(known[one]))}"
        known[node] = f"of {len(found)}"
        found.append((node, text, flag))
    by_name = {node.name: name for node, name in known.items()}
    return found, [by_name.get(output, str(output)) for output in outputs]


class _Named(str):
    """A name that is written as it is."""

    __repr__ = str.__str__
