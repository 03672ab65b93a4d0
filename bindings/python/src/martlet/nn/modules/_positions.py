"""What is added to each step of a sequence, whatever stands there: rows of a table, by a parameter, a buffer, an
embedding of the steps' numbers, or numbers that are computed of sizes alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from martlet.nn.attention import PositionEmbedding
from martlet.nn.merging import Add
from martlet.nn.modules import _tracing
from martlet.nn.modules._carrying import AnyWeight, Fixed, Part
from martlet.nn.modules._exporting import arguments, operation, refusal
from martlet.nn.modules._reading import Reading, Value


def placed(walk: Reading, node: Any, value: Value, table: Any) -> Value:
    """A sequence and what is added to it, of which no sample is read."""
    value = value.straight
    if value.rank != 2:
        raise refusal(
            node, f"adds parameters or numbers to samples of {value.rank} dimensions, and sequences are taken"
        )
    return value._replace(node=Add()([value.node, rows(walk, node, value, table, "adds")]))


def rows(walk: Reading, node: Any, value: Value, table: Any, does: str) -> Any:
    """The rows of a table for a sequence. does: what the operation does with them."""
    weight, frozen = _weight(walk, node, value, table, does)
    fields = {"trainable": False} if frozen else {}
    return walk.layer(node, PositionEmbedding, [weight], sequence_length=value.laid[0], **fields)(value.node)


def _weight(walk: Reading, node: Any, value: Value, table: Any, does: str) -> tuple[AnyWeight, bool]:
    """The rows, and whether they are not trained."""
    steps, features = value.laid
    owner, moved = _source(walk, table)
    name = walk.exported.names.get(owner.name)
    tensors = {**walk.exported.parameters, **walk.exported.buffers}
    if name is None:
        try:
            numbers = _rows(lambda batch: _tracing.numbers(walk.exported, table, batch=batch), value)
        except _tracing.ElsewhereError:
            raise refusal(
                node, f"{does} what is computed of parameters, and parameters are taken as they are"
            ) from None
        if numbers is None or numbers.dtype != torch.float32:
            raise refusal(node, f"{does} something else than float32 numbers for {steps} steps of {features} features")
        return Fixed(np.ascontiguousarray(numbers.numpy())), True
    tensor = tensors[name]
    places = torch.arange(tensor.numel()).reshape(tensor.shape)
    found = _rows(lambda batch: moved(places, batch), value)
    if found is None or len(found.unique()) != found.numel():
        raise refusal(node, f"{does} {name!r} as something else than a row for each of {steps} steps, which is taken")
    is_buffer = name in walk.exported.buffers
    return Part(name, np.ascontiguousarray(found.numpy()), tensor.shape), is_buffer


def _source(walk: Reading, table: Any) -> tuple[Any, Any]:
    """The parameter or buffer whose numbers are in a table, and what moves them there in a batch of some samples."""
    owner = _tracing.source(table)
    if owner.op == "call_function" and operation(owner) == "aten.embedding.default":
        rows = _tracing.numbers(walk.exported, arguments(owner)["indices"])
        weight = arguments(owner)["weight"]
        return weight, lambda places, batch: _tracing.run(table, {owner: places[rows]}, batch)
    return owner, lambda places, batch: _tracing.run(table, {owner: places}, batch)


def _rows(found: Callable[[int | None], Any], value: Value) -> Any:
    """(steps, features) of what is spread over samples; None where it is not the same for each, in batches of any
    size."""
    first, *others = (_row(found(batch), value) for batch in (None, *_tracing.BATCHES))
    return first if first is not None and all(one is not None and one.equal(first) for one in others) else None


def _row(found: Any, value: Value) -> Any:
    steps, features = value.laid
    place = int(value.is_second)
    if (
        found.dim() == 3
        and found.shape[place] > 0
        and found.equal(found.select(place, 0).unsqueeze(place).expand(found.shape))
    ):
        found = found.select(place, 0)
    return found.contiguous() if found.shape == (steps, features) else None
