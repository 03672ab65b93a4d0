"""Saved models: what a file tells, going on to the bit, and files that are not what they should be."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import martlet
from martlet import nn
from martlet.data import MinMaxScaler, Standardizer
from networks import convolutional, digits_like, mlp

X, Y = digits_like(80, (20,))


def everything() -> nn.Sequential:
    """A layer of every kind, some with arguments of their own."""
    return nn.Sequential(
        [
            nn.Normalization(mean=[1, 2, 3], variance=[1, 4, 9], input_shape=(9, 8, 3)),
            nn.Conv2D(4, (3, 2), (1, 2), ((1, 0), (1, 1)), activation="leaky_relu", use_bias=False, name="first"),
            nn.BatchNormalization(momentum=0.9, epsilon=1e-4, center=False),
            nn.MaxPooling2D(2, 1, "same"),
            nn.Conv2D(4, 3, dilation_rate=2, padding="same", groups=2, kernel_initializer=nn.RandomNormal(stddev=0.1)),
            nn.LeakyReLU(0.05),
            nn.AveragePooling2D(2, padding=1, count_padding=True),
            nn.Permute((2, 1, 3)),
            nn.Dropout(0.25),
            nn.Reshape((-1, 4)),
            nn.Dense(6, activation="gelu"),
            nn.Flatten(),
            nn.Dense(10),
            nn.Softmax(),
        ],
        seed=5,
    )


def test_resume_to_the_bit(tmp_path: Path) -> None:
    for build, shape in ((mlp, (20,)), (everything, (9, 8, 3)), (convolutional, (8, 8, 3))):
        x, y = digits_like(80, shape)
        model = build()
        model.compile(nn.AdamW(0.003, amsgrad=True), "sparse_categorical_crossentropy", ["accuracy", nn.TopK(2)])
        model.fit(x, y, epochs=2, batch_size=16, verbose=0)
        model.optimizer.learning_rate = 0.002
        model.save(tmp_path / "model")
        other = nn.load_model(tmp_path / "model")
        assert other.seed == model.seed and other.optimizer.iterations == 10
        assert (other.predict(x) == model.predict(x)).all()
        assert other.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
        first = model.fit(x, y, epochs=4, initial_epoch=2, batch_size=16, verbose=0)
        second = other.fit(x, y, epochs=4, initial_epoch=2, batch_size=16, verbose=0)
        assert list(first.history.values()) == list(second.history.values())
        assert (model.parameters() == other.parameters()).all()
        assert (model.statistics() == other.statistics()).all()


def test_in_another_process(tmp_path: Path, run_python: Any) -> None:
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model")
    np.save(tmp_path / "x.npy", X)
    run_python(
        f"""
