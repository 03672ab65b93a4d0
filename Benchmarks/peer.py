"""What a worker holds of its peer, and how long a step of it takes. worker.py and models.py make them.

Time is the wall's, or with MARTLET_BENCH_CLOCK=cpu the processor's, which other processes hardly change.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Act = Callable[[], object]
clock = time.process_time if os.environ.get("MARTLET_BENCH_CLOCK") == "cpu" else time.perf_counter


class Peer(NamedTuple):
    """What a burst calls: the step that is timed, and what a backward pass would do before it, which is not."""

    step: Act
    renew: Act = lambda: None
    #: How many steps one call takes: an epoch's, where a loop over batches is the peer's own.
    steps: int = 1


def threads() -> int:
    """How many threads this worker may use: what processes.py has told it."""
    return int(os.environ.get("OMP_NUM_THREADS", "2"))


def pass_time(scratch: np.ndarray[Any, Any], seconds: float) -> None:
    """What a training loop does between steps: work on one core, in other memory."""
    end = clock() + seconds
    while clock() < end:
        np.add(scratch, 1, out=scratch)


def burst(peer: Peer, seconds: float, gap: float, known: float) -> float:
    """Seconds for one step, over about ``seconds`` of them; at least one call is timed.

    A tenth of that goes before and warms up, but not where one call is ``known`` to take longer than the whole burst.
    """
    if gap:
        return burst_with_gaps(peer, seconds, gap)
    step = peer.step
    warm, taken, start = 0, 0.0, clock()
    while known * peer.steps < seconds and taken < seconds / 10:
        step()
        warm += 1
        taken = clock() - start
    # The clock is read some fifty times a burst, so that it costs nothing where a step takes a few microseconds.
    block = max(1, int(seconds / 50 * warm / taken)) if warm else 1
    done, taken, start = 0, 0.0, clock()
    while taken < seconds:
        for _ in range(block):
            step()
        done += block
        taken = clock() - start
    return taken / (done * peer.steps)


def burst_with_gaps(peer: Peer, seconds: float, gap: float) -> float:
    """The same with other work and gradients of another backward pass before each step, none of it timed."""
    scratch = np.zeros(65536, np.float32)
    total, done = 0.0, -3  # three to warm up
    end = clock() + seconds
    while done < 1 or clock() < end:
        pass_time(scratch, gap)
        peer.renew()
        start = clock()
        peer.step()
        taken = clock() - start
        done += 1
        total = total + taken if done > 0 else 0.0
    return total / done
