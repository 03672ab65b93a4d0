"""LSTM, GRU and SimpleRNN: beside Keras's and torch's with the same weights, their slopes beside float64's, files,
batches, threads, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet
from graphs import NDArray, alike, numbers
from martlet import nn

FIRST = "GRU, reset first"
KINDS = ["LSTM", "GRU", FIRST, "SimpleRNN"]
OPTIONS: dict[str, dict[str, Any]] = {
    "last": {}, "all": {"return_sequences": True}, "backwards": {"go_backwards": True, "return_sequences": True},
    "bare": {"use_bias": False}, "wide": {"units": 130}, "sixteen": {"units": 16},
    "relu": {"activation": "relu", "units": 20}, "linear": {"activation": None, "return_sequences": True},
    "penalty": {"kernel_regularizer": "l2"},
}  # fmt: skip
GATES: dict[str, dict[str, Any]] = {
    gate: {"recurrent_activation": gate, "activation": "softplus"} for gate in ("hard_sigmoid", "tanh")
}


def made(library: Any, kind: str, units: int = 6, **options: Any) -> Any:
    if kind == FIRST:
        options["reset_after"] = False
    return getattr(library, kind.partition(",")[0])(units, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_beside_kerass(kind: str) -> None:
    """All options beside one another, since Keras takes seconds for each model; over a layer, so that the gradients by
    the input are seen, and under one."""

    def build(library: Any, model: Any) -> Any:
        inputs = library.Input((9, 3))
        x = library.Dense(4)(inputs)
        gates = {} if kind == "SimpleRNN" else GATES
        given = [made(library, kind, **options)(x) for options in (OPTIONS | gates).values()]
        return model(inputs, library.Concatenate()([library.Dense(2)(library.Flatten()(one)) for one in given]))

    alike(build, numbers(5, 9, 3))


@pytest.mark.parametrize(("batch", "steps"), [(1, 7), (7, 1), (60, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_batches_and_lengths_beside_kerass(kind: str, batch: int, steps: int) -> None:
    def build(library: Any, model: Any) -> Any:
        inputs = library.Input((steps, 5))
        x = made(library, kind, 17, return_sequences=True)(library.Dense(5)(inputs))
        return model(inputs, library.Dense(2)(made(library, kind, 4)(x)))

    alike(build, numbers(batch, steps, 5))


@pytest.mark.parametrize("kind", KINDS)
def test_words_and_layers_that_are_there_twice(kind: str) -> None:
    def build(library: Any, model: Any) -> Any:
        words = library.Input((7,), dtype="int32")
        x = library.Embedding(30, 6)(words)
        layer = made(library, kind, 6, return_sequences=True)
        return model(words, library.Dense(1)(made(library, kind, 5)(layer(layer(x)))))

    alike(build, np.random.default_rng(5).integers(0, 30, (9, 7)).astype(np.int32))


@pytest.mark.parametrize("kind", KINDS)
def test_training_goes_as_kerass(kind: str) -> None:
    x = numbers(64, 12, 4)
    y = x[:, :, 0].cumsum(1)[:, -1:] / 3
    ours = nn.Sequential([nn.Input((12, 4)), made(nn, kind, 16), nn.Dense(1)])
    theirs = keras.Sequential([keras.layers.Input((12, 4)), made(keras.layers, kind, 16), keras.layers.Dense(1)])
    theirs.set_weights(ours.get_weights())
    ours.compile(nn.Adam(0.01), "mse")
    theirs.compile(keras.optimizers.Adam(0.01), "mse")
    fit: dict[str, Any] = {"batch_size": 16, "epochs": 8, "shuffle": False, "verbose": 0}
    losses = ours.fit(x, y, **fit).history["loss"]
    np.testing.assert_allclose(losses, theirs.fit(x, y, **fit).history["loss"], rtol=2e-3)
    assert losses[-1] < losses[0] / 2


def turned(kind: str, layer: torch.nn.Module) -> list[NDArray]:
    """torch's weights as Keras has them: turned, and of a GRU the gates z, r, n that torch has as r, z, n."""
    kernel, state, first, second = (
        parameter.detach().numpy().T.reshape(*parameter.T.shape[:-1], -1, layer.hidden_size)
        for parameter in (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0)
    )
    if kind == "GRU":
        kernel, state, first, second = (array[..., [1, 0, 2], :] for array in (kernel, state, first, second))
        bias = np.stack([first.reshape(-1), second.reshape(-1)])
    else:
        bias = (first + second).reshape(-1)
    return [kernel.reshape(len(kernel), -1), state.reshape(len(state), -1), bias]


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_beside_torch(kind: str) -> None:
    torch.manual_seed(2)
    theirs = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "SimpleRNN": torch.nn.RNN}[kind](5, 12, batch_first=True)
    ours = nn.Sequential([nn.Input((9, 5)), made(nn, kind, 12, return_sequences=True)])
    start = turned(kind, theirs)
    ours.set_weights(start)
    x, y = numbers(6, 9, 5), numbers(6, 9, 12)
    given = theirs(torch.from_numpy(x))[0]
    np.testing.assert_allclose(ours.predict(x), given.detach().numpy(), rtol=1e-5, atol=1e-6)
    ((given - torch.from_numpy(y)) ** 2).mean().backward()
    ours.compile(nn.SGD(1.0), "mse")
    ours.train_on_batch(x, y)
    for parameter in theirs.parameters():
        parameter.data = parameter.grad
    slopes = turned(kind, theirs)
    if kind != "GRU":
        slopes[2] /= 2  # the same slope for both of torch's
    for after, before, slope in zip(ours.get_weights(), start, slopes, strict=True):
        np.testing.assert_allclose(before - after, slope, rtol=1e-3, atol=2e-6)


