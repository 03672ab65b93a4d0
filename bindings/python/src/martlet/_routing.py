"""Which parameters an algorithm of matrices steps, and which AdamW beside it: rules by shape and name, the caller's own
first.

Of a parameter it sees a name and a shape; what layers it may be in is said by whoever knows them (torch/roles.py).
"""

from __future__ import annotations

import fnmatch
import itertools
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import prod
from numbers import Integral
from typing import Any, NamedTuple

from martlet._errors import ArgumentError, DTypeError, ShapeError

ADAMW = "adamw"
# Jordan's rate for what Muon does not step.
_ADAMW_LR = 3e-4

# Layers that give a model's outputs, and tables of embeddings, by what they are usually called.
HEADS = frozenset({"lm_head", "head", "classifier", "score", "logits", "output_layer", "output_projection"})
_TABLES = frozenset({"wte", "wpe", "emb", "tok_emb", "pos_emb"})

Rule = Callable[[str, Any], str | None]


class Route(NamedTuple):
    """is_matrix: whether the algorithm of matrices steps it, and not AdamW; why: the rule in words; blocks: matrices
    that lie one above the other."""

    is_matrix: bool
    why: str
    blocks: int = 1


class Owner(NamedTuple):
    """Whose rules they are. title: of the class; name: what its groups call the algorithm; takes_all: whether it steps
    embeddings and output layers as well, and of fused matrices knows nothing."""

    title: str
    name: str
    takes_all: bool = False


class Rules:
    """The caller's rules. rules: (pattern, algorithm) pairs, of which the first that matches counts, or a function of a
    name and a parameter that gives an algorithm or None; blocks: by pattern, the matrices in a parameter.

    A pattern is a glob of a parameter's name, or of the name of a module that it is in: "head" is of "head.weight" too.
    One that gives the owner a module's matrices leaves its vectors alone.
    """

    def __init__(self, owner: Owner, rules: Any = None, blocks: Any = None) -> None:
        self._owner = owner
        self._call: Rule | None = rules if callable(rules) else None
        self._pairs = [] if rules is None or callable(rules) else _pairs(rules, "rules")
        for pattern, algorithm in self._pairs:
            self._is_own(algorithm, f"rules has {algorithm!r} for {pattern!r}")
        self._blocks = [] if blocks is None else _pairs(blocks, "blocks")
        for pattern, count in self._blocks:
            if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
                raise ArgumentError(f"blocks[{pattern!r}] is {count!r}; wanted how many matrices it is, 1 or more")

    def __bool__(self) -> bool:
        return self._call is not None or bool(self._pairs or self._blocks)

    def routes(self, named: Sequence[tuple[str, Any]], known: Mapping[str, Route]) -> list[Route]:
        """Where each parameter goes. known: what the layers of parameters say, by name."""
        names = Names([name for name, _ in named])
        ruled = [names.places(pattern) for pattern, _ in self._pairs]
        cut = [names.places(pattern) for pattern, _ in self._blocks]
        own, blocks = self._own(named, ruled), _firsts(cut)
        routes = [
            self._route(name, parameter, own.get(place) or known.get(name), blocks.get(place))
            for place, (name, parameter) in enumerate(named)
        ]
        for (pattern, algorithm), places in zip(self._pairs, ruled, strict=True):
            self._check_found(pattern, "rules", places, places, names)
            if algorithm == self._owner.name:
                found = [(named[place][0], tuple(named[place][1].shape)) for place in places]
                check_matrix(self._owner.title, *max(found, key=lambda of: len(of[1])))
        for (pattern, _), places in zip(self._blocks, cut, strict=True):
            matrices = [place for place in places if routes[place].is_matrix]
            self._check_found(pattern, "blocks", matrices, places, names)
        return routes

    def _route(self, name: str, parameter: Any, said: Route | None, blocks: int | None) -> Route:
        """said: by the caller or a layer; blocks: the place of the first of blocks that matches."""
        shape = tuple(parameter.shape)
        route = said or self._usual(name, shape)
        if not route.is_matrix:
            return route
        check_matrix(self._owner.title, name, shape)
        if blocks is not None:
            pattern, count = self._blocks[blocks]
            route = route._replace(blocks=int(count), why=f"{route.why}; blocks has {pattern!r}")
        check_blocks(name, shape, route.blocks)
        return route

    def _usual(self, name: str, shape: tuple[int, ...]) -> Route:
        """Where a parameter goes of which nothing but name and shape is known."""
        return by_shape(shape) or (None if self._owner.takes_all else by_name(name)) or of_shape(shape)

    def _own(self, named: Sequence[tuple[str, Any]], ruled: Sequence[Sequence[int]]) -> dict[int, Route]:
        """What the caller's rules say, by place. ruled: what each pattern matches."""
        found: dict[int, Route] = {}
        if self._call is not None:
            for place, (name, parameter) in enumerate(named):
                if (said := self._call(name, parameter)) is not None:
                    is_own = self._is_own(said, f"rules({name!r}, ...) is {said!r}")
                    found[place] = Route(is_own, "the function given as rules")
        for (pattern, algorithm), places in zip(self._pairs, ruled, strict=True):
            route = Route(algorithm == self._owner.name, f"rules has {pattern!r}")
            for place in places:
                if not route.is_matrix or len(named[place][1].shape) > 1:
                    found.setdefault(place, route)
        return found

    def _is_own(self, said: Any, what: str) -> bool:
        if said not in (self._owner.name, ADAMW):
            raise ArgumentError(f"{what}; wanted {self._owner.name!r} or {ADAMW!r}")
        return bool(said == self._owner.name)

    def _check_found(self, pattern: str, what: str, among: Sequence[int], found: Sequence[int], names: Names) -> None:
        if among:
            return
        if found:
            raise ArgumentError(
                f"{what} has {pattern!r}, which matches no parameter that {self._owner.title} steps; take it out"
            )
        raise ArgumentError(f"{what} has {pattern!r}, which matches none of the parameters: {names}")


