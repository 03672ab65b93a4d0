"""Calls of every class of layers: what they are called with by mistake gets one of Martlet's errors, which names the
layer and says what was wanted."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn
from martlet.nn.inputs import InputLayer
from own_layers import Mine, square

# What arguments without a default are in a layer of each class.
ARGUMENTS: dict[str, Any] = {
    "units": 3, "activation": "relu", "rate": 0.1, "stddev": 0.1, "target_shape": (3, -1), "dims": (2, 1), "filters": 2,
    "kernel_size": 2, "input_dim": 9, "output_dim": 3, "num_heads": 2, "key_dim": 2, "length": 5, "height": 4,
    "width": 4, "height_factor": 0.2, "width_factor": 0.2, "sequence_length": 5, "scale": 2.0,
}  # fmt: skip
CLASSES: list[type[nn.Layer]] = [
    one for one in vars(nn).values()
    if isinstance(one, type) and issubclass(one, nn.Layer) and not inspect.isabstract(one) and one is not InputLayer
]  # fmt: skip
MERGING = (nn.Add, nn.Multiply, nn.Concatenate, nn.TiedDense)
TAKE_MORE = (*MERGING, nn.LSTM, nn.GRU, nn.SimpleRNN, nn.Bidirectional, nn.Masking, nn.SequenceMask)


def made(one: type[nn.Layer]) -> Any:
    if one is nn.Bidirectional:
        return nn.Bidirectional(nn.GRU(2))
    if one is nn.Lambda:
        return square()
    wanted = inspect.signature(one).parameters.values()
    given = {p.name: ARGUMENTS[p.name] for p in wanted if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}
    return one(**given)


def nodes() -> list[Any]:
    words = nn.Input((5,), dtype="int32")
    return [nn.Input((3,)), nn.Input((5, 3)), nn.Input((6, 6, 2)), words, nn.Embedding(9, 3)(words)]


def test_these_are_all_classes() -> None:
    assert len(CLASSES) > 50 and {nn.Dense, nn.LSTM, nn.TiedDense, nn.Masking, nn.MultiHeadAttention} <= {*CLASSES}


@pytest.mark.parametrize("one", [*CLASSES, Mine], ids=lambda one: one.__name__)
def test_other_arguments_than_a_layer_has(one: type[nn.Layer]) -> None:
    x = nodes()[1]
    for given, named, says in (
        ((x,) * 9, {}, "too many positional arguments"),
        ((), {}, "missing a required argument: '"),
        ((x,), {"wrong": 1}, "got an unexpected keyword argument 'wrong'"),
    ):
        with pytest.raises(martlet.DTypeError, match=f"^a call of <{one.__name__}.*>: {says}.*; wanted layer\\("):
            made(one)(*given, **named)


@pytest.mark.parametrize("one", [*CLASSES, Mine], ids=lambda one: one.__name__)
def test_what_is_no_node(one: type[nn.Layer]) -> None:
    for wrong in (None, 3, "x", [], [None], np.zeros((2, 3)), [np.zeros((2, 3))] * 2, {}, [[]]):
        with pytest.raises(martlet.MartletError, match="wanted"):
            made(one)(wrong)


# What a Lambda's function says of arrays of odd shapes is its own.
@pytest.mark.parametrize("one", [Mine, *(one for one in CLASSES if one is not nn.Lambda)], ids=lambda one: one.__name__)
def test_too_many_nodes_too_few_and_others(one: type[nn.Layer]) -> None:
    """A layer is called, or says that it cannot be; no other exception comes out."""
    x = nodes()
    for given in [*((one,) for one in x), *itertools.product(x, repeat=2), x]:
        try:
            made(one)([*given])
        except martlet.MartletError as error:
            assert "wanted" in str(error) or "expected" in str(error)
        else:
            assert len(given) == 1 or issubclass(one, TAKE_MORE)
    if issubclass(one, MERGING):
        with pytest.raises(martlet.ShapeError, match="wanted"):
            made(one)(x[1])


def test_nodes_beside_one_another_are_a_list() -> None:
    x = nodes()
    for layer, given in ((nn.Add(), x[1:3]), (nn.TiedDense(), (x[1], x[4]))):
        with pytest.raises(martlet.DTypeError, match=r"wanted layer\(inputs\), inputs a list of nodes$"):
            layer(*given)


@pytest.mark.parametrize("name", ["query_mask", "value_mask", "key_mask"])
def test_masks_of_attention_are_those_of_its_sequences(name: str) -> None:
    x = nodes()[1]
    with pytest.raises(
        martlet.UnsupportedError, match=rf"^<MultiHeadAttention> was called with {name}; wanted a sequence"
    ):
        nn.MultiHeadAttention(2, 3)(x, x, **{name: nn.Input((5,), dtype="bool")})
