"""Tensors at the boundary: what a parameter, a gradient and a moment must be before their addresses are taken.

Refusals name the tensor, what it is, and what to do. Complex tensors pass as pairs of reals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import torch
from torch import Tensor

from martlet import _ffi, _ffi_optimizers, _small
from martlet._algorithms import Slots
from martlet._call import Item, RowNumbers, state_layouts
from martlet._errors import DTypeError, MartletError, OverlapError, ShapeError, UnsupportedError
from martlet._layout import Layout, layouts

DTYPES = {
    torch.float64: _ffi.FP64,
    torch.float32: _ffi.FP32,
    torch.bfloat16: _ffi.BF16,
    torch.float16: _ffi.FP16,
}
# What state_dtype may say in words, and the type of what is not kept in few bits then; None: a parameter's own.
STATE_NAMES = {
    "fp64": torch.float64,
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    **dict.fromkeys(_small.BITS),
}
# A complex number is a pair of reals: torch treats it so in Adam, too.
PAIRS = {torch.complex128: _ffi.FP64, torch.complex64: _ffi.FP32, torch.complex32: _ffi.FP16}
_is_functorchs = getattr(getattr(torch._C, "_functorch", None), "is_functorch_wrapped_tensor", lambda tensor: False)
_WANTED = "float64, float32, bfloat16, float16 or complex"
in_inference_mode = torch.is_inference_mode_enabled
_PLAIN_DISPATCH = torch.Tensor.__torch_dispatch__


class NoMemoryError(UnsupportedError):
    """A tensor whose numbers are nowhere that a native call could use, while torch's operations can. why: without the
    remedy."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(f"{why}; {remedy}")
        self.why = why


class InferenceError(UnsupportedError):
    """A tensor of inference mode that would be written outside of it, which torch refuses too."""


def check_tensor(tensor: Tensor, name: str) -> None:
    """A dense CPU tensor of a served type, with memory of its own: NoMemoryError where torch could do without."""
    if not isinstance(tensor, Tensor):
        raise DTypeError(f"{name} is a {type(tensor).__name__}; wanted a tensor")
    if tensor.layout != torch.strided:
        raise NoMemoryError(f"{name} has layout {tensor.layout}", "wanted torch.strided: tensor.to_dense()")
    if not tensor.is_cpu:
        raise NoMemoryError(
            f"{name} is on device {str(tensor.device)!r}", "martlet.torch steps on the CPU: move it, tensor.cpu()"
        )
    if tensor.dtype not in DTYPES and tensor.dtype not in PAIRS:
        raise DTypeError(f"{name} has dtype {tensor.dtype}; wanted {_WANTED}: convert it, tensor.float()")
    if type(tensor).__torch_dispatch__ is not _PLAIN_DISPATCH or _is_functorchs(tensor):
        raise NoMemoryError(
            f"{name} is a {type(tensor).__name__}, a tensor subclass without plain memory",
            "give its local, plain tensor",
        )
    check_memory(tensor, name)


def has_memory(*tensors: Tensor | None) -> bool:
    """Whether native calls can use these tensors."""
    try:
        for tensor in tensors:
            if tensor is not None:
                check_parameter(tensor, "")
    except MartletError:
        return False
    return True


def check_memory(tensor: Tensor, name: str) -> None:
    """Its storage has all the bytes that its sizes and strides reach."""
    if not tensor.numel() or tensor._is_zerotensor():
        return
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    needed = (tensor.storage_offset() + last + 1) * tensor.itemsize
    held = tensor.untyped_storage().nbytes()
    if held < needed or not tensor.data_ptr():
        raise ShapeError(
            f"{name} has a storage of {held} bytes, and its sizes and strides reach {needed}: it was freed or shrunk, "
            "as offloading does; bring its values back before step()"
        )


def check_written(tensor: Tensor, name: str) -> None:
    """As check_tensor, and no element stands for several; see check_mode."""
    check_tensor(tensor, name)
    check_mode(tensor, name)
    strides = zip(tensor.shape, tensor.stride(), strict=True)
    if tensor.numel() and any(size > 1 and stride == 0 for size, stride in strides):
        raise OverlapError(
            f"{name} is expanded (sizes {tuple(tensor.shape)}, strides {tensor.stride()}), so writing one element "
            "writes many; give a tensor of its own: tensor.clone()"
        )


def check_mode(tensor: Tensor, name: str) -> None:
    """It may be written in the mode that is entered."""
    if tensor.is_inference() and not in_inference_mode():
        raise InferenceError(
            f"Inplace update to inference tensor outside InferenceMode is not allowed: {name} was made inside of "
            "torch.inference_mode(). Step inside of it too, or make a clone to get a normal tensor: tensor.clone()"
        )


def check_parameter(parameter: Tensor, name: str) -> None:
    check_written(parameter, name)
    if parameter.is_conj() or parameter.is_neg():
        raise NoMemoryError(f"{name} is lazily conjugated or negated", "give tensor.resolve_conj().resolve_neg()")


def check_shape(
    tensor: Tensor, name: str, parameter: Tensor, remedy: str, shape: tuple[int, ...] | None = None
) -> None:
    """The parameter's shape or another one, and complex where it is."""
    if tensor.shape != (parameter.shape if shape is None else shape):
        wanted = "" if shape is None else f", which wants {shape}"
        raise ShapeError(
            f"{name} has shape {tuple(tensor.shape)}, and the parameter has {tuple(parameter.shape)}{wanted}: {remedy}"
        )
    if tensor.is_complex() != parameter.is_complex():
        raise DTypeError(f"{name} has dtype {tensor.dtype}, and the parameter has {parameter.dtype}: {remedy}")


