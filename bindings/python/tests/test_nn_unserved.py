"""Further layers, initializers and regularizers as Keras calls them, and what of Keras's is refused."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet
from martlet import nn
from martlet.nn import regularizers

UNSUPPORTED: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.UpSampling2D(2, interpolation="bilinear"), "interpolation of .* is 'bilinear'"),
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
    (lambda: nn.BatchNormalization(moving_mean_initializer="ones"), "moving_mean_initializer"),
    (lambda: nn.LayerNormalization(beta_regularizer="l2"), "beta_regularizer"),
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
    (lambda: nn.RandomTranslation((0.2, 0.1), 0), martlet.ArgumentError, "height_factor .*the lower number first"),
    (lambda: nn.RandomTranslation(0.1, 0.1, "mirror"), martlet.ArgumentError, "fill_mode of .* is 'mirror'"),
    (lambda: nn.RandomTranslation(0.1, 0.1, "wrap", "cubic"), martlet.ArgumentError, "interpolation of .* is 'cubic'"),
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


@pytest.mark.parametrize(
    "name",
    ["ZeroPadding2D", "UpSampling2D", "Rescaling", "GaussianNoise", "RandomFlip", "RandomCrop", "RandomTranslation",
     "GroupNormalization", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose", "ELU", "Dense", "Conv2D", "Conv1D",
     "LSTM", "GRU", "SimpleRNN", "Masking", "Bidirectional", "RMSNormalization", "Orthogonal", "VarianceScaling",
     "L1", "L2", "L1L2"],
)  # fmt: skip
def test_arguments_and_defaults_are_kerass(name: str) -> None:
    places = [(nn, keras.layers), (nn, keras.initializers), (regularizers, keras.regularizers)]
    ours, theirs = next((getattr(a, name), getattr(b, name)) for a, b in places if hasattr(b, name))
    wanted = inspect.signature(theirs).parameters
    mine = [one for one in inspect.signature(ours).parameters.values() if one.name in wanted]
    assert [one.name for one in mine] == [key for key in wanted if key in inspect.signature(ours).parameters]
    for place, one in enumerate(mine):
        known = wanted[one.name]
        same = one.default == known.default or (one.default in (1, (1, 1)) and known.default in (1, (1, 1)))
        assert same or known.kind is known.VAR_KEYWORD, one.name
        if one.kind is one.POSITIONAL_OR_KEYWORD:
            assert [*wanted][place] == one.name
