"""Who is inside an optimizer or a model: one thread at a time, or several that only read. It is no lock: nobody waits.

Nothing has to be undone at a call's end, which an exception of a signal's handler, as Ctrl-C raises one, could keep
from being done. What says that a thread is inside is an object, a turn, which the call's frame alone refers to: where
it is not handed back it ends with the frame, and what it claims with it. An error's traceback keeps whatever a frame
has a name for, so functions here take a turn's name away before they are left.
"""

from __future__ import annotations

import os
import time
from _thread import RLock, get_ident
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import ref

from martlet._errors import BusyError, InterruptedStepError, MartletError

_Self = TypeVar("_Self")
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class _Claim(ref[RLock]):
    """To be inside, while the turn lives. A turn is a lock for the sake of `with` alone, whose two halves are then no
    Python that could be interrupted."""

    __slots__ = ("entered", "reads", "settles", "thread", "upgrades")

    thread: int
    reads: bool
    """Whether others that read may be inside too."""
    settles: bool
    """Whether it is to make what readers need, who wait for it meanwhile."""
    upgrades: bool
    """Whether its thread reads already, and is to be alone from here on."""
    entered: bool
    """Whether it was let in; for its own thread to know."""


class _Line(ABC):
    """The claims in the order in which they came: the first one's thread is inside.

    append and remove are one step each, for all threads and for signals.
    """

    __slots__ = ("__weakref__", "_claims")

    def __init__(self) -> None:
        self._claims: list[_Claim] = []
        _lines[ref(self, _lines.pop)] = None

    def _claim(
        self, turn: RLock, thread: int, *, reads: bool = False, settles: bool = False, upgrades: bool = False
    ) -> bool:
        """Whether the thread, this one, is inside now, with the turn."""
        try:
            claim = _Claim(turn, self._claims.remove)
            claim.thread, claim.reads, claim.settles, claim.upgrades = thread, reads, settles, upgrades
            claim.entered = False
            self._claims.append(claim)
            claim.entered = self._is_inside(claim)
            return claim.entered
        finally:
            del turn

    def _is_inside(self, claim: _Claim) -> bool:
        # A claim of this thread's that has not come in is that of a call which a signal's handler interrupts there:
        # the handler makes this one, and that call goes on behind it.
        known = [one for one in self._claims[:] if one is claim or one.entered or one.thread != claim.thread]
        if claim.reads:
            return known[0].reads and not any(one.settles or one.upgrades for one in known)
        if claim.upgrades:
            return all(one.thread == claim.thread for one in known if one.reads)
        # A reader behind may have come in by one that stood first, and is gone.
        return known[0] is claim and not any(one.reads for one in known)

    @abstractmethod
    def forked(self) -> None:
        """In a forked child: the other threads are not there."""


class Gate(_Line):
    """Lets a thread into an optimizer for one call, which cannot be entered again from inside.

    turn = gate.enter()
    try: ...
    finally: gate.leave(turn)

    A turn that is handed back is the next call's, since making one takes longer than all of this.
    """

    __slots__ = ("_interrupted", "_resting", "leave")

    def __init__(self) -> None:
        super().__init__()
        self._interrupted = False
        self._resting: list[RLock] = []
        self.leave: Callable[[RLock], None] = self._resting.append

    def enter(self) -> RLock:
        """Raises BusyError where somebody is inside, and InterruptedStepError where another thread was at a fork."""
        try:
            return self._resting.pop()
        except IndexError:
            pass
        turn = RLock()
        try:
            if not self._interrupted and self._claim(turn, get_ident()):
                return turn
        finally:
            del turn
        raise self._refusal()

    def _refusal(self) -> MartletError:
        if self._interrupted:
            return InterruptedStepError(
                "the process was forked while another thread was inside this optimizer, so its parameters may be half "
                "updated: load them and the optimizer again in the child"
            )
        return BusyError(
            "another thread is inside this optimizer: give each thread one of its own, or hold a lock around step()"
        )

    def forked(self) -> None:
        self._interrupted = bool(self._claims) and not self._resting
        del self._claims[1:]


