"""What recurrent layers drop in training, of what is read and of the states, once for each sample and all its steps:
beside float64 with the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import martlet
from graphs import NDArray, numbers
from martlet import nn
from test_nn_recurrent import FIRST, KINDS
from test_nn_recurrent import made as cell

BATCH, STEPS, SIZE = 50, 6, 24


def in_training(model: nn.Sequential, x: NDArray) -> NDArray:
    """What a model gives in its first step."""
    seen = []

    def loss(y_true: Any, y_pred: Any) -> Any:
        seen.append(y_pred.copy())
        return np.zeros(len(y_pred)), np.zeros_like(y_pred)

    model.compile(nn.SGD(0.0), loss)
    model.train_on_batch(x, np.zeros((len(x), *model.output_shape[1:]), np.float32))
    return np.asarray(seen[0])


def plain(**options: Any) -> nn.Sequential:
    """Gives sums, so that what was dropped can be seen."""
    options |= {"activation": "linear", "use_bias": False, "return_sequences": True}
    return nn.Sequential([nn.Input((STEPS, SIZE)), nn.SimpleRNN(SIZE, **options)], seed=7)


def drawn(rate: float, recurrent_rate: float) -> tuple[NDArray, NDArray]:
    """The factors of what is read, and of the states, by layers that show them."""
    reads = plain(dropout=rate)
    reads.set_weights([np.eye(SIZE), np.zeros((SIZE, SIZE))])
    factors = in_training(reads, np.ones((BATCH, STEPS, SIZE), np.float32))
    holds = plain(recurrent_dropout=recurrent_rate)
    holds.set_weights([np.eye(SIZE), np.eye(SIZE)])
    x = np.zeros((BATCH, STEPS, SIZE), np.float32)
    x[:, 0] = 1
    states = in_training(holds, x)
    np.testing.assert_array_equal(factors, np.repeat(factors[:, :1], STEPS, 1))
    for step in range(STEPS):
        np.testing.assert_allclose(states[:, step], states[:, 1] ** step, rtol=1e-6)
    return factors[:, 0].astype(np.float64), states[:, 1].astype(np.float64)


def test_factors_are_each_samples_own_and_of_the_rate() -> None:
    for factors, rate in zip(drawn(0.25, 0.5), (0.25, 0.5), strict=True):
        left = np.float32(1 / (1 - rate))
        assert set(np.unique(factors)) == {0.0, float(left)}
        assert abs((factors == 0).mean() - rate) < 4 * (rate * (1 - rate) / factors.size) ** 0.5
        assert len(np.unique(factors, axis=0)) == BATCH
    same = drawn(0.5, 0.5)
    assert not np.array_equal(*same)


def s(x: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-x))


def states(kind: str, weights: list[NDArray], x: NDArray, factors: tuple[NDArray, NDArray]) -> NDArray:
    kernel, recurrent, bias = (one.astype(np.float64) for one in weights)
    h = c = np.zeros((len(x), SIZE))
    given = []
    for step in range(x.shape[1]):
        read, left = x[:, step] * factors[0], h * factors[1]
        if kind == "GRU":
            z, r, g = np.split(read @ kernel + bias[0], 3, 1)
            u, v, k = np.split(left @ recurrent + bias[1], 3, 1)
            h = s(z + u) * h + (1 - s(z + u)) * np.tanh(g + s(r + v) * k)
        elif kind == FIRST:
            both = read @ kernel + bias
            z, r = np.split(s(both[:, : 2 * SIZE] + left @ recurrent[:, : 2 * SIZE]), 2, 1)
            h = z * h + (1 - z) * np.tanh(both[:, 2 * SIZE :] + (r * left) @ recurrent[:, 2 * SIZE :])
        elif kind == "LSTM":
            i, f, g, o = np.split(read @ kernel + left @ recurrent + bias, 4, 1)
            c = s(f) * c + s(i) * np.tanh(g)
            h = s(o) * np.tanh(c)
        else:
            h = np.tanh(read @ kernel + left @ recurrent + bias)
        given.append(h)
    return np.stack(given, 1)


def made(kind: str, **options: Any) -> nn.Sequential:
    layer = cell(nn, kind, SIZE, return_sequences=True, bias_initializer="random_normal", **options)
    return nn.Sequential([nn.Input((STEPS, SIZE)), layer], seed=7)


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_float64s_with_the_same_factors(kind: str) -> None:
    model, x = made(kind, dropout=0.25, recurrent_dropout=0.5), numbers(BATCH, STEPS, SIZE)
    weights = model.get_weights()
    np.testing.assert_allclose(in_training(model, x), states(kind, weights, x, drawn(0.25, 0.5)), rtol=1e-4, atol=1e-5)
    ones = np.ones((BATCH, SIZE))
    np.testing.assert_allclose(model.predict(x), states(kind, weights, x, (ones, ones)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_slopes_are_float64s(kind: str) -> None:
    """Of the weights, along directions: the loss in float64 on either side."""
    model, x, y = (
        made(kind, dropout=0.25, recurrent_dropout=0.5),
        numbers(BATCH, STEPS, SIZE),
        numbers(BATCH, STEPS, SIZE),
    )
    before = model.get_weights()
    model.compile(nn.SGD(1.0), "mse")
    model.train_on_batch(x, y)
    slopes = [one.astype(np.float64) - after for one, after in zip(before, model.get_weights(), strict=True)]
    factors, rng = drawn(0.25, 0.5), np.random.default_rng(1)

    def loss(weights: list[NDArray]) -> float:
        return float(((states(kind, weights, x, factors) - y) ** 2).mean())

    for place in range(3):
        way = [np.zeros(one.shape) for one in before]
        way[place] = rng.standard_normal(before[place].shape)
        sides = [loss([one + h * step for one, step in zip(before, way, strict=True)]) for h in (1e-4, -1e-4)]
        wanted = (sides[0] - sides[1]) / 2e-4
        np.testing.assert_allclose((slopes[place] * way[place]).sum(), wanted, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_bits_threads_steps_and_files(kind: str, tmp_path: Path) -> None:
    x, y = numbers(BATCH, STEPS, SIZE), numbers(BATCH, STEPS, SIZE)
    models = [made(kind, dropout=0.25, recurrent_dropout=0.5) for _ in range(3)]
    threads = martlet.get_num_threads()
    try:
        for count, model in enumerate(models, 1):
            martlet.set_num_threads(count)
            model.compile(nn.Adam(0.01), "mse")
            model.fit(x, y, batch_size=20, epochs=2, verbose=0)
    finally:
        martlet.set_num_threads(threads)
    models[0].save(tmp_path / "model")
    models.append(nn.load_model(tmp_path / "model"))
    assert models[3].layers[0].get_config() == models[0].layers[0].get_config()
    losses = [model.train_on_batch(x, y) for model in models]
    assert len({*losses}) == 1
    for model in models[1:]:
        for one, other in zip(models[0].get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    # Another step drops others.
    still = made(kind, dropout=0.25, recurrent_dropout=0.5)
    still.compile(nn.SGD(0.0), "mse")
    assert still.train_on_batch(x, y) != still.train_on_batch(x, y)
