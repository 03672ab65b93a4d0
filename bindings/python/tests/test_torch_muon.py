"""martlet.torch.Muon's steps: beside torch.optim.Muon's, and beside a reference in float64; and its states."""

from __future__ import annotations

import copy
import io
import math
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.checkpoint import state_dict as distributed

import martlet
import martlet.convert
import martlet.torch
from martlet.torch import AdamW, Muon
from muon_models import GPT, routes

SIMPLE = (3.4445, -4.775, 2.0315)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, first: int = 0) -> list[float]:
    losses = []
    for step in range(first, first + steps):
        tokens = torch.randint(20, (4, 7), generator=torch.Generator().manual_seed(step))
        loss = nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def reference(gradient: Tensor, rows: list[tuple[float, float, float]], margin: float = 1.0) -> Tensor:
    """Newton-Schulz, step by step, in float64."""
    x = gradient.double()
    x = x.T if x.shape[0] > x.shape[1] else x
    x = x / (margin * x.norm())
    for a, b, c in rows:
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if gradient.shape[0] > gradient.shape[1] else x


def test_blocks_are_made_orthogonal_each_by_itself() -> None:
    made = torch.Generator().manual_seed(5)
    weight, kernel = (torch.randn(shape, generator=made) for shape in ((12, 5), (6, 2, 2, 2)))
    optimizer = Muon({"qkv": weight, "kernel": kernel}, lr=0.1, weight_decay=0.5, blocks={"qkv": 3})
    weight.grad, kernel.grad = (torch.randn(tensor.shape, generator=made) for tensor in (weight, kernel))
    before = weight.clone(), kernel.clone()
    gradients = weight.grad.clone(), kernel.grad.clone()
    optimizer.step()
    parts = [reference(part, [SIMPLE] * 5) for part in gradients[0].chunk(3)]
    assert torch.allclose(weight.double(), 0.95 * before[0] - 0.1 * torch.cat(parts), atol=1e-5)
    whole = reference(gradients[1].flatten(1), [SIMPLE] * 5).reshape(kernel.shape)
    assert torch.allclose(kernel.double(), 0.95 * before[1] - 0.1 * whole, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "rows", "margin"),
    [
        ("simple", [SIMPLE] * 2, 1.0),
        ("quintic", [(4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377)], 1.0),
        ("polar_express", [(8.1566, -22.4833, 15.8788), (4.0429, -2.8089, 0.5)], 1.02),
        ((2.0, -1.5, 0.5), [(2.0, -1.5, 0.5)] * 2, 1.0),
    ],
)
def test_coefficients(name: Any, rows: list[tuple[float, float, float]], margin: float) -> None:
    weight = torch.zeros(4, 6, dtype=torch.float64)
    optimizer = Muon([weight], lr=1.0, ns_coefficients=name, ns_steps=2)
    weight.grad = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    optimizer.step()
    assert torch.allclose(weight, -reference(weight.grad, rows, margin), atol=1e-6)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert optimizer.param_groups[0]["ns_coefficients"] == name


@pytest.mark.parametrize(
    ("scale", "factor"),
    [(None, 1.0), ("original", 1.0), ("match_rms_adamw", 0.2 * math.sqrt(6)), ("spectral", math.sqrt(4 / 6))],
)
def test_scales(scale: str | None, factor: float) -> None:
    weight, plain = torch.zeros(4, 6), torch.zeros(4, 6)
    optimizers = Muon([weight], lr=1.0, adjust_lr_fn=scale), Muon([plain], lr=1.0)
    weight.grad = plain.grad = torch.randn(4, 6, generator=torch.Generator().manual_seed(7))
    for optimizer in optimizers:
        optimizer.step()
    assert torch.allclose(weight, factor * plain, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [{}, {"adjust_lr_fn": "match_rms_adamw"}, {"nesterov": False}, {"momentum": 0.5, "weight_decay": 0.0}],
    ids=str,
)
def test_as_torchs(options: dict[str, Any]) -> None:
    """torch's products are in bf16: results differ by its rounding. States go both ways in the middle of training."""
    made = torch.Generator().manual_seed(8)
    start = [torch.randn(shape, generator=made) for shape in ((24, 16), (8, 8))]
    ours, theirs, after = ([tensor.clone() for tensor in start] for _ in range(3))
    one, other = Muon(ours, lr=0.02, **options), torch.optim.Muon(theirs, lr=0.02, **options)
    assert list(one.param_groups[0]) == list(other.param_groups[0])
    for step in range(6):
        for tensors, optimizer in ((ours, one), (theirs, other)):
            for tensor in tensors:
                tensor.grad = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(step))
            optimizer.step()
    for mine, yours, first in zip(ours, theirs, start, strict=True):
        assert (mine - yours).norm() < 0.02 * (yours - first).norm()
    packed = one.state_dict()
    assert [list(entry) for entry in packed["state"].values()] == [["momentum_buffer"]] * 2
    for tensor, kept in zip(after, ours, strict=True):
        tensor.copy_(kept)
    back = torch.optim.Muon(after, lr=0.5)
    back.load_state_dict(packed)
    one.load_state_dict(other.state_dict())
    for tensors, optimizer in ((ours, one), (after, back)):
        for tensor in tensors:
            tensor.grad = torch.ones_like(tensor)
        optimizer.step()
    for mine, yours, first in zip(ours, after, start, strict=True):
        assert (mine - yours).norm() < 0.02 * (yours - first).norm()
    assert back.param_groups[0]["lr"] == 0.02


