"""Scenario 4: Adam and its variants beside gradient descent, momentum and RMSprop, in a script of PyTorch.

The network of convolutional_network.py, two convolutions and two linear layers, learns scikit-learn's digits as images
of three channels: one epoch with each optimizer, from the same start and in the same order of samples. Only the line
that makes the optimizer differs. Printed are the loss at the end and the accuracy on the held-out fifth; the picture
has the curves. It is a comparison of optimizers at usual learning rates, and no claim about other networks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

import martlet.torch

BATCH, LAST = 64, 5
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "SGD": lambda params: martlet.torch.SGD(params, lr=0.03),
    "momentum": lambda params: martlet.torch.SGD(params, lr=0.03, momentum=0.9),
    "RMSprop": lambda params: martlet.torch.RMSprop(params, lr=3e-4),
    "Adam": lambda params: martlet.torch.Adam(params, lr=1e-3),
    "Adamax": lambda params: martlet.torch.Adamax(params, lr=2e-3),
    "NAdam": lambda params: martlet.torch.NAdam(params, lr=1e-3),
    "RAdam": lambda params: martlet.torch.RAdam(params, lr=1e-3),
    "AdaBound": lambda params: martlet.torch.AdaBound(params, lr=1e-3),
}


class Run(NamedTuple):
    """The loss of each step, and the accuracy on the held-out fifth."""

    losses: list[float]
    accuracy: float


@cache
def data() -> tuple[Tensor, ...]:
    """Training and test images, pixels from 0 to 1, and their labels."""
    images, labels = load_digits(return_X_y=True)
    channels = np.repeat((images / 16).astype(np.float32).reshape(-1, 1, 8, 8), 3, axis=1)
    parts = train_test_split(channels, labels, test_size=0.2, random_state=0, stratify=labels)
    return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)


def network() -> nn.Module:
    torch.manual_seed(4)
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(64 * 8 * 8, 512), nn.ReLU(), nn.Linear(512, 10),
    )  # fmt: skip


def train(make: Callable[[Any], torch.optim.Optimizer]) -> Run:
    x, x_test, y, y_test = data()
    model = network()
    optimizer = make(model.parameters())
    criterion = nn.CrossEntropyLoss()
    losses = []
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(5))
    for first in range(0, len(order), BATCH):
        batch = order[first : first + BATCH]
        optimizer.zero_grad()
        loss = criterion(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        return Run(losses, float((model(x_test).argmax(1) == y_test).float().mean()))


def draw(runs: dict[str, Run], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    ink, grey = "#1b2a41", "#8a94a3"
    colors = ["#8a94a3", "#4a5568", "#c9a227", "#d1495b", "#8f4e8b", "#2a7f9e", "#5aa469", "#7a9cc6"]
    style: Any = {"axes.edgecolor": grey, "axes.labelcolor": ink, "xtick.color": grey, "ytick.color": grey}
    with pyplot.rc_context({**style, "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure, axes = pyplot.subplots(figsize=(7.5, 4.8))
        for (name, run), color in zip(runs.items(), colors, strict=True):
            dash = "--" if name in ("SGD", "momentum", "RMSprop") else "-"
            steps = range(1, len(run.losses) + 1)
            axes.plot(steps, run.losses, color=color, linestyle=dash, label=f"{name}, {run.accuracy:.3f}")
        axes.set_xlabel("step")
        axes.set_ylabel("training loss")
        axes.set_title("One epoch, and the accuracy after it", loc="left", color=ink, fontsize=12)
        axes.legend(frameon=False, labelcolor=ink, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
        figure.tight_layout()
        figure.savefig(path, dpi=130, facecolor="white")
        pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--output", type=Path, default=Path("convolutional_comparison.png"), help="where the picture goes"
    )
    output: Path = parser.parse_args().output
    runs = {name: train(make) for name, make in OPTIMIZERS.items()}
    ends = {name: float(np.mean(run.losses[-LAST:])) for name, run in runs.items()}
    print(f"{'':12}{'loss':>8}{'accuracy':>10}")
    for name, run in runs.items():
        print(f"{name:12}{ends[name]:8.3f}{run.accuracy:10.4f}")
    draw(runs, output)
    print(f"picture: {output}")
    # RAdam goes slowly while its average has seen few gradients.
    fast = max(end for name, end in ends.items() if name not in ("SGD", "momentum", "RAdam"))
    assert fast < 0.5 < ends["momentum"] < ends["SGD"], "one epoch was not enough for Adam and its variants"


if __name__ == "__main__":
    main()
