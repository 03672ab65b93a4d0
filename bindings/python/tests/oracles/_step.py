"""What all rules share: the state, and one step around a rule, with its weight decay and its sign."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from inspect import isgenerator
from typing import Any

import numpy as np

LONG = np.longdouble
Array = np.ndarray[Any, Any]
Rule = Callable[..., Any]
#: Rules whose references have weight decay inside the equation.
OWN_DECAY: set[Rule] = set()
#: Those of them that leave it out where decay is decoupled.
OR_APART: set[Rule] = set()
#: Rules that go by the parameter: decoupled decay comes before them.
AFTER_DECAY: set[Rule] = set()


class State(dict[str, Any]):
    """What a rule keeps between steps. An array that nobody has set yet is zeros in the parameter's shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __missing__(self, name: str) -> Array:
        return np.zeros(self.shape, LONG)


def exact(value: Any) -> Any:
    """A number as longdouble, so that 1 - 0.999 has no error of double; what is no number stays."""
    if isinstance(value, tuple):
        return tuple(map(exact, value))
    return LONG(value) if isinstance(value, float) else value


def step(rule: Rule, p: Array, g: Array, s: State, t: int, **options: Any) -> Array:
    """One parameter by itself; options are those of `steps`."""
    return steps(rule, [p], [g], [s], t, **options)[0]


def steps(
    rule: Rule, ps: Sequence[Array], gs: Sequence[Array], states: Sequence[State], t: int, **options: Any
) -> list[Array]:
    """The parameters after step `t`, in longdouble. A rule that sums over all of them is a generator: it yields what is
    summed, and gets the sum.
    """
    ways = [_way(rule, *arrays, t, **options) for arrays in zip(ps, gs, states, strict=True)]
    sums, found = [], []
    for way in ways:
        try:
            sums.append(next(way))
        except StopIteration as end:
            found.append(end.value)
    for way in ways if sums else ():
        try:
            way.send(sum(sums))
        except StopIteration as end:
            found.append(end.value)
    return found


def _way(
    rule: Rule,
    p: Array,
    g: Array,
    s: State,
    t: int,
    *,
    lookahead_steps: int = 0,
    lookahead_alpha: float = 0.5,
    **options: Any,
) -> Generator[Array, Array, Array]:
    """The parameter after step `t`, counted from 1, in longdouble; every so many steps it goes back to slow weights
    (Zhang et al., NeurIPS 2019, algorithm 1), which go `lookahead_alpha` of the way to it before.
    """
    if lookahead_steps and t == 1:
        s["slow"] = p.astype(LONG)
    p = yield from _moved(rule, p, g, s, t, **options)
    if not lookahead_steps or t % lookahead_steps:
        return p
    s["slow"] = s["slow"] + exact(lookahead_alpha) * (p - s["slow"])
    return s["slow"]


def _moved(
    rule: Rule,
    p: Array,
    g: Array,
    s: State,
    t: int,
    *,
    lr: float,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    cautious_weight_decay: bool = False,
    corrected_weight_decay: bool = False,
    cautious: bool = False,
    hyperball: bool = False,
    maximize: bool = False,
    semantics: str = "torch",
    **options: Any,
) -> Generator[Array, Array, Array]:
    """The same of the step itself. `rule` gives what is subtracted; None where nothing
    moves at all, by decay neither.

    Decoupled weight decay (https://arxiv.org/abs/1711.05101) takes lr * weight_decay * p off; "paper" leaves lr out,
    and Keras knows no other decay. Corrected (https://arxiv.org/abs/2506.02285): lr^2 over the largest lr so far in
    lr's place. Cautious: only where the update goes towards zero as well. A rule that makes the rate smaller says in
    the state's `share` how much of it is left for the decay.

    Cautious updates (https://arxiv.org/abs/2411.16085): without elements in which they go against the gradient, over
    the share of the others, or 0.001.

    Hyperball (Wen et al., 2025: Fantastic pretraining optimizers and where to find them 2.1), without decay: a
    parameter of two dimensions or more keeps its first norm, and goes lr times that along the update before it is
    scaled to it.
    """
    p, g = p.astype(LONG), g.astype(LONG)
    g = -g if maximize else g
    rate, decay = LONG(lr), LONG(weight_decay)
    options = {name: exact(value) for name, value in options.items()}
    if semantics != "torch":
        options["semantics"] = semantics
    share = LONG(1)
    if corrected_weight_decay:
        s["largest_rate"] = max(rate, s.get("largest_rate", rate))
        share = rate / s["largest_rate"]
    if rule in OR_APART and decoupled_weight_decay:
        options["weight_decay"] = LONG(0)
    elif rule in OWN_DECAY:
        update = rule(p, g, s, t, rate, weight_decay=share * decay, **options)
        update = masked(update, g) if cautious else update
        return on_sphere(p, update, s, rate) if hyperball and p.ndim > 1 else p - update
    decoupled = decoupled_weight_decay or semantics == "keras"
    g = g if decoupled or decay == 0 else g + decay * p
    if decoupled and rule in AFTER_DECAY:
        p, decay = p - share * rate * decay * p, LONG(0)
    update = rule(p, g, s, t, rate, **options)
    if isgenerator(update):
        update = yield from update
    if cautious and update is not None:
        update = masked(update, g)
    if hyperball and p.ndim > 1 and update is not None:
        return on_sphere(p, update, s, rate)
    if not decoupled or update is None:
        return p if update is None else p - update
    lost = (1 if semantics == "paper" else share * rate) * s.get("share", 1) * decay * p
    return p - update - (np.where(update * p >= 0, lost, 0) if cautious_weight_decay else lost)


def masked(update: Array, g: Array) -> Array:
    """What is left of an update that goes nowhere against the gradient."""
    mask = update * g > 0
    if not mask.size:
        return update
    return np.where(mask, update / max(mask.mean(), LONG(1e-3)), 0)


def on_sphere(p: Array, update: Array, s: State, rate: LONG) -> Array:
    """A parameter moved along the sphere of its first norm."""
    radius, norm = s.get("radius", np.sqrt(np.sum(p * p))), np.sqrt(np.sum(update * update))
    s["radius"] = radius
    if radius == 0 or norm == 0:
        return p
    moved = p - rate * radius * update / norm
    return radius * moved / np.sqrt(np.sum(moved * moved))
