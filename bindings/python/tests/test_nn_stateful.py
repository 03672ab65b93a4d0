"""Recurrent layers that keep their states from batch to batch: beside Keras's and torch's, step by step, files, and
what is refused."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras

import martlet
from graphs import numbers
from martlet import nn
from test_nn_recurrent import FIRST, KINDS, made, turned

STATES = {"LSTM": 2, "GRU": 1, FIRST: 1, "SimpleRNN": 1}


def pair(kind: str, batch: int = 4, steps: int = 3, **options: Any) -> tuple[Any, Any]:
    """The same stateful model in both libraries."""
    keras.utils.set_random_seed(1)
    found = []
    for library, sequential in ((nn, nn.Sequential), (keras.layers, keras.Sequential)):
        layer = functools.partial(made, library, kind)
        first = [layer(6, return_sequences=True, stateful=True), layer(5, stateful=True, **options)]
        found.append(sequential([library.Input(batch_shape=(batch, steps, 2)), *first, library.Dense(1)]))
    ours, theirs = found
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in theirs.get_weights()]
    ours.set_weights(theirs.get_weights())
    return ours, theirs


def reset(model: Any) -> None:
    for layer in model.layers[:2]:
        layer.reset_states()


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_kept_as_kerass_are(kind: str) -> None:
    """By calls, since Keras's predict, evaluate and fit on JAX begin each batch with the same states."""
    with jax.enable_x64(False):
        ours, theirs = pair(kind)
        x = numbers(12, 3, 2)
        for _ in range(2):
            wanted = np.concatenate([np.asarray(theirs(x[first : first + 4])) for first in (0, 4, 8)])
            np.testing.assert_allclose(ours.predict(x, batch_size=4), wanted, rtol=1e-4, atol=1e-6)
        reset(ours)
        reset(theirs)
        wanted = np.asarray(theirs(x[:4]))
        np.testing.assert_allclose(ours.predict(x[:4]), wanted, rtol=1e-4, atol=1e-6)
        ours.compile("sgd", "mse")
        wanted = np.asarray(theirs(x[4:8]))
        loss = ours.evaluate(x[4:8], wanted, batch_size=4, verbose=0)
        assert loss < 1e-10


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_training_with_kept_states_beside_torch(kind: str) -> None:
    """A batch begins with the states of the one before, through which no gradient goes."""
    torch.manual_seed(2)
    theirs = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "SimpleRNN": torch.nn.RNN}[kind](5, 12, batch_first=True)
    ours = nn.Sequential([nn.Input(batch_shape=(6, 4, 5)), made(nn, kind, 12, return_sequences=True, stateful=True)])
    ours.set_weights(turned(kind, theirs))
    ours.compile(nn.SGD(1.0), "mse")
    x, y = numbers(24, 4, 5), numbers(24, 4, 12)
    states: Any = None
    losses = []
    for first in range(0, 24, 6):
        given, states = theirs(torch.from_numpy(x[first : first + 6]), states)
        states = tuple(one.detach() for one in states) if kind == "LSTM" else states.detach()
        loss = ((given - torch.from_numpy(y[first : first + 6])) ** 2).mean()
        losses.append(loss.item())
        theirs.zero_grad()
        loss.backward()
        for name, parameter in theirs.named_parameters():
            if kind != "GRU" and name == "bias_hh_l0":
                continue  # one bias here
            parameter.data -= parameter.grad
    found = ours.fit(x, y, batch_size=6, epochs=1, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(found, np.mean(losses), rtol=1e-5)
    for mine, right in zip(ours.get_weights(), turned(kind, theirs), strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-3, atol=1e-5)
    assert not np.array_equal(ours.predict(x[:6]), ours.predict(x[:6]))
    ours.layers[0].reset_states()
    first_time = ours.predict(x[:6])
    ours.reset_states()
    np.testing.assert_array_equal(ours.predict(x[:6]), first_time)


@pytest.mark.parametrize("when", ["on_train_batch_end", "on_epoch_end"])
def test_fit_goes_on_with_the_states_that_a_prediction_in_it_leaves(when: str) -> None:
    """Training batch by batch, with predictions between, is what a fit is whose callback predicts."""

    def made() -> nn.Model:
        model = nn.Sequential([nn.Input(batch_shape=(4, 3, 2)), nn.GRU(6, stateful=True), nn.Dense(1)], seed=2)
        model.compile(nn.SGD(0.5), "mse")
        return model

    x, y, other = numbers(8, 3, 2), numbers(8, 1), numbers(4, 3, 2)
    ours, plain, wanted = made(), made(), made()
    callback = nn.Callback()
    setattr(callback, when, lambda *_: ours.predict(other))
    ours.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=[callback])
    plain.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for _ in range(2):
        for first in (0, 4):
            wanted.train_on_batch(x[first : first + 4], y[first : first + 4])
            if when == "on_train_batch_end" or first == 4:
                wanted.predict(other)
    np.testing.assert_array_equal(ours.parameters(), wanted.parameters())
    assert (ours.parameters() != plain.parameters()).any()
    np.testing.assert_array_equal(ours.predict(other), wanted.predict(other))


