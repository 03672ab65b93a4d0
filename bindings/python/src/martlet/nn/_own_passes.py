"""A layer of one's own over a batch: arrays at addresses that the library tells, and what its methods give, checked.

own_layers.py has the layers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from martlet import _arguments, _ffi_models, _memory
from martlet._errors import ArgumentError, DTypeError, ShapeError
from martlet._model import Model
from martlet._records import OwnPass
from martlet.nn._matching import NDArray
from martlet.nn.initializers import Initializer

if TYPE_CHECKING:
    from martlet.nn.own_layers import OwnLayer

Shape = tuple[int, ...]


class Weight(NamedTuple):
    """What add_weight gives: as an attribute of its layer it is the array."""

    place: int
    name: str
    shape: Shape
    initial: Initializer | NDArray

    @property
    def size(self) -> int:
        return prod(self.shape)

    def drawn(self, seed: int) -> NDArray:
        """The values with which it begins: the library's, for a kernel of as many columns as the last size."""
        if not isinstance(self.initial, Initializer):
            return self.initial
        columns = self.shape[-1] if self.shape else 1
        model = Model((self.size // columns,), seed)
        number, value = self.initial
        fields = {"units": columns, "flags": _ffi_models.NO_BIAS, "kernel_initializer": number, "kernel_value": value}
        model.add(_ffi_models.LAYER_DENSE, "weight", fields)
        return _array(*model.buffer(_ffi_models.BUFFER_PARAMETERS), model).reshape(self.shape).copy()


def parted(weights: Sequence[Weight], flat: NDArray) -> list[NDArray]:
    """The weights that lie one behind the other."""
    found, offset = [], 0
    for weight in weights:
        found.append(flat[offset : offset + weight.size].reshape(weight.shape))
        offset += weight.size
    return found


class _Inside(threading.local):
    """Whose method a thread is inside of, and the layer's weights there."""

    layer: Any = None
    weights: Sequence[NDArray] = ()


_INSIDE = _Inside()


@contextmanager
def inside(layer: OwnLayer, weights: Sequence[NDArray]) -> Iterator[None]:
    """Where the weights of a layer are these, to read."""
    for weight in weights:
        weight.flags.writeable = False
    before = _INSIDE.layer, _INSIDE.weights
    _INSIDE.layer, _INSIDE.weights = layer, weights
    try:
        yield
    finally:
        _INSIDE.layer, _INSIDE.weights = before


def weights_of(layer: OwnLayer) -> Sequence[NDArray]:
    """A layer's weights as its methods see them, or where they lie."""
    return _INSIDE.weights if _INSIDE.layer is layer else layer.weights


def called(layer: OwnLayer, x: list[NDArray], *, training: bool) -> NDArray:
    """What a layer's call gives."""
    told = {"training": training} if layer._hears_training else {}
    return numbers(layer.call(x if len(x) > 1 else x[0], **told), f"call of {layer!r}")


def run(layer: OwnLayer, weights: Sequence[Weight], told: OwnPass, shapes: list[Shape], sizes: Shape) -> None:
    """Computes a layer over a batch, forward or back. It reads samples of shapes, and gives such of sizes."""
    places = zip(told.inputs, shapes, strict=True)
    x = [_batch(told, address, one) for address, one in places]
    count = sum(weight.size for weight in weights)
    with inside(layer, parted(weights, _array(told.weights, count, told.hold))):
        if told.out:
            out = called(layer, x, training=told.training)
            if out.shape != (told.batch, *sizes):
                raise ShapeError(f"call of {layer!r} gave shape {out.shape} for {told.batch} samples of "
                                 f"{listed(shapes)}; wanted {(told.batch, *sizes)}")  # fmt: skip
            with np.errstate(over="ignore"):
                _array(told.out, out.size)[:] = out.reshape(-1)
            return
        slopes = _batch(told, told.slopes, sizes)
        is_finite = bool(np.isfinite(slopes).all())
        answer = layer.gradient(x if len(x) > 1 else x[0], slopes)
    of_inputs, of_weights = _answered(layer, weights, answer, len(x))
    wanted = [("x" if len(x) == 1 else f"x[{place}]", (told.batch, *one)) for place, one in enumerate(shapes)]
    found = [
        _slopes(layer, given, where, shape, is_finite)
        for given, (where, shape) in zip(
            [*of_inputs, *of_weights], [*wanted, *((f"weight {one.name!r}", one.shape) for one in weights)], strict=True
        )
    ]
    for one, address in zip(found, told.input_slopes, strict=False):
        if address:
            _array(address, one.size)[:] = one.reshape(-1)
    if told.weight_slopes and weights:
        _array(told.weight_slopes, count)[:] = np.concatenate([one.reshape(-1) for one in found[len(x) :]])


def _answered(
    layer: OwnLayer, weights: Sequence[Weight], answer: Any, inputs: int
) -> tuple[Sequence[Any], Sequence[Any]]:
    """What a layer's gradient gave for what it reads, and for its weights."""
    of_weights: Any = []
    if weights:
        names = _arguments.listed(weight.name for weight in weights)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise DTypeError(f"gradient of {layer!r} gave {_kind(answer)}; wanted a pair: slopes by x, and a list of "
                             f"slopes by its weights, {names}")  # fmt: skip
        answer, of_weights = answer
        if not isinstance(of_weights, tuple | list) or len(of_weights) != len(weights):
            raise DTypeError(f"gradient of {layer!r} gave {_kind(of_weights)} for its weights; wanted a list of "
                             f"{len(weights)}: {names}")  # fmt: skip
    if inputs == 1:
        return [answer], of_weights
    if not isinstance(answer, tuple | list) or len(answer) != inputs:
        raise DTypeError(f"gradient of {layer!r} gave {_kind(answer)} for x; wanted a list of {inputs}, as many as it "
                         "reads")  # fmt: skip
    return answer, of_weights


def _slopes(layer: OwnLayer, given: Any, where: str, shape: Shape, is_finite: bool) -> NDArray:
    """Some of what gradient gave, in float32. is_finite: whether the slopes that it was given are."""
    found = numbers(given, f"gradient of {layer!r}")
    if found.shape != shape:
        raise ShapeError(f"gradient of {layer!r} gave shape {found.shape} for {where}; wanted {shape}")
    with np.errstate(over="ignore"):
        found = np.asarray(found, np.float32)
    if is_finite and not np.isfinite(found).all():
        raise ArgumentError(f"gradient of {layer!r} gave slopes for {where} that are not finite in float32; wanted "
                            "finite ones, as those that it was given")  # fmt: skip
    return found


def numbers(given: Any, where: str) -> NDArray:
    try:
        found = np.asarray(given)
    except (TypeError, ValueError):
        found = np.empty(0, object)
    if found.dtype.kind not in "fiub":
        raise DTypeError(f"{where} gave {_kind(given)}; wanted an array of numbers")
    return found


def _kind(given: Any) -> str:
    if isinstance(given, np.ndarray):
        return f"an array of {given.dtype}"
    return f"a {type(given).__name__} of {len(given)}" if isinstance(given, tuple | list) else f"{given!r:.80}"


def listed(shapes: Sequence[Shape]) -> str:
    return ", ".join(map(str, shapes))


def _batch(told: OwnPass, address: int, sizes: Shape) -> NDArray:
    """A copy of a batch, which its user may keep."""
    return _array(address, told.batch * prod(sizes)).reshape(told.batch, *sizes).copy()


def _array(address: int, count: int, owner: object = None) -> NDArray:
    """Foreign floats, where they lie."""
    return np.frombuffer(_memory.floats(address, count, owner), np.float32) if count else np.empty(0, np.float32)
