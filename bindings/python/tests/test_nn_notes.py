"""What a saved model tells Python beside the library's own words: names, order, classes; and who may use which name."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import martlet
from martlet import nn
from networks import digits_like, mlp

X, Y = digits_like(80, (20,))
ROWS = np.eye(10)[Y]


def again(model: nn.Sequential, folder: Path) -> nn.Sequential:
    model.save(folder / "model")
    return nn.load_model(folder / "model")


@pytest.mark.parametrize(
    ("loss", "metrics"),
    [
        ("categorical_crossentropy", ["mae", "mse"]),
        ("categorical_crossentropy", ["mean_squared_error", nn.TopK(3, "top3"), "mae", "categorical_accuracy"]),
        ("sparse_categorical_crossentropy", [nn.TopK(2, "top2"), "acc"]),
        ("sparse_categorical_crossentropy", []),
        ("mse", ["mae"]),
    ],
)
def test_metrics_keep_their_names_and_order(loss: str, metrics: Any, tmp_path: Path) -> None:
    model = mlp()
    model.compile("adam", loss, metrics)
    y = Y if loss.startswith("sparse") else ROWS
    model.fit(X, y, verbose=0)
    other = again(model, tmp_path)
    assert other.metrics_names == model.metrics_names
    assert other.evaluate(X, y, verbose=0) == model.evaluate(X, y, verbose=0)
    first, second = (built.fit(X, y, verbose=0).history for built in (model, other))
    assert list(first) == list(second) and first == second


def test_what_a_loss_takes_comes_back(tmp_path: Path) -> None:
    for loss, right, wrong in (
        ("categorical_crossentropy", ROWS, Y), ("sparse_categorical_crossentropy", Y, ROWS),
    ):  # fmt: skip
        model = mlp()
        model.compile("adam", loss)
        for built in (model, again(model, tmp_path)):
            built.evaluate(X, right, verbose=0)
            with pytest.raises(martlet.ShapeError):
                built.evaluate(X, wrong, verbose=0)


def test_classes_and_axes_come_back(tmp_path: Path) -> None:
    model = nn.Sequential(
        [nn.Normalization(axis=None, mean=3, variance=4, input_shape=(6, 5, 3)), nn.BatchNormalization(axis=3),
         nn.ReLU(), nn.ReLU(negative_slope=0.1), nn.LeakyReLU(0.2), nn.Activation("leaky_relu"), nn.Flatten(),
         nn.Dense(4), nn.Activation("softmax"), nn.Softmax()], seed=1, name="of many kinds",
    )  # fmt: skip
    other = again(model, tmp_path)
    assert other.name == "of many kinds"
    assert [type(layer) for layer in other.layers] == [type(layer) for layer in model.layers]
    assert [getattr(layer, "slope", None) for layer in other.layers] == [
        getattr(layer, "slope", None) for layer in model.layers
    ]
    assert other.layers[0].axis is None and other.layers[1].axis == 3  # type: ignore[attr-defined]
    x = digits_like(8, (6, 5, 3))[0]
    assert (other.predict(x) == model.predict(x)).all()
    for built in (model, other):
        built.layers[0].adapt(x)  # type: ignore[attr-defined]
    assert (other.predict(x) == model.predict(x)).all()
    content = (tmp_path / "model").read_bytes()
    model = nn.load_model(tmp_path / "model")
    model.save(tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == content


def test_a_layer_may_have_a_name_like_the_models_own(tmp_path: Path) -> None:
    """A file of the library's own, whose layers have names that Python's hidden nodes could have."""
    from martlet import _ffi_models, _model

    native = _model.Model((4, 4, 3), 3)
    native.add(_ffi_models.LAYER_DENSE, "to_channels_last_1", {"units": 4})
    native.add(_ffi_models.LAYER_PERMUTE, "to_channels_first_1", {"rank": 3, "sizes": (1, 0, 2)})
    native.add(_ffi_models.LAYER_GLOBAL_AVERAGE_POOL2D, "g", {})
    native.add(_ffi_models.LAYER_DENSE, "g_keepdims", {"units": 3})
    native.save(os.fsencode(tmp_path / "model"))
    model = nn.load_model(tmp_path / "model")
    assert [layer.name for layer in model.layers] == ["to_channels_last_1", "to_channels_first_1", "g", "g_keepdims"]
    assert model.output_shape == (None, 3)


def test_names_that_the_model_needs_itself() -> None:
    for name in ("to_channels_last_1", "to_channels_first_12"):
        with pytest.raises(martlet.ArgumentError, match=f"name is '{name}', which the model itself uses"):
            nn.Sequential([nn.Dense(4, name=name)])
    model = nn.Sequential([nn.GlobalAveragePooling2D(name="g"), nn.Dense(4, name="g_keep")])
    with pytest.raises(martlet.ArgumentError, match="name is 'g_keepdims'"):
        model.add(nn.Dense(3, name="g_keepdims"))
    assert len(model.layers) == 2
    with pytest.raises(martlet.ArgumentError, match="holds a zero character"):
        nn.Dense(3, name="a\0b")


def test_the_file_stays_what_it_was(tmp_path: Path) -> None:
    """A safetensors file of the same mode, through links, with nothing left beside it."""
    model = mlp()
    model.compile("adam", "mse", ["mae"])
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    model.save(link)
    assert link.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["link", "target"]
    (length,) = struct.unpack("<Q", target.read_bytes()[:8])
    assert length % 8 == 0
    for name, weight in zip(("dense/kernel", "dense/bias"), model.get_weights(), strict=False):
        assert (load_file(target)[name] == weight).all()


def test_a_kill_while_saving_weights_leaves_the_old_file_or_the_new_one(tmp_path: Path, run_python: Any) -> None:
    """Whichever of the system's calls it comes before; Tests/C/save_kill.c has what the library writes."""
    path = tmp_path / "weights"
    model = mlp()
    model.compile("adam", "mse")
    model.save_weights(path)
    before = path.read_bytes()
    model.fit(X, ROWS, verbose=0)
    model.save(tmp_path / "new")
    model.save_weights(tmp_path / "new weights")
    after = (tmp_path / "new weights").read_bytes()
    for call in ("mkdir", "fchmod", "fsync", "replace", "open", "rmdir"):
        path.write_bytes(before)
        run_python(
            f"""
import os
import shutil
from martlet import nn
model = nn.load_model({os.fspath(tmp_path / "new")!r})
os.{call} = lambda *given, **named: os._exit(9)
model.save_weights({os.fspath(path)!r})
""",
            status=9,
        )
        assert path.read_bytes() == (after if call in ("open", "rmdir") else before)
        mlp().load_weights(path)


