"""Samples of several inputs, and graphs that cannot be: errors that name the layer."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")


import martlet
from graphs import IDS, X, Y, residual, wide_and_deep
from martlet import nn


def test_samples_by_lists_tuples_and_names() -> None:
    given = []
    for x in ([IDS, X], (IDS, X), {"wide": X, "words": IDS}):
        model = nn.Model.from_config({**wide_and_deep(nn, nn.Model).get_config(), "seed": 3})
        model.compile(nn.Adam(0.01), "mse")
        history = model.fit(x, Y, epochs=2, validation_split=0.25, verbose=0)
        loss = model.train_on_batch(x, Y)
        given.append((history.history, loss, model.evaluate(x, Y, verbose=0), model.predict(x).tolist()))
    assert given[0] == given[1] == given[2]


def test_ids_go_to_the_library_without_a_copy() -> None:
    model = wide_and_deep(nn, nn.Model)
    model.compile("adam", "mse")
    for dtype in (np.int32, np.int64, np.uint8):
        ids = IDS.astype(dtype)
        assert model._data([ids, X], Y, 32, True).inputs[0] is ids


def two() -> nn.Model:
    model = wide_and_deep(nn, nn.Model)
    model.compile("adam", "mse")
    return model


def unconnected() -> Any:
    return nn.Model(nn.Input((3,), name="known"), nn.Dense(2)(nn.Input((3,), name="forgotten")))


def half_taken() -> Any:
    model = nn.Sequential([nn.Dense(3, input_shape=(3,), name="mine")])
    inputs = nn.Input((3,))
    return nn.Model(inputs, nn.Dense(2)(model.layers[0](inputs)))


def inner_and_outer() -> nn.Model:
    inner = residual(nn, nn.Model)
    inputs = nn.Input((6,))
    nn.Model(inputs, inner(inputs))
    return inner


def other_shape() -> Any:
    layer = nn.Dense(3, name="shared")
    layer(nn.Input((3,)))
    return layer(nn.Input((4,)))


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: two().fit([IDS], Y), martlet.ArgumentError, 'x is 1 arrays; wanted a list of 2, .*"words", "wide"'),
    (lambda: two().fit(IDS, Y), martlet.ArgumentError, "x is a ndarray; wanted a list of 2"),
    (lambda: two().predict({"words": IDS}), martlet.ArgumentError, 'x has "words"; wanted "words", "wide"'),
    (lambda: two().predict([IDS, X[:3]]), martlet.ShapeError, r"x\[1\] has 3 samples and x\[0\] has 40"),
    (lambda: two().predict([IDS, X[:, :2]]), martlet.ShapeError, r"x\[1\] has samples of shape \(2,\), and"),
    (lambda: two().fit({"words": IDS, "wide": X * np.nan}, Y), martlet.ArgumentError, r"x\['wide'\] holds a NaN"),
    (unconnected, martlet.ArgumentError, "made of 'forgotten', of shape .*none of inputs: 'known'"),
    (half_taken, martlet.OrderError, "<Dense 'mine'> is in a model already"),
    (lambda: nn.Dense(3).output, AttributeError, "<Dense> gives no node yet"),
    (
        lambda: nn.Model(x := nn.Input((2,)), nn.Embedding(3, 4)(nn.Dense(2)(x))),
        martlet.ArgumentError,
        'layer "embedding" reads numbers; expected an input',
    ),
    (
        lambda: nn.Model(x := nn.Input((2,)), nn.Flatten()(nn.Embedding(3, 2)(x)) + nn.Dense(4)(x)),
        martlet.ArgumentError,
        'layer "dense" reads an input of whole numbers, which another layer reads',
    ),
    (
        lambda: nn.Model([x := nn.Input((2,)), y := nn.Input((2,), name="input")], x + y),
        martlet.ArgumentError,
        "name of layer 'input' is \"input\", another layer's",
    ),
    (lambda: nn.Model(x := [nn.Input((2,)) for _ in range(17)], nn.Add()(x)), martlet.ArgumentError, "16 at most"),
    (
        lambda: inner_and_outer().compile("adam", "mse"),
        martlet.OrderError,
        "compile came to .* a part of another model",
    ),
    (lambda: inner_and_outer().save("x"), martlet.OrderError, "save came to .* a part of another model"),
    (lambda: inner_and_outer().parameters(), martlet.OrderError, "parameters came to .* a part of another model"),
    (other_shape, martlet.ShapeError, 'expected .* those of "shared"'),
    (lambda: nn.Model(nn.Input((3,)), nn.Input((3,))), martlet.ArgumentError, "wanted what a layer gives"),
    (lambda: nn.Model([], []), martlet.ArgumentError, r"inputs is \[\]; wanted one node or more"),
    (lambda: nn.Model(X, X), martlet.DTypeError, "inputs is ndarray; wanted an Input"),
    (lambda: residual(nn, nn.Model)(nn.Input((5,))), martlet.ShapeError, r"reads samples of shape \(6,\), and was"),
    (lambda: two()(nn.Input((6,))), martlet.ShapeError, "model 'model' reads samples of shape"),
    (lambda: nn.Sequential()(nn.Input((5,))), martlet.OrderError, "has no layer; add one first"),
]


@pytest.mark.parametrize("index", range(len(BAD)))
def test_bad_graphs(index: int) -> None:
    call, error, says = BAD[index]
    with pytest.raises(error, match=says):
        call()


def test_a_graph_that_fails_leaves_its_layers_free() -> None:
    inputs = nn.Input((3,), name="input")
    layers = [nn.Dense(2, name="a"), nn.Dense(2, name="a")]
    output = layers[1](layers[0](inputs))
    with pytest.raises(martlet.ArgumentError, match="name is 'a', another layer's"):
        nn.Model(inputs, output)
    nn.Sequential(layers[:1])


def test_circles_in_a_config() -> None:
    config = residual(nn, nn.Model).get_config()
    config["nodes"][1][1] = [5]
    with pytest.raises(martlet.ArgumentError, match="layer 'dense_1' reads node 5, which is not made before it"):
        nn.Model.from_config(config)
