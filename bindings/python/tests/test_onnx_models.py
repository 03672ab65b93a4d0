"""Whole models as ONNX files: what they read and give, what is turned, what training leaves, and what is refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from exported import NDArray, alike, fill, numbers
from martlet import data, nn, optim
from martlet.__main__ import main
from martlet._errors import DTypeError, FileError, OrderError, UnsupportedError
from networks import convolutional, digits_like, give_torch, mlp, torch_convolutional, torch_mlp
from onnx_runs import run


def written(model: nn.Model, folder: Path, **options: Any) -> Path:
    path = folder / "model.onnx"
    model.to_onnx(path, **options)
    onnx.checker.check_model(os.fspath(path), full_check=True)
    return path


def operators(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


@pytest.mark.parametrize("ours, theirs", [(mlp, torch_mlp), (convolutional, torch_convolutional)])
def test_beside_torchs_float64(ours: Any, theirs: Any, tmp_path: Path) -> None:
    model, module = ours(), theirs()
    if ours is convolutional:
        model = convolutional(data_format="channels_first")
    fill(model)
    module.double()
    give_torch(model, module)
    module.double()
    x = numbers((12, *model.input_shape[1:]))
    right = module(torch.from_numpy(x).double()).detach().numpy()
    path = written(model, tmp_path)
    alike(run(path, x)[0], right)
    alike(model.predict(x), right)
    # channels_first is ONNX's own order: nothing is turned.
    assert "Transpose" not in operators(path)


def test_images_are_turned_at_the_edges(tmp_path: Path) -> None:
    model = nn.Sequential([
        nn.Input((8, 8, 3)), nn.Conv2D(4, 3), nn.BatchNormalization(), nn.ReLU(), nn.MaxPooling2D(), nn.Rescaling(2.0),
        nn.SeparableConv2D(4, 2), nn.ZeroPadding2D(), nn.GroupNormalization(2), nn.Conv2D(2, 2), nn.Flatten(),
        nn.Dense(3),
    ])  # fmt: skip
    assert operators(written(model, tmp_path)).count("Transpose") == 2
    model = nn.Sequential([nn.Input((8, 8, 3)), nn.Conv2D(4, 3), nn.GlobalAveragePooling2D(), nn.Dense(3)])
    assert operators(written(model, tmp_path)).count("Transpose") == 1


def test_pools_and_transposed_convolutions_beside_torchs(tmp_path: Path) -> None:
    nn.set_data_format("channels_first")
    try:
        layers = [
            nn.AveragePooling2D(3, 2, padding=1, count_padding=True),
            nn.MaxPooling2D(3, 1, padding=1),
            nn.Conv2DTranspose(5, 3, 2, padding=1, output_padding=1),
        ]
        model = nn.Sequential([nn.Input((4, 9, 8)), *layers])
    finally:
        nn.set_data_format("channels_last")
    fill(model)
    x = numbers((5, 4, 9, 8))
    kernel, bias = (torch.from_numpy(weight).double() for weight in model.get_weights())
    functions = torch.nn.functional
    y = functions.avg_pool2d(torch.from_numpy(x).double(), 3, 2, padding=1)
    y = functions.max_pool2d(y, 3, 1, padding=1)
    y = functions.conv_transpose2d(y, kernel.permute(3, 2, 0, 1), bias, 2, 1, 1)
    alike(run(written(model, tmp_path), x)[0], y.numpy())
    alike(model.predict(x), y.numpy())


def test_crops_take_the_middle(tmp_path: Path) -> None:
    model = nn.Sequential([nn.Input((9, 8, 2)), nn.RandomCrop(4, 5)])
    x = numbers((3, 9, 8, 2))
    np.testing.assert_array_equal(run(written(model, tmp_path), x)[0], x[:, 2:6, 1:6])


def test_images_of_bytes_and_rows_of_tables(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1)).astype(np.uint8)
    inputs = nn.Input((8, 8, 1), dtype="uint8")
    x = nn.Dense(3)(nn.Flatten()(nn.Conv2D(4, 3)(nn.Rescaling(1 / 255)(inputs))))
    for model, options in (
        (nn.Model(inputs, x), {}),
        (nn.Sequential([nn.Input((8, 8, 1)), nn.Conv2D(4, 3)]), {"input_types": "uint8"}),
    ):
        alike(run(written(model, tmp_path, **options), images)[0], model.predict(images))
    text = nn.Sequential([nn.Input((5,)), nn.Embedding(7, 4), nn.GlobalAveragePooling1D()])
    rows = np.random.default_rng(1).integers(0, 7, (6, 5))
    alike(run(written(text, tmp_path), rows.astype(np.int64))[0], text.predict(rows))
    for kind in ("uint8", "int32"):
        alike(run(written(text, tmp_path, input_types=kind), rows.astype(kind))[0], text.predict(rows))


def test_a_scaler_is_a_part_of_the_file(tmp_path: Path) -> None:
    x = (numbers((200, 20)) * np.arange(1, 21) * 50 + 3000).astype(np.float32)
    scaler = data.Standardizer().fit(x)
    model = nn.Sequential([scaler.layer(input_shape=(20,)), nn.Dense(24, activation="relu"), nn.Dense(10)])
    fill_dense(model)
    path = written(model, tmp_path)
    first, bias, second, last = (weight.astype(np.float64) for weight in model.get_weights()[-4:])
    scaled = (x.astype(np.float64) - scaler.mean) / scaler.deviation
    right = np.maximum(scaled @ first + bias, 0) @ second + last
    alike(run(path, x)[0], right)
    alike(model.predict(x), right)


def fill_dense(model: nn.Model) -> None:
    for layer in model.layers:
        if isinstance(layer, nn.Dense):
            layer.set_weights([numbers(weight.shape, 1) for weight in layer.get_weights()])


class Writes(nn.Callback):
    """Writes its model after each batch, and holds the file against what the model predicts then."""

    def __init__(self, folder: Path, x: NDArray) -> None:
        super().__init__()
        self.folder, self.x, self.count = folder, x, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        alike(run(written(self.model, self.folder), self.x)[0], self.model.predict(self.x))
        self.count += 1


@pytest.mark.parametrize("optimizer", ["adam", "schedule-free"])
def test_a_model_in_training_is_written_as_it_predicts(optimizer: str, tmp_path: Path) -> None:
    x, y = digits_like(96, (20,))
    model = nn.Sequential([
        nn.Input((20,)), nn.Dense(24), nn.BatchNormalization(momentum=0.5), nn.ReLU(), nn.Dropout(0.5), nn.Dense(10),
    ])  # fmt: skip
    chosen = nn.Adam(0.05) if optimizer == "adam" else optim.AdamWScheduleFree(lr=0.05)
    model.compile(chosen, "sparse_categorical_crossentropy")
    writes = Writes(tmp_path, x)
    model.fit(x, y, epochs=1, callbacks=[writes], verbose=0)
    assert writes.count == 3
    assert "Dropout" not in operators(tmp_path / "model.onnx")


def test_outputs_are_apart_from_inputs_and_one_another(tmp_path: Path) -> None:
    inputs = nn.Input((4,), name="x")
    hidden = nn.Dense(3)(inputs)
    model = nn.Model(inputs, {"x": hidden, "y": nn.Dropout(0.5)(hidden), "z": nn.Dropout(0.5)(inputs)})
    x = numbers((5, 4))
    path = written(model, tmp_path)
    assert [one.name for one in onnx.load(path).graph.output] == ["x_output", "y", "z"]
    for mine, found in zip(model.predict(x), run(path, x), strict=True):
        alike(found, mine)


def test_a_part_of_a_model_is_written_by_itself(tmp_path: Path) -> None:
    inner = nn.Sequential([nn.Dense(6, activation="tanh", input_shape=(4,)), nn.Dense(3)])
    inputs = nn.Input((4,))
    whole = nn.Model(inputs, nn.Dense(2)(inner(inputs)))
    x = numbers((5, 4))
    alike(run(written(inner, tmp_path), x)[0], inner.predict(x))
    alike(run(written(whole, tmp_path), x)[0], whole.predict(x))


def test_what_cannot_be_written_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from martlet.nn import _onnx_layers

    path = tmp_path / "model.onnx"
    with pytest.raises(OrderError, match="does not know its samples' shape"):
        nn.Sequential([nn.Dense(3)]).to_onnx(path)
    model = mlp()
    with pytest.raises(FileError, match="no-such"):
        model.to_onnx(tmp_path / "no-such" / "model.onnx")
    with pytest.raises(DTypeError, match="path"):
        model.to_onnx(3)
    for types, says in (
        (["float32", "uint8"], "input_types"),
        ("float16", "input_types.*float16"),
        ({"y": "uint8"}, "input"),
    ):
        with pytest.raises((ValueError, TypeError), match=says):
            model.to_onnx(path, input_types=types)
    with monkeypatch.context() as patch:
        patch.setattr(_onnx_layers, "_LAYERS", {})
        with pytest.raises(UnsupportedError, match="layer 'dense' is of a kind that has no ONNX"):
            model.to_onnx(path)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnx", None)
        for name in [name for name in sys.modules if name.startswith("martlet.nn._onnx")]:
            patch.delitem(sys.modules, name)
        patch.delattr("martlet.nn._onnx", raising=False)
        with pytest.raises(ImportError, match="to_onnx needs onnx: pip install onnx"):
            model.to_onnx(path)
    assert os.listdir(tmp_path) == []
    path.write_text("mine")
    with pytest.raises(FileError, match="is there already"):
        model.to_onnx(path, overwrite=False)
    assert path.read_text() == "mine"
    model.to_onnx(path)
    assert len(operators(path)) == 3


def test_activations_that_onnxs_cells_have_not_are_named(tmp_path: Path) -> None:
    model = nn.Sequential([nn.Input((5, 3)), nn.LSTM(4, activation="selu", name="memory"), nn.Dense(2)])
    with pytest.raises(UnsupportedError, match="layer 'memory' has the activation 'selu'"):
        model.to_onnx(tmp_path / "model.onnx")
    assert os.listdir(tmp_path) == []


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, x = mlp(), numbers((5, 20))
    source, target = tmp_path / "model.safetensors", tmp_path / "model.onnx"
    model.save(source)
    assert main(["export", os.fspath(source), os.fspath(target)]) == 0
    alike(run(target, x)[0], model.predict(x))
    for arguments, says in (
        ([source, tmp_path / "model.txt"], "model.onnx or model.c"),
        ([tmp_path / "none", target], "none"),
        ([target, target], "the header's length"),
        ([source, tmp_path / "no" / "model.onnx"], "no"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["export", *map(os.fspath, arguments)])
        assert ended.value.code == 2
        assert says in capsys.readouterr().err
