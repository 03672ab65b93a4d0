"""Schedule-Free's two points, of arrays and of tensors: the way between them, whom it moves, and what weighs a step."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

import martlet
import martlet.torch
from martlet import optim
from trajectories import train


def test_schedule_free_modes() -> None:
    for kind in (martlet.torch.AdamWScheduleFree, martlet.torch.SGDScheduleFree):
        made, optimizer = train(kind, {}, range(5))
        optimizer.eval()
        (trained, *_) = (parameter.detach().clone() for parameter in optimizer.param_groups[0]["params"])
        first = optimizer.param_groups[0]["params"][0]
        weight = 1 - 1 / 0.9
        np.testing.assert_allclose(trained, made[0] + weight * (optimizer.state[first]["z"] - made[0]), rtol=1e-5)
        with pytest.raises(martlet.OrderError, match=r"call train\(\) before step"):
            optimizer.step()
        optimizer.train()
        np.testing.assert_allclose(first.detach(), made[0], rtol=1e-4, atol=1e-6)
    array = np.ones(3)
    arrays = optim.SGDScheduleFree([array])
    for step in range(3):
        arrays.step([np.full(3, 1.0 - step)])
    before = array.copy()
    arrays.eval()
    assert not np.array_equal(array, before)
    for refused in (lambda: arrays.step([np.ones(3)]), arrays.state_dict):
        with pytest.raises(martlet.OrderError, match=r"call train\(\) before"):
            refused()
    assert arrays.lr == 1
    arrays.train()
    for groups, error in ((3, martlet.MartletError), ([{"train_mode": "no"}], martlet.DTypeError)):
        with pytest.raises(error):
            arrays.load_state_dict({"state": {}, "param_groups": groups})
    np.testing.assert_allclose(array, before)
    assert all(map(math.isfinite, array))


def test_schedule_free_moves_all_parameters_or_none_and_each_once() -> None:
    arrays = [np.ones(3), np.ones(3)]
    optimizer = optim.SGDScheduleFree(arrays)
    for step in range(3):
        optimizer.step([np.full(3, 1.0 - step)] * 2)
    before = arrays[0].copy()
    arrays[1].setflags(write=False)
    with pytest.raises(martlet.ReadOnlyError):
        optimizer.eval()
    assert optimizer.training
    assert np.array_equal(arrays[0], before)
    ends = []
    for times in (1, 2):
        parameter = torch.nn.Parameter(torch.ones(3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tensors = martlet.torch.SGDScheduleFree([parameter] * times)
        for step in range(3):
            parameter.grad = torch.full((3,), 1.0 - step)
            tensors.step()
        tensors.eval()
        ends.append(parameter.detach().clone())
    assert torch.equal(*ends)


def test_schedule_free_weighs_steps_of_a_rate_of_0_as_nothing() -> None:
    made, _ = train(martlet.torch.RAdamScheduleFree, {"weight_lr_power": -1.0}, range(8))
    assert all(bool(parameter.isfinite().all()) for parameter in made)
