"""forward and backward: a batch around a loss of the caller's own, with the slopes by what came in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn

RNG = np.random.default_rng(6)


def numbers(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def recurrent(steps: int | None = 5) -> nn.Model:
    x = nn.Input((steps, 3))
    model = nn.Model(x, nn.Dense(2)(nn.GRU(4, return_sequences=True)(x)), seed=1)
    model.compile(nn.SGD(0.1), "mse")
    return model


def several() -> nn.Model:
    words, x = nn.Input((4,), dtype="int32", name="words"), nn.Input((3,), name="x")
    h = nn.Concatenate()([nn.GlobalAveragePooling1D()(nn.Embedding(9, 5)(words)), x])
    model = nn.Model([words, x], {"a": nn.Dense(2, activation="tanh")(h), "b": nn.Dense(1)(h)}, seed=2)
    model.compile(nn.Adam(0.01), "mse")
    return model


def central(given: Callable[[Any], float], x: Any) -> Any:
    """Central differences of a number by each element of an array."""
    found = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        more, less = x.copy(), x.copy()
        more[place] += 1e-2
        less[place] -= 1e-2
        found[place] = (given(more) - given(less)) / 2e-2
    return found


def test_slopes_by_samples_are_central_differences() -> None:
    model, x, slopes = recurrent(), numbers(4, 5, 3), numbers(4, 5, 2)
    np.testing.assert_array_equal(model.forward(x), model.predict(x))
    found = model.backward(slopes)
    assert found.shape == x.shape and found.dtype == np.float32
    right = central(lambda x: float((model.predict(x).astype(np.float64) * slopes).sum()), x)
    np.testing.assert_allclose(found, right, atol=2e-3)


def test_a_loss_by_hand_trains_as_the_librarys() -> None:
    """Through dropout and batch statistics, over sequences of two lengths."""
    x = nn.Input((None, 3))
    h = nn.BatchNormalization()(nn.Dropout(0.3)(nn.Dense(6, activation="relu")(x)))
    mine = nn.Model(x, nn.Dense(2)(h), seed=4)
    other = nn.clone_model(mine)
    other.set_weights(mine.get_weights())
    other._seed = mine.seed
    for model in (mine, other):
        model.compile(nn.Adam(0.01), "mse")
    for steps in (5, 2, 5):
        x, y = numbers(8, steps, 3), numbers(8, steps, 2)
        out = mine.forward(x)
        mine.backward(2 * (out - y) / out.size)
        mine.step()
        other.train_on_batch(x, y)
    for one, two in zip(mine.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)


def test_inputs_and_outputs_of_several_kinds() -> None:
    model = several()
    words, x = RNG.integers(0, 9, (6, 4)), numbers(6, 3)
    a, b = model.forward([words, x])
    assert a.shape == (6, 2) and b.shape == (6, 1)
    slopes = [numbers(6, 2), numbers(6, 1)]
    of_words, of_x = model.backward(slopes)
    assert of_words is None

    def loss(x: Any) -> float:
        return float(sum((out * one).sum() for out, one in zip(model.predict([words, x]), slopes, strict=True)))

    np.testing.assert_allclose(of_x, central(loss, x), atol=2e-3)
    gradients = model.gradients().copy()
    model.forward({"words": words, "x": x})
    again = model.backward(dict(zip("ab", slopes, strict=True)))
    np.testing.assert_array_equal(again[1], of_x)
    np.testing.assert_array_equal(model.gradients(), gradients)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (np.ones((4, 5, 3)), martlet.ShapeError, r"slopes has samples of shape \(5, 3\), and the model gives \(5, 2\)"),
        (np.ones((3, 5, 2)), martlet.ShapeError, "slopes has 3 samples, and the batch has 4"),
        ("a", martlet.DTypeError, "slopes is 'a'"),
        (None, martlet.DTypeError, "slopes is None"),
    ],
)
def test_slopes_that_cannot_be(given: Any, error: type[Exception], said: str) -> None:
    """The batch waits on behind them."""
    model, x = recurrent(), numbers(4, 5, 3)
    model.forward(x)
    with pytest.raises(error, match=said):
        model.backward(given)
    assert model.backward(np.ones((4, 5, 2))).shape == x.shape


def test_calls_that_come_too_early_or_too_late() -> None:
    x, slopes = numbers(4, 5, 3), numbers(4, 5, 2)
    with pytest.raises(martlet.OrderError, match="not compiled"):
        nn.Sequential([nn.Dense(2, input_shape=(3,))]).forward(np.ones((2, 3)))
    model = recurrent()
    with pytest.raises(martlet.OrderError, match="no batch to go back through"):
        model.backward(slopes)
    model.forward(x)
    model.train_on_batch(x, slopes)
    with pytest.raises(martlet.OrderError):
        model.backward(slopes)
    model.forward(x)
    model.backward(slopes)
    model.step()
    with pytest.raises(martlet.OrderError):
        model.step()
    with pytest.raises(martlet.ShapeError, match="x has samples"):
        model.forward(numbers(4, 5, 2))
