"""Layers in numpy that equal the library's, and samples for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from martlet import nn
from networks import digits_like

X, Y = digits_like(90, (7,))
T = np.random.default_rng(3).standard_normal((90, 3)).astype(np.float32)
LOSS = "sparse_categorical_crossentropy"


class Mine(nn.OwnLayer):
    """A Dense with tanh."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.bias = self.add_weight(self.units, "zeros", name="bias")

    def call(self, x: Any) -> Any:
        return np.tanh(x @ self.kernel + self.bias)

    def gradient(self, x: Any, slopes: Any) -> Any:
        slopes = slopes * (1 - self.call(x) ** 2)
        return slopes @ self.kernel.T, [x.T @ slopes, slopes.sum(0)]


class Product(nn.OwnLayer):
    """A Multiply of two."""

    def call(self, x: Any) -> Any:
        return x[0] * x[1]

    def gradient(self, x: Any, slopes: Any) -> Any:
        return [slopes * x[1], slopes * x[0]]


def square(**options: Any) -> nn.Lambda:
    return nn.Lambda(np.square, gradient=lambda x, slopes: 2 * x * slopes, **options)
