"""Normalization against numpy in float64: its statistics, the axis that they are of, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn

RNG = np.random.default_rng(4)
FEATURES = RNG.normal(3, 5, (200, 6)) * [1, 10, 100, 0.1, 0.01, 1]
IMAGES = RNG.integers(0, 256, (20, 5, 4, 3)).astype(np.float64) * [1, 2, 3]
Layer = nn.Normalization


def model(layer: nn.Normalization, shape: tuple[int, ...]) -> nn.Sequential:
    return nn.Sequential([nn.Input(shape), layer])


def standard(x: Any, axes: Any) -> Any:
    return (x - x.mean(axis=axes, keepdims=True)) / x.std(axis=axes, keepdims=True)


@pytest.mark.parametrize(
    ("x", "axis", "over"),
    [
        (FEATURES, -1, 0),
        (FEATURES, 1, 0),
        (FEATURES, None, (0, 1)),
        (IMAGES, -1, (0, 1, 2)),
        (IMAGES, 3, (0, 1, 2)),
        (IMAGES, None, (0, 1, 2, 3)),
        (IMAGES.transpose(0, 3, 1, 2), 1, (0, 2, 3)),
    ],
)
@pytest.mark.parametrize("built", [False, True])
def test_adapt_takes_mean_and_deviation(x: Any, axis: int | None, over: Any, built: bool) -> None:
    layer = Layer(axis=axis)
    made = model(layer, x.shape[1:])
    if built:
        made.get_weights()
    layer.adapt(x)
    assert made.output_shape == (None, *x.shape[1:])
    np.testing.assert_allclose(made.predict(x), standard(x, over), rtol=1e-5, atol=1e-5)
    channels = x.shape[-1 if axis is None else axis]
    assert [weight.shape for weight in made.get_weights()] == [(channels,), (channels,)]


def test_the_first_size_of_channels_first_images() -> None:
    x = IMAGES.transpose(0, 3, 1, 2)
    nn.set_data_format("channels_first")
    try:
        layer = Layer()
    finally:
        nn.set_data_format("channels_last")
    layer.adapt(x)
    np.testing.assert_allclose(model(layer, (3, 5, 4)).predict(x), standard(x, (0, 2, 3)), rtol=1e-5, atol=1e-5)


def test_flat_data_are_one_feature() -> None:
    layer = Layer()
    layer.adapt([1.0, 2.0, 6.0])
    wanted = standard(np.array([[1.0], [2.0], [6.0]]), 0)
    np.testing.assert_allclose(model(layer, (1,)).predict([1.0, 2.0, 6.0]), wanted, rtol=1e-6)


def test_a_constant_is_divided_by_no_less_than_1e_7() -> None:
    layer = Layer()
    layer.adapt(np.full((5, 2), 0.5))
    np.testing.assert_allclose(model(layer, (2,)).predict([[0.5, 0.75]]), [[0, 0.25e7]], rtol=1e-6)


def test_statistics_that_are_given() -> None:
    x = FEATURES[:, :2]
    for layer, wanted in (
        (Layer(mean=1, variance=4), (x - 1) / 2),
        (Layer(mean=[1, 2], variance=[4, 9]), (x - [1, 2]) / [2, 3]),
        (Layer(mean=[1, 2], factor=[4, -9]), (x - [1, 2]) * [4, -9]),
        (Layer(mean=[1, 2], factor=0.5), (x - [1, 2]) * 0.5),
    ):
        np.testing.assert_allclose(model(layer, (2,)).predict(x), wanted, rtol=1e-5, atol=1e-5)


def test_training_leaves_them_and_a_file_keeps_them(tmp_path: Path) -> None:
    layer = Layer()
    layer.adapt(FEATURES)
    made = nn.Sequential([nn.Input((6,)), layer, nn.Dense(1)], seed=1)
    made.compile("adam", "mse")
    before = layer.get_weights()
    made.fit(FEATURES, FEATURES[:, 0], verbose=0)
    made.save(tmp_path / "model")
    for kept in (layer, nn.load_model(tmp_path / "model").layers[0]):
        assert all((one == other).all() for one, other in zip(before, kept.get_weights(), strict=True))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (FEATURES[:0], martlet.ShapeError, "data has shape .* holds no samples"),
        (np.where(np.arange(6) == 3, np.nan, FEATURES), martlet.ArgumentError, r"data holds a NaN, first at \(0, 3\)"),
        (np.full((3, 6), np.inf), martlet.ArgumentError, "data holds inf"),
        ("abc", martlet.DTypeError, "data is 'abc'"),
        (np.full((3, 6), 1e300), martlet.ArgumentError, "data has a mean that float32 does not hold"),
        ([[-1e200] * 6, [1e200] * 6], martlet.ArgumentError, "the variance of data is inf; wanted at most"),
    ],
)
def test_bad_data_change_nothing(data: Any, error: type[Exception], says: str, built: bool) -> None:
    layer = Layer()
    layer.adapt(FEATURES)
    made = model(layer, (6,))
    wanted = model(Layer(mean=FEATURES.mean(axis=0), variance=FEATURES.var(axis=0)), (6,)).predict(FEATURES)
    if built:
        made.get_weights()
    with pytest.raises(error, match=says):
        layer.adapt(data)
    np.testing.assert_allclose(made.predict(FEATURES), wanted, rtol=1e-5, atol=1e-5)


def test_data_without_the_axis() -> None:
    with pytest.raises(martlet.ShapeError, match="axis of <Normalization> is 3, and data has 2 axes"):
        Layer(axis=3).adapt(FEATURES)
    layer = Layer()
    model(layer, (6,)).get_weights()
    with pytest.raises(martlet.ShapeError, match="has 6 channels, and data has 5"):
        layer.adapt(FEATURES[:, :5])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("statistics", "says"),
    [
        ({"mean": [1e300], "variance": [1]}, "<Normalization> has a mean that float32 does not hold"),
        ({"mean": [0], "factor": [1e300]}, "<Normalization> has a factor that float32 does not hold"),
        ({"mean": [0], "variance": [1e100]}, r"variance of <Normalization> is 1e\+100; wanted at most 1e\+75"),
        ({"mean": 10**400, "factor": 1}, "mean of <Normalization> is beyond float64's range"),
    ],
)
def test_statistics_that_float32_does_not_hold(statistics: Any, says: str) -> None:
    with pytest.raises(martlet.ArgumentError, match=says):
        Layer(**statistics)


@pytest.mark.filterwarnings("error")
def test_weights_that_float32_does_not_hold() -> None:
    made = model(Layer(mean=1, variance=4), (2,))
    layer = made.layers[0]
    for target in (made, layer):
        with pytest.raises(martlet.ArgumentError, match="'normalization/factor' of .* holds numbers that float32"):
            target.set_weights([np.zeros(2), np.array([1, 1e300])])
    assert layer.get_weights()[0].tolist() == [1, 1]
    layer.set_weights([np.zeros(2), np.array([1, np.inf])])  # as given
    assert layer.get_weights()[1].tolist() == [1, np.inf]