# ---- slopes in float64 ----


def s(x: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-x))


def states(kind: str, weights: list[NDArray], x: NDArray) -> NDArray:
    """What a layer gives for all steps, from its equations."""
    kernel, recurrent, bias = weights
    h = np.zeros((len(x), len(recurrent)))
    c, given = h, []
    for step in range(x.shape[1]):
        if kind == "GRU":
            z, r, n = np.split(x[:, step] @ kernel + bias[0], 3, 1)
            u, v, k = np.split(h @ recurrent + bias[1], 3, 1)
            keep = s(z + u)
            h = keep * h + (1 - keep) * np.tanh(n + s(r + v) * k)
        elif kind == FIRST:
            units = h.shape[1]
            read = x[:, step] @ kernel + bias
            keep, left = np.split(s(read[:, : 2 * units] + h @ recurrent[:, : 2 * units]), 2, 1)
            new = np.tanh(read[:, 2 * units :] + (left * h) @ recurrent[:, 2 * units :])
            h = keep * h + (1 - keep) * new
        else:
            gates = x[:, step] @ kernel + h @ recurrent + bias
            if kind == "LSTM":
                i, f, n, o = np.split(gates, 4, 1)
                c = s(f) * c + s(i) * np.tanh(n)
                h = s(o) * np.tanh(c)
            else:
                h = np.tanh(gates)
        given.append(h)
    return np.stack(given, 1)


@pytest.mark.parametrize("steps", [1, 2, 13])
@pytest.mark.parametrize("kind", KINDS)
def test_slopes_are_those_of_differences_in_float64(kind: str, steps: int) -> None:
    x, y = numbers(4, steps, 3), numbers(4, steps, 5)
    model = nn.Sequential([nn.Input((steps, 3)), made(nn, kind, 5, return_sequences=True)])
    rng = np.random.default_rng(1)
    start = [rng.normal(0, 0.5, weight.shape).astype(np.float32) for weight in model.get_weights()]
    model.set_weights(start)
    exact = [weight.astype(np.float64) for weight in start]
    np.testing.assert_allclose(model.predict(x), states(kind, exact, x), rtol=1e-5, atol=1e-6)
    model.compile(nn.SGD(1.0), "mse")
    model.train_on_batch(x, y)

    def loss() -> float:
        return float(((states(kind, exact, x) - y) ** 2).mean())

    for before, after, weight in zip(start, model.get_weights(), exact, strict=True):
        wanted = np.empty(weight.shape)
        for place in np.ndindex(*weight.shape):
            kept = weight[place]
            weight[place] = kept + 1e-5
            above = loss()
            weight[place] = kept - 1e-5
            wanted[place] = (above - loss()) / 2e-5
            weight[place] = kept
        np.testing.assert_allclose(before - after, wanted, rtol=1e-3, atol=1e-6)


