"""States of Bidirectional: given, taken and kept, beside Keras's; and one layer of another kind for each way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras

import martlet
from graphs import alike, numbers
from martlet import nn
from test_nn_recurrent import KINDS, made
from test_nn_states import STATES, words

MODES = ["concat", "sum", "mul", "ave"]


@pytest.mark.parametrize("kind", KINDS)
def test_states_as_values_beside_kerass(kind: str) -> None:
    """Made by other layers and handed from one layer to the next, behind masks, which Keras forgets where there is an
    initial state, unless it is given too."""

    def build(library: Any, model: Any) -> Any:
        ids, first = library.Input((7,), dtype="int32", name="ids"), library.Input((3,), name="first")
        x = library.Embedding(30, 6, mask_zero=True)(ids)
        given = [library.Dense(5, activation="tanh")(first) for _ in range(2 * STATES[kind])]
        more: Any = {} if library is nn else {"mask": keras.ops.not_equal(ids, 0)}
        layer = library.Bidirectional(made(library, kind, 5, return_state=True))
        last, *states = layer(x, initial_state=given, **more)
        every = library.Bidirectional(made(library, kind, 5, return_sequences=True, return_state=True))
        steps, *others = every(x, initial_state=states, **more)
        again = made(library, kind, 4)(library.Dense(5)(steps))
        ends = library.Concatenate()([last, *states, *others, again, library.Flatten()(steps)])
        return model([ids, first], library.Dense(2)(ends))

    alike(build, [words(), numbers(8, 3)])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("all_steps", [False, True])
def test_what_is_given_comes_in_kerass_order(mode: str, all_steps: bool) -> None:
    """What both give, the states of the way forward, those of the way backward."""

    def build(library: Any, model: Any) -> Any:
        inputs = library.Input((6, 3))
        first = library.LSTM(4, return_sequences=all_steps, return_state=True)
        options: Any = {"return_sequences": all_steps, "return_state": True, "go_backwards": True}
        second = library.LSTM(4, "sigmoid", use_bias=False, **options)
        found = library.Bidirectional(first, mode, backward_layer=second, name="both")(inputs)
        assert [tuple(one.shape) for one in found[1:]] == [(None, 4)] * 4
        return model(inputs, list(found))

    keras.utils.set_random_seed(1)
    with jax.enable_x64(False):
        ours, theirs = build(nn, nn.Model), build(keras.layers, keras.Model)
        ours.set_weights(theirs.get_weights())
        x = numbers(5, 6, 3)
        for one, other in zip(ours.predict(x), theirs.predict(x, verbose=0), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_kept_as_kerass_are(kind: str) -> None:
    keras.utils.set_random_seed(1)
    found = []
    for library, sequential in ((nn, nn.Sequential), (keras.layers, keras.Sequential)):
        layer = library.Bidirectional(made(library, kind, 5, stateful=True, return_sequences=True))
        found.append(sequential([library.Input(batch_shape=(4, 3, 2)), layer, library.Dense(1)]))
    ours, theirs = found
    ours.set_weights(theirs.get_weights())
    x = numbers(12, 3, 2)
    with jax.enable_x64(False):
        for _ in range(2):
            wanted = np.concatenate([np.asarray(theirs(x[first : first + 4])) for first in (0, 4, 8)])
            np.testing.assert_allclose(ours.predict(x, batch_size=4), wanted, rtol=1e-4, atol=1e-6)
        fresh = ours.predict(x[:4])
        ours.layers[0].reset_states()
        theirs.layers[0].reset_states()
        begun = ours.predict(x[:4])
        np.testing.assert_allclose(begun, np.asarray(theirs(x[:4])), rtol=1e-4, atol=1e-6)
    assert not np.array_equal(begun, fresh)
    ours.reset_states()
    np.testing.assert_array_equal(ours.predict(x[:4]), begun)
    assert ours.count_params() == theirs.count_params() and len(ours.layers[0].weights) == 6
    assert ours.layers[0].non_trainable_weights == []


def test_files_copies_and_layers_that_are_set_anew(tmp_path: Path) -> None:
    inputs = nn.Input(batch_shape=(4, 5, 3))
    steps, *states = nn.Bidirectional(
        nn.LSTM(4, return_sequences=True, return_state=True, stateful=True), "ave", name="both"
    )(inputs)
    ended = nn.Bidirectional(nn.GRU(4, reset_after=False))(steps, initial_state=[states[1], states[2]])
    model = nn.Model(inputs, nn.Dense(2)(nn.Concatenate()([ended, *states])))
    model.compile(nn.Adam(0.01), "mse")
    x, y = numbers(4, 5, 3), numbers(4, 2)
    model.train_on_batch(x, y)
    model.save(tmp_path / "model")
    loaded, again = nn.load_model(tmp_path / "model"), nn.clone_model(model)
    assert loaded.get_config() == again.get_config() == model.get_config()
    for other in (loaded, model):
        other.layers[1].trainable = False
        other.compile(nn.SGD(0.1), "mse")
    assert loaded.train_on_batch(x, y) == model.train_on_batch(x, y)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    again.set_weights(model.get_weights())
    kept = model.predict(x)
    model.reset_states()
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert not np.array_equal(kept, again.predict(x))


def test_what_is_called_with_other_states_is_named() -> None:
    x, h, wide = nn.Input((4, 3)), nn.Input((2,)), nn.Input((3,))
    for call, says in (
        (lambda: nn.Bidirectional(nn.LSTM(2))(x, initial_state=[h, h]), "initial_state of .* has 2 nodes; wanted 4"),
        (lambda: nn.Bidirectional(nn.GRU(2))(x, initial_state=h), "initial_state of .* has 1 nodes; wanted 2"),
        (
            lambda: nn.Bidirectional(nn.GRU(2))(x, initial_state=[h, wide]),
            r"initial_state\[1\] of .* \(None, 3\); wanted \(None, 2\)",
        ),
    ):
        with pytest.raises(martlet.ShapeError, match=says):
            call()
    second = nn.GRU(2, go_backwards=True, return_state=True)
    with pytest.raises(martlet.ArgumentError, match="backward_layer of .* has return_state=True; wanted False"):
        nn.Bidirectional(nn.GRU(2), backward_layer=second)
    with pytest.raises(martlet.ArgumentError, match="is stateful, and its model's batches have any size"):
        nn.Sequential([nn.Input((4, 3)), nn.Bidirectional(nn.LSTM(2, stateful=True))])
    with pytest.raises(martlet.UnsupportedError, match="which gives several nodes"):
        nn.Sequential([nn.Input((4, 3)), nn.Bidirectional(nn.LSTM(2, return_state=True))])
