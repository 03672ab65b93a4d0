"""How many threads a step uses, and who said so last: this package's set_num_threads or torch.set_num_threads.

The count itself is the library's, and process-wide.
"""

from __future__ import annotations

import os

from martlet import _ffi
from martlet._errors import ArgumentError, DTypeError

# What the library takes.
_MOST = 1024
# The count of torch's that has been taken over or overruled; martlet.torch compares it at each step.
followed: int | None = None
# Whether a user set the count here, or in the environment, so that torch's count is not taken over until it changes.
explicit = bool(os.environ.get("MARTLET_NUM_THREADS"))


def set_num_threads(count: int) -> None:
    """Sets how many threads a step may use, 1 to 1,024, for the whole process; 0 returns to the default.

    Results do not depend on it. martlet.torch follows torch.get_num_threads(); a count that is set here holds until
    torch's changes.
    """
    global explicit, followed
    if isinstance(count, bool) or not isinstance(count, int):
        raise DTypeError(f"count is {count!r}; wanted an integer from 0 to 1,024")
    if not 0 <= count <= _MOST:
        raise ArgumentError(f"count is {count}; wanted 1 to {_MOST:,}, or 0 for the default")
    _ffi.martlet_threads_set(count)
    explicit = count != 0
    followed = None


def get_num_threads() -> int:
    """How many threads a step may use."""
    count = _ffi.Int32()
    _ffi.martlet_threads_get(count)
    return int(count.value)


def follow(count: int) -> None:
    """Takes over torch's count, unless a user's word for this package is the later one."""
    global explicit, followed
    if not (explicit and followed is None):
        _ffi.martlet_threads_set(min(count, _MOST))
        explicit = False
    followed = count
