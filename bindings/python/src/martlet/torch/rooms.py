"""Where processes meet: a group of torch's that nothing else goes through, and words.py beside it.

A process that cannot come to a meeting waits for nobody: it leaves word, for which those look who have waited for a
moment, and sends its half of the exchange before it takes part in the next one. What meetings are about is the business
of meetings.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from martlet._errors import MartletError, OrderError
from martlet.torch.words import Words, cannot

# The state that a process brings to a meeting, with two numbers more.
READY, SKIPS, FAILED = range(3)
# How many meetings in a row a process may stay away from before it sends something.
_OWED = 8
# How long an exchange is waited for before others' words are looked for.
_GLANCE = timedelta(milliseconds=100)
# Seconds that others have to come to a meeting that they may know nothing of.
PATIENCE = 60.0
# By processes, the room of those that are together now; and torch's groups of processes that no mesh has one of.
_ROOMS: WeakKeyDictionary[Any, dict[tuple[int, ...], Room]] = WeakKeyDictionary()
_GROUPS: WeakKeyDictionary[Any, dict[tuple[int, ...], Any]] = WeakKeyDictionary()


class Room:
    """Of processes by their ranks among all, in ascending order. room_of() has it: one for all optimizers."""

    def __init__(self, ranks: tuple[int, ...]) -> None:
        self.ranks, self._words = ranks, Words(ranks)
        self._group: Any = None
        # The meetings so far, and for how many of them this process's half is still to be sent.
        self._count = self._owed = 0
        # Exchanges that are not over, from some of which this process has turned away, with the memory that they use.
        self._left: list[tuple[Any, Any]] = []
        # Whether this process went out of a meeting, as by Ctrl-C, behind which the others may have gone on without it.
        self._is_out = False

    @property
    def group(self) -> Any:
        """torch's, which all of them ask for at once when they first do."""
        if self._group is None:
            self._group = torch.distributed.new_group(list(self.ranks), use_local_synchronization=True)
        return self._group

    def exchange(self, numbers: Tensor) -> list[Tensor]:
        """Everyone's, in the order of ranks. All of them come: a meeting has settled that."""
        found = [torch.empty_like(numbers) for _ in self.ranks]
        torch.distributed.all_gather(found, numbers, group=self.group)
        return found

    def exchange_objects(self, value: Any) -> list[Any]:
        """The same of anything that can be pickled."""
        found: list[Any] = [None] * len(self.ranks)
        torch.distributed.all_gather_object(found, value, group=self.group)
        return found

    def call(self) -> None:
        """Waits for the others at a meeting that they may know nothing of. Raises an OrderError where they do not
        come."""
        missing = self._words.call(PATIENCE) if self._words else []
        if missing:
            raise OrderError(
                f"ranks {missing} have not come to a step that needs all of {list(self.ranks)}, within {PATIENCE:g} s: "
                "this one needs others since its groups were changed; change those of all ranks before the same step"
            )

    def meet(self, state: int, digest: int, needs: bool) -> Tensor:
        """What each process brings to a meeting, a row for each. Raises an OrderError, in all who come, where one
        cannot."""
        if self._is_out:
            error = OrderError(
                f"an exchange with ranks {list(self.ranks)} was interrupted in this process, and they may have gone on "
                "without it; begin with another process group, from a checkpoint"
            )
            self.stay_away(error)
            raise error
        number, self._count = self._count, self._count + 1
        if self._group is None and self._words:
            # Making a group waits, and looks for nobody's words.
            missing = self._words.await_first(number, _timeout())
            if missing:
                raise OrderError(missing if isinstance(missing, str) else f"ranks {missing} have not come to a step")
        self._send_owed(0)
        work, brought = self._send([state, digest, int(needs)])
        self._await(work, number)
        found = torch.stack(brought)
        if FAILED in found[:, 0].tolist():
            rank = self.ranks[found[:, 0].tolist().index(FAILED)]
            raise OrderError(self._words.about(number) or cannot(rank, "its own error says why"))
        return found

    def _await(self, work: Any, meeting: int) -> None:
        """Waits for an exchange, or until another says that it does not come."""
        try:
            while not _is_over(work):
                if (said := self._words.about(meeting)) is not None:
                    raise OrderError(said)
        except MartletError:
            raise
        except RuntimeError as error:
            if (said := self._words.about(meeting)) is None:
                raise
            raise OrderError(said) from error  # who has said it is gone by now
        except BaseException:
            self._is_out = True
            raise

    def stay_away(self, error: BaseException) -> None:
        """Lets those who come to the next meeting know that this process does not."""
        number, self._count = self._count, self._count + 1
        if self._words:
            self._words.leave(number, error)
            self._owed += self._group is not None and not self._is_out
            self._send_owed(_OWED)
        elif not self._is_out:
            _is_over(self._send([FAILED, 0, 0])[0])

    def _send_owed(self, most: int) -> None:
        """Sends the halves of meetings that this process has stayed away from, but for so many."""
        while self._owed > most:
            self._owed -= 1
            self._send([FAILED, 0, 0])

    def _send(self, brought: list[int]) -> tuple[Any, list[Tensor]]:
        own = torch.tensor(brought, dtype=torch.int64, device="cpu")
        found = [torch.empty_like(own) for _ in self.ranks]
        work = torch.distributed.all_gather(found, own, group=self.group, async_op=True)
        self._left = [one for one in self._left if not one[0].is_completed()] + [(work, (own, found))]
        return work, found


def _is_over(work: Any) -> bool:
    """Waits a moment for an exchange. Raises torch's error where it has failed."""
    try:
        work.wait(_GLANCE)
    except RuntimeError:
        if not work.is_completed():
            return False
        work.wait()
    return True


def _timeout() -> timedelta:
    """What torch waits for exchanges."""
    distributed = torch.distributed
    world: Any = distributed.group.WORLD
    backend = world._get_backend(torch.device("cpu"))
    found = getattr(getattr(backend, "options", None), "_timeout", distributed.default_pg_timeout)
    return found if isinstance(found, timedelta) else distributed.default_pg_timeout


def room_of(ranks: tuple[int, ...]) -> Room:
    """The room of these ranks, in ascending order."""
    known = _ROOMS.setdefault(torch.distributed.group.WORLD, {})
    if ranks not in known:
        known[ranks] = Room(ranks)
    return known[ranks]


def group_of(ranks: tuple[int, ...]) -> Any:
    """A group of these ranks, which all of them ask for."""
    distributed = torch.distributed
    world = distributed.group.WORLD
    if ranks == tuple(range(distributed.get_world_size())):
        return world
    known = _GROUPS.setdefault(world, {})
    if ranks not in known:
        known[ranks] = distributed.new_group(list(ranks), use_local_synchronization=True)
    return known[ranks]
