"""What a native model is told and tells, by names: samples and where they lie, layers, views, what trains it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from martlet import _ffi, _ffi_models


class Samples(NamedTuple):
    """Where contiguous samples, or their targets, lie: from address on, `each` elements to one. hold is what keeps them
    there for as long as it lives."""

    address: int
    samples: int
    each: int
    dtype: int
    hold: object


class Training(NamedTuple):
    """What martlet_training says."""

    loss: int
    origin: int = _ffi_models.FROM_AUTO
    metrics: int = 0
    batch_size: int = 32
    top: int = 5
    label_smoothing: float = 0.0
    delta: float = 1.0
    gamma: float = 2.0
    alpha: float = -1.0
    weight: float = 1.0
    state_dtype: int = _ffi.FP32


Line = dict[str, Any]
"""What was said of a layer, or of training, by the names of the fields of its struct: numbers, and tuples of them."""


class Node(NamedTuple):
    """A layer as the library sees it; sizes are those of one sample of its output, inputs the nodes that it reads,
    first the node whose layer it is once more, or -1; reads_mask and mask those that made the mask which it reads, and
    that of the steps which it gives, or -1."""

    name: str
    kind: int
    sizes: tuple[int, ...]
    parameter_count: int
    statistics_count: int
    inputs: tuple[int, ...] = ()
    first: int = -1
    reads_mask: int = -1
    mask: int = -1


class View(NamedTuple):
    """Where an array lies in a buffer, in elements; group: whose numbers step it, of a parameter's."""

    name: str
    node: int
    sizes: tuple[int, ...]
    offset: int
    size: int
    group: int = 0


class OwnPass(NamedTuple):
    """What a function that computes a layer is told of a batch, by addresses that are good until it returns.

    hold: keeps the weights where they lie. out: where what the layer gives goes; 0 on the way back, on which slopes has
    those by it, and input_slopes and weight_slopes say where those go, 0 where nobody needs them.
    """

    training: bool
    batch: int
    inputs: list[int]
    weights: int
    out: int
    slopes: int
    input_slopes: list[int]
    weight_slopes: int
    hold: object


def own_pass(told: Any, hold: object) -> OwnPass:
    """What the library tells, of a struct of its own."""
    places = range(told.input_count)
    return OwnPass(
        bool(told.is_training), told.batch, [told.inputs[place] for place in places], told.weights or 0, told.out or 0,
        told.slopes or 0, [told.input_slopes[place] or 0 for place in places], told.weight_slopes or 0, hold,
    )  # fmt: skip


def line_of(struct: Any) -> Line:
    """A struct's numbers."""
    found = {field[0]: getattr(struct, field[0]) for field in struct._fields_ if field[0] != "name"}
    return {name: value if isinstance(value, int | float) else tuple(value) for name, value in found.items()}


_ITEM_SIZES = {_ffi.FP32: 4, _ffi.INT32: 4, _ffi.INT64: 8, _ffi.UINT8: 1}


def parts(inputs: Sequence[Samples], first: int, count: int) -> Any:
    """Samples first to first + count of each input as a contiguous array."""
    arrays = (_ffi.Array * len(inputs))()
    for array, samples in zip(arrays, inputs, strict=True):
        array.data = samples.address + first * samples.each * _ITEM_SIZES[samples.dtype]
        array.count, array.dtype = count * samples.each, samples.dtype
    return arrays
