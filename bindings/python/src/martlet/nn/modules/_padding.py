"""Masks of padding, True where a key is hidden: which input says it, and how. torch itself is asked, which runs the
operations between an input and a mask on numbers that tell ways apart."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from martlet.nn.masking import Masking, SequenceMask
from martlet.nn.modules import _tracing
from martlet.nn.modules._exporting import operation, refusal
from martlet.nn.modules._reading import Reading
from martlet.nn.node import Node

_MOST = 4096
_WHOLE = (torch.uint8, torch.int32, torch.int64)
_WANTED = (
    "that depends on samples, which is taken where an input of bools is it, or its opposite, where an input of whole "
    "numbers is compared with one, ids == 0, or where steps are counted, torch.arange(steps) >= lengths[:, None]"
)


class Padding(NamedTuple):
    """A mask by an input. number: which of its numbers hide; None: it says how many steps are seen."""

    read: Any
    number: int | None

    def hide(self, walk: Reading, node: Node) -> Node:
        """A node with its padding hidden."""
        says = walk.values[self.read].node
        return SequenceMask()(node, says) if self.number is None else Masking(self.number)(node, mask=says)


def find(walk: Reading) -> None:
    """Finds what masks are made of, which the walk then leaves to the layers that have them."""
    for node in walk.exported.nodes:
        if node.op == "call_function" and operation(node) == "martlet.attention.default":
            mask = node.args[6]
            if mask is not None and mask not in walk.padding:
                walk.padding[mask] = of_mask(walk, node, mask)


def of_mask(walk: Reading, node: Any, mask: Any, shows: bool = False) -> Padding:
    """What says a mask, of (samples, keys) or (samples, 1, 1, keys); what it is made of is taken then. shows: of bools
    True is seen."""
    reads, between = behind(walk, mask)
    sizes = _tracing.sizes(mask)
    if len(reads) == 1 and len(sizes) in (2, 4) and sizes[1:-1] in ([], [1, 1]):
        found = said(walk, _Mask(mask, reads.pop(), shows), [sizes[0], sizes[-1]], between)
        if found is not None:
            walk.taken |= between
            return found
    raise refusal(node, f"has {'an attn_mask' if shows else 'a key_padding_mask'} {_WANTED}")


class Hiding(Protocol):
    """What is hidden, by an input, read."""

    @property
    def read(self) -> Any: ...

    def hidden(self, walk: Reading, given: Any) -> Any:
        """Bools (samples, steps), where the input is given so; of another shape where it is no mask."""


class _Mask(NamedTuple):
    """Of an operation, by an input."""

    mask: Any
    read: Any
    shows: bool

    def hidden(self, walk: Reading, given: Any) -> Any:
        """What is hidden where the input is given so, (samples, keys); nothing where there are other numbers than 0 and
        -inf, or parameters are read."""
        try:
            found = _tracing.numbers(walk.exported, self.mask, known={self.read: given.clone()})
        except (_tracing.ElsewhereError, IndexError):
            return torch.zeros(0)
        found = found.reshape(len(found), -1)
        if found.dtype == torch.bool:
            return ~found if self.shows else found
        return found == -torch.inf if ((found == -torch.inf) | (found == 0)).all() else torch.zeros(0)


def said(walk: Reading, mask: Hiding, wanted: list[int], between: set[Any], counts: bool = False) -> Padding | None:
    """How an input says what is hidden, of (samples, steps) as wanted; None: in no way that is taken. between: what
    stands between both; counts: how many steps are seen counts too, and not each for itself."""
    read = mask.read
    kind, shape = read.meta["val"].dtype, _tracing.sizes(read)
    draw = torch.Generator().manual_seed(1)
    if shape == wanted and kind == torch.bool:
        tried = [torch.rand(shape, generator=draw) < part for part in (0.5, 0.0, 1.0)]
        tried += _fronts(shape, torch.tensor([False, True])) if counts else []
        for number in (1, 0):
            if all(mask.hidden(walk, one).equal(one == bool(number)) for one in tried):
                return Padding(read, number)
    elif shape == wanted and kind in _WHOLE:
        least = 0 if _names_rows(walk, read) else max(torch.iinfo(kind).min, -(2**31))
        most = min(torch.iinfo(kind).max, 2**31) - 2
        numbers = {one for one in _numbers(walk, between) if one < most}
        around = {one + step for one in numbers for step in range(-2, 3)} | {11, 101}
        near = torch.tensor(sorted({max(one, least) for one in around}), dtype=kind)
        places = torch.arange(torch.Size(shape).numel()).reshape(shape)
        all_ids = [near[(places + first) % len(near)] for first in range(len(near))]
        all_ids += [one.repeat(shape) for one in near]
        all_ids += _fronts(shape, near) if counts else []
        found = [mask.hidden(walk, ids) for ids in all_ids]
        for number in sorted({one + step for one in numbers for step in (-1, 0, 1) if one + step >= 0}):
            if all(one.equal(ids == number) for one, ids in zip(found, all_ids, strict=True)):
                return Padding(read, number)
    elif shape in (wanted[:1], [*wanted[:1], 1]) and kind in _WHOLE:
        steps = wanted[1]
        places = torch.arange(steps)
        tried = [torch.full(shape, length, dtype=kind) for length in range(steps + 1)]
        tried.append(torch.randint(0, steps + 1, shape, generator=draw, dtype=kind))
        if all(mask.hidden(walk, one).equal(places >= one.reshape(-1, 1)) for one in tried):
            return Padding(read, None)
    return None


def _fronts(shape: list[int], numbers: Any) -> list[Any]:
    """Inputs whose first steps, so many of them, are another number than the rest."""
    places, steps = torch.arange(shape[1]).expand(shape), shape[1]
    return [
        torch.where(places < count, one, other)
        for one, other in zip(numbers, numbers.roll(1), strict=True)
        for count in sorted({1, 2, steps // 2, steps - 2, steps - 1})
    ]


def _names_rows(walk: Reading, read: Any) -> bool:
    """Whether an input's numbers name rows of a table, and are 0 or more."""
    return any(user.op == "call_function" and operation(user) == "aten.embedding.default" for user in read.users)


def behind(walk: Reading, mask: Any) -> tuple[set[Any], set[Any]]:
    """The inputs that a mask depends on, and the operations between."""
    reads: set[Any] = set()
    between: set[Any] = set()
    waiting = [mask]
    while waiting:
        one = waiting.pop()
        if walk.is_constant(one) or one in between:
            continue
        if one.op == "placeholder":
            reads.add(one)
        else:
            between.add(one)
            waiting += one.all_input_nodes
    return reads, between


def _numbers(walk: Reading, between: set[Any]) -> set[int]:
    """Whole numbers that operations compare with, or find something by: those that they are called with, and of
    constants what these hold, and where. None at all where a constant holds too much for all to be tried."""
    given = [one for node in between for one in (*node.args, *node.kwargs.values())]
    found = {one for one in given if isinstance(one, int) and not isinstance(one, bool)}
    for constant in {one for node in between for one in node.all_input_nodes if walk.is_constant(one)}:
        try:
            held = torch.as_tensor(_tracing.numbers(walk.exported, constant, has_parameters=True))
        except _tracing.ElsewhereError:
            return set()
        values = np.unique(held.numpy())
        if not held.dtype.is_floating_point:
            found.update(values[:_MOST].tolist())
        if len(values) > 1:
            found.update(range(max(held.shape)))
        if len(values) > _MOST or len(found) > _MOST or (len(values) > 1 and held.dtype.is_floating_point):
            return set()
    return found
