"""State of 16, 8 and 4 bits in martlet.torch: numpy's bits, what stays wide, state_dicts, pickles, what is refused."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch

import martlet
import martlet.optim as optim
import martlet.torch as mt


def trained(parameter: torch.Tensor, optimizer: torch.optim.Optimizer, first: int, steps: int) -> None:
    for step in range(first, first + steps):
        parameter.grad = torch.from_numpy(np.random.default_rng(step).normal(size=parameter.shape).astype(np.float32))
        optimizer.step()


@pytest.mark.parametrize("state_dtype", ["fp16", "int8", "int4"])
def test_the_bits_of_numpy(state_dtype: str) -> None:
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, 7000).reshape(70, 100))
    value = parameter.detach().numpy().copy()
    ours = mt.AdamW([parameter], lr=1e-2, state_dtype=state_dtype)
    other = optim.AdamW([value], lr=1e-2, weight_decay=0.01, state_dtype=state_dtype)
    trained(parameter, ours, 0, 5)
    for step in range(5):
        other.step([np.random.default_rng(step).normal(size=value.shape).astype(np.float32)])
    assert np.array_equal(parameter.detach().numpy(), value)
    state = ours.state[parameter]
    assert state["exp_avg"].dtype == state["exp_avg_sq"].dtype == torch.uint8
    wanted = {"fp16": 14000 + 4 * 28, "int8": 7000 + 4 * 28, "int4": 3500 + 4 * 55}
    assert state["exp_avg"].numel() == wanted[state_dtype]


def test_groups_and_what_stays_wide() -> None:
    shapes = {"int8": (64, 64), "int4": (64, 64), "fp32": (64, 64), "bf16": (64, 64), None: (64, 64)}
    parameters = [torch.nn.Parameter(torch.ones(shape)) for shape in shapes.values()]
    small = torch.nn.Parameter(torch.ones(4095))
    double = torch.nn.Parameter(torch.ones(5000, dtype=torch.float64))
    pairs = torch.nn.Parameter(torch.ones(5000, dtype=torch.complex64))
    half = torch.nn.Parameter(torch.ones(5000, dtype=torch.bfloat16))
    groups = [
        {"params": [parameter], **({} if name is None else {"state_dtype": name})}
        for name, parameter in zip(shapes, parameters, strict=True)
    ]
    optimizer = mt.Adam([*groups, {"params": [small, double, pairs, half], "state_dtype": "int8"}])
    for parameter in (*parameters, small, double, pairs, half):
        parameter.grad = torch.ones_like(parameter)
    for _ in range(3):
        optimizer.step()
    kept = [optimizer.state[parameter]["exp_avg"] for parameter in (*parameters, small, double, pairs, half)]
    assert [tensor.dtype for tensor in kept] == [
        *(torch.uint8, torch.uint8, torch.float32, torch.bfloat16, torch.float32),
        *(torch.float32, torch.float64, torch.complex64, torch.uint8),
    ]
    assert [tensor.numel() for tensor in kept[:2]] == [4096 + 64, 2048 + 128]


@pytest.mark.parametrize("way", ["state_dict", "file", "deepcopy", "pickle"])
def test_training_goes_on(way: str) -> None:
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, 5000))
    optimizer = mt.AdamW([parameter], lr=1e-2, amsgrad=True, state_dtype="int8")
    trained(parameter, optimizer, 0, 4)
    if way == "deepcopy":
        other, optimizer_there = copy.deepcopy((parameter, optimizer))
    elif way == "pickle":
        buffer = io.BytesIO()
        torch.save((parameter, optimizer), buffer)
        buffer.seek(0)
        other, optimizer_there = torch.load(buffer, weights_only=False)
    else:
        other = torch.nn.Parameter(parameter.detach().clone())
        optimizer_there = mt.AdamW([other], lr=1e-2, amsgrad=True, state_dtype="int8")
        packed = optimizer.state_dict()
        if way == "file":
            buffer = io.BytesIO()
            torch.save(packed, buffer)
            buffer.seek(0)
            packed = torch.load(buffer)
        optimizer_there.load_state_dict(packed)
    trained(parameter, optimizer, 4, 4)
    trained(other, optimizer_there, 4, 4)
    assert torch.equal(parameter, other)
    for slot, tensor in optimizer.state[parameter].items():
        assert torch.equal(tensor, optimizer_there.state[other][slot])


@pytest.mark.parametrize("size", [1e-5, 1e4])
def test_gradients_that_plain_fp16_has_no_squares_of(size: float) -> None:
    ends = {}
    for kept in (None, "fp16", torch.float16):
        parameter = torch.nn.Parameter(torch.zeros(5000))
        optimizer = mt.AdamW([parameter], lr=1e-2, eps=1e-12, state_dtype=kept)
        for step in range(30):
            parameter.grad = size * (1 + torch.randn(5000, generator=torch.Generator().manual_seed(step)))
            optimizer.step()
        assert (optimizer.state[parameter]["exp_avg"].dtype == torch.float16) == (kept == torch.float16)
        ends[kept] = parameter.detach().double()
    assert (ends["fp16"] - ends[None]).norm() < 0.01 * ends[None].norm()
    assert not (ends[torch.float16] - ends[None]).norm() < 0.1 * ends[None].norm()


def test_plain_fp16_that_was_saved_goes_on() -> None:
    """In codes where a group asks for these, and else as it is."""
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, 5000))
    optimizer = mt.AdamW([parameter], lr=1e-2, state_dtype=torch.float16)
    trained(parameter, optimizer, 0, 4)
    packed = optimizer.state_dict()
    for kept in (torch.float16, "fp16"):
        packed["param_groups"][0]["state_dtype"] = kept
        other = torch.nn.Parameter(parameter.detach().clone())
        there = mt.AdamW([other], lr=1e-2)
        there.load_state_dict(packed)
        assert there.state[other]["exp_avg_sq"].dtype == (torch.uint8 if kept == "fp16" else torch.float16)
        trained(other, there, 4, 1)
    twin = torch.nn.Parameter(parameter.detach().clone())
    trained(parameter, optimizer, 4, 1)
    assert 0 < (other - parameter).abs().max() < 1e-3 and not torch.equal(twin, parameter)


def test_small_parameters_of_half_precision_are_kept_in_float32() -> None:
    for kept, dtype in (("fp16", torch.float32), ("int8", torch.float16), (None, torch.float16)):
        parameter = torch.nn.Parameter(torch.ones(10, dtype=torch.float16))
        optimizer = mt.Adam([parameter], state_dtype=kept)
        parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        assert optimizer.state[parameter]["exp_avg_sq"].dtype == dtype


def test_channels_last() -> None:
    parameter = torch.nn.Parameter(torch.randn(16, 32, 3, 3))
    other = torch.nn.Parameter(parameter.detach().clone().contiguous(memory_format=torch.channels_last))
    optimizers = [mt.Adam([tensor], lr=1e-2, state_dtype="int8") for tensor in (parameter, other)]
    trained(parameter, optimizers[0], 0, 4)
    trained(other, optimizers[1], 0, 4)
    assert torch.equal(parameter, other)
    assert torch.equal(optimizers[0].state[parameter]["exp_avg"], optimizers[1].state[other]["exp_avg"])


def test_what_is_refused() -> None:
    parameter = torch.nn.Parameter(torch.ones(5000))
    for wrong in ("int2", "int16", 8, torch.uint8, torch.int8):
        with pytest.raises(martlet.MartletError, match="state_dtype"):
            mt.Adam([parameter], state_dtype=wrong)
    optimizer = mt.Adam([parameter], state_dtype="int8")
    trained(parameter, optimizer, 0, 2)
    before = parameter.detach().clone()
    kept = optimizer.state[parameter]["exp_avg"]
    for wrong in (kept[:-1], kept.reshape(2, -1), torch.zeros(kept.numel() * 2, dtype=torch.uint8)[::2]):
        optimizer.state[parameter]["exp_avg"] = wrong
        with pytest.raises(martlet.MartletError, match="exp_avg"):
            trained(parameter, optimizer, 2, 1)
        packed = optimizer.state_dict()
        packed["state"][0]["exp_avg"] = wrong[:-2]
        with pytest.raises(martlet.MartletError, match="exp_avg"):
            optimizer.load_state_dict(packed)
    optimizer.state[parameter]["exp_avg"] = kept
    assert torch.equal(parameter, before)
    trained(parameter, optimizer, 2, 1)
    assert not torch.equal(parameter, before)
