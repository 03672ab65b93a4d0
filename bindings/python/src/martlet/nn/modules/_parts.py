"""Operations that take a part: one step of a sequence, the state of a layer, some features. What picks them is a Dense
of ones and zeros that is not trained."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from martlet.nn.basic import Dense, Flatten, Permute
from martlet.nn.merging import Concatenate
from martlet.nn.modules import _tracing
from martlet.nn.modules._carrying import Carried, Fixed
from martlet.nn.modules._exporting import operation, refusal
from martlet.nn.modules._reading import Reading, Value, makes


class Columns:
    """Some features of a value, of one step where one is named; made where they are read."""

    def __init__(self, walk: Reading, value: Value, columns: Sequence[int], step: int | None = None) -> None:
        self.walk, self.value, self.columns, self.step = walk, value, [*columns], step

    def taken(self) -> Value:
        value, rank = self.value, self.value.rank
        if self.step is not None:
            place = self.step % value.laid[0]
            value = Value(Flatten()(_picked(self.walk, value.straight, 0, [place]).node))
            rank = 1
        return value if self.columns == [*range(value.laid[-1])] else _picked(self.walk, value, rank - 1, self.columns)


def beside(parts: Sequence[Columns]) -> Any:
    """Features beside one another; of one value and step they are features of that."""
    first = parts[0]
    if all(one.value is first.value and one.step == first.step for one in parts):
        return Columns(first.walk, first.value, [column for one in parts for column in one.columns], first.step)
    return Value(Concatenate()([one.taken().node for one in parts]))


class Part:
    """What lies at some places of one of a value's sizes, without that size where it is one place that was named."""

    def __init__(self, walk: Reading, value: Value, size: int, places: Sequence[int], drops: bool = False) -> None:
        self.walk, self.value, self.size, self.places, self.drops = walk, value, size, places, drops

    def taken(self) -> Value:
        if len(self.places) == self.value.laid[self.size] and not self.drops:
            return self.value
        found = _picked(self.walk, self.value, self.size, self.places)
        return Value(Flatten()(found.node)) if self.drops and found.rank == 2 else found


def _picked(walk: Reading, value: Value, size: int, places: Sequence[int]) -> Value:
    kernel = np.zeros((value.laid[size], len(places)), np.float32)
    kernel[[*places], range(len(places))] = 1
    layer = Dense(len(places), use_bias=False, trainable=False)
    walk.carried.append(Carried(layer, (Fixed(kernel),)))
    if size == value.rank - 1:
        return value.through(layer)
    return value._replace(node=Permute((2, 1))(layer(Permute((2, 1))(value.node))))


def _size(walk: Reading, node: Any, dim: int) -> tuple[Value, int | None]:
    """What is read, and which of its sizes a dimension is; None: the samples'."""
    value = walk.value(node.args[0])
    dim %= value.rank + 1
    order = [None, *range(value.rank)]
    if value.is_turned:
        order = [None, 1, 0]
    elif value.is_second:
        order = [0, None, *range(1, value.rank)]
    return value, order[dim]


def _parts(walk: Reading, node: Any, dim: int) -> tuple[Value, int]:
    value, size = _size(walk, node, dim)
    if size is None:
        raise refusal(node, "takes some of the samples, which is not taken")
    if value.rank == 3:
        raise refusal(node, "takes a part of an image, which is not taken; parts of sequences and of features are")
    return value, size


@makes("select.int", any_order=True)
def _select(walk: Reading, node: Any, given: dict[str, Any]) -> Any:
    value, size = _parts(walk, node, given["dim"])
    if not isinstance(given["index"], int):
        raise refusal(node, "takes a place that depends on the batch's size, which is not taken")
    return Part(walk, value, size, [given["index"] % value.laid[size]], True).taken()


@makes("slice.Tensor", any_order=True)
def _slice(walk: Reading, node: Any, given: dict[str, Any]) -> Any:
    ends = given["start"], given["end"]
    if ends[0] in (None, 0) and (ends[1] is None or ends[1] == 2**63 - 1) and given["step"] == 1:
        return walk.value(node.args[0])
    value, size = _parts(walk, node, given["dim"])
    places = range(value.laid[size])[slice(*ends, given["step"])]
    return Part(walk, value, size, places).taken()


@makes("index.Tensor", any_order=True)
def _index(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    """The places of a dimension that numbers of the module's name: x[:, [-1]]."""
    (dim, *more) = (dim for dim, one in enumerate(given["indices"]) if one is not None)
    named = given["indices"][dim]
    if more or not walk.is_constant(named):
        raise refusal(node, "has places that depend on samples, or of several dimensions, which is not taken")
    found = _tracing.numbers(walk.exported, named)
    if found.dim() != 1 or found.dtype == torch.bool or not len(found):
        raise refusal(node, "has places that are no list of numbers, which is taken")
    value, size = _parts(walk, node, dim)
    return _picked(walk, value, size, [place % value.laid[size] for place in found.tolist()])


@makes("split.Tensor", "split_with_sizes.default", "chunk.default", "unbind.int", any_order=True)
def _split(walk: Reading, node: Any, given: dict[str, Any]) -> list[Part]:
    value, size = _parts(walk, node, given["dim"])
    whole, drops = value.laid[size], "unbind" in operation(node)
    each = given.get("split_size", given.get("split_sizes", 1))
    if "chunks" in given:
        each = -(-whole // given["chunks"])
    sizes = each if isinstance(each, list | tuple) else [each] * -(-whole // each)
    ends = np.cumsum([0, *sizes])
    return [Part(walk, value, size, range(whole)[start:end], drops) for start, end in pairwise(ends)]


@makes("repeat.default", "expand.default", any_order=True)
def _repeat(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    """Steps, or features, several times behind one another."""
    value, sizes = walk.value(node.args[0]), [*node.meta["val"].shape]
    if len(sizes) != value.rank + 1:
        raise refusal(node, "makes further dimensions, which is not taken")
    place = int(value.is_second)
    if str(sizes[place]) != walk.exported.batch:
        raise refusal(node, "repeats samples, which is not taken")
    del sizes[place]
    changed = [dim for dim, (now, then) in enumerate(zip(value.sizes, sizes, strict=True)) if now != then]
    if not changed:
        return value
    if len(changed) > 1:
        raise refusal(node, "repeats two dimensions, and one is taken")
    dim = changed[0] + 1 if not value.is_second or changed[0] else 0
    value, size = _parts(walk, node, dim)
    return _picked(walk, value, size, [*range(value.laid[size])] * (sizes[changed[0]] // value.laid[size]))


def halves(walk: Reading, node: Any, dim: int) -> list[Part]:
    """The two halves of what an operation reads, along a dimension."""
    value, size = _parts(walk, node, dim)
    half = value.laid[size] // 2
    return [Part(walk, value, size, range(start, start + half)) for start in (0, half)]
