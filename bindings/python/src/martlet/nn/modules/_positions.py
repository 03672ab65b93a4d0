"""What is added to each step of a sequence, whatever stands there: rows of a table, by a parameter, a buffer, an
embedding of the steps' numbers, or numbers that are computed of sizes alone."""

from __future__ import annotations

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
    weight, frozen = _weight(walk, node, value, table)
    layer = walk.layer(
        node,
        PositionEmbedding,
        [weight],
        sequence_length=value.laid[0],
        **({"trainable": False} if frozen else {}),
    )
    return value._replace(node=Add()([value.node, layer(value.node)]))


def _weight(walk: Reading, node: Any, value: Value, table: Any) -> tuple[AnyWeight, bool]:
    """The rows, and whether they are not trained."""
    steps, features = value.laid
    owner, scattered = _source(walk, table)
    name = walk.exported.names.get(owner.name)
    tensors = {**walk.exported.parameters, **walk.exported.buffers}
    if name is None:
        try:
            numbers = _rows(_tracing.numbers(walk.exported, table), value)
        except _tracing.ElsewhereError:
            raise refusal(node, "adds what is computed of parameters, and parameters are taken as they are") from None
        if numbers is None or numbers.dtype != torch.float32:
            raise refusal(node, f"adds something else than float32 numbers for {steps} steps of {features} features")
        return Fixed(np.ascontiguousarray(numbers.numpy())), True
    tensor = tensors[name]
    found = _rows(scattered(torch.arange(tensor.numel()).reshape(tensor.shape)), value)
    if found is None or len(found.unique()) != found.numel():
        raise refusal(node, f"adds {name!r} as something else than a row for each of {steps} steps, which is taken")
    is_buffer = name in walk.exported.buffers
    return Part(name, np.ascontiguousarray(found.numpy()), tensor.shape), is_buffer


def _source(walk: Reading, table: Any) -> tuple[Any, Any]:
    """The parameter or buffer whose numbers are in a table, and what moves them there."""
    owner = _tracing.source(table)
    if owner.op == "call_function" and operation(owner) == "aten.embedding.default":
        rows = _tracing.numbers(walk.exported, arguments(owner)["indices"])
        weight = arguments(owner)["weight"]
        return weight, lambda places: _tracing.run(table, {owner: places[rows]})
    return owner, lambda places: _tracing.run(table, {owner: places})


def _rows(found: Any, value: Value) -> Any:
    """(steps, features) of what is spread over samples; None where it is not the same for each."""
    steps, features = value.laid
    place = int(value.is_second)
    if (
        found.dim() == 3
        and found.shape[place] > 0
        and found.equal(found.select(place, 0).unsqueeze(place).expand(found.shape))
    ):
        found = found.select(place, 0)
    return found.contiguous() if found.shape == (steps, features) else None
