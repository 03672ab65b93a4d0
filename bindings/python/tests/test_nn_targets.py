"""Targets that a loss, or a metric beside it, has no meaning for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn
from networks import digits_like, mlp

X, Y = digits_like(40, (20,))
ROWS = np.eye(10)[Y]


@pytest.mark.parametrize(
    ("loss", "y", "says"),
    [
        ("categorical_crossentropy", ROWS * -4, r"y holds -4.0 at \(0, \d\); wanted probabilities, 0 to 1"),
        ("categorical_crossentropy", ROWS + 0.5, r"y holds 1.5 at \(0, \d\)"),
        ("binary_crossentropy", ROWS * 2 - 1, r"y holds -1.0 at \(0, \d\)"),
        ("binary_crossentropy", ROWS.astype(int) * 7, r"y holds 7.0 at \(0, \d\)"),
        ("binary_crossentropy", ROWS * 5, r"y holds 5.0 at \(0, \d\)"),
    ],
)
def test_probabilities(loss: str, y: Any, says: str) -> None:
    model = mlp()
    model.compile("adam", loss)
    for call in (
        lambda: model.fit(X, y, verbose=0), lambda: model.evaluate(X, y), lambda: model.train_on_batch(X, y)
    ):  # fmt: skip
        with pytest.raises(martlet.ArgumentError, match=says):
            call()
    assert model.optimizer.iterations == 0
    model.fit(X, y, verbose=0, check=False)
    assert model.optimizer.iterations == 2
    for good in (ROWS, ROWS * 0.5, np.full((40, 10), 0.1)):
        model.fit(X, good, verbose=0)


def test_float_targets_of_one_output() -> None:
    model = nn.Sequential([nn.Dense(1, input_shape=(20,))], seed=1)
    model.compile("adam", "binary_crossentropy")
    for y in (Y % 2 * 2.0 - 1, np.full(40, 5.0)):
        with pytest.raises(martlet.ArgumentError, match="wanted probabilities, 0 to 1"):
            model.fit(X, y, verbose=0)
    model.fit(X, np.full(40, 0.5), verbose=0)


def test_loaded_models_check_too(tmp_path: Any) -> None:
    model = mlp()
    model.compile("adam", "categorical_crossentropy")
    model.save(tmp_path / "model")
    with pytest.raises(martlet.ArgumentError, match="wanted probabilities"):
        nn.load_model(tmp_path / "model").evaluate(X, ROWS * 2)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "nll"])
@pytest.mark.parametrize("metric", ["mse", "mae"])
def test_labels_are_no_numbers_to_compare(loss: str, metric: str) -> None:
    model = mlp()
    with pytest.raises(
        martlet.UnsupportedError, match=f"metric '{metric}' compares the output with numbers, and the t"
    ):
        model.compile("adam", loss, ["accuracy", metric])
    model.compile("adam", "categorical_crossentropy", ["accuracy", metric])
    model.fit(X, ROWS, verbose=0)


def test_binary_labels_are() -> None:
    model = nn.Sequential([nn.Dense(1, activation="sigmoid", input_shape=(20,))], seed=1)
    model.compile("adam", "binary_crossentropy", ["accuracy", "mse"])
    labels = Y % 2
    wanted = model.evaluate(X, labels.astype(float), verbose=0)
    assert model.evaluate(X, labels, verbose=0) == wanted
    np.testing.assert_allclose(wanted[2], ((model.predict(X)[:, 0] - labels) ** 2).mean(), rtol=1e-5)


def test_metrics_that_were_not_called() -> None:
    with pytest.raises(martlet.DTypeError, match=r"metrics\[0\] is <function TopK .*as in TopK\(\)"):
        mlp().compile("adam", "mse", metrics=[nn.TopK])
