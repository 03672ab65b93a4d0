"""What stands around steps in martlet.torch: beside torch's own clipping, scaler and accumulation, over copies in other
types, and what the library refuses.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch

import martlet.torch
from martlet._errors import DTypeError, MartletError, OrderError, ShapeError


def network(dtype: torch.dtype = torch.float64) -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3)).to(dtype)


def loss_of(model: torch.nn.Module, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    dtype = next(model.parameters()).dtype
    return 50 * (model(torch.randn(8, 5, generator=generator).to(dtype)) ** 2).mean()


def apart(one: torch.nn.Module, other: torch.nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((a.detach() - b.detach()).abs().max()) for a, b in pairs)


def test_clip_grad_norm() -> None:
    ours, theirs = network(), network()
    asked = martlet.torch.AdamW(ours.parameters(), lr=1e-2, max_norm=0.5)
    plain = torch.optim.AdamW(theirs.parameters(), lr=1e-2)
    for t in range(20):
        for model, optimizer in ((ours, asked), (theirs, plain)):
            optimizer.zero_grad()
            loss_of(model, t).backward()
        norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        asked.step()
        plain.step()
        assert asked.last_step.grad_norm == pytest.approx(float(norm), rel=1e-12)
        assert apart(ours, theirs) < 1e-14


def test_accumulated_losses() -> None:
    ours, theirs = network(), network()
    asked = martlet.torch.AdamW(ours.parameters(), lr=1e-2, accumulate=4, zero_grads=True)
    plain = torch.optim.AdamW(theirs.parameters(), lr=1e-2)
    for t in range(16):
        loss_of(ours, t).backward()
        asked.step()
        assert not any(parameter.grad.any() for parameter in ours.parameters())
        (loss_of(theirs, t) / 4).backward()
        if t % 4 == 3:
            plain.step()
            plain.zero_grad()
        assert apart(ours, theirs) < 1e-14


@pytest.mark.parametrize("unscales", [False, True])
def test_grad_scaler(unscales: bool) -> None:
    """As torch's own fused step beside it, which takes no step where a gradient is infinite."""
    ours, theirs = network(torch.float32), network(torch.float32)
    asked = martlet.torch.AdamW(ours.parameters(), lr=1e-2, weight_decay=0.1, fused=True)
    plain = torch.optim.AdamW(theirs.parameters(), lr=1e-2, weight_decay=0.1, fused=True)
    scalers = [torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3) for _ in range(2)]
    for t in range(12):
        for model, optimizer, scaler in ((ours, asked, scalers[0]), (theirs, plain, scalers[1])):
            optimizer.zero_grad()
            scaler.scale(loss_of(model, t) * (math.inf if t == 5 else 1.0)).backward()
            if unscales:
                scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
        assert asked.last_step.skipped is (t == 5)
        assert scalers[0].get_scale() == scalers[1].get_scale()
        assert apart(ours, theirs) < 2e-6
    assert asked.state[next(ours.parameters())]["step"] == 11


def test_grad_scaler_beside_clipping_and_means() -> None:
    """The norm is that of the gradients without the scale, and an infinite one drops the means."""
    ours = network(torch.float32)
    options: dict[str, Any] = {"max_norm": 0.5, "accumulate": 2, "zero_grads": True, "fused": True}
    asked = martlet.torch.SGD(ours.parameters(), lr=1.0, **options)
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    loss = loss_of(network(torch.float32), 1)
    before = [parameter.detach().clone() for parameter in ours.parameters()]
    for t in range(4):
        bad = t == 1
        scaler.scale(loss_of(ours, 1) * (math.inf if bad else 1.0)).backward()
        scaler.step(asked)
        if bad:
            entry = asked.state[next(ours.parameters())]
            assert not entry["grad_mean"].any()
            assert entry["accumulated"] == 0
            assert not any(parameter.grad.any() for parameter in ours.parameters())
        scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    wanted = network(torch.float32)
    loss = loss_of(wanted, 1)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(wanted.parameters(), 0.5)
    assert asked.last_step.grad_norm == pytest.approx(float(norm), rel=1e-5)
    for parameter, start, clipped in zip(ours.parameters(), before, wanted.parameters(), strict=True):
        torch.testing.assert_close(parameter.detach(), start - clipped.grad, rtol=1e-5, atol=1e-6)


