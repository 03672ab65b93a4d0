"""Tensors of torch.inference_mode(): stepped where torch steps them, and refused, with nothing changed, where it does
not."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

import martlet
import martlet.torch
from martlet.torch import by_torch

pytestmark = pytest.mark.filterwarnings("ignore:torch.optim")
NAMES = [peer.__name__ for peer in by_torch.OURS if peer.__name__ != "SparseAdam"]
#: Which of parameter and gradient are of inference mode, and in which modes steps are taken.
CASES = [
    ("param", [False]),
    ("param", [True, True, False]),
    ("param grad", [True, False]),
    ("grad", [False, False]),
    ("", [True, False]),
    ("", [False, True, False]),
]


def made(of_inference: bool) -> Tensor:
    with torch.inference_mode(of_inference):
        return torch.full((4, 4), 0.5)


def outcome(make: Any, which: str, modes: list[bool]) -> tuple[list[Any], Tensor, Any]:
    """What each step raised, and what is left."""
    parameter = made("param" in which)
    with torch.inference_mode("param" in which):
        parameter.requires_grad_()
    parameter.grad = made("grad" in which)
    optimizer = make([parameter], lr=0.1)
    raised: list[Any] = []
    for mode in modes:
        try:
            with torch.inference_mode(mode):
                optimizer.step()
            raised.append(None)
        except RuntimeError as error:
            raised.append(error)
    return raised, parameter, optimizer


@pytest.mark.parametrize("installed", [False, True])
@pytest.mark.parametrize(("which", "modes"), CASES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_as_torch(name: str, which: str, modes: list[bool], installed: bool) -> None:
    theirs, value, _ = outcome(getattr(torch.optim, name), which, modes)
    with martlet.torch.installed() if installed else nullcontext():
        make = getattr(torch.optim if installed else martlet.torch, name)
        ours, own, optimizer = outcome(make, which, modes)
    assert [error is None for error in ours] == [error is None for error in theirs]
    for error in filter(None, ours):
        assert "Inplace update to inference tensor outside InferenceMode is not allowed" in str(error)
        assert isinstance(error, martlet.MartletError)
    if not any(theirs):
        close = 2e-3 if name == "Muon" else 1e-5  # torch's multiplies in bfloat16
        torch.testing.assert_close(own.detach(), value.detach(), rtol=1e-4, atol=close)
    assert optimizer.native_share == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_refusal_changes_nothing(name: str) -> None:
    for modes in ([False], [True, False]):
        _, parameter, optimizer = outcome(getattr(martlet.torch, name), "param", modes)
        _, before, other = outcome(getattr(martlet.torch, name), "param", modes[:-1])
        assert torch.equal(parameter.detach(), before.detach())
        entry, wanted = optimizer.state.get(parameter, {}), other.state.get(before, {})
        assert entry.keys() == wanted.keys()
        assert all(torch.equal(entry[key], wanted[key]) for key in entry)


def test_gradients_come_and_go() -> None:
    """Where a step looks at tensors one by one."""
    parameters = [made(True), torch.ones(3)]
    optimizer = martlet.torch.SGD(parameters, lr=0.1, momentum=0.9)
    with torch.inference_mode():
        for one in parameters:
            one.requires_grad_()
        for step in range(3):
            parameters[0].grad, parameters[1].grad = torch.ones(4, 4), torch.ones(3) if step % 2 else None
            optimizer.step()
    parameters[1].grad, before = None, parameters[0].detach().clone()
    with pytest.raises(RuntimeError, match=r"is not allowed: param_groups\[0\]\['params'\]\[0\] was made inside"):
        optimizer.step()
    assert torch.equal(parameters[0].detach(), before)