@pytest.mark.parametrize("kind", KINDS)
def test_step_by_step_is_the_whole_to_the_bit(kind: str) -> None:
    """By states that a model keeps, and by those that the caller holds."""
    units = 33
    whole = nn.Sequential([nn.Input((20, 9)), made(nn, kind, units, return_sequences=True)], seed=3)
    x = numbers(2, 20, 9)
    wanted = whole.predict(x)
    keeping = nn.Sequential([nn.Input(batch_shape=(2, 1, 9)), made(nn, kind, units, stateful=True)])
    one = nn.Input((1, 9))
    given = [nn.Input((units,)) for _ in range(STATES[kind])]
    holding = nn.Model([one, *given], made(nn, kind, units, return_state=True)(one, initial_state=given))
    for model in (keeping, holding):
        model.set_weights(whole.get_weights())
    for _ in range(2):
        states = [np.zeros((2, units), np.float32) for _ in given]
        for step in range(20):
            np.testing.assert_array_equal(keeping.predict(x[:, step : step + 1]), wanted[:, step])
            found, *states = holding.predict([x[:, step : step + 1], *states])
            np.testing.assert_array_equal(found, wanted[:, step])
        keeping.reset_states()


def test_what_is_kept_is_no_weight_and_in_files(tmp_path: Path) -> None:
    ours, _ = pair("LSTM")
    plain = nn.Sequential([nn.Input((3, 2)), nn.LSTM(6, return_sequences=True), nn.LSTM(5), nn.Dense(1)])
    assert ours.count_params() == plain.count_params()
    assert len(ours.layers[0].weights) == 3
    assert ours.layers[0].non_trainable_weights == []
    x = numbers(4, 3, 2)
    fresh = ours.predict(x)
    ours.save(tmp_path / "model")
    loaded = nn.load_model(tmp_path / "model")
    second = ours.predict(x)
    assert not np.array_equal(fresh, second)
    np.testing.assert_array_equal(loaded.predict(x), second)
    for model in (ours, loaded):
        reset(model)
        np.testing.assert_array_equal(model.predict(x), fresh)
    again = nn.clone_model(ours)
    assert again.get_config() == ours.get_config() == loaded.get_config()
    again.set_weights(ours.get_weights())
    np.testing.assert_array_equal(again.predict(x), fresh)


def test_other_batches_are_refused_and_nothing_is_changed() -> None:
    ours, _ = pair("GRU")
    x, y = numbers(12, 3, 2), numbers(12, 1)
    ours.compile("sgd", "mse")
    before = [one.copy() for one in ours.get_weights()]
    for call in (
        lambda: ours.predict(x[:3]),
        lambda: ours.predict(x),
        lambda: ours.predict(x[:6], batch_size=4),
        lambda: ours.evaluate(x[:6], y[:6], batch_size=4),
        lambda: ours.train_on_batch(x, y),
    ):
        with pytest.raises(martlet.ShapeError, match=r"expected whole batches of 4: layer \"gru\" keeps the states"):
            call()
    for one, other in zip(before, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    fresh = ours.predict(x[:4])
    reset(ours)
    np.testing.assert_array_equal(ours.predict(x[:4]), fresh)
    with pytest.raises(martlet.ArgumentError, match=r"layer 'lstm' is stateful, and .* wanted Input\(batch_shape="):
        nn.Sequential([nn.Input((3, 2)), nn.LSTM(2, stateful=True)])
    with pytest.raises(martlet.OrderError, match="is in no built model"):
        nn.LSTM(2, stateful=True).reset_states()
    with pytest.raises(martlet.ArgumentError, match="batch_shape is .* beside shape"):
        nn.Input((3,), batch_shape=(2, 3))
    with pytest.raises(martlet.DTypeError, match="batch_shape is 3"):
        nn.Input(batch_shape=3)


def test_states_stay_where_a_layer_is_frozen() -> None:
    """A model whose layers' trainable has been set is laid down anew."""
    x = numbers(4, 3, 2)
    found = []
    for is_frozen in (False, True):
        model, _ = pair("LSTM")
        model.predict(x)
        model.layers[0].trainable = not is_frozen
        model.compile("sgd", "mse")
        found.append(model.predict(x))
    np.testing.assert_array_equal(found[0], found[1])
    model.layers[1].reset_states()
    assert (model.predict(x) != found[0]).any()
