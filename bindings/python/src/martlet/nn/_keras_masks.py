"""Masks between Keras and here. Keras's configs compute them by operations of their own, which are layers' masks here
where they say the same; and what its attention and Multiply give for hidden steps is other numbers than here."""

from __future__ import annotations

from typing import Any, NamedTuple

from martlet._errors import UnsupportedError
from martlet.nn import _keras_layers, layers
from martlet.nn._keras_files import Entry
from martlet.nn._recurrence import Recurrent
from martlet.nn.attention import MultiHeadAttention
from martlet.nn.basic import Activation, Softmax
from martlet.nn.merging import Merging
from martlet.nn.node import Node

READERS = (Recurrent, layers.Bidirectional, layers.GlobalAveragePooling1D)
"""Layers that a mask may be given to."""
_HAND_ON = (
    Activation, layers.Dense, layers.Dropout, layers.GaussianNoise, layers.LayerNormalization,
    layers.GroupNormalization, layers.Rescaling, layers.Normalization,
)  # fmt: skip


class Mask(NamedTuple):
    """Which steps of a sequence are not a number, or not this number alone."""

    node: Node
    number: float


class _Computed(NamedTuple):
    """What an operation gives: a mask, of the steps, or spread over their features; None: one that hides all."""

    mask: Mask | None
    is_wide: bool = False
    is_of_each: bool = False
    """Whether it is of each feature, and not of the steps yet."""


class Masks:
    """The masks of a model's nodes, and which of these have other numbers in Keras at steps that they hide."""

    def __init__(self) -> None:
        self._of: dict[Node, Mask] = {}
        self._other: set[Node] = set()
        self._computed: dict[tuple[Any, ...], _Computed] = {}
        self._hidden: dict[tuple[Node, Mask], Node] = {}

    def add(self, node: Node) -> None:
        """Says what becomes of the masks of what a node reads. Raises UnsupportedError where numbers of hidden steps,
        which differ, are read as others are."""
        entry, reads = node.entry, node.inputs
        if isinstance(entry, (layers.Masking, layers.SequenceMask)) and len(reads) > 1:
            raise UnsupportedError(f"{entry!r} hides steps by an input, as no layer of Keras does; wanted a Masking "
                                   "by what steps hold, or an Embedding's mask_zero")  # fmt: skip
        known = [self._of.get(read) for read in reads]
        found: Mask | None = None
        hands_on = isinstance(entry, (*_HAND_ON, Merging)) and not isinstance(entry, Softmax)
        if isinstance(entry, layers.Masking) or (isinstance(entry, layers.Embedding) and entry.mask_zero):
            found = Mask(reads[0], getattr(entry, "mask_value", 0.0))
        elif (
            (hands_on and len({*known}) == 1)
            or isinstance(entry, MultiHeadAttention)
            or (isinstance(entry, READERS) and len(node.sizes) == 2)
        ):
            found = known[0]
        if found is not None:
            self._of[node] = found
        reads_other = bool(self._other.intersection(reads)) and not isinstance(entry, READERS)
        if reads_other and (found is None or isinstance(entry, layers.Masking)):
            raise UnsupportedError(f"{entry!r} reads all steps of what attention or Multiply gives, also those that a "
                                   "mask hides, for which Keras gives other numbers; wanted layers that leave these "
                                   "steps out, such as LSTM and GlobalAveragePooling1D")  # fmt: skip
        if found is not None and (reads_other or isinstance(entry, (MultiHeadAttention, layers.Multiply))):
            self._other.add(node)

    def compute(self, entry: Entry, place: tuple[Any, ...], reads: list[Any], nodes: dict[Any, Node]) -> bool:
        """Takes an operation that makes a mask in; returns whether it is one. reads: numbers, and places of tensors."""
        if not _keras_layers.is_operation(entry):
            return False
        known = [self._computed.get(read) for read in reads if isinstance(read, tuple)]
        found = _of_operation(entry, reads, known, nodes)
        if found is not None:
            self._computed[place] = found
        return found is not None

    def has(self, place: tuple[Any, ...]) -> bool:
        """Whether an operation has given a mask."""
        return place in self._computed

    def refuse(self, place: tuple[Any, ...], what: str) -> None:
        """Raises UnsupportedError where an operation that gives a mask is read otherwise. what: who reads it."""
        if self.has(place):
            raise UnsupportedError(f"{what} the mask {place[0]!r}, which layers alone read here")

    def is_masked(self, node: Node) -> bool:
        """Whether a node has a mask."""
        return node in self._of

    def is_of(self, place: tuple[Any, ...], node: Node) -> bool:
        """Whether what an operation has given is the mask of a node."""
        found = self._computed.get(place)
        return found is not None and not (found.is_wide or found.is_of_each) and found.mask == self._of.get(node, ())

    def hidden(self, node: Node, place: tuple[Any, ...], nodes: dict[Any, Node]) -> Node | None:
        """A node with its steps hidden as a mask says that a layer is called with; None where no layer here does that:
        the mask is no Input's, or there is another."""
        computed, said = self._computed.get(place), nodes.get(place)
        found = Mask(said, 0.0) if said is not None and said.dtype == "bool" else None
        if computed is not None and not (computed.is_wide or computed.is_of_each):
            found = computed.mask
        if found is None or found.node.inputs or found.node.dtype == "float32" or self.is_masked(node):
            return None
        if (node, found) not in self._hidden:
            self._hidden[node, found] = layers.Masking(found.number)(node, mask=found.node)
        return self._hidden[node, found]


def tensor_at(history: Any) -> tuple[Any, ...]:
    """Where a config says that a tensor is: the name of a layer, which of its calls, and, but for the first that this
    gave, which of several."""
    layer, call, tensor = history
    return (layer, call, tensor) if tensor else (layer, call)


def given(arguments: Any) -> list[Any]:
    """What an operation is called with: numbers and the like as they are, and where tensors are."""
    found: list[Any] = []
    for one in arguments:
        if isinstance(one, list):
            found += given(one)
        elif isinstance(one, dict) and one.get("class_name") == "__keras_tensor__":
            found.append(tensor_at(one["config"]["keras_history"]))
        else:
            found.append(one)
    return found


def _of_operation(
    entry: Entry, reads: list[Any], known: list[_Computed | None], nodes: dict[Any, Node]
) -> _Computed | None:
    """None: no mask that a layer here has."""
    kind, axis = entry["class_name"], entry["config"].get("axis")
    if kind == "NotEqual" and len(reads) == 2 and reads[0] in nodes and isinstance(reads[1], int | float):
        node = nodes[reads[0]]
        return _Computed(Mask(node, float(reads[1])), is_of_each=len(node.sizes) > 1)
    if kind == "ZerosLike" and entry["config"].get("dtype") == "bool":
        return _Computed(None, True)
    masks = [one for one in known if one is not None]
    if not masks or len(masks) < len(reads):
        return None
    first = masks[0]
    if kind == "Any" and axis in (-1, [-1]) and not entry["config"].get("keepdims"):
        return first._replace(is_wide=False, is_of_each=False) if first.is_wide or first.is_of_each else None
    if kind == "ExpandDims" and axis in (-1, 2) and first == _Computed(first.mask):
        return first._replace(is_wide=True)
    if kind == "LogicalOr":
        shown = [one for one in masks if one.mask is not None]
        return shown[0] if shown and len({*shown}) == 1 and len({one.is_wide for one in masks}) == 1 else None
    if kind == "Concatenate" and axis in (-1, 2) and len({*masks}) == 1 and first.is_wide:
        return first
    return None
