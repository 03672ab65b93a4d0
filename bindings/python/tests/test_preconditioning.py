"""What SOAP and Shampoo both promise: the same bits for any threads, states that go on to the bit, as many numbers as
the library keeps, an end to any gradient, and errors by name. What each computes has a file of its own.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import martlet
import martlet.torch
from martlet import _ffi, _ffi_optimizers, optim
from martlet._config import defaults
from martlet.torch import SOAP, Shampoo

#: Three large matrices of about as much work, of which two threads do two by themselves and the third together; small
#: ones, of which each is one thread's; and what AdamW steps.
SHAPES = ((130, 70), (70, 130), (132, 68), (40, 260), (9, 4, 3, 3), (24, 24), (50,))
KINDS: list[tuple[type, dict[str, Any]]] = [
    (SOAP, {"max_precond_dim": 200}),
    (SOAP, {"max_precond_dim": 200, "block_size": 48}),
    (Shampoo, {"block_size": 48}),
    (Shampoo, {"block_size": 150, "grafting": "adam"}),
]
BOTH = pytest.mark.parametrize("name", ["SOAP", "Shampoo"])
EACH = pytest.mark.parametrize(("kind", "options"), KINDS, ids=str)


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape) + 0.3


def made(kind: Any, **options: Any) -> tuple[list[nn.Parameter], Any]:
    parameters = [nn.Parameter(torch.from_numpy(noise(shape, k)).float()) for k, shape in enumerate(SHAPES)]
    return parameters, kind(parameters, **{"precondition_frequency": 2, **options})


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


@EACH
def test_the_same_bits_for_any_threads(kind: Any, options: dict[str, Any]) -> None:
    found = []
    for threads in (1, 2, 3, 7):
        parameters, optimizer = made(kind, **options)
        found.append(trained(threads, optimizer, parameters, range(4)))
    assert found[0] == found[1] == found[2] == found[3]


@EACH
@pytest.mark.parametrize("way", ["state_dict", "pickle", "deepcopy"])
@pytest.mark.parametrize("steps", [1, 4])
def test_training_goes_on_to_the_bit(kind: Any, options: dict[str, Any], way: str, steps: int) -> None:
    parameters, optimizer = made(kind, **options)
    trained(2, optimizer, parameters, range(steps))
    if way == "pickle":
        again, other = pickle.loads(pickle.dumps((parameters, optimizer)))
    elif way == "deepcopy":
        again, other = copy.deepcopy((parameters, optimizer))
    else:
        again, other = made(kind, **{key: options[key] for key in ("grafting",) if key in options})
        for mine, theirs in zip(again, parameters, strict=True):
            mine.data.copy_(theirs.data)
        other.load_state_dict(optimizer.state_dict())
    more = range(steps, steps + 3)
    assert trained(1, other, again, more) == trained(2, optimizer, parameters, more)


@pytest.mark.parametrize("way", ["load_state_dict", "save"])
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize(
    ("kind", "own"), [(optim.SOAP, {"max_precond_dim": 20}), (optim.Shampoo, {"grafting": "adam"})], ids=str
)
def test_arrays_go_on_to_the_bit(kind: Any, own: dict[str, Any], way: str, steps: int, tmp_path: Any) -> None:
    start = {"w": noise((9, 6), 0), "long": noise((4, 30), 1), "b": noise((6,), 2)}
    options: dict[str, Any] = {"precondition_frequency": 2, "block_size": 5, **own}

    def go(values: dict[str, Any], optimizer: Any, first: int) -> None:
        for step in range(first, first + steps):
            optimizer.step({name: noise(value.shape, 10 * step) for name, value in values.items()})

    one = kind(start, **options)
    go(start, one, 0)
    again = copy.deepcopy(start)
    other = kind(again, **options)
    if way == "save":
        one.save(tmp_path / "state")
        other.load(tmp_path / "state")
    else:
        other.load_state_dict(one.state_dict())
    for values, optimizer in ((start, one), (again, other)):
        go(values, optimizer, steps)
    for name, value in start.items():
        np.testing.assert_array_equal(again[name], value)


@pytest.mark.parametrize("shape", [(7, 5), (11, 11), (0, 4), (4, 0), (1, 6), (4, 3, 2)])
@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        *((_ffi_optimizers.SOAP, {"max_precond_dim": m, "block_size": b}) for m in (4, 2, 10000) for b in (0, 3)),
        *((_ffi_optimizers.SHAMPOO, {"block_size": b}) for b in (0, 3, 1024)),
    ],
    ids=str,
)  # fmt: skip
def test_arrays_of_the_state_have_as_many_numbers_as_the_library_keeps(
    algorithm: int, options: dict[str, int], shape: tuple[int, ...]
) -> None:
    row = defaults(algorithm).changed({key: float(value) for key, value in options.items()})
    config, count = _ffi_optimizers.Config(), _ffi.Int64()
    row.write(config)
    sizes = (_ffi.Int64 * len(shape))(*shape)
    for slot, name in enumerate(row.slots.names):
        _ffi_optimizers.martlet_slot_count(count, config, slot, sizes, len(shape))
        assert row.slots.size(name, shape) == count.value, name


@BOTH
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300, 1e-300])
@pytest.mark.parametrize("when", [1, 2, 4])
def test_gradients_that_no_matrix_survives(name: str, bad: float, when: int) -> None:
    """They come to an end, with the other matrices untouched."""
    values, alone = [noise((6, 4), 0), noise((5, 5), 1)], [noise((5, 5), 1)]
    both, one = (getattr(optim, name)(arrays, precondition_frequency=1) for arrays in (values, alone))
    for step in range(1, 7):
        gradient = noise((6, 4), step)
        if step == when:
            gradient[2, 1] = bad
        both.step([gradient, noise((5, 5), 10 + step)])
        one.step([noise((5, 5), 10 + step)])
    np.testing.assert_array_equal(values[1], alone[0])


@BOTH
@pytest.mark.parametrize("flush", [True, False])
def test_products_keep_or_flush_what_passes_do(name: str, flush: bool) -> None:
    """Gradients below fp32's normal range, divided by little more."""
    weight = torch.zeros(4, 4)
    optimizer = getattr(martlet.torch, name)([weight], eps=2e-38, weight_decay=0.0, flush_denormals=flush)
    for scale in (0.0, 1e-39):
        weight.grad = torch.from_numpy(noise((4, 4), 0)).float() * scale
        optimizer.step()
    assert weight.isfinite().all()
    assert bool((weight == 0).all()) is flush


