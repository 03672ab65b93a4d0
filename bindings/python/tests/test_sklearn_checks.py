"""scikit-learn's own checks of estimators, all of them."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sklearn", "1.6")

from sklearn.utils.estimator_checks import parametrize_with_checks

from martlet.sklearn import MLPClassifier, MLPRegressor


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([MLPClassifier(), MLPRegressor()])  # type: ignore[untyped-decorator]
def test_every_check(estimator: Any, check: Any) -> None:
    check(estimator)
