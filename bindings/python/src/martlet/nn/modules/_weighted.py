"""Operations with weights: linear, convolution, normalization, embedding."""

from __future__ import annotations

from typing import Any

import numpy as np

from martlet.nn.basic import Dense
from martlet.nn.convolutions import Conv2DTranspose
from martlet.nn.group_normalizations import GroupNormalization
from martlet.nn.images import Conv2D
from martlet.nn.modules import _tracing
from martlet.nn.modules._attention import attended
from martlet.nn.modules._carrying import Weight
from martlet.nn.modules._exporting import operation, refusal
from martlet.nn.modules._plain import FUSED
from martlet.nn.modules._reading import Reading, Value, makes
from martlet.nn.normalizations import BatchNormalization, LayerNormalization, RMSNormalization
from martlet.nn.sequences import Conv1D, Embedding
from martlet.nn.tied import TiedDense


def _pair(value: Any) -> tuple[int, int]:
    given = [*value] if isinstance(value, list | tuple) else [value]
    return (given * 2)[0], (given * 2)[1]


def _activation(walk: Reading, node: Any) -> str | None:
    """That of the operation behind, where it alone reads this one, whose weights nothing else has: the layer computes
    it."""
    if any(len(weight.users) > 1 for weight in node.args[1:] if getattr(weight, "name", "") in walk.exported.names):
        return None
    users = list(node.users)
    name = FUSED.get(operation(users[0]).replace("_.", ".", 1)) if len(users) == 1 else None
    if name is not None and not (name == "gelu" and "tanh" in (*users[0].args, *users[0].kwargs.values())):
        walk.fused.add(users[0])
        return name
    return None


def _weights(walk: Reading, node: Any, given: dict[str, Any], axes: tuple[int, ...]) -> list[Weight]:
    """Kernel and bias."""
    found = [walk.weight(node, given["weight"], axes)]
    return found if given["bias"] is None else [*found, walk.weight(node, given["bias"])]


