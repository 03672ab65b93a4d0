"""Callbacks that keep something on disk, beside Keras's; and what stands in keras.utils."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
from safetensors.numpy import load_file

import martlet
from martlet import nn
from martlet.nn import _missing
from martlet.nn._events import masked_crc
from networks import digits_like, mlp

X, Y = digits_like(60, (20,))


def compiled(**options: Any) -> nn.Sequential:
    model = mlp()
    model.compile(nn.Adam(0.01, **options), "sparse_categorical_crossentropy", ["accuracy"])
    return model


# ---- CSVLogger ----


def test_lines_are_kerass(tmp_path: Path) -> None:
    def written(library: Any, fitted: Callable[..., Any], **options: Any) -> list[str]:
        path = tmp_path / "log.csv"
        path.unlink(missing_ok=True)
        fitted(callbacks=[library.CSVLogger(path, separator=";")], verbose=0, epochs=2, **options)
        lines = path.read_text().splitlines()
        fitted(callbacks=[library.CSVLogger(path, separator=";", append=True)], verbose=0, epochs=1, **options)
        assert path.read_text().splitlines()[: len(lines)] == lines
        return path.read_text().splitlines()

    theirs = keras.Sequential([keras.Input((20,)), keras.layers.Dense(10)])
    theirs.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    for options in ({}, {"validation_data": (X, Y)}):
        ours = written(nn, lambda **given: compiled().fit(X, Y, **given), **options)
        right = written(keras.callbacks, lambda **given: theirs.fit(X, Y, **given), **options)
        assert ours[0] == right[0]
        assert (
            [line.split(";")[0] for line in ours] == [line.split(";")[0] for line in right] == ["epoch", "0", "1", "0"]
        )


def test_numbers_come_back_as_they_were(tmp_path: Path) -> None:
    history = compiled().fit(X, Y, epochs=3, callbacks=[nn.CSVLogger(tmp_path / "log")], verbose=0)
    names, *rows = [line.split(",") for line in (tmp_path / "log").read_text().splitlines()]
    assert names == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    assert [[float(value) for value in row[1:3]] for row in rows] == [
        [history.history[name][epoch] for name in names[1:3]] for epoch in range(3)
    ]


# ---- TensorBoard ----


def records(path: Path) -> list[bytes]:
    """Of a file of records, checked."""
    content, found = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        assert struct.unpack("<I", content[8:12]) == (masked_crc(content[:8]),)
        event, content = content[12 : 12 + length], content[12 + length :]
        assert struct.unpack("<I", content[:4]) == (masked_crc(event),)
        content = content[4:]
        found.append(event)
    return found


def test_the_check_sum_is_crc_32c() -> None:
    """By the vectors of RFC 3720, section B.4."""
    for data, crc in ((bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)):
        assert masked_crc(data) == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def logged(folder: Path, **options: Any) -> Any:
    board = nn.TensorBoard(folder, **options)
    return compiled().fit(X, Y, batch_size=20, epochs=3, validation_data=(X, Y), callbacks=[board], verbose=0)


def test_event_files(tmp_path: Path) -> None:
    logged(tmp_path)
    for part in ("train", "validation"):
        (path,) = (tmp_path / part).iterdir()
        first, *others = records(path)
        assert path.name.startswith("events.out.tfevents.") and b"brain.Event:2" in first
        assert len(others) == (9 if part == "train" else 6)
        assert sum(b"epoch_loss" in event for event in others) == 3


def test_tensorboard_reads_them(tmp_path: Path) -> None:
    """By its own reader, where it is installed."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    history = logged(tmp_path, update_freq="batch")
    scalars = {}
    for part in ("train", "validation"):
        events = loader.EventAccumulator(str(tmp_path / part))
        events.Reload()
        for tag in events.Tags()["scalars"]:
            scalars[part, tag] = [(event.step, event.value) for event in events.Scalars(tag)]
    wanted = {
        ("train", "epoch_loss"), ("train", "epoch_accuracy"), ("train", "epoch_learning_rate"), ("train", "batch_loss"),
        ("train", "batch_accuracy"), ("validation", "epoch_loss"), ("validation", "epoch_accuracy"),
    }  # fmt: skip
    assert scalars.keys() == wanted
    assert scalars["train", "epoch_loss"] == [
        (epoch, np.float32(value)) for epoch, value in enumerate(history.history["loss"])
    ]
    assert [value for _, value in scalars["validation", "epoch_loss"]] == [
        np.float32(value) for value in history.history["val_loss"]
    ]
    assert [step for step, _ in scalars["train", "batch_loss"]] == [*range(1, 10)]


# ---- ModelCheckpoint with weights alone ----


def test_weights_in_files(tmp_path: Path) -> None:
    model = compiled()
    path = tmp_path / "weights-{epoch}.safetensors"
    model.fit(X, Y, epochs=2, callbacks=[nn.ModelCheckpoint(path, save_weights_only=True)], verbose=0)
    found = load_file(tmp_path / "weights-2.safetensors")
    assert [*found] == ["dense/bias", "dense/kernel", "dense_1/bias", "dense_1/kernel"] or len(found) == 4
    np.testing.assert_array_equal(found["dense/kernel"], model.get_weights()[0])
    other = mlp(seed=9)
    other.load_weights(tmp_path / "weights-2.safetensors")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    model.save(tmp_path / "whole")
    other = mlp(seed=9)
    other.load_weights(tmp_path / "whole")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    with pytest.raises(martlet.FileError, match="overwrite is False"):
        model.save_weights(tmp_path / "whole", overwrite=False)


