"""Models over sequences as ONNX files: what onnxruntime gives beside the library's predictions, at the example's number
of steps and at others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import martlet
from exported import alike, fill
from martlet import nn
from onnx_runs import run

STEPS, FEATURES = 9, 6


def attended(x: Any, causal: bool = False) -> Any:
    x = x + nn.MultiHeadAttention(2, 3, value_dim=4)(nn.RMSNormalization()(x), x, use_causal_mask=causal)
    return nn.LayerNormalization()(x + nn.Dense(FEATURES)(nn.Dense(12, activation="gelu")(x)))


FREE: dict[str, Callable[[Any], Any]] = {
    "attention": attended,
    "attention, causal": lambda x: attended(x, True),
    "attention over others": lambda x: nn.MultiHeadAttention(2, 4, use_bias=False)(
        nn.Dense(3)(x), nn.Conv1D(5, 1)(x), nn.LSTM(4, return_sequences=True)(x)
    ),
    "positions": lambda x: nn.RMSNormalization()(x + nn.PositionEmbedding(31)(x)),
    "both ways": lambda x: nn.Bidirectional(nn.LSTM(4, return_sequences=True))(x),
    "both ways, the last": lambda x: nn.Bidirectional(nn.GRU(4), "ave")(x),
    "reset first": lambda x: nn.Bidirectional(nn.GRU(3, "relu", "hard_sigmoid", reset_after=False))(x),
    "backwards": lambda x: nn.GRU(3)(nn.LSTM(4, return_sequences=True, go_backwards=True)(x)),
    "convolutions": lambda x: nn.GlobalMaxPooling1D()(
        nn.Conv1D(4, 3, padding="same")(nn.Conv1D(5, 2, padding="causal", dilation_rate=2, activation="relu")(x))
    ),
    "pools": lambda x: nn.GlobalAveragePooling1D(keepdims=True)(nn.BatchNormalization()(x)),
    "beside": lambda x: nn.Concatenate()([nn.Dense(3)(x), nn.Dropout(0.4)(x * x)]),
}
BOUND: dict[str, Callable[[Any], Any]] = {
    "flat": lambda x: nn.Dense(3)(nn.Flatten()(x)),
    "turned": lambda x: nn.Dense(4)(nn.Permute((2, 1))(x)),
    "behind": lambda x: nn.Concatenate(1)([x, x]),
    "strides": lambda x: nn.GlobalMaxPooling1D()(nn.MaxPooling1D(2, padding="same")(x)),
}


def build(make: Callable[[Any], Any], steps: int) -> Any:
    inputs = nn.Input((steps, FEATURES))
    model = nn.Model(inputs, make(inputs))
    fill(model)
    return model


def exported(model: Any, path: Path) -> list[Any]:
    """The sizes of the input that the file names, once it is checked."""
    model.to_onnx(path)
    onnx.checker.check_model(os.fspath(path), full_check=True)
    shape = onnx.load(path).graph.input[0].type.tensor_type.shape
    return [one.dim_param or one.dim_value for one in shape.dim]


@pytest.mark.parametrize("name", FREE)
def test_steps_are_any_number(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    assert exported(build(FREE[name], STEPS), path) == ["batch", "steps", FEATURES]
    for steps in (1, 2, STEPS, 31):
        x = np.random.default_rng(steps).standard_normal((5, steps, FEATURES)).astype(np.float32)
        found = run(path, x)
        alike(found, build(FREE[name], steps).predict(x))
        alike(run(path, x[2:3]), [found[0][2:3]])


@pytest.mark.parametrize("name", BOUND)
def test_steps_are_the_models_where_something_depends_on_them(name: str, tmp_path: Path) -> None:
    model, path = build(BOUND[name], STEPS), tmp_path / "model.onnx"
    assert exported(model, path) == ["batch", STEPS, FEATURES]
    x = np.random.default_rng(1).standard_normal((5, STEPS, FEATURES)).astype(np.float32)
    alike(run(path, x), model.predict(x))


def test_words_are_any_number(tmp_path: Path) -> None:
    path, x = tmp_path / "model.onnx", np.random.default_rng(2).integers(0, 20, (4, 17)).astype(np.int32)

    def model(steps: int) -> Any:
        words = nn.Input((steps,), dtype="int32")
        found = nn.Model(words, nn.Dense(3)(nn.Bidirectional(nn.SimpleRNN(5))(nn.Embedding(20, 6)(words))))
        fill(found)
        return found

    assert exported(model(8), path) == ["batch", "steps"]
    alike(run(path, x), model(17).predict(x))


UNREAD: list[tuple[Any, str, Any]] = [
    ((None, 2), "float32", [None, 2]),
    ((None,), "float32", [None]),
    ((None,), "int32", [None]),
    ((None, None, 3), "float32", [None, None, 3]),
    ((4, None), "float32", [4, None]),
    ((5, 2), "float32", [5, 2]),
]


@pytest.mark.parametrize("steps", [None, 7])
@pytest.mark.parametrize(("shape", "dtype", "wanted"), UNREAD)
def test_what_is_open_of_an_input_that_nothing_reads_is_any_number(
    shape: Any, dtype: str, wanted: Any, steps: int | None, tmp_path: Path
) -> None:
    x, unread, path = nn.Input((steps, 3)), nn.Input(shape, dtype=dtype), tmp_path / "model.onnx"
    model = nn.Model([unread, x], nn.Dense(2)(nn.GRU(3)(x)), seed=2)
    model.to_onnx(path)
    entered = [
        [one.dim_param or one.dim_value or None for one in given.type.tensor_type.shape.dim]
        for given in onnx.load(path).graph.input
    ]
    assert entered == [["batch", *wanted], ["batch", "steps", 3]]
    given = [np.zeros((5, *(size or 11 for size in shape)), dtype), np.ones((5, 7, 3), np.float32)]
    alike(run(path, given), model.predict(given))


def test_inputs_of_any_length_beside_one_that_a_layer_reads_whole(tmp_path: Path) -> None:
    x, other, path = nn.Input((None, 3)), nn.Input((5, 2)), tmp_path / "model.onnx"
    model = nn.Model([x, other], nn.Concatenate()([nn.GRU(3)(x), nn.Flatten()(other)]), seed=2)
    model.to_onnx(path)
    given = [np.ones((4, 7, 3), np.float32), np.ones((4, 5, 2), np.float32)]
    alike(run(path, given), model.predict(given))


@pytest.mark.parametrize("steps", [None, 7])
def test_lengths_beside_an_input_that_a_layer_reads_whole(steps: int | None, tmp_path: Path) -> None:
    x, counts, other, path = nn.Input((steps, 3)), nn.Input((1,), dtype="int32"), nn.Input((5, 2)), tmp_path / "m.onnx"
    both = nn.Concatenate()([nn.GRU(3)(nn.SequenceMask()(x, counts)), nn.Flatten()(other)])
    model = nn.Model([x, counts, other], both, seed=2)
    model.to_onnx(path)
    lengths = np.array([[0], [1], [5], [7]], np.int32)
    given = [np.ones((4, 7, 3), np.float32), lengths, np.ones((4, 5, 2), np.float32)]
    alike(run(path, given), model.predict(given))


def test_images_of_any_size_beside_sequences_are_refused(tmp_path: Path) -> None:
    """Their sizes would be those of the sample that the file was written by."""
    x, image = nn.Input((None, 3)), nn.Input((None, None, 2))
    model = nn.Model([x, image], nn.Concatenate()([nn.GRU(3)(x), nn.GlobalMaxPooling2D()(image)]))
    with pytest.raises(martlet.UnsupportedError, match="wanted an Input without None"):
        model.to_onnx(tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
