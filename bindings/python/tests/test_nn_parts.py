"""Models in models, frozen layers, classes of one's own, and models of what a layer within gives."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet
from graphs import (
    K,
    X,
    Y,
    after_a_step,
    alike,
    nested,
    numbers,
    residual,
)
from martlet import nn


def test_a_model_in_a_sequential_and_the_other_way_round() -> None:
    def build(library: Any, model: Any) -> Any:
        sequential = nn.Sequential if library is nn else keras.Sequential
        inside = library.Input((8,))
        inner = model(inside, library.Add()([library.Dense(8)(inside), inside]))
        body = sequential([library.Input((6,)), library.Dense(8, activation="relu"), inner])
        inputs = library.Input((6,))
        return model(inputs, library.Dense(2)(body(inputs)))

    alike(build, X)


def test_parts_have_their_own_shapes() -> None:
    model = nested(nn, nn.Model)
    body = model.get_layer("body")
    inner = body.get_layer("inner")
    assert (body.input_shape, body.output_shape) == ((None, 6), (None, 3))
    assert (inner.input_shape, inner.output_shape) == ((None, 8), (None, 5))
    assert (inner.count_params(), body.count_params(), model.count_params()) == (45, 56 + 45 + 24 + 15, 140 + 12 + 8)
    for part in (body, inner, body.layers[2]):
        x = numbers(4, *part.input_shape[1:])
        assert part.predict(x).shape == (4, *part.output_shape[1:])
    kernel, bias = inner.get_weights()
    np.testing.assert_allclose(inner.predict(numbers(4, 8)), np.tanh(numbers(4, 8) @ kernel + bias), rtol=1e-4)
    model.summary(print_fn=lambda line: None)


class MyDense(nn.Dense):
    """A class of one's own, as a file does not know it."""

    def __init__(self) -> None:
        super().__init__(3, activation="tanh")


class MyModel(nn.Model):
    def __init__(self) -> None:
        inputs = nn.Input((6,))
        super().__init__(inputs, MyDense()(nn.Dense(4)(inputs)), name="mine")


def test_classes_of_ones_own(tmp_path: Path) -> None:
    """Files and clones have Martlet's in their place; a config has them, by their names."""

    model = MyModel()
    model.save(tmp_path / "model")
    other = nn.load_model(tmp_path / "model")
    assert type(other) is nn.Model and type(other.layers[2]) is nn.Dense and other.name == "mine"
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    assert other.layers[2].name == "my_dense"
    config = nn.Model(inputs := nn.Input((6,)), MyOwn(5)(inputs)).get_config()
    with pytest.raises(martlet.ArgumentError, match="class_name is 'MyOwn', which is no layer here"):
        nn.Model.from_config(config)
    assert type(nn.Model.from_config(config, {"MyOwn": MyOwn}).layers[1]) is MyOwn
    layer = nn.Dense(3)
    layer(nn.Input((4,)))
    assert pickle.loads(pickle.dumps(layer)).units == 3


class MyOwn(nn.Dense):
    pass


def with_norm(library: Any, model: Any) -> Any:
    inputs = library.Input((6,))
    x = library.Dense(8, trainable=False)(inputs)
    x = library.BatchNormalization(trainable=False)(x)
    return model(inputs, library.Dense(1)(x))


def test_frozen_layers_are_kerass() -> None:
    """A BatchNormalization among them, which takes its moving statistics."""
    ours, theirs = with_norm(nn, nn.Model), with_norm(K, keras.Model)
    weights = [np.abs(numbers(*w.shape)) + 0.1 for w in ours.get_weights()]
    ours.set_weights(weights)
    # Keras has the trained ones first in a layer's list, and a frozen layer's as they were made.
    theirs.set_weights(weights)
    mine = after_a_step(ours, nn.SGD(0.1), X, Y)
    right = after_a_step(theirs, keras.optimizers.SGD(0.1), X, Y)
    for weight, other in zip(mine, right, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-4, atol=1e-5)
    for weight, start in zip(mine[:-2], weights[:-2], strict=True):
        np.testing.assert_array_equal(weight, start)
    assert len(ours.trainable_weights) == 2 and len(ours.non_trainable_weights) == 6


