"""The demo: one classifier, trained twice from the same seed, with torch.optim.Adam and with martlet.torch.Adam.

Trains a small network on scikit-learn's digits (1,797 images of 8x8), prints how far the two loss curves are apart,
both accuracies on the held-out fifth and the median time of each optimizer's steps, and draws a picture.
Exits with status 1 if the curves differ by more than 1e-5 relative over the first 50 steps, or an accuracy is under
0.97. It is a comparison, not a benchmark: Benchmarks/ measures speed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from tqdm import tqdm

import martlet.torch

EPOCHS, BATCH, LR, SEED = 40, 32, 1e-3, 7
COMPARED_STEPS, TOLERANCE, ACCURACY_FLOOR = 50, 1e-5, 0.97
SMOOTHED = 45

MakeOptimizer = Callable[[Any], torch.optim.Optimizer]


@dataclass
class Run:
    """What one training leaves behind."""

    name: str
    losses: np.ndarray[Any, np.dtype[np.float64]]
    accuracy: float
    #: Inside the optimizer, step by step.
    step_seconds: list[float]
    seconds: float

    @property
    def step_microseconds(self) -> float:
        """The median: what else the machine does lengthens some steps a hundredfold."""
        return float(np.median(self.step_seconds)) * 1e6


def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images for training and for the test, a fifth of all; then the classes of both."""
    data = load_digits()
    images = (data.data / 16.0).astype(np.float32)
    parts = train_test_split(images, data.target, test_size=0.2, random_state=SEED, stratify=data.target)
    train_x, test_x, train_y, test_y = (torch.from_numpy(np.ascontiguousarray(part)) for part in parts)
    return train_x, test_x, train_y, test_y


def train(name: str, make_optimizer: MakeOptimizer) -> Run:
    train_x, test_x, train_y, test_y = digits()
    warm_up(make_optimizer)
    torch.manual_seed(SEED)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = make_optimizer(model.parameters())
    criterion = nn.CrossEntropyLoss()
    losses: list[float] = []
    step_seconds: list[float] = []
    start = perf_counter()
    for _ in tqdm(range(EPOCHS), desc=name, unit="epoch"):
        order = torch.randperm(len(train_x))
        for first in range(0, len(order), BATCH):
            batch = order[first : first + BATCH]
            optimizer.zero_grad()
            loss = criterion(model(train_x[batch]), train_y[batch])
            loss.backward()
            before = perf_counter()
            optimizer.step()
            step_seconds.append(perf_counter() - before)
            losses.append(loss.item())
    seconds = perf_counter() - start
    with torch.no_grad():
        accuracy = (model(test_x).argmax(1) == test_y).float().mean().item()
    return Run(name, np.array(losses), accuracy, step_seconds, seconds)


def warm_up(make_optimizer: MakeOptimizer) -> None:
    """A step of a throw-away parameter: torch imports modules at its first step, which is no part of the comparison."""
    parameter = nn.Parameter(torch.ones(8))
    parameter.grad = torch.ones(8)
    make_optimizer([parameter]).step()


def difference(theirs: Run, ours: Run) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The relative difference of the losses, step by step."""
    return np.asarray(np.abs(ours.losses - theirs.losses) / np.maximum(np.abs(theirs.losses), 1e-12))


def smooth(losses: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The mean of each loss and those before it, SMOOTHED at most."""
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    last = np.arange(1, len(sums))
    first = np.maximum(0, last - SMOOTHED)
    return np.asarray((sums[last] - sums[first]) / (last - first))


def draw(theirs: Run, ours: Run, path: Path) -> None:
    """The curves on top of each other, and the time inside the optimizer."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    ink, grey, red, blue = "#1b2a41", "#8a94a3", "#d1495b", "#7a9cc6"
    style: Any = {"axes.edgecolor": grey, "axes.labelcolor": ink, "xtick.color": grey, "ytick.color": grey}
    with pyplot.rc_context({**style, "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure, (curves, bars) = pyplot.subplots(1, 2, figsize=(11, 4.6), width_ratios=(2.4, 1))
        steps = np.arange(1, len(ours.losses) + 1)
        curves.plot(steps, smooth(theirs.losses), color=blue, linewidth=6, alpha=0.7, label=theirs.name)
        curves.plot(steps, smooth(ours.losses), color=red, linewidth=1.4, label=ours.name)
        curves.set_yscale("log")
        curves.set_ylabel(f"training loss, mean of {SMOOTHED} steps")
        curves.set_xlabel("step")
        curves.set_title("The same curve", loc="left", color=ink, fontsize=12)
        curves.legend(frameon=False, loc="upper right", labelcolor=ink)

        runs = [theirs, ours]
        names = [run.name.replace(".Adam", "\n.Adam") for run in runs]
        columns = bars.bar(names, [run.step_microseconds for run in runs], color=[blue, red], width=0.6)
        texts = [f"{run.step_microseconds:.0f} µs" for run in runs]
        bars.bar_label(columns, texts, padding=4, color=ink, fontsize=11)
        bars.set_title("Time of a step(), median", loc="left", color=ink, fontsize=12)
        bars.spines["left"].set_visible(False)
        bars.set_yticks([])
        bars.margins(y=0.12)
        bars.tick_params(axis="x", length=0, labelcolor=ink)

        note = f"digits, 64-128-64-10, batch {BATCH}, {EPOCHS} epochs; "
        note += f"accuracy on the held-out fifth {theirs.accuracy:.4f} and {ours.accuracy:.4f}; "
        note += "times as they were in this run: for a comparison, make bench"
        figure.tight_layout(rect=(0, 0.05, 1, 1), w_pad=3)
        figure.text(0.012, 0.015, note, color=grey, fontsize=9)
        figure.savefig(path, dpi=130, facecolor="white")
        pyplot.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("digits.png"), help="where the picture goes")
    output: Path = parser.parse_args().output

    theirs = train("torch.optim.Adam", lambda parameters: torch.optim.Adam(parameters, lr=LR))
    ours = train("martlet.torch.Adam", lambda parameters: martlet.torch.Adam(parameters, lr=LR))
    gap = difference(theirs, ours)
    first = float(gap[:COMPARED_STEPS].max())

    print(f"{'':20}{'accuracy':>10}{'median step':>14}{'in all':>10}")
    for run in (theirs, ours):
        print(f"{run.name:20}{run.accuracy:10.4f}{run.step_microseconds:11.1f} µs{run.seconds:8.2f} s")
    print(
        f"largest relative difference of the losses: {first:.1e} in the first {COMPARED_STEPS} steps, "
        f"{gap.max():.1e} in all"
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    draw(theirs, ours, output)
    print(f"picture: {output}")

    weak = [run for run in (theirs, ours) if not run.accuracy >= ACCURACY_FLOOR]
    faults = [f"{run.name}: accuracy {run.accuracy:.4f} is under {ACCURACY_FLOOR}" for run in weak]
    if not first <= TOLERANCE:
        faults.append(f"the curves differ by {first:.1e} over the first {COMPARED_STEPS} steps, more than {TOLERANCE}")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
