"""nn.LSTM, nn.GRU and nn.RNN: layers of recurrent layers, their states, and which of these are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from martlet.nn import _conventions
from martlet.nn.basic import Dropout
from martlet.nn.bidirectional import Bidirectional
from martlet.nn.modules import _tracing
from martlet.nn.modules._carrying import AnyWeight, Part, Rows, Sum, Weight
from martlet.nn.modules._exporting import operation, refusal
from martlet.nn.modules._parts import Columns, beside
from martlet.nn.modules._reading import Reading, Value, makes
from martlet.nn.recurrent import GRU, LSTM, SimpleRNN


class States:
    """The states behind the last step, of each layer one for each direction, wherever they are moved. root: what gives
    them."""

    def __init__(self, root: Any, states: Sequence[Columns]) -> None:
        self.root, self.states = root, states

    def moved(self, node: Any) -> Any:
        """What an operation that moves numbers makes of them: states beside one another in each sample, or these."""
        places = _tracing.places(self.root)
        units = places.shape[2]
        found = _tracing.run(node, {self.root: places})
        if found.dim() != 2 or found.shape[0] != places.shape[1] or found.shape[1] % units:
            return self
        order = [int(place) // (units * len(found)) for place in found[0, ::units]]
        wanted = torch.cat([places[number] for number in order], 1)
        return beside([self.states[number] for number in order]) if found.equal(wanted) else self


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
    directions = 2 if given["bidirectional"] else 1
    each = 4 if given["has_biases"] else 2
    if len(given["params"]) != given["num_layers"] * directions * each:
        raise refusal(node, "has projections (proj_size), which are not taken")
    parameters = [given["params"][start : start + each] for start in range(0, len(given["params"]), each)]
    parts = {user.args[1]: user for user in node.users}
    ends = directions == 1 and 0 in parts and _ends_alone(parts[0], place)
    wants_all = 0 in parts and bool(parts[0].users) and not ends
    remembers = kind == "lstm" and 2 in parts and bool(parts[2].users)
    states: list[Columns] = []
    memories: list[Columns] = []
    for number in range(given["num_layers"]):
        is_last = number == given["num_layers"] - 1
        keeps = wants_all or not is_last
        own = parameters[number * directions : (number + 1) * directions]
        value, ended = _layer(walk, node, kind, value, own, keeps, remembers)
        memories += [Columns(walk, one, range(one.laid[-1])) for one in ended]
        units = value.laid[-1] // directions
        for way, step in enumerate((-1, 0)[:directions]):
            states.append(Columns(walk, value, range(way * units, (way + 1) * units), step if keeps else None))
        if given["dropout"] and given["train"] and not is_last:
            value = value.through(Dropout(given["dropout"]))
    steps = End(parts[0], value, place) if ends else value if wants_all else None
    return [steps, States(parts.get(1), states), States(parts.get(2), memories) if memories else None]


def _check(walk: Reading, node: Any, given: dict[str, Any], value: Value) -> None:
    """Refuses sequences that lie otherwise than the layer takes them, and initial states."""
    if value.rank != 2 or value.is_second == given["batch_first"]:
        order = "(samples, steps, features)", "(steps, samples, features)"
        raise refusal(node, f"reads {order[value.is_second]}, and takes it for {order[not value.is_second]}")
    initial = given["hx"] if isinstance(given["hx"], list | tuple) else [given["hx"]]
    for state in initial:
        try:
            is_zero = not _tracing.numbers(walk.exported, state).any()
        except _tracing.ElsewhereError:
            is_zero = False
        if not is_zero:
            raise refusal(node, "begins with states of its own, and zeros are taken")


def _ends_alone(node: Any, place: int) -> bool:
    """Whether of all steps the last is read alone."""
    places = _tracing.places(node)
    waiting = [*node.users]
    for user in waiting:
        if not _tracing.moves(user):
            return False
        found = _tracing.run(user, {node: places})
        if found.equal(places):
            waiting.extend(user.users)
        elif not found.equal(places.select(place, -1)):
            return False
    return bool(waiting)


def _layer(
    walk: Reading, node: Any, kind: str, value: Value, parameters: Sequence[Sequence[Any]], keeps: bool, remembers: bool
) -> tuple[Value, list[Value]]:
    """What one layer gives, of one direction or two, and where remembers says so what an LSTM remembers in each."""
    units = parameters[0][1].meta["val"].shape[1]
    weights = [weight for one in parameters for weight in _weights(walk, node, kind, one)]
    fields: dict[str, Any] = {"use_bias": len(parameters[0]) == 4, "return_sequences": keeps, "return_state": remembers}
    make: Any = {"lstm": LSTM, "gru": GRU}.get(kind, SimpleRNN)
    if make is SimpleRNN:
        fields["activation"] = kind.removeprefix("rnn_")
    layer = walk.layer(node, make if len(parameters) == 1 else _Both(make), weights, units=units, **fields)
    whole, *states = layer(value.node) if remembers else [layer(value.node)]
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
