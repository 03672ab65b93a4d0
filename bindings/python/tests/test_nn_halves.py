"""A training step in two halves: the bits of train_on_batch, gradients of numpy's float64, steps by gradients that come
from elsewhere, and what is refused."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from martlet import nn, schedules
from martlet._errors import ArgumentError, DTypeError, OrderError, ShapeError

RNG = np.random.default_rng(5)
X = RNG.normal(size=(24, 5)).astype(np.float32)
Y = RNG.integers(0, 3, 24)


def network(optimizer: Any = "adam", *, drops: bool = True) -> nn.Sequential:
    between = [nn.BatchNormalization(), nn.Dropout(0.3)] if drops else []
    layers = [nn.Dense(7, activation="tanh", input_shape=(5,)), *between, nn.Dense(3)]
    model = nn.Sequential(layers, seed=4)
    model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    return model


def line(optimizer: Any) -> nn.Sequential:
    """A layer whose gradient is a line of numpy."""
    model = nn.Sequential([nn.Dense(2, use_bias=False, input_shape=(5,))], seed=4)
    model.compile(optimizer, "mse")
    return model


@pytest.mark.parametrize("rule", ["adam", "muon", "lamb", "schedule_free_adamw", "adafactor"])
def test_the_halves_are_the_whole(rule: str) -> None:
    whole, cut = network(nn.optimizers.get(rule)), network(nn.optimizers.get(rule))
    for step in range(5):
        x, y = X[step:], Y[step:]
        assert cut.differentiate(x, y) == whole.train_on_batch(x, y)
        gradients = cut.gradients()
        cut.step(gradients if step % 2 else None)
        assert np.array_equal(gradients, whole.gradients())
        assert cut.gradient_norm() == whole.gradient_norm()
    for mine, wanted in zip(cut.get_weights(), whole.get_weights(), strict=True):
        assert np.array_equal(mine, wanted)
    assert cut.optimizer.iterations == 5


def test_gradients_are_those_of_the_mean_loss() -> None:
    model, y = line("sgd"), RNG.normal(size=(24, 2)).astype(np.float32)
    kernel = model.parameters().copy()
    loss = model.differentiate(X, y)
    away = X.astype(float) @ kernel.reshape(5, 2).astype(float) - y
    assert abs(loss - (away**2).mean()) < 1e-6
    assert np.allclose(model.gradients(), (2 * X.T.astype(float) @ away / away.size).reshape(-1), atol=1e-6)
    assert np.array_equal(model.parameters(), kernel)
    assert model.optimizer.iterations == 0


def test_a_step_by_given_gradients() -> None:
    for dtype in (np.float32, np.float64, np.int64, np.float16, ml_dtypes.bfloat16):
        model = line(nn.SGD(learning_rate=0.5))
        model.parameters()[:] = np.arange(10)
        given = (np.arange(10) - 4).astype(dtype)
        model.step(given)
        assert np.array_equal(model.parameters(), np.arange(10) - 0.5 * (np.arange(10) - 4))
        assert np.array_equal(model.gradients(), given.astype(np.float32))
    model.step(list(range(10)))
    assert model.optimizer.iterations == 2


def test_parts_of_a_batch_add_up() -> None:
    model = network(drops=False)
    shares = []
    for part in (slice(0, 1), slice(1, 9), slice(9, 24)):
        model.differentiate(X[part], Y[part])
        shares.append(model.gradients().astype(float) * len(Y[part]) / 24)
    model.differentiate(X, Y)
    assert np.abs(sum(shares) - model.gradients()).max() < 1e-6


def test_a_schedule_gives_each_step_its_rate() -> None:
    model = line(nn.SGD(learning_rate=schedules.ExponentialDecay(1.0, 1, 0.5)))
    model.parameters()[:] = 0
    for _ in range(3):
        model.step(np.ones(10))
    assert np.array_equal(model.parameters(), np.full(10, -1.75))


def test_what_is_not_finite_is_the_optimizers_business() -> None:
    model = line(nn.SGD(learning_rate=0.5, skip_nonfinite=True))
    before = model.parameters().copy()
    model.step(np.full(10, np.nan))
    assert np.array_equal(model.parameters(), before)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (np.ones(9), ShapeError), (np.ones(11), ShapeError), (np.ones((2, 5)), ShapeError),
        (np.ones((10, 1)), ShapeError),
        (1.0, ShapeError), ([], ShapeError), ("gradients", DTypeError), (np.ones(10, complex), DTypeError),
        (np.array([None] * 10), DTypeError), ({"kernel": np.ones(10)}, DTypeError), (iter([1.0] * 10), DTypeError),
        (np.full(10, 1e300), ArgumentError), (np.ma.masked_array(np.ones(10)), DTypeError),
    ],
)  # fmt: skip
def test_gradients_that_cannot_be(given: Any, error: type[Exception]) -> None:
    model = line("sgd")
    model.differentiate(X, np.zeros((24, 2)))
    before, gradients = model.parameters().copy(), model.gradients()
    with pytest.raises(error, match="gradients"):
        model.step(given)
    assert np.array_equal(model.parameters(), before) and np.array_equal(model.gradients(), gradients)
    assert model.optimizer.iterations == 0


def test_before_its_time() -> None:
    model = nn.Sequential([nn.Dense(2, input_shape=(5,))], seed=4)
    for call in (model.step, lambda: model.differentiate(X, Y), lambda: model.step(np.ones(12))):
        with pytest.raises(OrderError, match="not compiled"):
            call()
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(OrderError, match="has no gradients: call differentiate"):
        model.step()
    model.differentiate(X, Y % 2)
    model.step()
    with pytest.raises(OrderError, match="call differentiate"):
        model.step()
    model.differentiate(X, Y % 2)
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(OrderError, match="call differentiate"):
        model.step()
    shapeless = nn.Sequential([nn.Dense(2)])
    shapeless.compile("sgd", "mse")
    with pytest.raises(OrderError):
        shapeless.step(np.ones(10))
    with pytest.raises(ShapeError, match="x has samples of shape"):
        model.differentiate(X[:, :3], Y)
    with pytest.raises(ArgumentError, match="NaN"):
        model.differentiate(np.full((24, 5), np.nan), Y % 2)


def test_a_model_without_parameters() -> None:
    model = nn.Sequential([nn.Flatten(input_shape=(5,))])
    model.compile("sgd", "mse")
    model.differentiate(X, X)
    model.step()
    model.step(np.empty(0, np.float32))
    assert model.optimizer.iterations == 2
