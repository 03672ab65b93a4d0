"""Keras's ReversibleEmbedding: taken over alive and from files, trained beside Keras, and given back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet
from exported import alike
from martlet import nn
from tied_models import LOSS, ROWS, STEPS, WIDTH, X, Y, biased


def theirs() -> Any:
    keras.utils.set_random_seed(5)
    words = keras.Input((STEPS,), dtype="int32")
    table = keras.layers.ReversibleEmbedding(ROWS, WIDTH, name="words")
    x = keras.layers.Dense(WIDTH, activation="tanh")(table(words))
    model = keras.Model(words, table(x, reverse=True))
    model.set_weights([weight + 0.3 * np.random.default_rng(place).standard_normal(weight.shape)
                       for place, weight in enumerate(model.get_weights())])  # fmt: skip
    return model


def test_keras_there_and_back(tmp_path: Path) -> None:
    model = theirs()
    model.save(tmp_path / "model.keras")
    right = np.asarray(model(X, training=False))
    for source in (model, tmp_path / "model.keras"):
        mine = nn.from_keras(source)
        alike(mine.predict(X), right)
        assert mine.count_params() == model.count_params()
    back = nn.to_keras(mine, tmp_path / "back.keras")
    alike(np.asarray(back(X, training=False)), right)
    assert [type(one).__name__ for one in back.layers] == [type(one).__name__ for one in model.layers]
    np.testing.assert_array_equal(nn.from_keras(tmp_path / "back.keras").predict(X), mine.predict(X))


def test_an_embedding_whose_table_a_head_reads_is_reversible_in_keras() -> None:
    words = nn.Input((STEPS,), dtype="int32")
    rows = nn.Embedding(ROWS, WIDTH)(words)
    model = nn.Model(words, nn.TiedDense(use_bias=False)([nn.Dense(WIDTH)(rows), rows]))
    back = nn.to_keras(model)
    alike(np.asarray(back(X, training=False)), model.predict(X))
    assert isinstance(back.layers[1], keras.layers.ReversibleEmbedding)
    with pytest.raises(martlet.UnsupportedError, match="has a bias or an activation"):
        nn.to_keras(biased())


def test_curves_are_kerass() -> None:
    model = theirs()
    mine = nn.from_keras(model)
    mine.compile(nn.Adam(0.01), LOSS)
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for step in range(15):
        rows = slice(8 * (step % 3), 8 * (step % 3) + 8)
        np.testing.assert_allclose(
            mine.train_on_batch(X[rows], Y[rows]), float(model.train_on_batch(X[rows], Y[rows])), rtol=1e-4
        )


@pytest.mark.parametrize(
    ("options", "text"),
    [({"tie_weights": False}, "tie_weights of .* is False"), ({"logit_soft_cap": 30.0}, "logit_soft_cap"),
     ({"reverse_dtype": "float16"}, "reverse_dtype")],
)  # fmt: skip
def test_what_else_it_does_in_keras_is_named(options: dict[str, Any], text: str) -> None:
    words = keras.Input((STEPS,), dtype="int32")
    table = keras.layers.ReversibleEmbedding(ROWS, WIDTH, **options)
    with pytest.raises(martlet.UnsupportedError, match=text):
        nn.from_keras(keras.Model(words, table(table(words), reverse=True)))
    with pytest.raises(martlet.UnsupportedError, match=text.partition(" ")[0]):
        nn.ReversibleEmbedding(ROWS, WIDTH, **options)


def test_reverse_before_tokens_is_named() -> None:
    inputs, words = keras.Input((WIDTH,)), keras.Input((STEPS,), dtype="int32")
    table = keras.layers.ReversibleEmbedding(ROWS, WIDTH)
    outputs = table(inputs, reverse=True)
    with pytest.raises(martlet.UnsupportedError, match="called in reverse and has read no tokens"):
        nn.from_keras(keras.Model([inputs, words], [outputs, table(words)]))
    with pytest.raises(martlet.OrderError, match=r"wanted layer\(tokens\) before"):
        nn.ReversibleEmbedding(ROWS, WIDTH)(nn.Input((WIDTH,)), reverse=True)
