"""What Keras's layers are called with beside what they read, as a config has it."""

from __future__ import annotations

from typing import Any

from martlet._errors import MartletError, UnsupportedError
from martlet.nn import _keras_layers
from martlet.nn._keras_files import Entry
from martlet.nn.node import Node

_SIDES = ("query", "value", "key")
_MASKS = ("value_mask", "key_mask")  # of what is read behind the query
_WITH_STATES = ("LSTM", "GRU", "SimpleRNN", "Bidirectional")


def check(entry: Entry, call: Entry) -> None:
    """Raises UnsupportedError for an argument that says something else than a layer does here; masks are looked at
    elsewhere."""
    attends = entry["class_name"] == "MultiHeadAttention"
    for key, value in call["kwargs"].items():
        if key == "mask" and is_tensor(value):
            continue
        if attends and key in _MASKS and is_tensor(value) and _MASKS.index(key) + 1 < len(attending(entry, call)[0]):
            continue
        if attends and (key in _SIDES or (key == "use_causal_mask" and isinstance(value, bool))):
            continue
        if key == "initial_state" and entry["class_name"] in _WITH_STATES:
            continue
        if key == "reverse" and entry["class_name"] == "ReversibleEmbedding" and isinstance(value, bool):
            continue
        # What predicts says that it does, whatever a layer was called with.
        if key != "training" and value is not None and (value is not False or not attends):
            raise UnsupportedError(f"{_keras_layers.described(entry)}, is called with {key} {_said(value)}, which is "
                                   "not served here; wanted None")  # fmt: skip


def is_tensor(value: Any) -> bool:
    """Whether an argument is what a layer gives."""
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def _said(value: Any) -> str:
    """An argument in a message: of what a layer gives, which does."""
    return f"of what {value['config']['keras_history'][0]!r} gives" if is_tensor(value) else repr(value)


def attending(entry: Entry, call: Entry) -> tuple[list[Any], bool]:
    """What attention is called with: query, value, and key where it is not value; and whether it is causal."""
    named = {**dict(zip(_SIDES, call["args"], strict=False)), **call["kwargs"]}
    sides = [named[side] for side in _SIDES if named.get(side) is not None]
    if len(call["args"]) > len(_SIDES) or any(named.get(side) is None for side in _SIDES[:2]):
        raise UnsupportedError(f"{_keras_layers.described(entry)}, is called with something else than query, value and "
                               "key")  # fmt: skip
    return sides, named.get("use_causal_mask") is True


def masks(entry: Entry, call: Entry) -> dict[int, Any]:
    """The masks that a layer is called with, by the place of the node whose steps they hide."""
    names = enumerate(("query_mask", *_MASKS)) if entry["class_name"] == "MultiHeadAttention" else [(0, "mask")]
    return {place: call["kwargs"][name] for place, name in names if is_tensor(call["kwargs"].get(name))}


def states(entry: Entry, call: Entry) -> list[Any]:
    """The states that a recurrent layer begins with."""
    return [call["kwargs"].get("initial_state") or []] if entry["class_name"] in _WITH_STATES else []


def is_reverse(entry: Entry, call: Entry) -> bool:
    """Whether an embedding gives logits."""
    return entry["class_name"] == "ReversibleEmbedding" and call["kwargs"].get("reverse") is True


def reversed_by(entry: Entry, layer: Any, read: Node) -> Node:
    """What it gives then."""
    try:
        found: Node = layer(read, reverse=True)
    except MartletError as error:
        raise UnsupportedError(f"{_keras_layers.described(entry)}: {error}") from None
    return found
