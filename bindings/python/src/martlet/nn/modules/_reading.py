"""The walk over an exported graph, in which each operation becomes a layer: what values are on the way, and how
sequences lie.

Images stay as torch has them, since layers are channels_first. Sequences are (length, channels) here and (channels,
length) there, or have the samples second: a value says which it is, and is moved only where an operation wants the
other. What depends on no input is nobody's value until a layer wants it as a weight, or asks for its numbers.
_weighted.py has the operations with weights, _recurrent.py and _attention.py those over sequences, _parts.py what takes
parts, _plain.py the others.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from martlet._errors import UnsupportedError
from martlet.nn import _open
from martlet.nn._layer import Layer
from martlet.nn.basic import Permute
from martlet.nn.modules import _exporting, _tracing
from martlet.nn.modules._carrying import AnyWeight, Carried, Weight, shared
from martlet.nn.modules._exporting import Exported, operation, refusal
from martlet.nn.node import Node
from martlet.nn.normalizations import BatchNormalization
from martlet.nn.sequences import Embedding


class Value(NamedTuple):
    """What an operation gives. is_turned: the node is (length, channels) where torch has (channels, length). is_second:
    torch has (steps, samples, features)."""

    node: Node
    is_turned: bool = False
    is_second: bool = False

    @property
    def laid(self) -> tuple[int, ...]:
        """The sizes of a sample, as they lie."""
        return _open.at(self.node.sizes)

    @property
    def rank(self) -> int:
        return len(self.laid)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of a sample, as torch has them."""
        return self.laid[::-1] if self.is_turned else self.laid

    @property
    def straight(self) -> Value:
        """The same as torch has it, but for where samples are."""
        return Value(Permute((2, 1))(self.node)) if self.is_turned else self

    @property
    def turned(self) -> Value:
        """The same of a sequence as layers want it."""
        return self if self.is_turned else Value(Permute((2, 1))(self.node), True)

    def through(self, layer: Any) -> Value:
        """What a layer makes of it that sees no order of sizes."""
        return self._replace(node=layer(self.node))


class Flat(NamedTuple):
    """All steps of all samples behind one another, which losses read."""

    value: Value


class LogSoftmax:
    """Logarithms of a softmax, which a loss reads; no layer gives them."""

    def __init__(self, node: Any, scores: Value) -> None:
        self.node, self.scores = node, scores

    def taken(self) -> Value:
        raise refusal(self.node, "has no layer; wanted the module without it, and CrossEntropyLoss for NLLLoss")


class Scored(NamedTuple):
    """What an operation gives that is a loss, of scores and of an input with targets."""

    loss: Any
    scores: Value
    target: Value


Maker = Callable[["Reading", Any, dict[str, Any]], Any]
MAKERS: dict[str, Maker] = {}
"""What makes values of an operation, by its name: of the walk, the operation and its arguments."""


_ANY_ORDER: set[Maker] = set()


def makes(*names: str, any_order: bool = False) -> Callable[[Maker], Maker]:
    """Says which operations a function serves, and those of the same names that write in place; any_order: also of
    sequences that have the samples second."""

    def named(function: Maker) -> Maker:
        for name in names:
            MAKERS[name if name.startswith("martlet.") else f"aten.{name}"] = function
        if any_order:
            _ANY_ORDER.add(function)
        return function

    return named