def test_a_scale_that_a_user_sets() -> None:
    p, q = (torch.nn.Parameter(torch.ones(4)) for _ in range(2))
    ours, plain = martlet.torch.Adam([p], lr=0.1, loss_scale=2.0), martlet.torch.Adam([q], lr=0.1)
    for t in range(4):
        q.grad = torch.arange(4.0) + t
        p.grad = q.grad * 16
        if t == 2:
            ours.param_groups[0]["loss_scale"] = 4.0
        ours.grad_scale = torch.tensor(4.0 if t >= 2 else 8.0)
        ours.step()
        plain.step()
        assert torch.equal(p, q)
    del ours.grad_scale
    p.grad, ours.param_groups[0]["loss_scale"] = q.grad, 1.0
    ours.step()
    plain.step()
    assert torch.equal(p, q)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_copies_in_a_type(dtype: torch.dtype) -> None:
    model = network(torch.float64 if dtype == torch.float64 else torch.float32).to(memory_format=torch.preserve_format)
    optimizer = martlet.torch.Adam(model.parameters(), lr=0.1, param_copy=dtype)
    for t in range(3):
        optimizer.zero_grad()
        loss_of(model, t).backward()
        optimizer.step()
        for parameter in model.parameters():
            assert torch.equal(optimizer.param_copies[parameter], parameter.detach().to(dtype))
    late = torch.nn.Parameter(torch.ones(3, dtype=next(model.parameters()).dtype))
    optimizer.add_param_group({"params": [late]})
    assert torch.equal(optimizer.param_copies[late], late.detach().to(dtype))


def test_copies_are_the_weights_of_another_model() -> None:
    """fp32 weights of the optimizer's, from which each step makes those of a model in bf16."""
    model = network(torch.bfloat16)
    masters = [torch.nn.Parameter(parameter.detach().float()) for parameter in model.parameters()]
    optimizer = martlet.torch.AdamW(masters, lr=1e-3, param_copy=list(model.parameters()))
    versions = [parameter._version for parameter in model.parameters()]
    for t in range(3):
        model.zero_grad()
        loss_of(model, t).backward()
        for master, parameter in zip(masters, model.parameters(), strict=True):
            master.grad = parameter.grad.float()
        optimizer.step()
        for master, parameter in zip(masters, model.parameters(), strict=True):
            assert torch.equal(parameter.detach(), master.detach().bfloat16())
    # autograd sees that they were written.
    assert all(parameter._version >= one + 3 for parameter, one in zip(model.parameters(), versions, strict=True))
    state = copy.deepcopy(optimizer.state_dict())
    assert "param_copy" not in state["state"][0]
    optimizer.load_state_dict(state)
    next(model.parameters()).data = torch.zeros(7, 5, dtype=torch.bfloat16)
    optimizer.step()
    assert torch.equal(next(model.parameters()).detach(), masters[0].detach().bfloat16())


def test_copies_that_do_not_fit() -> None:
    p = torch.nn.Parameter(torch.ones(2, 3))
    for given, error, words in (
        ([torch.ones(3)], ShapeError, r"param_copy\[0\] has shape \(3,\)"),
        ([], MartletError, "param_copy has 0 tensors; wanted 1"),
        (torch.int8, DTypeError, "param_copy is torch.int8"),
        (torch.ones(2, 3), DTypeError, "wanted a torch.dtype, or a list of tensors"),
        ([torch.ones(3).expand(2, 3)], MartletError, "expanded"),
    ):
        with pytest.raises(error, match=words):
            martlet.torch.Adam([p], param_copy=given)
    optimizer = martlet.torch.Adam([p], param_copy=[torch.ones(2, 3, dtype=torch.float64)])
    p.grad = torch.ones(2, 3)
    with pytest.raises(DTypeError, match="copy.*fp64"):
        optimizer.step()
    optimizer.param_copies[p] = p.detach()
    with pytest.raises(MartletError, match="overlap"):
        optimizer.step()
    assert torch.equal(p.detach(), torch.ones(2, 3))


