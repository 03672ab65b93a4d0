"""The peers of the family's cases: one algorithm in each library that has it, by its name there. It times nothing."""

from __future__ import annotations

import importlib
from typing import Any

import cases
import family_cases
from adam import torch_peer
from family_cases import FamilyCase
from peer import Peer

#: Where a peer's classes are, and what makes it the variant that it is.
PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    cases.MARTLET: ("martlet.torch", {}),
    cases.DEFAULT: ("torch.optim", {}),
    cases.FOREACH: ("torch.optim", {"foreach": True}),
    cases.FUSED: ("torch.optim", {"fused": True}),
    family_cases.KOZISTR: ("pytorch_optimizer", {}),
    family_cases.TIMM: ("timm.optim", {}),
    family_cases.LION: ("lion_pytorch", {}),
    family_cases.ADABELIEF: ("adabelief_pytorch", {}),
    family_cases.PRODIGYOPT: ("prodigyopt", {}),
    family_cases.SCHEDULE_FREE: ("schedulefree", {}),
}
CASES = {case.name: case for case in family_cases.CASES}


def family_peer(peer: str, case: FamilyCase) -> Peer:
    """The class is looked for when it is wanted: one that is not there is a peer that cannot be measured."""
    place, variant = PEERS[peer]
    algorithm = case.algorithm
    make = getattr(importlib.import_module(place), algorithm.call_of(peer))
    options = {**algorithm.options, **variant, **algorithm.own.get(peer, {})}

    def made(parameters: list[Any]) -> Any:
        optimizer = make(parameters, **options)
        if hasattr(optimizer, "train"):
            optimizer.train()  # Schedule-Free's
        return optimizer

    return torch_peer(made, case)


def make(peer: str, name: str) -> Peer:
    """A peer, ready to take the steps of the case of this name."""
    return family_peer(peer, CASES[name])
