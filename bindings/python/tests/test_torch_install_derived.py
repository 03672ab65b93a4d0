"""Classes derived from torch's under martlet.torch.install(): what they do in ways of their own, they go on doing."""

from __future__ import annotations

import copy
import pickle
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import AdamW  # as a library has them that was imported before

import martlet
import martlet.torch
from test_torch_install import Counting, parameters, stepped


class Plain(torch.optim.SGD):
    pass


class Own(torch.optim.SGD):
    """Steps in another way."""

    def _init_group(self, *args: Any) -> Any:
        return super()._init_group(*args)


def test_derived_classes() -> None:
    theirs = stepped(Counting(parameters(), 0.1))
    plain = stepped(Plain(parameters(), lr=0.1, momentum=0.9))
    martlet.torch.install()
    optimizer = Counting(parameters(), 0.1)
    assert isinstance(optimizer, Counting)
    assert isinstance(optimizer, martlet.torch.Adam)
    torch.testing.assert_close(stepped(optimizer), theirs)
    assert (optimizer.steps, optimizer.native_share) == (1, 1)
    # torch has put a step of its own into this class when the first object was made.
    second = Plain(parameters(), lr=0.1, momentum=0.9)
    assert type(second).step is martlet.torch.SGD.step
    torch.testing.assert_close(stepped(second), plain)
    assert not isinstance(Own(parameters(), lr=0.1), martlet.torch.Optimizer)


def test_hooks_run_once_in_derived_classes() -> None:
    martlet.torch.install()
    calls: list[str] = []
    for optimizer in (Counting(parameters(), 0.1), Plain(parameters(), lr=0.1), AdamW(parameters())):
        optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
        optimizer.register_step_post_hook(lambda *_: calls.append("behind"))
        stepped(optimizer)
    assert calls == ["before", "behind"] * 3


class Stepping(torch.optim.SGD):
    """Steps by itself."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.state[parameter]["count"] = self.state[parameter].get("count", 0) + 1
                    parameter.data.add_(parameter.grad, alpha=-group["lr"])


class Clipping(torch.optim.AdamW):
    """Looks at gradients before they are stepped by."""

    def step(self, closure: Any = None) -> Any:
        nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 0.1)
        return super().step(closure)


@pytest.mark.parametrize("kind", [Stepping, Clipping, AdamW])
@pytest.mark.parametrize("scale", [1024.0, 1e38])
def test_scaled_losses(kind: Any, scale: float) -> None:
    """Gradients are unscaled before a step sees them, and none is taken where one overflows."""
    ended = []
    for context in (nullcontext(), martlet.torch.installed()):
        with context:
            torch.manual_seed(1)
            model = nn.Linear(3, 2)
            optimizer = kind(model.parameters(), lr=0.05)
            scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=100)
            seen = []
            for _ in range(4):
                optimizer.zero_grad()
                scaler.scale(model(torch.full((2, 3), 10.0)).square().sum()).backward()
                scaler.step(optimizer)
                scaler.update()
                seen.append(float(model.weight.grad.abs().max()))
            ended.append((model.weight.detach().clone(), seen[-1]))
    torch.testing.assert_close(ended[1], ended[0], rtol=1e-5, atol=1e-6)


def test_states_of_other_steps_are_kept() -> None:
    martlet.torch.install()
    optimizer = Stepping(parameters(), lr=0.1)
    stepped(optimizer)
    optimizer.state[optimizer.param_groups[0]["params"][0]]["momentum_buffer"] = torch.zeros(7)
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert [entry["count"] for entry in twin.state.values()] == [1]
    optimizer.load_state_dict(optimizer.state_dict())
    assert [len(entry["momentum_buffer"]) for entry in optimizer.state.values()] == [7]
    # And a state_dict that lacks what torch fills in.
    packed = AdamW(parameters()).state_dict()
    del packed["param_groups"][0]["maximize"]
    AdamW(parameters()).load_state_dict(packed)


def test_names_of_a_derived_classs_own() -> None:
    class Naming(torch.optim.Adam):
        def __init__(self, params: Any) -> None:
            super().__init__(params)
            self.last_step, self.native_share, self.param_copies = 3, "all", None
            self.reduce_sums = True

        def __deepcopy__(self, memo: Any) -> Any:
            return "mine"

    martlet.torch.install()
    optimizer = Naming(parameters())
    stepped(optimizer)
    assert (optimizer.last_step, optimizer.native_share, optimizer.param_copies) == (3, "all", None)
    assert copy.deepcopy(optimizer) == "mine"


def test_classes_that_step_in_another_way_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("martlet.torch.installing._told", set())
    martlet.torch.install()
    with pytest.warns(UserWarning, match="Own stays torch's: it has an _init_group") as caught:
        Own(parameters(), lr=0.1)
    assert caught[0].filename == __file__
