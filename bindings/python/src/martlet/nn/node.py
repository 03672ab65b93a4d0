"""What a layer, or a model, gives when it is called with what others gave: a node, of which Model(inputs, outputs)
makes a model. It holds no numbers.

A node is fixed when it is made, from nodes that are there, so that there can be no circle.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from martlet._errors import ArgumentError, DTypeError, UnsupportedError

if TYPE_CHECKING:
    from martlet.nn._layer import Layer
    from martlet.nn._network import Network

_Self = TypeVar("_Self", bound="Layer")
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Node:
    """What an entry of a model gives for what others give.

    shape   of what it gives, with None for the batch, and for what is open of an Input's
    dtype   "float32", or of an Input what it says
    entry   the layer or the model that was called

    a + b is Add()([a, b]), and a * b Multiply()([a, b]): nodes of one shape.
    """

    __slots__ = ("__weakref__", "dtype", "entry", "inputs", "mask", "part", "sizes")

    def __init__(
        self, entry: Layer | Network, inputs: Sequence[Node], sizes: tuple[int | None, ...], dtype: str = "float32",
        part: int = 0, mask: object | None = None,
    ) -> None:  # fmt: skip
        self.entry, self.inputs, self.sizes, self.dtype = entry, tuple(inputs), sizes, dtype
        # Of an entry that gives several nodes in one call which this is; all but the first read that one.
        self.part = part
        # Which mask goes with its steps: those of nodes that have the same one are equal; None: all are seen.
        self.mask = mask

    @property
    def shape(self) -> tuple[int | None, ...]:
        return (None, *self.sizes)

    @property
    def name(self) -> str:
        """Of the layer or model that gives it."""
        return self.entry.name or self.entry._base_name()

    def __repr__(self) -> str:
        return f"<node of shape {self.shape} by {self.entry!r}>"

    def __add__(self, other: Any) -> Node:
        from martlet.nn.merging import Add

        return _combined(Add(), self, other, "+")

    def __mul__(self, other: Any) -> Node:
        from martlet.nn.merging import Multiply

        return _combined(Multiply(), self, other, "*")

    __radd__, __rmul__ = __add__, __mul__

    def __bool__(self) -> bool:
        raise DTypeError(f"{self!r} has no numbers before its model reads some, and is neither true nor false")

    def __array__(self, *given: Any, **named: Any) -> Any:
        raise DTypeError(f"{self!r} has no numbers before its model reads some: wanted Model(inputs, outputs), and its "
                         "predict(x)")  # fmt: skip

    def __iter__(self) -> Any:
        raise DTypeError(f"{self!r} is one node, and cannot be taken apart")


def _combined(layer: Any, node: Node, other: Any, sign: str) -> Node:
    if not isinstance(other, Node):
        raise UnsupportedError(f"{node!r} {sign} {other!r}: wanted a node of the same shape; numbers go in as "
                               "Normalization(mean=, factor=), which has one for each channel")  # fmt: skip
    found: Node = layer([node, other])
    return found


def call(
    body: Callable[Concatenate[_Self, _Arguments], _Result],
) -> Callable[Concatenate[_Self, _Arguments], _Result]:
    """A layer's __call__, which raises DTypeError where it has too many arguments, too few, or others."""
    own = inspect.signature(body)
    said = own.replace(
        parameters=[one.replace(annotation=one.empty) for one in own.parameters.values()][1:],
        return_annotation=own.empty,
    )

    @wraps(body)
    def found(layer: _Self, /, *given: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        try:
            said.bind(*given, **named)
        except TypeError as error:
            several = ", inputs a list of nodes" if layer._merges and "inputs" in said.parameters else ""
            raise DTypeError(f"a call of {layer!r}: {error}; wanted layer{said}{several}") from None
        return body(layer, *given, **named)

    return found


def is_symbolic(inputs: Any) -> bool:
    """Whether a call's argument is a node, or several."""
    if isinstance(inputs, dict):
        inputs = list(inputs.values())
    return isinstance(inputs, Node) or (
        isinstance(inputs, list | tuple) and any(isinstance(one, Node) for one in inputs)
    )


def listed(inputs: Any, where: str) -> list[Node]:
    """One node, or several, as a list."""
    found = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    for one in found:
        if not isinstance(one, Node):
            kind = type(one).__name__
            raise DTypeError(f"{where} is {kind}; wanted an Input, or what calls of layers give: arrays go into a "
                             "model's predict(x)")  # fmt: skip
    if not found:
        raise ArgumentError(f"{where} is {inputs!r}; wanted one node or more")
    return found


def ordered(inputs: Sequence[Node], outputs: Sequence[Node]) -> tuple[list[Node], list[Any]]:
    """The nodes that outputs are made of, inputs first and each after those it reads; and their layers and models, in
    the order in which Keras lists them and their weights: by how far they are from the outputs, the farthest first."""
    finished, first_seen = _walk(inputs, outputs)
    depths: dict[Node, int] = {}
    of_entries: dict[Any, int] = {}
    for node in reversed(finished):
        depth = max(depths.get(node, 0), of_entries.get(node.entry, 0))
        depths[node] = of_entries[node.entry] = depth
        for before in node.inputs if node not in inputs else ():
            depths[before] = max(depths.get(before, 0), depth + (0 if node.part else 1))
    for node in inputs:
        if node not in depths:
            depths[node] = of_entries[node.entry] = 0
            first_seen[node.entry] = -1
    entries = sorted(of_entries, key=lambda entry: (-of_entries[entry], first_seen[entry]))
    others = [node for node in finished if node not in inputs]
    others.sort(key=lambda node: (-depths[node], first_seen[node.entry]))
    return [*inputs, *others], entries


def _walk(inputs: Sequence[Node], outputs: Sequence[Node]) -> tuple[list[Node], dict[Any, int]]:
    """The nodes before some outputs, each after those it reads, and in which order their entries were first seen."""
    finished: dict[Node, None] = {}
    first_seen: dict[Any, int] = {}
    waiting = [(output, False) for output in reversed(outputs)]
    while waiting:
        node, is_done = waiting.pop()
        if is_done:
            finished[node] = None
        if is_done or node in finished:
            continue
        first_seen.setdefault(node.entry, len(first_seen))
        waiting.append((node, True))
        if node in inputs:
            continue
        if not node.inputs:
            raise ArgumentError(f"outputs are made of {node.name!r}, of shape {node.shape}, which is none of inputs: "
                                f"{', '.join(repr(one.name) for one in inputs)}; wanted it among them")  # fmt: skip
        waiting.extend((before, False) for before in reversed(node.inputs))
    return [*finished], first_seen
