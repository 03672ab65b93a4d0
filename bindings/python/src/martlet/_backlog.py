"""What rows of a parameter have not seen, where their steps are deferred: memory that the library reads and writes,
which lets them catch up. No part of any state: who looks at state lets all rows catch up first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from martlet import _ffi, _ffi_optimizers
from martlet._arrays import address
from martlet._call import RowNumbers
from martlet._errors import DTypeError

NDArray = np.ndarray[Any, Any]
# Where the library notes for how many rows it is; 0 before the first step.
_ROWS = 2


def new(rows: int) -> NDArray:
    """Memory for so many rows, zero until a step is deferred."""
    return np.zeros(_words(rows), np.int64)


def ready(memory: NDArray | None, rows: int) -> NDArray:
    """Memory for so many rows: what there is, or new where a parameter has other rows now and none is behind."""
    if memory is None or not (is_behind(memory) or (memory.size == _words(rows) and int(memory[_ROWS]) in (0, rows))):
        return new(rows)
    return memory


def _words(rows: int) -> int:
    size = _ffi.Int64()
    _ffi_optimizers.martlet_backlog_size(size, rows)
    return -(-size.value // 8)


def is_behind(memory: NDArray | None) -> bool:
    """Whether some row has steps to catch up with: the library keeps their number first."""
    return memory is not None and bool(memory[0])


def numbers(rows: Any, name: str) -> tuple[RowNumbers, NDArray]:
    """Rows as users name them, of any shape, and the array that they then stand in. Which numbers are rows the library
    says."""
    array = np.asarray(rows)
    if array.size and array.dtype.kind not in "iu":
        raise DTypeError(f"the rows of {name} have dtype {array.dtype}; wanted integers")
    array = np.ascontiguousarray(array, dtype=np.int64).reshape(-1)
    return RowNumbers(address(array), array.size, array.size), array
