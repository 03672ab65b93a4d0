"""What recurrent layers hand on: states behind the last step, wherever they are moved, and those that a layer begins
with, which are such states, or numbers that other operations give for each sample."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch

from martlet.nn.augmentations import Rescaling
from martlet.nn.basic import Dense, Reshape
from martlet.nn.merging import Concatenate
from martlet.nn.modules import _positions, _tracing
from martlet.nn.modules._carrying import Carried, Fixed
from martlet.nn.modules._exporting import operation, refusal
from martlet.nn.modules._parts import Columns, beside
from martlet.nn.modules._reading import Reading, Value

RECURRENT = {f"aten.{name}" for name in ("lstm.input", "gru.input", "rnn_tanh.input", "rnn_relu.input")}
_JOINS = {"aten.cat.default", "aten.stack.default"}


class States:
    """The states behind the last step, of each layer one for each direction. root: what gives them; node: where they
    have been moved to."""

    def __init__(self, walk: Reading, root: Any, states: Sequence[Columns], node: Any = None) -> None:
        self.walk, self.root, self.states, self.node = walk, root, states, node or root

    def moved(self, node: Any) -> Any:
        """What an operation that moves numbers makes of them: states beside one another in each sample, or these."""
        places = _tracing.places(self.root)
        units = places.shape[2]
        found = _tracing.run(node, {self.root: places})
        if found.dim() != 2 or found.shape[0] != places.shape[1] or found.shape[1] % units:
            return States(self.walk, self.root, self.states, node)
        order = [int(place) // (units * len(found)) for place in found[0, ::units]]
        wanted = torch.cat([places[number] for number in order], 1)
        if not found.equal(wanted):
            return States(self.walk, self.root, self.states, node)
        return beside([self.states[number] for number in order])

    def taken(self) -> Value:
        """They as a sequence of states."""
        shape = [str(size) for size in self.node.meta["val"].shape]
        is_second = len(shape) == 3 and shape[1] == self.walk.exported.batch
        if not is_second and (len(shape) != 3 or shape[0] != self.walk.exported.batch):
            raise refusal(self.node, "gives states otherwise than (layers, samples, units), which is taken")
        found = [one for one in each(self.walk, self.node, self.node, int(is_second)) if one is not None]
        rows = [Reshape((1, *one.laid))(one.node) for one in found]
        return Value(rows[0] if len(rows) == 1 else Concatenate(1)(rows), False, is_second)


class _Source(NamedTuple):
    """What gives numbers of a state. shape: in the example; samples: which of its sizes counts them."""

    found: Any
    shape: list[int]
    samples: int

    def columns(self, walk: Reading, at: tuple[int, ...], columns: list[int]) -> Columns:
        """Some of its features, at a place in the size between."""
        if isinstance(self.found, States):
            state = self.found.states[at[0]]
            return Columns(walk, state.value, [state.columns[one] for one in columns], state.step)
        return Columns(walk, self.found, columns, *at)


def find(walk: Reading) -> None:
    """Finds what moves states to the layers that begin with them, and leaves it to these."""
    own: set[Any] = set()
    for node in reversed(walk.exported.nodes):
        if not _joins(node) or walk.is_constant(node) or not node.users:
            continue
        if all(_begins(user, node) or user in own or walk.is_constant(user) for user in node.users):
            own.add(node)
    walk.taken |= own


def _begins(node: Any, state: Any) -> bool:
    """Whether an operation is a recurrent layer, and begins with a state, and reads it nowhere else."""
    return node.op == "call_function" and operation(node) in RECURRENT and state is not node.args[0]


def _joins(node: Any) -> bool:
    """Whether an operation gives numbers that others give, and computes nothing."""
    if node.op != "call_function":
        return False
    if operation(node) == "<built-in function getitem>":
        return _tracing.moves(node.args[0])
    return _tracing.moves(node) or operation(node) in _JOINS


def _sources(walk: Reading, node: Any) -> list[Any]:
    """Those that give the numbers of a state."""
    if walk.is_constant(node) or not _joins(node):
        return [node]
    return [one for read in node.all_input_nodes if read.meta.get("val") is not None
            and not isinstance(read.meta["val"], torch.SymInt) for one in _sources(walk, read)]  # fmt: skip


def begun(walk: Reading, node: Any, value: Value, state: Any) -> list[Value | None]:
    """The states that a layer begins with, of each layer and direction; None: zeros. value: what it reads."""
    if not walk.is_constant(state):
        return each(walk, node, state, 1)
    if _is_zero(walk, state):
        return [None] * state.meta["val"].shape[0]
    count, _, units = state.meta["val"].shape
    rows = Value(Reshape((count, units))(_zeros(walk, value, count * units)), False, True)
    table = _positions.rows(walk, node, rows, state, "begins with")
    return [Columns(walk, Value(table), range(units), step).taken() for step in range(count)]


def _zeros(walk: Reading, value: Value, count: int) -> Any:
    """As many zeros of each sample, which a table of rows counts by."""
    first = Columns(walk, value, range(value.laid[-1]), 0).taken()
    layer = Dense(count, use_bias=False, trainable=False)
    walk.carried.append(Carried(layer, (Fixed(np.zeros((first.laid[0], count), np.float32)),)))
    return layer(first.node)


def _is_zero(walk: Reading, node: Any) -> bool:
    """Whether what depends on no input is zeros, in batches of another size too."""
    try:
        return not any(_tracing.numbers(walk.exported, node, batch=batch).any() for batch in (None, *_tracing.BATCHES))
    except _tracing.ElsewhereError:
        return False


def each(walk: Reading, node: Any, state: Any, samples: int) -> list[Value | None]:
    """What stands at each place of one size of a state, (places, samples, units) or with the samples first; None:
    zeros. node: the operation that wants it."""
    known: dict[Any, Any] = {}
    sources: list[_Source] = []
    starts: list[int] = []
    total = 0
    for one in dict.fromkeys(_sources(walk, state)):
        if walk.is_constant(one):
            if not _is_zero(walk, one):
                raise refusal(node, "has states of which some are parameters or numbers, and some computed")
            known[one] = torch.full(_tracing.sizes(one), -1)
            continue
        found = _source(walk, node, one)
        known[one] = _tracing.places(one) + total
        sources.append(found)
        starts.append(total)
        total += known[one].numel()
    places = _tracing.run(state, known)
    places = places if samples == 1 else places.transpose(0, 1)
    return [_one(walk, node, row.numpy(), sources, starts) for row in places]


def _source(walk: Reading, node: Any, one: Any) -> _Source:
    found = walk.values.get(one)
    if isinstance(found, States) and found.node is found.root:
        return _Source(found, _tracing.sizes(one), 1)
    value = walk.value(one).straight
    if value.rank > 2:
        raise refusal(node, "has states of an image, and those of sequences and of features are taken")
    return _Source(value, _tracing.sizes(one), int(value.is_second))


def _one(walk: Reading, node: Any, row: Any, sources: list[_Source], starts: list[int]) -> Value | None:
    """A state, (samples, units), by the places of its numbers."""
    if (row == -1).all():
        return None
    found: list[tuple[int, tuple[int, ...], int]] = []
    for column in range(row.shape[1]):
        whose = int(np.searchsorted(starts, row[:, column].min(), "right")) - 1
        inside = row[:, column] - starts[whose] if whose >= 0 else row[:, column]
        source = sources[whose]
        if inside.min() < 0 or inside.max() >= np.prod(source.shape):
            raise refusal(node, "has states that are zeros in part, or of several samples, which is not taken")
        at = [one.tolist() for one in np.unravel_index(inside, source.shape)]
        counted = at.pop(source.samples)
        if counted != [*range(len(row))] or any(len({*one}) > 1 for one in at):
            raise refusal(node, "has states of other samples than its own, which is not taken")
        *between, last = (one[0] for one in at)
        found.append((whose, tuple(between), last))
    parts = [
        sources[whose].columns(walk, between, [last for *_, last in group])
        for (whose, between), group in groupby(found, lambda one: one[:2])
    ]
    whole = beside(parts)
    return whole if isinstance(whole, Value) else whole.taken()


def together(states: list[Value | None]) -> list[Any]:
    """The nodes of states of one layer, with zeros where others are not; none where all are zeros."""
    first = next((one for one in states if one is not None), None)
    if first is None:
        return []
    return [(first.through(Rescaling(0.0)) if one is None else one).node for one in states]
