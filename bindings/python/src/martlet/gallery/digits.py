"""scikit-learn's handwritten digits, learnt by two small networks of martlet.nn.

martlet.nn gives the gradients, and martlet.optim steps where its parameters lie, so that every algorithm has the same
ground and Muon its rules. Both give the same bits for any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from martlet import nn
from martlet.gallery.contenders import Contender, trained
from martlet.gallery.problems import Effort, Outcome, finite

NDArray = np.ndarray[Any, Any]

BATCH = 64
# Images that are learnt, in whole batches; of 1,797 the others are held out.
LEARNT = 22 * BATCH


class Images(NamedTuple):
    """Pixels from 0 to 1, and what is written."""

    x: NDArray
    y: NDArray


@cache
def images() -> tuple[Images, Images]:
    """Those to learn and those held out, by one drawing."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "the digits need scikit-learn: pip install scikit-learn, or leave them out: "
            "--only rosenbrock beale quadratic"
        ) from error
    pixels, numbers = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pixels))
    x, y = (pixels[order] / 16).astype(np.float32), numbers[order].astype(np.int32)
    return Images(x[:LEARNT], y[:LEARNT]), Images(x[LEARNT:], y[LEARNT:])


class Network(NamedTuple):
    """A classifier of images of a shape. Its loss is the cross-entropy over all that is learnt."""

    name: str
    title: str
    shape: tuple[int, ...]
    layers: Callable[[], list[Any]]

    @property
    def first_loss(self) -> float:
        return math.log(10)

    @property
    def has_matrices(self) -> bool:
        return True

    def run(self, contender: Contender, rate: float, effort: Effort, trail: list[Any] | None = None) -> Outcome:
        """Means over the seeds, of the initial values and of the order of images. trail: gets the losses before the
        first epoch and after each."""
        curves: list[list[float]] = [[] for _ in range(effort.seeds)]
        outcomes = [
            _train(self, contender, rate, seed, effort.epochs, None if trail is None else curve)
            for seed, curve in enumerate(curves)
        ]
        if trail is not None:
            trail += np.mean([curve[: min(map(len, curves))] for curve in curves], axis=0).tolist()
        losses, accuracies = zip(*outcomes, strict=True)
        return Outcome(float(np.mean(losses)), float(np.mean(accuracies)))


class _Model(NamedTuple):
    """A network with the initial values of a seed; parameters and gradients: by name, laid out as torch's."""

    model: nn.Sequential
    start: NDArray
    gradients: NDArray
    named_parameters: dict[str, NDArray]
    named_gradients: dict[str, NDArray]


@cache
def _model(network: Network, seed: int) -> _Model:
    model = nn.Sequential([nn.layers.Input(network.shape), *network.layers()], seed=seed)
    # A rate of 0: a step of the model's own leaves the parameters where they are.
    model.compile(nn.optimizers.SGD(0.0), nn.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    flat = model.parameters()
    gradients = np.empty_like(flat)
    shapes = [array.shape for array in model.get_weights()]
    return _Model(model, flat.copy(), gradients, _named(flat, shapes), _named(gradients, shapes))


def _named(flat: NDArray, shapes: list[tuple[int, ...]]) -> dict[str, NDArray]:
    """Views of a model's kernels and biases, outputs first. The last layer is the head, which Muon leaves to AdamW."""
    named, first = {}, 0
    for place, shape in enumerate(shapes):
        layer = "head" if place >= len(shapes) - 2 else f"layer{place // 2}"
        view = flat[first : first + math.prod(shape)].reshape(shape)
        first += view.size
        named[f"{layer}.{'weight' if len(shape) > 1 else 'bias'}"] = view.transpose(_outputs_first(len(shape)))
    return named


def _outputs_first(dimensions: int) -> list[int]:
    """From martlet.nn's (..., inputs, outputs)."""
    return [*reversed(range(max(dimensions - 2, 0), dimensions)), *range(dimensions - 2)]


def _train(
    network: Network, contender: Contender, rate: float, seed: int, epochs: int, curve: list[float] | None
) -> Outcome:
    learnt, held_out = (Images(part.x.reshape(-1, *network.shape), part.y) for part in images())
    model, start, gradients, parameters, named_gradients = _model(network, seed)
    model.parameters()[:] = start
    optimizer = contender.kind(parameters, lr=rate, grads=named_gradients, **contender.options)
    orders = np.random.default_rng(seed)
    if curve is not None:
        curve.append(_evaluate(model, learnt)[0])
    for _ in range(epochs):
        order = orders.permutation(len(learnt.y))
        for first in range(0, len(order), BATCH):
            batch = order[first : first + BATCH]
            loss, _ = model.train_on_batch(learnt.x[batch], learnt.y[batch])
            if not math.isfinite(loss):
                return Outcome(math.inf, 0.1)  # a guess of one digit
            gradients[:] = model.gradients()
            optimizer.step()
        if curve is not None:
            with trained(optimizer):
                curve.append(_evaluate(model, learnt)[0])
    with trained(optimizer):
        return Outcome(finite(_evaluate(model, learnt)[0]), _evaluate(model, held_out)[1])


def _evaluate(model: nn.Sequential, of: Images) -> tuple[float, float]:
    loss, accuracy = model.evaluate(of.x, of.y, batch_size=len(of.y), verbose=0)
    return float(loss), float(accuracy)


def _perceptron() -> list[Any]:
    return [nn.layers.Dense(64, activation="relu"), nn.layers.Dense(32, activation="relu"), nn.layers.Dense(10)]


def _convolution() -> list[Any]:
    return [
        nn.layers.Conv2D(8, 3, activation="relu"),
        nn.layers.MaxPooling2D(2),
        nn.layers.Conv2D(16, 2, activation="relu"),
        nn.layers.Flatten(),
        nn.layers.Dense(10),
    ]


NETWORKS = {
    network.name: network
    for network in (
        Network("digits_mlp", "Digits, a network of dense layers", (64,), _perceptron),
        Network("digits_conv", "Digits, a convolutional network", (8, 8, 1), _convolution),
    )
}
