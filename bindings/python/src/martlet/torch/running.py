"""`python -m martlet run`: a training script as it stands, with Martlet's optimizers in place of torch's; and, with
--compare, both ways one after the other."""

from __future__ import annotations

import builtins
import json
import os
import random
import runpy
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from multiprocessing import spawn
from time import perf_counter
from types import ModuleType, TracebackType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.optim import Optimizer as TorchOptimizer
from torch.optim import optimizer as torch_optimizer

from martlet.torch import by_torch
from martlet.torch._optimizer import Optimizer
from martlet.torch.installing import install, uninstall

__all__ = ["Target", "compare", "install", "run", "uninstall"]


class Target(NamedTuple):
    """What is run: a script's path or a module's name, with the arguments that it gets."""

    name: str
    is_module: bool
    arguments: list[str]

    @property
    def words(self) -> list[str]:
        return [*(("-m",) if self.is_module else ()), self.name, *self.arguments]


class Record:
    """What a script's optimizers did: steps by class, seconds in them, and the losses that it went back from."""

    def __init__(self) -> None:
        self.steps: Counter[tuple[str, bool]] = Counter()
        self.seconds = 0.0
        self.losses: list[float] = []
        self._started: list[float] = []

    def follow(self) -> None:
        """Watches every step of this process, of torch's optimizers too."""
        torch_optimizer.register_optimizer_step_pre_hook(self._before)
        torch_optimizer.register_optimizer_step_post_hook(self._behind)

    def follow_losses(self) -> None:
        """Notes each number that backward() is called for."""
        backward: Callable[..., None] = torch.Tensor.backward

        def noting(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> None:
            if tensor.numel() == 1:
                self.losses.append(float(tensor.detach()))
            backward(tensor, *args, **kwargs)

        torch.Tensor.backward = noting  # type: ignore[method-assign, assignment]

    def _before(self, optimizer: TorchOptimizer, args: Any, kwargs: Any) -> Any:
        self._started.append(perf_counter())
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if not callable(closure):
            return None
        timed = self._left_out(closure)
        return ((args[0], timed, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "closure": timed})

    def _left_out(self, closure: Callable[..., Any]) -> Callable[..., Any]:
        """A closure whose time is not a step's."""

        @wraps(closure)
        def timed(*args: Any, **kwargs: Any) -> Any:
            started = perf_counter()
            try:
                return closure(*args, **kwargs)
            finally:
                self.seconds -= perf_counter() - started

        return timed

    def _behind(self, optimizer: TorchOptimizer, args: Any, kwargs: Any) -> None:
        started = self._started.pop()
        if not self._started:  # and not one that another's step has called
            self.seconds += perf_counter() - started
        kind = type(optimizer)
        is_ours = isinstance(optimizer, Optimizer)
        is_torchs = is_ours or kind.__module__.startswith("torch.optim")
        self.steps[kind.__qualname__ if is_torchs else f"{kind.__module__}.{kind.__qualname__}", is_ours] += 1


def run(target: Target, algorithms: Sequence[str] | None, record: str | None, *, installs: bool) -> int:
    """Runs a script; returns the exit status. Says on stderr what its optimizers were and what time they took.

    record: a file for what was seen, for compare(); the random numbers of torch, numpy and random are then seeded.
    """
    if installs:
        install(algorithms)
        _follow_spawned(algorithms)
    status = 0
    seen = Record()
    seen.follow()
    if record is not None:
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        seen.follow_losses()
    sys.argv[1:] = target.arguments
    started = perf_counter()
    try:
        _run_as_main(target)
    except Exception as error:
        trace = _of_the_script(error.__traceback__)
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        status = 1
    finally:
        seconds = perf_counter() - started
        if record is not None:
            with open(record, "w", encoding="utf-8") as file:
                json.dump({"seconds": seconds, "step_seconds": seen.seconds, "losses": seen.losses}, file)
        if installs and os.environ.get("RANK", "0") == "0":
            sys.stdout.flush()
            print(told(seen, seconds), file=sys.stderr)
    return status


def _run_as_main(target: Target) -> None:
    """As the interpreter runs a script or a module: in a module that stays __main__, for what comes behind it too."""
    module = sys.modules["__main__"] = ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    if target.is_module:
        as_main: Any = runpy._run_module_as_main  # type: ignore[attr-defined]
        as_main(target.name)
        return
    path = os.path.abspath(target.name)
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    sys.argv[0] = target.name
    module.__file__ = path
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec")
    exec(code, module.__dict__)


def _of_the_script(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from where the script begins."""
    own = {__file__, runpy.__file__, "<frozen runpy>"}
    while trace is not None and trace.tb_frame.f_code.co_filename in own:
        trace = trace.tb_next
    return trace


class _Installing:
    """Stands in what a spawned process is told before it begins: reading it installs there."""

    def __init__(self, algorithms: Sequence[str] | None) -> None:
        self._algorithms = algorithms

    def __reduce__(self) -> Any:
        return install, (self._algorithms,)


def _follow_spawned(algorithms: Sequence[str] | None) -> None:
    """Lets processes that this one spawns install too, as those do that it forks."""
    told_of: Callable[[str], dict[str, Any]] = spawn.get_preparation_data

    def told_more(name: str) -> dict[str, Any]:
        return {**told_of(name), "martlet": _Installing(algorithms)}

    spawn.get_preparation_data = told_more


def told(seen: Record, seconds: float) -> str:
    """Which optimizers were Martlet's, which were not, and their time."""
    lines = []
    for word, is_ours in (("Martlet's", True), ("as they were", False)):
        counts = [f"{name} ({count} steps)" for (name, ours), count in seen.steps.items() if ours is is_ours]
        if counts:
            lines.append(f"{word}: {', '.join(counts)}")
    if not lines:
        served = ", ".join(sorted(peer.__name__ for peer in by_torch.OURS))
        lines.append(f"no optimizer of torch's has taken a step in this process; served are {served}")
    share = 100 * seen.seconds / seconds if seconds else 0.0
    lines.append(f"{seen.seconds:.3g} s of {seconds:.3g} s in steps ({share:.2g} %)")
    return "\n".join(f"martlet run: {line}" for line in lines)


def compare(target: Target, algorithms: Sequence[str] | None) -> int:
    """Runs a script twice, with torch's optimizers and with Martlet's, each in a process of its own, and prints both
    losses and times. Returns the exit status of the first that fails, or 0."""
    found = []
    chosen = ["--algorithms", ",".join(algorithms)] if algorithms else []
    with tempfile.TemporaryDirectory() as folder:
        for ways in (["--as-it-is"], chosen):
            record = os.path.join(folder, "record.json")
            words = [sys.executable, "-m", "martlet", "run", *ways, "--record", record, *target.words]
            status = subprocess.run(words, check=False).returncode
            if status:
                return status
            if not os.path.exists(record):
                print("martlet run: the script has ended its process by itself, and left no record", file=sys.stderr)
                return 1
            with open(record, encoding="utf-8") as file:
                found.append(json.load(file))
    print(table(*found))
    return 0


def table(torchs: dict[str, Any], ours: dict[str, Any]) -> str:
    """Both runs beside each other."""
    theirs, own = torchs["losses"], ours["losses"]
    rows: list[tuple[str, str, str]] = [("", "torch", "Martlet"), ("backward passes", str(len(theirs)), str(len(own)))]
    if theirs and own:
        rows += [
            ("first loss", f"{theirs[0]:.6g}", f"{own[0]:.6g}"),
            ("last loss", f"{theirs[-1]:.6g}", f"{own[-1]:.6g}"),
        ]
    for key, name in (("step_seconds", "seconds in steps"), ("seconds", "seconds in all")):
        rows.append((name, f"{torchs[key]:.3g}", f"{ours[key]:.3g}"))
    lines = [f"{name:18}{one:>12}{other:>12}" for name, one, other in rows]
    pairs = list(zip(theirs, own, strict=False))
    if pairs:
        differences = [abs(one - other) for one, other in pairs]
        largest = max(range(len(pairs)), key=differences.__getitem__)
        lines.append(
            f"losses differ by {differences[largest]:.2g} at most, in backward pass {largest + 1} of {len(pairs)}, "
            f"where torch's is {pairs[largest][0]:.6g}"
        )
    else:
        lines.append("no loss was seen: nobody called backward() for a number")
    return "\n".join(lines)
