"""What is drawn: noise, images mirrored, cut and moved in training, and initial weights."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from martlet import nn


def trained_outputs(layer: Any, x: Any) -> Any:
    """What a layer gave in training of each image: the step of Dense's kernel after it, whose loss has a slope of 1."""
    model = nn.Sequential([nn.Input(x.shape[1:]), layer, nn.Flatten(), nn.Dense(1, use_bias=False)], seed=3)
    model.compile(nn.SGD(1.0), "mae")
    found = []
    for one in x:
        before = model.get_weights()[0]
        model.train_on_batch(one[None], np.full((1, 1), -1e6))
        found.append((before - model.get_weights()[0]).reshape(model.layers[0].output_shape[1:]))
    return np.stack(found)


GRID = np.tile(np.arange(1, 31, dtype=np.float32).reshape(1, 5, 6, 1), (64, 1, 1, 1))


def near(one: Any, other: Any) -> bool:
    return one.shape == other.shape and np.abs(one - other).max() < 1e-2


@pytest.mark.parametrize("mode", ["horizontal", "vertical", "horizontal_and_vertical"])
def test_flips(mode: str) -> None:
    image = GRID[0]
    wanted = {"horizontal": [image, image[:, ::-1]], "vertical": [image, image[::-1]]}
    wanted["horizontal_and_vertical"] = [*wanted["horizontal"], image[::-1], image[::-1, ::-1]]
    found = trained_outputs(nn.RandomFlip(mode), GRID)
    counts = [sum(near(one, other) for one in found) for other in wanted[mode]]
    assert sum(counts) == len(GRID) and min(counts) >= len(GRID) / len(wanted[mode]) / 3
    np.testing.assert_array_equal(nn.Sequential([nn.Input((5, 6, 1)), nn.RandomFlip(mode)]).predict(GRID), GRID)


def test_crops() -> None:
    image, places = GRID[0], [(top, left) for top in range(3) for left in range(3)]
    found = trained_outputs(nn.RandomCrop(3, 4), GRID)
    counts = [sum(near(one, image[top : top + 3, left : left + 4]) for one in found) for top, left in places]
    assert sum(counts) == len(GRID) and min(counts) >= 1
    plain = nn.Sequential([nn.Input((5, 6, 1)), nn.RandomCrop(3, 4)]).predict(GRID[:1])
    np.testing.assert_array_equal(plain[0], image[1:4, 1:5])


def moved(image: Any, down: int, right: int) -> Any:
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    return padded[2 - down : 7 - down, 2 - right : 8 - right]


def test_translations() -> None:
    layer = nn.RandomTranslation(0.2, (-0.3, 0.3), "constant", "nearest")  # 1 of 5 rows and 1.8 of 6 columns
    found = trained_outputs(layer, GRID)
    places = [(down, right) for down in (-1, 0, 1) for right in range(-2, 3)]
    counts = [sum(near(one, moved(GRID[0], *place)) for one in found) for place in places]
    assert sum(counts) == len(GRID) and sum(count > 0 for count in counts) > 10
    np.testing.assert_array_equal(nn.Sequential([nn.Input((5, 6, 1)), layer_like(layer)]).predict(GRID), GRID)


MOVES = [
    (fill, between, down, right)
    for fill in ("constant", "nearest", "reflect", "wrap")
    for between in ("bilinear", "nearest")
    for down, right in ((0.13, -0.27), (-0.35, 0.0), (1.0, 0.61), (0.2, -0.5))
]


@pytest.mark.parametrize(("fill", "between", "down", "right"), MOVES)
def test_moves_by_parts_of_pixels_are_kerass(fill: str, between: str, down: float, right: float) -> None:
    """Where the two numbers of a factor are one, nothing is drawn."""
    given = {"fill_mode": fill, "interpolation": between, "fill_value": 0.75}
    x = np.random.default_rng(3).normal(size=(2, 5, 6, 2)).astype(np.float32)
    theirs = keras.layers.RandomTranslation((down, down), (right, right), **given)
    wanted = np.asarray(theirs(x, training=True))
    layer = nn.RandomTranslation((down, down), (right, right), **given)
    np.testing.assert_allclose(trained_outputs(layer, x), wanted, atol=1e-4)
    again = nn.Sequential([nn.Input((5, 6, 2)), layer_like(layer)])
    np.testing.assert_array_equal(again.predict(x), x)


