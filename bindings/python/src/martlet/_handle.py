"""A native optimizer for the length of a with block, by which checkpoints are written and read.

It speaks in addresses and numbers; _checkpoint.py brings the numpy arrays, and keeps them alive. Not a public class:
stepping goes through _call.py.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from martlet import _algorithms, _ffi, _ffi_optimizers, _memory, _reading, _small
from martlet._config import Hyperparameters


class Handle:
    """close() frees it; so do the end of a with block and the garbage collector."""

    def __init__(self, rows: Sequence[Hyperparameters]) -> None:
        self._token = _ffi_optimizers.HANDLE()
        # Before there is one, so that a signal's handler cannot end this with one that nobody frees.
        self._finalizer = weakref.finalize(self, _ffi_optimizers.martlet_optimizer_destroy, self._token)
        for index, row in enumerate(rows):
            config = _ffi_optimizers.Config()
            row.write(config)
            if index == 0:
                _ffi_optimizers.martlet_optimizer_create(self._token, config)
            else:
                _ffi_optimizers.martlet_optimizer_group_add(self._token, None, config)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._finalizer()

    def add(
        self,
        name: str,
        group: int,
        pointer: int,
        dtype: int,
        sizes: Sequence[int],
        strides: Sequence[int],
        states: Sequence[tuple[int, int]],
    ) -> None:
        """Adds a parameter; its memory is borrowed until close(). states: count and type of each slot."""
        parameter = _ffi.Parameter()
        count = 1
        for size in sizes:
            count *= size
        parameter.value.data, parameter.value.count, parameter.value.dtype = pointer, count, dtype
        if len(sizes):
            parameter.value.rank = len(sizes)
            parameter.value.sizes = _memory.int64s(sizes)
            parameter.value.strides = _memory.int64s(strides)
        slots = (_ffi.Array * len(states))()
        for slot, (slot_count, dtype_of_slot) in zip(slots, states, strict=True):
            slot.count, slot.dtype = slot_count, dtype_of_slot
        parameter.state, parameter.state_count = slots, len(states)
        parameter.group = group
        parameter.name = name.encode()
        _ffi_optimizers.martlet_optimizer_add(self._token, None, parameter)

    def write_state(self, parameter: int, slot: int, pointer: int, count: int, dtype: int) -> None:
        """Copies contiguous elements into a moment."""
        array = _ffi.Array()
        array.data, array.count, array.dtype = pointer, count, dtype
        _ffi_optimizers.martlet_optimizer_state_set(self._token, parameter, slot, array)

    def read_state(self, parameter: int, slot: int, pointer: int, size: int) -> None:
        """Copies a moment, of that many bytes, to an address."""
        array = _ffi.Array()
        _ffi_optimizers.martlet_optimizer_state_get(self._token, array, parameter, slot)
        if size:
            _memory.copy_bytes(pointer, array.data, size)

    def write_small(self, parameter: int, slot: int, pointer: int, count: int, small: _small.Small) -> None:
        """Copies codes and scales, which lie as _small.py says, into a moment."""
        array = _ffi.Array()
        array.data, array.count, array.dtype = pointer, count, small.number
        array.scales = pointer + small.scales_at(count)
        array.block, array.scale_dtype = small.block, _ffi.FP32
        _ffi_optimizers.martlet_optimizer_state_set(self._token, parameter, slot, array)

    def read_small(self, parameter: int, slot: int, pointer: int, count: int, small: _small.Small) -> None:
        """Copies codes and scales of a moment to an address."""
        array = _ffi.Array()
        _ffi_optimizers.martlet_optimizer_state_get(self._token, array, parameter, slot)
        _memory.copy_bytes(pointer, array.data, -(-count * small.bits // 8))
        _memory.copy_bytes(pointer + small.scales_at(count), array.scales, 4 * -(-count // small.block))

    def step(self, parameter: int) -> int:
        """The steps that a parameter has taken."""
        taken = _ffi.Int64()
        _ffi_optimizers.martlet_optimizer_step_get(self._token, taken, parameter)
        return int(taken.value)

    def set_step(self, parameter: int, step: int) -> None:
        _ffi_optimizers.martlet_optimizer_step_set(self._token, parameter, step)

    def group(self, group: int) -> Hyperparameters:
        """What a group has: numbers, flags and convention."""
        config = _ffi_optimizers.Config()
        _ffi_optimizers.martlet_optimizer_config_get(self._token, config, _algorithms.CONFIG_SIZE, group)
        return Hyperparameters.read(config)

    def save(self, path: bytes) -> None:
        _ffi_optimizers.martlet_optimizer_save(self._token, path)

    def load(self, path: bytes) -> None:
        with _reading.naming(path, "what an optimizer's save wrote"):
            _ffi_optimizers.martlet_optimizer_load(self._token, path)
