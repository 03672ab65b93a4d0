"""Operations without weights: activations, pools, dropout, what puts values together, and what moves or renames
sizes."""

from __future__ import annotations

from typing import Any

import torch

from martlet.nn import _open
from martlet.nn.augmentations import Rescaling, UpSampling2D, ZeroPadding2D
from martlet.nn.basic import Activation, Dropout, Flatten, LeakyReLU, Permute, Reshape, Softmax
from martlet.nn.images import (
    AveragePooling2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    MaxPooling2D,
)
from martlet.nn.merging import Add, Concatenate, Multiply
from martlet.nn.modules._exporting import operation, refusal
from martlet.nn.modules._reading import Reading, Value, makes
from martlet.nn.sequences import AveragePooling1D, GlobalAveragePooling1D, GlobalMaxPooling1D, MaxPooling1D

FUSED = {
    f"aten.{name}.default": ours
    for name, ours in {
        "relu": "relu", "gelu": "gelu", "silu": "silu", "tanh": "tanh", "sigmoid": "sigmoid", "selu": "selu",
        "hardsigmoid": "hard_sigmoid", "mish": "mish", "exp": "exponential",
    }.items()
}  # fmt: skip
"""Activations that say all by their names."""

_FIRST = "channels_first"


@makes(*(name.removeprefix("aten.") for name in FUSED))
def _activation(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    value = walk.value(node.args[0])
    if node in walk.fused:
        return value
    if given.get("approximate", "none") != "none":
        raise refusal(node, "is approximate, and the exact one is taken")
    return value.through(Activation(FUSED[operation(node).replace("_.", ".", 1)]))


@makes("leaky_relu.default")
def _leaky_relu(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    return walk.value(node.args[0]).through(LeakyReLU(given["negative_slope"]))


@makes("elu.default", "softplus.default")
def _smooth(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    if any(given.get(name, 1) != 1 for name in ("alpha", "scale", "input_scale", "beta")):
        raise refusal(node, "has another factor than 1")
    if given.get("threshold", 20) < 20:
        raise refusal(node, f"has a threshold of {given['threshold']}, and 20 or more is taken")
    return walk.value(node.args[0]).through(Activation(operation(node).split(".")[1].rstrip("_")))


@makes("softmax.int")
def _softmax(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    value = walk.value(node.args[0]).straight
    if given["dim"] not in (-1, value.rank):
        raise refusal(node, f"is over dimension {given['dim']}, and the last one is taken")
    return value.through(Softmax())


@makes("dropout.default")
def _dropout(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    value = walk.value(node.args[0])
    if given["p"] >= 1:
        raise refusal(node, "has a rate of 1, and less is taken")
    return value.through(Dropout(given["p"])) if given["train"] and given["p"] else value


# ---- pools ----


def _sides(value: Any, other: Any, count: int) -> tuple[int, ...]:
    given = [*value] if isinstance(value, list | tuple) else [value]
    given = given or [*other]
    return tuple((given * count)[:count])


def _pool(walk: Reading, node: Any, given: dict[str, Any], kinds: tuple[Any, Any], **fields: Any) -> Value:
    """A pool over sequences or images, by its first or second class."""
    value = walk.value(node.args[0])
    count = 1 if operation(node).split(".")[1].endswith("1d") else 2
    if given["ceil_mode"] or any(rate != 1 for rate in _sides(given.get("dilation", 1), [1], count)):
        raise refusal(node, "has ceil_mode or a dilation, which is not taken")
    if value.rank != count + 1:
        raise refusal(node, f"reads samples of {value.rank} dimensions, and {count + 1} are taken")
    window = _sides(given["kernel_size"], [1], count)
    if not any(_sides(given["padding"], [0], count)) and window == _pixels(value):
        return _global(value, kinds[0] is AveragePooling1D)
    how: dict[str, Any] = {"pool_size": window, "strides": _sides(given["stride"], window, count)}
    how["padding"] = _sides(given["padding"], [0], count)
    if count == 1:
        how["padding"] = how["padding"][0]
        return value.turned.through(kinds[0](**how, **fields))
    return value.through(kinds[1](**how, data_format=_FIRST, **fields))


def _pixels(value: Value) -> tuple[int, ...]:
    """The sizes of a sequence or an image, as torch has it, without its channels."""
    sizes = _open.at(value.node.sizes)
    return sizes[:1] if value.is_turned else sizes[1:]


def _global(value: Value, is_mean: bool) -> Value:
    """One place of the mean, or the largest, of all."""
    if value.rank == 2:
        return value.turned.through((GlobalAveragePooling1D if is_mean else GlobalMaxPooling1D)(keepdims=True))
    return value.through((GlobalAveragePooling2D if is_mean else GlobalMaxPooling2D)(_FIRST, keepdims=True))


@makes("max_pool1d.default", "max_pool2d.default")
def _max_pool(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    return _pool(walk, node, given, (MaxPooling1D, MaxPooling2D))


@makes("avg_pool1d.default", "avg_pool2d.default")
def _average_pool(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    if given.get("divisor_override") is not None:
        raise refusal(node, "has a divisor of its own, which is not taken")
    has_border = any(_sides(given["padding"], [0], 2))
    counts = bool(given["count_include_pad"]) and has_border
    if counts and operation(node) == "aten.avg_pool1d.default":
        raise refusal(node, "counts zeros at the border, which over sequences is not taken")
    fields = {"count_padding": True} if counts else {}
    return _pool(walk, node, given, (AveragePooling1D, AveragePooling2D), **fields)


@makes("adaptive_avg_pool2d.default", "adaptive_avg_pool1d.default", "adaptive_max_pool1d.default",
       "adaptive_max_pool2d.default")  # fmt: skip
def _adaptive_pool(walk: Reading, node: Any, given: dict[str, Any]) -> Any:
    value, wanted = walk.value(node.args[0]), [*given["output_size"]]
    is_mean = "avg" in operation(node)
    sizes = _pixels(value)
    wanted = [size if part is None else part for size, part in zip(sizes, wanted, strict=True)]
    if value.rank == len(wanted) + 1 and set(wanted) == {1}:
        return _global(value, is_mean)
    if any(size % part for size, part in zip(sizes, wanted, strict=True)):
        raise refusal(node, f"makes {wanted} of {[*sizes]}, and equal parts are taken")
    window = tuple(size // part for size, part in zip(sizes, wanted, strict=True))
    if all(size == 1 for size in window):
        return value
    if value.rank == 3:
        two = AveragePooling2D if is_mean else MaxPooling2D
        return value.through(two(window, data_format=_FIRST))
    return value.turned.through((AveragePooling1D if is_mean else MaxPooling1D)(window))


@makes("mean.dim", "amax.default", "max.dim")
def _reduced(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    value = walk.value(node.args[0])
    given_dim = given["dim"]
    dims = [dim % (value.rank + 1) for dim in (given_dim if isinstance(given_dim, list | tuple) else [given_dim])]
    is_mean, keeps = operation(node) == "aten.mean.dim", bool(given["keepdim"])
    if value.rank == 3 and sorted(dims) == [2, 3]:
        return Value((GlobalAveragePooling2D if is_mean else GlobalMaxPooling2D)(_FIRST, keeps)(value.node))
    if value.rank == 2 and dims in ([1], [2]):
        # What is reduced has to lie first.
        read = value.turned if dims == [2] else value.straight
        kind = GlobalAveragePooling1D if is_mean else GlobalMaxPooling1D
        return Value(kind(keepdims=keeps)(read.node), keeps and dims == [2])
    raise refusal(node, f"is over dimensions {dims} of {value.rank + 1}; taken are an image's pixels and a sequence's "
                        "places")  # fmt: skip


# ---- several values ----


def _merged(walk: Reading, node: Any, given: dict[str, Any], kind: Any) -> Value:
    """Two values of one shape, or a value and a number."""
    first, second = node.args[0], node.args[1]
    if not hasattr(first, "op") or not hasattr(second, "op"):
        raise refusal(node, "is not taken of what it reads")
    values = [walk.value(first), walk.value(second)]
    if any(value.is_turned for value in values):
        values = [value.turned for value in values]
    if values[0].node.sizes != values[1].node.sizes:
        raise refusal(
            node, f"reads samples of {values[0].node.sizes} and {values[1].node.sizes}, and one shape is taken"
        )
    nodes = [value.node for value in values]
    if nodes[0] is nodes[1] and kind is Add:
        return values[0].through(Rescaling(2.0))
    return Value(kind()(nodes), values[0].is_turned)


@makes("add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor", "add.Scalar", "mul.Scalar", "div.Scalar", "sub.Scalar")
def _arithmetic(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
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


@makes("rsub.Scalar")
def _from_number(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    _refuse_integers(node)
    return walk.value(node.args[0]).through(Rescaling(-float(given["alpha"]), float(given["other"])))


@makes("neg.default")
def _negative(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    _refuse_integers(node)
    return walk.value(node.args[0]).through(Rescaling(-1.0))


@makes("cat.default")
def _cat(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    values = [walk.value(one) for one in given["tensors"]]
    if len(values) == 1:
        return values[0]
    is_turned = all(value.is_turned for value in values)
    values = values if is_turned else [value.straight for value in values]
    dim = given["dim"] % (values[0].rank + 1)
    if dim == 0:
        raise refusal(node, "puts samples behind one another, which is not taken")
    return Value(Concatenate(3 - dim if is_turned else dim)([value.node for value in values]), is_turned)


# ---- sizes ----


@makes("view.default", "reshape.default", "flatten.using_ints", "unsqueeze.default", "squeeze.dim", "squeeze.dims",
       "squeeze.default", "unflatten.int")  # fmt: skip
def _renamed(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    sizes, value = walk.exported.sizes(node) or (1,), walk.value(node.args[0])
    if sizes == value.sizes:
        return value
    if 1 not in value.sizes:  # else the order is the same
        value = value.straight
    return Value((Flatten() if len(sizes) == 1 else Reshape(sizes))(value.node))


@makes("transpose.int", "permute.default")
def _moved(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    value = walk.value(node.args[0])
    dims = [*range(value.rank + 1)]
    if "dims" in given:
        dims = [dim % len(dims) for dim in given["dims"]]
    else:
        first, second = (given[name] % len(dims) for name in ("dim0", "dim1"))
        dims[first], dims[second] = second, first
    if dims[0] != 0:
        raise refusal(node, "moves the samples' dimension, which is not taken")
    if dims == sorted(dims):
        return value
    if value.rank == 2:
        return Value(value.node, not value.is_turned)
    return Value(Permute(tuple(dims[1:]))(value.node))


@makes("contiguous.default", "clone.default", "alias.default", "_to_copy.default", "to.dtype")
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
    now = _open.at(value.node.sizes)[1:]
    times = [then // before for then, before in zip(sizes[1:], now, strict=True)]
    if [before * factor for before, factor in zip(now, times, strict=True)] != [*sizes[1:]]:
        raise refusal(node, "makes an image of sizes that are no multiples")
    return value.through(UpSampling2D(tuple(times), _FIRST))
