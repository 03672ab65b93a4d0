"""A model of martlet.nn trained by several processes: each has its part of every batch, differentiate() leaves the
part's gradients, MPI adds them up, and step() takes the step that one process would take on the whole batch.

The same to the bit: all processes' weights, at any time, and one process's with and without MPI. Within rounding:
several processes and one, as sums of parts round where they are cut.

What MPI does not see stays a process's own. Batch normalization takes means and variances of a process's part alone, so
that a model with it is not one process's, as the second run shows; its moving ones are averaged before the model is
used. Dropout draws by the model's seed, the step and the place in the batch: with one seed the same places in each
part.

    mpirun -n 2 python -m mpi4py mpi_model.py

With -m mpi4py a process that fails ends all. Without, it would wait for the others at its exit, and they for it, for
ever.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from mpi4py import MPI
from sklearn.datasets import load_digits

from martlet import nn

NDArray = np.ndarray[Any, Any]
TESTS, BATCH, EPOCHS = 360, 100, 15


def make_network(together: MPI.Intracomm, lr: float, *, normalized: bool) -> nn.Sequential:
    """The same seed gives every process the same start; machines of different instruction sets may round it in other
    ways, so it is sent to all."""
    between = [nn.BatchNormalization()] if normalized else []
    # Smooth: rounding cannot flip it, as it can a ReLU at 0.
    layers = [nn.Dense(48, activation="tanh", input_shape=(64,)), *between, nn.Dense(10)]
    model = nn.Sequential(layers, seed=2026)
    # An eps above what rounding leaves of a sum that is 0, of which Adam would make a step. Each process clips by the
    # norm of the sum, which all have.
    adam = nn.Adam(learning_rate=lr, epsilon=1e-6, global_clipnorm=5)
    model.compile(adam, "sparse_categorical_crossentropy", ["accuracy"])
    together.Bcast(model.parameters(), root=0)
    return model


def train_on_batch(model: nn.Sequential, together: MPI.Intracomm, x: NDArray, y: NDArray) -> None:
    """model.train_on_batch(x, y), of which each process does a part."""
    begin, end = (len(x) * place // together.size for place in (together.rank, together.rank + 1))
    model.differentiate(x[begin:end], y[begin:end])
    # Gradients are those of the part's mean, which counts by how much of the batch the part is.
    gradients = model.gradients() * np.float32((end - begin) / len(x))
    together.Allreduce(MPI.IN_PLACE, gradients)
    model.step(gradients)


def train(together: MPI.Intracomm, x: NDArray, y: NDArray, lr: float, *, normalized: bool = False) -> nn.Sequential:
    """With COMM_SELF this process has the whole batch."""
    model = make_network(together, lr, normalized=normalized)
    for epoch in range(EPOCHS):
        order = np.random.default_rng(epoch).permutation(len(x))  # the same in every process
        for start in range(0, len(x) - BATCH + 1, BATCH):
            batch = order[start : start + BATCH]
            train_on_batch(model, together, x[batch], y[batch])
    if statistics := model.statistics().size:
        mean = np.empty(statistics, np.float32)
        together.Allreduce(model.statistics(), mean)
        model.statistics()[:] = mean / together.size
    return model


def check_alike(model: nn.Sequential) -> None:
    """MPI asks that a sum has the same bits in every process, without demanding it; a program that must know looks."""
    for values in (model.parameters(), model.statistics()):
        first = values.copy()
        MPI.COMM_WORLD.Bcast(first, root=0)
        assert np.array_equal(first, values), "the weights are not those of process 0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=0.005, help="the learning rate (default 0.005)")
    lr = parser.parse_args().lr
    world = MPI.COMM_WORLD
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels / 16).astype(np.float32)
    x, y = images[TESTS:], labels[TESTS:]
    for normalized in (False, True):
        model = train(world, x, y, lr, normalized=normalized)
        check_alike(model)
        if world.rank > 0:
            continue
        model.save("mpi_model.safetensors")
        _, accuracy = model.evaluate(images[:TESTS], labels[:TESTS])
        alone = train(MPI.COMM_SELF, x, y, lr, normalized=normalized)
        apart = float(np.abs(model.parameters() - alone.parameters()).max())
        what = "with batch normalization" if normalized else "dense layers"
        print(f"{what}, {world.size} processes: accuracy {accuracy:.3f}; one with whole batches ends {apart:.2g} off")
        assert accuracy > 0.9, "the digits were not learned"
        if world.size == 1:
            assert apart == 0, "one process has other bits"
        elif not normalized:
            assert apart <= 2e-5, "that is not the same training"


if __name__ == "__main__":
    main()
