"""The peers of the cases of state in few bits and of parameters of 16 bits. It times nothing."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import cases
import small_cases
from adam import torch_peer
from around_cases import BARE
from peer import Peer
from small_cases import SmallCase

CASES = {case.name: case for case in small_cases.CASES}


def martlet_peer(case: SmallCase) -> Peer:
    """As the case asks for; its state of fewer than 4,096 elements stays wide."""
    import martlet.torch

    return torch_peer(lambda parameters: martlet.torch.AdamW(parameters, **case.options), case, half=case.half)


def bare_peer(case: SmallCase) -> Peer:
    """In fp32, whatever the case's types."""
    import martlet.torch

    return torch_peer(martlet.torch.AdamW, case)


def bitsandbytes_peer(case: SmallCase) -> Peer:
    return torch_peer(import_module("bitsandbytes").optim.AdamW8bit, case)


def torchao_peer(case: SmallCase) -> Peer:
    """Its first step compiles, which is not timed."""
    return torch_peer(import_module("torchao.optim").AdamW8bit, case)


MAKERS: dict[str, Callable[[SmallCase], Peer]] = {
    cases.MARTLET: martlet_peer,
    BARE: bare_peer,
    small_cases.BITSANDBYTES: bitsandbytes_peer,
    small_cases.TORCHAO: torchao_peer,
}


def make(peer: str, name: str) -> Any:
    """A peer, ready to take the steps of the case of this name."""
    return MAKERS[peer](CASES[name])