# ---- initial values, files, batches, threads ----


def test_initial_values_are_kerass() -> None:
    for kind, gates in (("LSTM", 4), ("GRU", 3), ("SimpleRNN", 1)):
        model = nn.Sequential([nn.Input((3, 8)), made(nn, kind, 20)])
        kernel, recurrent, bias = model.get_weights()
        most = np.sqrt(6 / (8 + 20 * gates))
        assert most * 0.9 < np.abs(kernel).max() <= most
        np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(20), atol=1e-5)
        wanted = np.zeros(bias.shape)
        if kind == "LSTM":
            wanted[20:40] = 1
        np.testing.assert_array_equal(bias, wanted)
    model = nn.Sequential([nn.Input((3, 8)), nn.LSTM(4, unit_forget_bias=False, bias_initializer=nn.Constant(0.5))])
    assert (model.get_weights()[2] == 0.5).all()


KEPT: dict[str, Callable[[], Any]] = {
    "LSTM": lambda: nn.LSTM(5),
    "LSTM, all": lambda: nn.LSTM(
        5, "elu", "hard_sigmoid", False, "he_normal", nn.Orthogonal(0.5), unit_forget_bias=False, return_sequences=True,
        trainable=False,
    ),
    "GRU": lambda: nn.GRU(5, go_backwards=True, kernel_regularizer="l1", recurrent_initializer="glorot_normal"),
    "GRU, reset first": lambda: nn.GRU(5, reset_after=False, return_sequences=True),
    "SimpleRNN": lambda: nn.SimpleRNN(5, "relu", bias_initializer="ones"),
}  # fmt: skip


@pytest.mark.parametrize("with_notes", [True, False])
@pytest.mark.parametrize("name", KEPT)
def test_files_and_configs_keep_layers(tmp_path: Path, name: str, with_notes: bool) -> None:
    model = nn.Sequential([nn.Input((7, 3)), KEPT[name](), nn.Flatten(), nn.Dense(2)], seed=5)
    model.compile("adam", "mse")
    x, y = numbers(3, 7, 3), numbers(3, 2)
    model.fit(x, y, verbose=0)
    if with_notes:
        model.save(tmp_path / "model")
    else:
        model._laid().model.save(os.fsencode(tmp_path / "model"))
    loaded = nn.load_model(tmp_path / "model")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    again = nn.clone_model(model)
    assert again.get_config() == model.get_config()
    if with_notes:
        assert loaded.train_on_batch(x, y) == model.train_on_batch(x, y)
        for mine, kept in zip(model.get_weights(), loaded.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, kept)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_and_threads(kind: str) -> None:
    model = nn.Sequential([nn.Input((20, 9)), made(nn, kind, 70, return_sequences=True), made(nn, kind, 33)])
    x = numbers(101, 20, 9)
    wanted = model.predict(x, batch_size=101)
    for size in (1, 7, 64):
        np.testing.assert_array_equal(model.predict(x, batch_size=size), wanted)
    for place in (0, 50, 100):
        np.testing.assert_array_equal(model.predict(x[place : place + 1]), wanted[place : place + 1])
    with pytest.raises(martlet.ShapeError, match="holds no samples"):
        model.predict(x[:0])
    threads = martlet.get_num_threads()
    try:
        for count in (1, 2, 3, 5):
            martlet.set_num_threads(count)
            np.testing.assert_array_equal(model.predict(x, batch_size=101), wanted)
    finally:
        martlet.set_num_threads(threads)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_nans_is_its_own(kind: str) -> None:
    model = nn.Sequential([nn.Input((6, 3)), made(nn, kind, 20, return_sequences=True)])
    x = numbers(5, 6, 3)
    wanted = model.predict(x)
    x[2, 3, 1], x[4, 0, 0] = np.nan, np.inf
    given = model.predict(x)
    np.testing.assert_array_equal(given[[0, 1, 3]], wanted[[0, 1, 3]])
    np.testing.assert_array_equal(given[2, :3], wanted[2, :3])
    assert np.isnan(given[2, 3:]).all()
    huge = model.predict(np.full((1, 6, 3), 3e38, np.float32))
    assert (np.abs(huge[~np.isnan(huge)]) <= 1).all()


