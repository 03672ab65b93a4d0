"""The networks that models are tested with, in Martlet's, torch's and Keras's words, and what moves weights between
them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from martlet import nn

NDArray = np.ndarray[Any, Any]


def digits_like(samples: int, shape: tuple[int, ...], seed: int = 0) -> tuple[NDArray, NDArray]:
    """Noise, and labels that a network can learn from it: the largest of ten sums."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, *shape)).astype(np.float32)
    flat = x.reshape(samples, -1)
    return x, (flat @ np.random.default_rng(9).standard_normal((flat.shape[1], 10))).argmax(axis=1)


def mlp(seed: int = 1) -> nn.Sequential:
    return nn.Sequential([nn.Dense(24, activation="relu", input_shape=(20,)), nn.Dense(10)], seed=seed)


def torch_mlp() -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.Linear(20, 24), torch.nn.ReLU(), torch.nn.Linear(24, 10))


def convolutional(
    filters: int = 8, units: int = 32, seed: int = 1, data_format: str = "channels_last"
) -> nn.Sequential:
    """Scenario 4's network, with fewer filters."""
    shape = (3, 8, 8) if data_format == "channels_first" else (8, 8, 3)
    image = {"padding": 1, "activation": "relu", "data_format": data_format}
    return nn.Sequential(
        [
            nn.Input(shape),
            nn.Conv2D(filters, 3, **image),
            nn.Conv2D(filters, 3, **image),
            nn.Flatten(),
            nn.Dense(units, activation="relu"),
            nn.Dense(10),
        ],
        seed=seed,
    )


def torch_convolutional(filters: int = 8, units: int = 32) -> torch.nn.Sequential:
    layers = torch.nn
    return layers.Sequential(
        layers.Conv2d(3, filters, 3, padding=1), layers.ReLU(), layers.Conv2d(filters, filters, 3, padding=1),
        layers.ReLU(), layers.Flatten(), layers.Linear(filters * 64, units), layers.ReLU(), layers.Linear(units, 10),
    )  # fmt: skip


def give_torch(model: nn.Sequential, module: torch.nn.Module) -> None:
    """Copies a channels_first or dense model's weights into torch's parameters."""
    weights = model.get_weights()
    for parameter, weight in zip(module.parameters(), weights, strict=True):
        parameter.data = torch.from_numpy(as_torch(weight).copy()).to(parameter.dtype)


def as_torch(weight: NDArray) -> NDArray:
    """A kernel in torch's order: (filters, channels, height, width), or (outputs, inputs)."""
    if weight.ndim == 4:
        return weight.transpose(3, 2, 0, 1)
    return weight.T if weight.ndim == 2 else weight


def split(model: nn.Sequential, flat: NDArray) -> list[NDArray]:
    """A flat buffer of parameters or gradients as arrays of the weights' shapes. For models without statistics."""
    found, start = [], 0
    for weight in model.get_weights():
        found.append(flat[start : start + weight.size].reshape(weight.shape))
        start += weight.size
    return found
