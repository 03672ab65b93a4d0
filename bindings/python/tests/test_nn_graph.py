"""Layers of graphs, sequences and tables beside Keras's, under the same names and arguments: outputs, and the gradients
of every weight, which are what a step of gradient descent with a rate of 1 takes away."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "jax")


import martlet
from graphs import alike, numbers
from martlet import nn


def over(shape: tuple[int, ...], layer: Callable[[Any], Any], before: int | None = 6) -> Callable[[Any, Any], Any]:
    """A Dense layer before the layer in question, so that its gradient by its input is seen, and one behind it."""

    def build(library: Any, model: Any) -> Any:
        inputs = library.Input(shape)
        x = inputs if before is None else library.Dense(before)(inputs)
        x = library.Dense(3)(layer(library)(x))
        return model(inputs, x)

    return build


SEQUENCES: dict[str, Callable[[Any], Any]] = {
    "Conv1D": lambda library: library.Conv1D(5, 3, activation="relu"),
    "Conv1D, same": lambda library: library.Conv1D(4, 4, strides=2, padding="same"),
    "Conv1D, causal": lambda library: library.Conv1D(4, 3, padding="causal", dilation_rate=2, use_bias=False),
    "Conv1D, groups": lambda library: library.Conv1D(4, 2, groups=2, activation="tanh"),
    "MaxPooling1D": lambda library: library.MaxPooling1D(),
    "MaxPooling1D, same": lambda library: library.MaxPooling1D(3, 2, "same"),
    "AveragePooling1D": lambda library: library.AveragePooling1D(3, strides=1),
    "AveragePooling1D, same": lambda library: library.AveragePooling1D(4, padding="same"),
    "GlobalAveragePooling1D": lambda library: library.GlobalAveragePooling1D(),
    "GlobalMaxPooling1D": lambda library: library.GlobalMaxPooling1D(keepdims=True),
    "LayerNormalization": lambda library: library.LayerNormalization(),
    "LayerNormalization, bare": lambda library: library.LayerNormalization(-1, 0.1, center=False, scale=False),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_layers_over_sequences(name: str) -> None:
    alike(over((11, 4), SEQUENCES[name]), numbers(5, 11, 4))


def test_global_max_pooling_of_images() -> None:
    alike(over((5, 6, 2), lambda library: library.GlobalMaxPooling2D()), numbers(4, 5, 6, 2))
    alike(over((5, 6, 2), lambda library: library.GlobalMaxPooling2D(keepdims=True)), numbers(4, 5, 6, 2))


def merged(layer: Callable[[Any], Any], shapes: list[tuple[int, ...]], units: list[int]) -> Callable[[Any, Any], Any]:
    def build(library: Any, model: Any) -> Any:
        inputs = [library.Input(shape) for shape in shapes]
        parts = [library.Dense(count)(one) for one, count in zip(inputs, units, strict=True)]
        return model(inputs, library.Dense(2)(layer(library)(parts)))

    return build


MERGED: list[tuple[Callable[[Any], Any], list[tuple[int, ...]], list[int]]] = [
    (lambda library: library.Add(), [(5,), (3,)], [4, 4]),
    (lambda library: library.Add(), [(2, 5), (2, 3), (2, 1)], [4, 4, 4]),
    (lambda library: library.Multiply(), [(5,), (3,), (2,)], [4, 4, 4]),
    (lambda library: library.Concatenate(), [(5,), (3,), (2,)], [4, 1, 3]),
    (lambda library: library.Concatenate(axis=1), [(2, 5), (3, 3)], [4, 4]),
    (lambda library: library.Concatenate(axis=-2), [(2, 3, 5), (2, 1, 4)], [4, 4]),
    (lambda library: lambda parts: parts[0] + parts[1] * parts[0], [(5,), (3,)], [4, 4]),
    (lambda library: lambda parts: library.multiply([library.add(parts), parts[1]]), [(5,), (3,)], [4, 4]),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(MERGED)))
def test_layers_that_merge(index: int) -> None:
    layer, shapes, units = MERGED[index]
    alike(merged(layer, shapes, units), [numbers(6, *shape) for shape in shapes])


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.int16])
def test_embedding(dtype: Any) -> None:
    ids = np.random.default_rng(2).integers(0, 20, (6, 7)).astype(dtype)

    def build(library: Any, model: Any) -> Any:
        inputs = library.Input((7,), dtype="int32")
        x = library.Embedding(20, 4)(inputs)
        return model(inputs, library.Dense(3)(library.GlobalAveragePooling1D()(x)))

    alike(build, ids)


def test_an_embedding_starts_as_kerass() -> None:
    table = nn.Sequential([nn.Embedding(2000, 16, input_shape=(3,))], seed=1).get_weights()[0]
    assert np.abs(table).max() <= 0.05
    assert table.std() == pytest.approx(0.05 / np.sqrt(3), rel=0.02)
    normal = nn.Embedding(2000, 16, embeddings_initializer=nn.RandomNormal(stddev=2), input_shape=(3,))
    assert nn.Sequential([normal], seed=1).get_weights()[0].std() == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("shape, axis", [((7,), None), ((4, 7), None)])
def test_layer_normalization_beside_torch(shape: tuple[int, ...], axis: None) -> None:
    model = nn.Sequential([nn.LayerNormalization(epsilon=1e-5, input_shape=shape)], seed=1)
    gamma, beta = numbers(7), numbers(7) + 1
    model.set_weights([gamma, beta])
    module = torch.nn.LayerNorm(7)
    module.weight.data, module.bias.data = torch.from_numpy(gamma), torch.from_numpy(beta)
    x, y = numbers(5, *shape), numbers(5, *shape)[::-1].copy()
    np.testing.assert_allclose(model.predict(x), module(torch.from_numpy(x)).detach(), rtol=1e-4, atol=1e-5)
    model.compile(nn.SGD(1.0), "mse")
    model.train_on_batch(x, y)
    torch.nn.functional.mse_loss(module(torch.from_numpy(x)), torch.from_numpy(y)).backward()
    wanted = np.concatenate([module.weight.grad.ravel(), module.bias.grad.ravel()])  # type: ignore[union-attr]
    np.testing.assert_allclose(model.gradients(), wanted, rtol=1e-3, atol=1e-5)


def test_conv1d_beside_torch() -> None:
    layer = nn.Conv1D(5, 3, strides=2, padding=(2, 1), dilation_rate=2, input_shape=(12, 4))
    model = nn.Sequential([layer], seed=1)
    kernel, bias = numbers(3, 4, 5), numbers(5)
    model.set_weights([kernel, bias])
    module = torch.nn.Conv1d(4, 5, 3, stride=2, dilation=2)
    module.weight.data = torch.from_numpy(kernel.transpose(2, 1, 0).copy())
    module.bias.data = torch.from_numpy(bias)  # type: ignore[union-attr]
    x = numbers(6, 12, 4)
    padded = torch.nn.functional.pad(torch.from_numpy(x).transpose(1, 2), (2, 1))
    wanted = module(padded).transpose(1, 2)
    np.testing.assert_allclose(model.predict(x), wanted.detach(), rtol=1e-4, atol=1e-5)
    y = numbers(*wanted.shape)
    model.compile(nn.SGD(1.0), "mse")
    model.train_on_batch(x, y)
    torch.nn.functional.mse_loss(wanted, torch.from_numpy(y)).backward()
    gradient = module.weight.grad.numpy().transpose(2, 1, 0).ravel()  # type: ignore[union-attr]
    np.testing.assert_allclose(model.gradients()[: kernel.size], gradient, rtol=1e-3, atol=1e-5)


def test_images_that_are_channels_first_meet() -> None:
    """Layers that merge leave images as they lie where all of them lie so, and see the user's axes."""

    def build(data_format: str, axis: int) -> Any:
        shape = (6, 5, 3) if data_format == "channels_last" else (3, 6, 5)
        inputs = nn.Input(shape)
        left = nn.Conv2D(4, 3, padding="same", data_format=data_format)(inputs)
        right = nn.Conv2D(4, 1, data_format=data_format)(inputs)
        x = nn.Concatenate(axis)([left + right, left * right, left])
        x = nn.GlobalAveragePooling2D(data_format)(x)
        return nn.Model(inputs, nn.Dense(2)(x), seed=1)

    x = numbers(4, 6, 5, 3)
    last, first = build("channels_last", -1), build("channels_first", 1)
    first.set_weights(last.get_weights())
    np.testing.assert_allclose(first.predict(x.transpose(0, 3, 1, 2)), last.predict(x), rtol=1e-5, atol=1e-6)
    kinds = [first._built.model.node(k).name for k in range(first._built.model.node_count())]
    assert sum(name.startswith("to_channels") for name in kinds) == 1


