"""Further layers over images, activations, initializers and regularizers beside Keras's, under the same names and
arguments: outputs, the gradients of every weight, files and configs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet
from graphs import alike, numbers
from martlet import nn
from martlet.nn import _files, regularizers

IMAGES = numbers(4, 7, 6, 3)


@pytest.fixture(autouse=True)
def _format_put_back() -> Iterator[None]:
    yield
    nn.set_data_format("channels_last")


def over(layer: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """A Dense layer before the layer in question, so that its gradient by its input is seen, and one behind it."""

    def build(library: Any, model: Any) -> Any:
        inputs = library.Input((7, 6, 3))
        x = layer(library)(library.Dense(4)(inputs))
        return model(inputs, library.Dense(2)(x))

    return build


def penalty(library: Any, name: str, *factors: float) -> Any:
    return getattr(regularizers if library is nn else keras.regularizers, name)(*factors)


L1, L2, BOTH = ("L1", 0.03), ("L2", 0.02), ("L1L2", 0.01, 0.02)

LAYERS: dict[str, Callable[[Any], Any]] = {
    "DepthwiseConv2D": lambda library: library.DepthwiseConv2D(3, activation="relu"),
    "DepthwiseConv2D, same": lambda library: library.DepthwiseConv2D((2, 3), 2, "same", 2, use_bias=False),
    "DepthwiseConv2D, dilated": lambda library: library.DepthwiseConv2D(2, dilation_rate=2, depth_multiplier=3),
    "SeparableConv2D": lambda library: library.SeparableConv2D(5, 3, activation="tanh"),
    "SeparableConv2D, same": lambda library: library.SeparableConv2D(3, (2, 3), 2, "same", depth_multiplier=2),
    "SeparableConv2D, bare": lambda library: library.SeparableConv2D(3, 2, use_bias=False),
    "Conv2DTranspose": lambda library: library.Conv2DTranspose(5, 3, activation="relu"),
    "Conv2DTranspose, strides": lambda library: library.Conv2DTranspose(3, 2, strides=3),
    "Conv2DTranspose, same": lambda library: library.Conv2DTranspose(3, (4, 3), (2, 1), "same", use_bias=False),
    "Conv2DTranspose, more": lambda library: library.Conv2DTranspose(3, 3, 2, "same", output_padding=1),
    "Conv2DTranspose, more of all": lambda library: library.Conv2DTranspose(3, 3, 2, "valid", output_padding=1),
    "ZeroPadding2D": lambda library: library.ZeroPadding2D(),
    "ZeroPadding2D, four": lambda library: library.ZeroPadding2D(((1, 0), (2, 3))),
    "ZeroPadding2D, two": lambda library: library.ZeroPadding2D((0, 2)),
    "UpSampling2D": lambda library: library.UpSampling2D(),
    "UpSampling2D, two": lambda library: library.UpSampling2D((3, 1)),
    "Rescaling": lambda library: library.Rescaling(0.5, -1.0),
    "GroupNormalization": lambda library: library.GroupNormalization(2),
    "GroupNormalization, one each": lambda library: library.GroupNormalization(-1, epsilon=0.1, scale=False),
    "GroupNormalization, bare": lambda library: library.GroupNormalization(4, center=False, scale=False),
    "ELU": lambda library: library.ELU(),
    "Dense, L1": lambda library: library.Dense(3, kernel_regularizer=penalty(library, *L1)),
    "Dense, by name": lambda library: library.Dense(3, kernel_regularizer="l2"),
    "Conv2D, L2": lambda library: library.Conv2D(3, 2, kernel_regularizer=penalty(library, *L2)),
    "DepthwiseConv2D, both": lambda library: library.DepthwiseConv2D(2, depthwise_regularizer=penalty(library, *BOTH)),
    "SeparableConv2D, both": lambda library: library.SeparableConv2D(
        3, 2, depthwise_regularizer=penalty(library, *L1), pointwise_regularizer=penalty(library, *L2)
    ),
    "Conv2DTranspose, L2": lambda library: library.Conv2DTranspose(3, 2, kernel_regularizer=penalty(library, *L2)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_beside_kerass(name: str) -> None:
    alike(over(LAYERS[name]), IMAGES)


@pytest.mark.parametrize("name", ["elu", "selu", "softplus", "hard_sigmoid", "mish", "exponential"])
def test_activations_beside_kerass(name: str) -> None:
    alike(over(lambda library: library.Conv2D(3, 2, activation=name)), IMAGES)
    alike(over(lambda library: library.Activation(name)), IMAGES)


def test_penalties_of_sequences_and_tables() -> None:
    def build(library: Any, model: Any) -> Any:
        inputs = library.Input((5,), dtype="int32")
        x = library.Embedding(9, 4, embeddings_regularizer=penalty(library, *BOTH))(inputs)
        x = library.Conv1D(3, 2, kernel_regularizer=penalty(library, *L1))(x)
        return model(inputs, library.Dense(2)(x))

    alike(build, np.random.default_rng(0).integers(0, 9, (6, 5)).astype(np.int32))


def test_penalties_are_part_of_the_loss() -> None:
    def model(library: Any, sequential: Any) -> Any:
        made = sequential([library.Input((4,)), library.Dense(3, kernel_regularizer=penalty(library, *BOTH))])
        made.set_weights([numbers(4, 3), numbers(3)])
        made.compile("sgd", "mse")
        return made

    x, y = numbers(8, 4), numbers(8, 3)
    ours, theirs = model(nn, nn.Sequential), model(keras.layers, keras.Sequential)
    assert ours.evaluate(x, y, verbose=0) == pytest.approx(theirs.evaluate(x, y, verbose=0), rel=1e-5)
    mean = ((x @ numbers(4, 3) + numbers(3) - y) ** 2).mean()
    assert ours.evaluate(x, y, verbose=0) > mean + 0.1


def channels_first(layer: Any) -> nn.Sequential:
    return nn.Sequential([nn.Input((4, 7, 6)), layer])


@pytest.mark.parametrize(
    "name", [name for name in LAYERS if not name.startswith(("Dense", "Conv2D, L2", "ELU", "Rescaling"))]
)
def test_channels_first_is_the_same_turned(name: str) -> None:
    layer = LAYERS[name](nn)
    weights = nn.Sequential([nn.Input((7, 6, 4)), layer])
    config = layer.get_config()
    config["data_format"] = "channels_first"
    turned = channels_first(type(layer).from_config(config))
    turned.set_weights(weights.get_weights())
    x = numbers(3, 7, 6, 4)
    wanted = weights.predict(x).transpose(0, 3, 1, 2)
    assert turned.output_shape[1:] == wanted.shape[1:]
    np.testing.assert_array_equal(turned.predict(np.ascontiguousarray(x.transpose(0, 3, 1, 2))), wanted)


def test_transposed_with_numbers_is_torchs() -> None:
    for options in ({"padding": 1}, {"padding": 1, "output_padding": 1}, {"padding": (0, 2), "dilation": 2}):
        given = {"dilation_rate" if key == "dilation" else key: value for key, value in options.items()}
        model = channels_first(nn.Conv2DTranspose(5, 3, 2, **given, data_format="channels_first"))
        module = torch.nn.ConvTranspose2d(4, 5, 3, 2, **options)
        kernel, bias = model.get_weights()
        module.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        module.bias.data = torch.from_numpy(bias)
        x = numbers(2, 4, 7, 6)
        wanted = module(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-4, atol=1e-5)


# ---- what training draws ----


def trained_outputs(layer: Any, x: Any) -> Any:
    """What a layer gave in training, of images of ones and zeros: Dense's gradient by its kernel, of one image."""
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
    samples = []
    for library, initializers in ((nn, nn.initializers), (keras.layers, keras.initializers)):
        initializer = initializers.VarianceScaling(3.0, mode, distribution)
        model = (nn if library is nn else keras).Sequential(
            [library.Input((100,)), library.Dense(400, kernel_initializer=initializer)]
        )
        samples.append(np.asarray(model.get_weights()[0]))
    ours, theirs = samples
    assert ours.std() == pytest.approx(theirs.std(), rel=0.02) and abs(ours.mean()) < 0.01
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.2)
    assert nn.initializers.serialize(nn.VarianceScaling(3.0, mode, distribution))["config"] == {
        "scale": 3.0, "mode": mode, "distribution": distribution,
    }  # fmt: skip


