"""Which function makes which peer of which case of models. The functions are in networks.py and operations.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import model_cases
import networks
import operations
from peer import Peer

MAKERS: dict[type[model_cases.ModelCase], dict[str, Callable[[Any], Peer]]] = {
    model_cases.Training: networks.MAKERS,
    model_cases.Product: operations.PRODUCTS,
    model_cases.Convolution: operations.CONVOLUTIONS,
    model_cases.Prediction: operations.PREDICTIONS,
}


CASES = {case.name: case for case in model_cases.CASES}


def make(peer: str, name: str) -> Peer:
    """A peer, ready to take the steps of the case of this name."""
    case = CASES[name]
    return MAKERS[type(case)][peer](case)
