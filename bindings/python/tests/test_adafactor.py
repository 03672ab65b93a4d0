"""Adafactor, whose state has other shapes than its parameters: torch's for every kind of shape, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import martlet
import martlet.torch
from martlet import optim
from test_algorithms import train


def test_steps_and_state_are_torchs_for_every_kind_of_shape() -> None:
    """Small matrices, several of them, short and long rows, more than a tile, columns in the place of rows; a type with
    another machine epsilon, and gradients that are no numbers."""
    generator = torch.Generator().manual_seed(3)
    shapes = ((5, 7, 3, 3), (40, 36), (70, 300), (3, 1), (1, 3), (2, 3000), (6, 20, 30), (700,), ())
    for dtype in (torch.float32, torch.float64):
        starts = [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]
        starts += [torch.randn(6, 90, generator=generator, dtype=dtype).T]
        ran = []
        for kind in (martlet.torch.Adafactor, torch.optim.Adafactor):
            made = [torch.nn.Parameter(start.clone()) for start in starts]
            optimizer = kind(made, weight_decay=0.1)
            noise = torch.Generator().manual_seed(4)
            for step in range(5):
                for parameter in made:
                    parameter.grad = torch.randn(parameter.shape, generator=noise, dtype=dtype)
                if step == 4:
                    made[0].grad[0, 0, 0, 0], made[2].grad[1, 2], made[7].grad[3] = math.nan, math.inf, -math.inf
                optimizer.step()
            state = [list(optimizer.state[parameter].values()) for parameter in made]
            ran.append([[parameter.detach(), *values] for parameter, values in zip(made, state, strict=True)])
        for ours, theirs in zip(*ran, strict=True):
            for found, wanted in zip(ours, theirs, strict=True):
                assert found.shape == wanted.shape
                rtol = 2e-5 if dtype is torch.float32 else 1e-12
                np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol / 10)


def test_refuses_complex_parameters_and_states_of_other_shapes() -> None:
    pairs = torch.nn.Parameter(torch.ones(2, 2, dtype=torch.complex64))
    pairs.grad = torch.ones_like(pairs)
    with pytest.raises(martlet.UnsupportedError, match="does not support complex"):
        martlet.torch.Adafactor([pairs]).step()
    made, optimizer = train(martlet.torch.Adafactor, {}, range(1))
    first = optimizer.param_groups[0]["params"][0]
    optimizer.state[first]["row_var"] = torch.zeros(1, 4)
    with pytest.raises(martlet.ShapeError, match=r"row_var .*\(1, 4\).*wants \(4, 1\)"):
        optimizer.step()
    assert made
    with pytest.raises(martlet.ArgumentError, match="clipping_threshold is 0.5|d should be >= 1 but is: 0.5"):
        martlet.torch.Adafactor([torch.zeros(2)], d=0.5)
    with pytest.raises(martlet.DTypeError, match="eps"):
        martlet.torch.Adafactor([torch.zeros(2)], eps=1e-3)


def test_empty_parameters_have_no_numbers_in_files(tmp_path: Path) -> None:
    arrays = [np.ones((0, 5), np.float32), np.ones((2, 3), np.float32)]
    optimizer = optim.Adafactor(arrays)
    optimizer.step([np.ones((0, 5), np.float32), np.ones((2, 3), np.float32)])
    optimizer.save(tmp_path / "state")
    optimizer.load(tmp_path / "state")
    assert optimizer.state_dict()["state"][0]["col_var"].shape == (1, 5)
    assert optimizer.state_dict()["param_groups"][0]["eps"] == (None, 1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_a_rate_of_0_moves_nothing(dtype: torch.dtype) -> None:
    """As a warm-up begins: also where gradients are zeros, in all elements or in rows and columns, and v is 0."""
    ended = []
    for kind in (torch.optim.Adafactor, martlet.torch.Adafactor):
        made = [torch.nn.Parameter(torch.full(shape, 0.5, dtype=dtype)) for shape in ((5,), (3, 4), (70, 300), ())]
        optimizer = kind(made, lr=0.0)
        for step, rate in enumerate((0.0, 0.0, 0.1, -0.1, 0.0)):
            optimizer.param_groups[0]["lr"] = rate
            for one in made:
                one.grad = torch.zeros_like(one)
                if step and one.dim():
                    one.grad[..., 0] = 0.25
                if step and one.dim() > 1:
                    one.grad[0] = 0
            before = [one.detach().clone() for one in made]
            optimizer.step()
            assert rate or all(torch.equal(one, known) for one, known in zip(made, before, strict=True))
        ended.append([one.detach() for one in made])
    for one, twin in zip(*ended, strict=True):
        torch.testing.assert_close(twin, one)


@pytest.mark.parametrize("semantics", ["keras", "optax", "paper"])
def test_a_rate_of_0_by_every_convention(semantics: str) -> None:
    values = [np.full(shape, 0.5, np.float32) for shape in ((5,), (3, 4), (70, 300))]
    optimizer = optim.Adafactor(values, lr=0.0, semantics=semantics)
    for scale in (0.0, 1.0):
        optimizer.step([np.full(one.shape, scale, np.float32) for one in values])
        assert all((one == 0.5).all() for one in values)
