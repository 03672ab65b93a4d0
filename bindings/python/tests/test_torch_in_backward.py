"""Steps inside the backward pass end where steps behind it do, and gradients are gone by then."""

from __future__ import annotations

import copy
import pickle
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._mode_utils import no_dispatch

import martlet
import martlet.torch
from martlet.torch import in_backward

CASES: list[tuple[str, dict[str, Any]]] = [
    ("AdamW", {}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("LAMB", {}),
    ("Adafactor", {}),
    ("Adam", {"clip_norm": 0.1}),
    ("Adam", {"accumulate": 3}),
    ("AdamW", {"ema_decay": 0.9}),
]


def model(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(1)
    shared = nn.Linear(6, 6)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), shared, nn.Dropout(0.2), shared, nn.Linear(6, 2)).to(dtype)


def loss_of(net: nn.Module, step: int) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    dtype = next(net.parameters()).dtype
    inputs = torch.randn(16, 4, generator=generator, dtype=torch.float64)
    return (net(inputs.to(dtype)) - inputs[:, :2].to(dtype)).square().mean()


def train(net: nn.Module, optimizer: Any, steps: Any, scheduler: Any = None, *, is_inside: bool) -> None:
    for step in steps:
        torch.manual_seed(step)
        if not is_inside:
            optimizer.zero_grad()
        loss_of(net, step).backward()
        if is_inside:
            assert all(parameter.grad is None for parameter in net.parameters())
        optimizer.step()
        if scheduler is not None:
            scheduler.step()


def assert_same(one: nn.Module, other: nn.Module) -> None:
    for ours, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_the_same_bits_as_behind(name: str, options: dict[str, Any]) -> None:
    """With a schedule, and half-way from a file."""
    ended, saved = [], []
    for is_inside in (False, True):
        net = model()
        optimizer = getattr(martlet.torch, name)(net.parameters(), lr=0.05, **options)
        if is_inside:
            in_backward(net, optimizer)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        train(net, optimizer, range(5), scheduler, is_inside=is_inside)
        assert scheduler.last_epoch == 5
        saved.append(copy.deepcopy((net.state_dict(), optimizer.state_dict())))
        train(net, optimizer, range(5, 9), scheduler, is_inside=is_inside)
        ended.append(net)
    assert_same(*ended)
    states = [packed["state"] for _, packed in saved]
    assert states[0].keys() == states[1].keys()
    for index, one in states[0].items():
        other = states[1][index]
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(other[key])), key
    # What is saved inside goes on inside.
    net = model()
    optimizer = getattr(martlet.torch, name)(net.parameters(), lr=0.5, **options)
    in_backward(net, optimizer)
    net.load_state_dict(saved[1][0])
    optimizer.load_state_dict(saved[1][1])
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9, last_epoch=4)
    train(net, optimizer, range(5, 9), scheduler, is_inside=True)
    assert_same(net, ended[0])


def test_numbers_at_random_are_those_of_a_step() -> None:
    ended = []
    for is_inside in (False, True):
        net = model(torch.bfloat16)
        groups = [{"params": list(net[0].parameters())}, {"params": [*net[2].parameters(), *net[5].parameters()]}]
        optimizer = martlet.torch.AdamW(groups, lr=0.01, low_precision="stochastic", seed=5)
        if is_inside:
            in_backward(net, optimizer)
        train(net, optimizer, range(4), is_inside=is_inside)
        ended.append(net)
    assert_same(*ended)