import numpy as np
from martlet import nn
model = nn.load_model({str(tmp_path / "model")!r})
x = np.load({str(tmp_path / "x.npy")!r})
np.save({str(tmp_path / "out.npy")!r}, model.predict(x))
"""
    )
    assert (np.load(tmp_path / "out.npy") == model.predict(X)).all()


def config(layer: nn.Layer) -> dict[str, Any]:
    """What a layer was given."""
    skipped = {
        "input_shape",
        "_given_name",
        "_built",
        "_taken",
        "_node",
        "_given",
        "_statistics",
        "data_format",
        "padding",
    }
    return {name: value for name, value in vars(layer).items() if name not in skipped}


def test_layers_come_back(tmp_path: Path) -> None:
    model = everything()
    model.save(tmp_path / "model")
    other = nn.load_model(tmp_path / "model")
    assert [layer.name for layer in other.layers] == [layer.name for layer in model.layers]
    assert [layer.output_shape for layer in other.layers] == [layer.output_shape for layer in model.layers]
    for mine, theirs in zip(model.layers[:-1], other.layers[:-1], strict=True):
        assert type(mine) is type(theirs) and config(mine) == config(theirs)
    assert other.count_params() == model.count_params()
    lines: list[str] = []
    other.summary(print_fn=lines.append)
    assert len(lines) == 1 + 2 + 14 + 1
    with pytest.raises(martlet.OrderError, match="is not compiled"):
        other.fit(X, Y)
    again = tmp_path / "again"
    other.save(again)
    assert again.read_bytes() == (tmp_path / "model").read_bytes()


def test_channels_first_comes_back(tmp_path: Path) -> None:
    nn.set_data_format("channels_first")
    try:
        model = nn.Sequential(
            [nn.Conv2D(4, 3, input_shape=(3, 8, 9)), nn.BatchNormalization(), nn.GlobalAveragePooling2D(keepdims=True),
             nn.Conv2D(5, 1), nn.Flatten(), nn.Dense(10)], seed=2,
        )  # fmt: skip
    finally:
        nn.set_data_format("channels_last")
    model.save(tmp_path / "model")
    other = nn.load_model(tmp_path / "model")
    assert [layer.output_shape for layer in other.layers] == [layer.output_shape for layer in model.layers]
    assert [type(layer) for layer in other.layers] == [type(layer) for layer in model.layers]
    x, y = digits_like(12, (3, 8, 9))
    assert (other.predict(x) == model.predict(x)).all()
    for built in (model, other):
        built.compile("adam", "sparse_categorical_crossentropy")
        built.fit(x, y, verbose=0)
    assert (model.parameters() == other.parameters()).all()


def test_it_is_a_safetensors_file(tmp_path: Path) -> None:
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model")
    found = load_file(tmp_path / "model")
    for name, weight in zip(
        ("dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"), model.get_weights(), strict=True
    ):
        assert (found[name] == weight).all()


@pytest.mark.parametrize("loss", ["mse", nn.Huber(0.5), "categorical_crossentropy", "binary_crossentropy", "mae"])
def test_losses_come_back(loss: Any, tmp_path: Path) -> None:
    model = mlp()
    model.compile(nn.Adam(epsilon=1e-12, flush_denormals=True), loss, ["mae", "mse"])
    model.save(tmp_path / "model")  # compiled, and not trained yet
    other = nn.load_model(tmp_path / "model")
    assert other.optimizer.hyperparameters() == model.optimizer.hyperparameters()
    targets = np.eye(10)[Y]
    assert other.metrics_names == ["loss", "mae", "mse"]
    one, two = (built.evaluate(X, targets, verbose=0, return_dict=True) for built in (model, other))
    assert one == two


@pytest.mark.parametrize("scaler", [Standardizer(), MinMaxScaler((-1, 1))])
def test_scalers_are_saved_with_the_model(scaler: Any, tmp_path: Path) -> None:
    x = X * 10 + 100
    model = nn.Sequential([scaler.fit(x).layer(input_shape=(20,)), nn.Dense(10)], seed=1)
    model.save(tmp_path / "model")
    plain = nn.Sequential([nn.Dense(10, input_shape=(20,))])
    plain.set_weights(model.layers[1].get_weights())
    wanted = plain.predict(scaler.transform(x))
    assert (model.predict(x) == wanted).all() and (nn.load_model(tmp_path / "model").predict(x) == wanted).all()
    model.compile("adam", "sparse_categorical_crossentropy")
    statistics = model.layers[0].get_weights()
    model.fit(x, Y, verbose=0)
    for before, after in zip(statistics, model.layers[0].get_weights(), strict=True):
        assert (before == after).all()


def test_adapt_before_and_after_building() -> None:
    early, late = nn.Normalization(), nn.Normalization()
    early.adapt(X)
    first = nn.Sequential([nn.Input((20,)), early])
    second = nn.Sequential([nn.Input((20,)), late])
    second.predict(X)
    late.adapt(X)
    assert (first.predict(X) == second.predict(X)).all()
    np.testing.assert_allclose(first.predict(X).mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(first.predict(X).std(axis=0), 1, rtol=1e-5)
    for data, error, says in (
        (X[:, :3], martlet.ShapeError, "has 20 channels, and data has 3"),
        (np.full((3, 20), np.nan), martlet.ArgumentError, "data holds a NaN"),
        (np.full((3, 20), -np.inf), martlet.ArgumentError, "data holds -inf"),
        (np.full((3, 20), 1e300), martlet.ArgumentError, "data has a mean that float32 does not hold"),
        (X[:0], martlet.ShapeError, "data has shape"),
    ):
        with pytest.raises(error, match=says):
            late.adapt(data)


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def put_together(header: Any, data: bytes) -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def test_hostile_files(tmp_path: Path) -> None:
    path = tmp_path / "model"
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X, Y, verbose=0)
    model.save(path)
    content = path.read_bytes()
    header, data = parts(path)
    hostile = [b"", b"abc", content[:7], content[:100], content[:-4], b"\xff" * 8 + content[8:],
               put_together(b"[1, 2]", data), put_together({**header, "__metadata__": {}}, data)]  # fmt: skip
    for key in header["__metadata__"]:
        for value in ("", "x", "kind=99 units=-1", "version=1 seed=1 layers=1000000 input0=99999999999"):
            metadata = {**header["__metadata__"], key: value}
            if key.endswith(".name"):
                continue  # another name is none that is wrong
            hostile.append(put_together({**header, "__metadata__": metadata}, data))
    for broken in hostile:
        path.write_bytes(broken)
        with pytest.raises(martlet.FormatError):
            nn.load_model(path)
    path.write_bytes(content)
    nn.load_model(path)


@pytest.mark.parametrize("text", ["0x7ff0000000000000", "0x7ff8000000000000", "0x3ff0000000000000", "-1", "0x5"])
def test_a_seed_is_the_librarys(text: str, tmp_path: Path) -> None:
    """It reads any number's bits; dropout tells which ones it took."""
    path = tmp_path / "model"
    model = nn.Sequential([nn.Dropout(0.5, input_shape=(64,)), nn.Dense(10)], seed=int(text, 0) % 2**64)
    model.save(path)
    header, data = parts(path)
    header["__metadata__"]["model"] = re.sub("seed=[^ ]*", f"seed={text}", header["__metadata__"]["model"])
    path.write_bytes(put_together(header, data))
    other = nn.load_model(path)
    assert other.seed == model.seed
    x, y = digits_like(32, (64,))
    for built in (model, other):
        built.compile("adam", "sparse_categorical_crossentropy")
        built.fit(x, y, verbose=0)
    assert (model.parameters() == other.parameters()).all()


