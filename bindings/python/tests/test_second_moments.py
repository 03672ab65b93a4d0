"""Second moments that bfloat16 keeps, where that was asked for: rounded to nearest they would stand still once a step
adds less than half of their last place, rounded at random they are on average what float64 makes of the gradients.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import martlet
import martlet.torch
from martlet import functional, optim

NDArray = np.ndarray[Any, Any]
BF16 = ml_dtypes.bfloat16
STEPS, COUNT = 600, 4096
GRADIENT = np.random.default_rng(1).uniform(0.5, 2, COUNT).astype(BF16)


def wanted(beta: float = 0.999) -> NDArray:
    """Of one gradient at every step, in float64; to nearest it would end at about half of that."""
    return (1 - beta**STEPS) * GRADIENT.astype(np.float64) ** 2


def check(found: NDArray) -> None:
    assert found.dtype == BF16
    ratio = found.astype(np.float64).ravel() / wanted()
    # Each is off by some places of 2^-8; of 4,096, that average out, a deviation of 0.0003 is left.
    assert abs(ratio.mean() - 1) < 0.002
    assert 0.002 < ratio.std() < 0.05


def of_numpy(dtype: Any, made: Any = optim.Adam, **options: Any) -> optim.Optimizer:
    value = np.ones((64, 64), dtype)
    optimizer = made([value], **options)
    for _ in range(STEPS):
        optimizer.step([GRADIENT.reshape(64, 64)])
    return optimizer  # type: ignore[no-any-return]


def state_of(optimizer: optim.Optimizer) -> dict[str, NDArray]:
    return optimizer._parameters.entries[0].state


WAYS = [
    (np.float32, {"state_dtype": BF16}),
    (np.float16, {"state_dtype": BF16}),
    (BF16, {"low_precision": "stochastic"}),
    (BF16, {"low_precision": "kahan"}),
]


@pytest.mark.parametrize(("dtype", "options"), WAYS, ids=str)
def test_the_mean_is_float64s(dtype: Any, options: dict[str, Any]) -> None:
    state = state_of(of_numpy(dtype, lr=1e-3, **options))
    check(state["exp_avg_sq"])


def test_a_sum_grows() -> None:
    """Adagrad's, which to nearest ends at 256 times what a step adds."""
    sums = state_of(of_numpy(np.float32, optim.Adagrad, lr=1e-3, state_dtype=BF16))["sum"].astype(np.float64)
    ratio = sums.ravel() / (STEPS * GRADIENT.astype(np.float64) ** 2)
    assert abs(ratio.mean() - 1) < 0.002


def test_plain_bfloat16_is_as_torch_has_it() -> None:
    """Where nothing was asked for, every slot is rounded to nearest."""
    found = state_of(of_numpy(BF16))["exp_avg_sq"].astype(np.float64).ravel()
    assert np.all(found < 0.8 * wanted())


def test_in_torch_and_back(tmp_path: Path) -> None:
    value = torch.ones(64, 64, dtype=torch.bfloat16).requires_grad_()
    ours = martlet.torch.AdamW([value], lr=1e-3, weight_decay=0.0, low_precision="stochastic")
    value.grad = torch.from_numpy(GRADIENT.astype(np.float32)).reshape(64, 64).to(torch.bfloat16)
    for _ in range(STEPS):
        ours.step()
    moment = ours.state[value]["exp_avg_sq"]
    check(moment.view(torch.int16).numpy().view(BF16))
    theirs = torch.optim.AdamW([value], lr=1e-3)
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(theirs.state[value]["exp_avg_sq"], moment)
    theirs.step()
    again = martlet.torch.AdamW([value], lr=1e-3, weight_decay=0.0, low_precision="stochastic")
    again.load_state_dict(theirs.state_dict())
    assert torch.equal(again.state[value]["exp_avg_sq"], theirs.state[value]["exp_avg_sq"])
    again.step()


def test_of_a_function() -> None:
    value, state = np.ones(COUNT, np.float32), None
    for _ in range(STEPS):
        _, state = functional.adam(value, GRADIENT, state, lr=1e-3, state_dtype=BF16)
    assert state is not None
    check(next(array for name, array in state.items() if name == "exp_avg_sq"))


@pytest.mark.parametrize("dtype", [np.float32, BF16], ids=str)
@pytest.mark.parametrize("shape", [(4096,), (37, 111), (70_001,)])
def test_same_bits(dtype: Any, shape: tuple[int, ...], tmp_path: Path) -> None:
    """For any threads, instruction set and layout, and where training goes on from a file."""
    rng = np.random.default_rng(5)
    start = rng.normal(size=shape).astype(dtype)
    gradients = [rng.normal(size=shape).astype(dtype) for _ in range(6)]
    options = {"lr": 1e-2, "state_dtype": BF16} | ({"low_precision": "stochastic"} if dtype is BF16 else {})

    def trained(resumes: bool = False, turned: bool = False) -> list[bytes]:
        value = start.copy(order="F" if turned else "C")
        optimizer = optim.AdamW([("w", value)], **options)
        for index, gradient in enumerate(gradients):
            if index == 3 and resumes:
                optimizer.save(tmp_path / "state")
                optimizer = optim.AdamW([("w", value)], **options)
                optimizer.load(tmp_path / "state")
            optimizer.step([gradient])
        found = [value, *(state_of(optimizer)[slot] for slot in ("exp_avg", "exp_avg_sq"))]
        return [np.ascontiguousarray(array).tobytes() for array in found]

    first = trained()
    assert trained(resumes=True) == first
    if len(shape) > 1:
        assert trained(turned=True) == first
    before = martlet.machine()
    try:
        for isa in ("baseline", "avx2", "avx512"):
            try:
                martlet.set_isa(isa)
            except martlet.ArgumentError:
                continue
            for threads in (1, 3):
                martlet.set_num_threads(threads)
                assert trained() == first
    finally:
        martlet.set_isa(before.isa)
        martlet.set_num_threads(0)
