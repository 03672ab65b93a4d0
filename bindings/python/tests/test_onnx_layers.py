"""Every layer, and the scenarios' models, as ONNX files: what onnxruntime gives beside the library's own predictions,
and both beside Keras's in float64."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest

from exported import alike, as_list, fill, probable
from exported_cases import CASES
from keras_twins import in_float64
from martlet import nn
from onnx_runs import run

_PROBABILITIES = {"Dense, softmax", "Dense, sigmoid", "Softmax", "Conv2D, softmax", "text"}


@pytest.mark.parametrize("name", CASES)
def test_onnxruntime_gives_what_the_library_predicts(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    model = case.build(nn, nn.Model)
    fill(model)
    path = tmp_path / "model.onnx"
    model.to_onnx(path)
    onnx.checker.check_model(os.fspath(path), full_check=True)
    assert os.listdir(tmp_path) == ["model.onnx"]
    mine, found, right = as_list(model.predict(case.x)), run(path, case.x), in_float64(name)
    bound = 2e-6 if name.startswith("Dense,") else 1e-5
    alike(found, mine, bound)
    alike(mine, right, bound)
    alike(found, right, bound)
    if name in _PROBABILITIES:
        probable(found[0], mine[0])
    alone = run(path, [array[3:4] for array in as_list(case.x)])
    alike(alone, [array[3:4] for array in found], bound)


@pytest.mark.parametrize("name", ["convolutional", "residual", "text", "branches"])
def test_files_say_what_they_are(name: str, tmp_path: Path) -> None:
    model = CASES[name].build(nn, nn.Model)
    model.to_onnx(tmp_path / "model.onnx")
    file = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    assert (file.ir_version, [(one.domain, one.version) for one in file.opset_import]) == (10, [("", 20)])
    assert file.graph.name == model.name
    assert [one.name for one in file.graph.input] == model.input_names
    assert [one.name for one in file.graph.output] == model.output_names
    for one in [*file.graph.input, *file.graph.output]:
        assert one.type.tensor_type.shape.dim[0].dim_param == "batch"
    tensors = {one for node in file.graph.node for one in node.output}
    weights = {one.name for one in file.graph.initializer}
    for layer in model.layers:
        if layer.get_weights():
            assert layer.name in tensors
            assert f"{layer.name}/kernel" in weights or f"{layer.name}/beta" in weights or "embedding" in layer.name
    assert all(one.data_location == onnx.TensorProto.DEFAULT for one in file.graph.initializer)
