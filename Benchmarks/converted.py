"""A step of a torch module that from_torch has made a model of, as martlet.torch.train takes it, beside one of torch's
own loop over the same batches: a residual net, a convolutional net for texts, and a recurrent one.

    python Benchmarks/converted.py

Medians over rounds in which both take turns, one thread each. What converting a module takes, once, is printed too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

os.environ["MARTLET_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import torch
from torch import nn

import martlet.nn
import residual
import textual
from graph_cases import Residual, Textual

ROUNDS, BATCH, STEPS = 5, 64, 6


class Recurrent(nn.Module):
    """A sequence's classes, by the last state."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.last = nn.LSTM(128, 128, batch_first=True), nn.Linear(128, 10)

    def forward(self, x: Any) -> Any:
        return self.last(self.cells(x)[1][0][-1])


def torchs(module: Any, x: Any, y: Any) -> None:
    """torch's loop, as its users write it."""
    loss, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(module.parameters())
    module.train()
    for start in range(0, len(x), BATCH):
        optimizer.zero_grad()
        loss(module(x[start : start + BATCH]), y[start : start + BATCH]).backward()
        optimizer.step()


def model_of(module: Any, x: Any) -> Any:
    model = martlet.nn.from_torch(module, x[:2])
    model.compile(martlet.nn.Adam(), martlet.nn.losses.SparseCategoricalCrossentropy(True))
    return model


def martlets(model: Any, x: Any, y: Any) -> None:
    model.fit(x.numpy(), y.numpy(), BATCH, verbose=0, shuffle=False)


def timed(run: Callable[[Any, Any, Any], None], *given: Any) -> float:
    start = perf_counter()
    run(*given)
    return perf_counter() - start


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    samples = BATCH * STEPS
    cases = {
        "ResNet-20": (residual.torch_model(Residual()), torch.randn(samples, 3, 32, 32), 10),
        "TextCNN": (textual.torch_model(Textual()), torch.randint(0, 20_000, (samples, 64)), 5),
        "LSTM": (Recurrent(), torch.randn(samples, 64, 128), 10),
    }
    print(f"load {os.getloadavg()[0]:.1f}; one thread, {BATCH} samples a step")
    for name, (module, x, classes) in cases.items():
        y = torch.randint(0, classes, (samples,))
        start = perf_counter()
        model = model_of(module, x)
        converted = perf_counter() - start
        times = [(timed(torchs, module, x, y), timed(martlets, model, x, y)) for _ in range(ROUNDS + 1)]
        theirs, ours = (median(column) / STEPS * 1e3 for column in zip(*times[1:], strict=True))
        print(f"{name}: torch {theirs:.1f} ms, model {ours:.1f} ms, {theirs / ours:.2f} times; converted in "
              f"{converted:.1f} s")  # fmt: skip


if __name__ == "__main__":
    main()
