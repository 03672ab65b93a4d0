"""Tensors that were looked at once, and a look at each step whether that still holds.

A tensor is asked for its kind, sizes, strides and place in its storage, and the storage for its bytes and its start: a
storage may have been freed, shrunk, or freed and grown again at another place or at the same one. Nothing but the
tensors' identities comes from an earlier step. The loops run inside the interpreter's C code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_storage_of = Tensor.untyped_storage
_offset_of = Tensor.storage_offset
_start_of = torch.UntypedStorage.data_ptr
# What torch.compile looks at its inputs with: all that described() tells, for many tensors in one call.
_Guards = getattr(getattr(torch._C, "_dynamo", None), "guards", None)
_TensorGuards: Any = getattr(_Guards, "TensorGuards", None)


class Watch:
    """Notes what it sees of the tensors at its making.

    shifts   for each tensor the bytes from the start of its storage to its first element
    """

    __slots__ = ("_are_alike", "_has_offsets", "_known", "_lengths", "_offsets", "shifts")

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._known = list(map(_seen, tensors))
        self._lengths = [len(tensor.untyped_storage()) for tensor in tensors]
        self._offsets = [tensor.storage_offset() for tensor in tensors]
        self._has_offsets = any(self._offsets)
        self.shifts = [int(tensor.storage_offset()) * tensor.itemsize for tensor in tensors]
        self._are_alike = _all_at_once(tensors)

    def starts(self, tensors: Sequence[Tensor]) -> list[int] | None:
        """Where the storages of as many tensors start now. None where one is not what was seen in its place.

        Raises TypeError or AttributeError for what is no tensor.
        """
        if not self._are_alike(*tensors):
            return None
        storages = list(map(_storage_of, tensors))
        if list(map(len, storages)) != self._lengths:
            return None
        # Most tensors are where their storages start.
        if list(map(_offset_of, tensors)) != self._offsets if self._has_offsets else any(map(_offset_of, tensors)):
            return None
        return list(map(_start_of, storages))

    def are_alike(self, tensors: Sequence[Tensor | None]) -> bool:
        """Whether each is what was seen in its place, or None."""
        return all(tensor is None or _seen(tensor) == known for tensor, known in zip(tensors, self._known, strict=True))


def _seen(tensor: Tensor) -> tuple[object, ...]:
    """Everything but its address that a step relies on."""
    return (
        *(tensor.shape, tensor.stride(), tensor.storage_offset(), len(tensor.untyped_storage())),
        *(tensor.dtype, tensor.device, tensor.layout, tensor.is_conj(), tensor.is_neg()),
    )


def _all_at_once(tensors: Sequence[Tensor]) -> Callable[..., bool]:
    """A function of as many tensors: whether each is of the kind, sizes and strides of the one in its place."""
    if _TensorGuards is not None:
        guards = _TensorGuards(*tensors, dynamic_dims_sizes=None, dynamic_dims_strides=None)
        check: Callable[..., bool] = guards.check
        return check
    known = list(map(_seen, tensors))
    return lambda *seen: list(map(_seen, seen)) == known