@pytest.mark.parametrize(("fill", "between", "down", "right"), MOVES[::3])
def test_gradients_move_the_same_way_back(fill: str, between: str, down: float, right: float) -> None:
    """That of what pixels are multiplied by before they are moved."""
    given = {"fill_mode": fill, "interpolation": between}
    x = np.random.default_rng(4).normal(size=(1, 5, 6, 1)).astype(np.float32)
    layers = [nn.Conv2D(1, 1, use_bias=False), nn.RandomTranslation((down, down), (right, right), **given)]
    model = nn.Sequential([nn.Input((5, 6, 1)), *layers, nn.Flatten(), nn.Dense(1, use_bias=False)], seed=2)
    model.compile(nn.SGD(1.0), "mae")
    factor, last = model.get_weights()
    model.train_on_batch(x, np.full((1, 1), -1e6))
    theirs = keras.layers.RandomTranslation((down, down), (right, right), **given)
    wanted = np.asarray(theirs(x, training=True)).reshape(-1) @ last[:, 0]
    assert (factor - model.get_weights()[0]).item() == pytest.approx(wanted, abs=2e-5)


def test_moves_are_anything_between() -> None:
    """Of images that grow to the right, each shows how far it was moved."""
    x = np.tile(np.arange(64, dtype=np.float32).reshape(1, 1, 64, 1) / 64, (400, 2, 1, 1))
    moved = trained_outputs(nn.RandomTranslation(0.0, (-0.1, 0.2), "nearest"), x)
    found = (x - moved)[:, :, 20:40] * 64
    parts = found[:, 0, 0, 0] / 64
    assert np.abs(found - found[:, :1, :1]).max() < 0.02
    assert -0.1 <= parts.min() < -0.09 and 0.19 < parts.max() <= 0.2001 and abs(parts.mean() - 0.05) < 0.015
    assert np.abs(found[:, 0, 0, 0] - np.rint(found[:, 0, 0, 0])).max() > 0.4


def layer_like(layer: Any) -> Any:
    config = layer.get_config()
    return type(layer).from_config({key: value for key, value in config.items() if key != "name"})


def test_noise() -> None:
    noise = trained_outputs(nn.GaussianNoise(0.5), np.zeros((64, 5, 6, 1), np.float32))
    assert abs(noise.mean()) < 0.05 and abs(noise.std() - 0.5) < 0.03
    np.testing.assert_array_equal(nn.Sequential([nn.Input((5, 6, 1)), nn.GaussianNoise(0.5)]).predict(GRID), GRID)


# ---- initial weights ----


def test_orthogonal_kernels() -> None:
    for shape, units, gain in (((20,), 12, 1.0), ((12,), 20, 2.0)):
        model = nn.Sequential([nn.Dense(units, kernel_initializer=nn.Orthogonal(gain), input_shape=shape)], seed=1)
        kernel = model.get_weights()[0].astype(np.float64)
        product = kernel.T @ kernel if units < shape[0] else kernel @ kernel.T
        np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-5)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["truncated_normal", "untruncated_normal", "uniform"])
def test_variance_scaling_is_kerass(mode: str, distribution: str) -> None:
    initializer = keras.initializers.VarianceScaling(3.0, mode, distribution, seed=1)
    theirs = np.asarray(initializer((100, 400)))
    layer = nn.Dense(400, kernel_initializer=nn.VarianceScaling(3.0, mode, distribution), input_shape=(100,))
    ours = nn.Sequential([layer], seed=1).get_weights()[0]
    assert ours.std() == pytest.approx(theirs.std(), rel=0.02) and abs(ours.mean()) < 0.01
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.2)
    assert nn.initializers.serialize(nn.VarianceScaling(3.0, mode, distribution))["config"] == {
        "scale": 3.0, "mode": mode, "distribution": distribution,
    }  # fmt: skip