def test_weights_of_others_change_nothing(tmp_path: Path) -> None:
    path, model = tmp_path / "weights", mlp()
    nn.Sequential([nn.Dense(24, input_shape=(20,)), nn.Dense(9)]).save_weights(path)
    start = model.parameters().copy()
    content = path.read_bytes()
    with pytest.raises(martlet.FormatError, match=r"has no 'dense_1/kernel' of shape \(24, 10\)"):
        model.load_weights(path)
    mlp().save_weights(path)
    content = path.read_bytes()
    for bad in (content[:40], content[:-4], content.replace(b"data_offsets", b"data_offsetz", 1), b"", b"12345678"):
        path.write_bytes(bad)
        with pytest.raises(martlet.FormatError):
            model.load_weights(path)
    np.testing.assert_array_equal(model.parameters(), start)


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.CSVLogger("x", separator="::"), martlet.ArgumentError, "separator is '::'; wanted one character"),
    (lambda: nn.CSVLogger(3), martlet.DTypeError, "filename is 3"),
    (lambda: nn.TensorBoard(write_images=True), martlet.UnsupportedError, "write_images is True, and numbers alone"),
    (lambda: nn.TensorBoard(histogram_freq=-1), martlet.ArgumentError, "histogram_freq is -1; wanted 0 or more"),
    (lambda: nn.TensorBoard(update_freq="step"), martlet.ArgumentError, "update_freq is 'step'"),
    (lambda: nn.TensorBoard(update_freq=0), martlet.ArgumentError, "update_freq is 0; wanted 1 or more"),
    (lambda: nn.BackupAndRestore("x", save_freq=0), martlet.ArgumentError, "save_freq is 0; wanted 1 or more"),
    (lambda: nn.BackupAndRestore("x", save_freq="batch"), martlet.DTypeError, "save_freq is 'batch'"),
    (lambda: nn.to_categorical([0, 3], 3), martlet.ArgumentError, "x holds 3; wanted 0 to 2"),
    (lambda: nn.to_categorical([0, -1]), martlet.ArgumentError, "x holds -1; wanted 0 to 0"),
    (lambda: nn.to_categorical([0.5]), martlet.DTypeError, "x holds 0.5; wanted whole numbers"),
    (lambda: nn.set_random_seed(-1), martlet.ArgumentError, "seed is -1"),
    (lambda: nn.plot_model(3), martlet.DTypeError, "model is 3; wanted a Model"),
    (lambda: nn.plot_model(mlp(), "a.xyz"), martlet.ArgumentError, "wanted no suffix or one of"),
    (lambda: nn.plot_model(nn.Sequential([nn.Dense(3)])), AttributeError, "does not know its samples' shape"),
    (
        lambda: compiled().fit(X, Y, callbacks=[nn.CSVLogger("/no/such/folder/x")], verbose=0),
        martlet.FileError,
        "filename '/no/such/folder/x': No such file",
    ),
]


@pytest.mark.parametrize("index", range(len(BAD)))
def test_bad_arguments(index: int) -> None:
    call, error, says = BAD[index]
    with pytest.raises(error, match=says):
        call()


# ---- utilities ----


@pytest.mark.parametrize("x, classes", [
    ([0, 2, 1], None), ([[0], [3]], 5), ([[0, 1], [2, 2]], None), (np.array([1.0, 0.0]), 2),
    (np.array([[[1], [0]]]), 3),
])  # fmt: skip
def test_to_categorical(x: Any, classes: Any) -> None:
    found = nn.to_categorical(x, classes)
    np.testing.assert_array_equal(found, keras.utils.to_categorical(x, classes))
    assert found.dtype == np.float32


SEEDED = """
import numpy as np, random
from martlet import nn
nn.set_random_seed(7)
models = [nn.Sequential([nn.Dense(3, input_shape=(4,))]) for _ in range(2)]
print([model.seed for model in models], np.random.rand(), random.random())
"""


def test_set_random_seed() -> None:
    run = [sys.executable, "-c", SEEDED]
    first, second = (subprocess.run(run, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert first == second
    one, two = eval(first[: first.index("]") + 1])
    assert one != two


def graph() -> nn.Model:
    a, b = nn.Input((20,), name="a"), nn.Input((4,), name="b")
    x = nn.Dense(4)(a)
    return nn.Model([a, b], nn.Dense(2, name="out")(x + b * x))


def test_plot_model(tmp_path: Path) -> None:
    for model in (graph(), mlp()):
        nn.plot_model(model, tmp_path / "a.png", show_shapes=True, show_layer_names=True)
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    figure = nn.plot_model(graph(), None, show_layer_names=True, rankdir="LR")
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"a (InputLayer)", "b (InputLayer)", "out (Dense)", "add (Add)", "multiply (Multiply)"} <= texts
    assert nn.plot_model(graph(), tmp_path / "a.dot", show_shapes=True) is None
    text = (tmp_path / "a.dot").read_text()
    assert text.count(" -> ") == 6 and '[label="Dense\\n(None, 2)"]' in text


def test_each_name_of_kerass_is_here_or_says_what_to_use() -> None:
    for module in ("layers", "callbacks"):
        ours = getattr(nn, module)
        names = [name for name in dir(getattr(keras, module)) if not name.startswith("_")]
        missing = [name for name in names if not hasattr(ours, name) and not hasattr(nn, name)]
        assert not [name for name in missing if name not in _missing.names()]
    assert len(_missing.names()) > 100 and {"models", "saving", "ops", "backend"} <= {*_missing.names()}
    for name in _missing.names():
        assert name not in vars(nn) and name not in vars(nn.layers)
        for module in (nn, nn.layers):
            with pytest.raises(AttributeError, match=f"has no {name}: .*wanted"):
                getattr(module, name)
    with pytest.raises(AttributeError, match="has no attribute 'dense'; wanted Dense"):
        _ = nn.dense
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not hasattr(nn, "ConvLSTM2D")
