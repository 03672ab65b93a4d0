"""Inputs whose sizes are open: the bits of a model made for the length that comes, beside Keras, through files and
configs, within other models, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet
from crowds import errors_of
from martlet import nn

RNG = np.random.default_rng(5)
LENGTHS = (7, 3, 12, 1, 7)


def sequences(steps: int, count: int = 10) -> Any:
    x = RNG.normal(size=(count, steps, 3)).astype(np.float32)
    x[0, steps // 2 :] = 0  # masked away
    return x


def batches(lengths: tuple[int, ...] = LENGTHS) -> Iterator[tuple[Any, Any]]:
    for steps in lengths:
        yield sequences(steps), RNG.integers(0, 4, 10)


def made(layers: Any, model: Any, steps: int | None, **options: Any) -> Any:
    x = layers.Input((steps, 3))
    h = layers.LSTM(6, return_sequences=True)(layers.Masking()(x))
    h = layers.Conv1D(5, 3, padding="same", activation="relu")(h)
    h = layers.Concatenate()([layers.GlobalAveragePooling1D()(h), layers.GlobalMaxPooling1D()(h)])
    return model(x, layers.Dense(4)(h), **options)


def compiled(steps: int | None) -> Any:
    model = made(nn, nn.Model, steps, seed=3)
    model.compile(nn.Adam(0.01), nn.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def test_has_the_bits_of_models_of_each_length() -> None:
    model = compiled(None)
    for x, y in batches():
        fixed = compiled(x.shape[1])
        fixed.set_weights(model.get_weights())
        np.testing.assert_array_equal(model.predict(x), fixed.predict(x))
        assert model.test_on_batch(x, y) == fixed.test_on_batch(x, y)
        fixed.compile(nn.SGD(0.01), nn.SparseCategoricalCrossentropy(from_logits=True))
        model.compile(nn.SGD(0.01), nn.SparseCategoricalCrossentropy(from_logits=True))
        assert model.train_on_batch(x, y) == fixed.train_on_batch(x, y)
        for one, other in zip(model.get_weights(), fixed.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        model.compile(nn.Adam(0.01), nn.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])


def test_follows_keras_through_batches_of_many_lengths() -> None:
    theirs, ours = made(keras.layers, keras.Model, None), compiled(None)
    theirs.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ours.set_weights(theirs.get_weights())
    for x, y in batches(LENGTHS * 3):
        assert ours.train_on_batch(x, y)[0] == pytest.approx(theirs.train_on_batch(x, y), rel=1e-4)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-4)
    assert ours.input_shape == theirs.input_shape == (None, None, 3)
    assert [layer.output_shape for layer in ours.layers[1:4]] == [(None, None, 3), (None, None, 6), (None, None, 5)]
    assert ours.output_shape == theirs.output_shape == (None, 4)


def test_fit_takes_one_length_to_train_and_another_to_validate() -> None:
    model, fixed = compiled(None), compiled(6)
    x, y, held = sequences(6, 40), RNG.integers(0, 4, 40), (sequences(9, 12), RNG.integers(0, 4, 12))

    class Predicts(nn.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            assert model.predict(held[0]).shape == (12, 4)

    history = model.fit(x, y, 8, 3, verbose=0, validation_data=held, callbacks=[Predicts()]).history
    assert history["loss"] == fixed.fit(x, y, 8, 3, verbose=0).history["loss"]
    assert history["val_loss"][-1] == model.evaluate(*held)[0]
    losses = model.fit(batches((5, 9, 2)), verbose=0).history
    assert np.isfinite(losses["loss"]).all() and [*losses] == ["loss", "accuracy"]


def test_steps_of_their_own_are_scored_at_each_length() -> None:
    """Outputs that are as long as the samples, of an Embedding's rows, with labels for each step."""
    model = nn.Sequential([nn.Input((None,)), nn.Embedding(20, 5), nn.GRU(4, return_sequences=True)])
    model.add(nn.Dense(3, activation="softmax"))
    assert model.output_shape == (None, None, 3) and model.input_shape == (None, None)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    for steps in LENGTHS:
        x, y = RNG.integers(0, 20, (6, steps)), RNG.integers(0, 3, (6, steps))
        assert model.predict(x).shape == (6, steps, 3)
        loss, accuracy = model.train_on_batch(x, y)
        assert loss > 0 and 0 <= accuracy <= 1
    with pytest.raises(martlet.OrderError, match="its layers are fixed"):
        model.add(nn.Dense(2))


