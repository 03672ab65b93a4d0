"""Tensors that were looked at once, and a look at each step whether that still holds.

A tensor is asked for its kind, sizes, strides and place in its storage, and the storage for its bytes and its start: a
storage may have been freed, shrunk, or freed and grown again at another place or at the same one. Nothing but the
tensors' identities comes from an earlier step. The loops run inside torch, the library or the interpreter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from martlet import _ffi_bound, _library, _memory

_storage_of = Tensor.untyped_storage
_offset_of = Tensor.storage_offset
_start_of = torch.UntypedStorage.data_ptr
_object_of = attrgetter("_cdata")
# What torch.compile looks at its inputs with: kinds, sizes and strides of many tensors in one call.
_Guards = getattr(getattr(torch._C, "_dynamo", None), "guards", None)
_TensorGuards: Any = getattr(_Guards, "TensorGuards", None)
# Functions of torch's stable C interface: each of a tensor's handle and of where to write the answer, of 8 bytes.
_QUESTIONS = _library.functions(
    torch._C.__file__, ("aoti_torch_get_data_ptr", "aoti_torch_get_storage_size", "aoti_torch_get_storage_offset")
)


def watch(tensors: Sequence[Tensor]) -> Watch:
    """Notes what it sees of the tensors."""
    if _QUESTIONS:
        asking = _Asking(tensors, _QUESTIONS)
        # That a handle is what is taken for one is true of every torch so far, and promised by none.
        if asking.addresses(tensors) == list(map(address_of, tensors)):
            return asking
    return _Mapping(tensors)


class Watch(ABC):
    """What was seen of some tensors; each look is given as many."""

    __slots__ = ("_are_alike", "_known", "_shifts")

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._known = list(map(seen, tensors))
        self._are_alike = _all_at_once(tensors)
        # The bytes from the start of each one's storage to its first element.
        self._shifts = [int(tensor.storage_offset()) * tensor.itemsize for tensor in tensors]

    @abstractmethod
    def addresses(self, tensors: Sequence[Tensor]) -> list[int] | None:
        """Where the tensors' first elements are now, 0 for one without memory: the same list as the last time where
        they all are where they were then. None where one is not what was seen in its place.

        Raises TypeError or AttributeError for what is no tensor.
        """

    def are_alike(self, tensors: Sequence[Tensor | None]) -> bool:
        """Whether each is what was seen in its place, or None."""
        return all(tensor is None or seen(tensor) == known for tensor, known in zip(tensors, self._known, strict=True))


class _Asking(Watch):
    """Asks torch's own functions where tensors lie, all in one call of the library."""

    __slots__ = ("_addresses", "_answers", "_ask", "_found", "_latest", "_lent", "_objects", "_rest")

    def __init__(self, tensors: Sequence[Tensor], questions: Sequence[int]) -> None:
        super().__init__(tensors)
        count = len(tensors)
        # torch's handle of a tensor is the address of a pointer to what the Python object stands for.
        self._objects = _memory.addresses(list(map(_object_of, tensors)))
        start = _memory.address_of(self._objects)
        handles, asked = _memory.addresses(range(start, start + 8 * count, 8)), _memory.addresses(questions)
        self._answers = bytearray(8 * max(len(questions) * count, 1))
        self._ask = _ffi_bound.bound_answers(
            _memory.buffer_address(self._answers),
            *(_memory.address_of(asked), len(questions)),
            *(_memory.address_of(handles), count),
        )
        self._found = memoryview(self._answers).cast("Q")[:count]
        self._lent = handles, asked
        self._rest = 8 * count
        self._ask()
        self._note()

    def addresses(self, tensors: Sequence[Tensor]) -> list[int] | None:
        if not self._are_alike(*tensors):
            return None
        self._objects[:] = list(map(_object_of, tensors))
        if self._ask():
            return None
        if self._answers != self._latest:
            # Behind the addresses come the storages' bytes and the offsets.
            if self._answers[self._rest :] != self._latest[self._rest :]:
                return None
            self._note()
        return self._addresses

    def _note(self) -> None:
        self._addresses = self._found.tolist()
        if any(self._shifts):
            # An element without memory is as far from address 0 as from its storage's start.
            found = zip(self._addresses, self._shifts, strict=True)
            self._addresses = [at if at != shift else 0 for at, shift in found]
        self._latest = bytes(self._answers)


class _Mapping(Watch):
    """The same by torch's Python, where torch lacks these functions."""

    __slots__ = ("_addresses", "_lengths", "_offsets", "_starts")

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__(tensors)
        self._lengths = [len(tensor.untyped_storage()) for tensor in tensors]
        self._offsets = [tensor.storage_offset() for tensor in tensors]
        self._starts: list[int] = []
        self._addresses: list[int] = []

    def addresses(self, tensors: Sequence[Tensor]) -> list[int] | None:
        if not self._are_alike(*tensors):
            return None
        storages = list(map(_storage_of, tensors))
        if list(map(len, storages)) != self._lengths or list(map(_offset_of, tensors)) != self._offsets:
            return None
        starts = list(map(_start_of, storages))
        if starts != self._starts:
            self._addresses = [start and start + shift for start, shift in zip(starts, self._shifts, strict=True)]
            self._starts = starts
        return self._addresses


def address_of(tensor: Tensor | None) -> int:
    """Where its first element is; 0 for no tensor, and for one without memory."""
    return 0 if tensor is None or not _start_of(tensor.untyped_storage()) else tensor.data_ptr()


def seen(tensor: Tensor) -> tuple[object, ...]:
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
    known = list(map(seen, tensors))
    return lambda *given: list(map(seen, given)) == known
