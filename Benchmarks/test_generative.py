"""Tests of the language model of the benchmarks: one function, as many parameters and as much work in each library."""

from __future__ import annotations

import numpy as np
import torch
from jax import numpy as jnp
from torch.utils.flop_counter import FlopCounterMode

import generative
import graph_cases
import model_cases
import networks

NETWORK = graph_cases.Generative(7, 11, 12, 3, 2)


def test_a_language_model_is_one_function_in_each_library() -> None:
    rng = np.random.default_rng(1)
    weights = [rng.normal(0, 0.3, shape).astype(np.float32) for shape in NETWORK.shapes]
    ids = rng.integers(0, 11, (5, 7)).astype(np.int32)
    forward, statistics = generative.jax_model(NETWORK)
    wanted, _ = forward([jnp.asarray(weight) for weight in weights], statistics, jnp.asarray(ids), None)
    ours = generative.martlet_model(NETWORK)
    ours.set_weights([one.reshape(now.shape) for one, now in zip(weights, ours.get_weights(), strict=True)])
    np.testing.assert_allclose(ours.predict(ids), wanted, rtol=1e-3, atol=1e-4)
    theirs = generative.torch_model(NETWORK)
    left = iter(weights)
    with torch.no_grad():
        theirs.table.weight.copy_(torch.from_numpy(next(left)))
        theirs.places.copy_(torch.from_numpy(next(left)))
        for block in theirs.blocks:
            fill(block.first, left)
            parts = [next(left) for _ in range(6)]
            block.attention.reads.weight.copy_(torch.from_numpy(np.concatenate(parts[::2], 1).T.copy()))
            block.attention.reads.bias.copy_(torch.from_numpy(np.concatenate(parts[1::2])))
            for module in (block.attention.gives, block.second, block.wide[0], block.wide[2]):
                fill(module, left)
        fill(theirs.last, left)
        fill(theirs.head, left)
        given = theirs(torch.from_numpy(ids)).numpy()
    np.testing.assert_allclose(given, wanted, rtol=1e-3, atol=1e-4)


def fill(module: torch.nn.Module, left: object) -> None:
    """Takes the next two arrays for a module's weight, which torch has turned, and its bias."""
    kernel, bias = next(left), next(left)  # type: ignore[call-overload]
    module.weight.copy_(torch.from_numpy(kernel.T.copy()))  # type: ignore[operator]
    module.bias.copy_(torch.from_numpy(bias))  # type: ignore[operator]


def test_it_is_as_much_work_forward_as_torch_counts_and_twice_that_backward() -> None:
    model = generative.torch_model(NETWORK)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros((1, 7), dtype=torch.int64))
    assert NETWORK.step_work == 3 * counter.get_total_flops()
    count = sum(int(np.prod(shape)) for shape in NETWORK.shapes)
    assert count == sum(parameter.numel() for parameter in model.parameters())
    assert count == generative.martlet_model(NETWORK).count_params()


def test_each_peer_can_take_an_epoch() -> None:
    case = model_cases.training("small", "small", NETWORK, {}, batch=4, batches=3)
    for name in case.peers:
        if name not in (model_cases.COMPILED, model_cases.SPARSE, *model_cases.PEAKS):
            made = networks.MAKERS[name](case)
            made.step()
            assert made.steps == case.batches