@pytest.mark.parametrize("is_chain", [False, True])
def test_goes_through_files_and_configs(tmp_path: Path, is_chain: bool) -> None:
    model = compiled(None)
    if is_chain:
        model = nn.Sequential([nn.Input((None, 3)), nn.LSTM(4), nn.Dense(4)])
        model.compile(nn.Adam(0.01), nn.SparseCategoricalCrossentropy(from_logits=True))
    for x, y in batches((5, 8)):
        model.train_on_batch(x, y)
    model.save(tmp_path / "open.safetensors")
    loaded = nn.load_model(tmp_path / "open.safetensors")
    assert loaded.input_shape == (None, None, 3) and type(loaded) is type(model)
    assert [one.output_shape for one in loaded.layers] == [one.output_shape for one in model.layers]
    for x, y in batches((9, 2)):
        assert loaded.train_on_batch(x, y) == model.train_on_batch(x, y)
        np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    again = type(model).from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(sequences(4)[1:]).shape, (9, 4))
    assert again.input_shape == (None, None, 3)
    assert nn.clone_model(model).input_shape == (None, None, 3)


@pytest.mark.parametrize("steps", [5, 1500, None])
def test_several_inputs_go_through_files(steps: int | None, tmp_path: Path) -> None:
    """steps: of what was predicted before; None: nothing was."""
    words, mask = nn.Input((None,), dtype="int32"), nn.Input((None,), dtype="int32")
    rows = nn.Masking()(nn.Embedding(7, 4)(words), mask=mask)
    model = nn.Model([words, mask], nn.Dense(3)(nn.LSTM(4, return_sequences=True)(rows)), seed=2)
    if steps:
        model.predict(list(RNG.integers(0, 2, (2, 3, steps))))
    model.save(tmp_path / "model.safetensors")
    loaded = nn.load_model(tmp_path / "model.safetensors")
    for length in (3, 8):
        x = list(RNG.integers(0, 2, (2, 3, length)))
        np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_is_a_part_of_other_models() -> None:
    x = nn.Input((None, 3))
    inner = nn.Model(x, nn.LSTM(4, return_sequences=True)(x), name="inner")
    a, b = nn.Input((None, 3)), nn.Input((5,))
    h = nn.GlobalAveragePooling1D()(inner(a))
    model = nn.Model([a, b], nn.Dense(2)(nn.Concatenate()([h, b])))
    assert model.input_shape == [(None, None, 3), (None, 5)] and inner.output_shape == (None, None, 4)
    for steps in LENGTHS:
        assert model.predict([sequences(steps), np.ones((10, 5))]).shape == (10, 2)
        assert inner.predict(sequences(steps)).shape == (10, steps, 4)
    trainable = model.layers[-1]
    trainable.trainable = False
    model.compile("sgd", "mse")
    before = trainable.get_weights()
    model.train_on_batch([sequences(4), np.ones((10, 5))], np.ones((10, 2)))
    np.testing.assert_array_equal(before[0], trainable.get_weights()[0])


def test_images_of_any_size() -> None:
    model = nn.Sequential([nn.Input((None, None, 2)), nn.Conv2D(4, 3), nn.MaxPooling2D(), nn.GlobalMaxPooling2D()])
    theirs = keras.Sequential(
        [
            keras.Input((None, None, 2)),
            keras.layers.Conv2D(4, 3),
            keras.layers.MaxPooling2D(),
            keras.layers.GlobalMaxPooling2D(),
        ]
    )
    model.build((None, None, None, 2))
    theirs.set_weights(model.get_weights())
    for height, width in ((9, 6), (4, 17)):
        x = RNG.normal(size=(3, height, width, 2)).astype(np.float32)
        np.testing.assert_allclose(model.predict(x), theirs.predict(x, verbose=0), atol=1e-5)
    with pytest.raises(martlet.ShapeError, match="max_pooling2d|conv2d"):
        model.predict(np.ones((3, 3, 2, 2)))
    assert model.predict(np.ones((3, 5, 5, 2))).shape == (3, 4)


def test_threads_predict_beside_one_another_at_one_length() -> None:
    model = compiled(None)
    x = sequences(6)
    wanted = model.predict(x)
    assert not errors_of(lambda _: np.testing.assert_array_equal(model.predict(x), wanted))


class Own(nn.OwnLayer):
    def call(self, x: Any, training: bool = False) -> Any:
        return 2 * x

    def gradient(self, x: Any, slopes: Any) -> Any:
        return 2 * slopes


@pytest.mark.parametrize(
    ("layers", "error", "said"),
    [
        ([nn.Flatten, lambda: nn.Dense(2)], martlet.ShapeError, 'at another length layer "dense" would have arrays'),
        ([Own], martlet.UnsupportedError, "layer 'own' has numbers that depend on it"),
    ],
)
def test_what_depends_on_the_length_is_named(layers: list[Any], error: type[Exception], said: str) -> None:
    model = nn.Sequential([nn.Input((None, 3)), *(layer() for layer in layers)])
    for _ in range(2):
        with pytest.raises(error, match=said):
            model.predict(sequences(4))


