"""Tests of the recurrent nets of the benchmarks: one function, and as many parameters, in each library."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from jax import numpy as jnp

import graph_cases
import sequential


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_sequences_are_one_function_in_each_library(cell: str) -> None:
    network = graph_cases.Sequential(cell, 7, 3, 5, 4)
    rng = np.random.default_rng(1)
    weights = [rng.normal(0, 0.5, shape).astype(np.float32) for shape in network.shapes]
    x = rng.standard_normal((6, *network.input)).astype(np.float32)
    ours, theirs = sequential.martlet_model(network), sequential.torch_model(network)
    ours.set_weights(weights)
    order = [1, 0, 2] if cell == "GRU" else [0, 1, 2, 3]  # of the gates, as torch has them

    def turned(array: np.ndarray) -> torch.Tensor:
        parts = np.split(array, len(order), -1)
        return torch.from_numpy(np.concatenate([parts[place] for place in order], -1).T.copy())

    kernel, recurrent, bias, last, shift = weights
    both = bias if cell == "GRU" else (bias, np.zeros_like(bias))
    with torch.no_grad():
        for parameter, array in zip(theirs.cell.parameters(), (kernel, recurrent, *both), strict=True):
            parameter.copy_(turned(array))
        theirs.last.weight.copy_(torch.from_numpy(last.T.copy()))
        theirs.last.bias.copy_(torch.from_numpy(shift))
        wanted = theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(ours.predict(x), wanted, rtol=1e-4, atol=1e-5)
    forward, statistics = sequential.jax_model(network)
    given, _ = forward([jnp.asarray(weight) for weight in weights], statistics, jnp.asarray(x), None)
    np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-5)
    assert sum(weight.size for weight in weights) == ours.count_params()
