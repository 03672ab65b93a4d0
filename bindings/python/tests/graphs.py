"""Graphs that models are tested with, in Martlet's and Keras's words, which are the same, and what compares them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras

from martlet import nn

K = keras.layers
NDArray = np.ndarray[Any, Any]


def after_a_step(model: Any, optimizer: Any, x: Any, y: NDArray) -> list[NDArray]:
    model.compile(optimizer, "mse")
    model.train_on_batch(x, y)
    return [np.asarray(weight) for weight in model.get_weights()]


def alike(build: Callable[[Any, Any], Any], x: Any) -> None:
    """Builds the same model in both libraries, and compares. Keras's cells cannot do without float64 where JAX has been
    told to take it, as other tests do."""
    with jax.enable_x64(False):
        _alike(build, x)


def _alike(build: Callable[[Any, Any], Any], x: Any) -> None:
    ours, theirs = build(nn, nn.Model), build(K, keras.Model)
    start = [
        np.random.default_rng(k).normal(0, 0.3, w.shape).astype(np.float32) for k, w in enumerate(ours.get_weights())
    ]
    assert [w.shape for w in start] == [w.shape for w in theirs.get_weights()]
    ours.set_weights(start)
    theirs.set_weights(start)
    assert ours.output_shape == tuple(theirs.output.shape)
    wanted = theirs.predict(x, verbose=0)
    np.testing.assert_allclose(ours.predict(x), wanted, rtol=2e-4, atol=2e-5)
    y = np.random.default_rng(7).standard_normal(wanted.shape).astype(np.float32)
    mine = after_a_step(ours, nn.SGD(1.0), x, y)
    right = after_a_step(theirs, keras.optimizers.SGD(1.0), x, y)
    moved = max(float(np.abs(a - b).max()) for a, b in zip(right, start, strict=True)) if start else 0.0
    assert moved > 1e-3 or not start
    for weight, other in zip(mine, right, strict=True):
        np.testing.assert_allclose(weight, other, rtol=2e-3, atol=2e-4)


def numbers(*shape: int) -> NDArray:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


X, IDS = numbers(40, 6), np.random.default_rng(5).integers(0, 30, (40, 7)).astype(np.int32)
Y = (X[:, :1] + X[:, 1:2] ** 2).astype(np.float32)


def targets(model: nn.Model) -> NDArray:
    return np.repeat(Y, model.output_shape[-1], axis=1)


def block(library: Any, x: Any, units: int) -> Any:
    inner = library.Dense(units, activation="relu")(x)
    return library.Add()([x, library.Dense(units)(inner)])


def residual(library: Any, model: Any) -> Any:
    inputs = library.Input((6,))
    x = library.Dense(8, activation="tanh")(inputs)
    for _ in range(3):
        x = block(library, x, 8)
    return model(inputs, library.Dense(1)(x))


def siamese(library: Any, model: Any) -> Any:
    """Two inputs through one layer, and through one model."""
    left, right = library.Input((6,), name="left"), library.Input((6,), name="right")
    shared = library.Dense(5, activation="tanh")
    inside = library.Input((5,))
    inner = model(inside, library.Dense(4, activation="relu")(library.Dense(5)(inside)))
    return model([left, right], library.Dense(1)(library.Concatenate()([inner(shared(left)), inner(shared(right))])))


def wide_and_deep(library: Any, model: Any) -> Any:
    """Words and numbers; the second input is read at two depths."""
    words, wide = library.Input((7,), dtype="int32", name="words"), library.Input((6,), name="wide")
    x = library.Embedding(30, 5)(words)
    parts = [library.GlobalMaxPooling1D()(library.Conv1D(4, width, activation="relu")(x)) for width in (2, 3)]
    x = library.Concatenate()([*parts, wide])
    x = library.Dense(6, activation="tanh")(x)
    return model([words, wide], library.Dense(1)(library.Multiply()([x, wide])))


def skips(library: Any, model: Any) -> Any:
    """Nodes that are read at several depths, the nearest reader named first and last."""
    inputs = library.Input((6,))
    x = library.Dense(5)(inputs)
    deep = library.Dense(5)(library.Dense(5, activation="tanh")(library.Dense(5)(x)))
    left = library.Add()([x, deep])
    right = library.Add()([library.Dense(5)(deep), x])
    return model(inputs, library.Dense(1)(library.Concatenate()([library.Dense(2)(right), x, left, inputs])))


def recurrent(library: Any, model: Any) -> Any:
    """One layer after itself, twice."""
    inputs = library.Input((6,))
    layer = library.Dense(6, activation="tanh")
    return model(inputs, library.Dense(1)(layer(layer(layer(inputs)))))


def nested(library: Any, model: Any) -> Any:
    """Models in models, each of other shapes than the one around it."""
    sequential = nn.Sequential if library is nn else keras.Sequential
    inside = library.Input((8,))
    inner = model(inside, library.Dense(5, activation="tanh")(inside), name="inner")
    body = sequential([library.Dense(8), inner, sequential([library.Dense(4), library.Dense(3)])], name="body")
    inputs = library.Input((6,))
    return model(inputs, library.Dense(2)(library.Add()([library.Dense(3)(body(inputs)), body(inputs)])))


GRAPHS: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "residual": (residual, X), "siamese": (siamese, [X, X[::-1].copy()]), "words": (wide_and_deep, [IDS, X]),
    "recurrent": (recurrent, X), "skips": (skips, X), "nested": (nested, X),
}  # fmt: skip
