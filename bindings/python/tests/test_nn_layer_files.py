"""Files and configs of further layers, penalties and initializers, with Python's notes and without."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")


import martlet
from graphs import numbers
from martlet import nn
from martlet.nn import _files
from more_layers import LAYERS


@pytest.fixture(autouse=True)
def _format_put_back() -> Iterator[None]:
    yield
    nn.set_data_format("channels_last")


KEPT: dict[str, Callable[[Any], Any]] = LAYERS | {
    "GroupNormalization, axis": lambda library: library.GroupNormalization(2, axis=3 - 2 * is_first()),
    "RMSNormalization": lambda library: library.RMSNormalization(),
    "RMSNormalization, frozen": lambda library: library.RMSNormalization(epsilon=0.1, trainable=False),
    "GaussianNoise": lambda library: library.GaussianNoise(0.25),
    "RandomFlip": lambda library: library.RandomFlip("vertical"),
    "RandomCrop": lambda library: library.RandomCrop(5, 4),
    "RandomTranslation": lambda library: library.RandomTranslation(2 / 7, 1 / 6, "constant", "nearest"),
    "RandomTranslation by parts": lambda library: library.RandomTranslation((-0.125, 0.25), 0.5, "wrap"),
    "Conv2D, orthogonal": lambda library: library.Conv2D(
        3, 2, kernel_initializer=nn.Orthogonal(0.5), activation="mish", trainable=False
    ),
    "SeparableConv2D, scaled": lambda library: library.SeparableConv2D(
        3, 2, pointwise_initializer=nn.VarianceScaling(2.0, "fan_out", "uniform"), activation="elu"
    ),
}


def is_first() -> bool:
    return nn.get_data_format() == "channels_first"


def plain(config: dict[str, Any]) -> dict[str, Any]:
    """Without the spelling of paddings, of which a file has one; GroupNormalization's groups are a file's by number."""
    return {key: value for key, value in config.items() if key not in ("padding", "groups", "strides")}


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("is_chain", [True, False])
@pytest.mark.parametrize("name", KEPT)
def test_files_and_configs_keep_layers(tmp_path: Path, name: str, data_format: str, is_chain: bool) -> None:
    nn.set_data_format(data_format)
    inputs = nn.Input((4, 7, 6) if is_first() else (7, 6, 4))
    layers = [KEPT[name](nn), nn.Flatten(), nn.Dense(2)]
    if is_chain:
        model: Any = nn.Sequential([inputs, *layers], seed=5)
    else:
        node: Any = inputs
        for layer in layers:
            node = layer(node)
        model = nn.Model(inputs, node, seed=5)
    model.compile("adam", "mse")
    x, y = numbers(3, *inputs.sizes), numbers(3, 2)
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model")
    loaded = nn.load_model(tmp_path / "model")
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in model.layers]
    for one, other in zip(model.layers, loaded.layers, strict=True):
        assert plain(one.get_config()) == plain(other.get_config())
    assert loaded.count_params() == model.count_params()
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    again = nn.clone_model(model)
    assert again.get_config() == model.get_config()
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert loaded.train_on_batch(x, y) == model.train_on_batch(x, y)
    for mine, kept in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, kept)


@pytest.mark.parametrize("name", KEPT)
def test_graphs_that_c_wrote_are_read(tmp_path: Path, name: str) -> None:
    """Without Python's notes. A separable convolution is the two layers that it is there."""
    inputs = nn.Input((7, 6, 4))
    node = KEPT[name](nn)(inputs)
    model = nn.Model(inputs, nn.Concatenate()([node, node]))
    x = numbers(3, 7, 6, 4)
    wanted = model.predict(x)
    model._laid().model.save(os.fsencode(tmp_path / "model"))
    loaded = nn.load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(x), wanted)
    first, second = model.layers[1], loaded.layers[1]
    if isinstance(first, nn.SeparableConv2D):
        assert [type(layer) for layer in loaded.layers[1:3]] == [nn.DepthwiseConv2D, nn.Conv2D]
    elif isinstance(first, nn.ELU):
        assert second.activation == "elu"
    else:
        assert type(second) is type(first)
        config = plain(second.get_config())
        assert {key: config[key] for key in plain(first.get_config()) if key != "axis"} == {
            key: value for key, value in plain(first.get_config()).items() if key != "axis"
        }


def test_a_file_of_other_penalties_is_none_of_the_model(tmp_path: Path) -> None:
    def made(penalty: Any) -> nn.Sequential:
        model = nn.Sequential([nn.Dense(2, kernel_regularizer=penalty, input_shape=(3,))])
        model.compile("sgd", "mse")
        model.fit(numbers(4, 3), numbers(4, 2), verbose=0)
        return model

    made(None).save(tmp_path / "plain")
    made("l2").save(tmp_path / "noted")
    model = made("l2")
    with pytest.raises(martlet.FormatError, match="is no 'dense'"):
        _files.resume(model, tmp_path / "plain")
    _files.resume(model, tmp_path / "noted")


def test_a_separable_convolution_is_one_layer(tmp_path: Path) -> None:
    layer = nn.SeparableConv2D(5, 3, depth_multiplier=2, name="apart")
    inputs = nn.Input((7, 6, 3))
    inner = nn.Model(inputs, layer(inputs))
    model = nn.Model(inputs, nn.Dense(2)(inner(inputs)))
    model.compile("sgd", "mse")
    assert layer.count_params() == 9 * 3 * 2 + 6 * 5 + 5
    assert [one.rpartition(".")[2] for one in layer.weight_names] == [
        "apart_depthwise/kernel", "apart/kernel", "apart/bias"
    ]  # fmt: skip
    x = numbers(2, 7, 6, 3)
    assert inner.predict(x).shape == (2, 5, 4, 5)
    model.summary()
    layer.trainable = False
    model.compile("sgd", "mse")
    before = layer.get_weights()
    model.fit(x, numbers(2, 5, 4, 2), verbose=0)
    assert all((one == other).all() for one, other in zip(before, layer.get_weights(), strict=True))
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(nn.load_model(tmp_path / "model").predict(x), model.predict(x))
