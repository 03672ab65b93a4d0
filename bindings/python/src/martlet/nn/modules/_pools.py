"""Operations that make one number of several: pools, means and largest elements."""

from __future__ import annotations

from typing import Any

from martlet.nn.images import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from martlet.nn.modules._exporting import operation, refusal
from martlet.nn.modules._reading import Reading, Value, makes
from martlet.nn.sequences import AveragePooling1D, GlobalAveragePooling1D, GlobalMaxPooling1D, MaxPooling1D

_FIRST = "channels_first"


def _sides(value: Any, other: Any, count: int) -> tuple[int, ...]:
    given = [*value] if isinstance(value, list | tuple) else [value]
    given = given or [*other]
    return tuple((given * count)[:count])


def _pool(walk: Reading, node: Any, given: dict[str, Any], kinds: tuple[Any, Any], **fields: Any) -> Value:
    """A pool over sequences or images, by its first or second class."""
    value = walk.value(node.args[0])
    count = 1 if operation(node).split(".")[1].endswith("1d") else 2
    if any(rate != 1 for rate in _sides(given.get("dilation", 1), [1], count)):
        raise refusal(node, "has a dilation, which is not taken")
    if value.rank != count + 1:
        raise refusal(node, f"reads samples of {value.rank} dimensions, and {count + 1} are taken")
    window = _sides(given["kernel_size"], [1], count)
    if not any(_sides(given["padding"], [0], count)) and window == _pixels(value):
        return _global(value, kinds[0] is AveragePooling1D)
    how: dict[str, Any] = {"pool_size": window, "strides": _sides(given["stride"], window, count)}
    how["padding"] = _sides(given["padding"], [0], count)
    if given["ceil_mode"]:
        how["padding"] = _reaching(walk, node, value, how)
    if count == 1:
        how["padding"] = how["padding"][0]
        return value.turned.through(kinds[0](**how, **fields))
    return value.through(kinds[1](**how, data_format=_FIRST, **fields))


def _reaching(walk: Reading, node: Any, value: Value, how: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    """Borders before and behind, so that the last window is there which begins inside."""
    found = []
    places = walk.exported.sizes(node)[1:]
    for border, size, window, stride, count in zip(
        how["padding"], _pixels(value), how["pool_size"], how["strides"], places, strict=True
    ):
        more = (count - 1) * stride + window - size - 2 * border
        found.append((border, border + max(more, 0)))
    return tuple(found)


def _pixels(value: Value) -> tuple[int, ...]:
    """The sizes of a sequence or an image, as torch has it, without its channels."""
    return value.laid[:1] if value.is_turned else value.laid[1:]


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
    if counts and given["ceil_mode"]:
        raise refusal(node, "counts zeros at the border with ceil_mode, which is not taken")
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


@makes("mean.dim", "amax.default", "max.dim", any_order=True)
def _reduced(walk: Reading, node: Any, given: dict[str, Any]) -> Value:
    value = walk.value(node.args[0])
    given_dim = given["dim"]
    dims = [dim % (value.rank + 1) for dim in (given_dim if isinstance(given_dim, list | tuple) else [given_dim])]
    is_mean, keeps = operation(node) == "aten.mean.dim", bool(given["keepdim"])
    if value.is_second and dims == [0] and not keeps:
        return Value((GlobalAveragePooling1D if is_mean else GlobalMaxPooling1D)()(value.node))
    if value.is_second:
        raise refusal(node, f"is over dimensions {dims} of (steps, samples, features), and its steps are taken")
    if value.rank == 3 and sorted(dims) == [2, 3]:
        return Value((GlobalAveragePooling2D if is_mean else GlobalMaxPooling2D)(_FIRST, keeps)(value.node))
    if value.rank == 2 and dims in ([1], [2]):
        # What is reduced has to lie first.
        read = value.turned if dims == [2] else value.straight
        kind = GlobalAveragePooling1D if is_mean else GlobalMaxPooling1D
        return Value(kind(keepdims=keeps)(read.node), keeps and dims == [2])
    raise refusal(node, f"is over dimensions {dims} of {value.rank + 1}; taken are an image's pixels and a sequence's "
                        "places")  # fmt: skip
