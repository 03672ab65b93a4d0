"""Whether a machine was quiet while something was measured: what other processes, and other machines of the same host,
took of the processors meanwhile, from the system's own counts.

A busy neighbour slows a peer that waits for all of its threads many times over, so ratios taken beside one say nothing.
It measures no peer and judges nothing.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic

SYSTEM = Path("/")
TICKS = os.sysconf("SC_CLK_TCK")
#: Of a line of /proc/stat: user, nice, system, interrupts, soft interrupts, steal. A guest's time is in user's.
BUSY = (1, 2, 3, 6, 7, 8)


def busy_seconds(processors: Iterable[int], root: Path = SYSTEM) -> float:
    """What the processors have worked since the machine started, with what the host took from them."""
    names = {f"cpu{number}" for number in processors}
    lines = [line.split() for line in (root / "proc/stat").read_text().splitlines()]
    return sum(int(line[place]) for line in lines if line and line[0] in names for place in BUSY) / TICKS


def process_seconds(process: int, root: Path = SYSTEM) -> float:
    """The processor time that a process has taken with all its threads; 0 where it is gone."""
    try:
        text = (root / f"proc/{process}/stat").read_text()
    except OSError:
        return 0.0
    # The name, in parentheses, may hold anything.
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def own_seconds(processes: Iterable[int]) -> float:
    """The processor time of this process, of its children that have ended, and of those that are named."""
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in own) + sum(map(process_seconds, processes))


class Watch:
    """From its making on; others() says which part of the processors others have had since."""

    def __init__(
        self,
        processors: Iterable[int],
        processes: Callable[[], Iterable[int]],
        *,
        clock: Callable[[], float] = monotonic,
        busy: Callable[[Iterable[int]], float] = busy_seconds,
        own: Callable[[Iterable[int]], float] = own_seconds,
    ) -> None:
        self._processors, self._processes = list(processors), processes
        self._clock, self._busy, self._own = clock, busy, own
        self._start = self._read()

    def _read(self) -> tuple[float, float]:
        return self._clock(), self._busy(self._processors) - self._own(self._processes())

    def others(self) -> float:
        """From 0 to 1. Counts go by hundredths of a second, so it wants some seconds to be worth anything."""
        (then, before), (now, after) = self._start, self._read()
        return min(1.0, max(0.0, (after - before) / max((now - then) * len(self._processors), 1e-9)))
