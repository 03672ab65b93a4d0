"""scikit-learn's perceptron and Martlet's, as users of scikit-learn train them. perceptron_cases.py has the cases."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import numpy as np

import perceptron_cases
from cases import MARTLET
from peer import Peer
from perceptron_cases import Fit

CASES = {case.name: case for case in perceptron_cases.CASES}


def samples(case: Fit) -> tuple[Any, Any]:
    """X and y, of which a part follows from the other."""
    if case.name == perceptron_cases.DIGITS:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        return x / 16, y
    x = np.random.default_rng(1).standard_normal((case.samples, *case.network.input))
    return x, (x[:, 0] * x[:, 1] + x[:, 2] > np.sin(3 * x[:, 3])).astype(int)


def estimator(peer: str, case: Fit) -> Any:
    module = import_module("martlet.sklearn" if peer == MARTLET else "sklearn.neural_network")
    return module.MLPClassifier(max_iter=case.epochs, random_state=1)


def make(peer: str, name: str) -> Peer:
    """A peer whose call is a fit, of as many steps as there are epochs."""
    case = CASES[name]
    x, y = samples(case)
    made = estimator(peer, case)
    warnings.simplefilter("ignore")  # that it has not converged
    return Peer(lambda: made.fit(x, y), steps=case.epochs)
