"""Which parameters an algorithm of matrices steps, and which AdamW beside it: rules by shape and name, the caller's own
first.

Of a parameter it sees a name and a shape; what layers it may be in is said by whoever knows them (torch/roles.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
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
        routes = [self._route(name, parameter, known.get(name)) for name, parameter in named]
        names = [name for name, _ in named]
        for pattern, algorithm in self._pairs:
            self._check_found(pattern, "rules", names, names)
            if algorithm == self._owner.name:
                found = [(name, tuple(parameter.shape)) for name, parameter in named if _matches(pattern, name)]
                check_matrix(self._owner.title, *max(found, key=lambda of: len(of[1])))
        matrices = [name for name, route in zip(names, routes, strict=True) if route.is_matrix]
        for pattern, _ in self._blocks:
            self._check_found(pattern, "blocks", matrices, names)
        return routes

    def _route(self, name: str, parameter: Any, known: Route | None) -> Route:
        shape = tuple(parameter.shape)
        route = self._own(name, parameter) or known or self._usual(name, shape)
        if not route.is_matrix:
            return route
        check_matrix(self._owner.title, name, shape)
        found = [(pattern, count) for pattern, count in self._blocks if _matches(pattern, name)]
        if found:
            route = route._replace(blocks=int(found[0][1]), why=f"{route.why}; blocks has {found[0][0]!r}")
        check_blocks(name, shape, route.blocks)
        return route

    def _usual(self, name: str, shape: tuple[int, ...]) -> Route:
        """Where a parameter goes of which nothing but name and shape is known."""
        return by_shape(shape) or (None if self._owner.takes_all else by_name(name)) or of_shape(shape)

    def _own(self, name: str, parameter: Any) -> Route | None:
        """What the caller's rules say."""
        if self._call is not None:
            said = self._call(name, parameter)
            if said is None:
                return None
            return Route(self._is_own(said, f"rules({name!r}, ...) is {said!r}"), "the function given as rules")
        for pattern, algorithm in self._pairs:
            is_matrix = algorithm == self._owner.name
            if (not is_matrix or len(parameter.shape) > 1) and _matches(pattern, name):
                return Route(is_matrix, f"rules has {pattern!r}")
        return None

    def _is_own(self, said: Any, what: str) -> bool:
        if said not in (self._owner.name, ADAMW):
            raise ArgumentError(f"{what}; wanted {self._owner.name!r} or {ADAMW!r}")
        return bool(said == self._owner.name)

    def _check_found(self, pattern: str, what: str, among: Sequence[str], names: Sequence[str]) -> None:
        if any(_matches(pattern, name) for name in among):
            return
        if any(_matches(pattern, name) for name in names):
            raise ArgumentError(
                f"{what} has {pattern!r}, which matches no parameter that {self._owner.title} steps; take it out"
            )
        raise ArgumentError(f"{what} has {pattern!r}, which matches none of the parameters: {_some(names)}")


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


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _matches(pattern: str, name: str) -> bool:
    """Whether a glob is of a parameter's name, or of a module's in which it is."""
    ends = [*(dot.start() for dot in re.finditer(r"[./]", name)), len(name)]
    return any(fnmatchcase(name[:end], pattern) for end in ends)
