"""What these tests share: a small model, its data, and training of it by an optimizer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

import martlet.keras

CLASSES = [name for name in martlet.keras.__all__ if name[0].isupper()]

X = np.random.default_rng(0).normal(size=(64, 7)).astype("float32")
Y = np.sin(X.sum(1, keepdims=True))


def model(optimizer: Any, dtype: Any = None, **options: Any) -> Any:
    """The same start at each call."""
    keras.utils.set_random_seed(3)
    hidden = keras.layers.Dense(16, activation="tanh", dtype=dtype, name="hidden")
    made = keras.Sequential(
        [keras.layers.Input((7,)), hidden, keras.layers.Dense(1, dtype=dtype, name="output")], name="net"
    )
    made.compile(optimizer=optimizer, loss="mse", **options)
    return made


def losses(trained: Any, steps: int = 50) -> Any:
    return np.array([float(trained.train_on_batch(X, Y)) for _ in range(steps)])


def weights(trained: Any) -> list[Any]:
    return [keras.ops.convert_to_numpy(one) for one in trained.trainable_variables]


def steps_natively(optimizer: Any) -> bool:
    """Whether the latest step was the library's."""
    return optimizer._martlet_plan is not None


def both(train: Any, name: str = "Adam", close: float = 2e-5, **options: Any) -> Any:
    """Trains by Keras's class and by ours, and compares what is left. Returns our model."""
    found = []
    for library in (keras.optimizers, martlet.keras):
        trained = model(getattr(library, name)(learning_rate=1e-2, **options))
        train(trained)
        found.append(trained)
    for one, other in zip(weights(found[1]), weights(found[0]), strict=True):
        np.testing.assert_allclose(one, other, rtol=close, atol=close)
    return found[1]