def gated(
    method: Callable[Concatenate[_Self, _Arguments], _Result],
) -> Callable[Concatenate[_Self, _Arguments], _Result]:
    """A method for which its object's _martlet_gate is entered."""

    @wraps(method)
    def call(self: Any, /, *given: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        gate: Gate = self._martlet_gate
        turn = gate.enter()
        try:
            return method(self, *given, **named)
        finally:
            gate.leave(turn)

    return call


class Owner(_Line):
    """`with owner.inside():` for what one thread at a time may do, `with owner.reading():` for what several may do
    beside one another, and nobody beside who is inside; the thread inside may enter again, as callbacks do. Another one
    gets BusyError at once.

    resting   turns to read that stand in the line for the next calls of threads, by these: making one takes longer
              than a small prediction. Who takes its own out is inside; who wants to be alone lets them all go
    """

    __slots__ = ("resting",)

    def __init__(self) -> None:
        super().__init__()
        self.resting: dict[int, RLock] = {}

    def rest(self) -> None:
        """Leaves this thread a turn to read, where nobody is inside that does more, and no call of the thread's stands
        in the line, which a signal's handler has interrupted."""
        if len(self.resting) > 64:  # of threads that are no more
            self.resting.clear()
        me = get_ident()
        if any(one.thread == me for one in self._claims[:]):
            return
        turn = RLock()
        try:
            if self._claim(turn, me, reads=True):
                self.resting[me] = turn
        finally:
            del turn

    def inside(self) -> RLock:
        """What must be entered at once, and kept nowhere else: the thread is inside until it is gone."""
        self.resting.clear()
        me = get_ident()
        mine = self._entered(me)
        if not all(one.reads for one in mine):
            return RLock()
        turn = RLock()
        try:
            if self._claim(turn, me, upgrades=bool(mine)):
                return turn
        finally:
            del turn
        raise BusyError("another thread is inside this model; wanted one at a time")

    def reading(self) -> RLock:
        """The same for what leaves the model as it is."""
        me = get_ident()
        self.resting.pop(me, None)
        if self._entered(me):
            return RLock()
        turn = RLock()
        try:
            if self._claim(turn, me, reads=True):
                return turn
        finally:
            del turn
        raise _refusal_to_read()

    def settled(self, is_settled: Callable[[], bool]) -> RLock:
        """The same for what needs the model to be settled: of several threads that come before it is, one is inside
        alone, and has to settle it, and the others wait."""
        me = get_ident()
        self.resting.pop(me, None)
        if self._entered(me):
            return RLock()
        while True:
            turn = RLock()
            try:
                reads = is_settled()
                if not reads:
                    self.resting.clear()
                if self._claim(turn, me, reads=reads, settles=not reads):
                    return turn
                while not reads and not is_settled():
                    claim = next(one for one in self._claims[:] if one() is turn)
                    if self._is_inside(claim):
                        claim.entered = True
                        return turn
                    self._wait()
            finally:
                del turn
            self._wait()

    def _entered(self, thread: int) -> list[_Claim]:
        """The claims by which the thread, this one, is inside; others may stand before and behind them meanwhile, of
        threads that are being refused."""
        return [one for one in self._claims[:] if one.thread == thread and one.entered]

    def _wait(self) -> None:
        """Waits a little; raises where a thread is inside that does more than to settle and to read."""
        known = self._claims[:]
        if any(not (first.reads or first.settles) for first in known[:1]) or any(one.upgrades for one in known):
            raise _refusal_to_read()
        time.sleep(0.0002)

    @property
    def is_held(self) -> bool:
        """Whether some thread is inside."""
        return len(self._claims) > len(self.resting)

    def forked(self) -> None:
        """The library knows what the others left undone."""
        self.resting.clear()
        self._claims[:] = self._entered(get_ident())


def _refusal_to_read() -> BusyError:
    return BusyError("another thread is inside this model, and changes it; wanted one at a time")


_lines: dict[ref[_Line], None] = {}


def _after_fork() -> None:
    for line in [made() for made in list(_lines)]:
        if line is not None:
            line.forked()


os.register_at_fork(after_in_child=_after_fork)
