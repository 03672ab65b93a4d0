"""Steps inside the backward pass from in_backward() to remove(): what is refused, what goes wrong, what is kept."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import martlet
import martlet.torch
from martlet.torch import in_backward
from trained_inside import assert_same, loss_of, model, train


def test_parameters_are_stepped_inside_once() -> None:
    """Two models of one optimizer may be; one twice may not, until the first is removed."""
    net, other = model(), model()
    optimizer = martlet.torch.AdamW([*net.parameters(), *other.parameters()])
    first = in_backward(net, optimizer)
    in_backward(other, optimizer)
    with pytest.raises(martlet.OrderError, match="parameters of the model already"):
        in_backward(net, optimizer)
    first.remove()
    in_backward(net, optimizer)
    loss_of(net, 0).backward()
    assert all(parameter.grad is None for parameter in net.parameters())


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


def test_options_that_come_later() -> None:
    net = model()
    optimizer = martlet.torch.AdamWScheduleFree(net.parameters())
    in_backward(net, optimizer)
    train(net, optimizer, range(2), is_inside=True)
    optimizer.eval()
    with pytest.raises(martlet.OrderError, match="call train\\(\\) before backward"):
        loss_of(net, 0).backward()
    optimizer.train()
    net.zero_grad()
    train(net, optimizer, range(2), is_inside=True)
    optimizer.param_groups[0]["max_norm"] = 1.0
    before = copy.deepcopy(net)
    with pytest.raises(martlet.UnsupportedError, match="'max_norm', which looks at all gradients"):
        loss_of(net, 0).backward()
    assert_same(net, before)


def test_called_twice() -> None:
    """For the same parameters it is refused; two models may have one optimizer."""
    net, beside = model(), model()
    optimizer = martlet.torch.SGD([*net.parameters(), *beside.parameters()], lr=0.1)
    first = in_backward(net, optimizer)
    in_backward(beside, optimizer)
    for again in (net, beside):
        with pytest.raises(martlet.OrderError, match="steps parameters of the model already"):
            in_backward(again, optimizer, max_norm=1.0)
    (loss_of(net, 0) + loss_of(beside, 0)).backward()
    assert all(one.grad is None for one in (*net.parameters(), *beside.parameters()))
    first.remove()
    clipped = in_backward(net, optimizer, max_norm=1.0)
    clipped.backward(partial(loss_of, net, 1))
    assert clipped.grad_norm > 0


def test_nothing_is_kept_for_ever() -> None:
    """Nor by copies; and a model whose optimizer is gone says so."""
    net = model()
    optimizer = martlet.torch.AdamW(net.parameters())
    stepping = in_backward(net, optimizer)
    train(net, optimizer, range(2), is_inside=True)
    other = copy.deepcopy(net)
    loss_of(other, 0).backward()
    assert all(parameter.grad is not None for parameter in other.parameters())
    copied = pickle.loads(pickle.dumps(copy.deepcopy(optimizer)))
    assert not any(isinstance(value, list) and stepping in value for value in copied.__dict__.values())
    gone = weakref.ref(net[0].weight), weakref.ref(optimizer)
    del net, optimizer, stepping, copied
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
    in_backward(other, martlet.torch.AdamW(other.parameters()))
    gc.collect()
    other.zero_grad()
    with pytest.raises(martlet.OrderError, match="is gone; keep it"):
        loss_of(other, 0).backward()


def test_what_raises_in_the_middle() -> None:
    """In the first of two passes nothing is stepped; afterwards all goes on."""
    net = model()
    stepping = in_backward(net, martlet.torch.AdamW(net.parameters()), max_norm=1.0)
    before = copy.deepcopy(net)

    class Failing(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, given: Tensor) -> Tensor:
            return given.clone()

        @staticmethod
        def backward(context: Any, *gradients: Tensor) -> Tensor:
            raise ValueError("in the middle")

    def fails() -> Tensor:
        return net[1:](Failing.apply(net[0](torch.ones(2, 4, dtype=torch.float64)))).square().mean()

    with pytest.raises(ValueError, match="in the middle"):
        stepping.backward(fails)
    assert_same(net, before)
    assert all(parameter.grad is None for parameter in net.parameters())
    with pytest.raises(martlet.OrderError):
        loss_of(net, 0).backward()
    net.zero_grad()
    stepping.backward(partial(loss_of, net, 0))
    assert {int(entry["step"]) for entry in stepping.optimizer.state.values()} == {1}
