"""A model as an ONNX file: the graph that it predicts by, with its weights inside."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from martlet import _ffi_models
from martlet._errors import UnsupportedError
from martlet.nn import _laid, _onnx_steps
from martlet.nn._built import Built
from martlet.nn._onnx_graph import Graph, Value, plain
from martlet.nn._onnx_layers import lay

_TYPES = {
    "float32": onnx.TensorProto.FLOAT, "uint8": onnx.TensorProto.UINT8, "int32": onnx.TensorProto.INT32,
    "int64": onnx.TensorProto.INT64, "bool": onnx.TensorProto.BOOL,
}  # fmt: skip
# What a message of protobuf's may have, in bytes, with room for all that is no weight.
_LARGEST = 2**31 - 2**24


def content(built: Built, name: str, inputs: Sequence[tuple[str, str]], outputs: Sequence[str]) -> bytes:
    """The bytes of a file. inputs: the name of each, and what it holds. Raises UnsupportedError for a layer that has no
    ONNX, and where the weights are more than a file can hold."""
    buffers = (_ffi_models.BUFFER_PARAMETERS, _ffi_models.BUFFER_STATISTICS)
    weights = sum(built.model.buffer(which)[1] for which in buffers)
    if 4 * weights > _LARGEST:
        raise UnsupportedError(f"the model has {weights} weights, and an ONNX file holds 2 GB; wanted a smaller one")
    names = [given for given, _ in inputs]
    gives = [output if output not in names else f"{output}_output" for output in outputs]
    graph = Graph([*names, *gives])
    entries, nodes = iter(inputs), [*_laid.nodes(built)]
    sizes = {0: built.model.node(0).sizes}
    sizes |= {index: node.sizes for index, node in enumerate(nodes, 1) if node.kind == _ffi_models.LAYER_INPUT}
    lengths = {index for index, rows in built.graph.tables.items() if any(one.steps_of >= 0 for one in rows)}
    steps = _onnx_steps.names(sizes, nodes, built.graph.tables.keys() - lengths)
    if not steps:
        built.refuse_open("something in it depends on its steps")
    values = []
    for index, node in enumerate([None, *nodes]):
        if node is None or node.kind == _ffi_models.LAYER_INPUT:
            is_rows = index in built.graph.tables
            values.append(_entered(graph, *next(entries), sizes[index], is_rows, steps.get(index, "")))
        else:
            values.append(lay(graph, node, [values[read] for read in node.reads]))
    for place, output in zip(built.model.outputs(), gives, strict=True):
        graph.give(values[place], output, steps.get(place, ""))
    content: bytes = graph.model(name).SerializeToString()
    return content


def _entered(graph: Graph, name: str, kind: str, sizes: tuple[int, ...], is_rows: bool, steps: str) -> Value:
    """An input: as rows of a table whole numbers, else numbers. steps: what its first size is called, where it is
    free."""
    if is_rows and kind == "float32":
        kind = "int64"
    graph.read(name, _TYPES[kind], [steps, *sizes[1:]] if steps else sizes)
    wanted = "float32" if not is_rows else "int32" if kind in ("uint8", "bool") else kind
    graph.layer = name
    tensor = name if wanted == kind else graph.add("Cast", name, to=_TYPES[wanted])
    return Value(tensor, sizes, plain(len(sizes)))
