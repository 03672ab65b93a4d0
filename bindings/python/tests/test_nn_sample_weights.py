"""Samples that count more or less, by sample_weight and class_weight, beside Keras's."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet
from martlet import nn
from networks import digits_like, mlp

X, Y = digits_like(40, (20,))
WEIGHTS = np.random.default_rng(1).uniform(0, 3, 40)
WEIGHTS[3] = 0
CLASSES = {0: 3.0, 2: 0.5, 7: 0.0}
ROWS = np.eye(10, dtype=np.float32)[Y]


def pair(loss: str) -> tuple[Any, Any]:
    ours = mlp()
    theirs = keras.Sequential([keras.Input((20,)), keras.layers.Dense(24, activation="relu"), keras.layers.Dense(10)])
    theirs.set_weights(ours.get_weights())
    classes = {
        "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
        "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    }
    ours.compile(nn.SGD(0.5), loss, ["accuracy"])
    other = classes[loss](from_logits=True) if loss in classes else loss
    theirs.compile(keras.optimizers.SGD(0.5), other, metrics=["accuracy"])
    return ours, theirs


def same(ours: Any, theirs: Any) -> None:
    for mine, wanted in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=2e-3, atol=2e-4)


GIVEN: list[tuple[str, Any, dict[str, Any]]] = [
    ("sparse_categorical_crossentropy", Y, {"sample_weight": WEIGHTS}),
    ("sparse_categorical_crossentropy", Y, {"class_weight": CLASSES}),
    ("categorical_crossentropy", ROWS, {"class_weight": CLASSES}),
    ("categorical_crossentropy", ROWS, {"sample_weight": WEIGHTS}),
    ("mse", ROWS, {"sample_weight": WEIGHTS[:, None]}),
]


@pytest.mark.parametrize(("loss", "y", "given"), GIVEN)
def test_training_is_kerass(loss: str, y: Any, given: dict[str, Any]) -> None:
    ours, theirs = pair(loss)
    plain, _ = pair(loss)
    plain.train_on_batch(X, y)
    mine, wanted = ours.train_on_batch(X, y, **given), theirs.train_on_batch(X, y, **given)
    np.testing.assert_allclose(mine, wanted, rtol=1e-4)
    same(ours, theirs)
    assert max(np.abs(a - b).max() for a, b in zip(ours.get_weights(), plain.get_weights(), strict=True)) > 1e-3
    options = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0}
    mine, wanted = ours.fit(X, y, **given, **options).history, theirs.fit(X, y, **given, **options).history
    np.testing.assert_allclose(mine["loss"], wanted["loss"], rtol=1e-3)
    same(ours, theirs)


def test_evaluation_is_kerass() -> None:
    ours, theirs = pair("sparse_categorical_crossentropy")
    for size in (None, 16):
        mine = ours.evaluate(X, Y, size, 0, WEIGHTS)
        np.testing.assert_allclose(mine, theirs.evaluate(X, Y, size, 0, WEIGHTS), rtol=1e-5)
    assert ours.test_on_batch(X, Y, WEIGHTS) == pytest.approx(mine, rel=1e-6)
    assert abs(mine[0] - ours.evaluate(X, Y, verbose=0)[0]) > 0.01


@pytest.mark.parametrize("given", [{"sample_weight": WEIGHTS}, {"class_weight": CLASSES}])
def test_validation_is_kerass(given: dict[str, Any]) -> None:
    """The part that is held back has its samples' weights, and none of classes."""
    options = {"batch_size": 16, "shuffle": False, "verbose": 0}
    for more in ({"validation_split": 0.25}, {"validation_data": (X[:9], Y[:9], WEIGHTS[:9])}):
        ours, theirs = pair("sparse_categorical_crossentropy")
        mine, wanted = (model.fit(X, Y, **given, **options, **more).history for model in (ours, theirs))
        np.testing.assert_allclose(mine["val_loss"], wanted["val_loss"], rtol=1e-3)
        same(ours, theirs)


