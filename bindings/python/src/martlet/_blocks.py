"""Which elements of a parameter share a second moment in Adam-mini: by its name, as the authors' package, adam-mini
1.1.1, has it, the caller's rules first.

Of a parameter it sees a name and a shape. A name counts in lower case, and a word anywhere in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from numbers import Integral
from typing import Any, NamedTuple

from martlet._errors import ArgumentError, DTypeError, ShapeError
from martlet._routing import ADAMW, Names

ROWS, HEADS, TENSOR = "rows", "heads", "tensor"
_WAYS = (ROWS, HEADS, TENSOR, ADAMW)

_OF_HEADS = ("k_proj", "q_proj", "wq", "wk", "query", "key")
_OF_ROWS = {
    "an embedding": ("embed", "embd", "wte"),
    "an output layer": ("lm_head", "output", "final_layer"),
    "values": ("v_proj", "wv", "value"),
    "attention's projection": ("o_proj", "wo", "attn.proj"),
    "a layer of an MLP": ("feed_forward", "linear", "mlp"),
}
_UNDECAYED = ("norm", "ln", "bias")


class Block(NamedTuple):
    """size: first indices in a block, 0 for all of them, or None where AdamW steps the parameter; decays: whether its
    weight decays; why: the rule in words."""

    size: int | None
    decays: bool
    why: str


class Blocks:
    """The rules. rules: (pattern, way) pairs, of which the first that matches counts, or a function of a name and a
    parameter that gives a way or None. A pattern is a glob of a parameter's name, or of that of a module that it is in.
    dim, n_heads: as large as queries are, and how many heads are in them."""

    def __init__(self, rules: Any, dim: Any, n_heads: Any) -> None:
        self._dim, self._heads = _count(dim, "dim"), _count(n_heads, "n_heads")
        if self._dim and self._heads and self._dim % self._heads:
            raise ArgumentError(f"dim is {self._dim} and n_heads {self._heads}; wanted a multiple of n_heads")
        self._call = rules if callable(rules) else None
        given = [] if rules is None or callable(rules) else rules
        try:
            self._pairs = list(given.items() if isinstance(given, Mapping) else given)
        except TypeError:
            raise DTypeError(
                f"rules is {rules!r}; wanted (pattern, way) pairs, a dict of them, or a function"
            ) from None
        for pair in self._pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
                raise DTypeError(f"rules has {pair!r}; wanted (pattern, way) pairs, a dict of them, or a function")
            _check_way(pair[1], f"rules has {pair[1]!r} for {pair[0]!r}")

    def __bool__(self) -> bool:
        return self._call is not None or bool(self._pairs) or self._dim is not None or self._heads is not None

    def routes(self, named: Sequence[tuple[str, Any]]) -> list[Block]:
        """What becomes of each parameter."""
        said = self._said(named)
        return [self._block(name, tuple(each.shape), said.get(place)) for place, (name, each) in enumerate(named)]

    def _said(self, named: Sequence[tuple[str, Any]]) -> dict[int, tuple[str, str]]:
        """What the caller's rules say, by place, and which."""
        found: dict[int, tuple[str, str]] = {}
        if self._call is not None:
            for place, (name, parameter) in enumerate(named):
                if (way := self._call(name, parameter)) is not None:
                    _check_way(way, f"rules({name!r}, ...) is {way!r}")
                    found[place] = way, "the function given as rules"
        names = Names([name for name, _ in named])
        for pattern, way in self._pairs:
            places = names.places(pattern)
            if not places:
                raise ArgumentError(f"rules has {pattern!r}, which matches none of the parameters: {names}")
            for place in places:
                found.setdefault(place, (way, f"rules has {pattern!r}"))
        return found

    def _block(self, name: str, shape: tuple[int, ...], said: tuple[str, str] | None) -> Block:
        lower = name.lower()
        decays = not any(word in lower for word in _UNDECAYED)
        way, why = said or _usual(lower, shape)
        if way == ADAMW:
            return Block(None, decays, why)
        if way == HEADS:
            return Block(self._head(name, shape), decays, f"{why}, by heads")
        return Block(1 if way == ROWS else 0, decays, f"{why}, {'by rows' if way == ROWS else 'as one'}")

    def _head(self, name: str, shape: tuple[int, ...]) -> int:
        """The rows of a head."""
        if self._heads is None:
            raise ArgumentError(f"{name} is a query or key by its name; wanted n_heads, or a rule ({name!r}, 'rows')")
        dim = self._dim or prod(shape[1:])
        if not dim or dim % self._heads or not shape or shape[0] % (dim // self._heads):
            raise ShapeError(
                f"{name} has shape {shape}, with n_heads {self._heads} and dim {dim}; wanted a dim that is a multiple "
                "of n_heads, and a first size that is one of the quotient"
            )
        return dim // self._heads


def check_size(name: str, shape: tuple[int, ...], size: int) -> None:
    """Refuses blocks that do not divide a parameter's first dimension."""
    rows = shape[0] if shape else 1
    if size and rows % size:
        raise ShapeError(f"{name} has shape {shape}, and block_size is {size}; wanted a divisor of {rows}, or 0")


def _usual(lower: str, shape: tuple[int, ...]) -> tuple[str, str]:
    """What the name says, or how many dimensions there are."""
    if "bias" in lower:
        return (ROWS, "a bias") if len(shape) < 2 else (ADAMW, "a bias of several dimensions")
    if len(shape) < 2:
        return TENSOR, "a vector"
    if any(word in lower for word in _OF_HEADS):
        return HEADS, "a query or key"
    for why, words in _OF_ROWS.items():
        if any(word in lower for word in words):
            return ROWS, why
    return TENSOR, "of no known name"


def _count(number: Any, name: str) -> int | None:
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, Integral) or number < 1:
        raise ArgumentError(f"{name} is {number!r}; wanted a whole number, 1 or more")
    return int(number)


def _check_way(way: Any, what: str) -> None:
    if way not in _WAYS:
        raise ArgumentError(f"{what}; wanted one of {', '.join(map(repr, _WAYS))}")
