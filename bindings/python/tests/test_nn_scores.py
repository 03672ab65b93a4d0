"""Metrics over whole epochs, beside scikit-learn's on the same predictions, and focal losses beside Keras's."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pytest

from martlet import nn

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")
sk = pytest.importorskip("sklearn.metrics")
RNG = np.random.default_rng(3)
X = RNG.normal(size=(333, 5)).astype(np.float32)
CLASSES = (X @ RNG.normal(size=(5, 4)) + RNG.normal(size=(333, 4))).argmax(axis=1)
YES = (CLASSES < 2).astype(np.float32)[:, None]
SEVERAL = (RNG.random((333, 3)) < 0.3).astype(np.float32)


def trained(units: int, activation: str | None, loss: Any, metrics: list[Any], y: Any) -> nn.Sequential:
    model = nn.Sequential([nn.Input((5,)), nn.Dense(16, activation="relu"), nn.Dense(units, activation)], seed=1)
    model.compile(nn.Adam(0.01), loss, metrics)
    model.fit(X, y, epochs=4, verbose=0)
    return model


def macro(y: Any, answers: Any) -> dict[str, float]:
    scores = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}
    return {name: score(y, answers, average="macro", zero_division=0) for name, score in scores.items()}


@pytest.mark.parametrize("batch_size", [7, 32, 1000])
def test_classes(batch_size: int) -> None:
    metrics = ["accuracy", "precision", "recall", "f1", "perplexity"]
    model = trained(4, "softmax", "sparse_categorical_crossentropy", metrics, CLASSES)
    found = model.evaluate(X, CLASSES, batch_size, return_dict=True)
    p = model.predict(X).astype(np.float64)
    wanted = macro(CLASSES, p.argmax(axis=1)) | {"accuracy": (p.argmax(axis=1) == CLASSES).mean()}
    wanted["perplexity"] = math.exp(sk.log_loss(CLASSES, p / p.sum(axis=1, keepdims=True), labels=range(4)))
    for name, number in wanted.items():
        assert found[name] == pytest.approx(number, rel=1e-5), name
    rows = nn.Sequential([nn.Input((5,)), nn.Dense(4, "softmax")], seed=1)
    rows.compile("sgd", "categorical_crossentropy", ["f1"])
    score = rows.evaluate(X, np.eye(4, dtype=np.float32)[CLASSES])[1]
    assert score == pytest.approx(macro(CLASSES, rows.predict(X).argmax(axis=1))["f1"])


@pytest.mark.parametrize(("units", "y"), [(1, YES), (3, SEVERAL)])
@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_yes_and_no(units: int, y: np.ndarray[Any, Any], activation: str | None) -> None:
    """Of several outputs all are counted together."""
    metrics = ["precision", "recall", "f1", "auc", "accuracy"]
    model = trained(units, activation, "binary_crossentropy", metrics, y)
    found = model.evaluate(X, y, 10, return_dict=True)
    numbers, right = model.predict(X).ravel(), y.ravel()
    said = numbers > (0.5 if activation else 0)
    assert found["precision"] == pytest.approx(sk.precision_score(right, said, zero_division=0))
    assert found["recall"] == pytest.approx(sk.recall_score(right, said))
    assert found["f1"] == pytest.approx(sk.f1_score(right, said))
    assert found["auc"] == pytest.approx(sk.roc_auc_score(right, numbers))
    assert found["accuracy"] == pytest.approx((said == right).mean())


def test_auc_of_ties_and_of_one_kind() -> None:
    """Equal answers count half; where one kind is missing there is none."""
    model = nn.Sequential([nn.Input((1,)), nn.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile("sgd", nn.losses.BinaryCrossentropy(from_logits=True), ["auc"])
    x = RNG.integers(0, 4, (200, 1)).astype(np.float32)
    y = (RNG.random((200, 1)) < 0.4).astype(np.float32)
    assert model.evaluate(x, y)[1] == pytest.approx(sk.roc_auc_score(y, x))
    assert math.isnan(model.evaluate(x, np.ones((200, 1), np.float32))[1])
    x[7] = np.nan
    assert math.isnan(model.evaluate(x, y, check=False)[1])


def test_numbers() -> None:
    y = RNG.normal(size=(333, 3)).astype(np.float32)
    y[:, 2] = 0.5  # never changes
    model = trained(3, None, "mse", ["mse", "rmse", "r2", "mae"], y)
    found, p = model.evaluate(X, y, 50, return_dict=True), model.predict(X).astype(np.float64)
    assert found["r2"] == pytest.approx(sk.r2_score(y.astype(np.float64), p), rel=1e-5)
    assert found["rmse"] == pytest.approx(math.sqrt(sk.mean_squared_error(y, p)), rel=1e-6)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(y, p), rel=1e-6)
    large = y + 1e4  # what is spread little around far away
    assert model.evaluate(X, large, return_dict=True)["r2"] == pytest.approx(
        sk.r2_score(large.astype(np.float64), p), rel=1e-4
    )


def test_epochs_are_whole() -> None:
    """An epoch is reported as a whole, and no mean over batches; a call by itself tells of its own."""
    model = nn.Sequential([nn.Input((5,)), nn.Dense(1, "sigmoid")], seed=2)
    model.compile(nn.SGD(0.0), "binary_crossentropy", ["auc", "f1", "r2"])
    history = model.fit(X, YES, 13, verbose=0, validation_data=(X[:100], YES[:100])).history
    whole, part = model.evaluate(X, YES, return_dict=True), model.evaluate(X[:100], YES[:100], return_dict=True)
    for name in ("loss", "auc", "f1", "r2"):
        assert history[name][0] == pytest.approx(whole[name], rel=1e-6)
        assert history[f"val_{name}"][0] == pytest.approx(part[name], rel=1e-6)
    one = model.train_on_batch(X[:100], YES[:100], return_dict=True)
    assert one == pytest.approx(part, rel=1e-6)
    assert model.differentiate(X[:100], YES[:100], return_dict=True) == pytest.approx(part, rel=1e-6)


def test_a_callback_that_evaluates_changes_nothing() -> None:
    class Looking(nn.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.evaluate(X[:9], YES[:9])

    histories = []
    for callbacks in ([], [Looking()]):
        model = nn.Sequential([nn.Input((5,)), nn.Dense(1, "sigmoid")], seed=2)
        model.compile("adam", "binary_crossentropy", ["auc", "accuracy"])
        histories.append(model.fit(X, YES, epochs=2, verbose=0, callbacks=callbacks).history)
    assert histories[0] == histories[1]


@pytest.mark.parametrize(
    ("name", "options", "y", "activation"),
    [
        ("CategoricalFocalCrossentropy", {}, np.eye(4, dtype=np.float32)[CLASSES], "softmax"),
        ("CategoricalFocalCrossentropy", {"alpha": 0.7, "gamma": 1.5, "from_logits": True, "label_smoothing": 0.1},
         np.eye(4, dtype=np.float32)[CLASSES], None),
        ("BinaryFocalCrossentropy", {}, SEVERAL, "sigmoid"),
        ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.3, "gamma": 0.7, "from_logits": True},
         SEVERAL, None),
        ("BinaryFocalCrossentropy", {"gamma": 3.0, "label_smoothing": 0.2, "from_logits": True}, YES, None),
    ],
)  # fmt: skip
def test_focal_losses_train_as_kerass(name: str, options: dict[str, Any], y: Any, activation: str | None) -> None:
    models = []
    for layers, module in ((nn, nn), (keras.layers, keras)):
        model = module.Sequential([layers.Input((5,)), layers.Dense(y.shape[1], activation=activation)])
        optimizer = nn.SGD(0.5) if module is nn else keras.optimizers.SGD(0.5)
        model.compile(optimizer, getattr(module.losses, name)(**options))
        models.append(model)
    models[0].set_weights(models[1].get_weights())
    ours, theirs = (model.fit(X, y, epochs=3, shuffle=False, verbose=0).history["loss"] for model in models)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    for mine, other in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)
