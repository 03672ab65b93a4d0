"""Tensors on a GPU, which torch steps in Martlet's place: skipped where there is none."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import martlet
import martlet.torch
from martlet.torch import by_torch

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
    pytest.mark.filterwarnings("ignore:torch.optim"),
]
NAMES = [peer.__name__ for peer in by_torch.OURS if peer.__name__ != "SparseAdam"]


def model(*devices: str) -> nn.ModuleList:
    """A layer on each device."""
    torch.manual_seed(1)
    layers = [nn.Linear(4, 4, bias=False) for _ in devices]
    return nn.ModuleList(layer.to(device) for layer, device in zip(layers, devices, strict=True))


def train(net: nn.ModuleList, optimizer: Any, steps: int, scaler: Any = None) -> list[Tensor]:
    """The parameters behind it, on the CPU."""
    for step in range(steps):
        optimizer.zero_grad()
        generator = torch.Generator().manual_seed(step)
        values = torch.randn(8, 4, generator=generator)
        for layer in net:
            values = layer(values.to(layer.weight.device)).tanh()
        loss = values.square().mean()
        if scaler is None:
            loss.backward()
            optimizer.step()
        else:
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    return [parameter.detach().cpu() for parameter in net.parameters()]


def both(name: str, devices: tuple[str, ...], *, scaled: bool = False, **options: Any) -> Any:
    """Asserts that Martlet's class ends where torch's does; returns its object."""
    ended = []
    for module in (torch.optim, martlet.torch):
        net = model(*devices)
        optimizer = getattr(module, name)(net.parameters(), lr=0.01, **options)
        scaler = torch.amp.GradScaler("cuda", init_scale=1024.0) if scaled else None
        ended.append(train(net, optimizer, 6, scaler))
    for ours, theirs in zip(ended[1], ended[0], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    return optimizer


@pytest.mark.parametrize("name", NAMES)
def test_every_class(name: str) -> None:
    assert both(name, ("cuda", "cuda")).native_share == 0
    assert both(name, ("cpu", "cuda", "cpu")).native_share == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "options", [{"fused": True}, {"foreach": True}, {"capturable": True}, {"foreach": False}], ids=str
)
def test_options_of_torchs(options: dict[str, Any]) -> None:
    both("AdamW", ("cuda", "cuda"), **options)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("devices", [("cuda", "cuda"), ("cpu", "cuda")], ids=str)
def test_scaled_losses(fused: bool, devices: tuple[str, ...]) -> None:
    both("Adam", devices, scaled=True, fused=fused)


def test_an_overflow_leaves_all_as_it_was() -> None:
    net = model("cpu", "cuda")
    optimizer = martlet.torch.Adam(net.parameters(), lr=0.01)
    train(net, optimizer, 2)
    before = copy.deepcopy(net.state_dict())
    scaler = torch.amp.GradScaler("cuda", init_scale=1e38)
    for parameter in net.parameters():
        parameter.grad = torch.full_like(parameter, torch.inf)
    scaler.scale(torch.ones(1, device="cuda"))
    scaler.step(optimizer)
    scaler.update()
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_a_state_moves_with_its_model() -> None:
    """By way of a state_dict, as torch has it, there and back."""
    ended = []
    for module in (torch.optim, martlet.torch):
        net = model("cpu", "cpu")
        optimizer = module.AdamW(net.parameters(), lr=0.01)
        train(net, optimizer, 3)
        for device in ("cuda", "cpu"):
            net = net.to(device)
            packed = optimizer.state_dict()
            optimizer = module.AdamW(net.parameters(), lr=0.01)
            optimizer.load_state_dict(packed)
            values = train(net, optimizer, 3)
            assert all(entry["exp_avg"].device.type == device for entry in optimizer.state.values())
        ended.append(values)
    assert optimizer.native_share == 1
    for ours, theirs in zip(ended[1], ended[0], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_installed() -> None:
    with martlet.torch.installed():
        optimizer = torch.optim.AdamW(model("cuda").parameters())
    assert isinstance(optimizer, martlet.torch.AdamW)
    assert both("AdamW", ("cuda",)).native_share == 0


def test_strict() -> None:
    net = model("cuda")
    optimizer = martlet.torch.Adam(net.parameters(), strict=True)
    with pytest.raises(martlet.UnsupportedError, match="is on device 'cuda:0'; martlet.torch steps on the CPU"):
        train(net, optimizer, 1)
