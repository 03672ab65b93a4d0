"""States of recurrent layers in other words: Keras's models, alive and in files, ONNX and C, there and back."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import c_files
import martlet
from exported import alike, as_list, fill, numbers
from martlet import nn
from onnx_runs import run
from test_nn_recurrent import KINDS, made
from test_nn_states import STATES, translator, words


def both(kind: str) -> Callable[[Any, Any], Any]:
    """Read both ways, with states between layers, into outputs, and from an input."""

    def build(library: Any, model: Any) -> Any:
        read = library.Input((9, 3), name="read")
        first, second = library.Input((5,), name="first"), library.Input((5,), name="second")
        layer = library.Bidirectional(made(library, kind, 5, return_sequences=True, return_state=True), name="both")
        begun = [first, *[second] * (2 * STATES[kind] - 1)]
        steps, *states = layer(read, initial_state=begun)
        last = made(library, kind, 5, go_backwards=True, return_state=True, name="last")
        ended, *others = last(steps, initial_state=states[: STATES[kind]])
        return model([read, first, second], [library.Dense(2)(ended), steps, states[-1], others[-1]])

    return build


def seeded(build: Callable[[Any, Any], Any]) -> Any:
    keras.utils.set_random_seed(4)
    return build(keras.layers, keras.Model)


def samples(model: Any, count: int = 4) -> list[Any]:
    return [numbers((count, *one.shape[1:]), 3 + place) for place, one in enumerate(model.inputs)]


def listed(given: Any) -> list[Any]:
    return [np.asarray(one) for one in as_list(given)]


@pytest.mark.parametrize("build", [translator, both])
@pytest.mark.parametrize("kind", KINDS)
def test_keras_there_and_back(kind: str, build: Any, tmp_path: Path) -> None:
    theirs = seeded(build(kind))
    theirs.save(tmp_path / "model.keras")
    x = samples(theirs)
    right = listed(theirs(x, training=False))
    for source in (theirs, tmp_path / "model.keras"):
        model = nn.from_keras(source)
        for one, other in zip(listed(model.predict(x)), right, strict=True):
            alike(one, other)
    back = nn.to_keras(model, tmp_path / "back.keras")
    for one, other in zip(listed(back(x, training=False)), right, strict=True):
        alike(one, other)
    again = nn.from_keras(tmp_path / "back.keras")
    for one, other in zip(listed(again.predict(x)), listed(model.predict(x)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_kerass_states_that_are_kept(tmp_path: Path) -> None:
    keras.utils.set_random_seed(4)
    layers = keras.layers
    theirs = keras.Sequential([
        keras.Input(batch_shape=(4, 3, 2)), layers.Bidirectional(layers.LSTM(5, stateful=True, return_sequences=True)),
        layers.GRU(4, stateful=True),
    ])  # fmt: skip
    theirs.save(tmp_path / "model.keras")
    x = [numbers((4, 3, 2), seed) for seed in (1, 2)]
    right = [np.asarray(theirs(one)) for one in x]
    for source in (theirs, tmp_path / "model.keras"):
        model = nn.from_keras(source)
        for one, other in zip(x, right, strict=True):
            alike(model.predict(one), other)
    back = nn.to_keras(model)
    for one, other in zip(x, right, strict=True):
        alike(np.asarray(back(one)), other)


def test_masks_beside_states(tmp_path: Path) -> None:
    """A mask that Keras was given comes along; one that it forgets, where a layer begins with states, is refused."""

    def build(is_given: bool) -> Any:
        ids, first = keras.Input((7,), dtype="int32"), keras.Input((4,))
        x = keras.layers.Embedding(30, 6, mask_zero=True)(ids)
        more = {"mask": keras.ops.not_equal(ids, 0)} if is_given else {}
        return keras.Model([ids, first], keras.layers.GRU(4)(x, initial_state=first, **more))

    keras.utils.set_random_seed(4)
    theirs = build(True)
    x = [words(), numbers((8, 4))]
    model = nn.from_keras(theirs)
    right = np.asarray(theirs(x, training=False))
    alike(model.predict(x), right)
    alike(np.asarray(nn.to_keras(model)(x, training=False)), right)
    with pytest.raises(martlet.UnsupportedError, match="a GRU, is called with initial_state and without mask"):
        nn.from_keras(build(False))


@pytest.mark.parametrize("build", [translator, both])
@pytest.mark.parametrize("kind", KINDS)
def test_onnx_and_c(kind: str, build: Any, tmp_path: Path) -> None:
    model = build(kind)(nn, nn.Model)
    fill(model)
    x = samples(model)
    wanted = model.predict(x)
    model.to_onnx(tmp_path / "model.onnx")
    alike(run(tmp_path / "model.onnx", x), wanted)
    model.to_c(tmp_path / "model.c")
    sizes = [one.shape[1:] for one in as_list(wanted)]
    alike(c_files.run(tmp_path / "model.c", x, sizes), wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_open_lengths(kind: str, tmp_path: Path) -> None:
    """Of one model, of one for each length, and of its ONNX file."""

    def build(steps: int | None) -> Any:
        read = nn.Input((steps, 3), name="read")
        every, *states = nn.Bidirectional(made(nn, kind, 5, return_sequences=True, return_state=True))(read)
        layer = made(nn, kind, 5, return_sequences=True, return_state=True)
        given, *others = layer(nn.Dense(4)(every), initial_state=states[: STATES[kind]])
        found = nn.Model(read, [given, *others, nn.Concatenate()([states[-1], nn.GlobalMaxPooling1D()(every)])])
        fill(found)
        return found

    model = build(None)
    model.to_onnx(tmp_path / "model.onnx")
    assert [one.shape[1] for one in model.outputs] == [None, *[5] * STATES[kind], 15]
    for steps in (6, 1, 13):
        x = numbers((4, steps, 3))
        for one, other in zip(model.predict(x), build(steps).predict(x), strict=True):
            np.testing.assert_array_equal(one, other)
        alike(run(tmp_path / "model.onnx", x), model.predict(x))
    model.compile(nn.SGD(0.1), "mse")
    other = build(7)
    other.compile(nn.SGD(0.1), "mse")
    x = numbers((4, 7, 3))
    y = [numbers(one.shape) for one in model.predict(x)]
    assert model.train_on_batch(x, y) == other.train_on_batch(x, y)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(nn.load_model(tmp_path / "model").predict(x)[0], model.predict(x)[0])


def test_masks_and_states_in_c(tmp_path: Path) -> None:
    """Sequences of all lengths, none too, both ways, that begin with states and give them."""
    ids, first = nn.Input((7,), dtype="int32"), nn.Input((5,))
    x = nn.Embedding(30, 6, mask_zero=True)(ids)
    layer = nn.Bidirectional(nn.LSTM(5, return_sequences=True, return_state=True), "ave")
    steps, *states = layer(x, initial_state=[first] * 4)
    ended = nn.GRU(5, reset_after=False)(steps, initial_state=states[0])
    model = nn.Model([ids, first], [steps, *states, ended])
    fill(model)
    given = [words(), numbers((8, 5))]
    wanted = model.predict(given)
    model.to_c(tmp_path / "model.c")
    alike(c_files.run(tmp_path / "model.c", given, [one.shape[1:] for one in wanted]), wanted)


def test_states_that_are_kept_do_not_go_out(tmp_path: Path) -> None:
    model = nn.Sequential([nn.Input(batch_shape=(2, 4, 3)), nn.Bidirectional(nn.GRU(2, stateful=True))])
    with pytest.raises(martlet.UnsupportedError, match="layer 'bidirectional_forward' keeps states .* does not go out"):
        model.to_onnx(tmp_path / "model.onnx")
    with pytest.raises(martlet.UnsupportedError, match="bidirectional_forward"):
        model.to_c(tmp_path / "model.c")
    assert not os.listdir(tmp_path)
