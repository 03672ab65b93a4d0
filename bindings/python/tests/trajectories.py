"""Every algorithm's classes, and a few steps of one from the same start along the same gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import martlet.torch
from martlet import _algorithms, optim

# SparseAdam is Adam by Keras's convention, for gradients of rows: test_torch_rows.py.
TENSORS = {
    name: kind
    for name in martlet.torch.__all__
    if hasattr(kind := getattr(martlet.torch, name), "_martlet_kind") and name != "SparseAdam"
}
ARRAYS = {name: kind for name in optim.__all__ if hasattr(kind := getattr(optim, name), "_algorithm")}


def parameters(shapes: Any = ((4, 3), (3,), ())) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(5)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def gradients(step: int, shapes: Any = ((4, 3), (3,), ())) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def shapes_of(name: str) -> tuple[tuple[int, ...], ...]:
    """Shapes that an algorithm takes."""
    takes_vectors = _algorithms.of(ARRAYS[name]._algorithm).takes_vectors
    return ((4, 3), (3,), ()) if takes_vectors else ((4, 3), (3, 1), (1, 5))


def train(kind: Any, options: dict[str, Any], steps: range, state: Any = None, start: Any = None) -> tuple[Any, Any]:
    shapes = shapes_of(kind.__name__)
    made = parameters(shapes)
    if start is not None:
        for parameter, value in zip(made, start, strict=True):
            parameter.data.copy_(value)
    optimizer = kind(made, **options)
    if state is not None:
        optimizer.load_state_dict(state)
    for step in steps:
        for parameter, gradient in zip(made, gradients(step, shapes), strict=True):
            parameter.grad = gradient
        optimizer.step()
    return [parameter.detach().clone() for parameter in made], optimizer


def near(found: Any, wanted: Any) -> None:
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)
