"""Which parameters Muon steps, and which AdamW beside it: rules by shape and name, the caller's own first.

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

MUON, ADAMW = "muon", "adamw"
# Jordan's rate for what Muon does not step.
_ADAMW_LR = 3e-4

# Layers that give a model's outputs, and tables of embeddings, by what they are usually called.
HEADS = frozenset({"lm_head", "head", "classifier", "score", "logits", "output_layer", "output_projection"})
_TABLES = frozenset({"wte", "wpe", "emb", "tok_emb", "pos_emb"})

Rule = Callable[[str, Any], str | None]


class Route(NamedTuple):
    """algorithm: MUON or ADAMW; why: the rule in words; blocks: matrices that lie one above the other."""

    algorithm: str
    why: str
    blocks: int = 1


class Rules:
    """The caller's rules. rules: (pattern, algorithm) pairs, of which the first that matches counts, or a function of a
    name and a parameter that gives an algorithm or None; blocks: by pattern, the matrices in a parameter.

    A pattern is a glob of a parameter's name, or of the name of a module that it is in: "head" is of "head.weight" too.
    One that gives Muon a module's matrices leaves its vectors alone.
    """

    def __init__(self, rules: Any, blocks: Any) -> None:
        self._call: Rule | None = rules if callable(rules) else None
        self._pairs = [] if rules is None or callable(rules) else _pairs(rules, "rules")
        for pattern, algorithm in self._pairs:
            _check_algorithm(algorithm, f"rules has {algorithm!r} for {pattern!r}")
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
            _check_found(pattern, "rules", names, names)
            if algorithm == MUON:
                found = [(name, tuple(parameter.shape)) for name, parameter in named if _matches(pattern, name)]
                check_matrix(*max(found, key=lambda of: len(of[1])))
        matrices = [name for name, route in zip(names, routes, strict=True) if route.algorithm == MUON]
        for pattern, _ in self._blocks:
            _check_found(pattern, "blocks", matrices, names)
        return routes

    def _route(self, name: str, parameter: Any, known: Route | None) -> Route:
        shape = tuple(parameter.shape)
        route = self._own(name, parameter) or known or _usual(name, shape)
        if route.algorithm == ADAMW:
            return route
        check_matrix(name, shape)
        found = [(pattern, count) for pattern, count in self._blocks if _matches(pattern, name)]
        if found:
            route = route._replace(blocks=int(found[0][1]), why=f"{route.why}; blocks has {found[0][0]!r}")
        check_blocks(name, shape, route.blocks)
        return route

    def _own(self, name: str, parameter: Any) -> Route | None:
        """What the caller's rules say."""
        if self._call is not None:
            said = self._call(name, parameter)
            if said is None:
                return None
            return Route(_check_algorithm(said, f"rules({name!r}, ...) is {said!r}"), "the function given as rules")
        for pattern, algorithm in self._pairs:
            if (algorithm != MUON or len(parameter.shape) > 1) and _matches(pattern, name):
                return Route(algorithm, f"rules has {pattern!r}")
        return None


def adamw_rate(lr: Any, adjust_lr_fn: Any) -> Any:
    """AdamW's rate beside Muon's, where none is given: the same, if that is scaled to steps of AdamW's size."""
    return lr if adjust_lr_fn == "match_rms_adamw" else _ADAMW_LR


def _usual(name: str, shape: tuple[int, ...]) -> Route:
    """Where a parameter goes of which nothing but name and shape is known."""
    return by_shape(shape) or by_name(name) or Route(MUON, "a matrix" if len(shape) == 2 else "a kernel, row by row")


def by_shape(shape: tuple[int, ...]) -> Route | None:
    """For what is no matrix, or only looks like one."""
    if len(shape) < 2:
        return Route(ADAMW, "a vector" if shape else "a number")
    if min(shape[0], prod(shape[1:])) < 2:
        return Route(ADAMW, "a single row or column")
    return None


def by_name(name: str) -> Route | None:
    """For tables and output layers by what they are called."""
    parts = name.split(".")
    if "embed" in name.lower() or not _TABLES.isdisjoint(parts):
        return Route(ADAMW, "an embedding by its name")
    if not HEADS.isdisjoint(parts[-2:]):
        return Route(ADAMW, "an output layer by its name")
    if "bias" in parts[-1]:
        return Route(ADAMW, "a bias by its name")
    return None


def check_matrix(name: str, shape: tuple[int, ...]) -> None:
    """Refuses what Muon cannot step."""
    if len(shape) < 2:
        raise ShapeError(
            f"Muon steps matrices, and {name} has shape {shape}; give it to AdamW: a rule ({name!r}, 'adamw'), or a "
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


def _check_algorithm(said: Any, what: str) -> str:
    if said not in (MUON, ADAMW):
        raise ArgumentError(f"{what}; wanted {MUON!r} or {ADAMW!r}")
    return str(said)


def _check_found(pattern: str, what: str, among: Sequence[str], names: Sequence[str]) -> None:
    if any(_matches(pattern, name) for name in among):
        return
    if any(_matches(pattern, name) for name in names):
        raise ArgumentError(f"{what} has {pattern!r}, which matches no parameter that Muon steps; take it out")
    raise ArgumentError(f"{what} has {pattern!r}, which matches none of the parameters: {_some(names)}")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _matches(pattern: str, name: str) -> bool:
    """Whether a glob is of a parameter's name, or of a module's in which it is."""
    ends = [*(dot.start() for dot in re.finditer(r"[./]", name)), len(name)]
    return any(fnmatchcase(name[:end], pattern) for end in ends)
