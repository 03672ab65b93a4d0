"""Attention: nn.MultiheadAttention, and scaled_dot_product_attention, or what says the same by hand, between linear
layers. These are found before the walk, since linear layers are then parts of another one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from martlet.nn._matching import NDArray
from martlet.nn.attention import MultiHeadAttention
from martlet.nn.modules import _tracing, _written
from martlet.nn.modules._carrying import Part
from martlet.nn.modules._exporting import arguments, operation, refusal
from martlet.nn.modules._padding import Padding, of_mask
from martlet.nn.modules._reading import Reading, Value, makes
from martlet.nn.modules._written import Mask, Product

_PRODUCT = "aten.scaled_dot_product_attention.default"
_LINEAR = "aten.linear.default"


class Attended(NamedTuple):
    """A product between linear layers. columns: of the linear layers of query, key and value, and of the last one's
    input, which number of a sample's is whose: (heads, numbers of one)."""

    product: Any
    linears: tuple[Any, Any, Any, Any]
    columns: tuple[NDArray, NDArray, NDArray, NDArray]
    dropout: float
    is_causal: bool
    padding: Padding | None


@makes("martlet.attention.default", any_order=True)
def _module(walk: Reading, node: Any, given: dict[str, Any]) -> list[Any]:
    """nn.MultiheadAttention."""
    reads = [walk.value(given[name]).straight for name in ("query", "key", "value")]
    for read in reads:
        if read.rank != 2 or read.is_second == given["batch_first"]:
            order = "(samples, steps, features)", "(steps, samples, features)"
            raise refusal(node, f"reads {order[read.is_second]}, and takes it for {order[not read.is_second]}")
    if any(user.args[1] == 1 and user.users for user in node.users):
        raise refusal(node, "gives its weights too, which are read, and only what is attended is taken")
    *inner, last = given["weights"]
    heads, features = given["heads"], last.meta["val"].shape[0]
    dim = features // heads
    columns = np.arange(features).reshape(heads, dim)
    packed = len(inner) == 1
    rows = [columns + part * features if packed else columns for part in range(3)]
    of_parts = [inner[0] if packed else inner[part] for part in range(3)]
    biases = given["biases"]
    weights: list[Any] = []
    for part, (row, weight) in enumerate(zip(rows, of_parts, strict=True)):
        weights.append(_rows(walk, node, weight, row))
        if biases:
            weights.append(_numbers(walk, node, biases[0], columns + part * features))
    weights.append(_columns(walk, node, last, columns))
    if biases:
        weights.append(walk.weight(node, biases[1]))
    causal, mask = given["causal"], given["mask"]
    if mask is not None and not causal:
        steps = mask.meta["val"].shape[-2:]
        masks = (Mask(mask, -math.inf if mask.meta["val"].dtype is torch.bool else None),)
        causal = _written.hides(walk, node, masks, steps, -math.inf)
    padding = walk.padding.get(given["hidden"])
    return [_layer(walk, node, reads, weights, columns, columns, given["dropout"], causal, bool(biases), padding), None]


def _layer(
    walk: Reading, node: Any, reads: Sequence[Value], weights: Any, keys: NDArray, values: NDArray, dropout: float,
    is_causal: bool, has_bias: bool, padding: Padding | None = None,
) -> Value:  # fmt: skip
    heads, dim = keys.shape
    query, key, value = reads
    layer = walk.layer(
        node, MultiHeadAttention, weights, num_heads=heads, key_dim=dim, value_dim=values.shape[1], dropout=dropout,
        use_bias=has_bias,
    )  # fmt: skip
    given = () if key.node is value.node else (key.node,)
    # What hides values hides their keys too, and of the queries nothing.
    values_seen = value.node if padding is None else padding.hide(walk, value.node)
    return query._replace(node=layer(query.node, values_seen, *given, use_causal_mask=is_causal))


def _rows(walk: Reading, node: Any, weight: Any, rows: NDArray) -> Part:
    """Some rows of a linear layer's weight as a kernel (features, heads, dim)."""
    sizes = weight.meta["val"].shape
    places = np.arange(math.prod(sizes)).reshape(sizes)[rows.reshape(-1)]
    return Part(walk.weight(node, weight).name, np.ascontiguousarray(places.T).reshape(-1, *rows.shape), sizes)


