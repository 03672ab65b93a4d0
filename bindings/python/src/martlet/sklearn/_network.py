"""A perceptron as a martlet.nn model: its layers by scikit-learn's names, its weights, and pickles of it."""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from martlet import _ffi_models
from martlet._errors import DTypeError, ShapeError
from martlet._samples import NDArray
from martlet.nn import losses
from martlet.nn._files import load_model
from martlet.nn.basic import Activation, Dense, Dropout
from martlet.nn.inputs import Input
from martlet.nn.normalizations import BatchNormalization
from martlet.nn.optimizers import Optimizer
from martlet.nn.regularizers import L2
from martlet.nn.sequential import Sequential
from martlet.sklearn._options import Options

_GIVES = {"identity": "linear", "logistic": "sigmoid", "softmax": "softmax", "exp": "exponential"}


class Goal(NamedTuple):
    """What a perceptron is trained for. weight: what the library's mean over the outputs is multiplied by for the
    gradient that scikit-learn takes, and reported for the loss that it tells."""

    gives: str
    loss: losses.Loss
    weight: float = 1.0
    reported: float = 1.0

    def offsets(self, y: NDArray) -> NDArray | None:
        """What the loss has of each sample beside the library's, which no weight changes."""
        if not isinstance(self.loss, losses.Poisson):
            return None
        found: NDArray = (y * np.log(y, where=y > 0, out=np.zeros_like(y)) - y).sum(axis=1, dtype=np.float64)
        return found


class Perceptron:
    """A model with its Dense layers.

    units    of the input, of each hidden layer, and of the output
    decay    l2 of the model's own loss for each kernel w: decay / 2 sum w^2
    made     what the options say of the layers
    """

    def __init__(self, units: list[int], options: Options, goal: Goal, decay: float, seed: int) -> None:
        self.goal, self.decay = goal, decay
        self.units, self.seed = units, seed
        self.made = layout(options)
        penalty = L2(decay / 2) if decay else None
        layers: list[Any] = [Input((units[0],))]
        for size, rate in zip(units[1:-1], options.dropout, strict=True):
            if options.batch_normalization:
                layers += [Dense(size, kernel_regularizer=penalty), BatchNormalization(momentum=0.9)]
                layers.append(Activation(options.activation))
            else:
                layers.append(Dense(size, options.activation, kernel_regularizer=penalty))
            if rate:
                layers.append(Dropout(rate))
        layers.append(Dense(units[-1], _GIVES[goal.gives], kernel_regularizer=penalty))
        self._take(Sequential(layers, seed=seed))

    def _take(self, model: Any) -> None:
        self.model = model
        self.dense = [layer for layer in model.layers if isinstance(layer, Dense)]

    def compile(self, optimizer: Optimizer) -> None:
        self.model.compile(optimizer, self.goal.loss, loss_weights=[self.goal.weight])

    @property
    def coefs(self) -> list[NDArray]:
        """The kernels where they lie, (inputs, units)."""
        return [layer.weights[0] for layer in self.dense]

    @property
    def intercepts(self) -> list[NDArray]:
        """The biases likewise."""
        return [layer.weights[1] for layer in self.dense]

    @property
    def gradients(self) -> NDArray:
        """The flat gradients where they lie."""
        found: NDArray = self.model._ready().numbers(_ffi_models.BUFFER_GRADIENTS)
        return found

    def kernels_of(self, flat: NDArray) -> list[NDArray]:
        """The parts of a flat array, in the order of the parameters, that belong to kernels."""
        nodes = {layer._node for layer in self.dense}
        views = self.model._ready().model.views(_ffi_models.BUFFER_PARAMETERS)
        return [flat[v.offset : v.offset + v.size] for v in views if v.node in nodes and len(v.sizes) == 2]

    def predict(self, x: NDArray) -> NDArray:
        """The output of each sample of contiguous float32."""
        found: NDArray = self.model.predict(x, 256)
        return found

    def __getstate__(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.safetensors")
            self.model.save(path)
            with open(path, "rb") as file:
                content = file.read()
        state = {name: value for name, value in self.__dict__.items() if name not in ("model", "dense")}
        return {**state, "file": content}

    def __setstate__(self, state: dict[str, Any]) -> None:
        content = state.pop("file")
        self.__dict__.update(state)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.safetensors")
            with open(path, "wb") as file:
                file.write(content)
            self._take(load_model(path))


def layout(options: Options) -> dict[str, Any]:
    """What an estimator's parameters say of a network's layers, by their names."""
    return {
        "hidden_layer_sizes": options.hidden,
        "activation": options.activation,
        "dropout": options.dropout,
        "batch_normalization": options.batch_normalization,
    }


def initial(units: list[int], activation: str, random: np.random.RandomState) -> tuple[list[Any], list[Any]]:
    """scikit-learn's initial kernels and biases, which takes the same numbers from the generator."""
    coefs, intercepts = [], []
    for inputs, outputs in pairwise(units):
        bound = np.sqrt((2.0 if activation == "sigmoid" else 6.0) / (inputs + outputs))
        coefs.append(random.uniform(-bound, bound, (inputs, outputs)))
        intercepts.append(random.uniform(-bound, bound, outputs))
    return coefs, intercepts


def write(places: list[NDArray], given: Any, name: str) -> None:
    """Copies arrays into places. Raises, with nothing written, where they do not fit."""
    try:
        found = [np.asarray(one, np.float32) for one in given]
    except (TypeError, ValueError) as error:
        raise DTypeError(f"{name} is no list of arrays of numbers: {error}") from None
    shapes, wanted = [one.shape for one in found], [place.shape for place in places]
    if shapes != wanted:
        raise ShapeError(f"{name} has arrays of shapes {shapes}; wanted {wanted}")
    for place, one in zip(places, found, strict=True):
        place[...] = one
