"""Masks of Keras's functional models, which their configs compute by operations of their own, taken over alive and from
.keras files, and given back; and those that no layer here has, refused by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from exported import NDArray, alike, numbers
from martlet import nn
from martlet._errors import UnsupportedError
from sequence_cases import words

K = keras.layers


def _model(starts: str, make: Callable[..., Any]) -> tuple[Any, NDArray]:
    """A model over a sequence with a mask, and samples."""
    keras.utils.set_random_seed(6)
    if starts == "words":
        inputs, x = keras.Input((7,), dtype="int32"), words()
        steps = K.Embedding(30, 4, mask_zero=True)(inputs)
    else:
        inputs, x = keras.Input((7, 4)), numbers((9, 7, 4))
        x[words() == 0] = 1.5
        steps = K.Masking(1.5)(inputs)
    return keras.Model(inputs, make(steps, inputs)), x


def _block(x: Any, given: Any) -> Any:
    x = K.LayerNormalization()(K.Add()([x, K.MultiHeadAttention(2, 3)(x, x)]))
    return K.GlobalAveragePooling1D()(K.Add()([x, K.Dense(4)(K.Dense(8, activation="gelu")(x))]))


def _shared(x: Any, given: Any) -> Any:
    layer = K.GRU(4, return_sequences=True)
    return K.LSTM(2)(layer(layer(x)))


CASES: dict[str, Callable[..., Any]] = {
    "a cell": lambda x, given: K.LSTM(3)(x),
    "both ways": lambda x, given: K.Bidirectional(K.GRU(3))(K.Bidirectional(K.LSTM(2, return_sequences=True))(x)),
    "handed on": lambda x, given: K.SimpleRNN(3)(K.Dropout(0.1)(K.ReLU()(K.Dense(4)(K.LayerNormalization()(x))))),
    "a mean": lambda x, given: K.GlobalAveragePooling1D()(x),
    "sums": lambda x, given: K.GRU(2)(K.Add()([x, K.Dense(4)(x), K.LSTM(4, return_sequences=True)(x)])),
    "products": lambda x, given: K.GRU(2)(K.Multiply()([K.Dense(3)(x), K.Dense(3, activation="sigmoid")(x)])),
    "features beside one another": lambda x, given: K.GRU(2)(K.Concatenate()([x, K.Dense(3)(x)])),
    "dropped": lambda x, given: K.LSTM(3)(K.Conv1D(4, 2)(x)),
    "an encoder": _block,
    "a shared layer": _shared,
    "all steps": lambda x, given: K.LSTM(3, return_sequences=True)(x),
}


@pytest.mark.parametrize(
    ("name", "starts"),
    [*((name, "words") for name in CASES), ("a cell", "steps"), ("features beside one another", "steps"),
     ("an encoder", "steps")],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Layer")
def test_there_and_back(name: str, starts: str, tmp_path: Path) -> None:
    theirs, x = _model(starts, CASES[name])
    theirs.save(tmp_path / "model.keras")
    right = np.asarray(theirs(x, training=False))
    for source in (theirs, tmp_path / "model.keras"):
        model = nn.from_keras(source)
        alike(model.predict(x), right)
    alike(np.asarray(nn.to_keras(model)(x, training=False)), right)


def _pads() -> NDArray:
    x: NDArray = words() != 0
    return x


CALLED: dict[str, Callable[[Any, Any, Any], Any]] = {
    "a cell": lambda x, seen, ids: K.LSTM(3)(x, mask=seen),
    "by a number": lambda x, seen, ids: K.GRU(3)(K.Embedding(30, 4)(ids), mask=keras.ops.not_equal(ids, 3)),
    "where one was dropped": lambda x, seen, ids: K.GRU(3)(
        K.Conv1D(4, 1)(K.Embedding(30, 4, mask_zero=True)(ids)), mask=keras.ops.not_equal(ids, 0)
    ),
    "both ways": lambda x, seen, ids: K.Bidirectional(K.GRU(2))(x, mask=seen),
    "with states": lambda x, seen, ids: K.GRU(4)(x, initial_state=[K.Flatten()(K.Conv1D(4, 7)(x))], mask=seen),
    "its states": lambda x, seen, ids: K.LSTM(3, return_state=True)(x, mask=seen)[2],
    "a mean": lambda x, seen, ids: K.GlobalAveragePooling1D()(x, mask=seen),
    "values": lambda x, seen, ids: K.MultiHeadAttention(2, 3)(x, x, value_mask=seen),
    "keys": lambda x, seen, ids: K.MultiHeadAttention(2, 3)(x, x, K.Dense(3)(x), key_mask=seen),
    "keys and values": lambda x, seen, ids: K.MultiHeadAttention(2, 3)(
        x, x, K.Dense(3)(x), value_mask=seen, key_mask=seen
    ),
    "several": lambda x, seen, ids: K.Concatenate()(
        [K.GRU(3, name="masking")(x, mask=seen), K.LSTM(2)(x, mask=seen), K.SimpleRNN(2)(x)]
    ),
}


@pytest.mark.parametrize("name", CALLED)
@pytest.mark.filterwarnings("ignore:Layer")
def test_masks_that_layers_are_called_with(name: str, tmp_path: Path) -> None:
    keras.backend.clear_session()
    keras.utils.set_random_seed(6)
    inputs = [keras.Input((7, 4)), keras.Input((7,), dtype="bool"), keras.Input((7,), dtype="int32")]
    theirs, given = keras.Model(inputs, CALLED[name](*inputs)), [numbers((9, 7, 4)), _pads(), words()]
    theirs.save(tmp_path / "model.keras")
    right = np.asarray(theirs(given, training=False))
    others = [given[0], np.roll(given[1], 1, 0), given[2] % 4]
    assert np.abs(np.asarray(theirs(others, training=False)) - right).max() > 1e-3
    for source in (theirs, tmp_path / "model.keras"):
        model = nn.from_keras(source)
        alike(model.predict(given), right)


def _not_equal(number: float) -> Callable[..., Any]:
    return lambda x, given: K.LSTM(3)(x, mask=keras.ops.not_equal(given, number))


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "another": (_not_equal(3), "'lstm', a LSTM, is called with a mask; taken is that of an Embedding"),
    "all steps": (
        lambda x, given: K.LSTM(3, return_sequences=True)(K.Conv1D(4, 1)(x), mask=keras.ops.not_equal(given, 0)),
        "'lstm', a LSTM, is called with a mask and gives all steps, of which Keras forgets which are seen",
    ),
    "a query's": (
        lambda x, given: K.MultiHeadAttention(1, 2)(
            y := K.Conv1D(4, 1)(x), y, query_mask=keras.ops.not_equal(given, 0)
        ),
        "is called with query_mask of what 'not_equal[_0-9]*' gives, which is not served here; wanted None",
    ),
    "a key's that is a value's": (
        lambda x, given: K.MultiHeadAttention(1, 2)(y := K.Conv1D(4, 1)(x), y, key_mask=keras.ops.not_equal(given, 0)),
        "is called with key_mask of what 'not_equal[_0-9]*' gives",
    ),
    "computed": (
        lambda x, given: K.LSTM(3)(K.Conv1D(4, 1)(x), mask=keras.ops.not_equal(K.Dense(7)(K.Flatten()(x)), 0)),
        "'lstm', a LSTM, is called with a mask",
    ),
    "a sum that drops it": (lambda x, given: K.LSTM(3)(x + K.Dense(4)(x)), "a Add, drops a mask"),
    "steps behind others": (lambda x, given: K.LSTM(3)(K.Concatenate(axis=1)([x, x])), "reads the mask"),
    "read": (lambda x, given: K.Dense(2)(keras.ops.not_equal(given, 0)), "'dense', a Dense, reads the mask"),
    "given": (lambda x, given: keras.ops.not_equal(given, 0), "the model gives the mask 'not_equal"),
    "another layer's": (
        lambda x, given: K.LSTM(2)(K.BatchNormalization(name="norm")(x)),
        '"norm" reads a sequence with',
    ),
    "hidden steps of attention": (
        lambda x, given: K.GlobalMaxPooling1D()(K.Add()([x, K.MultiHeadAttention(2, 3)(x, x)])),
        "reads all steps of what attention or Multiply gives",
    ),
    "hidden steps of a product": (
        lambda x, given: K.Flatten()(K.Multiply()([K.Dense(3)(x), K.Dense(3)(x)])),
        "reads all steps of what attention",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:Layer")
def test_other_masks_are_refused(name: str) -> None:
    make, text = REFUSED[name]
    keras.backend.clear_session()
    with pytest.raises(UnsupportedError, match=text):
        nn.from_keras(_model("words", make)[0])


def _reads(layer: Any, of: str) -> Any:
    inputs = nn.Input((7, 4))
    steps = nn.Masking()(inputs)
    if of == "attention":
        return nn.Model(inputs, layer(nn.MultiHeadAttention(2, 3)(steps, steps)))
    return nn.Model(inputs, layer(nn.Multiply()([nn.Dense(4)(steps), nn.Dense(4)(steps)])))


@pytest.mark.parametrize("of", ["attention", "a product"])
def test_what_keras_computes_otherwise_does_not_go_there(of: str) -> None:
    for layer in (nn.GlobalMaxPooling1D(), nn.Flatten(), nn.Conv1D(2, 3), nn.Masking()):
        with pytest.raises(UnsupportedError, match="reads all steps of what attention or Multiply gives"):
            nn.to_keras(_reads(layer, of))
    nn.to_keras(_reads(nn.GlobalAveragePooling1D(), of))


def test_layers_keep_their_names_beside_those_of_masks() -> None:
    keras.backend.clear_session()
    inputs = nn.Input((7, 4))
    steps = nn.Masking()(inputs)
    for _ in range(2):
        steps = nn.Concatenate()([steps, nn.Dense(2)(steps)])
    model = nn.Model(inputs, nn.LSTM(3)(steps))
    theirs = nn.to_keras(model)
    x = numbers((4, 7, 4))
    x[1, 3:] = 0
    alike(np.asarray(theirs(x, training=False)), model.predict(x))
    assert {"concatenate", "concatenate_1"} <= {layer.name for layer in theirs.layers}


def test_masks_by_an_input_do_not_go_there() -> None:
    inputs, said, lengths = nn.Input((7, 3)), nn.Input((7,), dtype="bool"), nn.Input((1,), dtype="int32")
    for layer, read in ((nn.Masking(name="hides"), said), (nn.SequenceMask(name="hides"), lengths)):
        model = nn.Model([inputs, read], nn.LSTM(3)(layer(inputs, read)))
        with pytest.raises(UnsupportedError, match="'hides'> hides steps by an input"):
            nn.to_keras(model)


MODELS: dict[str, Callable[[Any, Any], Any]] = {
    "put beside another": lambda seen, given: nn.LSTM(3)(nn.Concatenate()([seen, given])),
    "with states": lambda seen, given: nn.GRU(3)(given, initial_state=nn.GRU(3)(seen)),
    "both ways": lambda seen, given: nn.Bidirectional(nn.GRU(3))(given, initial_state=[nn.GRU(3)(seen)] * 2),
}


def _out_of_a_model(join: Callable[[Any, Any], Any]) -> nn.Model:
    inputs, inner = nn.Input((7, 4)), nn.Input((7, 4))
    seen = nn.Masking()(inputs)
    return nn.Model(inputs, join(seen, nn.Model(inner, nn.Dense(4)(inner))(seen)))


@pytest.mark.parametrize("name", MODELS)
def test_masks_that_come_out_of_models_do_not_go_where_keras_forgets_them(name: str) -> None:
    with pytest.raises(UnsupportedError, match="> reads <node .* by <Model .*>>, whose mask comes out of a model"):
        nn.to_keras(_out_of_a_model(MODELS[name]))


@pytest.mark.parametrize("join", ["put together", "added"])
@pytest.mark.filterwarnings("ignore:Layer")
def test_masks_that_come_out_of_models_go_where_keras_finds_them(join: str) -> None:
    together = join == "put together"
    model = _out_of_a_model(
        lambda seen, given: nn.LSTM(3)(
            nn.Concatenate()([given, nn.Dense(2)(given)]) if together else nn.Add()([seen, given])
        )
    )
    x = numbers((4, 7, 4))
    x[1, 3:] = 0
    alike(np.asarray(nn.to_keras(model)(x, training=False)), model.predict(x))