def test_batches_with_weights_are_arrays_of_them() -> None:
    arrays, batches, classes = (pair("sparse_categorical_crossentropy")[0] for _ in range(3))
    parts = [(X[k : k + 16], Y[k : k + 16], WEIGHTS[k : k + 16]) for k in range(0, 40, 16)]
    wanted = arrays.fit(X, Y, 16, shuffle=False, verbose=0, sample_weight=WEIGHTS).history
    assert batches.fit(iter(parts), verbose=0).history == wanted
    assert (arrays.parameters() == batches.parameters()).all()
    assert batches.evaluate(iter(parts), verbose=0) == pytest.approx(arrays.evaluate(X, Y, 16, 0, WEIGHTS), rel=1e-6)
    by_class = np.array([CLASSES.get(int(label), 1.0) for label in Y])
    again = pair("sparse_categorical_crossentropy")[0]
    again.fit(X, Y, 16, shuffle=False, verbose=0, sample_weight=by_class)
    classes.fit(iter([(x, y) for x, y, _ in parts]), verbose=0, class_weight=CLASSES)
    assert (again.parameters() == classes.parameters()).all()


def test_a_sample_that_counts_nothing_may_be_anything() -> None:
    ours, _ = pair("mse")
    rows = ROWS.copy()
    rows[3] = np.nan
    assert np.isfinite(ours.train_on_batch(X, rows, WEIGHTS, check=False)[0])
    assert np.isfinite(ours.parameters()).all()


BAD: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda m: m.fit(X, Y, sample_weight=WEIGHTS[:9]), martlet.ShapeError, r"has shape \(9,\); wanted \(40,"),
    (lambda m: m.fit(X, Y, sample_weight=-WEIGHTS), martlet.ArgumentError, "sample_weight holds -.*wanted 0 or more"),
    (lambda m: m.train_on_batch(X, Y, np.full(40, np.inf)), martlet.ArgumentError, "sample_weight holds"),
    (lambda m: m.evaluate(X, Y, sample_weight="x"), martlet.DTypeError, "sample_weight is 'x'"),
    (lambda m: m.fit(X, Y, class_weight=[1, 2]), martlet.DTypeError, r"class_weight is \[1, 2\]; wanted a dict"),
    (lambda m: m.fit(X, Y, class_weight={"a": 1}), martlet.DTypeError, "class_weight has the class 'a'"),
    (lambda m: m.fit(X, Y, class_weight={1: -1}), martlet.ArgumentError, r"class_weight\[1\] is -1; wanted 0 to"),
    (lambda m: m.fit(X, Y, class_weight={1: 1}, sample_weight=WEIGHTS), martlet.ArgumentError, "wanted one of them"),
    (lambda m: m.fit(iter([(X, Y)]), sample_weight=WEIGHTS), martlet.ArgumentError, "sample_weight is given"),
    (
        lambda m: m.fit(X, Y, validation_data=(X, Y, WEIGHTS[:3])),
        martlet.ShapeError,
        r"validation_sample_weight has shape \(3,\)",
    ),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(BAD)))
def test_weights_that_cannot_be(index: int) -> None:
    call, error, says = BAD[index]
    model, _ = pair("sparse_categorical_crossentropy")
    with pytest.raises(error, match=says):
        call(model)
    assert model.optimizer.iterations == 0
    model.fit(X, Y, verbose=0, sample_weight=None, class_weight=None)


def test_classes_of_several_places_are_refused() -> None:
    model = nn.Sequential([nn.Dense(4, input_shape=(3, 5))])
    model.compile("sgd", "mse")
    with pytest.raises(martlet.UnsupportedError, match=r"targets of shape \(3, 4\); wanted one class for each"):
        model.fit(np.zeros((2, 3, 5)), np.zeros((2, 3, 4)), class_weight={0: 2.0})
