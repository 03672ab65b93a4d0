"""The peers of Muon's cases and SOAP's. It times nothing."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import cases
import matrix_cases
from adam import torch_peer
from cases import Case
from family_cases import KOZISTR
from matrix_cases import SOAPCase
from peer import Peer

CASES = {case.name: case for case in matrix_cases.CASES}


def martlet_peer(case: Case) -> Peer:
    import martlet.torch

    if isinstance(case, SOAPCase):
        return repeated(torch_peer(martlet.torch.SOAP, case), case.steps)
    return torch_peer(martlet.torch.Muon, case)


def kozistr_soap(case: Case) -> Peer:
    import pytorch_optimizer

    return repeated(torch_peer(pytorch_optimizer.SOAP, case), SOAPCase.steps)


def repeated(peer: Peer, steps: int) -> Peer:
    """So many steps in one call."""

    def step() -> None:
        for _ in range(steps):
            peer.step()

    return Peer(step, peer.renew, steps)


def torch_muon(case: Case) -> Peer:
    import torch

    return torch_peer(torch.optim.Muon, case)


def products_peer(case: Case) -> Peer:
    """martlet_matmul on matrices of the sizes that a step multiplies."""
    from martlet import _ffi

    matmul = _ffi._library_handle["martlet_matmul"]
    matmul.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3 + [ctypes.c_uint32]
    calls: list[Callable[[], int]] = []
    kept: list[Any] = []
    made: dict[tuple[int, int], Any] = {}
    for shape in case.shapes:
        for rows, inner, columns in matrix_cases.products(shape):
            for sizes in ((rows, columns), (rows, inner), (inner, columns)):
                if sizes not in made:
                    made[sizes] = np.random.default_rng(len(made)).standard_normal(sizes, np.float32)
            arrays = [np.empty_like(made[rows, columns]), made[rows, inner], made[inner, columns]]
            kept.append(arrays)
            addresses = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
            calls.append(partial(matmul, *addresses, rows, inner, columns, 0))

    def step(arrays: Any = kept) -> None:
        if any(call() for call in calls):
            raise RuntimeError("martlet_matmul failed")

    return Peer(step)


PEERS = {
    cases.MARTLET: martlet_peer,
    cases.DEFAULT: torch_muon,
    matrix_cases.PRODUCTS: products_peer,
    KOZISTR: kozistr_soap,
}


def make(peer: str, name: str) -> Peer:
    """A peer, ready to take the steps of the case of this name."""
    return PEERS[peer](CASES[name])
