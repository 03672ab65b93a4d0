"""Models with masks as ONNX files: what onnxruntime gives beside the library's predictions, whatever is hidden: steps
before, between and behind, all of them, none; at the example's number of steps and at others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from exported import NDArray, alike, fill
from martlet import nn
from onnx_runs import run

STEPS, FEATURES = 7, 6


def block(x: Any) -> Any:
    x = nn.LayerNormalization()(nn.Add()([x, nn.MultiHeadAttention(2, 3)(x, x)]))
    return nn.GlobalAveragePooling1D()(nn.Add()([x, nn.Dense(FEATURES, activation="relu")(x)]))


READERS: dict[str, Callable[[Any], Any]] = {
    "LSTM": lambda x: nn.LSTM(5)(x),
    "LSTM, all": lambda x: nn.LSTM(5, return_sequences=True)(x),
    "GRU, backwards": lambda x: nn.GRU(4, go_backwards=True)(x),
    "GRU, backwards, all": lambda x: nn.GRU(4, go_backwards=True, return_sequences=True)(x),
    "SimpleRNN, all": lambda x: nn.SimpleRNN(4, return_sequences=True, use_bias=False)(x),
    "LSTM, relu": lambda x: nn.LSTM(3, "relu", "hard_sigmoid", return_sequences=True)(x),
    "both ways": lambda x: nn.Bidirectional(nn.LSTM(4))(x),
    "both ways, all": lambda x: nn.Bidirectional(nn.GRU(4, return_sequences=True), "ave")(x),
    "one behind another": lambda x: nn.LSTM(4)(
        nn.Dense(4, activation="tanh")(nn.GRU(4, return_sequences=True, go_backwards=True)(nn.Dropout(0.3)(x)))
    ),
    "attention": lambda x: nn.MultiHeadAttention(2, 3)(x, x),
    "attention, causal": lambda x: nn.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True),
    "attention over it": lambda x: nn.LSTM(3)(nn.MultiHeadAttention(2, 3)(nn.Dense(4)(x), x)),
    "mean": lambda x: nn.GlobalAveragePooling1D(keepdims=True)(nn.LayerNormalization()(x)),
    "masked anew": lambda x: nn.GRU(3)(nn.Masking()(nn.Dense(4, activation="relu")(x))),
    "block": block,
}


def by_words(steps: int) -> tuple[Any, Any]:
    words = nn.Input((steps,), dtype="int64")
    return words, nn.Embedding(20, FEATURES, mask_zero=True)(words)


def by_features(steps: int) -> tuple[Any, Any]:
    inputs = nn.Input((steps, FEATURES))
    return inputs, nn.Masking(0.5)(inputs)


def by_mask(steps: int) -> tuple[Any, Any]:
    inputs, mask = nn.Input((steps, FEATURES)), nn.Input((steps,), dtype="bool")
    return [inputs, mask], nn.Masking(1)(inputs, mask=mask)


def by_lengths(steps: int) -> tuple[Any, Any]:
    inputs, lengths = nn.Input((steps, FEATURES)), nn.Input((1,), dtype="int32")
    return [inputs, lengths], nn.SequenceMask()(inputs, lengths)


WAYS = {"words": by_words, "features": by_features, "mask": by_mask, "lengths": by_lengths}


def samples(way: str, steps: int) -> Any:
    """The first is hidden as a whole, the second is not hidden at all."""
    rng = np.random.default_rng(steps)
    words = rng.integers(1, 20, (12, steps))
    words[rng.random(words.shape) < 0.4] = 0
    words[0], words[1] = 0, 3
    words[2, -1], words[3, 0] = 0, 0
    x: NDArray = rng.standard_normal((12, steps, FEATURES)).astype(np.float32)
    if way == "words":
        return words
    if way == "features":
        x[words == 0] = 0.5
        return x
    lengths = rng.integers(0, steps + 1, (12, 1)).astype(np.int32)
    lengths[0], lengths[1] = 0, steps
    return [x, words == 0 if way == "mask" else lengths]


def build(way: str, reader: str, steps: int) -> Any:
    inputs, masked = WAYS[way](steps)
    model = nn.Model(inputs, READERS[reader](masked))
    fill(model)
    return model


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("way", WAYS)
def test_hidden_steps_are_hidden(way: str, reader: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    build(way, reader, STEPS).to_onnx(path)
    onnx.checker.check_model(os.fspath(path), full_check=True)
    sizes = [one.dim_param or one.dim_value for one in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]
    assert sizes[:2] == ["batch", "steps"]
    for steps in (1, 2, STEPS, 23):
        x = samples(way, steps)
        wanted = build(way, reader, steps).predict(x)
        assert np.isfinite(wanted).all()
        found = run(path, x)
        alike(found, wanted)
        alike(run(path, [one[2:3] for one in x] if isinstance(x, list) else x[2:3]), [found[0][2:3]])


def test_steps_that_are_the_models(tmp_path: Path) -> None:
    """Behind layers that depend on how many there are; and words of uint8."""
    words = nn.Input((STEPS,), dtype="uint8")
    x = nn.Bidirectional(nn.LSTM(4, return_sequences=True), "mul")(nn.Embedding(20, 3, mask_zero=True)(words))
    model = nn.Model(words, [nn.Dense(3)(nn.Flatten()(x)), nn.Cropping1D((0, 2))(x)])
    fill(model)
    model.to_onnx(tmp_path / "model.onnx")
    given = samples("words", STEPS).astype(np.uint8)
    alike(run(tmp_path / "model.onnx", given), model.predict(given))


def test_words_that_hide_and_are_read(tmp_path: Path) -> None:
    """One input for a table and for a mask, whose padding is another number; two masks in one attention's layers."""
    words = nn.Input((STEPS,), dtype="int32")
    table = nn.Embedding(20, FEATURES)(words)
    padded = nn.Masking(7)(table, mask=words)
    shared = nn.MultiHeadAttention(2, 3)
    model = nn.Model(words, [shared(table, padded), shared(padded, table), nn.LSTM(3)(nn.Masking(2.5)(table, words))])
    fill(model)
    model.to_onnx(tmp_path / "model.onnx")
    given = samples("words", STEPS).astype(np.int32)
    given[given > 12] = 7
    alike(run(tmp_path / "model.onnx", given), model.predict(given))