def test_torchs_clip_of_all_gradients() -> None:
    """Exactly, by two backward passes with the same dropout."""
    ended, norms = [], []
    for is_inside in (False, True):
        net = model()
        optimizer = martlet.torch.AdamW(net.parameters(), lr=0.05)
        stepping = in_backward(net, optimizer, max_norm=0.1) if is_inside else None
        found = []
        for step in range(5):
            torch.manual_seed(step)
            if stepping is not None:
                stepping.backward(partial(loss_of, net, step))
                assert all(parameter.grad is None for parameter in net.parameters())
                found.append(stepping.grad_norm)
            else:
                optimizer.zero_grad()
                loss_of(net, step).backward()
                found.append(float(nn.utils.clip_grad_norm_(net.parameters(), 0.1)))
            optimizer.step()
        ended.append(net)
        norms.append(found)
    assert norms[1] == pytest.approx(norms[0], rel=1e-12)
    for ours, theirs in zip(ended[1].parameters(), ended[0].parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_gradients_that_were_there_before_a_clip() -> None:
    """Are added to, in the norm and in the step; a closure that raises leaves them."""
    net, other = model(), model()
    optimizer, plain = (martlet.torch.AdamW(one.parameters(), lr=0.05) for one in (net, other))
    stepping = in_backward(net, optimizer, max_norm=0.1)
    for step in range(3):
        for one in (net, other):
            one[0].weight.grad = torch.full((6, 4), 0.25, dtype=torch.float64)
        with pytest.raises(ZeroDivisionError):
            stepping.backward(lambda: loss_of(net, 0) / (1 // 0))
        torch.manual_seed(step)
        stepping.backward(partial(loss_of, net, step))
        torch.manual_seed(step)
        loss_of(other, step).backward()
        norm = nn.utils.clip_grad_norm_(other.parameters(), 0.1)
        plain.step()
        plain.zero_grad()
        assert stepping.grad_norm == pytest.approx(float(norm), rel=1e-12)
        assert all(parameter.grad is None for parameter in net.parameters())
    for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_parameters_are_stepped_inside_once() -> None:
    """Two models of one optimizer may be; one twice may not, until the first is removed."""
    net, other = model(), model()
    optimizer = martlet.torch.AdamW([*net.parameters(), *other.parameters()])
    first = in_backward(net, optimizer)
    in_backward(other, optimizer)
    with pytest.raises(martlet.OrderError, match="steps parameters of the model already"):
        in_backward(net, optimizer)
    first.remove()
    in_backward(net, optimizer)
    loss_of(net, 0).backward()
    assert all(parameter.grad is None for parameter in net.parameters())


def test_norms_that_are_no_numbers_take_no_step() -> None:
    net = model()
    stepping = in_backward(net, martlet.torch.AdamW(net.parameters()), max_norm=1.0)
    before = copy.deepcopy(net)
    stepping.backward(lambda: loss_of(net, 0) * torch.inf)
    assert stepping.grad_norm != stepping.grad_norm or stepping.grad_norm == torch.inf
    assert_same(net, before)
    assert not stepping.optimizer.state


class Dispatching(Tensor):
    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with no_dispatch():
            return function(*args, **(kwargs or {}))


@pytest.mark.filterwarnings("ignore:torch.optim")
def test_what_torch_steps_is_stepped_inside_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    for is_inside in (False, True):
        net = nn.Linear(4, 3, bias=False).double()
        del net.weight
        net.weight = torch.ones(3, 4, dtype=torch.float64).as_subclass(Dispatching).requires_grad_()
        monkeypatch.setattr(net, "parameters", [net.weight].__iter__)
        optimizer = martlet.torch.SGD([net.weight], lr=0.1, momentum=0.5)
        if is_inside:
            in_backward(net, optimizer)
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.ones(2, 4, dtype=torch.float64)).square().sum().backward()
            optimizer.step()
        ended.append(net.weight.detach().as_subclass(Tensor))
    assert not torch.equal(ended[0], torch.ones_like(ended[0]))
    assert torch.equal(*ended)


def test_hooks_go() -> None:
    net = model()
    optimizer = martlet.torch.AdamW(net.parameters())
    stepping = in_backward(net, optimizer)
    train(net, optimizer, range(2), is_inside=True)
    stepping.remove()
    train(net, optimizer, range(2, 4), is_inside=False)
    assert {int(entry["step"]) for entry in optimizer.state.values()} == {4}
    assert pickle.loads(pickle.dumps(optimizer)).state_dict()["state"].keys() == optimizer.state_dict()["state"].keys()
    with pytest.raises(martlet.OrderError, match="hooks have been removed"):
        stepping.backward(lambda: loss_of(net, 0))


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda net: in_backward(net, torch.optim.Adam(net.parameters())), martlet.DTypeError, "optimizer is a Adam"),
        (lambda net: in_backward(3, martlet.torch.Adam(net.parameters())), martlet.DTypeError, "model is a int"),
        (
            lambda net: in_backward(net, martlet.torch.Adam(net.parameters()), max_norm=0),
            martlet.ArgumentError,
            "max_norm is 0; wanted more than 0",
        ),
        (
            lambda net: in_backward(net, martlet.torch.Adam(net.parameters(), max_norm=1.0)),
            martlet.UnsupportedError,
            "'max_norm', which looks at all gradients: leave it out, and give in_backward max_norm",
        ),
        (
            lambda net: in_backward(net, martlet.torch.Adam(net.parameters(), skip_nonfinite=True)),
            martlet.UnsupportedError,
            "'skip_nonfinite', which looks",
        ),
        (
            lambda net: in_backward(net, martlet.torch.Prodigy(net.parameters())),
            martlet.UnsupportedError,
            "Prodigy, whose rate",
        ),
        (
            lambda net: in_backward(nn.Linear(2, 2), martlet.torch.Adam(net.parameters())),
            martlet.ArgumentError,
            "no parameter of the optimizer is the model's",
        ),
    ],
)
def test_what_it_refuses(make: Any, kind: type[Exception], text: str) -> None:
    net = model()
    with pytest.raises(kind, match=text):
        make(net)
    loss_of(net, 0).backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_a_plain_backward_pass_beside_max_norm() -> None:
    net = model()
    in_backward(net, martlet.torch.Adam(net.parameters()), max_norm=1.0)
    with pytest.raises(martlet.OrderError, match="call backward\\(closure\\) in place of loss.backward"):
        loss_of(net, 0).backward()