def test_files_that_cannot_be(tmp_path: Path) -> None:
    model = mlp()
    with pytest.raises(martlet.FileError, match="No such file"):
        nn.load_model(tmp_path / "nowhere")
    with pytest.raises(OSError):
        model.save(tmp_path / "no" / "folder")
    for path, error in ((3.5, TypeError), ("a\0b", ValueError)):
        for call in (nn.load_model, model.save):
            with pytest.raises(error):
                call(path)  # type: ignore[operator]


def test_a_model_saved_by_other_means_than_python(tmp_path: Path) -> None:
    """The library names and orders layers by itself where nobody else does."""
    from martlet import _ffi_models, _model

    native = _model.Model((20,), 3)
    native.add(_ffi_models.LAYER_DENSE, "hidden", {"units": 4, "activation": _ffi_models.ACTIVATION_TANH})
    native.add(_ffi_models.LAYER_ACTIVATION, "out", {"activation": _ffi_models.ACTIVATION_SOFTMAX})
    native.save(str(tmp_path / "model").encode())
    model = nn.load_model(tmp_path / "model")
    assert [layer.name for layer in model.layers] == ["hidden", "out"] and model.seed == 3
    np.testing.assert_allclose(model.predict(X).sum(axis=1), 1, rtol=1e-6)
