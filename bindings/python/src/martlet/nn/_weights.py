"""What a model shows of its numbers: weights as lists of arrays, and its buffers as flat arrays.

They are the library's own memory, which arrays that are handed out keep alive.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from martlet import _ffi_models
from martlet._owner import Owner
from martlet.nn._built import Built, NDArray
from martlet.nn._early import early
from martlet.nn._layer import Layer
from martlet.nn._matching import matched


class Weights(ABC):
    """Access to a model's numbers. Not for use by itself."""

    _owner: Owner

    @abstractmethod
    def _leaves(self) -> list[Layer]:
        """The layers in the order of their weights."""

    @abstractmethod
    def _refuse_taken_model(self, call: str) -> None:
        """Raises where it is a part of another model."""

    @abstractmethod
    def _ready(self) -> Built:
        """The model, with its parameters made."""

    @abstractmethod
    def _laid(self) -> Built:
        """The model, with its layers known."""

    def _all(self) -> list[Any]:
        self._ready()
        return [pair for layer in self._leaves() for pair in layer._views()]

    @property
    @abstractmethod
    def _is_settled(self) -> bool:
        """Whether its parameters are made, and are its own."""

    def get_weights(self) -> list[NDArray]:
        """Copies of all layers' weights, in the order of the layers: kernel, bias; gamma, beta, moving mean, moving
        variance."""
        with self._owner.settled(lambda: self._is_settled):
            return [array.copy() for _, array in self._all()]

    def set_weights(self, weights: Any) -> None:
        """Replaces all weights with arrays of the shapes that get_weights returns. Moments stay as they are."""
        with self._owner.inside():
            views = self._all()
            for (_, array), value in zip(views, matched(weights, views, repr(self)), strict=True):
                array[...] = value

    @property
    @early
    def weights(self) -> list[NDArray]:
        """All layers' weights where they lie, in the order of get_weights: writing them changes the model."""
        return [array for _, array in self._all()]

    @property
    @early
    def trainable_weights(self) -> list[NDArray]:
        """Those of weights that training changes."""
        self._ready()
        return [array for layer in self._leaves() for array in layer.trainable_weights]

    @property
    @early
    def non_trainable_weights(self) -> list[NDArray]:
        """Those of weights that training leaves as they are, or that are statistics."""
        self._ready()
        return [array for layer in self._leaves() for array in layer.non_trainable_weights]

    def count_params(self) -> int:
        """Elements of all weights."""
        self._laid()
        return sum(layer.count_params() for layer in self._leaves())

    def parameters(self) -> NDArray:
        """All that training changes, flat, where it lies: writing it changes the model. float32 (count,), in the order
        of get_weights without the statistics. Nothing keeps another thread's training from changing it meanwhile;
        get_weights does. Raises OrderError before the samples' shape is known."""
        return self._buffer("parameters", _ffi_models.BUFFER_PARAMETERS)

    def statistics(self) -> NDArray:
        """What training does not step, flat, where it lies: of each BatchNormalization its moving mean and variance, of
        each Normalization its mean and factor, in the order of the layers. float32 (count,), (0,) where there are
        none. Raises OrderError before the samples' shape is known."""
        return self._buffer("statistics", _ffi_models.BUFFER_STATISTICS)

    def gradients(self) -> NDArray:
        """The gradients of the latest batch, that of a training step or of differentiate, flat, in the order of
        parameters: a copy, as the library frees them when the model is compiled again."""
        with self._owner.inside():
            return self._buffer("gradients", _ffi_models.BUFFER_GRADIENTS).copy()

    def _buffer(self, name: str, which: int) -> NDArray:
        self._refuse_taken_model(name)
        return self._ready().numbers(which)
