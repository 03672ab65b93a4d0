"""States of recurrent layers as values: taken out and given in, beside Keras's."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras

import martlet
from graphs import NDArray, alike, numbers
from martlet import nn
from test_nn_recurrent import FIRST, KINDS, made

STATES = {"LSTM": 2, "GRU": 1, FIRST: 1, "SimpleRNN": 1}


def words() -> NDArray:
    """Sequences of all lengths, none too."""
    ids = np.random.default_rng(5).integers(1, 30, (8, 7)).astype(np.int32)
    for length in range(8):
        ids[length, length:] = 0
    return ids


def translator(kind: str) -> Callable[[Any, Any], Any]:
    """An encoder whose last states a decoder begins with."""

    def build(library: Any, model: Any) -> Any:
        read, written = library.Input((9, 3), name="read"), library.Input((5, 4), name="written")
        _, *states = made(library, kind, 6, return_state=True)(library.Dense(4)(read))
        decoder = made(library, kind, 6, return_sequences=True, return_state=True)
        steps, *_ = decoder(written, initial_state=states)
        return model([read, written], library.Dense(2)(steps))

    return build


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_and_a_decoder_beside_kerass(kind: str) -> None:
    alike(translator(kind), [numbers(6, 9, 3), numbers(6, 5, 4)])


@pytest.mark.parametrize("kind", KINDS)
def test_states_as_values_beside_kerass(kind: str) -> None:
    """Made by other layers, read by others, handed from step to step, behind masks and backwards. Keras forgets a mask
    where there is an initial state, unless it is given too."""

    def build(library: Any, model: Any) -> Any:
        ids, first = library.Input((7,), dtype="int32", name="ids"), library.Input((3,), name="first")
        layer = functools.partial(made, library, kind)
        x = library.Embedding(30, 6, mask_zero=True)(ids)
        given = [library.Dense(17, activation="tanh")(first) for _ in range(STATES[kind])]
        more: Any = {} if library is nn else {"mask": keras.ops.not_equal(ids, 0)}
        last, *states = layer(17, return_state=True)(x, initial_state=given, **more)
        backward = layer(17, return_sequences=True, return_state=True, go_backwards=True)
        steps, *others = backward(x, initial_state=states, **more)
        again, *_ = layer(5, return_sequences=True, return_state=True)(steps)
        ends = library.Concatenate()([last, *states, *others, layer(4)(again), library.Flatten()(steps)])
        return model([ids, first], library.Dense(2)(ends))

    alike(build, [words(), numbers(8, 3)])


@pytest.mark.parametrize("kind", KINDS)
def test_one_layer_with_states_at_several_places(kind: str) -> None:
    def build(library: Any, model: Any) -> Any:
        inputs = library.Input((4, 5))
        layer = made(library, kind, 5, return_sequences=True, return_state=True)
        steps, *states = layer(inputs)
        steps, *states = layer(steps, initial_state=states)
        steps, *states = layer(steps, initial_state=states)
        return model(inputs, library.Dense(1)(library.Concatenate()([library.Flatten()(steps), *states])))

    alike(build, numbers(6, 4, 5))


@pytest.mark.parametrize("all_steps", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_states_are_outputs(kind: str, all_steps: bool) -> None:
    def build(library: Any, model: Any) -> Any:
        ids = library.Input((7,), dtype="int32")
        x = library.Embedding(30, 6, mask_zero=True)(ids)
        return model(ids, made(library, kind, 5, return_sequences=all_steps, return_state=True)(x))

    keras.utils.set_random_seed(1)
    with jax.enable_x64(False):
        ours, theirs = build(nn, nn.Model), build(keras.layers, keras.Model)
        ours.set_weights(theirs.get_weights())
        found, wanted = ours.predict(words()), theirs.predict(words(), verbose=0)
    assert len(found) == len(wanted) == 1 + STATES[kind]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_without_steps_ends_as_it_began(kind: str) -> None:
    x, first = nn.Input((7, 3)), nn.Input((4,))
    given = [first] * STATES[kind]
    model = nn.Model([x, first], made(nn, kind, 4, return_state=True)(nn.Masking()(x), initial_state=given))
    sample, state = numbers(2, 7, 3), numbers(2, 4)
    sample[1] = 0
    for found in model.predict([sample, state]):
        np.testing.assert_array_equal(found[1], state[1])
        assert not np.array_equal(found[0], state[0])


@pytest.mark.parametrize("kind", KINDS)
def test_files_and_copies(kind: str, tmp_path: Path) -> None:
    model = translator(kind)(nn, nn.Model)
    x = [numbers(6, 9, 3), numbers(6, 5, 4)]
    y = numbers(6, 5, 2)
    model.compile(nn.Adam(0.01), "mse")
    model.train_on_batch(x, y)
    model.save(tmp_path / "model")
    model.save_weights(tmp_path / "weights")
    loaded, again = nn.load_model(tmp_path / "model"), nn.clone_model(model)
    assert loaded.get_config() == again.get_config() == model.get_config()
    assert [one.name for one in loaded.layers] == [one.name for one in model.layers]
    again.load_weights(tmp_path / "weights")
    for other in (loaded, again):
        np.testing.assert_array_equal(other.predict(x), model.predict(x))
    assert loaded.train_on_batch(x, y) == model.train_on_batch(x, y)


def test_what_is_called_with_other_states_is_named() -> None:
    x, h, wide = nn.Input((4, 3)), nn.Input((2,)), nn.Input((3,))
    for call, says in (
        (lambda: nn.LSTM(2)(x, initial_state=h), "initial_state of .* has 1 nodes; wanted 2"),
        (lambda: nn.GRU(2)(x, initial_state=[h, h]), "initial_state of .* has 2 nodes; wanted 1"),
        (lambda: nn.LSTM(2)(x, initial_state=[h, wide]), r"initial_state\[1\] of .* \(None, 3\); wanted \(None, 2\)"),
        (lambda: nn.GRU(2)([x, x]), r"initial_state\[0\] of .* \(None, 4, 3\)"),
    ):
        with pytest.raises(martlet.ShapeError, match=says):
            call()
    with pytest.raises(martlet.DTypeError, match="initial_state of .* is ndarray"):
        nn.GRU(2)(x, initial_state=np.zeros((1, 2)))
    with pytest.raises(martlet.ArgumentError, match="wanted one node or more"):
        nn.GRU(2)(x, initial_state=[])
    with pytest.raises(martlet.UnsupportedError, match="which gives several nodes"):
        nn.Sequential([nn.Input((4, 3)), nn.LSTM(2, return_state=True)])
    out, state = nn.GRU(2, return_state=True)(x)
    model = nn.Model([x, h], nn.Dense(1)(nn.Add()([state, h])))
    with pytest.raises(martlet.ShapeError, match="samples"):
        model.predict([numbers(5, 4, 3), numbers(6, 2)])
    assert out.shape == state.shape == (None, 2)


def test_a_part_of_a_sequence_beside_kerass() -> None:
    def build(library: Any, model: Any) -> Any:
        inputs = library.Input((9, 3))
        x = library.Dense(4)(inputs)
        parts = [library.Flatten()(library.Cropping1D(crop)(x)) for crop in (1, (0, 3), (4, 4), (8, 0), 0)]
        return model(inputs, library.Dense(2)(library.Concatenate()(parts)))

    alike(build, numbers(5, 9, 3))
    with pytest.raises(martlet.ShapeError, match="more than 9 steps"):
        nn.Sequential([nn.Input((9, 3)), nn.Cropping1D((4, 5))])
    with pytest.raises(martlet.ArgumentError, match="cropping"):
        nn.Cropping1D(-1)
