"""Parameters of bfloat16 and float16 that take small steps: rounded at random, by Kahan's sum, and in two halves. Two
halves are held against martlet's own fp32, whose oracles are other tests'; Kahan's sum against torch's arithmetic in
the parameter's type; random rounding against what a mean must be; a model that plain bfloat16 cannot train; and what
is refused.
"""

from __future__ import annotations

import copy
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import martlet.torch
from by_number import CLASSES, name_of, told
from martlet import _ffi_optimizers, functional, optim
from martlet._errors import ArgumentError, DTypeError

ALL = sorted(CLASSES)
WAYS = ["stochastic", "kahan", "split"]
BF16 = ml_dtypes.bfloat16


def noise(seed: int, shape: tuple[int, ...] = (24, 30)) -> np.ndarray[Any, Any]:
    """Numbers that bfloat16 has."""
    return np.random.default_rng(seed).standard_normal(shape).astype(BF16)


def joined(value: np.ndarray[Any, Any], remainder: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What two halves stand for."""
    upper = value.view(np.uint16).astype(np.uint32) << 16
    return (upper + remainder.view(np.int16).astype(np.int32).view(np.uint32)).view(np.float32)


@pytest.mark.parametrize("number", ALL, ids=name_of)
def test_two_halves_are_fp32(number: int) -> None:
    options = told(number) | {"lr": 1e-3}
    halves, whole = noise(0), noise(0).astype(np.float32)
    if number == _ffi_optimizers.ADAFACTOR:
        options["eps"] = (1e-8, 1e-3)  # torch's own depends on the type
    ours = CLASSES[number]([halves], low_precision="split", state_dtype=np.float32, **options)
    plain = CLASSES[number]([whole], state_dtype=np.float32, **options)
    for t in range(5):
        gradient = noise(10 + t).astype(np.float32)
        ours.step([gradient])
        plain.step([gradient])
    state = ours.state_dict()["state"][0]
    assert state["remainder"].dtype == BF16
    assert np.array_equal(joined(halves, state["remainder"]), whole)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", ALL, ids=name_of)
def test_training_goes_on_from_a_file(number: int, way: str, tmp_path: Any) -> None:
    options = told(number) | {"low_precision": way, "seed": 11, "lr": 1e-3}
    through, broken = noise(1), noise(1)
    one, other = CLASSES[number]([through], **options), CLASSES[number]([broken], **options)
    for t in range(6):
        if t == 3:
            other.save(tmp_path / "state.safetensors")
            other = CLASSES[number]([broken], **(options | {"seed": 11}))
            other.load(tmp_path / "state.safetensors")
        for optimizer in (one, other):
            optimizer.step([noise(20 + t)])
    assert np.array_equal(through.view(np.uint16), broken.view(np.uint16))


@pytest.mark.parametrize("way", WAYS)
def test_the_same_bits_from_every_face(way: str) -> None:
    torch_side = torch.from_numpy(noise(2).view(np.int16)).view(torch.bfloat16).requires_grad_()
    array, plain = noise(2), noise(2)
    of_torch = martlet.torch.AdamW([torch_side], lr=1e-4, low_precision=way, seed=4)
    of_numpy = optim.AdamW([array], lr=1e-4, weight_decay=0.01, low_precision=way, seed=4)
    state: Any = None
    for t in range(5):
        gradient = noise(30 + t)
        torch_side.grad = torch.from_numpy(gradient.view(np.int16)).view(torch.bfloat16)
        of_torch.step()
        of_numpy.step([gradient])
        _, state = functional.adamw(plain, gradient, state, lr=1e-4, weight_decay=0.01, low_precision=way, seed=4)
    assert np.array_equal(array.view(np.uint16), plain.view(np.uint16))
    assert np.array_equal(array.view(np.int16), torch_side.detach().view(torch.int16).numpy())


def test_parameters_have_draws_of_their_own_and_layouts_none() -> None:
    first, second, turned = noise(3), noise(3), np.asfortranarray(noise(3))
    optim.SGD([first, second], lr=1e-3, low_precision="stochastic").step([noise(4), noise(4)])
    optim.SGD([turned], lr=1e-3, low_precision="stochastic").step([noise(4)])
    assert not np.array_equal(first.view(np.uint16), second.view(np.uint16))
    assert np.array_equal(first.view(np.uint16), np.ascontiguousarray(turned).view(np.uint16))
    other = noise(3)
    optim.SGD([other], lr=1e-3, low_precision="stochastic", seed=1).step([noise(4)])
    assert not np.array_equal(first.view(np.uint16), other.view(np.uint16))


@pytest.mark.parametrize("dtype", [BF16, np.float16], ids=str)
@pytest.mark.parametrize("start", [1.0, -1.625, 3e-3])
def test_the_mean_of_many_draws(dtype: Any, start: float) -> None:
    value = np.full(200_000, start, dtype)
    last = abs(float(np.nextafter(value[0], dtype(10)).astype(np.float64)) - float(value[0]))
    share = np.float32(0.3)
    optim.SGD([value], lr=1.0, low_precision="stochastic").step([np.full(value.shape, -share * last, np.float32)])
    moved = (value.astype(np.float64) - float(dtype(start))) / last
    # A mean of 200,000 draws of chance 0.3 has a deviation of 0.00102.
    assert abs(moved.mean() - share) < 0.005
    assert set(np.unique(moved)) == {0.0, 1.0}


def test_kahan_in_the_parameters_type() -> None:
    """As optimi and StableAdamW's authors have it, step by step in bfloat16: sums agree to a place of what is kept."""
    value = torch.linspace(0.5, 2, 500).to(torch.bfloat16)
    ours = value.clone().requires_grad_()
    optimizer = martlet.torch.SGD([ours], lr=1e-4, low_precision="kahan")
    kept, exact = torch.zeros_like(value), value.double()
    for t in range(300):
        gradient = (torch.randn(500, generator=torch.Generator().manual_seed(t)) + 1).to(torch.bfloat16)
        ours.grad = gradient
        optimizer.step()
        kept.add_(gradient, alpha=-1e-4)
        before = value.clone()
        value.add_(kept)
        kept.add_(before - value)
        exact -= 1e-4 * gradient.double()
    sums = ours.detach().double() + optimizer.state[ours]["kahan_comp"].double()
    assert (sums - exact).abs().max() <= (value.double() + kept.double() - exact).abs().max() * 1.2
    assert (sums - exact).abs().max() < 1e-3


@pytest.mark.parametrize("way", [None, *WAYS])
def test_a_bfloat16_model_trains(way: str | None) -> None:
    """Steps of 1e-5 of weights of 0.1 and more: plain bfloat16 stands still, the others go where fp32 does."""
    torch.manual_seed(0)
    inputs = torch.randn(256, 32)
    aim = inputs @ torch.randn(32, 1)
    wide = torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
    torch.nn.init.uniform_(wide[0].weight, 0.5, 1.0)
    torch.nn.init.uniform_(wide[2].weight, 0.5, 1.0)
    narrow = copy.deepcopy(wide).bfloat16()

    def trained(model: torch.nn.Module, **options: Any) -> float:
        dtype = next(model.parameters()).dtype
        optimizer = martlet.torch.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0, **options)
        for _ in range(300):
            optimizer.zero_grad()
            loss = ((model(inputs.to(dtype)).float() - aim) ** 2).mean()
            loss.backward()
            optimizer.step()
        return loss.item()

    first = ((wide(inputs) - aim) ** 2).mean().item()
    gained = first - trained(wide)
    found = first - trained(narrow, low_precision=way, state_dtype=torch.float32)
    assert found < 0.5 * gained if way is None else found > 0.85 * gained, (found, gained)