def test_averages_and_what_they_refuse() -> None:
    model = network(torch.float32)
    optimizer = martlet.torch.Adam(model.parameters(), lr=0.1, ema_decay=0.5)
    averages: dict[Any, torch.Tensor] = {}
    for t in range(4):
        optimizer.zero_grad()
        loss_of(model, t).backward()
        optimizer.step()
        for parameter in model.parameters():
            value = parameter.detach().clone()
            averages[parameter] = value if t == 0 else torch.lerp(averages[parameter], value, 0.5)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    with optimizer.averaged():
        for parameter in model.parameters():
            torch.testing.assert_close(parameter.detach(), averages[parameter], rtol=1e-6, atol=1e-7)
        for call in (optimizer.step, optimizer.state_dict, lambda: optimizer.load_state_dict({})):
            with pytest.raises(OrderError, match="the parameters are their averages; call swap_averages"):
                call()
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), before, strict=True))
    optimizer.step()


def test_averages_of_bf16_parameters_are_kept_in_fp32() -> None:
    """In bf16 an average cannot move by a thousandth."""
    p = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    optimizer = martlet.torch.SGD([p], lr=1.0, ema_decay=0.999, accumulate=2, state_dtype=torch.bfloat16)
    for _ in range(4):
        p.grad = torch.full((3,), 0.25, dtype=torch.bfloat16)
        optimizer.step()
    entry = optimizer.state[p]
    assert entry["ema_params"].dtype == entry["grad_mean"].dtype == torch.float32
    torch.testing.assert_close(entry["ema_params"], torch.full((3,), 0.75 + 0.001 * (0.5 - 0.75)))


def test_options_by_group_change_between_steps() -> None:
    p, q = (torch.nn.Parameter(torch.zeros(4)) for _ in range(2))
    optimizer = martlet.torch.SGD([{"params": [p]}, {"params": [q], "clip_value": 0.5}], lr=1.0)
    p.grad, q.grad = torch.full((4,), 2.0), torch.full((4,), 2.0)
    optimizer.step()
    assert p[0] == -2
    assert q[0] == -0.5
    optimizer.param_groups[0]["clip_value"] = 0.25
    optimizer.param_groups[1]["clip_value"] = None
    optimizer.param_groups[1]["zero_grads"] = True
    optimizer.step()
    assert p[0] == -2.25
    assert q[0] == -2.5
    assert p.grad[0] == 2
    assert not q.grad.any()
    plain = martlet.torch.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, clip_value=None)
    assert "clip_value" not in plain.param_groups[0]


def test_gradients_that_are_read_by_a_copy_are_zeroed_too() -> None:
    p = torch.nn.Parameter(torch.zeros(3, dtype=torch.complex64))
    lazy = torch.ones(3, dtype=torch.complex64).conj()
    p.grad = lazy
    martlet.torch.SGD([p], lr=1.0, zero_grads=True).step()
    assert torch.equal(p.detach(), -torch.ones(3, dtype=torch.complex64))
    assert not lazy.any()


def test_names_of_what_is_not_finite() -> None:
    model = network(torch.float32)
    optimizer = martlet.torch.Adam(model.named_parameters(), skip_nonfinite=True)
    loss_of(model, 0).backward()
    model[2].weight.grad[1, 1] = math.nan
    optimizer.step()
    assert optimizer.last_step.skipped
    assert "2.weight" in str(optimizer.last_step.nonfinite)
