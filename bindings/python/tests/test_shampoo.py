"""Shampoo beside its oracle in float64; its bits, its states, and where parameters go. test_soap.py has what both share
in full.

Products are in float32: an eps is that of directions in which gradients have nothing, and has to be larger than their
rounding errors for two programs to agree.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import martlet
import oracles
from martlet import _ffi, _ffi_optimizers, optim
from martlet._config import defaults
from martlet.torch import Shampoo

USUAL: dict[str, Any] = {"betas": (0.9, 0.999), "eps": 1e-12, "shampoo_beta": 1.0, "block_size": 0}


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape) + 0.3


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((12, 12), {}),
        ((12, 7), {"eps": 1e-6}),
        ((5, 12), {"precondition_frequency": 3, "shampoo_beta": 0.95, "eps": 1e-2}),
        ((6, 2, 3), {"use_bias_correction": False, "shampoo_beta": 0.9, "eps": 1e-4}),
        ((11, 7), {"block_size": 4, "eps": 1e-6}),
        ((9, 9), {"grafting": "adam", "weight_decay": 0.1}),
        ((11, 7), {"grafting": "adam", "block_size": 4, "eps": 1e-6, "use_bias_correction": False}),
        ((1, 9), {"eps": 1e-4}),
        ((9, 1), {"eps": 1e-4, "maximize": True}),
        ((1, 1), {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fifty_steps_are_the_oracles(shape: tuple[int, ...], options: dict[str, Any], dtype: Any) -> None:
    value = noise(shape, 0).astype(dtype)
    expected, kept = value.astype(oracles.LONG), oracles.State(shape)
    options = {**USUAL, **options}
    optimizer = optim.Shampoo([{"params": [value]}], **options)
    for step in range(1, 51):
        gradient = noise(shape, step).astype(dtype)
        optimizer.step([gradient])
        expected = oracles.step(
            oracles.shampoo, expected, gradient, kept, step, lr=1e-2, decoupled_weight_decay=True, **options
        )
        np.testing.assert_allclose(value, expected.astype(np.float64), rtol=0, atol=1e-4)
    assert np.abs(value - noise(shape, 0)).max() > 0.02


def test_a_graft_is_as_long_as_adams_step() -> None:
    value, other = noise((8, 5), 0), noise((8, 5), 0)
    grafted = optim.Shampoo([value], lr=0.01, grafting="adam")
    adam = optim.Adam([other], lr=0.01)
    for step in range(5):
        before, plain = value.copy(), other.copy()
        grafted.step([noise((8, 5), 1 + step)])
        adam.step([noise((8, 5), 1 + step)])
        np.testing.assert_allclose(np.linalg.norm(value - before), np.linalg.norm(other - plain), rtol=1e-6)


@pytest.mark.parametrize("shape", [(7, 5), (11, 11), (0, 4), (4, 0), (1, 6), (4, 3, 2)])
@pytest.mark.parametrize("block", [0, 3, 1024])
def test_arrays_of_the_state_have_as_many_numbers_as_the_library_keeps(shape: tuple[int, ...], block: int) -> None:
    row = defaults(_ffi_optimizers.SHAMPOO).changed({"block_size": float(block)})
    config, count = _ffi_optimizers.Config(), _ffi.Int64()
    row.write(config)
    sizes = (_ffi.Int64 * len(shape))(*shape)
    for slot, name in enumerate(row.slots.names):
        _ffi_optimizers.martlet_slot_count(count, config, slot, sizes, len(shape))
        assert row.slots.size(name, shape) == count.value, name


SHAPES = ((130, 70), (40, 150), (9, 4, 3, 3), (24, 24), (50,))


def made(**options: Any) -> tuple[list[nn.Parameter], Shampoo]:
    parameters = [nn.Parameter(torch.from_numpy(noise(shape, k)).float()) for k, shape in enumerate(SHAPES)]
    return parameters, Shampoo(parameters, **{"precondition_frequency": 2, **options})


def trained(threads: int, optimizer: Any, parameters: list[nn.Parameter], steps: range) -> list[bytes]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for step in steps:
            for index, parameter in enumerate(parameters):
                parameter.grad = torch.from_numpy(noise(tuple(parameter.shape), 100 * step + index)).float()
            optimizer.step()
    finally:
        torch.set_num_threads(before)
    return [parameter.detach().numpy().tobytes() for parameter in parameters]


@pytest.mark.parametrize("options", [{"block_size": 48}, {"grafting": "adam"}], ids=str)
def test_the_same_bits_for_any_threads(options: dict[str, Any]) -> None:
    found = []
    for threads in (1, 2, 3, 7):
        parameters, optimizer = made(**options)
        found.append(trained(threads, optimizer, parameters, range(4)))
    assert found[0] == found[1] == found[2] == found[3]


@pytest.mark.parametrize("options", [{"block_size": 48}, {"grafting": "adam"}], ids=str)
@pytest.mark.parametrize("steps", [1, 4])
def test_training_goes_on_to_the_bit(options: dict[str, Any], steps: int) -> None:
    parameters, optimizer = made(**options)
    trained(2, optimizer, parameters, range(steps))
    again, other = made(grafting=options.get("grafting"))
    for mine, theirs in zip(again, parameters, strict=True):
        mine.data.copy_(theirs.data)
    other.load_state_dict(optimizer.state_dict())
    copied, third = copy.deepcopy((parameters, optimizer))
    more = range(steps, steps + 3)
    assert trained(1, other, again, more) == trained(2, optimizer, parameters, more) == trained(3, third, copied, more)


@pytest.mark.parametrize("way", ["load_state_dict", "save"])
def test_arrays_go_on_to_the_bit(way: str, tmp_path: Any) -> None:
    start = {"w": noise((9, 6), 0), "b": noise((6,), 2)}
    options: dict[str, Any] = {"precondition_frequency": 2, "block_size": 5, "grafting": "adam"}

    def go(values: dict[str, Any], optimizer: Any, first: int) -> None:
        for step in range(first, first + 3):
            optimizer.step({name: noise(value.shape, 10 * step) for name, value in values.items()})

    one = optim.Shampoo(start, **options)
    go(start, one, 0)
    again = copy.deepcopy(start)
    other = optim.Shampoo(again, **options)
    if way == "save":
        one.save(tmp_path / "state")
        other.load(tmp_path / "state")
    else:
        other.load_state_dict(one.state_dict())
    for values, optimizer in ((start, one), (again, other)):
        go(values, optimizer, 3)
    for name, value in start.items():
        np.testing.assert_array_equal(again[name], value)


@pytest.mark.parametrize("options", [{}, {"grafting": "adam"}], ids=str)
def test_gradients_of_zeros_move_nothing(options: dict[str, Any]) -> None:
    value = noise((6, 4), 0)
    optimizer = optim.Shampoo([value], **options)
    for _ in range(3):
        optimizer.step([np.zeros((6, 4))])
    np.testing.assert_array_equal(value, noise((6, 4), 0))
    optimizer.step([noise((6, 4), 1)])
    assert np.isfinite(value).all() and (value != noise((6, 4), 0)).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300, 1e-300])
def test_gradients_that_no_matrix_survives(bad: float) -> None:
    """They come to an end, with the other matrices untouched."""
    values, alone = [noise((6, 4), 0), noise((5, 5), 1)], [noise((5, 5), 1)]
    both, one = optim.Shampoo(values), optim.Shampoo(alone)
    for step in range(1, 5):
        gradient = noise((6, 4), step)
        if step == 2:
            gradient[2, 1] = bad
        both.step([gradient, noise((5, 5), 10 + step)])
        one.step([noise((5, 5), 10 + step)])
    np.testing.assert_array_equal(values[1], alone[0])


def test_where_parameters_go() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3))
    optimizer = Shampoo(model, weight_decay=0.5)
    assert [group["param_names"] for group in optimizer.param_groups] == [
        ["0.weight", "2.weight"],
        ["0.bias", "1.weight", "1.bias", "2.bias"],
    ]
    rest = optimizer.param_groups[1]
    assert (rest["lr"], rest["betas"], rest["eps"], rest["weight_decay"]) == (1e-3, (0.9, 0.999), 1e-8, 0.5)
    assert Shampoo(model, lr=0.1, grafting="adam").param_groups[1]["lr"] == 0.1
    plain = optim.Shampoo({"a": noise((3, 4), 0), "b": noise((3,), 1)}, lr=0.1, grafting="adam")
    assert [group["lr"] for group in plain.param_groups] == [0.1, 0.1]


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: Shampoo([{"params": [torch.ones(3)]}]), r"Shampoo steps matrices, and .* has shape \(3,\); give it to Ad"),
    (lambda: Shampoo([torch.ones(3, 3)], grafting="sgd"), "grafting is 'sgd'; wanted one of None, 'adam'"),
    (lambda: Shampoo([torch.ones(3, 3)], precondition_frequency=1.5), r"precondition_frequency is 1\.5"),
    (lambda: Shampoo([torch.ones(3, 3)], shampoo_beta=1.5), r"shampoo_beta is 1\.5; expected 0 to 1"),
    (lambda: Shampoo([torch.ones(3, 3)], eps=-1.0), "Invalid epsilon value: -1"),
    (
        lambda: optim.Shampoo([np.ones((3, 3))], graft_eps=-1.0),
        r"graft_eps is -1\.0; expected a finite number, 0 or more",
    ),
    (lambda: martlet.shampoo(np.ones(3), np.ones(3)), "shampoo steps matrices|adamw"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refusals(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(martlet.MartletError, match=message):
        make()