def _columns(walk: Reading, node: Any, weight: Any, columns: NDArray) -> Part:
    """A linear layer's weight as a kernel (heads, dim, features)."""
    sizes = weight.meta["val"].shape
    places = np.arange(math.prod(sizes)).reshape(sizes)[:, columns.reshape(-1)]
    return Part(walk.weight(node, weight).name, np.ascontiguousarray(places.T).reshape(*columns.shape, -1), sizes)


def _numbers(walk: Reading, node: Any, bias: Any, rows: NDArray) -> Part:
    return Part(walk.weight(node, bias).name, rows, bias.meta["val"].shape)


# ---- scaled_dot_product_attention ----


def find(walk: Reading) -> None:
    """Finds all products between linear layers, which the walk then takes as one layer each."""
    for node in walk.exported.nodes:
        if node.op == "call_function" and operation(node).partition(".")[2].startswith("scaled_dot_product"):
            if operation(node) != _PRODUCT:
                raise refusal(node, "is not taken")
            product = _product(walk, node)
        elif node.op == "call_function" and operation(node) == "aten.softmax.int" and not walk.is_constant(node):
            by_hand = _written.by_hand(walk, node)
            if by_hand is None:
                continue
            product = by_hand
        else:
            continue
        found = _found(walk, product)
        walk.attended[found.linears[3]] = found


def _product(walk: Reading, node: Any) -> Product:
    given = arguments(node)
    if given["enable_gqa"]:
        raise refusal(node, "has groups of queries, which are not taken")
    mask, causal = given["attn_mask"], given["is_causal"]
    added = mask is not None and walk.is_constant(mask) and mask.meta["val"].dtype is not torch.bool
    masks = () if mask is None else (Mask(mask, None if added else -math.inf, shows=True),)
    query, key, value = given["query"], given["key"], given["value"]
    return Product(node, query, key, value, given["scale"], given["dropout_p"], causal, masks)


def _found(walk: Reading, product: Product) -> Attended:
    node, scale = product.node, product.scale
    if len(_tracing.sizes(product.query)) not in (3 if product.is_turned else 4, 4):
        raise refusal(node, "reads something else than (samples, heads, steps, numbers), which is taken")
    sides = [_projected(walk, node, product.query), _projected(walk, node, product.key, product.is_turned),
             _projected(walk, node, product.value)]  # fmt: skip
    if len({len(side.columns) for side in sides}) > 1:
        raise refusal(node, _COMMON)
    usual = sides[0].columns.shape[1] ** -0.5
    scale = (usual if scale is None else scale) * sides[0].scale * sides[1].scale
    if not math.isclose(scale, usual, rel_tol=1e-6) or sides[2].scale != 1:
        raise refusal(node, f"has a scale of its own, which is not taken; wanted {usual:g}")
    last, columns, behind = _read_by(walk, node)
    linears = (*(side.linear for side in sides), last)
    between = {node, *behind, *product.inside}.union(*(side.between for side in sides))
    # Pieces that nothing reads are there too.
    between |= {user for one in between for user in one.users if not user.users}
    for side in sides:
        if not set(side.linear.users) <= between or any(not {*one.users} <= between for one in side.between):
            raise refusal(node, "reads what a linear layer gives, and so do others, which is not taken")
    walk.taken |= between | {side.linear for side in sides}
    causal, padding = _masked(walk, product)
    of_sides = (*(side.columns for side in sides), columns)
    return Attended(node, linears, of_sides, product.dropout, causal, padding)  # type: ignore[arg-type]


def _masked(walk: Reading, product: Product) -> tuple[bool, Padding | None]:
    """Whether what comes later is hidden, and which padding."""
    constant = tuple(one for one in product.masks if walk.is_constant(one.mask))
    others = [one for one in product.masks if one not in constant]
    # Where padding hides all the steps before, those that a number hides are seen after all.
    most = {"most": -math.inf} if others else {}
    steps = _tracing.sizes(product.query)[-2], _tracing.sizes(product.key)[-1 if product.is_turned else -2]
    causal = product.is_causal or (bool(constant) and _written.hides(walk, product.node, constant, steps, **most))
    if not others:
        return causal, None
    if len(others) > 1 or others[0].number != -math.inf:
        raise refusal(product.node, "hides by a number, or by two masks that depend on samples; wanted one, and -inf")
    return causal, of_mask(walk, product.node, others[0].mask, others[0].shows)


_WANTED = ("is taken where a linear layer gives each of query, key and value, split into heads, and one reads its "
           "heads beside one another")  # fmt: skip
_COMMON = "has keys or values that several heads have in common, which is not taken"


