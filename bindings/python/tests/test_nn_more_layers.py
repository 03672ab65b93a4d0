"""Further layers over images, activations and regularizers beside Keras's, under the same names and arguments:
outputs, and the gradients of every weight."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from graphs import alike, numbers
from martlet import nn
from more_layers import BOTH, L1, LAYERS, penalty

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


@pytest.mark.parametrize("name", LAYERS)
def test_layers_beside_kerass(name: str) -> None:
    alike(over(LAYERS[name]), IMAGES)


def test_rms_norms_beside_kerass() -> None:
    """Which go out to neither ONNX nor C."""
    for epsilon in (1e-6, 0.1):
        alike(over(lambda library, epsilon=epsilon: library.RMSNormalization(epsilon=epsilon)), IMAGES)


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
