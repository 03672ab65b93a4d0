"""Weights of recurrent layers as torch has them: kernels turned, a bias of what is read and one of the state, and of a
GRU the gates in another order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from martlet.nn._matching import NDArray

Gates = tuple[int, ...] | None
"""Of torch's gates which each of those here is, in an order that is the same either way; None: in the same order."""

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _ordered(array: NDArray, gates: Gates) -> NDArray:
    if gates is None:
        return array
    return array.reshape(len(gates), -1, *array.shape[1:])[list(gates)].reshape(array.shape)


def turned(array: NDArray, gates: Gates) -> NDArray:
    """torch's, (gates units, inputs) or (gates units,), as it is here: (inputs, gates units)."""
    return np.ascontiguousarray(_ordered(array, gates).T)


def from_torch(weights: Sequence[NDArray], gates: Gates, has_rows: bool) -> list[NDArray]:
    """Kernel, recurrent kernel and bias of NAMES' weights. has_rows: whether both biases are rows of the one here, or
    added up."""
    first, second, *biases = (turned(one, gates) for one in weights)
    if not biases:
        return [first, second]
    return [first, second, np.stack(biases) if has_rows else biases[0] + biases[1]]


def to_torch(weights: Sequence[NDArray], gates: Gates, has_rows: bool) -> list[NDArray]:
    """The other way. A bias of one row is torch's first, beside zeros."""
    *kernels, bias = weights if len(weights) > 2 else [*weights, None]
    found = [*kernels] if bias is None else [*kernels, *(bias if has_rows else (bias, np.zeros_like(bias)))]
    return [np.ascontiguousarray(_ordered(one.T, gates)) for one in found]
