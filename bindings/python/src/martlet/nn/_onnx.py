"""A model as an ONNX file: the graph that it predicts by, with its weights inside."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from martlet import _ffi_models
from martlet._errors import UnsupportedError
from martlet.nn import _laid, _onnx_steps
from martlet.nn._built import Built
from martlet.nn._laid import Laid
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
    steps, values = _steps(built, sizes, nodes), []
    shapes = dict(zip(sizes, built.read_shapes, strict=True))
    for index, node in enumerate([None, *nodes]):
        if node is None or node.kind == _ffi_models.LAYER_INPUT:
            is_rows = index in built.graph.tables
            first, *others = shapes[index]
            values.append(_entered(graph, *next(entries), [steps.get(index, first), *others], sizes[index], is_rows))
        else:
            values.append(lay(graph, node, [values[read] for read in node.reads]))
    for place, output in zip(built.model.outputs(), gives, strict=True):
        graph.give(values[place], output, steps.get(place, ""))
    content: bytes = graph.model(name).SerializeToString()
    return content


def _steps(built: Built, sizes: dict[int, tuple[int, ...]], nodes: Sequence[Laid]) -> dict[int, str]:
    """A name of the number of steps, by the node that gives them. sizes: those of each input, by its node. Raises
    UnsupportedError where an input is open that layers read, and not along steps alone that nothing depends on."""
    lengths = {index for index, rows in built.graph.tables.items() if any(one.steps_of >= 0 for one in rows)}
    read = {index: sizes[index] for node in nodes for index in node.reads if index in sizes}
    is_open = {index: shape for index, shape in zip(sizes, built.read_shapes, strict=True) if None in shape}
    for free in (read, {index: read[index] for index in read if index in is_open}):
        steps = _onnx_steps.names(free, nodes, built.graph.tables.keys() - lengths)
        if all(index in steps and None not in is_open[index][1:] for index in is_open if index in read):
            return steps
    built.refuse_open("something in it depends on its steps")
    return {}


def _entered(
    graph: Graph, name: str, kind: str, shape: Sequence[int | str | None], sizes: tuple[int, ...], is_rows: bool
) -> Value:
    """An input: as rows of a table whole numbers, else numbers. shape: sizes in numbers, by what they are called, or
    None where any will do."""
    if is_rows and kind == "float32":
        kind = "int64"
    graph.read(name, _TYPES[kind], shape)
    wanted = "float32" if not is_rows else "int32" if kind in ("uint8", "bool") else kind
    graph.layer = name
    tensor = name if wanted == kind else graph.add("Cast", name, to=_TYPES[wanted])
    return Value(tensor, sizes, plain(len(sizes)))
