"""Operations without weights: activations, dropout, what puts values together, and what moves or renames
sizes."""

from __future__ import annotations

from typing import Any

import torch

from martlet.nn.augmentations import Rescaling, UpSampling2D, ZeroPadding2D
from martlet.nn.basic import Activation, Dropout, Flatten, LeakyReLU, Permute, Reshape, Softmax
from martlet.nn.merging import Add, Concatenate, Multiply
from martlet.nn.modules._exporting import operation, refusal
from martlet.nn.modules._means import mean
from martlet.nn.modules._parts import Columns, beside, halves
from martlet.nn.modules._positions import placed
from martlet.nn.modules._reading import Flat, LogSoftmax, Reading, Value, is_flat, makes

FUSED = {
    f"aten.{name}.default": ours
    for name, ours in {
        "relu": "relu", "gelu": "gelu", "silu": "silu", "tanh": "tanh", "sigmoid": "sigmoid", "selu": "selu",
        "hardsigmoid": "hard_sigmoid", "mish": "mish", "exp": "exponential",
    }.items()
}  # fmt: skip
"""Activations that say all by their names."""

_FIRST = "channels_first"


@makes(*(name.removeprefix("aten.") for name in FUSED), any_order=True)
def _activation(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    value = walk.value(node.args[0])
    if node in walk.fused:
        return value
    if given.get("approximate", "none") != "none":
        raise refusal(node, "is approximate, and the exact one is taken")
    return value.through(Activation(FUSED[operation(node).replace("_.", ".", 1)]))


@makes("leaky_relu.default", any_order=True)
def _leaky_relu(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    return walk.value(node.args[0]).through(LeakyReLU(given["negative_slope"]))


@makes("elu.default", "softplus.default", any_order=True)
def _smooth(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    if any(given.get(name, 1) != 1 for name in ("alpha", "scale", "input_scale", "beta")):
        raise refusal(node, "has another factor than 1")
    if given.get("threshold", 20) < 20:
        raise refusal(node, f"has a threshold of {given['threshold']}, and 20 or more is taken")
    return walk.value(node.args[0]).through(Activation(operation(node).split(".")[1].rstrip("_")))


@makes("softmax.int", any_order=True)
def _softmax(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    value = walk.value(node.args[0]).straight
    if given["dim"] not in (-1, value.rank):
        raise refusal(node, f"is over dimension {given['dim']}, and the last one is taken")
    return value.through(Softmax())


@makes("log_softmax.int", any_order=True)
def _log_softmax(walk: Reading, node: Any, given: dict[str, Any]) -> LogSoftmax:
    value = walk.value(node.args[0]).straight
    if given["dim"] not in (-1, value.rank):
        raise refusal(node, f"is over dimension {given['dim']}, and the last one is taken")
    return LogSoftmax(node, value)


@makes("hardtanh.default", "relu6.default", any_order=True)
def _bounded(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    """high - relu(high - low - relu(x - low))."""
    low, high = float(given.get("min_val", 0)), float(given.get("max_val", 6))
    above = walk.value(node.args[0]).through(Rescaling(1.0, -low)).through(Activation("relu"))
    return above.through(Rescaling(-1.0, high - low)).through(Activation("relu")).through(Rescaling(-1.0, high))


@makes("glu.default", any_order=True)
def _glu(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    first, second = (one.taken() for one in halves(walk, node, given["dim"]))
    return first._replace(node=Multiply()([first.node, second.through(Activation("sigmoid")).node]))


@makes("dropout.default", any_order=True)
def _dropout(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    value = walk.value(node.args[0])
    if given["p"] >= 1:
        raise refusal(node, "has a rate of 1, and less is taken")
    return value.through(Dropout(given["p"])) if given["train"] and given["p"] else value


# ---- several values ----


def _merged(walk: Reading, node: Any, given: dict[str, Any], kind: Any) -> Value:
    """Two values of one shape, or a value and a number."""
    first, second = node.args[0], node.args[1]
    if not hasattr(first, "op") or not hasattr(second, "op"):
        raise refusal(node, "is not taken of what it reads")
    if kind is Add and walk.is_constant(first) != walk.is_constant(second):
        value, table = (second, first) if walk.is_constant(first) else (first, second)
        return placed(walk, node, walk.value(value), table)
    values = [walk.value(first), walk.value(second)]
    if any(value.is_turned for value in values):
        values = [value.turned for value in values]
    if values[0].is_second != values[1].is_second:
        raise refusal(node, "reads (steps, samples, features) and samples that are first, and one order is taken")
    if values[0].laid != values[1].laid:
        raise refusal(node, f"reads samples of {values[0].laid} and {values[1].laid}, and one shape is taken")
    nodes = [value.node for value in values]
    if nodes[0] is nodes[1] and kind is Add:
        return values[0].through(Rescaling(2.0))
    return values[0]._replace(node=kind()(nodes))


@makes(
    "add.Tensor",
    "sub.Tensor",
    "mul.Tensor",
    "div.Tensor",
    "add.Scalar",
    "mul.Scalar",
    "div.Scalar",
    "sub.Scalar",
    any_order=True,
)
def _arithmetic(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    if node in walk.means:
        return mean(walk, node)
    _refuse_integers(node)
    kind, other = operation(node).split(".")[1].rstrip("_"), node.args[1]
    alpha = given.get("alpha", 1)
    if isinstance(other, int | float):
        if kind == "div" and not other:
            raise refusal(node, "is by 0, which is not taken")
        number = float(other) * (alpha if kind in ("add", "sub") else 1)
        if kind in ("add", "sub"):
            return walk.value(node.args[0]).through(Rescaling(1.0, number if kind == "add" else -number))
        return walk.value(node.args[0]).through(Rescaling(number if kind == "mul" else 1 / number))
    if kind == "mul":
        return _merged(walk, node, given, Multiply)
    if kind == "add" and alpha == 1:
        return _merged(walk, node, given, Add)
    raise refusal(node, "of two values is not taken; sums and products are")


def _refuse_integers(node: Any) -> None:
    """Refuses arithmetic that wraps and has no fractions, which layers do in float32."""
    kind = node.meta["val"].dtype
    if kind != torch.float32:
        raise refusal(node, f"gives numbers of {kind}, and float32 is taken, as x.float() before it makes them")


@makes("rsub.Scalar", any_order=True)
def _from_number(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    _refuse_integers(node)
    return walk.value(node.args[0]).through(Rescaling(-float(given["alpha"]), float(given["other"])))


@makes("neg.default", any_order=True)
def _negative(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    _refuse_integers(node)
    return walk.value(node.args[0]).through(Rescaling(-1.0))


@makes("cat.default", any_order=True)
def _cat(walk: Reading, node: Any, given: dict[str, Any]) -> Any:
    found: list[Any] = [walk.values.get(one) for one in given["tensors"]]
    if all(isinstance(one, Columns) for one in found) and given["dim"] in (1, -1):
        return beside(found)
    values = [walk.value(one) for one in given["tensors"]]
    if len(values) == 1:
        return values[0]
    is_turned, is_second = all(value.is_turned for value in values), values[0].is_second
    values = values if is_turned else [value.straight for value in values]
    if any(value.is_second != is_second for value in values):
        raise refusal(node, "reads (steps, samples, features) and samples that are first, and one order is taken")
    dim = given["dim"] % (values[0].rank + 1)
    if is_second and dim < 2:
        dim = 1 - dim
    if dim == 0:
        raise refusal(node, "puts samples behind one another, which is not taken")
    return Value(Concatenate(3 - dim if is_turned else dim)([value.node for value in values]), is_turned, is_second)


# ---- sizes ----


@makes("view.default", "reshape.default", "flatten.using_ints", "unsqueeze.default", "squeeze.dim", "squeeze.dims",
       "squeeze.default", "unflatten.int", any_order=True)  # fmt: skip
def _renamed(walk: Reading, node: Any, given: dict[str, Any]) -> Any:
    value = walk.value(node.args[0])
    if value.is_second or _is_led(walk, node, value):
        return _led(walk, node, value)
    if is_flat(walk, node, value):
        return Flat(value)
    sizes = walk.exported.sizes(node) or (1,)
    if sizes == value.sizes:
        return value
    if 1 not in value.sizes:  # else the order is the same
        value = value.straight
    return Value((Flatten() if len(sizes) == 1 else Reshape(sizes))(value.node))


def _is_led(walk: Reading, node: Any, value: Value) -> bool:
    """Whether an operation puts one step before the samples."""
    return value.rank == 1 and [*map(str, node.meta["val"].shape)] == ["1", walk.exported.batch, str(value.laid[0])]


def _led(walk: Reading, node: Any, value: Value) -> Value:
    """One step before the samples, or what was one without it."""
    if not value.is_second:
        return Value(Reshape((1, *value.laid))(value.node), False, True)
    shape = [*map(str, node.meta["val"].shape)]
    if shape[1:] == [walk.exported.batch, str(value.laid[1])] and shape[0] == str(value.laid[0]):
        return value
    if value.laid[0] != 1 or shape != [walk.exported.batch, str(value.laid[1])]:
        raise refusal(node, "is not taken of (steps, samples, features), but where it drops the one step")
    return Value(Flatten()(value.node))


@makes("transpose.int", "permute.default", any_order=True)
def _moved(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    value = walk.value(node.args[0])
    dims = [*range(value.rank + 1)]
    if "dims" in given:
        dims = [dim % len(dims) for dim in given["dims"]]
    else:
        first, second = (given[name] % len(dims) for name in ("dim0", "dim1"))
        dims[first], dims[second] = second, first
    if value.rank == 2 and dims == [1, 0, 2] and not value.is_turned:
        return value._replace(is_second=not value.is_second)
    if dims[0] != 0 or value.is_second:
        raise refusal(node, "moves the samples' dimension, which is not taken")
    if dims == sorted(dims):
        return value
    if value.rank == 2:
        return Value(value.node, not value.is_turned)
    return Value(Permute(tuple(dims[1:]))(value.node))


@makes("contiguous.default", "clone.default", "alias.default", "_to_copy.default", "to.dtype", any_order=True)
def _same(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    asked = given.get("dtype")
    if asked is not None and str(asked) != "torch.float32":
        raise refusal(node, f"makes numbers of {asked}, and float32 is taken")
    return walk.value(node.args[0])


@makes("pad.default", "constant_pad_nd.default")
def _pad(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    value, pads = walk.value(node.args[0]), [*given["pad"]]
    if given.get("mode", "constant") != "constant" or given.get("value") not in (None, 0, 0.0):
        raise refusal(node, "pads with other numbers than zeros")
    if value.rank != 3 or len(pads) != 4 or min(pads) < 0:
        raise refusal(node, "pads otherwise than around an image")
    return value.through(ZeroPadding2D(((pads[2], pads[3]), (pads[0], pads[1])), _FIRST))


@makes("upsample_nearest2d.vec", "upsample_nearest2d.default")
def _upsampled(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    value, sizes = walk.value(node.args[0]), walk.exported.sizes(node)
    now = value.laid[1:]
    times = [then // before for then, before in zip(sizes[1:], now, strict=True)]
    if [before * factor for before, factor in zip(now, times, strict=True)] != [*sizes[1:]]:
        raise refusal(node, "makes an image of sizes that are no multiples")
    return value.through(UpSampling2D(tuple(times), _FIRST))
