"""Scenario 2: Adam and its variants beside gradient descent, momentum and RMSprop, in plain numpy.

A network with one hidden layer, written out by hand, learns scikit-learn's digits with each optimizer at each of eight
learning rates, from the same start and in the same order of samples. Printed are each one's best rate, what it reaches
with it, and with how many of the rates it learns at all; the picture has the curves at the best rates, and what becomes
of the loss when the rate is missed. It is a comparison of optimizers, and no claim about other networks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from martlet.optim import SGD, AdaBound, Adam, Adamax, NAdam, Optimizer, RAdam, RMSprop

NDArray = np.ndarray[Any, np.dtype[Any]]
EPOCHS, BATCH, HIDDEN, LEARNED = 15, 64, 32, 0.9
RATES = [10.0 ** (exponent / 2) for exponent in range(-7, 1)]
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "SGD": SGD,
    "momentum": lambda params, lr: SGD(params, lr=lr, momentum=0.9),
    "RMSprop": RMSprop,
    "Adam": Adam,
    "AMSGrad": lambda params, lr: Adam(params, lr=lr, amsgrad=True),
    "Adamax": Adamax,
    "NAdam": NAdam,
    "RAdam": RAdam,
    # Its bounds end at the rate that gradient descent would have.
    "AdaBound": lambda params, lr: AdaBound(params, lr=lr, final_lr=0.1),
}


class Run(NamedTuple):
    """The mean loss of each epoch, and the accuracy on the held-out fifth."""

    losses: list[float]
    accuracy: float


@cache
def data() -> Any:
    """Training and test images, pixels from 0 to 1, and their labels."""
    images, labels = load_digits(return_X_y=True)
    return train_test_split((images / 16).astype(np.float32), labels, test_size=0.2, random_state=0, stratify=labels)


def start() -> list[NDArray]:
    """Weights and biases of both layers."""
    rng = np.random.default_rng(1)
    shapes = (64, HIDDEN), (HIDDEN, 10)
    layers = [(rng.standard_normal(shape) / np.sqrt(shape[0]), np.zeros(shape[1])) for shape in shapes]
    return [array.astype(np.float32) for layer in layers for array in layer]


def forward(parameters: list[NDArray], x: NDArray) -> tuple[NDArray, NDArray]:
    """What the hidden layer gives, and the logarithms of the classes' probabilities."""
    weights, bias, weights_out, bias_out = parameters
    hidden = np.tanh(x @ weights + bias)
    logits = hidden @ weights_out + bias_out
    logits -= logits.max(axis=1, keepdims=True)
    return hidden, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def loss_and_gradients(parameters: list[NDArray], x: NDArray, y: NDArray) -> tuple[float, list[NDArray]]:
    hidden, logs = forward(parameters, x)
    rows = np.arange(len(y))
    error = np.exp(logs)
    error[rows, y] -= 1
    error /= len(y)
    back = error @ parameters[2].T * (1 - hidden**2)
    return float(-logs[rows, y].mean()), [x.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)]


def train(make: Callable[..., Optimizer], rate: float) -> Run:
    x, x_test, y, y_test = data()
    parameters = start()
    optimizer = make(parameters, lr=rate)
    rng = np.random.default_rng(2)
    losses = []
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        batches = [order[first : first + BATCH] for first in range(0, len(order), BATCH)]
        found = []
        for batch in batches:
            loss, gradients = loss_and_gradients(parameters, x[batch], y[batch])
            optimizer.step(gradients)
            found.append(loss)
        losses.append(float(np.mean(found)))
    return Run(losses, float(np.mean(forward(parameters, x_test)[1].argmax(axis=1) == y_test)))


def draw(runs: dict[str, list[Run]], best: dict[str, int], path: Path) -> None:
    """The losses at each one's best rate, and the last loss at every rate."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    ink, grey = "#1b2a41", "#8a94a3"
    colors = ["#8a94a3", "#4a5568", "#c9a227", "#d1495b", "#e58a9a", "#8f4e8b", "#2a7f9e", "#5aa469", "#7a9cc6"]
    style: Any = {"axes.edgecolor": grey, "axes.labelcolor": ink, "xtick.color": grey, "ytick.color": grey}
    with pyplot.rc_context({**style, "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure, (curves, missed) = pyplot.subplots(1, 2, figsize=(11, 4.8), sharey=True)
        for (name, found), color in zip(runs.items(), colors, strict=True):
            dash = "--" if name in ("SGD", "momentum", "RMSprop") else "-"
            label = f"{name}, {RATES[best[name]]:.2g}"
            curves.plot(range(1, EPOCHS + 1), found[best[name]].losses, color=color, linestyle=dash, label=label)
            missed.plot(RATES, [run.losses[-1] for run in found], color=color, linestyle=dash, marker=".")
        curves.set_yscale("log")
        curves.set_ylim(8e-3, 4)
        missed.set_xscale("log")
        curves.set_xlabel("epoch")
        curves.set_ylabel("training loss")
        missed.set_xlabel("learning rate")
        curves.set_title("Each at its best learning rate", loc="left", color=ink, fontsize=12)
        missed.set_title(f"After {EPOCHS} epochs, by the learning rate", loc="left", color=ink, fontsize=12)
        curves.legend(frameon=False, labelcolor=ink, ncols=2, fontsize=9)
        figure.tight_layout(w_pad=3)
        figure.savefig(path, dpi=130, facecolor="white")
        pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("comparison.png"), help="where the picture goes")
    output: Path = parser.parse_args().output
    runs = {name: [train(make, rate) for rate in RATES] for name, make in OPTIMIZERS.items()}
    best = {name: int(np.argmin([run.losses[-1] for run in found])) for name, found in runs.items()}
    learned = {name: sum(run.accuracy >= LEARNED for run in found) for name, found in runs.items()}
    print(f"{'':12}{'best rate':>10}{'loss':>10}{'accuracy':>10}   learned at")
    for name, found in runs.items():
        run = found[best[name]]
        print(f"{name:12}{RATES[best[name]]:10.2g}{run.losses[-1]:10.4f}{run.accuracy:10.4f}   "
              f"{learned[name]} of {len(RATES)} rates")  # fmt: skip
    draw(runs, best, output)
    print(f"picture: {output}")
    assert all(found[best[name]].accuracy > 0.93 for name, found in runs.items()), "the digits were not learned"
    adam, plain = (runs[name][RATES.index(0.01)].losses[-1] for name in ("Adam", "SGD"))
    assert adam < 0.1 * plain, "Adam was no faster than gradient descent at the same rate"


if __name__ == "__main__":
    main()