class Reading:
    """A graph's values by their operations, and the layers that have been made."""

    def __init__(self, exported: Exported) -> None:
        self.exported = exported
        self.values: dict[Any, Any] = {}
        self.carried: list[Carried] = []
        self._layers: dict[Any, Layer] = {}
        self._users: dict[str, str] = {}
        self._names: set[str] = set()
        # Activations that the layers before them compute.
        self.fused: set[Any] = set()
        # Operations that others have taken in, and those that depend on no input.
        self.taken: set[Any] = set()
        # Attention between linear layers, by the last of these.
        self.attended: dict[Any, Any] = {}
        # What hides padding, by the operation, or input, that gives the mask.
        self.padding: dict[Any, Any] = {}
        # Means of the steps that are seen, by the quotient: of what, and what hides the others.
        self.means: dict[Any, Any] = {}
        self._constants: set[Any] = set()
        self._find_constants()
        self._refuse_writes()

    def value(self, node: Any) -> Value:
        """What an operation, or an input, gives."""
        found: Any = self.values.get(node)
        if hasattr(found, "taken"):
            self.values[node] = found = found.taken()
        if isinstance(found, Value):
            return found
        name = self.exported.names.get(getattr(node, "name", ""), None)
        what = f"parameter or buffer {name!r}" if name else f"{node!r}"
        raise UnsupportedError(f"{what} is read otherwise than as a layer's weight")

    def read(self, node: Any) -> Any:
        """Makes the values of one operation."""
        name, written = operation(node), [*node.args[:1]]
        if node in self.exported.counts or node in self.taken or self.is_constant(node):
            return None
        if written and hasattr(self.values.get(written[0]), "moved") and _tracing.moves(node):
            return self.values[written[0]].moved(node)
        maker = MAKERS.get(name) or MAKERS.get(name.replace("_.", ".", 1))
        if node.target is operator.getitem:
            return self._part(node)
        if name.startswith("aten._assert"):
            return None
        if maker is None:
            raise refusal(node, f"is not taken{reason(name)}")
        if name.split(".")[1].endswith("_") and _is_shared_view(written[0]):
            raise refusal(node, "writes into a view of a value that others read, which is not taken")
        if maker not in _ANY_ORDER and any(self._is_second(one) for one in node.all_input_nodes):
            raise refusal(node, "is not taken of (steps, samples, features), which linear and recurrent layers, "
                                "attention, normalization and activations are")  # fmt: skip
        return maker(self, node, _exporting.arguments(node))

    def is_constant(self, node: Any) -> bool:
        """Whether an operation depends on parameters, buffers, numbers and sizes alone."""
        return node in self._constants

    def _find_constants(self) -> None:
        for node in self.exported.nodes:
            if node.op == "call_function":
                tags = getattr(node.target, "tags", ())
                known = all(one in self._constants for one in node.all_input_nodes)
                is_size = operation(node) == "aten.sym_size.int"
                if is_size or _tracing.is_like(node) or (known and torch.Tag.nondeterministic_seeded not in tags):
                    self._constants.add(node)
            elif node.name in self.exported.names or node.name in self.exported.lifted or node.op == "get_attr":
                self._constants.add(node)

    def _refuse_writes(self) -> None:
        """Refuses what changes a tensor of the module's own, which its next call would read."""
        names = {**self.exported.names, **{name: name.partition("_")[2] for name in self.exported.lifted}}
        for node in self.exported.nodes:
            if node.op == "call_function" and _tracing.written(node) is not None and node not in self.exported.counts:
                base = _tracing.base(node)
                # Rows of a table are taken as they stand there.
                name = names.get((base.args[0] if operation(base) == "aten.embedding.default" else base).name)
                if name is not None:
                    raise refusal(node, f"writes into {name!r}, which is kept from call to call, and a model keeps "
                                        "nothing")  # fmt: skip

    def _is_second(self, node: Any) -> bool:
        found = self.values.get(node)
        return isinstance(found, Value) and found.is_second

    def _part(self, node: Any) -> Any:
        found = self.values[node.args[0]]
        if isinstance(found, list):
            return found[node.args[1]]
        if node.args[1] != 0 and list(node.users):
            raise refusal(node.args[0], "gives places, or several values, of which only the first is taken")
        return found

    # ---- layers with weights ----

    def weight(self, node: Any, argument: Any, axes: tuple[int, ...] | None = None) -> Weight:
        """The weight that an argument is."""
        name = self.exported.names.get(getattr(argument, "name", ""))
        if name is None:
            raise refusal(node, "has weights that are computed, and not parameters")
        return Weight(name, axes)

    def table(self, argument: Any) -> Layer | None:
        """The embedding that has a weight as its table; None: none does, as far as the walk has come."""
        name = self.exported.names.get(getattr(argument, "name", ""))
        found = (layer for layer, weights in self.carried if isinstance(layer, Embedding) and name in weights[0].names)
        return next(found, None)

    def layer(self, node: Any, make: Callable[..., Layer], weights: Sequence[AnyWeight], **fields: Any) -> Any:
        """The layer of these weights, with which it is made where it is not there already."""
        names = tuple(dict.fromkeys(name for weight in weights for name in weight.names))
        key = (make, tuple(weights), tuple(sorted((field, str(value)) for field, value in fields.items())))
        if names and key in self._layers:
            return self._layers[key]
        for name in names:
            if name in self._users:
                raise refusal(
                    node, f"reads {name!r} otherwise than {self._users[name]}, and a parameter is one layer's"
                )
            self._users[name] = _exporting.line(node)
        for name in shared(weights):
            raise refusal(node, f"reads {name!r} for several of its weights, and a parameter is one weight")
        made = make(**{**self._trained(node, names, make), **fields}, name=self._name(node, names))
        self._layers[key] = made
        self.carried.append(Carried(made, tuple(weights)))
        return made

    def _trained(self, node: Any, names: tuple[str, ...], make: Any) -> dict[str, bool]:
        known = self.exported.parameters
        asked = {known[name].requires_grad for name in names if name in known}
        if asked == {True, False}:
            raise refusal(node, f"has parameters of which some are trained and some not: {', '.join(names)}")
        buffers = [name for name in names if name in self.exported.buffers]
        if make is BatchNormalization:
            if asked == {False} and buffers:
                raise refusal(node, "is frozen, where torch goes on with the batch's statistics and a model does not")
        elif buffers and True in asked:
            raise refusal(node, f"has {buffers[0]!r} for a weight, a buffer, beside parameters that are trained")
        elif buffers:
            return {"trainable": False}
        return {"trainable": asked != {False}}

    def _name(self, node: Any, names: tuple[str, ...]) -> str | None:
        """That of the module's part, where it is free."""
        found = names[0].rpartition(".")[0].replace(".", "_") if names else ""
        if not found or found in self._names:
            return None
        self._names.add(found)
        return found


def is_flat(walk: Reading, node: Any, value: Value) -> bool:
    """Whether an operation puts all steps behind one another: (samples, steps, features), or numbers of steps."""
    shape, sizes = [*node.meta["val"].shape], value.sizes
    joins = not value.is_second and str(shape[0]) != walk.exported.batch
    return joins and (shape[1:] == [*sizes[1:]]) and len(sizes) in (1, 2) and len(shape) == len(sizes)


_VIEWS = {"aten.view.default", "aten.reshape.default", "aten.transpose.int", "aten.permute.default",
          "aten.flatten.using_ints", "aten.squeeze.dim", "aten.unsqueeze.default", "aten.chunk.default",
          "aten.slice.Tensor", "aten.select.int"}  # fmt: skip


def _is_shared_view(node: Any) -> bool:
    """Whether what is written there stands elsewhere too. Of what is no view the graph reads what was written."""
    while operation(node) in _VIEWS:
        node = node.args[0]
        if len(node.users) > 1:
            return True
    return False


def reason(name: str) -> str:
    kind = name.partition(".")[2].partition(".")[0]
    if "pack_padded" in kind or "pad_packed" in kind:
        return ": packed sequences are not served here"
    return ""
