"""The walk over an exported graph, in which each operation becomes a layer: what values are on the way, and how
sequences lie.

Images stay as torch has them, since layers are channels_first. Sequences are (length, channels) here and (channels,
length) there: a value says which it is, and is moved only where an operation wants the other. _weighted.py has the
operations with weights, _plain.py the others.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from martlet._errors import MartletError, UnsupportedError
from martlet.nn import _open
from martlet.nn._layer import Layer
from martlet.nn.basic import Permute
from martlet.nn.inputs import Input
from martlet.nn.model import Model
from martlet.nn.modules import _carrying, _exporting
from martlet.nn.modules._carrying import Carried, Weight
from martlet.nn.modules._exporting import Exported, operation, refusal
from martlet.nn.node import Node


class Value(NamedTuple):
    """What an operation gives. is_turned: the node is (length, channels) where torch has (channels, length)."""

    node: Node
    is_turned: bool = False

    @property
    def rank(self) -> int:
        return len(self.node.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of a sample, as torch has them."""
        sizes = _open.at(self.node.sizes)
        return sizes[::-1] if self.is_turned else sizes

    @property
    def straight(self) -> Value:
        """The same as torch has it."""
        return Value(Permute((2, 1))(self.node)) if self.is_turned else self

    @property
    def turned(self) -> Value:
        """The same of a sequence as layers want it."""
        return self if self.is_turned else Value(Permute((2, 1))(self.node), True)

    def through(self, layer: Any) -> Value:
        """What a layer makes of it that sees no order of sizes."""
        return Value(layer(self.node), self.is_turned)


class Scored(NamedTuple):
    """What an operation gives that is a loss, of scores and of an input with targets."""

    loss: Any
    scores: Value
    target: Value


Maker = Callable[["Reading", Any, dict[str, Any]], Any]
MAKERS: dict[str, Maker] = {}
"""What makes values of an operation, by its name: of the walk, the operation and its arguments."""


def makes(*names: str) -> Callable[[Maker], Maker]:
    """Says which operations a function serves, and those of the same names that write in place."""

    def named(function: Maker) -> Maker:
        for name in names:
            MAKERS[f"aten.{name}"] = function
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

    def value(self, node: Any) -> Value:
        """What an operation, or an input, gives."""
        found = self.values.get(node)
        if isinstance(found, Value):
            return found
        name = self.exported.names.get(getattr(node, "name", ""), None)
        what = f"parameter or buffer {name!r}" if name else f"{node!r}"
        raise UnsupportedError(f"{what} is read otherwise than as a layer's weight")

    def read(self, node: Any) -> Any:
        """Makes the values of one operation."""
        name, written = operation(node), [*node.args[:1]]
        if node in self.exported.counts:
            return None
        maker = MAKERS.get(name) or MAKERS.get(name.replace("_.", ".", 1))
        if node.target is operator.getitem:
            return self._part(node)
        if name == "aten.sym_size.int" or name.startswith("aten._assert"):
            return None
        if maker is None:
            raise refusal(node, f"is not taken{_reason(name)}")
        if name.split(".")[1].endswith("_") and _is_shared_view(written[0]):
            raise refusal(node, "writes into a view of a value that others read, which is not taken")
        return maker(self, node, _exporting.arguments(node))

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

    def layer(self, node: Any, make: Callable[..., Layer], weights: list[Weight], **fields: Any) -> Layer:
        """The layer of these weights, with which it is made where it is not there already."""
        names = tuple(weight.name for weight in weights)
        key = (make, names, tuple(sorted((field, str(value)) for field, value in fields.items())))
        if names and key in self._layers:
            return self._layers[key]
        for name in names:
            if name in self._users:
                raise refusal(
                    node, f"reads {name!r} otherwise than {self._users[name]}, and a parameter is one layer's"
                )
            self._users[name] = _exporting.line(node)
        made = make(**fields, **self._trained(node, names, make), name=self._name(node, names))
        self._layers[key] = made
        self.carried.append(Carried(made, tuple(weights)))
        return made

    def _trained(self, node: Any, names: tuple[str, ...], make: Any) -> dict[str, bool]:
        known = self.exported.parameters
        asked = {known[name].requires_grad for name in names if name in known}
        if asked == {True, False}:
            raise refusal(node, f"has parameters of which some are trained and some not: {', '.join(names)}")
        if asked == {False} and any(name in self.exported.buffers for name in names):
            raise refusal(node, "is frozen, where torch goes on with the batch's statistics and a model does not")
        return {"trainable": asked != {False}}

    def _name(self, node: Any, names: tuple[str, ...]) -> str | None:
        """That of the module's part, where it is free."""
        found = names[0].rpartition(".")[0].replace(".", "_") if names else ""
        if not found or found in self._names:
            return None
        self._names.add(found)
        return found


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