def test_states_of_torchs_two_optimizers_make_one() -> None:
    made = torch.Generator().manual_seed(9)
    weight, bias = torch.randn(6, 4, generator=made), torch.randn(6, generator=made)
    theirs = torch.optim.Muon([weight], lr=0.02), torch.optim.AdamW([bias], lr=0.01)
    weight.grad, bias.grad = torch.ones(6, 4), torch.ones(6)
    for optimizer in theirs:
        optimizer.step()
    first, second = (optimizer.state_dict() for optimizer in theirs)
    second["param_groups"][0]["params"] = [1]
    packed = {"state": {0: first["state"][0], 1: second["state"][0]},
              "param_groups": first["param_groups"] + second["param_groups"]}  # fmt: skip
    ours = Muon({"weight": weight, "bias": bias})
    ours.load_state_dict(packed)
    assert [group["lr"] for group in ours.param_groups] == [0.02, 0.01]
    assert ours.state[bias]["step"].item() == 1
    kept = bias.clone().requires_grad_(), bias.clone().requires_grad_()
    expected_by = torch.optim.AdamW([kept[0]])
    expected_by.load_state_dict(theirs[1].state_dict())
    kept[0].grad = bias.grad
    expected_by.step()
    ours.step()
    assert torch.allclose(bias, kept[0], atol=1e-7)


def test_a_model_learns_and_goes_on_to_the_bit() -> None:
    torch.manual_seed(0)
    model = GPT(tied=True)
    optimizer = Muon(model, lr=0.02, adamw_lr=0.01, blocks={"*.qkv": 3})
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 0.5, total_iters=4)
    train(model, optimizer, 4)
    schedule.step()
    assert [round(group["lr"], 6) for group in optimizer.param_groups] == [0.0125, 0.0125, 0.00625]
    described = optimizer.describe()
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    twin = copy.deepcopy(model)
    other = Muon(twin, blocks={"*.qkv": 3})
    other.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    third, again = pickle.loads(pickle.dumps((model, optimizer)))
    fourth, copied = copy.deepcopy((model, optimizer))
    losses = train(model, optimizer, 4, first=4)
    for each, its in ((twin, other), (third, again), (fourth, copied)):
        assert its.describe() == described
        assert train(each, its, 4, first=4) == losses
    slots = {frozenset(entry) for entry in optimizer.state.values()}
    assert slots == {frozenset({"momentum_buffer"}), frozenset({"step", "exp_avg", "exp_avg_sq"})}


@pytest.mark.parametrize("flat", [False, True])
def test_distributed_checkpoints_know_parameters_by_name(flat: bool) -> None:
    torch.manual_seed(0)
    model = GPT()
    optimizer = Muon(model, lr=0.02, blocks={"*.qkv": 3})
    train(model, optimizer, 2)
    how = distributed.StateDictOptions(flatten_optimizer_state_dict=flat)
    packed = distributed.get_optimizer_state_dict(model, optimizer, options=how)
    twin = copy.deepcopy(model)
    other = Muon(twin, lr=0.5, blocks={"*.qkv": 3})
    distributed.set_optimizer_state_dict(twin, other, packed, options=how)
    assert train(twin, other, 3, first=2) == train(model, optimizer, 3, first=2)


def test_states_of_several_algorithms_are_not_converted() -> None:
    mixed = Muon(GPT())
    with pytest.raises(martlet.UnsupportedError, match=r"param_groups\[1\] is of adamw, .* one of muon alone"):
        martlet.convert.to_torch(mixed, torch.optim.SGD([torch.ones(1)]))


def test_the_rest_steps_as_adamw_does() -> None:
    torch.manual_seed(0)
    model = GPT()
    twin = copy.deepcopy(model)
    optimizer = Muon(model, lr=0.0, weight_decay=0.0, adamw_lr=0.01, adamw_weight_decay=0.1)
    names = {name for name, one in routes(optimizer).items() if one == "adamw"}
    rest = [parameter for name, parameter in twin.named_parameters() if name in names]
    alone = AdamW(rest, lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)
    assert train(model, optimizer, 3) == train(twin, alone, 3)
    for (name, mine), (_, theirs) in zip(model.named_parameters(), twin.named_parameters(), strict=True):
        assert torch.equal(mine, theirs), name
