"""What a group may have because torch's class takes it, though a native call does not: torch then steps."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from torch import nn

import martlet
import martlet.torch
from martlet.torch import plan

NAN, INF = float("nan"), float("inf")
TURNED: list[tuple[str, dict[str, Any]]] = [
    ("Adam", {"lr": NAN}),
    ("Adam", {"lr": -INF}),
    ("Adam", {"betas": (0.9, NAN)}),
    ("AdamW", {"eps": NAN}),
    ("AdamW", {"weight_decay": INF}),
    ("SGD", {"momentum": NAN}),
    ("Adagrad", {"lr": INF}),
    ("RMSprop", {"alpha": NAN}),
    ("Muon", {"lr": NAN}),
]


def stepped(kind: Any, options: dict[str, Any]) -> Any:
    """Steps with usual options, with these, and with usual ones again."""
    parameter = nn.Parameter(torch.full((2, 2), 0.5))
    optimizer = kind([parameter], lr=0.1)
    usual = dict(optimizer.param_groups[0])
    seen = []
    for changed in ({}, options, options, {}):
        optimizer.param_groups[0].update({**usual, **changed})
        parameter.grad = torch.full((2, 2), 0.25)
        optimizer.step()
        seen.append(parameter.detach().clone())
    return seen, optimizer


@pytest.mark.filterwarnings("ignore:torch.optim")
@pytest.mark.parametrize(("name", "options"), TURNED, ids=str)
def test_numbers_that_are_not_finite(name: str, options: dict[str, Any]) -> None:
    theirs, _ = stepped(getattr(torch.optim, name), options)
    ours, optimizer = stepped(getattr(martlet.torch, name), options)
    close = 2e-3 if name == "Muon" else 1e-6
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, equal_nan=True, rtol=1e-5, atol=close)
    assert optimizer.native_share == 1


def test_torch_is_told_of_and_kept_out() -> None:
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.ones(2)
    for make, kind in (
        (lambda: martlet.torch.Adam([parameter], strict=True), martlet.ArgumentError),
        (lambda: martlet.torch.Adam([parameter], max_norm=1.0), martlet.ArgumentError),
        (lambda: martlet.torch.Lion([parameter]), martlet.ArgumentError),
    ):
        optimizer = make()
        optimizer.param_groups[0]["lr"] = NAN
        with pytest.raises(kind, match="Invalid learning rate: nan"):
            optimizer.step()
        assert torch.equal(parameter.detach(), torch.ones(2))
    optimizer = martlet.torch.Adam([parameter])
    optimizer.param_groups[0]["lr"] = NAN
    with pytest.warns(UserWarning, match="torch.optim.Adam steps what martlet.torch.Adam cannot: .*learning rate: nan"):
        optimizer.step()
    assert optimizer.native_share == 0
    assert parameter.isnan().all()


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "RMSprop", "NAdam", "Adamax"])
def test_switches_that_are_none(name: str) -> None:
    ended = []
    for module in (torch.optim, martlet.torch):
        parameter = nn.Parameter(torch.ones(3))
        optimizer = getattr(module, name)([parameter], lr=0.1, maximize=None)
        for key in ("amsgrad", "nesterov", "centered", "differentiable", "capturable"):
            if key in optimizer.param_groups[0]:
                optimizer.param_groups[0][key] = None
        optimizer = pickle.loads(pickle.dumps(optimizer))
        parameter = optimizer.param_groups[0]["params"][0]
        for _ in range(3):
            parameter.grad = torch.ones(3)
            optimizer.step()
        ended.append(parameter.detach())
    torch.testing.assert_close(ended[1], ended[0])
    assert optimizer.native_share == 1
    with pytest.raises(TypeError, match="maximize is None; wanted True or False"):
        martlet.torch.Lion([parameter], maximize=None)


@pytest.mark.filterwarnings("ignore:torch.optim")
def test_overlapping_parameters_want_one_plan_until_they_part(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(plan.Plan, "run_first", lambda self, run=plan.Plan.run_first: made.append(self) or run(self))
    ended = []
    for module in (torch.optim, martlet.torch):
        memory = torch.ones(10)
        parameters = [nn.Parameter(memory[:6]), nn.Parameter(memory[4:]), nn.Parameter(torch.ones(3))]
        optimizer, shares, counts = module.Adam(parameters, lr=0.1), [], []
        for step in range(8):
            if step == 5:
                parameters[1].data = parameters[1].data.clone()
            for one in parameters:
                one.grad = torch.full_like(one, 0.1 * (step + 1))
            optimizer.step()
            shares.append(getattr(optimizer, "native_share", None))
            counts.append(len(made))
        ended.append(torch.cat([one.detach() for one in parameters]))
    torch.testing.assert_close(ended[1], ended[0])
    assert shares == [0.2] * 5 + [1.0] * 3
    assert counts == [2] * 5 + [3] * 3


@pytest.mark.filterwarnings("ignore:torch.optim")
@pytest.mark.parametrize("key", ["lr", "eps", "weight_decay"])
@pytest.mark.parametrize("name", ["Adam", "SGD", "RMSprop", "NAdam", "Adafactor"])
def test_constructors_take_infinite_numbers(name: str, key: str) -> None:
    if key == "eps" and name in ("SGD", "Adafactor"):
        return
    ended = []
    for module in (torch.optim, martlet.torch):
        parameter = nn.Parameter(torch.tensor([1.0, -2.0]))
        optimizer = getattr(module, name)([parameter], **{key: INF})
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))], key: NAN})
        parameter.grad = torch.tensor([0.5, 0.25])
        optimizer.step()
        ended.append(parameter.detach())
    torch.testing.assert_close(ended[1], ended[0], equal_nan=True)


SWITCHED: list[dict[str, Any]] = [
    {"foreach": True, "lr": torch.tensor(0.1)},
    {"foreach": True, "lr": torch.tensor(0.1), "capturable": True},
    {"foreach": True, "fused": True},
    {"fused": True, "differentiable": True},
]


@pytest.mark.parametrize("options", SWITCHED, ids=str)
@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Adadelta", "ASGD", "Rprop", "SGD"])
def test_switches_go_together_as_in_torch(name: str, options: dict[str, Any]) -> None:
    said: list[Any] = []
    for module in (torch.optim, martlet.torch):
        try:
            getattr(module, name)([nn.Parameter(torch.ones(2))], **options)
            said.append(None)
        except (TypeError, ValueError, RuntimeError) as error:
            said.append(error)
    theirs, ours = said
    assert (ours is None) == (theirs is None)
    if theirs is not None:
        assert isinstance(ours, type(theirs))
        assert str(ours) == str(theirs) or isinstance(theirs, TypeError)
