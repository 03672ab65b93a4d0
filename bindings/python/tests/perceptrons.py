"""Digits, and a small classifier fitted to them, that tests of martlet.sklearn share."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sklearn", "1.6")

from sklearn.datasets import load_digits

from martlet.sklearn import MLPClassifier

X, Y = load_digits(return_X_y=True)
X, Y = X[:400], Y[:400]


def fitted(**parameters: Any) -> Any:
    return MLPClassifier((20,), **{"random_state": 0, "max_iter": 5, **parameters}).fit(X, Y)
