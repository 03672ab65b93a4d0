"""The peers' processes, seen from compare.py: starting them, the pipe to each, and ending them.

They load and end side by side, since a peer's imports take seconds, and are measured one at a time. What happens
inside is worker.py's and the C programs'.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cases
from programs import Programs

HERE = Path(__file__).resolve().parent


class WorkerError(Exception):
    """A peer that cannot be measured here; the text says why."""


class Worker:
    """A peer's process, and the pipe to it. The constructor does not wait for it: loaded() does.

    alone: one thread on one processor, whose time is the processor's and not the wall's.
    """

    def __init__(self, peer: str, programs: Programs, case: cases.Case, alone: bool = False) -> None:
        self.peer = peer
        command = programs.get(peer) or [sys.executable, str(HERE / "worker.py"), peer]
        # Two threads for all; JAX takes as many as it has cores, so everyone has as many processors as threads.
        threads = "1" if alone else "2"
        environment = os.environ | {"OMP_NUM_THREADS": threads, "MARTLET_NUM_THREADS": threads, "JAX_PLATFORMS": "cpu"}
        environment["MARTLET_BENCH_CLOCK"] = "cpu" if alone else "wall"
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log(), text=True, env=environment
        )
        if alone:
            os.sched_setaffinity(self.process.pid, {min(os.sched_getaffinity(0))})
        self.say(" ".join(["load", case.name, *map(str, case.numbers)]))

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerError("the process ended") from error

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline() or '{"error": "the process ended"}')
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def loaded(self) -> str:
        """Waits until the peer is ready; its version."""
        return str(self.answer()["ready"])

    def burst(self, seconds: float, gap: float) -> dict[str, Any]:
        """Steps for about so long: the seconds of one, and what else the peer says of them."""
        self.say(f"burst {seconds} {gap}")
        return self.answer()


def close(workers: Iterable[Worker]) -> None:
    """Ends them; they take their time side by side."""
    workers = list(workers)
    for worker in workers:
        assert worker.process.stdin is not None and worker.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # one that ended before it read its last line
            worker.process.stdin.close()
        worker.process.stdout.close()
    for worker in workers:
        try:
            worker.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()


def log() -> int:
    """What the workers print: the terminal with MARTLET_BENCH_VERBOSE set, else nowhere."""
    return sys.stderr.fileno() if os.environ.get("MARTLET_BENCH_VERBOSE") else subprocess.DEVNULL