@pytest.mark.parametrize("way", WAYS)
def test_other_types_are_stepped_as_ever(way: str) -> None:
    ours, plain = (torch.ones(50, requires_grad=True) for _ in range(2))
    for tensor, options in ((ours, {"low_precision": way}), (plain, {})):
        tensor.grad = torch.linspace(-1, 1, 50)
        martlet.torch.AdamW([tensor], lr=0.1, **options).step()
    assert torch.equal(ours, plain)


@pytest.mark.parametrize("way", WAYS)
def test_state_dicts_come_and_go(way: str) -> None:
    parameter = torch.ones(40, dtype=torch.bfloat16, requires_grad=True)
    parameter.grad = torch.full((40,), 1e-3, dtype=torch.bfloat16)
    optimizer = martlet.torch.AdamW([parameter], lr=1e-4, low_precision=way, seed=2, state_dtype=torch.float32)
    for _ in range(3):
        optimizer.step()
    other = torch.nn.Parameter(parameter.detach().clone())
    other.grad = parameter.grad.clone()
    second = martlet.torch.AdamW([other], lr=1e-4)
    second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert second.param_groups[0]["low_precision"] == way and second.param_groups[0]["seed"] == 2
    for each in (optimizer, second):
        for _ in range(3):
            each.step()
    assert torch.equal(parameter, other)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"low_precision": "nearest"}, ArgumentError, "low_precision is 'nearest'; wanted one of None, 'stochastic'"),
        ({"low_precision": True}, ArgumentError, "low_precision is True"),
        ({"seed": -1}, ArgumentError, "seed is -1; wanted a whole number from 0"),
        ({"seed": 2**64}, ArgumentError, "seed is 18446744073709551616"),
        ({"seed": 1.5}, DTypeError, "seed is 1.5"),
        ({"seed": True}, DTypeError, "seed is True"),
    ],
)
def test_what_is_refused(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        optim.Adam([noise(0)], **options)
    with pytest.raises(error, match=words):
        martlet.torch.Adam([torch.ones(3, requires_grad=True)], **options)


def test_halves_of_fp32_are_no_float16() -> None:
    value = np.ones(5, np.float16)
    with pytest.raises(DTypeError, match=r"params\[0\].*fp16; expected bf16 with SPLIT"):
        optim.Adam([value], low_precision="split").step([np.ones(5, np.float32)])
    assert np.array_equal(value, np.ones(5))