def test_a_file_that_may_not_be_replaced(tmp_path: Path) -> None:
    model = mlp()
    model.save(tmp_path / "model", overwrite=False)
    content = (tmp_path / "model").read_bytes()
    with pytest.raises(martlet.FileError, match="model is there already, and overwrite is False"):
        nn.Sequential([nn.Dense(3, input_shape=(3,))]).save(tmp_path / "model", overwrite=False)
    for name in (tmp_path, os.fspath(tmp_path / "new") + "/", "/dev/null", tmp_path / "no" / "folder"):
        with pytest.raises(martlet.FileError):
            model.save(name)
    with pytest.raises(martlet.DTypeError, match="overwrite is 'no'"):
        model.save(tmp_path / "model", "no")  # type: ignore[arg-type]
    assert (tmp_path / "model").read_bytes() == content and os.listdir(tmp_path) == ["model"]


def test_labels_where_a_metric_compares_numbers(tmp_path: Path) -> None:
    """A file that does not say what comes, as C and Swift write it."""
    model = mlp()
    model.compile("adam", "categorical_crossentropy", ["mae"])
    model._prepare(8).save(os.fsencode(tmp_path / "model"))
    other = nn.load_model(tmp_path / "model")
    for y in (Y, Y[:75], Y[:, None]):
        with pytest.raises(martlet.UnsupportedError, match="'mae' compares the output with numbers, and the"):
            other.evaluate(X[: len(y)], y)
    assert other.evaluate(X, ROWS) == model.evaluate(X, ROWS)


GOAL = {"loss": "MeanSquaredError", "metrics": [["mae", 3]], "name": ""}
HOSTILE = [
    {"goals": [GOAL | {"metrics": [["loss", 3]]}]},
    {"goals": [GOAL | {"metrics": [["mae", 3], ["mae", 3]]}]},
    {"goals": [GOAL | {"metrics": []}]},
    {"goals": [GOAL | {"metrics": [["mae", 3], ["mse", 2]]}]},
    {"goals": [GOAL | {"metrics": [["mae", 64]]}]},
    {"goals": [GOAL | {"metrics": [["mae"]]}]},
    {"goals": [GOAL | {"metrics": 3}]},
    {"goals": [GOAL | {"metrics": [["mae", "3"]]}]},
    {"goals": [GOAL | {"loss": []}]},
    {"goals": [GOAL | {"name": 3}]},
    {"goals": [{"metrics": [["mae", 3]]}]},
    {"goals": [GOAL, GOAL]},
    {"goals": []},
    {"goals": 3},
    {"shares": ["1"]},
    {"name": 3},
    {"layers": []},
    {"layers": {"n": {}}},
    {"layers": {"n": {"class": "Normalization", "axis": "first"}}},
]


@pytest.mark.parametrize("moment", ["mkdir", "rmtree"])
def test_an_interrupted_save_leaves_nothing_behind(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C just as the folder was made, and while it is taken away."""
    module = {"mkdir": os, "rmtree": shutil}[moment]
    do, calls = getattr(module, moment), []

    def interrupted(*arguments: Any, **options: Any) -> None:
        calls.append(arguments)
        if moment == "mkdir":
            do(*arguments, **options)
        if len(calls) == 1:
            raise KeyboardInterrupt
        if moment == "rmtree":
            do(*arguments, **options)

    model = mlp()
    model.save_weights(tmp_path / "m")
    monkeypatch.setattr(module, moment, interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.save_weights(tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("index", range(len(HOSTILE)))
def test_notes_that_cannot_be(index: int, tmp_path: Path) -> None:
    model = nn.Sequential([nn.Normalization(name="n", input_shape=(20,)), nn.Dense(10)])
    model.compile("adam", "mse", ["mae"])
    path = tmp_path / "model"
    model.save(path)
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    notes = json.loads(header["__metadata__"]["note.python"])
    header["__metadata__"]["note.python"] = json.dumps(notes | HOSTILE[index])
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    with pytest.raises(martlet.FormatError):
        nn.load_model(path)
