"""Weights that go from a module into layers, and back: whose they are there, and how their axes lie here."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from martlet._errors import ArgumentError, DTypeError, ShapeError
from martlet.nn._layer import Layer


class Weight(NamedTuple):
    """A weight of a layer. name: of the module's tensor; axes: which of its axes each of ours is; None: the same."""

    name: str
    axes: tuple[int, ...] | None = None

    def taken(self, tensor: Any) -> Any:
        """The tensor as the layer has it."""
        found = tensor.detach().cpu()
        return (found if self.axes is None else found.permute(self.axes)).contiguous().numpy()

    def given(self, array: Any) -> Any:
        """The layer's array as the module has it."""
        found = torch.from_numpy(array)
        if self.axes is None:
            return found
        return found.permute([self.axes.index(axis) for axis in range(len(self.axes))])


class Carried(NamedTuple):
    """A layer, and what its weights are in the module, in the order of get_weights."""

    layer: Layer
    weights: tuple[Weight, ...]


def take(carried: list[Carried], tensors: dict[str, Any]) -> None:
    """Copies the module's tensors into layers of a built model."""
    for layer, weights in carried:
        layer.set_weights([weight.taken(tensors[weight.name]) for weight in weights])


def count(counts: dict[str, int], module: Any, batches: int) -> None:
    """Adds batches to a module's counts of them, so often for each as its forward does."""
    for name, times in counts.items():
        module.get_buffer(name).add_(times * batches)


def write_back(carried: list[Carried], module: Any) -> None:
    """Copies layers' weights into a module, all or none."""
    if not isinstance(module, torch.nn.Module):
        raise DTypeError(f"module is {module!r}; wanted a torch.nn.Module")
    tensors = {**dict(module.named_parameters(remove_duplicate=False)),
               **dict(module.named_buffers(remove_duplicate=False))}  # fmt: skip
    found = []
    for layer, weights in carried:
        for weight, array in zip(weights, layer.get_weights(), strict=True):
            tensor, given = tensors.get(weight.name), weight.given(array)
            if tensor is None:
                raise ArgumentError(f"module has no {weight.name!r}, of which the model has weights")
            if tensor.shape != given.shape:
                raise ShapeError(f"{weight.name!r} of the module has shape {tuple(tensor.shape)}, and the model's "
                                 f"weights {tuple(given.shape)}")  # fmt: skip
            found.append((tensor, given))
    with torch.no_grad():
        for tensor, given in found:
            tensor.copy_(given)
