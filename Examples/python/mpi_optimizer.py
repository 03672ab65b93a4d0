"""Data-parallel training with MPI and numpy: each process works out the gradient of its part of every batch, MPI adds
the parts up, and each process takes the step. Three ways, over scikit-learn's digits and weights in one flat array:

    whole      every process has all moments; the step that follows is clipped by the norm of the sum
    shards     a process has the moments of its part of the array alone and steps that part, by an algorithm that sums
               over the array: reduce_sums adds these sums up over processes
    bfloat16   weights and gradients are bfloat16, which MPI does not know: it adds them up in float32

Each ends where one process with the whole batch ends, within what rounding does: sums of parts round where they are
cut, so only one process has one process's bits. Between the processes there is no difference, as all step by the same
sum, and a step has the same bits on every machine.

    mpirun -n 2 python -m mpi4py mpi_optimizer.py

With -m mpi4py a process that fails ends all. Without, it would wait for the others at its exit, and they for it, for
ever.
"""

from __future__ import annotations

import argparse
from typing import Any

import ml_dtypes
import numpy as np
from mpi4py import MPI
from sklearn.datasets import load_digits

from martlet.optim import AdamW, StableAdamW

NDArray = np.ndarray[Any, Any]
BATCH, STEPS = 150, 120
# How far from one process's weights, of which the largest is about 1, the end may be.
ALLOWED = {"whole": 2e-5, "shards": 2e-5, "bfloat16": 5e-2}
# An eps above what rounding leaves of a sum that is 0, of which Adam would make a step. The norm is of the whole
# gradient.
OPTIONS: dict[str, Any] = {"eps": 1e-6, "max_norm": 0.5}


def gradient_of(weights: NDArray, images: NDArray, labels: NDArray) -> tuple[float, NDArray]:
    """Cross-entropy of softmax(images @ weights) and its gradient: the share of images that are a part of a batch."""
    scores = images @ weights.astype(np.float64).reshape(images.shape[1], 10)
    scores -= scores.max(axis=1, keepdims=True)
    chances = np.exp(scores)
    chances /= chances.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(chances[rows, labels]).sum() / BATCH
    chances[rows, labels] -= 1
    return float(loss), (images.T @ chances / BATCH).reshape(-1)


class Whole:
    """Every process steps all weights."""

    def __init__(self, together: MPI.Intracomm, weights: NDArray, lr: float) -> None:
        self.together = together
        rounding = None if weights.dtype == np.float32 else "stochastic"  # a step's small change is not lost
        self.optimizer = AdamW([weights], lr=lr, low_precision=rounding, **OPTIONS)

    def step(self, gradient: NDArray) -> None:
        summed = gradient.astype(np.float32)
        self.together.Allreduce(MPI.IN_PLACE, summed)
        self.optimizer.step([summed])  # which may be of another type than the weights


class Shards:
    """Every process steps its part, and has all weights from the others."""

    def __init__(self, together: MPI.Intracomm, weights: NDArray, lr: float) -> None:
        self.together, self.weights = together, weights
        ends = [len(weights) * place // together.size for place in range(together.size + 1)]
        self.starts, self.counts = ends[:-1], np.diff(ends).tolist()
        self.own = weights[ends[together.rank] : ends[together.rank + 1]]
        self.optimizer = StableAdamW([self.own], lr=lr, **OPTIONS)
        self.optimizer.reduce_sums = lambda sums: together.Allreduce(MPI.IN_PLACE, sums)

    def step(self, gradient: NDArray) -> None:
        summed = np.empty(len(self.own), np.float32)
        self.together.Reduce_scatter(gradient, summed, self.counts)
        self.optimizer.step([summed])
        self.together.Allgatherv(MPI.IN_PLACE, [self.weights, self.counts, self.starts, MPI.FLOAT])


def train(together: MPI.Intracomm, way: str, lr: float) -> tuple[float, NDArray]:
    """The last loss and the weights; with COMM_SELF this process has the whole batch."""
    pixels, labels = load_digits(return_X_y=True)
    images = np.hstack([pixels / 16, np.ones((len(pixels), 1))])  # the last column's weights are the bias
    weights = np.zeros(images.shape[1] * 10, ml_dtypes.bfloat16 if way == "bfloat16" else np.float32)
    stepper = (Shards if way == "shards" else Whole)(together, weights, lr)
    loss = np.zeros(1)
    for step in range(STEPS):
        batch = np.arange(step * BATCH, (step + 1) * BATCH) % len(labels)
        begin, end = (BATCH * place // together.size for place in (together.rank, together.rank + 1))
        loss[0], gradient = gradient_of(weights, images[batch[begin:end]], labels[batch[begin:end]])
        stepper.step(gradient.astype(weights.dtype))
    together.Allreduce(MPI.IN_PLACE, loss)
    return float(loss[0]), weights.astype(np.float32)


def check_alike(values: NDArray) -> None:
    """MPI asks that a sum has the same bits in every process, without demanding it; a program that must know looks."""
    first = values.copy()
    MPI.COMM_WORLD.Bcast(first, root=0)
    assert np.array_equal(first, values), "the weights are not those of process 0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.01, help="the learning rate (default 0.01)")
    lr = parser.parse_args().lr
    world = MPI.COMM_WORLD
    for way, allowed in ALLOWED.items():
        loss, weights = train(world, way, lr)
        check_alike(weights)
        if world.rank == 0:
            _, alone = train(MPI.COMM_SELF, way, lr)
            apart = float(np.abs(weights - alone).max())
            print(
                f"{way}, {world.size} processes: loss {loss:.4f}; one with the whole batch ends {apart:.2g} from there"
            )
            assert loss < 0.5, "the digits were not learned"
            assert apart <= (0 if world.size == 1 else allowed), "that is not the same training"


if __name__ == "__main__":
    main()
