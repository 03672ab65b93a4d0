"""Models of Keras's taken over, alive and from .keras files, and given back: predictions beside Keras's in float64, and
configs and weights that are the same after the way there and back."""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from exported import alike, as_list, numbers
from exported_cases import CASES
from keras_twins import in_float64, twin
from martlet import nn
from martlet.__main__ import main
from martlet._errors import DTypeError, FileError, FormatError, UnsupportedError
from onnx_runs import run

K = keras.layers


def plain(config: Any) -> Any:
    """A config without what is no part of a model: seeds, numbers of objects, what was built and called."""
    if isinstance(config, dict):
        left = {"seed", "shared_object_id", "build_config", "compile_config", "keras_version", "training", "module"}
        return {key: plain(value) for key, value in config.items() if key not in left}
    if isinstance(config, str):
        return re.sub(r"^input_layer(_\d+)?$", "input_layer", config)  # a Sequential's has no name here
    return [plain(one) for one in config] if isinstance(config, list) else config


@pytest.mark.parametrize("name", CASES)
def test_models_there_and_back(name: str, tmp_path: Path) -> None:
    theirs = twin(name)
    theirs.save(tmp_path / "model.keras")
    live, read = nn.from_keras(theirs), nn.from_keras(tmp_path / "model.keras")
    bound = 2e-6 if name.startswith("Dense,") else 1e-5
    alike(as_list(live.predict(CASES[name].x)), in_float64(name), bound)
    for mine, other in zip(live.get_weights(), read.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    # An embedding's call in reverse is a layer here.
    names = [layer.name for layer in live.layers if not isinstance(layer, nn.TiedDense)]
    assert names == [layer.name for layer in theirs.layers]
    assert plain(live.get_config()) == plain(read.get_config())
    back = nn.to_keras(read, tmp_path / "back.keras")
    assert plain(json.loads(back.to_json())) == plain(json.loads(theirs.to_json()))
    for mine, other in zip(back.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    again = nn.from_keras(tmp_path / "back.keras")
    for mine, other in zip(again.get_weights(), live.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_files_go_by_config_and_not_by_names(tmp_path: Path) -> None:
    """Layers of one class whose names are in another order than they are, after others that were made and left."""
    for _ in range(3):
        K.Dense(2)
    inputs = keras.Input((6,), name="z")
    x = K.Dense(4, name="dense_1")(K.Dense(4, name="dense_7")(K.Dense(4, name="dense")(inputs)))
    inner = keras.Sequential([K.Dense(4, name="dense_1"), K.BatchNormalization(), K.Dense(4, name="a")], name="dense_9")
    theirs = keras.Model(inputs, K.Dense(3, name="b")(inner(x)))
    for place, layer in enumerate([*theirs.layers[1:4], *inner.layers, theirs.layers[-1]]):
        layer.set_weights([numbers(weight.shape, place) ** 2 + 0.1 for weight in layer.get_weights()])
    theirs.compile("adam", "mse")
    theirs.train_on_batch(numbers((8, 6)), numbers((8, 3)))  # so that the file has the optimizer's arrays too
    theirs.save(tmp_path / "model.keras")
    model = nn.from_keras(tmp_path / "model.keras")
    x = numbers((5, 6))
    alike(model.predict(x), np.asarray(theirs(x, training=False)))
    for layer in theirs.layers[1:4]:
        np.testing.assert_array_equal(model.get_layer(layer.name).get_weights()[0], layer.get_weights()[0])


def test_sums_normalizations_and_frozen_layers(tmp_path: Path) -> None:
    inputs = keras.Input((6,))
    norm, fixed = K.Normalization(), K.Normalization(mean=[1.0, 2, 3, 4, 5, 6], variance=[2.0] * 6)
    x = numbers((50, 6)) * 3 + 5
    norm.adapt(x)
    y = K.Dense(4, trainable=False)(fixed(norm(inputs)))
    theirs = keras.Model(inputs, K.Dense(2)((y + K.Dense(4)(y)) * y))
    theirs.save(tmp_path / "model.keras")
    for source in (theirs, tmp_path / "model.keras"):
        model = nn.from_keras(source)
        alike(model.predict(x), np.asarray(theirs(x, training=False)))
        assert [layer.trainable for layer in model.layers if isinstance(layer, nn.Dense)] == [False, True, True]
    alike(np.asarray(nn.to_keras(model)(x, training=False)), np.asarray(theirs(x, training=False)))


def test_outputs_by_names_and_inputs_of_whole_numbers() -> None:
    words, bytes_ = keras.Input((5,), dtype="int32", name="w"), keras.Input((4,), dtype="uint8", name="u")
    x = K.Concatenate()([K.Flatten()(K.Embedding(9, 2)(words)), K.Rescaling(0.5)(bytes_)])
    theirs = keras.Model({"w": words, "u": bytes_}, {"a": K.Dense(2)(x), "b": K.Dense(3)(x)})
    model = nn.from_keras(theirs)
    given = {"w": np.arange(10).reshape(2, 5) % 9, "u": np.arange(8, dtype=np.uint8).reshape(2, 4)}
    right = theirs(given, training=False)
    assert model.output_names == ["a", "b"]
    assert {*model.input_names} == {"w", "u"}
    found = model.predict([given[name] for name in model.input_names])
    alike(found, [np.asarray(right["a"]), np.asarray(right["b"])])
    back = nn.to_keras(model)
    assert {one.name: one.dtype for one in back.inputs} == {"w": "int32", "u": "uint8"}


class Own(K.Dense):
    pass


REFUSED: dict[str, tuple[Any, str]] = {
    "class": (lambda: K.Average(), "Average, is not served here: .*wanted Add"),
    "own class": (lambda: Own(3), "a Own, is not served here: its class is its own"),
    "crop": (lambda: K.RandomCrop(2, 2), "RandomCrop, is not served here: it makes whole images smaller"),
    "activation": (lambda: K.Dense(3, activation="relu6"), "layer 'x', a Dense: .*activation.*relu6"),
    "function": (lambda: K.Dense(3, activation=lambda x: x), "a Dense.*activation"),
    "constraint": (lambda: K.Dense(3, kernel_constraint="max_norm"), "a Dense, has kernel_constraint"),
    "regularizer": (lambda: K.Dense(3, bias_regularizer="l2"), "a Dense, has bias_regularizer"),
    "type": (lambda: K.Dense(3, dtype="mixed_float16"), "a Dense, computes in 'mixed_float16'; wanted float32"),
    "axis": (lambda: K.Softmax(axis=1), "axis is 1"),
    "initializer": (lambda: K.Dense(3, kernel_initializer="identity"), "a Dense.*kernel_initializer"),
    "noise": (lambda: K.Dropout(0.5, noise_shape=(1, 4, 4, 1)), "a Dropout, has noise_shape"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_served_is_named(name: str, tmp_path: Path) -> None:
    make, says = REFUSED[name]
    layer = make()
    layer.name = "x"
    inputs = keras.Input((4, 4, 3))
    theirs = keras.Model(inputs, layer([inputs, inputs] if name == "class" else inputs))
    with pytest.raises(UnsupportedError, match=says):
        nn.from_keras(theirs)
    theirs.save(tmp_path / "model.keras")
    with pytest.raises(UnsupportedError, match=says):
        nn.from_keras(tmp_path / "model.keras")


def test_other_graphs_are_named() -> None:
    inputs = keras.Input((3,))
    with pytest.raises(UnsupportedError, match="reads 1.*wanted what layers give alone"):
        nn.from_keras(keras.Model(inputs, inputs + 1))

    class Subclass(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(UnsupportedError, match="whose class is no part of it"):
        nn.from_keras(Subclass())
    for source in (3, None, np.zeros(3)):
        with pytest.raises(DTypeError, match="wanted a model of Keras's, or the name of a .keras file"):
            nn.from_keras(source)
    with pytest.raises(DTypeError, match="wanted a Model or a Sequential"):
        nn.to_keras(keras.Model(inputs, K.Dense(2)(inputs)))


def test_what_keras_has_not_is_named() -> None:
    for layer, says in (
        (nn.Conv2D(2, 3, padding=1), "padding 1, which Keras has not"),
        (nn.BatchNormalization(unbiased_variance=True), "unbiased_variance True, which Keras has not"),
        (nn.RandomCrop(2, 2), "has no like in Keras"),
        (nn.AveragePooling2D(count_padding=True), "count_padding True"),
    ):
        model = nn.Sequential([nn.Input((6, 6, 3)), layer])
        with pytest.raises(UnsupportedError, match=says):
            nn.to_keras(model)
        model.predict(numbers((1, 6, 6, 3)))


def test_the_command_takes_files_of_keras(tmp_path: Path) -> None:
    source, target = tmp_path / "model.keras", tmp_path / "model.onnx"
    twin("text").save(source)
    assert main(["export", os.fspath(source), os.fspath(target)]) == 0
    alike(run(target, CASES["text"].x), in_float64("text"))


def test_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.keras"
    with pytest.raises(FileError, match="model.keras"):
        nn.from_keras(path)
    path.write_bytes(b"no zip")
    with pytest.raises(FormatError, match="is no .keras file"):
        nn.from_keras(path)
    twin("perceptron").save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for name, content in (
        ("config.json", b"{"), ("config.json", b"[]"), ("config.json", b"{}"), ("model.weights.h5", b"none"),
        ("config.json", parts["config.json"].replace(b'"units": 64', b'"units": 65')),
        ("config.json", parts["config.json"].replace(b'"keras_history": ["dense', b'"keras_history": ["other')),
    ):  # fmt: skip
        with zipfile.ZipFile(path, "w") as archive:
            for part, known in (parts | {name: content}).items():
                archive.writestr(part, known)
        with pytest.raises((FormatError, ValueError)):
            nn.from_keras(path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match="pip install h5py"):
        nn.from_keras(path)
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ImportError, match="pip install keras"):
        nn.to_keras(nn.Sequential([nn.Dense(2, input_shape=(3,))]))