def test_trainable_counts_from_the_next_compile_on() -> None:
    model = residual(nn, nn.Model)
    start = model.get_weights()
    model.trainable = False
    model.layers[-1].trainable = True
    model.compile(nn.SGD(0.1), "mse")
    model.fit(X, Y, verbose=0)
    frozen = model.get_weights()
    for weight, other in zip(frozen[:-2], start[:-2], strict=True):
        np.testing.assert_array_equal(weight, other)
    assert (frozen[-2] != start[-2]).any()
    model.trainable = True
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], start[0])
    model.compile(nn.SGD(0.1), "mse")
    model.fit(X, Y, verbose=0)
    assert (model.get_weights()[0] != start[0]).any()


def test_transfer_of_a_trained_model(tmp_path: Path) -> None:
    """A model with weights, frozen, under a new head."""
    base = nn.Sequential([nn.Dense(8, activation="relu", input_shape=(6,)), nn.Dense(3)], seed=1)
    base.compile("adam", "mse")
    base.fit(X, numbers(40, 3), verbose=0)
    weights, wanted = base.get_weights(), base.predict(X)
    base.trainable = False
    inputs = nn.Input((6,))
    model = nn.Model(inputs, nn.Dense(1, name="head")(base(inputs)), seed=2)
    model.compile(nn.Adam(0.01), "mse")
    model.fit(X, Y, verbose=0)
    for mine, start in zip(base.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(mine, start)
    kernel, bias = model.get_layer("head").get_weights()
    np.testing.assert_allclose(model.predict(X), wanted @ kernel + bias, rtol=1e-4, atol=1e-5)
    copy = nn.clone_model(base)
    copy.set_weights(base.get_weights())
    np.testing.assert_array_equal(copy.predict(X), wanted)
    model.save(tmp_path / "model")
    other = nn.load_model(tmp_path / "model")
    assert not other.layers[1].trainable and other.layers[2].trainable
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_an_encoder_predicts_while_its_autoencoder_is_trained() -> None:
    inputs = nn.Input((6,))
    encoder = nn.Model(inputs, nn.Dense(2, activation="tanh")(nn.BatchNormalization()(inputs)))
    decoder = nn.Sequential([nn.Dense(6)])
    model = nn.Model(inputs, decoder(encoder(inputs)))
    model.compile(nn.Adam(0.01), "mse")
    for _ in range(2):
        model.fit(X, X, verbose=0)
        codes = encoder.predict(X)
        np.testing.assert_allclose(decoder.predict(codes), model.predict(X), rtol=1e-5, atol=1e-6)
    assert encoder.input is model.input and codes.shape == (40, 2)


def test_what_a_layer_within_gives() -> None:
    """By a model of its nodes, which has the weights of the one that is trained."""
    model = residual(nn, nn.Model)
    inside = nn.Model(model.inputs, model.get_layer("add_1").output)
    sequential = nn.Sequential([nn.Dense(5, activation="relu", input_shape=(6,)), nn.Dense(1)], seed=1)
    hidden = nn.Model(sequential.inputs, sequential.layers[0].output, name="hidden")
    for whole in (model, sequential):
        whole.compile(nn.Adam(0.01), "mse")
        whole.fit(X, Y, verbose=0)
    kernel, bias = sequential.get_weights()[:2]
    np.testing.assert_allclose(hidden.predict(X), np.maximum(X @ kernel + bias, 0), rtol=1e-4, atol=1e-5)
    assert hidden.output_shape == (None, 5) and hidden.count_params() == 35
    np.testing.assert_array_equal(hidden.get_weights()[0], kernel)
    rest = model.layers[model.layers.index(model.get_layer("add_1")) + 1 :]
    x = inside.predict(X)
    first, second, out = ([w.copy() for w in layer.get_weights()] for layer in rest if layer.weights)
    y = x + np.maximum(x @ first[0] + first[1], 0) @ second[0] + second[1]
    np.testing.assert_allclose(model.predict(X), y @ out[0] + out[1], rtol=1e-4, atol=1e-5)
    for call in (lambda: hidden.compile("adam", "mse"), lambda: hidden.save("x")):
        with pytest.raises(martlet.OrderError, match="a part of another model"):
            call()
    assert model.layers[1].input is model.input and model.get_layer("add").input[0] is model.layers[1].output
