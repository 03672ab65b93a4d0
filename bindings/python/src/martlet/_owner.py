"""Who is inside a model: one thread at a time, for as long as a call of Python's lasts.

The library refuses a second thread too, but knows single calls alone. Python's fit is many of them, and a thread that
came in between two would be let in, and the training refused. It is no lock: nobody waits.
"""

from __future__ import annotations

import os
import threading
import weakref
from types import TracebackType

from martlet._errors import BusyError


class Owner:
    """Entered by `with`; the thread inside may enter again, as callbacks do. Another one gets BusyError at once."""

    def __init__(self) -> None:
        # setdefault is one step for all threads. Ctrl-C between two lines leaves it to this thread, which goes on.
        self._held: dict[str, int] = {}
        self._depth = 0
        _owners.add(self)

    def __enter__(self) -> Owner:
        if self._held.setdefault("thread", threading.get_ident()) != threading.get_ident():
            raise BusyError("another thread is inside this model; wanted one at a time")
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth <= 0:
            self._depth = 0
            self._held.clear()

    def forget_others(self) -> None:
        """In a forked child: threads that are not there hold nothing. The library knows what they left undone."""
        if self._held.get("thread") != threading.get_ident():
            self._held.clear()
            self._depth = 0


_owners: weakref.WeakSet[Owner] = weakref.WeakSet()


def _after_fork() -> None:
    for owner in list(_owners):
        owner.forget_others()


os.register_at_fork(after_in_child=_after_fork)
