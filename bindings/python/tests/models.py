"""Small models and data for the torch tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def network(seed: int = 1, dtype: torch.dtype = torch.float32) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 4)).to(dtype)


def batch(step: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    return (
        torch.randn(16, 12, generator=generator).to(dtype),
        torch.randint(0, 4, (16,), generator=generator),
    )


def train(
    model: nn.Module,
    optimizer: Any,
    steps: int,
    first: int = 0,
    each: Callable[[], None] | None = None,
    dtype: torch.dtype = torch.float32,
) -> list[float]:
    losses = []
    for step in range(first, first + steps):
        images, labels = batch(step, dtype)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        if each is not None:
            each()
        losses.append(loss.item())
    return losses


def set_grads(parameters: list[nn.Parameter], step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for parameter in parameters:
        real = torch.float64 if parameter.dtype in (torch.float64, torch.complex128) else torch.float32
        grad = torch.randn(parameter.shape, generator=generator, dtype=real)
        if parameter.is_complex():
            grad = torch.complex(grad, torch.randn(parameter.shape, generator=generator, dtype=real))
        parameter.grad = grad.to(parameter.dtype)


def twins(
    *shapes: tuple[int, ...], dtype: torch.dtype = torch.float32
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    torch.manual_seed(3)
    values = [torch.randn(shape, dtype=dtype) for shape in shapes]
    return [nn.Parameter(value.clone()) for value in values], [nn.Parameter(value.clone()) for value in values]
