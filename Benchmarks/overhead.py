"""What Python adds to a step of martlet.torch: the time of step() without that of the library's call inside it, with a
scheduler and hooks attached, for each algorithm, in microseconds and as a line over the number of tensors.

    python Benchmarks/overhead.py [--before OTHER/bindings/python/src] [--only Adam,Muon]

A call of milliseconds, as Muon, SOAP and Shampoo make it for many tensors, leaves the caches to others, and what Python
does behind it then takes as long as it does behind any wait.

With --before the same is measured of another version of the package, in turn, by the same library.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

SOURCE = Path(__file__).resolve().parents[1] / "bindings" / "python" / "src"
#: Tensors of an optimizer, each of 2 x 4 numbers.
COUNTS = (1, 10, 40, 160)
STEPS = 200
#: What the sum may be: so many microseconds, and so many more for each tensor.
BOUND = 10.0, 0.8


def overhead(kind: Any, count: int) -> float:
    """The median over steps."""
    import torch

    parameters = [torch.nn.Parameter(torch.full((2, 4), 0.5)) for _ in range(count)]
    optimizer = kind(parameters, lr=1e-3)
    optimizer.register_step_pre_hook(lambda *given: None)
    optimizer.register_step_post_hook(lambda *given: None)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    for parameter in parameters:
        parameter.grad = torch.full((2, 4), 0.25)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    inside = [0.0]
    call = optimizer._martlet_plan._call
    run = call._run

    def timed() -> int:
        started = perf_counter()
        status: int = run()
        inside[0] = perf_counter() - started
        return status

    call._run = timed
    found = []
    for _ in range(STEPS):
        started = perf_counter()
        optimizer.step()
        found.append(perf_counter() - started - inside[0])
        scheduler.step()
    assert optimizer._martlet_plan._call is call, "steps were not repeated"
    return 1e6 * median(found)


def measure(names: list[str]) -> None:
    """Prints the overheads of this process's package, by class and count."""
    import martlet.torch
    from martlet.torch import Optimizer

    kinds = {name: getattr(martlet.torch, name) for name in martlet.torch.__all__}
    kinds = {name: kind for name, kind in kinds.items() if isinstance(kind, type) and kind is not Optimizer}
    chosen = names or [name for name in kinds if name != "SparseAdam"]  # which steps no dense gradient
    print(json.dumps({name: [overhead(kinds[name], count) for count in COUNTS] for name in chosen}))


def line(values: list[float]) -> tuple[float, float]:
    """The least squares' line through overheads by count."""
    mean_count, mean = sum(COUNTS) / len(COUNTS), sum(values) / len(values)
    pairs = [(count - mean_count, value - mean) for count, value in zip(COUNTS, values, strict=True)]
    slope = sum(one * other for one, other in pairs) / sum(one * one for one, _ in pairs)
    return mean - slope * mean_count, slope


def main() -> None:
    parser = argparse.ArgumentParser(description="Python's part of a step of martlet.torch.")
    parser.add_argument("--before", type=Path, help="the sources of another version of the package")
    parser.add_argument("--only", default="", help="names of classes, with commas; all otherwise")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure([name for name in given.only.split(",") if name])
        return
    sources = [SOURCE, *([given.before.resolve()] if given.before else [])]
    rounds: list[list[dict[str, list[float]]]] = [[] for _ in sources]
    for _ in range(given.rounds):
        for source, found in zip(sources, rounds, strict=True):
            environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
            command = [sys.executable, __file__, "--measure", "--only", given.only]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            found.append(json.loads(done.stdout))
    print(f"{'':20}{'':>8}" + "".join(f"{count:>9}" for count in COUNTS) + f"{'fixed':>9}{'a tensor':>10}")
    for name in rounds[0][0]:
        for word, found in zip(("now", "before"), rounds, strict=False):
            values = [median(one[name][place] for one in found) for place in range(len(COUNTS))]
            fixed, each = line(values)
            numbers = "".join(f"{value:>9.1f}" for value in values)
            is_over = any(value > BOUND[0] + BOUND[1] * count for value, count in zip(values, COUNTS, strict=True))
            print(f"{name:20}{word:>8}{numbers}{fixed:>9.1f}{each:>10.2f}{'  over the bound' if is_over else ''}")


if __name__ == "__main__":
    main()