def check_small(tensor: Tensor, slot: str, slots: Slots, parameter: Tensor, name: str, remedy: str) -> _small.Small:
    """The type of state that is kept in few bits: codes and scales in one tensor of bytes."""
    small = None if parameter.is_complex() else slots.small_of(slot, tensor.numel(), parameter.shape)
    if small is None or tensor.dim() != 1:
        raise ShapeError(
            f"{name} is uint8 of shape {tuple(tensor.shape)}, which is no state of 16, 8 or 4 bits for a parameter of "
            f"{tuple(parameter.shape)}: {remedy}"
        )
    if not tensor.is_cpu or tensor.layout != torch.strided or not tensor.is_contiguous():
        raise UnsupportedError(f"{name} is not contiguous memory of the CPU; give tensor.cpu().contiguous()")
    check_memory(tensor, name)
    check_mode(tensor, name)
    if tensor.data_ptr() % 4:
        raise UnsupportedError(f"{name} is at an address that is no multiple of 4; give tensor.clone()")
    return small


def refuse_sparse(gradient: Tensor, name: str, title: str) -> None:
    """As torch's class does, in its words."""
    if gradient.is_sparse:
        raise UnsupportedError(
            f"{title} does not support sparse gradients, please consider SparseAdam instead: the gradient of {name} is "
            "sparse; use Embedding(sparse=False)"
        )


def readable(gradient: Tensor | None, parameter: Tensor, name: str) -> Tensor | None:
    """The gradient itself, or where its memory is not what it shows (lazy conjugates, negatives, zeros) a copy."""
    if gradient is None:
        return None
    name = f"the gradient of {name}"
    check_tensor(gradient, name)
    check_shape(gradient, name, parameter, "set it to None, and let backward() make it anew")
    if gradient.is_conj() or gradient.is_neg() or gradient._is_zerotensor():
        return gradient.detach().resolve_conj().resolve_neg().clone()
    return gradient


def squares(tensors: Sequence[Tensor]) -> list[float]:
    """The sum of the squares of each one's elements, in fp64, as a step's norms have it: martlet_measure. They are what
    readable() gives."""
    arrays, found = (_ffi.Array * len(tensors))(), (_ffi.Double * len(tensors))()
    for array, tensor in zip(arrays, tensors, strict=True):
        shape, strides, dtype = tuple(tensor.shape), tensor.stride(), DTYPES.get(tensor.dtype)
        if dtype is None:
            shape, strides, dtype = (*shape, 2), (*(2 * stride for stride in strides), 1), PAIRS[tensor.dtype]
        layout = layouts(shape, [(dtype, strides)])[0]
        array.data, array.count, array.dtype, array.rank = tensor.data_ptr(), prod(shape), dtype, len(layout.sizes)
        array.sizes = (_ffi.Int64 * len(layout.sizes))(*layout.sizes)
        array.strides = (_ffi.Int64 * len(layout.sizes))(*layout.strides)
    if tensors:
        _ffi_optimizers.martlet_measure(found, arrays, len(tensors))
    return list(found)


def lay_out(
    name: str,
    group: int,
    parameter: Tensor,
    gradient: Tensor | None,
    step: Tensor | None,
    states: Mapping[str, Tensor],
    slots: Slots,
    copy: Tensor | None,
    rows: tuple[Layout, RowNumbers] | None = None,
    *,
    keeps_dimensions: bool = False,
) -> Item:
    """Pairs a parameter with its arrays. states: its slots; copy: what each step copies it into. rows: how its gradient
    lies, where that is of some rows. keeps_dimensions: whether the library is to know them in any case."""
    shape = tuple(parameter.shape)
    keeps_dimensions = keeps_dimensions or slots.keep_dimensions or rows is not None
    alike = [slot for slot in slots.alike(shape) if states[slot].dtype != torch.uint8]
    beside = parameter if gradient is None or rows is not None else gradient
    tensors = [parameter, beside, *(states[slot] for slot in alike)]
    tensors += () if copy is None else (copy,)
    if parameter.is_complex():
        arrays = [(PAIRS[tensor.dtype], (*(2 * stride for stride in tensor.stride()), 1)) for tensor in tensors]
        shape = (*shape, 2)
        lying = layouts(shape, arrays, keeps_dimensions=keeps_dimensions)
    else:
        strides = [(DTYPES[tensor.dtype], tensor.stride()) for tensor in tensors]
        lying = layouts(shape, strides, keeps_dimensions=keeps_dimensions)
    types = {slot: _type_of(slot, tensor, slots, parameter) for slot, tensor in states.items()}
    state = state_layouts(slots, shape, dict(zip(alike, lying[2:], strict=False)), types)
    shown = 0 if step is None else DTYPES[step.dtype]
    own = None if copy is None else lying[-1]
    grad, numbers = (lying[1], None) if rows is None else rows
    return Item(name, prod(shape), group, lying[0], grad, state, slots.names, shown, own, numbers)


def _type_of(slot: str, tensor: Tensor, slots: Slots, parameter: Tensor) -> int:
    """The library's number for the type of a slot that has been checked."""
    if tensor.dtype == torch.uint8:
        small = slots.small_of(slot, tensor.numel(), parameter.shape)
        assert small is not None
        return small.number
    return DTYPES.get(tensor.dtype) or PAIRS[tensor.dtype]
