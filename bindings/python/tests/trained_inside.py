"""A small model that is trained by steps inside the backward pass, or behind it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


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