def _reason(name: str) -> str:
    kind = name.partition(".")[2].partition(".")[0]
    if kind in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        return ": recurrent layers are not served here"
    if kind.startswith(("scaled_dot_product", "multi_head", "_native_multi_head")):
        return ": attention is not served here"
    if "pack_padded" in kind or "pad_packed" in kind:
        return ": packed sequences are not served here"
    return ""


def model_of(module: Any, example: Any, name: str | None, seed: int | None) -> Model:
    """What from_torch gives."""
    from martlet.nn.modules import _modes, _plain, _scored, _weighted  # noqa: F401 - which say what they make

    exported = Exported(module, example)
    reading = Reading(exported)
    inputs = _inputs(exported, reading)
    for node in exported.nodes:  # whose own names say more than those of what they are made of
        if node.op == "call_function" and (reason := _reason(operation(node))):
            raise refusal(node, f"is not taken{reason}")
    for node in exported.nodes:
        if node.op == "call_function":
            try:
                reading.values[node] = found = reading.read(node)
                if isinstance(found, Value) and hasattr(node.meta["val"], "shape"):
                    _check_sizes(exported, node, found)
            except UnsupportedError as error:
                text = str(error)
                raise (error if "line " in text else refusal(node, f"is not taken, as {text}")) from None
            except MartletError as error:
                raise refusal(node, f"is not taken, as {error}") from None
        elif node.op not in ("placeholder", "output"):
            raise UnsupportedError(f"the module's graph has {node.op} {node.name!r}, which is not taken")
    by_name = {node.name: node for node in exported.nodes}
    loss = reading.values.get(by_name.get(exported.outputs[0])) if len(exported.outputs) == 1 else None
    if isinstance(loss, Scored):
        inputs = [one for one in inputs if one is not loss.target.node]
        outputs, sizes = [loss.scores.straight.node], [loss.scores.sizes]
    else:
        outputs = [reading.value(by_name[output]).straight.node for output in exported.outputs]
        sizes = [exported.sizes(by_name[output]) for output in exported.outputs]
    _modes.compare(exported)
    model = Model(inputs, outputs[0] if len(outputs) == 1 else outputs, name=name, seed=seed)
    model.module_sizes = sizes  # type: ignore[attr-defined]
    model.module_loss = loss.loss if isinstance(loss, Scored) else None  # type: ignore[attr-defined]
    _carrying.take(reading.carried, {**exported.parameters, **exported.buffers})
    model._carried = reading.carried  # type: ignore[attr-defined]
    model._counts = Counter(exported.counts.values())  # type: ignore[attr-defined]
    return model


def _check_sizes(exported: Exported, node: Any, found: Value) -> None:
    """Refuses what would have other sizes than in torch. One number of a sample, without a size, is (1,) here."""
    wanted = exported.sizes(node) or (1,)
    if found.sizes != wanted:
        raise refusal(node, f"gives samples of {wanted}, and layers would give {found.sizes}")


def _inputs(exported: Exported, reading: Reading) -> list[Input]:
    found = []
    by_name = {node.name: node for node in exported.nodes if node.op == "placeholder"}
    for name, example in zip(exported.user_inputs, exported.inputs, strict=True):
        sizes = tuple(example.shape[1:]) or (1,)
        found.append(Input(sizes, dtype=str(example.dtype).removeprefix("torch."), name=name))
        reading.values[by_name[name]] = Value(found[-1])
    return found
