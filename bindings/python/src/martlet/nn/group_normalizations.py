"""GroupNormalization: the mean and variance of some channels of one sample."""

from __future__ import annotations

import math
from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError
from martlet.nn import _formats
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph
from martlet.nn.basic import unserved

_UNSERVED = (
    "beta_initializer", "gamma_initializer", "beta_regularizer", "gamma_regularizer", "beta_constraint",
    "gamma_constraint",
)  # fmt: skip


class GroupNormalization(Layer):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, with the mean and variance of each of groups runs of channels
    over all places of a sample (Wu and He, 2018).

    groups           divides the channels; -1: a group of each channel
    axis             of the channels, as BatchNormalization's
    epsilon          more than 0
    center, scale    whether there is a beta, and a gamma
    trainable        as Layer's
    others           Keras's arguments beta_initializer, gamma_initializer, and of both regularizer and constraint:
                     others than None raise UnsupportedError

    The shape stays. Weights: gamma, where scale; beta, where center: (channels,) each.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        *,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        self.groups = _arguments.integer(groups, f"groups of {self}", -1)
        if self.groups == 0:
            raise ArgumentError(f"groups of {self} is 0; wanted 1 or more, or -1")
        self.axis = _arguments.integer(axis, f"axis of {self}", -8)
        self.epsilon = _arguments.within(epsilon, f"epsilon of {self}", 0, math.inf)
        if self.epsilon == 0:
            raise ArgumentError(f"epsilon of {self} is 0; wanted more than 0")
        self.center = _arguments.flag(center, f"center of {self}")
        self.scale = _arguments.flag(scale, f"scale of {self}")
        unserved(self, others, _UNSERVED)
        self.data_format = _formats.get_data_format()

    def _lay(self, graph: Graph, name: str) -> int:
        graph.channels(self.axis, self.data_format, name)
        flags = self._frozen_flag | (0 if self.center else _ffi_models.NO_BIAS)
        flags |= 0 if self.scale else _ffi_models.NO_SCALE
        groups = graph.sizes[-1] if self.groups == -1 else self.groups
        return graph.add(_ffi_models.LAYER_GROUP_NORM, name, flags=flags, groups=groups, epsilon=self.epsilon)

    def _further_config(self) -> dict[str, Any]:
        return {"data_format": self.data_format}