REFUSED: list[tuple[Callable[[Any, Any], Any], str]] = [
    (lambda one, _: one([{"params": [torch.ones(3)]}]), r"{} steps matrices, and .* has shape \(3,\); give it to Ad"),
    (lambda one, _: one([torch.ones(3, 3)], precondition_frequency=0), "precondition_frequency is 0"),
    (lambda one, _: one([torch.ones(3, 3)], precondition_frequency=1.5), r"precondition_frequency is 1\.5"),
    (lambda one, _: one([torch.ones(3, 3)], block_size=2.5), r"block_size is 2\.5; expected a whole number"),
    (lambda one, _: one([torch.ones(3, 3)], betas=(0.9, 0.9, 0.9)), r"^betas is \(0\.9, 0\.9, 0\.9\)"),
    (lambda one, _: one([torch.ones(3, 3)], betas=(1.5, 0.9)), r"^Invalid beta parameter at index 0: 1\.5"),
    (lambda one, _: one([torch.ones(3, 3)], weight_decay=-1.0), "^Invalid weight_decay value: -1"),
    (lambda one, _: one([torch.ones(3, 3)], adamw_lr=-1.0), "for AdamW, beside {}: Invalid learning rate: -1"),
    (lambda one, _: one([torch.ones(3, 3)], adamw_betas=(0.9, 1.5)), r"for AdamW, beside {}: Invalid beta .* 1: 1\.5"),
    (lambda one, _: one([torch.ones(3, 3, dtype=torch.complex64)]), "{} does not support complex parameters"),
    (lambda _, one: one([{"params": [np.ones(3)]}]), r"{} steps matrices, and params\[0\] has shape \(3,\)"),
    (lambda _, one: one([np.ones((3, 3))], betas=(0.9, 1.0)), r"^Invalid beta parameter at index 1: 1\.0"),
    (lambda _, one: one([np.ones((3, 3))], beta1=1.5), r"^Invalid beta parameter at index 0: 1\.5"),
    (lambda _, one: one([np.ones((3, 3))], adamw_eps=-1.0), "for AdamW, beside {}: Invalid epsilon value: -1"),
    (lambda _, one: getattr(martlet, one.__name__.lower())(np.ones(3), np.ones(3)), "steps matrices|adamw"),
]


@BOTH
@pytest.mark.parametrize(("make", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refusals(name: str, make: Callable[[Any, Any], Any], message: str) -> None:
    with pytest.raises(martlet.MartletError, match=message.format(name)):
        make(getattr(martlet.torch, name), getattr(optim, name))
