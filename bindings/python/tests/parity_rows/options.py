"""The table of options: what each flag that all rules may have does to each rule that reads it, a column for each.

Which algorithm reads what is asked of the library, so that none is left out. Options of a few rules alone, such as
amsgrad or nesterov, have rows in the other table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from martlet import _algorithms, _spellings, optim
from parity_rows._row import ALONE, L2, MOMENTUM, NOT_APART, Row
from parity_rules import ALGORITHMS, DECOUPLED

WEIGHT_DECAY, APART, UP, CAUTIOUS_DECAY, CORRECTED_DECAY, CAUTIOUS, HYPERBALL, ALL = COLUMNS = (
    "weight decay",
    "decoupled",
    "maximize",
    "cautious decay",
    "corrected decay",
    "cautious",
    "hyperball",
    "all",
)
FLAGS = {
    APART: "decoupled_weight_decay",
    UP: "maximize",
    CAUTIOUS_DECAY: "cautious_weight_decay",
    CORRECTED_DECAY: "corrected_weight_decay",
    CAUTIOUS: "cautious",
    HYPERBALL: "hyperball",
}
DECAYS = {WEIGHT_DECAY, APART, CAUTIOUS_DECAY, CORRECTED_DECAY}
#: Without momentum no step goes against a gradient; AdamW's own decay is not 0.
BESIDE = {"SGD": MOMENTUM, "RMSprop": MOMENTUM, "AdamW": L2}
#: Rules of signs, which a denormal gradient has too.
SIGNS = {"Lion", "Rprop"}


@dataclass(frozen=True)
class Peer:
    """Who has some of an algorithm's columns; the rest as a row says it."""

    name: str
    columns: tuple[str, ...]
    call: str = ""
    own: dict[str, Any] = field(default_factory=dict)
    exact: float = 2e-11


TORCH = Peer("torch", (WEIGHT_DECAY, UP))
TORCH_APART = Peer("torch", (WEIGHT_DECAY, APART, UP))
KOZISTR = Peer("pytorch_optimizer", (APART, UP))
KOZISTR_L2 = Peer("pytorch_optimizer", (WEIGHT_DECAY,), own=NOT_APART)
ADOPT = {"clip_exp": 0.25}
PEERS = {
    "SGD": (TORCH, Peer("timm", (APART, CORRECTED_DECAY, CAUTIOUS), "SGDW")),
    "RMSprop": (TORCH,),
    "Adagrad": (TORCH,),
    "Adadelta": (TORCH, Peer("pytorch_optimizer", (APART,), "AdaDelta")),
    "Rprop": (TORCH,),
    "ASGD": (TORCH,),
    "Adam": (TORCH_APART,),
    "AdamW": (TORCH, Peer("timm", (CORRECTED_DECAY, CAUTIOUS), "AdamWLegacy")),
    "Adamax": (TORCH, Peer("pytorch_optimizer", (APART,), "AdaMax")),
    "NAdam": (TORCH_APART,),
    "RAdam": (TORCH_APART,),
    "AdaBelief": (KOZISTR, KOZISTR_L2),
    "LaProp": (Peer("timm", (CAUTIOUS,)),),
    "ADOPT": (
        Peer("timm", (WEIGHT_DECAY, UP, CAUTIOUS), "Adopt", ADOPT),
        Peer("timm", (APART, CORRECTED_DECAY), "Adopt", {**ADOPT, "decoupled": True}),
    ),
    "Adan": (Peer("pytorch_optimizer", (APART,)), KOZISTR_L2),
    "Lion": (KOZISTR, KOZISTR_L2, Peer("timm", (CORRECTED_DECAY, CAUTIOUS))),
    "AdEMAMix": (KOZISTR, KOZISTR_L2),
    "SimplifiedAdEMAMix": (Peer("optax.contrib", (APART,), "simplified_ademamix"),),
    "SGDScheduleFree": (Peer("schedulefree", (WEIGHT_DECAY,)), Peer("pytorch_optimizer", (UP,), "ScheduleFreeSGD")),
    "AdamWScheduleFree": (Peer("schedulefree", (WEIGHT_DECAY,)),),
    "RAdamScheduleFree": (Peer("schedulefree", (WEIGHT_DECAY,)), Peer("pytorch_optimizer", (UP,), "ScheduleFreeRAdam")),
    "Adafactor": (TORCH,),
    "LAMB": (Peer("timm", (WEIGHT_DECAY,), "Lamb", {"max_grad_norm": float("inf"), "always_adapt": True}),),
    "LARS": (Peer("timm", (WEIGHT_DECAY,), "Lars"),),
    "StableAdamW": (Peer("pytorch_optimizer", (WEIGHT_DECAY, UP)),),
    "MARS": (Peer("timm", (WEIGHT_DECAY, CAUTIOUS), "Mars", {"optimize_1d": True}),),
    "Prodigy": (KOZISTR, Peer("prodigyopt", (WEIGHT_DECAY,), own={"decouple": False})),
    "Muon": (Peer("torch", (WEIGHT_DECAY,), own={"foreach": None}, exact=0.1),),
    "SOAP": (Peer("pytorch_optimizer", (WEIGHT_DECAY, UP), exact=1e-5),),
}


def read(algorithm: str) -> Iterator[str]:
    """The columns that an algorithm has."""
    number = getattr(optim, algorithm)._algorithm
    if "weight_decay" in _algorithms.of(number).places:
        yield WEIGHT_DECAY
    keys = _spellings.flag_keys(number)
    yield from (column for column, key in FLAGS.items() if key in keys)
    yield ALL


def options(algorithm: str, column: str) -> dict[str, Any]:
    if column == HYPERBALL:  # which goes with no decay
        decay = {"weight_decay": 0.0} if WEIGHT_DECAY in read(algorithm) else {}
        return {**BESIDE.get(algorithm, {}), **decay, FLAGS[column]: True}
    there = set(read(algorithm)) - {HYPERBALL} if column == ALL else {column}
    found = {**BESIDE.get(algorithm, {}), **(L2 if there & DECAYS else {})}
    if APART in read(algorithm) and there & (DECAYS - {WEIGHT_DECAY}):
        found |= DECOUPLED
    return found | {FLAGS[one]: True for one in COLUMNS if one in there and one in FLAGS}


def rows(algorithm: str) -> Iterator[Row]:
    there = list(read(algorithm))
    for column in there:
        if column == ALL and len({*there} - {HYPERBALL}) < 4:  # two options are no more than their rows say
            continue
        peer = next((peer for peer in PEERS.get(algorithm, ()) if column in peer.columns), Peer(ALONE, ()))
        yield Row(
            algorithm,
            peer.name,
            options(algorithm, column),
            peer.call,
            peer.own,
            rates="falling" if column == CORRECTED_DECAY else "changing",
            denormals=algorithm not in SIGNS and column not in (CAUTIOUS_DECAY, CAUTIOUS, ALL),
            exact=peer.exact,
            column=column,
        )


OPTIONS = [row for algorithm in ALGORITHMS for row in rows(algorithm)]
