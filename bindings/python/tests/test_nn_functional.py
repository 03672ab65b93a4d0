"""Models of nodes: several inputs and readers, layers that are there more than once, beside Keras's in the same words;
files and configs of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet
from graphs import (
    GRAPHS,
    K,
    alike,
    numbers,
    residual,
    siamese,
    targets,
)
from martlet import nn


@pytest.mark.parametrize("name", GRAPHS)
def test_outputs_and_gradients_are_kerass(name: str) -> None:
    alike(*GRAPHS[name])


@pytest.mark.parametrize("name", GRAPHS)
def test_layers_are_listed_as_kerass(name: str) -> None:
    """Which is the order of get_weights, whose shapes alike compares."""
    ours, theirs = GRAPHS[name][0](nn, nn.Model), GRAPHS[name][0](K, keras.Model)
    assert [type(layer).__name__ for layer in ours.layers] == [
        type(layer).__name__.replace("Functional", "Model") for layer in theirs.layers
    ]
    assert ours.count_params() == theirs.count_params()


@pytest.mark.parametrize("name", GRAPHS)
def test_files_and_configs(name: str, tmp_path: Path) -> None:
    build, x = GRAPHS[name]
    model = build(nn, nn.Model)
    y = targets(model)
    model.compile(nn.Adam(0.01), "mse", ["mae"])
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "model")
    other = nn.load_model(tmp_path / "model")
    assert [layer.name for layer in other.layers] == [layer.name for layer in model.layers]
    assert other.get_config() == model.get_config() and other.input_names == model.input_names
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    first, second = (one.fit(x, y, epochs=2, verbose=0).history for one in (model, other))
    assert first == second
    np.testing.assert_array_equal(other.parameters(), model.parameters())
    made = nn.Model.from_config(model.get_config())
    made.set_weights(model.get_weights())
    np.testing.assert_array_equal(made.predict(x), model.predict(x))
    fresh = nn.clone_model(model)
    np.testing.assert_array_equal(fresh.parameters(), build_again(build, model.seed).parameters())


def build_again(build: Callable[[Any, Any], Any], seed: int) -> nn.Model:
    model = build(nn, nn.Model)
    return nn.Model.from_config({**model.get_config(), "seed": seed})


def test_a_file_that_is_no_graph_of_its_notes(tmp_path: Path) -> None:
    model = siamese(nn, nn.Model)
    path = tmp_path / "model"
    model.save(path)
    content = path.read_bytes()
    for old, new in ((b'\\"units\\":5', b'\\"units\\":6'), (b'\\"nodes\\":[[', b'\\"nodes\\":[7'), (b"tanh", b"relu")):
        assert old in content
        path.write_bytes(content.replace(old, new, 1))
        with pytest.raises(martlet.FormatError):
            nn.load_model(path)


def test_notes_that_connect_otherwise(tmp_path: Path) -> None:
    """As the layers are the same, what each reads is all that tells."""
    path = tmp_path / "model"
    siamese(nn, nn.Model).save(path)
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    notes = json.loads(header["__metadata__"]["note.python"])
    (both,) = (reads for _, reads in notes["graph"]["config"]["nodes"] if len(reads) == 2)
    both.reverse()
    header["__metadata__"]["note.python"] = json.dumps(notes)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
    with pytest.raises(martlet.FormatError, match=r"the file.s node \d+ reads .*, and by its notes"):
        nn.load_model(path)


def test_a_graph_that_another_language_wrote(tmp_path: Path) -> None:
    from martlet import _ffi_models, _model

    native = _model.Model((4,), 3)
    second = native.add(_ffi_models.LAYER_INPUT, "ids", {"rank": 1, "sizes": (3,)}, [])
    table = native.add(_ffi_models.LAYER_EMBEDDING, "table", {"vocabulary": 9, "units": 4}, [second])
    mean = native.add(_ffi_models.LAYER_GLOBAL_MAX_POOL1D, "mean", {}, [table])
    dense = native.add(_ffi_models.LAYER_DENSE, "dense", {"units": 4, "flags": _ffi_models.FROZEN}, [0])
    again = native.apply(dense, [dense])
    native.add(_ffi_models.LAYER_ADD, "sum", {}, [mean, again])
    native.save(os.fsencode(tmp_path / "model"))
    model = nn.load_model(tmp_path / "model")
    assert isinstance(model, nn.Model) and not isinstance(model, nn.Sequential)
    assert model.input_names == ["input_layer", "ids"] and model.output_shape == (None, 4)
    kernel, bias = model.get_layer("dense").get_weights()
    rows, x = np.array([[1, 2, 8]]), numbers(1, 4)
    wanted = model.get_layer("table").get_weights()[0][rows].max(axis=1) + (x @ kernel + bias) @ kernel + bias
    np.testing.assert_allclose(model.predict({"ids": rows, "input_layer": x}), wanted, rtol=1e-5, atol=1e-6)
    assert not model.get_layer("dense").trainable
    with pytest.raises(martlet.ArgumentError, match="wanted 0 to 8, the rows that layer 'table' has"):
        model.predict([x, rows + 1])


def test_summary_shows_connections(capsys: pytest.CaptureFixture[str]) -> None:
    siamese(nn, nn.Model).summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["Layer", "(type)", "Output", "shape", "Parameters", "Connected", "to"]
    (shared,) = (line for line in lines if line.startswith("dense ("))
    assert shared.endswith("left, right") and " 35 " in shared
    assert lines[-1].startswith("Parameters: ") and lines[-1].endswith("of which training changes 98")


def test_weights_lie_where_the_model_has_them() -> None:
    model = residual(nn, nn.Model)
    model.layers[1].weights[0][...] = 0
    assert not model.get_weights()[0].any()
    assert len(model.weights) == len(model.get_weights())
    assert model.inputs[0].shape == (None, 6) and model.outputs[0].shape == (None, 1) and model.input is model.inputs[0]


def test_channels_first_graphs_in_files(tmp_path: Path) -> None:
    inputs = nn.Input((3, 8, 8))
    x = nn.Conv2D(4, 3, padding="same", data_format="channels_first")(inputs)
    x = nn.BatchNormalization(axis=1)(x + nn.Conv2D(4, 1, data_format="channels_first")(x))
    x = nn.Concatenate(1)([x, x])
    model = nn.Model(inputs, nn.Dense(3)(nn.Flatten()(x)), seed=1)
    images = numbers(4, 3, 8, 8)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(nn.load_model(tmp_path / "model").predict(images), model.predict(images))


def test_a_hundred_layers_and_one_model_freed() -> None:
    import gc
    import weakref

    inputs = x = nn.Input((4,))
    for _ in range(100):
        x = x + nn.Dense(4)(x)
    model = nn.Model(inputs, x)
    model.predict(numbers(2, 4))
    gc.collect()
    gc.disable()
    try:
        native = weakref.ref(model._laid().model)
        del model, x, inputs
        assert native() is None
    finally:
        gc.enable()