# ---- what is refused ----

UNSUPPORTED: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.LSTM(3, recurrent_regularizer="l2"), "recurrent_regularizer of .* is 'l2'"),
    (lambda: nn.Sequential([nn.Input((4, 3)), nn.LSTM(3, activation="gelu")]), "activation of layer 'lstm' is gelu"),
    (lambda: nn.Sequential([nn.Input((4, 3)), nn.GRU(3, recurrent_activation="softmax")]), "recurrent_activation"),
]
BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.LSTM(0), martlet.ArgumentError, "units of .* is 0"),
    (lambda: nn.LSTM(2.5), martlet.DTypeError, "units of .* is 2.5"),  # type: ignore[arg-type]
    (lambda: nn.LSTM(2, "nothing"), martlet.ArgumentError, "activation of .* is 'nothing'"),
    (lambda: nn.GRU(2, reset_after=2), martlet.DTypeError, "reset_after of .* is 2"),  # type: ignore[arg-type]
    (lambda: nn.LSTM(2, return_sequences=2), martlet.DTypeError, "return_sequences of"),  # type: ignore[arg-type]
    (lambda: nn.LSTM(2, wrong=1), TypeError, r"LSTM\(\) got an unexpected keyword argument 'wrong'"),
    (lambda: nn.SimpleRNN(2, unit_forget_bias=True), TypeError, "unit_forget_bias"),
    (lambda: nn.Sequential([nn.Input((4,)), nn.LSTM(2)]), martlet.ShapeError, "wanted sequences"),
    (lambda: nn.Sequential([nn.Input((4, 3, 2)), nn.GRU(2)]), martlet.ShapeError, "wanted sequences"),
    (lambda: nn.LSTM(2, dropout="much"), martlet.DTypeError, "dropout of .* is 'much'"),  # type: ignore[arg-type]
    (
        lambda: nn.Sequential([nn.Input((4, 3)), nn.GRU(2, recurrent_dropout=1)]),
        martlet.ArgumentError,
        "recurrent_dropout of layer 'gru' is 1.0",
    ),
    (
        lambda: nn.Sequential([nn.Input((4, 3)), nn.LSTM(2, bias_initializer="orthogonal")]),
        martlet.ArgumentError,
        "bias_initializer of layer",
    ),
]


@pytest.mark.parametrize("index", range(len(UNSUPPORTED)))
def test_what_is_not_served_is_named(index: int) -> None:
    call, says = UNSUPPORTED[index]
    with pytest.raises(martlet.UnsupportedError, match=says):
        call()


@pytest.mark.parametrize("index", range(len(BAD)))
def test_bad_arguments(index: int) -> None:
    call, error, says = BAD[index]
    with pytest.raises(error, match=says):
        call()


def test_keras_arguments_that_change_nothing() -> None:
    for kind in KINDS:
        made(nn, kind, unroll=True, dropout=0.0, seed=None, stateful=False)
    nn.LSTM(3, use_cudnn=True, implementation=1)
