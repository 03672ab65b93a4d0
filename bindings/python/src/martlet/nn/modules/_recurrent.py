"""nn.LSTM, nn.GRU and nn.RNN: layers of recurrent layers, their states, and which of these are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from martlet.nn import _conventions
from martlet.nn.basic import Dropout
from martlet.nn.bidirectional import Bidirectional
from martlet.nn.modules import _tracing
from martlet.nn.modules._carrying import AnyWeight, Part, Rows, Sum, Weight
from martlet.nn.modules._exporting import arguments, operation, refusal
from martlet.nn.modules._handing import States, begun, together
from martlet.nn.modules._parts import Columns
from martlet.nn.modules._reading import Reading, Value, makes
from martlet.nn.recurrent import GRU, LSTM, SimpleRNN


class End:
    """A value of which a recurrent layer gives the last step alone. root: what gives all."""

    def __init__(self, root: Any, value: Value, place: int) -> None:
        self.root, self.value, self.place = root, value, place

    def moved(self, node: Any) -> Any:
        places = _tracing.places(self.root)
        found = _tracing.run(node, {self.root: places})
        return self.value if found.equal(places.select(self.place, -1)) else self


@makes("lstm.input", "gru.input", "rnn_tanh.input", "rnn_relu.input", any_order=True)
def _recurrent(walk: Reading, node: Any, given: dict[str, Any]) -> list[Any]:
    kind, place = operation(node).split(".")[1], 1 if given["batch_first"] else 0
    value = walk.value(given["input"]).straight
    _check(walk, node, given, value)
    begins = _beginnings(walk, node, given["hx"], value)
    directions = 2 if given["bidirectional"] else 1
    each = 4 if given["has_biases"] else 2
    if len(given["params"]) != given["num_layers"] * directions * each:
        raise refusal(node, "has projections (proj_size), which are not taken")
    parameters = [given["params"][start : start + each] for start in range(0, len(given["params"]), each)]
    parts = {user.args[1]: user for user in node.users}
    wants_all, remembers = _wanted(walk, node, place if directions == 1 else None)
    states: list[Columns] = []
    memories: list[Columns] = []
    for number in range(given["num_layers"]):
        is_last = number == given["num_layers"] - 1
        keeps = wants_all or not is_last
        ways = range(number * directions, (number + 1) * directions)
        own, first = [parameters[way] for way in ways], together([one[way] for way in ways for one in begins])
        value, ended = _layer(walk, node, kind, value, own, keeps, remembers, first)
        memories += [Columns(walk, one, range(one.laid[-1])) for one in ended]
        units = value.laid[-1] // directions
        for way, step in enumerate((-1, 0)[:directions]):
            states.append(Columns(walk, value, range(way * units, (way + 1) * units), step if keeps else None))
        if given["dropout"] and given["train"] and not is_last:
            value = value.through(Dropout(given["dropout"]))
    steps = value if wants_all else End(parts[0], value, place) if 0 in parts else None
    handed = [States(walk, parts[1], states) if 1 in parts else None]
    return [steps, *handed, States(walk, parts[2], memories) if memories and 2 in parts else None]


def _check(walk: Reading, node: Any, given: dict[str, Any], value: Value) -> None:
    """Refuses sequences that lie otherwise than the layer takes them."""
    if value.rank != 2 or value.is_second == given["batch_first"]:
        order = "(samples, steps, features)", "(steps, samples, features)"
        raise refusal(node, f"reads {order[value.is_second]}, and takes it for {order[not value.is_second]}")


def _beginnings(walk: Reading, node: Any, given: Any, value: Value) -> list[list[Value | None]]:
    """What it begins with, of LSTM two for each layer and direction."""
    return [begun(walk, node, value, one) for one in (given if isinstance(given, list | tuple) else [given])]


def _wanted(walk: Reading, node: Any, place: int | None) -> tuple[bool, bool]:
    """Whether all steps are read, and what an LSTM remembers; what is there several times is one layer, which gives
    what is read of any. place: of the steps, where the last alone may be read."""
    same = [one for one in walk.exported.nodes if _is_same(one, node)]
    ends = place is not None and all(_ends_alone(one, place) for one in same)
    remembers = operation(node) == "aten.lstm.input" and any(_reads(one, 2) for one in same)
    return any(_reads(one, 0) for one in same) and not ends, remembers


def _is_same(node: Any, other: Any) -> bool:
    """Whether two operations are one layer."""
    if node.op != "call_function" or operation(node) != operation(other):
        return False
    return bool(arguments(node)["params"] == arguments(other)["params"])


def _reads(node: Any, part: int) -> bool:
    """Whether something that it gives is read."""
    return any(user.args[1] == part and user.users for user in node.users)


def _ends_alone(node: Any, place: int) -> bool:
    """Whether of all steps the last is read alone, or none."""
    whole = next((user for user in node.users if user.args[1] == 0), None)
    if whole is None:
        return True
    places, node = _tracing.places(whole), whole
    waiting = [*node.users]
    for user in waiting:
        if not _tracing.moves(user):
            return False
        found = _tracing.run(user, {node: places})
        if found.equal(places):
            waiting.extend(user.users)
        elif not found.equal(places.select(place, -1)):
            return False
    return True


def _layer(
    walk: Reading, node: Any, kind: str, value: Value, parameters: Sequence[Sequence[Any]], keeps: bool,
    remembers: bool, first: list[Any],
) -> tuple[Value, list[Value]]:  # fmt: skip
    """What one layer gives that begins with first, of one direction or two, and where remembers says so what an LSTM
    remembers in each."""
    units = parameters[0][1].meta["val"].shape[1]
    weights = [weight for one in parameters for weight in _weights(walk, node, kind, one)]
    fields: dict[str, Any] = {"use_bias": len(parameters[0]) == 4, "return_sequences": keeps, "return_state": remembers}
    make: Any = {"lstm": LSTM, "gru": GRU}.get(kind, SimpleRNN)
    if make is SimpleRNN:
        fields["activation"] = kind.removeprefix("rnn_")
    layer = walk.layer(node, make if len(parameters) == 1 else _Both(make), weights, units=units, **fields)
    found = layer(value.node, initial_state=first or None)
    whole, *states = found if remembers else [found]
    return Value(whole, False, value.is_second and keeps), [Value(one) for one in states[1::2]]


class _Both:
    """Makes Bidirectional layers of a kind."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Both) and self.kind is other.kind

    def __hash__(self) -> int:
        return hash(self.kind)

    def __call__(self, *, name: str | None, trainable: bool, **fields: Any) -> Bidirectional:
        return Bidirectional(self.kind(**fields), name=name, trainable=trainable)


def _weights(walk: Reading, node: Any, kind: str, parameters: Sequence[Any]) -> list[AnyWeight]:
    """Kernel, recurrent kernel and bias of one direction."""
    kernel, recurrent, *biases = parameters
    gates = GRU._torch_gates if kind == "gru" else None
    found: list[AnyWeight] = [_turned(walk, node, one, gates) for one in (kernel, recurrent)]
    both = [_turned(walk, node, one, gates) for one in biases]
    if both:
        found.append(Rows(*both) if kind == "gru" else Sum(*both))
    return found


def _turned(walk: Reading, node: Any, parameter: Any, gates: _conventions.Gates) -> Weight | Part:
    """(gates units, inputs) as (inputs, gates units), in the order of the gates here."""
    sizes = [*parameter.meta["val"].shape]
    weight = walk.weight(node, parameter, (1, 0) if len(sizes) == 2 else None)
    if gates is None:
        return weight
    places: Any = np.arange(int(np.prod(sizes))).reshape(sizes)
    return Part(weight.name, _conventions.turned(places, gates), sizes)
