"""Steps inside the backward pass that are clipped by the norm of all gradients: two passes, and torch's results."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import martlet
import martlet.torch
from martlet.torch import in_backward
from trained_inside import assert_same, loss_of, model


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


def test_norms_that_are_no_numbers_take_no_step() -> None:
    net = model()
    stepping = in_backward(net, martlet.torch.AdamW(net.parameters()), max_norm=1.0)
    before = copy.deepcopy(net)
    net[0].weight.grad = torch.ones_like(net[0].weight)
    stepping.backward(lambda: loss_of(net, 0) * torch.inf)
    assert all(parameter.grad is None for parameter in net.parameters())
    stepping.optimizer.step()
    assert stepping.grad_norm != stepping.grad_norm or stepping.grad_norm == torch.inf
    assert_same(net, before)
    assert not stepping.optimizer.state


def test_a_plain_backward_pass_beside_max_norm() -> None:
    net = model()
    in_backward(net, martlet.torch.Adam(net.parameters()), max_norm=1.0)
    with pytest.raises(martlet.OrderError, match="call backward\\(closure\\) in place of loss.backward"):
        loss_of(net, 0).backward()


def test_clipped_beside_gradients_that_are_not_stepped() -> None:
    """Two backward passes leave no gradient twice: of other parameters of the optimizer, of the model's that it does
    not have, and of what was there before."""
    ended = []
    for is_inside in (False, True):
        net, beside = model(), model()
        optimizer = martlet.torch.SGD([*net[0].parameters(), *beside.parameters()], lr=0.05)
        for parameter in net.parameters():
            parameter.grad = torch.full_like(parameter, 0.1)

        def loss(net: nn.Module = net, beside: nn.Module = beside) -> Tensor:
            return loss_of(net, 0) + loss_of(beside, 1)

        torch.manual_seed(7)
        if is_inside:
            stepping = in_backward(net, optimizer, max_norm=0.1)
            stepping.backward(loss)
            norm = stepping.grad_norm
            assert all(parameter.grad is None for parameter in net[0].parameters())
        else:
            loss().backward()
            norm = float(nn.utils.clip_grad_norm_(net[0].parameters(), 0.1))
        optimizer.step()
        gradients = [one.grad for one in (*net[2].parameters(), *net[5].parameters(), *beside.parameters())]
        ended.append((norm, [*net.parameters(), *beside.parameters(), *gradients]))
    assert ended[1][0] == pytest.approx(ended[0][0], rel=1e-12)
    for ours, theirs in zip(ended[1][1], ended[0][1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_a_clip_is_of_unscaled_gradients() -> None:
    ended, norms = [], []
    for scale in (1.0, 64.0):
        net = model()
        stepping = in_backward(net, martlet.torch.SGD(net.parameters(), lr=0.1, loss_scale=scale), max_norm=0.1)
        torch.manual_seed(7)
        stepping.backward(lambda net=net, scale=scale: scale * loss_of(net, 0))
        ended.append(net)
        norms.append(stepping.grad_norm)
    assert norms[0] == pytest.approx(norms[1], rel=1e-12)
    for one, other in zip(*(net.parameters() for net in ended), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_norms_of_rows_and_of_complex_numbers() -> None:
    table = nn.Embedding(10, 3, sparse=True)
    stepping = in_backward(table, martlet.torch.SGD(table.parameters(), lr=1.0), max_norm=1.0)
    before = table.weight.detach().clone()
    stepping.backward(lambda: table(torch.tensor([1, 1, 3])).sum())
    assert stepping.grad_norm == pytest.approx(15**0.5)  # two rows: of three twos, and of three ones
    moved = before - table.weight.detach()
    assert torch.allclose(moved[1], torch.tensor(2 / 15**0.5)) and torch.allclose(moved[3], torch.tensor(15**-0.5))
    assert not moved[[0, 2, *range(4, 10)]].any()

    holder = nn.Module()
    holder.number = nn.Parameter(torch.tensor([3 + 4j, 1j]))
    stepping = in_backward(holder, martlet.torch.SGD(holder.parameters(), lr=0.1), max_norm=1e9)
    stepping.backward(lambda: (holder.number * (1 - 2j)).real.sum())
    assert stepping.grad_norm == pytest.approx(10**0.5)


def test_a_large_gradient_is_measured_by_parts() -> None:
    layer = nn.Linear(1000, 700, bias=False)
    stepping = in_backward(layer, martlet.torch.SGD(layer.parameters(), lr=0.0), max_norm=1.0)
    torch.manual_seed(2)
    inputs = torch.randn(3, 1000)
    stepping.backward(lambda: layer(inputs).square().sum())
    outputs = layer(inputs).detach()
    wanted = torch.linalg.matrix_norm(2 * outputs.double().T @ inputs.double())
    assert stepping.grad_norm == pytest.approx(float(wanted), rel=1e-6)


@pytest.mark.filterwarnings("ignore:optimizer contains a parameter group with duplicate")
def test_a_parameter_that_is_there_twice() -> None:
    layer = nn.Linear(2, 1, bias=False)
    optimizer = martlet.torch.SGD([layer.weight, layer.weight], lr=1.0)
    before = layer.weight.detach().clone()
    stepping = in_backward(layer, optimizer, max_norm=1e9)
    stepping.backward(lambda: layer(torch.ones(1, 2)).sum())
    assert stepping.grad_norm == pytest.approx(2**0.5)
    assert torch.allclose(before - layer.weight.detach(), torch.ones(1, 2))
