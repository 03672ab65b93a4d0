"""martlet.torch where data, gradients, types and layouts change between steps, and what autograd is told of a step."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import martlet
import martlet.torch
import models


def test_backward_through_a_stale_parameter_raises() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = martlet.torch.Adam([weight])
    for _ in range(3):
        optimizer.zero_grad()
        loss = (weight * weight).sum()
        loss.backward(retain_graph=True)
        optimizer.step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


def test_version_counters_of_parameters_without_gradient_stay() -> None:
    first, second = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = martlet.torch.Adam([first, second])
    first.grad, second.grad = torch.ones(3), torch.ones(3)
    optimizer.step()
    optimizer.step()
    versions = first._version, second._version
    second.grad = None
    optimizer.step()
    assert first._version > versions[0]
    assert second._version == versions[1]


def test_missing_gradients_come_and_go() -> None:
    ours, theirs = models.twins((3,), (4,), (5,))
    mine, peer = martlet.torch.Adam(ours), torch.optim.Adam(theirs, foreach=False)
    for step in range(24):
        models.set_grads(ours, step)
        models.set_grads(theirs, step)
        for place in range(3):
            if ((step >> place) & 1 and step > 2) or (step == 0 and place < 2):
                ours[place].grad = theirs[place].grad = None
        mine.step()
        peer.step()
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p, q)
        assert mine.state[p]["step"].item() == int(peer.state[q]["step"])


def test_zero_grad_and_accumulation() -> None:
    model = models.network()
    optimizer = martlet.torch.Adam(model.parameters())
    models.train(model, optimizer, 1)
    optimizer.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in model.parameters())
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    before = [p.detach().clone() for p in model.parameters()]
    optimizer.step()
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def test_the_plan_does_not_keep_gradients() -> None:
    parameter = nn.Parameter(torch.ones(1000))
    optimizer = martlet.torch.Adam([parameter])
    for _ in range(3):
        parameter.grad = torch.ones(1000)
        gone = weakref.ref(parameter.grad)
        optimizer.step()
        optimizer.zero_grad()
        assert gone() is None


def test_data_is_read_anew_at_each_step() -> None:
    parameter = nn.Parameter(torch.ones(8))
    optimizer = martlet.torch.Adam([parameter], lr=0.5)
    parameter.grad = torch.ones(8)
    optimizer.step()
    first = parameter.data
    parameter.data = torch.full((8,), 10.0)
    optimizer.step()
    assert torch.allclose(first, torch.full((8,), 0.5))
    assert torch.allclose(parameter.detach(), torch.full((8,), 9.5))
    old = optimizer.state[parameter]["exp_avg"]
    kept = old.clone()
    optimizer.state[parameter]["exp_avg"] = torch.zeros(8)
    optimizer.step()
    assert torch.equal(old, kept)
    moment = optimizer.state[parameter]["exp_avg_sq"]
    moment.data = moment.data * 0
    optimizer.step()
    assert torch.allclose(moment, torch.full((8,), 0.001))


def test_a_square_parameter_or_its_gradient_is_transposed() -> None:
    ours, theirs = models.twins((3, 3))
    mine, peer = martlet.torch.Adam(ours, lr=0.1), torch.optim.Adam(theirs, lr=0.1, foreach=False)
    for step in range(9):
        models.set_grads(ours, step)
        grad = ours[0].grad
        ours[0].grad = grad.t() if step in (3, 4) else grad
        theirs[0].grad = ours[0].grad.contiguous()
        if step == 6:
            ours[0].data = ours[0].data.t()
            theirs[0].data = theirs[0].data.t().contiguous()
        mine.step()
        peer.step()
        torch.testing.assert_close(ours[0], theirs[0], msg=f"step {step}")


def test_the_model_changes_its_type() -> None:
    model = models.network()
    optimizer = martlet.torch.Adam(model.parameters(), lr=0.01)
    models.train(model, optimizer, 3)
    model.to(torch.float64)
    models.train(model, optimizer, 3, dtype=torch.float64)
    parameter = next(model.parameters())
    assert parameter.dtype == torch.float64
    assert optimizer.state[parameter]["exp_avg"].dtype == torch.float32
    assert optimizer.state[parameter]["step"].item() == 6
    model.to(torch.bfloat16)
    losses = models.train(model, optimizer, 3, dtype=torch.bfloat16)
    assert all(loss == loss for loss in losses)


def test_channels_last_model() -> None:
    curves = []
    for module, memory_format in ((martlet.torch, torch.channels_last), (torch.optim, torch.contiguous_format)):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(64, 3))
        model.to(memory_format=memory_format)
        optimizer = module.Adam(model.parameters(), lr=0.01)
        losses = []
        for step in range(15):
            generator = torch.Generator().manual_seed(step)
            images = torch.randn(4, 3, 8, 8, generator=generator).to(memory_format=memory_format)
            optimizer.zero_grad()
            loss = model(images).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(losses)
    assert curves[0] == pytest.approx(curves[1], rel=1e-3)


def test_add_param_group() -> None:
    first, second = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = martlet.torch.Adam([first], lr=0.1)
    first.grad, second.grad = torch.ones(3), torch.ones(3)
    optimizer.step()
    optimizer.add_param_group({"params": [second], "lr": 0.5})
    optimizer.step()
    assert torch.allclose(first.detach(), torch.full((3,), 0.8), atol=1e-5)
    assert torch.allclose(second.detach(), torch.full((3,), 0.5), atol=1e-5)
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [first]})
    assert len(optimizer.param_groups) == 2


def test_pruned_layers() -> None:
    """prune.remove() gives the parameter other memory."""
    results = []
    for module in (martlet.torch, torch.optim):
        model = models.network()
        prune.l1_unstructured(model[0], "weight", 0.4)
        optimizer = module.Adam(model.parameters(), lr=0.01)
        models.train(model, optimizer, 5)
        prune.remove(model[0], "weight")
        models.train(model, optimizer, 5, first=5)
        results.append([p.detach() for p in model.parameters()])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_swapped_tensors() -> None:
    """swap_tensors gives a parameter another tensor's memory and gradient, and leaves the object what it was."""
    results = []
    for module in (martlet.torch, torch.optim):
        parameter, other = nn.Parameter(torch.ones(6)), nn.Parameter(torch.full((6,), 5.0))
        optimizer = module.Adam([parameter], lr=0.1)
        for step in range(6):
            models.set_grads([parameter, other], step)
            optimizer.step()
            if step == 3:
                torch.utils.swap_tensors(parameter, other)
        results.append((parameter.detach(), other.detach()))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_conversion_by_swapping() -> None:
    """model.to() under set_swap_module_params_on_conversion, where the parameter itself becomes another tensor."""
    results = []
    for swaps in (True, False):
        torch.__future__.set_swap_module_params_on_conversion(swaps)
        try:
            model = models.network()
            parameter = model[0].weight
            optimizer = martlet.torch.Adam(model.parameters(), lr=0.01)
            models.train(model, optimizer, 3)
            optimizer.zero_grad()
            model.to(torch.float64)
            models.train(model, optimizer, 3, dtype=torch.float64)
        finally:
            torch.__future__.set_swap_module_params_on_conversion(False)
        assert model[0].weight is parameter
        assert optimizer.state[parameter]["step"].item() == 6
        results.append([p.detach() for p in model.parameters()])
    for swapped, assigned in zip(*results, strict=True):
        assert swapped.dtype == torch.float64
        assert torch.equal(swapped, assigned)


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("change", ["parameter", "moment", "type"])
def test_what_shrinks_between_steps_is_refused(change: str, guarded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address stays the same, and what lies behind it is less than before; also where torch has no guards."""
    if not guarded:
        monkeypatch.setattr(martlet.torch.watch, "_TensorGuards", None)
    memory = torch.ones(16)
    parameter = nn.Parameter(memory[:8])
    optimizer = martlet.torch.Adam([parameter], lr=0.1)
    for _ in range(2):
        parameter.grad = torch.ones(8)
        optimizer.step()
    moment = optimizer.state[parameter]["exp_avg"]
    if change == "parameter":
        parameter.data = parameter.data[:4]
    elif change == "moment":
        moment.data = moment.data[:4]
    else:
        moment.data = moment.data.view(torch.int32)
    before = memory.clone()
    with pytest.raises(martlet.MartletError):
        optimizer.step()
    assert torch.equal(memory, before)


def test_a_moment_taken_out_of_the_state_is_refused() -> None:
    parameter = nn.Parameter(torch.ones(8))
    optimizer = martlet.torch.Adam([parameter], lr=0.1)
    parameter.grad = torch.ones(8)
    optimizer.step()
    del optimizer.state[parameter]["exp_avg_sq"]
    before = parameter.detach().clone()
    with pytest.raises(martlet.FormatError, match="exp_avg_sq"):
        optimizer.step()
    assert torch.equal(parameter, before)
