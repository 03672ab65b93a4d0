"""The mean of the steps of a sequence that are seen, written by hand: (x * seen[..., None]).sum(1) / seen.sum(1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from martlet.nn.modules import _padding, _tracing
from martlet.nn.modules._exporting import arguments, operation, refusal
from martlet.nn.modules._reading import Reading, Value
from martlet.nn.sequences import GlobalAveragePooling1D


class _Seen(NamedTuple):
    """Which steps are seen, by an input: factors of steps, ones and zeros, and what their sum is divided by."""

    factors: Any
    count: Any
    read: Any

    def hidden(self, walk: Reading, given: Any) -> Any:
        """As Hiding's; nothing where factors are others, or what divides is not how many steps are seen."""
        try:
            found, count = (
                _tracing.numbers(walk.exported, one, known={self.read: given.clone()}).double()
                for one in (self.factors, self.count)
            )
        except (_tracing.ElsewhereError, IndexError):
            return torch.zeros(0)
        first = found[..., 0]
        wanted = first.sum(1, keepdim=True)
        is_count = (wanted == 0) | ((count - wanted).abs() <= 1e-6 * wanted)
        is_mask = ((found == 0) | (found == 1)).all() and found.equal(first[..., None].expand(found.shape))
        return first == 0 if is_mask and is_count.all() else torch.zeros(0)


def find(walk: Reading) -> None:
    """Finds all such means, and leaves what they are made of to them."""
    for node in walk.exported.nodes:
        if node.op == "call_function" and operation(node) in ("aten.div.Tensor", "aten.div_.Tensor"):
            _find(walk, node)


def _find(walk: Reading, node: Any) -> None:
    total, count = node.args[:2]
    if not hasattr(count, "op") or not _is(total, "aten.sum.dim_IntList"):
        return
    how, product = arguments(total), total.args[0]
    if how["dim"] not in ([1], [-2]) or how["keepdim"] or not _is(product, "aten.mul.Tensor"):
        return
    for value, factors in (product.args[:2], product.args[1::-1]):
        if all(hasattr(one, "op") for one in (value, factors)) and _takes(walk, node, value, factors, count):
            walk.taken |= {total, product}
            return


def _takes(walk: Reading, node: Any, value: Any, factors: Any, count: Any) -> bool:
    """Whether a quotient is the mean of a value's steps that factors show; what says so is taken then."""
    (reads, made_of), (others, counted) = _padding.behind(walk, factors), _padding.behind(walk, count)
    sizes = _tracing.sizes(value)
    if len(sizes) != 3 or len(reads) != 1 or reads != others:
        return False
    samples, steps, features = sizes
    if _tracing.sizes(factors) not in ([samples, steps, 1], sizes):
        return False
    if _tracing.sizes(count) not in ([samples, 1], [samples, features]):
        return False
    between = made_of | counted
    found = _padding.said(walk, _Seen(factors, count, next(iter(reads))), sizes[:2], between, counts=True)
    if found is not None:
        walk.taken |= between
        walk.means[node] = value, found
    return found is not None


def _is(node: Any, name: str) -> bool:
    """Whether a value is an operation's that one other reads."""
    found = getattr(node, "op", "") == "call_function" and operation(node).replace("_.", ".", 1) == name
    return bool(found and len(node.users) == 1)


def mean(walk: Reading, node: Any) -> Value:
    read, padding = walk.means[node]
    value = walk.value(read).straight
    if value.rank != 2 or value.is_second:
        raise refusal(node, "is a mean of something else than (samples, steps, features), which is taken")
    return Value(GlobalAveragePooling1D()(padding.hide(walk, value.node)))
