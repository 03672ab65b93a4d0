"""Scenario 2: logistic regression in plain numpy, with Adam in the three forms that numpy programs have it.

A function of parameters, gradients and t; an object with Keras' apply_gradients; an object with update(gradient).
The three take the same steps, bit for bit. No framework is involved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import martlet
from martlet.optim import Adam

NDArray = np.ndarray[Any, np.dtype[np.float64]]
EPOCHS = 60


def data() -> tuple[NDArray, NDArray]:
    """Points in the plane, and on which side of a line each lies."""
    rng = np.random.default_rng(3)
    points = rng.standard_normal((400, 2))
    return points, (points @ [2.0, -1.0] + 0.5 > 0).astype(np.float64)


def start() -> list[NDArray]:
    """Weights and bias."""
    return [np.zeros(2), np.zeros(1)]


def loss_and_gradients(parameters: list[NDArray], points: NDArray, sides: NDArray) -> tuple[float, list[NDArray]]:
    weights, bias = parameters
    guess = 1 / (1 + np.exp(-(points @ weights + bias)))
    loss = -np.mean(sides * np.log(guess) + (1 - sides) * np.log(1 - guess))
    error = (guess - sides) / len(sides)
    return float(loss), [points.T @ error, np.array([error.sum()])]


def with_function() -> list[NDArray]:
    points, sides = data()
    parameters = start()
    state: dict[str, Any] = {}
    for t in range(1, EPOCHS + 1):
        loss, gradients = loss_and_gradients(parameters, points, sides)
        parameters = martlet.adam_optimizer(parameters, gradients, t, learning_rate=0.1, beta2=0.999, state=state)
        if t % 20 == 0:
            print(f"epoch {t}: loss {loss:.4f}")
    return parameters


def with_apply_gradients() -> list[NDArray]:
    points, sides = data()
    variables = start()
    optimizer = Adam(learning_rate=0.1)
    for _ in range(EPOCHS):
        _, gradients = loss_and_gradients(variables, points, sides)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return variables


def with_update() -> list[NDArray]:
    points, sides = data()
    parameters = start()
    optimizer = Adam(parameters, lr=0.1, beta1=0.9, beta2=0.999, epsilon=1e-8)
    for _ in range(EPOCHS):
        _, gradients = loss_and_gradients(parameters, points, sides)
        optimizer.update(gradients)
    return parameters


def main() -> None:
    function, keras_style, update = with_function(), with_apply_gradients(), with_update()
    for other in (keras_style, update):
        assert all(np.array_equal(a, b) for a, b in zip(function, other, strict=True)), "the forms differ"
    points, sides = data()
    weights, bias = function
    right = np.mean((points @ weights + bias > 0) == (sides > 0))
    print(f"weights {weights.round(3)}, bias {bias.round(3)}, {right:.1%} on the right side")
    assert right > 0.97, "the line was not found"


if __name__ == "__main__":
    main()
