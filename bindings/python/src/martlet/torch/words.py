"""What processes leave in torch's store for one another, where no exchange would do: that one stays away from a
meeting, and that one waits for others at a meeting that they may know nothing of.
"""

from __future__ import annotations

import time
from collections import deque
from datetime import timedelta
from hashlib import blake2b
from typing import Any

import torch

from martlet._errors import MartletError

_NAP = 0.005
_MET, _LEFT = "met", "left"
# For how many meetings words are kept.
_KEPT = 32


class Words:
    """Of the processes with these ranks among all."""

    def __init__(self, ranks: tuple[int, ...]) -> None:
        self._ranks, self._own = ranks, torch.distributed.get_rank()
        from torch.distributed.distributed_c10d import PrefixStore, _get_default_store  # which not every torch has

        # None with a backend that has no store; there is then nothing to be found.
        store = _get_default_store()
        prefix = f"martlet/{blake2b(repr(ranks).encode(), digest_size=8).hexdigest()}"
        self._store: Any = None if store is None else PrefixStore(prefix, store)
        # Calls that are over, and those before them that nobody looks at any more.
        self._calls = self._dropped = 0
        # The meetings that this process has stayed away from, while words of them are kept.
        self._missed: deque[int] = deque()

    def __bool__(self) -> bool:
        return self._store is not None

    def leave(self, meeting: int, error: BaseException) -> None:
        """Says of a meeting that this process stays away, and why."""
        self._store.compare_set(f"absent/{meeting}", "", cannot(self._own, why(error)))
        self._missed.append(meeting)
        while self._missed[0] <= meeting - _KEPT:
            self._store.delete_key(f"absent/{self._missed.popleft()}")

    def about(self, meeting: int) -> str | None:
        """What another has said of a meeting."""
        key = f"absent/{meeting}"
        if self._store is None or not self._store.check([key]):
            return None
        return str(self._store.get(key).decode(errors="replace"))

    def await_first(self, meeting: int, patience: timedelta) -> list[int] | str:
        """Waits for all at a meeting that all of them know of; returns those who have not come, or what one says who
        does not."""
        try:
            return self._await(f"first/{meeting}", patience.total_seconds(), meeting)
        except RuntimeError:
            raise
        except BaseException as error:  # Ctrl-C
            self.leave(meeting, error)
            raise

    def call(self, patience: float) -> list[int]:
        """Waits for all at a meeting that they may not know of; returns those who have not come. All who call find the
        same: they come together, or none goes on."""
        while self._store.check([f"calls/{self._calls}/end"]):  # one that those who were there have given up
            self._calls += 1
        place = f"calls/{self._calls}"
        missing = self._await(place, patience, None)
        assert isinstance(missing, list)
        end = self._store.compare_set(f"{place}/end", "", _LEFT if missing else _MET).decode()
        if end == _MET:
            self._drop_calls()
        self._calls += 1
        return [] if end == _MET else missing or [rank for rank in self._ranks if rank != self._own]

    def _drop_calls(self) -> None:
        """Deletes what is left of calls before one to which all have come."""
        names: list[Any] = [self._own] if self._own != self._ranks[0] else [self._own, "count", "all", "end"]
        for call in range(self._dropped, self._calls):
            for name in names:
                self._store.delete_key(f"calls/{call}/{name}")
        self._dropped = self._calls

    def _await(self, place: str, seconds: float, meeting: int | None) -> list[int] | str:
        everyone, end = f"{place}/all", time.monotonic() + seconds
        self._store.set(f"{place}/{self._own}", "here")
        if self._store.add(f"{place}/count", 1) == len(self._ranks):
            self._store.set(everyone, "here")
        while not self._store.check([everyone]):
            said = None if meeting is None else self.about(meeting)
            if said is not None:
                return said
            if time.monotonic() > end:
                return [rank for rank in self._ranks if not self._store.check([f"{place}/{rank}"])]
            time.sleep(_NAP)
        # One who was here may have left since.
        return [] if meeting is None else self.about(meeting) or []


def why(error: BaseException) -> str:
    """An error of one process as the others hear of it."""
    name = type(error).__name__
    try:
        text = str(error).encode(errors="backslashreplace").decode()  # a path may be in no words
    except Exception:
        return f"{name}, which has no words"
    return text if isinstance(error, MartletError) else f"{name}: {text}"


def cannot(rank: int, why: str) -> str:
    """What they say to their callers."""
    return f"rank {rank} cannot take this step: {why}"
