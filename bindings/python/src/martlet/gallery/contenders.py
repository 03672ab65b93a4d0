"""The algorithms as a gallery runs them: all that martlet.optim has, and a few again with an option."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from martlet import _algorithms, optim

# What the others are seen beside.
BASELINES = ("sgd", "momentum", "rmsprop")
# What has a name of its own with an option: that of the algorithm, and the option.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "momentum": ("sgd", {"momentum": 0.9}),
    "hyperball": ("adamw", {"hyperball": True}),
    "normuon": ("muon", {"normuon": True}),
}


class Contender(NamedTuple):
    """An algorithm: a class of martlet.optim and what it gets beside the rate. takes_vectors: whether it does more with
    them than another that is here; place: among all."""

    name: str
    kind: Callable[..., optim.Optimizer]
    options: dict[str, Any]
    takes_vectors: bool
    place: int = 0


def contenders() -> dict[str, Contender]:
    """The baselines, then the others in the library's order, by their names there, each before its variants.

    Each has the library's defaults, but no weight decay, which would move the minimum. What steps matrices alone has
    AdamW beside it, and steps of AdamW's size, so that one rate is for both.
    """
    kinds = {kind.__dict__["_algorithm"]: kind for kind in vars(optim).values() if _is_algorithm(kind)}
    found: dict[str, Contender] = {}
    for number in sorted(kinds):
        algorithm = _algorithms.of(number)
        options: dict[str, Any] = {}
        if "weight_decay" in algorithm.defaults:
            options["weight_decay"] = 0.0
        if "adjust_lr_fn" in inspect.signature(kinds[number]).parameters:
            options["adjust_lr_fn"] = "match_rms_adamw"
        plain = Contender(algorithm.name, kinds[number], options, algorithm.takes_vectors)
        found[algorithm.name] = plain
        for name, (base, option) in VARIANTS.items():
            if base == algorithm.name:
                # Of vectors no norm is kept.
                takes_vectors = plain.takes_vectors and "hyperball" not in option
                found[name] = Contender(name, plain.kind, {**options, **option}, takes_vectors)
    names = [*BASELINES, *(name for name in found if name not in BASELINES)]
    return {name: found[name]._replace(place=place) for place, name in enumerate(names)}


def _is_algorithm(kind: Any) -> bool:
    return isinstance(kind, type) and "_algorithm" in kind.__dict__


@contextmanager
def trained(optimizer: Any) -> Iterator[None]:
    """The parameters at the trained point, of an algorithm that takes gradients at another one too."""
    if not hasattr(optimizer, "eval"):
        yield
        return
    optimizer.eval()
    yield
    optimizer.train()
