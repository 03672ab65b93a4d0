"""The live state of martlet.torch: what people do to torch's state, in place or by putting something else there, takes
effect as in torch's own class, and the count of steps stays exact where the number that shows it does not."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import martlet
import martlet.torch
import models

SHAPES = ((3, 4), (5,), ())
Entries = list[dict[str, Any]]


def each(change: Callable[[Tensor], object]) -> Callable[[Entries], None]:
    """A change of every value of every state."""

    def changed(entries: Entries) -> None:
        for entry in entries:
            for value in entry.values():
                change(value)

    return changed


def steps(make: Callable[[Any], Any]) -> Callable[[Entries], None]:
    """Other steps put in place of the old."""

    def changed(entries: Entries) -> None:
        for entry in entries:
            entry["step"] = make(entry["step"])

    return changed


def averaged(entries: Entries) -> None:
    other = copy.deepcopy(entries)
    each(lambda value: value.mul_(3))(other)
    for entry, twin in zip(entries, other, strict=True):
        for key, value in entry.items():
            value.add_(twin[key]).div_(2)


def drawn_to_copies(entries: Entries) -> None:
    for entry in entries:
        for value in entry.values():
            value.lerp_(torch.full_like(value, 2.0), 0.3)


def grown(entries: Entries) -> None:
    for entry in entries:
        entry["step"] += 10


CHANGES: dict[str, Callable[[Entries], None]] = {
    "halved": each(lambda value: value.div_(2)),
    "halved twice": each(lambda value: value.div_(2).div_(2)),
    "restarted": each(lambda value: value.zero_()),
    "averaged": averaged,
    "lerp_": drawn_to_copies,
    "grown": grown,
    "a small fraction": steps(lambda step: step.fill_(1e-3)),
    "below zero": steps(lambda step: step.fill_(-0.75)),
    "far on": steps(lambda step: step.fill_(1e6)),
    "another tensor": steps(lambda step: torch.tensor(41.0)),
    "float64": steps(lambda step: torch.tensor(41.25, dtype=torch.float64)),
    "int64": steps(lambda step: torch.tensor(41)),
    "of one dimension": steps(lambda step: torch.tensor([41.5])),
    "a view": steps(lambda step: torch.tensor([1.0, 6.0, 2.0])[1]),
    "copies": lambda entries: [entry.update(copy.deepcopy(entry)) for entry in entries][:0],
}


def pair(**options: Any) -> tuple[tuple[list[nn.Parameter], Any], tuple[list[nn.Parameter], Any]]:
    ours, theirs = models.twins(*SHAPES, dtype=torch.float64)
    return (ours, martlet.torch.Adam(ours, lr=0.05, **options)), (theirs, torch.optim.Adam(theirs, lr=0.05, **options))


def run(parameters: list[nn.Parameter], optimizer: Any, first: int, last: int) -> None:
    for step in range(first, last):
        models.set_grads(parameters, step)
        optimizer.step()


@pytest.mark.parametrize("amsgrad", [False, True], ids=["", "amsgrad"])
@pytest.mark.parametrize("change", CHANGES)
def test_changes_take_effect_as_in_torch(change: str, amsgrad: bool) -> None:
    both = pair(amsgrad=amsgrad)
    for parameters, optimizer in both:
        run(parameters, optimizer, 0, 5)
        CHANGES[change]([optimizer.state[parameter] for parameter in parameters])
        run(parameters, optimizer, 5, 9)
    (ours, optimizer), (theirs, peer) = both
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-9, atol=0)
        for key, value in peer.state[q].items():
            torch.testing.assert_close(
                optimizer.state[p][key].double(), value.double(), rtol=1e-6 if key == "step" else 1e-9, atol=0
            )


def test_what_is_read_is_as_in_torch() -> None:
    (ours, optimizer), (theirs, peer) = pair()
    run(ours, optimizer, 0, 3), run(theirs, peer, 0, 3)
    norms = [
        torch.stack([value.norm() for p in parameters for value in some.state[p].values() if value.dim() < 2]).sum()
        for parameters, some in ((ours, optimizer), (theirs, peer))
    ]
    torch.testing.assert_close(*norms)
    step = optimizer.state[ours[0]]["step"]
    assert (step.dtype, step.shape, step.device.type) == (torch.float32, (), "cpu")
    held = optimizer.state[ours[0]]
    run(ours, optimizer, 3, 5)
    assert held["step"].item() == 5 and held["step"] is step


def test_the_entry_that_a_user_holds_is_the_one_that_is_filled() -> None:
    parameter = nn.Parameter(torch.ones(2))
    optimizer = martlet.torch.Adam([parameter])
    held = optimizer.state[parameter]
    parameter.grad = torch.ones(2)
    optimizer.step()
    assert optimizer.state[parameter] is held and held["step"].item() == 1
    held["step"] = 5
    optimizer.step()
    assert held["step"].item() == 6 and held["step"].dtype == torch.float32


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -1.0, -3.5, 2.0**63, 1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_step_that_is_none_changes_nothing(wrong: float, dtype: torch.dtype) -> None:
    ours, _ = pair()
    parameters, optimizer = ours
    run(parameters, optimizer, 0, 3)
    optimizer.state[parameters[1]]["step"] = torch.tensor(3.0, dtype=dtype)
    run(parameters, optimizer, 3, 4)
    optimizer.state[parameters[1]]["step"].fill_(wrong)
    before = copy.deepcopy([parameters, dict(optimizer.state)])
    for _ in range(2):
        with pytest.raises(martlet.ArgumentError, match=r"step of param_groups\[0\]\['params'\]\[1\] is .*expected"):
            optimizer.step()
    after = [parameters, dict(optimizer.state)]
    for p, q in zip(before[0], after[0], strict=True):
        assert torch.equal(p, q)
    for entry, other in zip(before[1].values(), after[1].values(), strict=True):
        assert all(torch.equal(entry[key], other[key]) or math.isnan(wrong) for key in entry)
    parameters[1].grad = None
    optimizer.step()  # as in torch, a parameter without gradient is left alone, whatever its step


def exact(optimizer: Any) -> list[int]:
    return [int(entry.get("step_exact", entry["step"])) for entry in optimizer.state_dict()["state"].values()]


@pytest.mark.parametrize("way", ["repeated", "new plan", "failed", "load", "pickle", "deepcopy"])
def test_the_count_stays_exact_past_what_float32_shows(way: str) -> None:
    parameters, optimizer = pair()[0]
    run(parameters, optimizer, 0, 1)
    for parameter in parameters:
        optimizer.state[parameter]["step"].fill_(2**24)
    run(parameters, optimizer, 1, 4)
    if way == "new plan":
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))], "lr": 0.5})
        optimizer.param_groups[0]["amsgrad"] = True
    elif way == "failed":
        optimizer.param_groups[0]["eps"] = "small"
        with pytest.raises(martlet.DTypeError):
            optimizer.step()
        optimizer.param_groups[0]["eps"] = 1e-8
    elif way == "load":
        state = optimizer.state_dict()
        parameters, optimizer = pair()[0]
        optimizer.load_state_dict(state)
    elif way != "repeated":
        copied = copy.deepcopy if way == "deepcopy" else lambda value: pickle.loads(pickle.dumps(value))
        parameters, optimizer = copied((parameters, optimizer))
    run(parameters, optimizer, 4, 6)
    assert exact(optimizer) == [2**24 + 5] * 3
    assert optimizer.state[parameters[0]]["step"].item() == 2**24 + 4
    for parameter in parameters:
        optimizer.state[parameter]["step"].div_(2**24)
    run(parameters, optimizer, 6, 7)
    assert optimizer.state[parameters[0]]["step"].item() == pytest.approx(2)
    assert "step_exact" not in optimizer.state_dict()["state"][0]


def test_an_exact_step_that_is_given() -> None:
    parameters, optimizer = pair()[0]
    run(parameters, optimizer, 0, 1)
    for parameter, count in zip(parameters, (2**24 + 1, torch.tensor(2**40 + 1), 2**53 + 1), strict=True):
        optimizer.state[parameter]["step"] = count
    run(parameters, optimizer, 1, 3)
    assert exact(optimizer) == [2**24 + 3, 2**40 + 3, 2**53 + 3]


def test_steps_are_float64_where_torchs_are() -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        for options in ({}, {"fused": True}):
            (ours, optimizer), (theirs, peer) = pair(**options)
            for parameters, some in ((ours, optimizer), (theirs, peer)):
                run(parameters, some, 0, 2)
                each(lambda value: value.div_(8))([some.state[parameter] for parameter in parameters])
                run(parameters, some, 2, 4)
            for p, q in zip(ours, theirs, strict=True):
                torch.testing.assert_close(p, q, rtol=1e-9, atol=0)
                ours_step, theirs_step = optimizer.state[p]["step"], peer.state[q]["step"]
                assert (ours_step.dtype, ours_step.item()) == (theirs_step.dtype, theirs_step.item())
    finally:
        torch.set_default_dtype(before)
