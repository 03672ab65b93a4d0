"""Scenario 4's whole network on the digits beside torch's, in fp32 and in fp64, over the same batches.

1e-4 over 100 steps cannot be asked of this network. Now and then what goes into a ReLU is so near 0 that rounding
decides its sign, and Adam divides by the root of squares that are still small: such a step parts two curves for good.
torch's own fp32 losses leave its fp64 ones by more than 1e-4 after 6 to 30 steps, and by up to 10 % within 100. (The
small network of test_nn_torch.py keeps 1e-4 over 100 steps.) So two things are asked: until such a step, the losses are
torch's; after it, they are about as near the true ones as torch's are.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F  # noqa: N812

from martlet import nn
from networks import convolutional, give_torch, torch_convolutional

BATCH = 64


@functools.cache
def digits() -> tuple[Any, Any]:
    images, labels = load_digits(return_X_y=True)
    return np.repeat((images / 16).astype(np.float32).reshape(-1, 1, 8, 8), 3, axis=1), labels


@functools.cache
def curves(seed: int, steps: int) -> tuple[Any, Any, Any]:
    """The losses of Martlet, torch in fp32 and torch in fp64, from the same weights."""
    x, y = digits()
    model = convolutional(64, 512, seed, "channels_first")
    model.compile(nn.Adam(1e-3, epsilon=1e-8, semantics="torch"), "sparse_categorical_crossentropy")
    modules = torch_convolutional(64, 512), torch_convolutional(64, 512).double()
    for module in modules:
        give_torch(model, module)
    optimizers = [torch.optim.Adam(module.parameters(), lr=1e-3) for module in modules]
    rng = np.random.default_rng(seed)
    found = np.empty((3, steps))
    for step in range(steps):
        rows = rng.choice(len(x), BATCH, replace=False)
        found[0, step] = model.train_on_batch(x[rows], y[rows])
        for index, (module, optimizer) in enumerate(zip(modules, optimizers, strict=True), start=1):
            optimizer.zero_grad()
            inputs = torch.from_numpy(x[rows]).to(next(module.parameters()).dtype)
            loss = F.cross_entropy(module(inputs), torch.from_numpy(y[rows]))
            loss.backward()
            optimizer.step()
            found[index, step] = loss.item()
    return found[0], found[1], found[2]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_losses_are_torchs_until_rounding_parts_them(seed: int) -> None:
    """12 steps within 1e-4 of torch's fp32 curve or of its fp64 one, whichever side of a ReLU rounding fell on."""
    ours, *theirs = curves(seed, 100 if seed == 1 else 12)
    assert min(abs(ours[:12] / other[:12] - 1).max() for other in theirs) < 1e-4


def test_losses_stay_as_near_the_true_ones_as_torchs() -> None:
    """100 steps: the median distance from torch's fp64 curve is at most three times that of torch's fp32 one.

    Seed 1 of the three is the one where torch's two curves part latest, so that an error shows most. Three lies between
    what was measured (1.2) and what small errors give: 3.9 with a beta2 of 0.998, 18 with an epsilon of 1e-7.
    """
    ours, single, double = curves(1, 100)
    assert np.median(abs(ours / double - 1)) < 3 * np.median(abs(single / double - 1))
