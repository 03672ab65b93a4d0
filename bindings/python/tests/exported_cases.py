"""Models that are written for others, in the words that Martlet and Keras share: one for each layer and each way to set
it, and those of the scenarios."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from exported import NDArray, numbers
from graphs import GRAPHS
from more_layers import LAYERS

Build = Callable[[Any, Any], Any]


class Case(NamedTuple):
    """build(library, model) makes the same model of either library; x is what it reads."""

    build: Build
    x: Any


def chain(shape: tuple[int, ...], *layers: Callable[[Any], Any]) -> Build:
    def build(library: Any, model: Any) -> Any:
        inputs = x = library.Input(shape)
        for layer in layers:
            x = layer(library)(x)
        return model(inputs, x)

    return build


IMAGE, LENGTH, FLAT = (9, 8, 4), (11, 6), (20,)

_OF_IMAGES: dict[str, Callable[[Any], Any]] = {
    **LAYERS,
    "Conv2D": lambda k: k.Conv2D(5, 3, activation="relu"),
    "Conv2D, same": lambda k: k.Conv2D(5, (3, 2), padding="same"),
    "Conv2D, same, strides": lambda k: k.Conv2D(5, (4, 3), (2, 3), padding="same", use_bias=False),
    "Conv2D, groups": lambda k: k.Conv2D(6, 3, groups=2, activation="silu"),
    "Conv2D, dilated": lambda k: k.Conv2D(3, 2, dilation_rate=(2, 3), padding="same"),
    "Conv2D, softmax": lambda k: k.Conv2D(3, 2, activation="softmax"),
    "MaxPooling2D": lambda k: k.MaxPooling2D(),
    "MaxPooling2D, same": lambda k: k.MaxPooling2D((3, 2), 2, "same"),
    "AveragePooling2D": lambda k: k.AveragePooling2D((2, 3)),
    "AveragePooling2D, same": lambda k: k.AveragePooling2D(3, (2, 1), "same"),
    "GlobalAveragePooling2D": lambda k: k.GlobalAveragePooling2D(),
    "GlobalAveragePooling2D, kept": lambda k: k.GlobalAveragePooling2D(keepdims=True),
    "GlobalMaxPooling2D": lambda k: k.GlobalMaxPooling2D(),
    "BatchNormalization": lambda k: k.BatchNormalization(),
    "BatchNormalization, bare": lambda k: k.BatchNormalization(center=False, scale=False, epsilon=0.01),
    "LayerNormalization": lambda k: k.LayerNormalization(),
    "LayerNormalization, bare": lambda k: k.LayerNormalization(center=False, scale=False),
    "Flatten": lambda k: k.Flatten(),
    "Reshape": lambda k: k.Reshape((6, -1)),
    "Permute": lambda k: k.Permute((3, 1, 2)),
    "Permute, two": lambda k: k.Permute((2, 1, 3)),
    "Dropout": lambda k: k.Dropout(0.4),
    "GaussianNoise": lambda k: k.GaussianNoise(0.4),
    "RandomFlip": lambda k: k.RandomFlip(),
    "RandomTranslation": lambda k: k.RandomTranslation(0.2, 0.1, fill_mode="constant", interpolation="nearest"),
    "Softmax": lambda k: k.Softmax(),
    "LeakyReLU": lambda k: k.LeakyReLU(),
    "ReLU": lambda k: k.ReLU(negative_slope=0.1),
}
_OF_SEQUENCES: dict[str, Callable[[Any], Any]] = {
    "Conv1D": lambda k: k.Conv1D(5, 3, activation="relu"),
    "Cropping1D": lambda k: k.Cropping1D((2, 1)),
    "Conv1D, same": lambda k: k.Conv1D(5, 4, 2, padding="same"),
    "Conv1D, dilated": lambda k: k.Conv1D(4, 3, dilation_rate=2, groups=2),
    "MaxPooling1D": lambda k: k.MaxPooling1D(),
    "MaxPooling1D, same": lambda k: k.MaxPooling1D(3, 2, "same"),
    "AveragePooling1D": lambda k: k.AveragePooling1D(3),
    "AveragePooling1D, same": lambda k: k.AveragePooling1D(4, 3, "same"),
    "GlobalAveragePooling1D": lambda k: k.GlobalAveragePooling1D(),
    "GlobalMaxPooling1D": lambda k: k.GlobalMaxPooling1D(keepdims=True),
    "Dense over sequences": lambda k: k.Dense(7, activation="tanh"),
    "BatchNormalization of sequences": lambda k: k.BatchNormalization(scale=False),
    "GroupNormalization of sequences": lambda k: k.GroupNormalization(3),
    "LayerNormalization of sequences": lambda k: k.LayerNormalization(center=False),
}
_RECURRENT: dict[str, Callable[[Any], Any]] = {
    "LSTM": lambda k: k.LSTM(5),
    "LSTM, all": lambda k: k.LSTM(5, return_sequences=True, use_bias=False),
    "LSTM, backwards": lambda k: k.LSTM(3, return_sequences=True, go_backwards=True),
    "LSTM, activations": lambda k: k.LSTM(3, activation="relu", recurrent_activation="hard_sigmoid"),
    "GRU": lambda k: k.GRU(5),
    "GRU, reset first": lambda k: k.GRU(5, reset_after=False),
    "GRU, all": lambda k: k.GRU(4, return_sequences=True, go_backwards=True, activation="elu"),
    "SimpleRNN": lambda k: k.SimpleRNN(5, activation="sigmoid"),  # Keras has no tanh in float64 on JAX
    "SimpleRNN, all": lambda k: k.SimpleRNN(4, activation="linear", return_sequences=True, use_bias=False),
}
_OF_ROWS: dict[str, Callable[[Any], Any]] = {
    f"Dense, {name}": lambda k, name=name: k.Dense(12, activation=name)  # type: ignore[misc]
    for name in (
        "linear", "relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "softmax", "elu", "selu", "softplus",
        "hard_sigmoid", "mish", "exponential",
    )
}  # fmt: skip
_OF_ROWS |= {
    "Dense, bare": lambda k: k.Dense(12, use_bias=False),
    "BatchNormalization of rows": lambda k: k.BatchNormalization(center=False),
    "LayerNormalization of rows": lambda k: k.LayerNormalization(),
}


def perceptron(library: Any, model: Any) -> Any:
    """Scenario 3."""
    return chain((784,), lambda k: k.Dense(64, activation="relu"), lambda k: k.Dense(10))(library, model)


def convolutional(library: Any, model: Any) -> Any:
    """Scenario 4, with fewer filters."""
    layers = (
        lambda k: k.Conv2D(8, 3, padding="same", activation="relu"),
        lambda k: k.Conv2D(8, 3, padding="same", activation="relu"),
        lambda k: k.Flatten(),
        lambda k: k.Dense(32, activation="relu"),
        lambda k: k.Dense(10),
    )
    return chain((8, 8, 3), *layers)(library, model)


def text_cnn(library: Any, model: Any) -> Any:
    """Scenario 5."""
    words = library.Input((16,), dtype="int32")
    x = library.Embedding(50, 12)(words)
    parts = [library.GlobalMaxPooling1D()(library.Conv1D(8, width, activation="relu")(x)) for width in (3, 4, 5)]
    x = library.Dropout(0.5)(library.Concatenate()(parts))
    return model(words, library.Dense(4, activation="softmax")(x))


def tied_head(library: Any, model: Any) -> Any:
    """Words by the rows of a table, and logits by the same, from two places."""
    words = library.Input((16,), dtype="int32")
    table = library.ReversibleEmbedding(50, 12)
    x = library.LayerNormalization()(table(words))
    x = library.Add()([x, library.Dense(12, activation="relu")(x)])
    last = library.GlobalMaxPooling1D()(x)
    return model(words, [table(x, reverse=True), table(last, reverse=True)])


def residual(library: Any, model: Any) -> Any:
    """Scenario 1: two blocks of a ResNet, the second one with half the places."""

    def block(x: Any, filters: int, strides: int) -> Any:
        inner = library.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        inner = library.ReLU()(library.BatchNormalization()(inner))
        inner = library.BatchNormalization()(library.Conv2D(filters, 3, padding="same", use_bias=False)(inner))
        if strides > 1:
            x = library.BatchNormalization()(library.Conv2D(filters, 1, strides, use_bias=False)(x))
        return library.ReLU()(library.Add()([x, inner]))

    inputs = library.Input((8, 8, 3))
    x = library.ReLU()(library.BatchNormalization()(library.Conv2D(8, 3, padding="same", use_bias=False)(inputs)))
    x = block(block(x, 8, 1), 16, 2)
    return model(inputs, library.Dense(10)(library.GlobalAveragePooling2D()(x)))


def branches(library: Any, model: Any) -> Any:
    """Images that meet in every way, and several outputs, one of them what another is made of."""
    inputs = library.Input((8, 6, 4), name="image")
    left = library.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    right = library.Multiply()([inputs, library.Activation("sigmoid")(left)])
    x = library.Concatenate(axis=2)([left, right, inputs])
    x = library.Concatenate()([x, library.BatchNormalization()(x)])
    middle = library.MaxPooling2D(name="middle")(x)
    return model(inputs, [middle, library.Dense(3, name="end")(library.Flatten()(middle))])


def _words(samples: int = 9, length: int = 16, rows: int = 50) -> NDArray:
    return np.random.default_rng(5).integers(0, rows, (samples, length)).astype(np.int32)


def _over(shape: tuple[int, ...], layer: Callable[[Any], Any]) -> Case:
    return Case(chain(shape, layer), numbers((7, *shape)))


CASES: dict[str, Case] = {
    **{name: _over(IMAGE, layer) for name, layer in _OF_IMAGES.items()},
    **{name: _over(LENGTH, layer) for name, layer in _OF_SEQUENCES.items()},
    **{name: _over(LENGTH, layer) for name, layer in _RECURRENT.items()},
    **{name: _over(FLAT, layer) for name, layer in _OF_ROWS.items()},
    **{f"graph: {name}": Case(*case) for name, case in GRAPHS.items()},
    "perceptron": Case(perceptron, numbers((40, 784))),
    "convolutional": Case(convolutional, numbers((9, 8, 8, 3))),
    "text": Case(text_cnn, _words()),
    "tied head": Case(tied_head, _words()),
    "residual": Case(residual, numbers((9, 8, 8, 3))),
    "branches": Case(branches, numbers((5, 8, 6, 4))),
}
