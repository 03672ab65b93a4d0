"""A model as a list of layers: what add, pop and a failed constructor leave behind, and what is fixed from then on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn


def nodes(model: nn.Sequential) -> list[str]:
    """The names of what the library has, the input not among them."""
    native = model._laid().model
    return [native.node(index).name for index in range(1, native.node_count())]


FIRST: dict[str, Any] = {"data_format": "channels_first"}


@pytest.mark.parametrize(
    ("layer", "error"),
    [
        (lambda: nn.GlobalAveragePooling2D(name="g", keepdims=True), martlet.ArgumentError),
        (lambda: nn.Dense(3, name="c"), martlet.ArgumentError),
        (lambda: nn.Conv2D(2, 9), martlet.ShapeError),
        (lambda: nn.Reshape((5, 5)), martlet.ShapeError),
    ],
)
def test_a_layer_that_cannot_be_added_leaves_nothing(layer: Callable[[], Any], error: type[Exception]) -> None:
    model = nn.Sequential([nn.Input((3, 4, 4)), nn.Conv2D(2, 3, name="c", **FIRST), nn.Softmax(name="g_keepdims")])
    model.add(nn.Conv2D(5, 1, **FIRST))
    before, shape = nodes(model), model.output_shape
    with pytest.raises(error):
        model.add(layer())
    assert nodes(model) == before and len(model.layers) == 3 and model.output_shape == shape
    model.add(nn.Flatten())
    assert model.predict(np.zeros((2, 3, 4, 4))).shape == (2, 20)
    weights = model.get_weights()
    with pytest.raises(martlet.OrderError):
        model.add(nn.Dense(2))
    assert all((mine == kept).all() for mine, kept in zip(model.get_weights(), weights, strict=True))


def test_names_are_ones_own_before_there_is_a_shape() -> None:
    model = nn.Sequential([nn.Dense(4, name="a")])
    with pytest.raises(martlet.ArgumentError, match="name is 'a', another layer's of"):
        model.add(nn.Dense(4, name="a"))
    assert len(model.layers) == 1


def test_a_failed_model_keeps_no_name() -> None:
    layer, named = nn.Dense(3), nn.Dense(4, name="mine")
    with pytest.raises(martlet.DTypeError):
        nn.Sequential([nn.Input((4,)), layer, named, 5])
    assert layer.name is None and named.name == "mine"
    model = nn.Sequential([nn.Input((4,)), nn.Dense(4), layer, named])
    assert [layer.name for layer in model.layers] == ["dense", "dense_1", "mine"]


def test_what_was_read_is_fixed() -> None:
    dropout, dense = nn.Dropout(0.5), nn.Dense(4)
    dense.activation, dropout.rate = "tanh", 0.25
    model = nn.Sequential([dense, dropout], seed=3)
    for layer, attribute, value in ((dense, "activation", "relu"), (dropout, "rate", 0.0), (dense, "units", 3)):
        with pytest.raises(martlet.OrderError, match=f"{attribute} of .* was read when a model took the layer"):
            setattr(layer, attribute, value)
    for owner, attribute in ((dense, "name"), (model, "name"), (model, "seed")):
        with pytest.raises(AttributeError):
            setattr(owner, attribute, 5)
    assert (dense.activation, dropout.rate, dense.name, model.seed) == ("tanh", 0.25, "dense", 3)
    dense.trainable, dense.note = True, "what is no argument"  # type: ignore[attr-defined]
    x = np.ones((1, 2), np.float32)
    kernel = (model.predict(x), model.get_weights()[0])
    np.testing.assert_allclose(kernel[0], np.tanh(x @ kernel[1]), rtol=1e-5)


def test_pop() -> None:
    model = nn.Sequential([nn.Input((3, 4, 4)), nn.Conv2D(2, 3, **FIRST), nn.Flatten(), nn.Dense(3)], seed=1)
    last = model.pop()
    assert last.name is None and nodes(model)[-1] == "flatten" and model.output_shape == (None, 8)
    model.add(nn.Dense(5))
    wanted = nn.Sequential([nn.Input((3, 4, 4)), nn.Conv2D(2, 3, **FIRST), nn.Flatten(), nn.Dense(5)], seed=1)
    assert all((mine == other).all() for mine, other in zip(model.get_weights(), wanted.get_weights(), strict=True))
    with pytest.raises(martlet.OrderError, match="has its parameters"):
        model.pop()
    other = nn.Sequential([nn.Dense(4, input_shape=(2,))])
    other.pop()
    with pytest.raises(martlet.OrderError, match="has no layer to take away"):
        other.pop()
    other.add(last)
    assert last.name == "dense" and other.predict(np.zeros((1, 7))).shape == (1, 3)


def test_a_summary_before_there_is_a_shape() -> None:
    lines: list[str] = []
    model = nn.Sequential([nn.Dense(4), nn.Dense(3, name="last")])
    model.summary(print_fn=lines.append)
    assert [line.split() for line in lines[3:]] == [["dense", "(Dense)", "?", "?"], ["last", "(Dense)", "?", "?"],
                                                    ["Parameters:", "?"]]  # fmt: skip