@pytest.mark.parametrize(
    ("shape", "error", "said"),
    [
        ((None, 0), martlet.ArgumentError, r"shape of Input\[1\] is 0"),
        ((None,) * 9, martlet.ArgumentError, "wanted 1 to 8 sizes"),
        ((None, "3"), martlet.DTypeError, r"shape of Input\[1\]"),
        (None, martlet.DTypeError, "shape of Input is None"),
    ],
)
def test_shapes_that_cannot_be(shape: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        nn.Input(shape)


def test_samples_that_do_not_fit() -> None:
    model = compiled(None)
    with pytest.raises(martlet.ShapeError, match=r"samples of shape \(5, 4\), and the model reads \(None, 3\)"):
        model.predict(np.ones((2, 5, 4)))
    with pytest.raises(martlet.ShapeError, match=r"\(5,\)"):
        model.predict(np.ones((2, 5)))
    x = nn.Input((None, None))
    with pytest.raises(martlet.ShapeError, match='layer "lstm" would have arrays'):
        nn.Model(x, nn.LSTM(2)(x))


def test_goes_out_to_onnx_at_any_length(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    x = nn.Input((None, 3), name="x")
    h = nn.Conv1D(5, 3, padding="same", activation="relu")(nn.LSTM(6, return_sequences=True)(x))
    model = nn.Model(x, nn.Dense(4)(nn.GlobalAveragePooling1D()(h)))
    model.to_onnx(tmp_path / "open.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "open.onnx", providers=["CPUExecutionProvider"])
    for steps in (1, 2, 8, 31):
        samples = sequences(steps)
        (found,) = session.run(None, {"x": samples})
        np.testing.assert_allclose(found, model.predict(samples), atol=1e-5)


@pytest.mark.parametrize("way", ["to_onnx", "to_c"])
def test_what_is_of_one_length_says_so(tmp_path: Path, way: str) -> None:
    """A stride with padding "same" begins elsewhere at other lengths; C has a size."""
    model = nn.Sequential([nn.Input((None,)), nn.Embedding(9, 3), nn.Conv1D(2, 3, 2, padding="same")])
    with pytest.raises(
        martlet.UnsupportedError, match=r"reads samples of \(None,\), and .* wanted an Input without None"
    ):
        getattr(model, way)(tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_comes_from_keras_and_goes_back(tmp_path: Path) -> None:
    one = keras.Input((None, 3))
    theirs = keras.Model(one, keras.layers.Dense(2)(keras.layers.LSTM(4, return_sequences=True)(one)))
    theirs.save(tmp_path / "open.keras")
    x = sequences(9)[1:]
    for model in (nn.from_keras(theirs), nn.from_keras(tmp_path / "open.keras")):
        assert model.input_shape == (None, None, 3)
        np.testing.assert_allclose(model.predict(x), theirs.predict(x, verbose=0), atol=1e-5)
        back = nn.to_keras(model)
        assert back.input_shape == (None, None, 3)
        np.testing.assert_allclose(back.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=1e-5)
    chain = keras.Sequential([keras.Input((None,)), keras.layers.Embedding(20, 4), keras.layers.GRU(3)])
    ids = RNG.integers(0, 20, (4, 6))
    np.testing.assert_allclose(nn.from_keras(chain).predict(ids), chain.predict(ids, verbose=0), atol=1e-5)


def test_positions_are_of_the_longest() -> None:
    """A table of so many rows serves shorter sequences by its first, as KerasHub's; gradients of the others are 0."""
    ids = nn.Input((None,), dtype="int32")
    x = nn.Embedding(20, 6)(ids)
    x = x + nn.PositionEmbedding(5, "random_normal")(x)
    model = nn.Model(ids, nn.Dense(3)(nn.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)))
    model.compile(nn.SGD(0.1), "mse")
    assert model.output_shape == (None, None, 3)
    table = next(layer for layer in model.layers if isinstance(layer, nn.PositionEmbedding))
    for steps in (5, 3, 1):
        before = table.get_weights()[0]
        model.train_on_batch(RNG.integers(0, 20, (4, steps)), np.ones((4, steps, 3)))
        changed = (table.get_weights()[0] != before).any(axis=1)
        assert changed.tolist() == [row < steps for row in range(5)]
    words = RNG.integers(0, 20, (3, 5))
    np.testing.assert_allclose(model.predict(words[:, :2]), model.predict(words)[:, :2], atol=1e-6)
    with pytest.raises(martlet.ShapeError, match='layer "position_embedding" reads 6 steps; expected 5 at most'):
        model.predict(np.ones((2, 6), np.int32))
