"""Peak memory and time of training with steps behind the backward pass and inside it: a perceptron of 99 M parameters,
AdamW, each way in a process of its own.

    python Benchmarks/in_backward.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

STEPS, LAYERS, WIDTH, INNER, BATCH = 6, 21, 768, 3072, 32
#: What each way is; the first is what others are measured by.
WAYS = {
    "behind": "martlet.torch.AdamW, step() behind backward()",
    "torch": "torch.optim.AdamW, fused=True",
    "inside": "in_backward(model, optimizer)",
    "clipped": "in_backward with max_norm: two backward passes",
    "accumulated": "in_backward with accumulate=2: a mean in the state",
}


def peak() -> float:
    """The most memory that this process had, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def train(way: str) -> None:
    """Trains in this process; prints its peak above that of the process before the model, and a step's milliseconds."""
    import torch
    from torch import nn

    import martlet.torch

    torch.manual_seed(0)
    inputs = torch.randn(BATCH, WIDTH)
    before = peak()
    layers = [layer for _ in range(LAYERS) for layer in (nn.Linear(WIDTH, INNER), nn.GELU(), nn.Linear(INNER, WIDTH))]
    model = nn.Sequential(*layers)
    module: Any = torch.optim if way == "torch" else martlet.torch
    own: dict[str, dict[str, Any]] = {"torch": {"fused": True}, "accumulated": {"accumulate": 2}}
    options = own.get(way, {})
    optimizer = module.AdamW(model.parameters(), lr=1e-3, **options)
    stepping = None
    if way not in ("behind", "torch"):
        stepping = martlet.torch.in_backward(model, optimizer, max_norm=1.0 if way == "clipped" else None)

    def loss() -> Any:
        return model(inputs).square().mean()

    times = []
    for _ in range(STEPS):
        started = perf_counter()
        if stepping is None:
            optimizer.zero_grad()
            loss().backward()
        else:
            stepping.backward(loss)
        optimizer.step()
        times.append(perf_counter() - started)
    print(peak() - before, 1000 * median(times[1:]))


def main() -> None:
    found = {}
    for way in WAYS:
        words = [sys.executable, __file__, way]
        said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        found[way] = float(said[0]), float(said[1])
    most = found["behind"][0]
    print(f"{'':52}{'peak, MB':>10}{'share':>8}{'ms a step':>11}")
    for way, text in WAYS.items():
        memory, time = found[way]
        print(f"{text:52}{memory:10.0f}{memory / most:8.2f}{time:11.0f}")


if __name__ == "__main__":
    train(sys.argv[1]) if len(sys.argv) > 1 else main()
