"""ONNX files in onnxruntime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import onnxruntime

from exported import NDArray, as_list


def run(path: Path, x: Any) -> list[NDArray]:
    """What a file's model gives for x, a list of all outputs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    named = zip(session.get_inputs(), as_list(x), strict=True)
    found: list[NDArray] = session.run(None, {one.name: array for one, array in named})
    return found