class Names:
    """Parameters' names, to be found by globs of them or of the modules that they are in.

    A glob is tried only where the longest piece of it without wildcards stands: there may be thousands of both.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._places: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            for end in (*(dot.start() for dot in re.finditer(r"[./]", name)), len(name)):
                self._places.setdefault(name[:end], []).append(place)
        self._ends = list(self._places)
        self._text = "\n".join(self._ends)
        self._starts = [0, *itertools.accumulate(len(end) + 1 for end in self._ends)]

    def places(self, pattern: str) -> list[int]:
        """Where the names that a glob matches stand."""
        is_it = re.compile(fnmatch.translate(pattern)).match
        plain = re.split(r"[*?]", re.sub(r"\[.*\]", "*", pattern, flags=re.DOTALL))
        found = filter(is_it, self._with(max(plain, key=len)))
        return sorted({place for end in found for place in self._places[end]})

    def _with(self, piece: str) -> Iterator[str]:
        """The names in which a text is."""
        start = self._text.find(piece)
        while start >= 0:
            number = bisect_right(self._starts, start) - 1
            if number == len(self._ends):  # past the last one
                return
            yield self._ends[number]
            start = self._text.find(piece, self._starts[number + 1])

    def __str__(self) -> str:
        return ", ".join(self._names[:8]) + (", ..." if len(self._names) > 8 else "")


def _firsts(found: Sequence[Sequence[int]]) -> dict[int, int]:
    """For each place, which of several has it first."""
    firsts: dict[int, int] = {}
    for number, places in enumerate(found):
        for place in places:
            firsts.setdefault(place, number)
    return firsts


def adamw_rate(lr: Any, adjust_lr_fn: Any) -> Any:
    """AdamW's rate beside Muon's, where none is given: the same, if that is scaled to steps of AdamW's size."""
    return lr if adjust_lr_fn == "match_rms_adamw" else _ADAMW_LR


def of_shape(shape: tuple[int, ...]) -> Route:
    """For what is a matrix."""
    return Route(True, "a matrix" if len(shape) == 2 else "a kernel, row by row")


def rate_beside_shampoo(lr: Any, grafting: Any) -> Any:
    """AdamW's rate beside Shampoo's: the same, if that is of Adam's steps."""
    return lr if grafting == "adam" else 1e-3


def by_dimensions(count: int) -> Route:
    """For what has no name."""
    return Route(True, "a matrix") if count > 1 else Route(False, "a vector")


def by_shape(shape: tuple[int, ...]) -> Route | None:
    """For what is no matrix, or only looks like one."""
    if len(shape) < 2:
        return Route(False, "a vector" if shape else "a number")
    if min(shape[0], prod(shape[1:])) < 2:
        return Route(False, "a single row or column")
    return None


def by_name(name: str) -> Route | None:
    """For tables and output layers by what they are called."""
    parts = name.split(".")
    if "embed" in name.lower() or not _TABLES.isdisjoint(parts):
        return Route(False, "an embedding by its name")
    if not HEADS.isdisjoint(parts[-2:]):
        return Route(False, "an output layer by its name")
    if "bias" in parts[-1]:
        return Route(False, "a bias by its name")
    return None


def check_matrix(title: str, name: str, shape: tuple[int, ...]) -> None:
    """Refuses what an algorithm of matrices, of that title, cannot step."""
    if len(shape) < 2:
        raise ShapeError(
            f"{title} steps matrices, and {name} has shape {shape}; give it to AdamW: a rule ({name!r}, 'adamw'), or a "
            "group with 'algorithm': 'adamw'"
        )


def check_blocks(name: str, shape: tuple[int, ...], blocks: int) -> None:
    """Refuses blocks that do not divide a parameter's first dimension."""
    if shape[0] % blocks:
        raise ShapeError(
            f"{name} has shape {shape}, and blocks is {blocks}; wanted a divisor of {shape[0]}: as many matrices of "
            "equal size as lie one above the other"
        )


def table(rows: Iterable[tuple[str, tuple[int, ...], str, int, str]]) -> str:
    """Rows of name, shape, algorithm, blocks and reason, as text."""
    cells = [("parameter", "shape", "algorithm", "why")]
    for name, shape, algorithm, blocks, why in rows:
        size = " x ".join(map(str, shape)) or "-"
        cells.append((name, size, algorithm if blocks == 1 else f"{algorithm}, {blocks} blocks", why))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(lines)


def _pairs(given: Any, what: str) -> list[tuple[str, Any]]:
    pairs = list(given.items()) if isinstance(given, Mapping) else given
    if isinstance(pairs, list | tuple) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs
    ):
        return [(pattern, value) for pattern, value in pairs]
    also = ", or a function of a name and a parameter" if what == "rules" else ""
    raise DTypeError(f"{what} is {given!r}; wanted (pattern, value) pairs or a dict of them{also}")