class _Side(NamedTuple):
    """The linear layer that gives a query, key or value, and which of its numbers is where; by what it is multiplied,
    and what moves it."""

    linear: Any
    columns: NDArray
    scale: float
    between: list[Any]


def _projected(walk: Reading, node: Any, side: Any, is_turned: bool = False) -> _Side:
    linear, scale, between, factors = side, 1.0, [], []
    while _tracing.moves(linear) or _written.factor_of(walk, linear) is not None:
        between.append(linear)
        if not _tracing.moves(linear):
            scale *= _written.factor_of(walk, linear) or 0.0
            factors.append(linear)
        linear = linear.args[0]
    if linear.op != "call_function" or operation(linear) != _LINEAR or len(_tracing.sizes(linear)) != 3:
        raise refusal(node, _WANTED)
    places = _tracing.places(linear)
    known = {linear: places}
    for factor in reversed(factors):
        known[factor] = _tracing.run(factor.args[0], known)
    moved = _tracing.run(side, known)
    moved = moved.transpose(-2, -1) if is_turned else moved
    found = (moved if moved.dim() == 4 else moved.unsqueeze(1)).numpy()
    whole = places.shape[-1]
    samples, _, steps, _ = found.shape
    rows, columns = found // whole, (found % whole)[0, :, 0]
    sample, step = np.arange(samples)[:, None, None, None], np.arange(steps)[:, None]
    is_first = str(linear.meta["val"].shape[0]) == walk.exported.batch
    wanted = sample * steps + step if is_first else step * samples + sample
    if (rows != wanted).any() or (found % whole != columns[:, None]).any():
        raise refusal(node, _WANTED)
    if len(np.unique(columns)) != columns.size:
        raise refusal(node, _COMMON)
    return _Side(linear, np.ascontiguousarray(columns), scale, between)


def _read_by(walk: Reading, node: Any) -> tuple[Any, NDArray, list[Any]]:
    """The linear layer that reads all heads, which of its inputs is whose, and what moves them there."""
    end, behind = node, []
    while len(end.users) == 1 and _tracing.moves(next(iter(end.users))):
        end = next(iter(end.users))
        behind.append(end)
    last: Any = next(iter(end.users), None)
    if len(end.users) != 1 or last.op != "call_function" or operation(last) != _LINEAR or last.args[0] is not end:
        raise refusal(node, _WANTED)
    places = _tracing.places(node)
    places = places if places.dim() == 4 else places.unsqueeze(1)
    _, heads, steps, dim = places.shape
    found = _tracing.run(end, {node: places.reshape(_tracing.sizes(node))})
    is_first = found.dim() == 3 and str(end.meta["val"].shape[0]) == walk.exported.batch
    beside = places.permute(0, 2, 1, 3) if is_first else places.permute(2, 0, 1, 3)
    beside = beside.flatten(2)
    if found.shape != beside.shape:
        raise refusal(node, _WANTED)
    order = (found[0, 0] // (steps * dim)) * dim + found[0, 0] % dim  # whose head's number each is
    if not found.equal(beside[..., order]):
        raise refusal(node, _WANTED)
    return last, np.ascontiguousarray(order.argsort().numpy().reshape(heads, dim)), behind


def attended(walk: Reading, node: Any) -> Value:
    """What the last linear layer gives."""
    found = walk.attended[node]
    *sides, last = (arguments(linear) for linear in found.linears)
    reads = [walk.value(side["input"]).straight for side in sides]
    biased = {side["bias"] is not None for side in (*sides, last)}
    if len(biased) > 1:
        raise refusal(found.product, "is between linear layers of which some have biases; wanted all, or none")
    if last["weight"].meta["val"].shape[0] != reads[0].laid[-1]:
        raise refusal(found.product, f"becomes {last['weight'].meta['val'].shape[0]} features of "
                                     f"{reads[0].laid[-1]}, and as many are taken")  # fmt: skip
    weights: list[Any] = []
    for side, columns in zip(sides, found.columns[:3], strict=True):
        weights.append(_rows(walk, node, side["weight"], columns))
        if side["bias"] is not None:
            weights.append(_numbers(walk, node, side["bias"], columns))
    weights.append(_columns(walk, node, last["weight"], found.columns[3]))
    if last["bias"] is not None:
        weights.append(walk.weight(node, last["bias"]))
    keys, values = found.columns[1:3]
    return _layer(
        walk, node, reads, weights, keys, values, found.dropout, found.is_causal, True in biased, found.padding
    )
