"""Estimators of martlet.sklearn that are trained further, fits that cannot begin, and one that diverges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", "1.6")


from martlet.sklearn import MLPClassifier, MLPRegressor
from perceptrons import X, Y, fitted

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"hidden_layer_sizes": (9,)}, r"hidden_layer_sizes is \[9\], .* has \[20\]; wanted the same"),
        ({"activation": "tanh"}, "activation is 'tanh', .* has 'relu'; wanted the same"),
        ({"batch_normalization": True}, "batch_normalization is True, .* has False"),
        ({"dropout": 0.5}, r"dropout is \[0.5\], .* has \[0.0\]"),
    ],
    ids=str,
)
def test_a_network_is_trained_further_by_its_own_parameters(parameters: dict[str, Any], text: str) -> None:
    model = fitted(warm_start=True)
    before = model.predict_proba(X)
    model.set_params(**parameters)
    with pytest.raises(ValueError, match=text):
        model.partial_fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    if parameters.keys() & {"activation", "dropout"}:  # as in scikit-learn, a warm start takes them
        model.fit(X, Y)
        kinds = [type(layer).__name__ for layer in model.model_.layers]
        assert ("Dropout" in kinds) == ("dropout" in parameters)
        assert model.model_.layers[0].activation == parameters.get("activation", "relu")
    else:
        with pytest.raises(ValueError, match=text):
            model.fit(X, Y)
    model.set_params(warm_start=False).fit(X, Y)


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_a_fit_that_cannot_begin_leaves_the_estimator_as_it_was(call: str) -> None:
    x, y = X[:, :9], Y % 2
    model = fitted()
    before, found = {**model.__dict__}, model.predict_proba(X)
    with pytest.raises(ValueError):
        if call == "fit":
            model.set_params(early_stopping=True, validation_fraction=0.001).fit(x, y)
        else:
            model.partial_fit(X, Y + 5)
    model.set_params(early_stopping=False, validation_fraction=0.1)
    assert model.__dict__ == before
    np.testing.assert_array_equal(model.predict_proba(X), found)
    fresh = MLPClassifier()
    with pytest.raises(ValueError, match="zero"):
        getattr(fresh, call)(x, y, np.zeros(len(y)), **({} if call == "fit" else {"classes": [0, 1]}))
    assert fresh.__dict__ == MLPClassifier().__dict__


def test_early_stopping_does_not_hide_that_training_diverges() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)) * 3, rng.normal(size=40)
    how: dict[str, Any] = {"solver": "sgd", "learning_rate_init": 10.0, "batch_size": 1, "activation": "identity"}
    for stops in (True, False):
        model = MLPRegressor(hidden_layer_sizes=(4,), random_state=0, max_iter=5, early_stopping=stops, **how)
        with pytest.raises(ValueError, match="non-finite parameter weights"):
            model.fit(x, y)
