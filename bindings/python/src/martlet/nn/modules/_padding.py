"""Masks of padding, True where a key is hidden: which input says it, and how. torch itself is asked, which runs the
operations between an input and a mask on numbers that tell ways apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from martlet.nn.masking import Masking, SequenceMask
from martlet.nn.modules import _tracing
from martlet.nn.modules._exporting import operation, refusal
from martlet.nn.modules._reading import Reading
from martlet.nn.node import Node

_WHOLE = (torch.uint8, torch.int32, torch.int64)
_WANTED = (
    "has a key_padding_mask that is taken where an input of bools is it, or its opposite, where an input of whole "
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
                found, between = _found(walk, node, mask)
                walk.padding[mask] = found
                walk.taken |= between


def _found(walk: Reading, node: Any, mask: Any) -> tuple[Padding, set[Any]]:
    reads, between = _behind(walk, mask)
    if len(reads) != 1 or len(_tracing.sizes(mask)) != 2:
        raise refusal(node, _WANTED)
    (read,) = reads
    kind, shape, wanted = read.meta["val"].dtype, _tracing.sizes(read), _tracing.sizes(mask)
    draw = torch.Generator().manual_seed(1)
    if shape == wanted and kind == torch.bool:
        given = torch.rand(shape, generator=draw) < 0.5
        for number in (1, 0):
            if _hidden(walk, node, mask, read, given).equal(given == bool(number)):
                return Padding(read, number), between
    elif shape == wanted and kind in _WHOLE:
        numbers = _numbers(between)
        near = torch.tensor(sorted({max(one + step, 0) for one in numbers for step in range(-2, 3)}), dtype=kind)
        places = torch.arange(torch.Size(shape).numel()).reshape(shape)
        all_ids = [near[(places + first) % len(near)] for first in range(len(near))]
        found = [_hidden(walk, node, mask, read, ids) for ids in all_ids]
        for number in sorted(numbers):
            if all(one.equal(ids == number) for one, ids in zip(found, all_ids, strict=True)):
                return Padding(read, number), between
    elif shape in (wanted[:1], [*wanted[:1], 1]) and kind in _WHOLE:
        steps = wanted[1]
        places = torch.arange(steps)
        tried = [torch.full(shape, length, dtype=kind) for length in range(steps + 1)]
        tried.append(torch.randint(0, steps + 1, shape, generator=draw, dtype=kind))
        if all(_hidden(walk, node, mask, read, one).equal(places >= one.reshape(-1, 1)) for one in tried):
            return Padding(read, None), between
    raise refusal(node, _WANTED)


def _behind(walk: Reading, mask: Any) -> tuple[set[Any], set[Any]]:
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


def _numbers(between: set[Any]) -> set[int]:
    """Whole numbers that operations are called with."""
    given = [one for node in between for one in (*node.args, *node.kwargs.values())]
    return {one for one in given if isinstance(one, int) and not isinstance(one, bool) and one >= 0}


def _hidden(walk: Reading, node: Any, mask: Any, read: Any, given: Any) -> Any:
    """What a mask hides where an input is given so. Raises for what depends on parameters, and other numbers."""
    try:
        found = _tracing.numbers(walk.exported, mask, known={read: given})
    except _tracing.ElsewhereError:
        raise refusal(node, _WANTED) from None
    if found.dtype == torch.bool:
        return found
    if not ((found == -torch.inf) | (found == 0)).all():
        raise refusal(node, "has a key_padding_mask of other numbers than 0 and -inf, which is not taken")
    return found == -torch.inf
