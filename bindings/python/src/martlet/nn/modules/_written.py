"""Attention that is written by hand: softmax(query keysᵀ scale, what is hidden at -inf) values. Softmax and what stands
around it are found before the walk."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch

from martlet.nn.modules import _tracing
from martlet.nn.modules._exporting import arguments, operation, refusal
from martlet.nn.modules._reading import Reading

_PRODUCTS = {"aten.matmul.default", "aten.bmm.default"}
_KEPT = {"aten.contiguous.default", "aten.clone.default", "aten.alias.default"}
_FILLS = {"aten.masked_fill.Scalar", "aten.masked_fill.Tensor"}
_FACTORS = {"aten.mul.Tensor", "aten.mul.Scalar", "aten.div.Tensor", "aten.div.Scalar"}
# Where a softmax sees anything else, its exponential is 0 in float32.
_NEVER = -1e7


class Mask(NamedTuple):
    """What is done to scores. mask: of bools, True where they become number, or with shows where they do not; or the
    numbers that are added, None."""

    mask: Any
    number: float | None
    shows: bool = False


class Product(NamedTuple):
    """Attention. node: gives (samples, heads, steps, numbers), or without heads; scale: None is the usual one;
    is_turned: key is (..., numbers, steps), as by hand; inside: what else it is made of."""

    node: Any
    query: Any
    key: Any
    value: Any
    scale: float | None = None
    dropout: float = 0.0
    is_causal: bool = False
    masks: tuple[Mask, ...] = ()
    is_turned: bool = False
    inside: frozenset[Any] = frozenset()


def name_of(node: Any) -> str:
    """What an operation is called, also where it writes in place."""
    return operation(node).replace("_.", ".", 1) if node.op == "call_function" else ""


def by_hand(walk: Reading, node: Any) -> Product | None:
    """The attention that a softmax is part of; None: it is another's."""
    inside = {node}
    before, end, dropout = _ended(node, inside)
    if end is None or end.args[0] is not before or node.args[1] not in (-1, len(node.meta["val"].shape) - 1):
        return None
    found = _scores(walk, node, inside)
    if found is None:
        raise refusal(end, "is attention of other scores than products of queries and keys, scaled and masked, which "
                           "are taken")  # fmt: skip
    product, scale, masks = found
    query, key = product.args[:2]
    return Product(end, query, key, end.args[1], scale, dropout, False, tuple(masks), True, frozenset(inside))


def _ended(node: Any, inside: set[Any]) -> tuple[Any, Any, float]:
    """The product that reads what a softmax gives, and what it reads, behind dropout of a rate; None: there is none."""
    dropout, before, end = 0.0, None, node
    while name_of(end) not in _PRODUCTS:
        if end is not node and name_of(end) == "aten.dropout.default":
            given = arguments(end)
            rate = given["p"] if given["train"] else 0.0
            dropout += rate - dropout * rate
        elif end is not node and name_of(end) not in _KEPT:
            return before, None, dropout
        inside.add(end)
        read = [user for user in end.users if name_of(user) in _PRODUCTS and user.args[0] is end]
        if read and len(end.users) > 1:
            raise refusal(read[0], "reads weights of attention that others read too, and only what is attended is "
                                   "taken")  # fmt: skip
        if len(end.users) != 1:
            return before, None, dropout
        before, end = end, next(iter(end.users))
    return before, end, dropout


def _scores(walk: Reading, node: Any, inside: set[Any]) -> tuple[Any, float, list[Mask]] | None:
    """The product of queries and keys that a softmax reads, by which number it is multiplied, and what hides."""
    scale, masks, one = 1.0, [], node.args[0]
    while name_of(one) not in _PRODUCTS:
        if one.op != "call_function" or len(one.users) != 1:
            return None
        inside.add(one)
        name, args = name_of(one), one.args
        if name in _FILLS:
            number = _number(walk, args[2])
            if number is None:
                return None
            masks.append(Mask(args[1], number * scale))
        elif name == "aten.add.Tensor" and not one.kwargs and all(hasattr(arg, "op") for arg in args):
            added = [arg for arg in args if walk.is_constant(arg)]
            if len(added) != 1:
                return None
            masks.append(Mask(added[0], None))
            args = [arg for arg in args if arg is not added[0]]
        elif name in _FACTORS and (factor := _number(walk, args[1])):
            scale *= factor if ".mul." in name else 1 / factor
        elif name not in _KEPT:
            return None
        one = args[0]
    if len(one.users) != 1 or scale <= 0:
        return None
    inside.add(one)
    return one, scale, masks


def factor_of(walk: Reading, node: Any) -> float | None:
    """By which number an operation multiplies what it reads; None: it does something else."""
    if name_of(node) not in _FACTORS:
        return None
    number = _number(walk, node.args[1])
    return None if not number else number if ".mul." in name_of(node) else 1 / number


def _number(walk: Reading, given: Any) -> float | None:
    """A number that a module has, also as a tensor of one; None: it is none."""
    if isinstance(given, int | float):
        return float(given)
    if not hasattr(given, "op") or not walk.is_constant(given):
        return None
    try:
        found = [torch.as_tensor(_tracing.numbers(walk.exported, given, batch=batch)) for batch in _batches()]
    except _tracing.ElsewhereError:
        return None
    return found[0].item() if found[0].numel() == 1 and all(one.equal(found[0]) for one in found) else None


def _batches() -> tuple[int | None, ...]:
    return None, *_tracing.BATCHES


def hides(walk: Reading, node: Any, masks: tuple[Mask, ...], sizes: tuple[int, int], most: float = _NEVER) -> bool:
    """Whether masks of an operation that depend on no input hide what comes later, or nothing. sizes: how many steps
    ask, and are asked; most: of the numbers that hide."""
    later, found = torch.ones(sizes, dtype=torch.bool).triu(1), set()
    for batch in _batches():
        hidden = torch.zeros(sizes, dtype=torch.bool)
        for mask in masks:
            hidden = hidden | _hidden(walk, node, mask, batch, most)
        if hidden.any() and not hidden.equal(later.expand(hidden.shape)):
            raise refusal(node, "has a mask that hides something else than what comes later, which is not taken")
        found.add(bool(hidden.any()))
    if len(found) > 1:
        raise refusal(node, "has a mask that depends on the batch's size, which is not taken")
    return found.pop()


def _hidden(walk: Reading, node: Any, mask: Mask, batch: int | None, most: float) -> Any:
    """What a mask hides in a batch of some samples."""
    try:
        found = _tracing.numbers(walk.exported, mask.mask, batch=batch)
    except _tracing.ElsewhereError:
        raise refusal(node, "has a mask that depends on samples or parameters, which is not taken") from None
    wanted = "-inf" if most == -math.inf else f"{most:g} or less"
    if mask.number is not None:
        if not mask.number <= most:
            raise refusal(node, f"hides by {mask.number:g}, and {wanted} is taken")
        return ~found if mask.shows else found
    if not ((found == 0) | (found <= most)).all():
        raise refusal(node, f"has a mask of other numbers than 0 and {wanted}, which is not taken")
    return found <= most
