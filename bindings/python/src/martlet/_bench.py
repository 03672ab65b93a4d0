"""A short benchmark of the machine it runs on: one step of Adam, by this library and by what a user has otherwise.

torch's optimizers where torch can be imported, else Adam written in numpy. It is for a first look: the project's
Benchmarks/ measure peers in processes of their own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import martlet

SHAPES: dict[str, list[tuple[int, ...]]] = {
    "one tensor of 1,000": [(1000,)],
    "MLP 784-64-10, 4 tensors": [(64, 784), (64,), (10, 64), (10,)],
    "12 layers, 48 tensors, 9.5 M": [(512, 512), (512,), (1024, 512), (1024,)] * 12,
}


def run(seconds: float) -> None:
    """Prints a table: microseconds of one step."""
    with_torch = importlib.util.find_spec("torch") is not None
    print(f"martlet {martlet.__version__}, {martlet.machine().isa}, {martlet.get_num_threads()} threads; one step, us")
    rows = []
    for name, shapes in _progress(SHAPES.items()):
        peers = torch_peers(shapes) if with_torch else numpy_peers(shapes)
        rows.append((name, {peer: measure(step, seconds) for peer, step in peers.items()}))
    columns = list(rows[0][1])
    print(f"{'parameters':30}" + "".join(f"{column:>18}" for column in columns))
    for name, times in rows:
        print(f"{name:30}" + "".join(f"{times[column] * 1e6:18,.1f}" for column in columns))


def measure(step: Callable[[], object], seconds: float) -> float:
    """The median time of a step, over blocks long enough for the clock."""
    for _ in range(3):
        step()
    start = perf_counter()
    step()
    block = max(1, int(0.002 / max(perf_counter() - start, 1e-9)))
    times: list[float] = []
    deadline = perf_counter() + seconds
    while len(times) < 5 or perf_counter() < deadline:
        start = perf_counter()
        for _ in range(block):
            step()
        times.append((perf_counter() - start) / block)
    return median(times)


def torch_peers(shapes: list[tuple[int, ...]]) -> dict[str, Callable[[], object]]:
    import torch

    import martlet.torch

    def parameters() -> list[Any]:
        torch.manual_seed(0)
        made = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
        for parameter in made:
            parameter.grad = torch.randn_like(parameter)
        return made

    return {
        "martlet.torch": martlet.torch.Adam(parameters()).step,
        "torch": torch.optim.Adam(parameters()).step,
        "torch, fused": torch.optim.Adam(parameters(), fused=True).step,
    }


def numpy_peers(shapes: list[tuple[int, ...]]) -> dict[str, Callable[[], object]]:
    import martlet.optim

    generator = np.random.default_rng(0)
    values = [generator.standard_normal(shape, dtype=np.float32) for shape in shapes]
    grads = [generator.standard_normal(shape, dtype=np.float32) for shape in shapes]
    own = martlet.optim.Adam([value.copy() for value in values])
    return {"martlet.optim": lambda: own.step(grads), "numpy": numpy_adam(values, grads)}


def numpy_adam(values: list[Any], grads: list[Any]) -> Callable[[], None]:
    """Adam as people write it in numpy."""
    first = [np.zeros_like(value) for value in values]
    second = [np.zeros_like(value) for value in values]
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        for value, grad, m, v in zip(values, grads, first, second, strict=True):
            m += 0.1 * (grad - m)
            v += 0.001 * (grad * grad - v)
            value -= 1e-3 * (m / (1 - 0.9**steps)) / (np.sqrt(v / (1 - 0.999**steps)) + 1e-8)

    return step


def _progress(rows: Iterable[Any]) -> Iterable[Any]:
    if importlib.util.find_spec("tqdm") is None:
        return rows
    from tqdm import tqdm

    shown: Iterable[Any] = tqdm(list(rows), desc="measuring", leave=False)
    return shown