@makes("linear.default", any_order=True)
def _linear(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    if node in walk.attended:
        return attended(walk, node)
    table = walk.table(given["weight"])
    if table is not None:
        return _tied(walk, node, given, table)
    weights = _weights(walk, node, given, (1, 0))
    units = given["weight"].meta["val"].shape[0]
    activation = _activation(walk, node)
    layer = walk.layer(node, Dense, weights, units=units, use_bias=len(weights) > 1, activation=activation)
    return walk.value(given["input"]).straight.through(layer)


def _tied(walk: Reading, node: Any, given: dict[str, Any], table: Any) -> Value:
    """A linear layer whose weight is an embedding's table."""
    weights = [] if given["bias"] is None else [walk.weight(node, given["bias"])]
    layer = walk.layer(node, TiedDense, weights, use_bias=bool(weights))
    value = walk.value(given["input"]).straight
    return value._replace(node=layer([value.node, table.output]))


@makes("matmul.default", "mm.default", any_order=True)
def _matmul(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    """A linear layer that is written by hand: x @ weight.T, or x @ weight."""
    read, matrix = node.args[:2]
    if walk.is_constant(read) or not walk.is_constant(matrix):
        raise refusal(node, "is taken of a value and a parameter, and of two values within attention")
    owner = _tracing.source(matrix)
    name, places = walk.exported.names.get(owner.name), _tracing.places(owner)
    found = _tracing.run(matrix, {owner: places})
    if name is None or places.dim() != 2 or not (found.equal(places) or found.equal(places.T)):
        raise refusal(node, "is with something else than a parameter, or that transposed")
    is_turned = found.shape == places.T.shape and found.equal(places.T)
    table = walk.table(owner) if is_turned else None
    if table is not None:
        return _tied(walk, node, {"input": read, "bias": None}, table)
    weight = walk.weight(node, owner, (1, 0) if is_turned else None)
    layer = walk.layer(node, Dense, [weight], units=found.shape[1], use_bias=False)
    return walk.value(read).straight.through(layer)


@makes("conv2d.default", "conv2d.padding")
def _conv2d(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    weights = _weights(walk, node, given, (2, 3, 1, 0))
    filters, _, *window = given["weight"].meta["val"].shape
    layer = walk.layer(
        node, Conv2D, weights, filters=filters, kernel_size=tuple(window), strides=_pair(given["stride"]),
        padding=_padding(given["padding"], window, _pair(given["dilation"])), data_format="channels_first",
        dilation_rate=_pair(given["dilation"]), groups=given["groups"], use_bias=len(weights) > 1,
        activation=_activation(walk, node),
    )  # fmt: skip
    return Value(layer(walk.value(given["input"]).node))


def _padding(padding: Any, window: Any, dilation: tuple[int, ...]) -> Any:
    """torch's, whose "same" has the larger half behind."""
    if padding == "valid":
        return 0 if len(window) == 1 else (0, 0)
    if padding == "same":
        spans = [rate * (size - 1) for rate, size in zip(dilation, window, strict=False)]
        halves = [(span // 2, span - span // 2) for span in spans]
        return halves[0] if len(window) == 1 else tuple(halves)
    return _pair(padding)[0] if len(window) == 1 else _pair(padding)


@makes("conv1d.default", "conv1d.padding")
def _conv1d(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    weights = _weights(walk, node, given, (2, 1, 0))
    filters, _, length = given["weight"].meta["val"].shape
    dilation = _pair(given["dilation"])
    layer = walk.layer(
        node, Conv1D, weights, filters=filters, kernel_size=length, strides=_pair(given["stride"])[0],
        padding=_padding(given["padding"], [length], dilation), dilation_rate=dilation[0], groups=given["groups"],
        use_bias=len(weights) > 1, activation=_activation(walk, node),
    )  # fmt: skip
    return Value(layer(walk.value(given["input"]).turned.node), True)


@makes("conv_transpose2d.input")
def _conv_transpose2d(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    if given["groups"] != 1:
        raise refusal(node, f"has {given['groups']} groups, and 1 is taken")
    weights = _weights(walk, node, given, (2, 3, 1, 0))
    _, filters, *window = given["weight"].meta["val"].shape
    layer = walk.layer(
        node, Conv2DTranspose, weights, filters=filters, kernel_size=tuple(window), strides=_pair(given["stride"]),
        padding=_pair(given["padding"]), output_padding=_pair(given["output_padding"]), data_format="channels_first",
        dilation_rate=_pair(given["dilation"]), use_bias=len(weights) > 1, activation=_activation(walk, node),
    )  # fmt: skip
    return Value(layer(walk.value(given["input"]).node))


def _channels(value: Value) -> tuple[Value, int]:
    """A value of which a layer sees channels, and the axis that they are there."""
    if value.rank == 2:
        return value.turned, -1
    return value, 1 if value.rank == 3 else -1


def _scaled(walk: Reading, node: Any, given: dict[str, Any]) -> tuple[list[Weight], dict[str, bool]]:
    """gamma and beta."""
    names = ("weight", "bias")
    found = [walk.weight(node, given[name]) for name in names if given[name] is not None]
    return found, {"scale": given["weight"] is not None, "center": given["bias"] is not None}


@makes("batch_norm.default")
def _batch_norm(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    if given["running_mean"] is None or not given["training"]:
        raise refusal(node, "has no moving statistics of its own, or is not trained, which is not taken")
    if given["momentum"] == 0.0:
        raise refusal(node, "has a momentum of None, a mean of all batches, and a number is taken")
    weights, has = _scaled(walk, node, given)
    weights += [walk.weight(node, given[name]) for name in ("running_mean", "running_var")]
    value, axis = _channels(walk.value(given["input"]))
    layer = walk.layer(
        node, BatchNormalization, weights, axis=axis, momentum=1 - given["momentum"], epsilon=given["eps"],
        unbiased_variance=True, **has,
    )  # fmt: skip
    return value.through(layer)


@makes("group_norm.default")
def _group_norm(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    weights, has = _scaled(walk, node, given)
    value, axis = _channels(walk.value(given["input"]))
    layer = walk.layer(
        node, GroupNormalization, weights, groups=given["num_groups"], axis=axis, epsilon=given["eps"], **has
    )
    return value.through(layer)


@makes("layer_norm.default", any_order=True)
def _layer_norm(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    if len(given["normalized_shape"]) != 1:
        raise refusal(node, f"is over {len(given['normalized_shape'])} dimensions, and the last one is taken")
    weights, has = _scaled(walk, node, given)
    layer = walk.layer(node, LayerNormalization, weights, epsilon=given["eps"], **has)
    return walk.value(given["input"]).straight.through(layer)


@makes("rms_norm.default", any_order=True)
def _rms_norm(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    if len(given["normalized_shape"]) != 1:
        raise refusal(node, f"is over {len(given['normalized_shape'])} dimensions, and the last one is taken")
    if given["weight"] is None:
        raise refusal(node, "has no weight (elementwise_affine=False), and one is taken")
    epsilon = float(np.finfo(np.float32).eps) if given["eps"] is None else given["eps"]
    layer = walk.layer(node, RMSNormalization, [walk.weight(node, given["weight"])], epsilon=epsilon)
    return walk.value(given["input"]).straight.through(layer)


@makes("embedding.default")
def _embedding(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    if given["scale_grad_by_freq"]:
        raise refusal(node, "scales gradients by counts, which is not taken")
    rows, columns = given["weight"].meta["val"].shape
    weights = [walk.weight(node, given["weight"])]
    padding = None if given["padding_idx"] < 0 else given["padding_idx"]
    layer = walk.layer(node, Embedding, weights, input_dim=rows, output_dim=columns, padding_idx=padding)
    return Value(layer(walk.value(given["indices"]).node))
