"""States of recurrent layers: taken out and given in, beside Keras's; and kept from batch to batch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras

import martlet
from graphs import NDArray, alike, numbers
from martlet import nn
from test_nn_recurrent import turned

KINDS = ["LSTM", "GRU", "SimpleRNN"]
STATES = {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}


def words() -> NDArray:
    """Sequences of all lengths, none too."""
    ids = np.random.default_rng(5).integers(1, 30, (8, 7)).astype(np.int32)
    for length in range(8):
        ids[length, length:] = 0
    return ids


# ---- taken out and given in ----


def translator(kind: str) -> Callable[[Any, Any], Any]:
    """An encoder whose last states a decoder begins with."""

    def build(library: Any, model: Any) -> Any:
        read, written = library.Input((9, 3), name="read"), library.Input((5, 4), name="written")
        _, *states = getattr(library, kind)(6, return_state=True)(library.Dense(4)(read))
        decoder = getattr(library, kind)(6, return_sequences=True, return_state=True)
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
        layer = getattr(library, kind)
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
        layer = getattr(library, kind)(5, return_sequences=True, return_state=True)
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
        return model(ids, getattr(library, kind)(5, return_sequences=all_steps, return_state=True)(x))

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
    model = nn.Model([x, first], getattr(nn, kind)(4, return_state=True)(nn.Masking()(x), initial_state=given))
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
    with pytest.raises(martlet.UnsupportedError, match="layer of .* has return_state=True"):
        nn.Bidirectional(nn.LSTM(2, return_state=True))
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


# ---- kept ----


def pair(kind: str, batch: int = 4, steps: int = 3, **options: Any) -> tuple[Any, Any]:
    """The same stateful model in both libraries."""
    keras.utils.set_random_seed(1)
    made = []
    for library, sequential in ((nn, nn.Sequential), (keras.layers, keras.Sequential)):
        layer = getattr(library, kind)
        first = [layer(6, return_sequences=True, stateful=True), layer(5, stateful=True, **options)]
        made.append(sequential([library.Input(batch_shape=(batch, steps, 2)), *first, library.Dense(1)]))
    ours, theirs = made
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


@pytest.mark.parametrize("kind", KINDS)
def test_training_with_kept_states_beside_torch(kind: str) -> None:
    """A batch begins with the states of the one before, through which no gradient goes."""
    torch.manual_seed(2)
    theirs = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "SimpleRNN": torch.nn.RNN}[kind](5, 12, batch_first=True)
    ours = nn.Sequential([nn.Input(batch_shape=(6, 4, 5)), getattr(nn, kind)(12, return_sequences=True, stateful=True)])
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


@pytest.mark.parametrize("kind", KINDS)
def test_step_by_step_is_the_whole_to_the_bit(kind: str) -> None:
    """By states that a model keeps, and by those that the caller holds."""
    units = 33
    whole = nn.Sequential([nn.Input((20, 9)), getattr(nn, kind)(units, return_sequences=True)], seed=3)
    x = numbers(2, 20, 9)
    wanted = whole.predict(x)
    keeping = nn.Sequential([nn.Input(batch_shape=(2, 1, 9)), getattr(nn, kind)(units, stateful=True)])
    one = nn.Input((1, 9))
    given = [nn.Input((units,)) for _ in range(STATES[kind])]
    holding = nn.Model([one, *given], getattr(nn, kind)(units, return_state=True)(one, initial_state=given))
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
        with pytest.raises(martlet.ShapeError, match=r"expected batches of 4: layer \"gru\" keeps the states"):
            call()
    for one, other in zip(before, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    fresh = ours.predict(x[:4])
    reset(ours)
    np.testing.assert_array_equal(ours.predict(x[:4]), fresh)
    with pytest.raises(martlet.ArgumentError, match=r"layer 'lstm' is stateful, and .* wanted Input\(batch_shape="):
        nn.Sequential([nn.Input((3, 2)), nn.LSTM(2, stateful=True)])
    with pytest.raises(martlet.UnsupportedError, match="layer of .* has stateful=True"):
        nn.Bidirectional(nn.LSTM(2, stateful=True))
    with pytest.raises(martlet.OrderError, match="is in no built model"):
        nn.LSTM(2, stateful=True).reset_states()
    with pytest.raises(martlet.ArgumentError, match="batch_shape is .* beside shape"):
        nn.Input((3,), batch_shape=(2, 3))
    with pytest.raises(martlet.DTypeError, match="batch_shape is 3"):
        nn.Input(batch_shape=3)
