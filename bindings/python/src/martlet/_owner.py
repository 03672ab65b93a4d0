"""Who is inside a model: one thread at a time, for as long as a call of Python's lasts.

The library refuses a second thread too, but knows single calls alone. Python's fit is many of them, and a thread that
came in between two would be let in, and the training refused. It is no lock: nobody waits.

Nothing is undone at a call's end, which Ctrl-C could keep from being done: what says that a thread is inside is an
object that lives on the stack of the call's frame, and no longer.
"""

from __future__ import annotations

import os
from _thread import RLock, get_ident
from collections.abc import Callable
from weakref import WeakSet, ref

from martlet._errors import BusyError


class Owner:
    """`with owner.inside():` for what one thread at a time may do; the thread inside may enter again, as callbacks do.
    Another one gets BusyError at once."""

    def __init__(self) -> None:
        self._forget()
        _owners.add(self)

    def _forget(self) -> None:
        # Held for a moment, in which a finalizer or a signal's handler may enter on the same thread.
        self._turn = RLock()
        self._claim: tuple[int, Callable[[], RLock | None]] = 0, _nothing

    def inside(self) -> RLock:
        """What must be entered at once, and kept nowhere else: the thread is inside until it is gone.

        It is a lock for the sake of `with` alone, whose two halves are then no Python that could be interrupted.
        """
        me, (thread, held) = get_ident(), self._claim
        if thread == me and held() is not None:
            return RLock()
        token = RLock()
        try:
            with self._turn:
                thread, held = self._claim
                if held() is None:
                    self._claim = me, ref(token)
                elif thread != me:
                    raise BusyError("another thread is inside this model; wanted one at a time")
            return token
        finally:
            del token  # An error's traceback keeps this frame.

    @property
    def is_held(self) -> bool:
        """Whether some thread is inside."""
        return self._claim[1]() is not None

    def forget_others(self) -> None:
        """In a forked child: threads that are not there hold nothing. The library knows what they left undone."""
        claim = self._claim
        self._forget()
        if claim[0] == get_ident():
            self._claim = claim


def _nothing() -> None:
    """What a reference to nothing gives."""


_owners: WeakSet[Owner] = WeakSet()


def _after_fork() -> None:
    for owner in list(_owners):
        owner.forget_others()


os.register_at_fork(after_in_child=_after_fork)
