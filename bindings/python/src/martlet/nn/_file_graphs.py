"""Graphs of a file as models: by Python's notes, laid down over the native model that is there, and checked against it;
or, where C or Swift wrote it, node by node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from martlet import _ffi_models
from martlet._errors import FormatError, MartletError
from martlet._model import Model as Native
from martlet._owner import Owner
from martlet._records import Line, OwnPass
from martlet._records import Node as Described
from martlet.nn import _configs, _formats, _open
from martlet.nn._built import Built
from martlet.nn._file_layers import MAKERS
from martlet.nn._laying import Place
from martlet.nn.inputs import Input
from martlet.nn.model import Model
from martlet.nn.node import Node


def lines_of(native: Native) -> list[Line]:
    """What each node but the first was given, the nodes that it reads, "inputs", and, where its layer is another one's,
    which, "first"."""
    found = []
    for index in range(1, native.node_count()):
        node = native.node(index)
        again = {} if node.first < 0 else {"first": node.first}
        found.append(native.layer(index) | {"inputs": node.inputs} | again)
    return found


def is_chain(lines: Sequence[Line]) -> bool:
    """Whether each node but the first has a layer of its own that reads the one before, and no other's table."""
    return all(
        line["kind"] not in (_ffi_models.LAYER_INPUT, _ffi_models.LAYER_TIED_DENSE)
        and "first" not in line
        and line["inputs"] == (index,)
        for index, line in enumerate(lines)
    )


class _There:
    """A native model whose nodes are there: what is laid down in it must be what it has."""

    def __init__(self, native: Native, lines: Sequence[Line]) -> None:
        self._native, self._lines = native, lines
        self._count = 1

    def node(self, index: int) -> Described:
        return self._native.node(index)

    def add(self, kind: int, name: str, fields: Mapping[str, Any], inputs: Sequence[int] = ()) -> int:
        line = self._next(inputs)
        known = self._native.node(self._count)
        sizes = fields.get("sizes", line["sizes"])
        alike = all(line[key] == value for key, value in fields.items() if key not in ("rank", "sizes"))
        if (known.kind, known.name) != (kind, name) or not alike or line["sizes"] != tuple(sizes) or "first" in line:
            raise FormatError(f"the file's node {self._count} is {known.name!r}, and is no {name!r} as its notes say")
        self._count += 1
        return self._count - 1

    def apply(self, node: int, inputs: Sequence[int]) -> int:
        line = self._next(inputs)
        if line.get("first") != node:
            raise FormatError(f"the file's node {self._count} is not node {node} once more, as its notes say")
        self._count += 1
        return self._count - 1

    def compute(self, node: int, function: Callable[[OwnPass], None]) -> None:
        self._native.compute(node, function)

    def _next(self, inputs: Sequence[int]) -> Line:
        if self._count > len(self._lines):
            raise FormatError(f"the file has {len(self._lines)} layers, and its notes have more")
        line = self._lines[self._count - 1]
        if line["inputs"] != tuple(inputs):
            raise FormatError(f"the file's node {self._count} reads {line['inputs']}, and by its notes {tuple(inputs)}")
        return line

    def end(self) -> None:
        if self._count <= len(self._lines):
            raise FormatError(f"the file has {len(self._lines)} layers, and its notes have {self._count - 1}")


def noted(
    native: Native, lines: Sequence[Line], notes: Any, seed: int, owner: Owner, custom: Mapping[str, Any]
) -> Model:
    """The model that notes describe, over a native one. custom: layers of a user's own, by their names."""
    try:
        model = _configs.entry_of(notes, custom)
        if not isinstance(model, Model):
            raise ValueError("it is no model")
        model._seed, model._owner = seed, owner
        lay_over(model, native, lines)
    except FormatError:
        raise
    except (MartletError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FormatError(f"the file's notes on its graph are none of this version: {error}") from None
    return model


def lay_over(model: Model, native: Native, lines: Sequence[Line]) -> None:
    """Lays a model down over a native one, and makes it the model's. Raises FormatError where it is another one's."""
    there, built = _There(native, lines), Built(native)
    built.graph._model, built.graph.is_new = there, False  # type: ignore[assignment]
    inputs = [0, *(index for index, line in enumerate(lines, 1) if line["kind"] == _ffi_models.LAYER_INPUT)]
    wanted, sizes = model._input_sizes(), [native.node(index).sizes for index in inputs]
    if len(wanted) != len(sizes) or not all(map(_open.fits, wanted, sizes)):
        raise FormatError(f"the file's model reads {sizes}, and by its notes {wanted}")
    model._lay_in(built, sizes)
    if _open.is_open(wanted):
        built.open(wanted)
    model._built = built
    built.finish()
    there.end()


def plain(native: Native, lines: Sequence[Line], name: str | None, seed: int, owner: Owner) -> Model:
    """A model of the file's own words."""
    nodes: list[Node] = [Input(native.node(0).sizes)]
    built = Built(native)
    try:
        for index, line in enumerate(lines, 1):
            here = native.node(index)
            if line["kind"] == _ffi_models.LAYER_INPUT:
                nodes.append(Input(here.sizes, name=here.name))
                continue
            entry: Any = nodes[line["first"]].entry if "first" in line else MAKERS[line["kind"]](line, _formats.LAST)
            if "first" not in line:
                entry._name = entry._given_name = here.name
            tables_read = (line["table"],) if line["kind"] == _ffi_models.LAYER_TIED_DENSE else ()
            reads = (*line["inputs"], *tables_read)
            nodes.append(Node(entry, [nodes[read] for read in reads], here.sizes))
            built.graph.place = Place(reads[0])
            if line["kind"] == _ffi_models.LAYER_EMBEDDING:
                built.graph.reads_rows(line["vocabulary"], here.name)
            elif line["kind"] == _ffi_models.LAYER_MASKING and len(reads) > 1:
                built.graph.hides_by(Place(reads[1]), here.name, bool(line["flags"] & _ffi_models.LENGTHS))
        outputs = native.outputs()
        model = Model(
            [one for one in nodes if isinstance(one, Input)], [nodes[place] for place in outputs], name=name, seed=seed
        )
    except (MartletError, LookupError, TypeError, ValueError) as error:
        raise FormatError(f"the file's graph is none of this version: {error}") from None
    places = {one: index for index, one in reversed([*enumerate(nodes)])}
    for entry in model.layers:
        entry._unsettle()
    for one in model._nodes:
        if one.entry._built is None:
            built.graph.place = Place(places[one])
            built.take(one.entry, places[one])  # type: ignore[arg-type]
    built.inputs = [Place(places[one]) for one in model._inputs]
    built.graph.places = [Place(place) for place in outputs]
    model._owner, model._built = owner, built
    built.finish()
    return model