def test_uint8_images_are_read_as_they_are() -> None:
    images = np.random.default_rng(1).integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
    labels = np.arange(40) % 4
    given = []
    for x in (images, images.astype(np.float32)):
        model = nn.Sequential([nn.Conv2D(4, 3, activation="relu"), nn.Flatten(), nn.Dense(4)], seed=1)
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, labels, epochs=2, verbose=0)
        given.append((model.parameters().copy(), model.predict(x), model.evaluate(x, labels, verbose=0)))
        if x is images:
            assert model._data(x, labels, 32, True).inputs[0] is images
    np.testing.assert_array_equal(given[0][0], given[1][0])
    np.testing.assert_array_equal(given[0][1], given[1][1])
    assert given[0][2] == given[1][2]


def nodes(*shapes: tuple[int, ...]) -> list[Any]:
    return [nn.Input(shape) for shape in shapes]


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.Add()(nodes((3,), (4,))), martlet.ShapeError, 'layer "add"\'s argument number 1 is .4.; expected .3.'),
    (lambda: nn.Add()(nodes((3,))[0]), martlet.ShapeError, "was called with one node; wanted a list of two"),
    (lambda: nn.Dense(3)(nodes((3,), (3,))), martlet.ShapeError, "<Dense> was called with 2 nodes; wanted one"),
    (lambda: nn.Dense(3)(np.zeros((2, 3))), martlet.DTypeError, "the argument of <Dense> is ndarray; wanted an Input"),
    (lambda: nn.Dense(3)([]), martlet.ArgumentError, r"is \[\]; wanted one node or more"),
    (lambda: nn.Concatenate(0), martlet.ArgumentError, "axis of <Concatenate> is 0, which counts the samples"),
    (lambda: nn.Concatenate(3)(nodes((3,), (4,))), martlet.ShapeError, "'concatenate' has axis 3 and reads"),
    (lambda: nn.Concatenate(name="c")(nodes((3, 2), (4, 1))), martlet.ShapeError, 'layer "c"\'s argument number 1'),
    (lambda: nn.Conv1D(2, 3)(nodes((4,))[0]), martlet.ShapeError, r"'conv1d' reads .* shape \(4,\); wanted sequences"),
    (lambda: nn.Conv1D(2, 9)(nodes((4, 2))[0]), martlet.ShapeError, "conv1d"),
    (lambda: nn.Conv1D(0, 3), martlet.ArgumentError, "filters of <Conv1D> is 0; wanted 1 or more"),
    (lambda: nn.Conv1D(2, (3, 3)), martlet.DTypeError, r"kernel_size of <Conv1D> is \(3, 3\)"),
    (lambda: nn.Conv1D(2, 3, padding="full"), martlet.ArgumentError, "padding of <Conv1D> is 'full'"),
    (lambda: nn.Conv1D(2, 3, padding=(1, 2, 3)), martlet.DTypeError, r"wanted .*\(before, after\)"),
    (
        lambda: nn.Conv1D(2, 3, data_format="channels_first")(nodes((4, 2))[0]),
        martlet.UnsupportedError,
        r"wanted data_format=\"channels_last\", with a Permute",
    ),
    (lambda: nn.Embedding(0, 3), martlet.ArgumentError, "input_dim of <Embedding> is 0"),
    (lambda: nn.Embedding(3, 2.5), martlet.DTypeError, "output_dim of <Embedding> is 2.5"),
    (lambda: nn.LayerNormalization(1)(nodes((4, 2))[0]), martlet.UnsupportedError, "axis is 1, and only the last one"),
    (lambda: nn.LayerNormalization(epsilon=0), martlet.ArgumentError, "epsilon of <LayerNormalization> is 0"),
    (lambda: nodes((3,))[0] + 1, martlet.UnsupportedError, "wanted a node of the same shape"),
    (lambda: bool(nodes((3,))[0]), martlet.DTypeError, "neither true nor false"),
    (lambda: np.asarray(nodes((3,))[0]), martlet.DTypeError, r"wanted Model\(inputs, outputs\)"),
    (lambda: nn.Input((3,), dtype="complex64"), martlet.DTypeError, "dtype of Input is 'complex64'; wanted one of"),
    (lambda: nn.Sequential([nn.Input((3,)), nn.Add()]), martlet.DTypeError, "which reads several nodes"),
]


@pytest.mark.parametrize("index", range(len(BAD)))
def test_bad_calls(index: int) -> None:
    call, error, says = BAD[index]
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize("ids, says", [
    ([[0, 1, 20]], r"x holds 20 at \(0, 2\); wanted 0 to 19, the rows that layer 'words' has"),
    ([[0, -1, 2]], r"x holds -1 at \(0, 1\); wanted 0 to 19"),
    ([[0, 1.5, 2]], "x holds 1.5 .* wanted the rows that layer .* has, which are whole numbers"),
])  # fmt: skip
def test_ids_out_of_range(ids: Any, says: str) -> None:
    model = nn.Sequential([nn.Embedding(20, 4, name="words"), nn.Flatten(), nn.Dense(1)], seed=1)
    model.compile("adam", "mse")
    with pytest.raises((martlet.ArgumentError, martlet.DTypeError), match=says):
        model.fit(np.array(ids), np.zeros(1))
    assert model.fit(np.array([[1, 2, 3]]), np.zeros(1), verbose=0).history["loss"]