# ---- files and configs ----


KEPT: dict[str, Callable[[Any], Any]] = LAYERS | {
    "GroupNormalization, axis": lambda library: library.GroupNormalization(2, axis=3 - 2 * is_first()),
    "GaussianNoise": lambda library: library.GaussianNoise(0.25),
    "RandomFlip": lambda library: library.RandomFlip("vertical"),
    "RandomCrop": lambda library: library.RandomCrop(5, 4),
    "RandomTranslation": lambda library: library.RandomTranslation(2 / 7, 1 / 6, "constant", "nearest"),
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


# ---- what is refused ----

UNSUPPORTED: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.UpSampling2D(2, interpolation="bilinear"), "interpolation of .* is 'bilinear'"),
    (lambda: nn.RandomTranslation(0.1, 0.1), "fill_mode of .* is 'reflect', and only 'constant'"),
    (lambda: nn.RandomTranslation(0.1, 0.1, "constant"), "interpolation of .* is 'bilinear', and only 'nearest'"),
    (lambda: nn.RandomTranslation(0.1, 0.1, "constant", "nearest", fill_value=1.0), "fill_value"),
    (lambda: nn.RandomTranslation((0.1, 0.2), 0.1, "constant", "nearest"), r"height_factor of .*wanted 0\.2"),
    (lambda: nn.Rescaling([1.0, 2.0]), "scale of .* wanted Normalization"),
    (lambda: nn.GaussianNoise(0.1, seed=3), "seed of .* is 3"),
    (lambda: nn.RandomFlip(seed=3), "seed"),
    (lambda: nn.RandomCrop(2, 2, seed=3), "seed"),
    (lambda: nn.Dropout(0.5, seed=3), "seed of .* is 3"),
    (lambda: nn.Embedding(3, 2, embeddings_constraint="max_norm"), "embeddings_constraint"),
    (lambda: nn.ELU(0.5), "alpha"),
    (lambda: nn.Dense(2, bias_regularizer="l2"), "bias_regularizer of .* is 'l2'"),
    (lambda: nn.Conv2D(2, 2, activity_regularizer="l2"), "activity_regularizer"),
    (lambda: nn.DepthwiseConv2D(2, depthwise_constraint="max_norm"), "depthwise_constraint"),
    (lambda: nn.SeparableConv2D(2, 2, pointwise_constraint="max_norm"), "pointwise_constraint"),
    (lambda: nn.GroupNormalization(2, gamma_initializer="zeros"), "gamma_initializer"),
    (lambda: nn.SeparableConv2D(2, 2, activation="softmax", data_format="channels_first"), "softmax"),
]
BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.Dense(2, kernel_regularizer=0.1), martlet.DTypeError, "kernel_regularizer of .* is 0.1; wanted None"),
    (lambda: nn.Dense(2, kernel_regularizer="l3"), martlet.ArgumentError, "kernel_regularizer of .* is 'l3'"),
    (lambda: regularizers.L2(-1), martlet.ArgumentError, "l2 is -1"),
    (lambda: nn.Orthogonal(0), martlet.ArgumentError, "gain of Orthogonal is 0"),
    (lambda: nn.VarianceScaling(1.0, "fan"), martlet.ArgumentError, "mode of VarianceScaling is 'fan'"),
    (lambda: nn.VarianceScaling(-1.0), martlet.ArgumentError, "scale of VarianceScaling is -1.0"),
    (lambda: nn.GroupNormalization(0), martlet.ArgumentError, "groups of .* is 0"),
    (lambda: nn.GroupNormalization(epsilon=0), martlet.ArgumentError, "epsilon of .* is 0"),
    (lambda: nn.ZeroPadding2D("same"), martlet.DTypeError, "padding of .* is 'same'"),
    (lambda: nn.ZeroPadding2D(-1), martlet.ArgumentError, "padding of .* is -1"),
    (lambda: nn.RandomFlip("up"), martlet.ArgumentError, "mode of .* is 'up'"),
    (lambda: nn.RandomTranslation(2, 0, "constant", "nearest"), martlet.ArgumentError, "height_factor of .* is 2"),
    (lambda: nn.GaussianNoise(-1), martlet.ArgumentError, "stddev of .* is -1"),
    (lambda: nn.Conv2DTranspose(2, 2, output_padding=-1), martlet.ArgumentError, "output_padding of .* is -1"),
    (lambda: nn.Dense(2, wrong=3), TypeError, r"Dense\(\) got an unexpected keyword argument 'wrong'"),
    (
        lambda: nn.Sequential([nn.Input((7, 6, 4)), nn.GroupNormalization(3)]),
        martlet.ShapeError,
        "has 4 channels; expected a multiple of groups, 3",
    ),
    (lambda: nn.Sequential([nn.Input((7, 6, 4)), nn.RandomCrop(8, 2)]), martlet.ShapeError, "random_crop"),
    (lambda: nn.Sequential([nn.Input((7,)), nn.DepthwiseConv2D(2)]), martlet.ShapeError, "wanted images"),
    (
        lambda: nn.Sequential([nn.Input((7,)), nn.Dense(2, bias_initializer="orthogonal")]),
        martlet.ArgumentError,
        "bias_initializer of layer",
    ),
]


@pytest.mark.parametrize("index", range(len(UNSUPPORTED)))
def test_what_is_not_served_is_named(index: int) -> None:
    call, says = UNSUPPORTED[index]
    with pytest.raises(martlet.UnsupportedError, match=says):
        call()


@pytest.mark.parametrize("index", range(len(BAD)))
def test_bad_arguments(index: int) -> None:
    call, error, says = BAD[index]
    with pytest.raises(error, match=says):
        call()


def test_regularizers_and_their_configs() -> None:
    for given in (regularizers.L1(0.5), regularizers.l2(), regularizers.L1L2(0.1, 0.2), regularizers.L1L2()):
        config = regularizers.serialize(given)
        assert regularizers.deserialize(config, "x") == given
        theirs = keras.regularizers.deserialize(config)
        assert (getattr(theirs, "l1", 0.0), getattr(theirs, "l2", 0.0)) == pytest.approx((given.l1, given.l2))
    theirs = keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L1L2(0.25, 0.5), name="a").get_config()
    wanted = {key: theirs[key] for key in ("name", "units", "kernel_regularizer", "bias_regularizer")}
    assert nn.Dense.from_config(wanted).kernel_regularizer == regularizers.L1L2(0.25, 0.5)
