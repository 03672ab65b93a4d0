"""Weights that go from a module into layers, and back: whose they are there, and how their numbers lie here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from martlet._errors import ArgumentError, DTypeError, ShapeError
from martlet.nn._layer import Layer
from martlet.nn._matching import NDArray


class Weight(NamedTuple):
    """A weight of a layer. name: of the module's tensor; axes: which of its axes each of ours is; None: the same."""

    name: str
    axes: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def taken(self, tensors: dict[str, Any]) -> NDArray:
        """The tensor as the layer has it."""
        found = tensors[self.name].detach().cpu()
        return (found if self.axes is None else found.permute(self.axes)).contiguous().numpy()  # type: ignore[no-any-return]

    def given(self, array: NDArray) -> list[tuple[str, Any, Any]]:
        """Each tensor's name, the numbers that the module has in it, and at which of its flat places; None: at all."""
        found = torch.from_numpy(array)
        if self.axes is not None:
            found = found.permute([self.axes.index(axis) for axis in range(len(self.axes))])
        return [(self.name, found, None)]


class Part:
    """A weight that is some numbers of a tensor, in an order of its own. places: where in the flat tensor each is, in
    the layer's shape; sizes: the tensor's."""

    def __init__(self, name: str, places: Any, sizes: Any) -> None:
        self.name, self.places, self.sizes = name, places, tuple(sizes)
        self._key = (name, places.tobytes(), places.shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def taken(self, tensors: dict[str, Any]) -> NDArray:
        tensor = tensors[self.name].detach().cpu().contiguous().numpy()
        return np.asarray(tensor.reshape(-1)[self.places])

    def given(self, array: NDArray) -> list[tuple[str, Any, Any]]:
        numbers = torch.from_numpy(array.reshape(-1))
        return [(self.name, numbers.new_empty(self.sizes), (torch.from_numpy(self.places.reshape(-1)), numbers))]


class Sum:
    """A weight that is two tensors' sum, which the module adds up. What it has moved by, each has by halves: their
    gradients are one."""

    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.second = first, second
        self._start: tuple[NDArray, NDArray] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sum) and (self.first, self.second) == (other.first, other.second)

    def __hash__(self) -> int:
        return hash((self.first, self.second))

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.first.names, *self.second.names)

    def taken(self, tensors: dict[str, Any]) -> NDArray:
        self._start = self.first.taken(tensors).copy(), self.second.taken(tensors).copy()
        return np.asarray(self._start[0] + self._start[1])

    def given(self, array: NDArray) -> list[tuple[str, Any, Any]]:
        assert self._start is not None  # taken comes first
        half = (array - (self._start[0] + self._start[1])) / 2
        return [*self.first.given(self._start[0] + half), *self.second.given(self._start[1] + half)]


class Rows:
    """A weight whose rows are tensors of the module's, beside one another."""

    def __init__(self, *rows: Any) -> None:
        self.rows = rows

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and self.rows == other.rows

    def __hash__(self) -> int:
        return hash(self.rows)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for row in self.rows for name in row.names)

    def taken(self, tensors: dict[str, Any]) -> NDArray:
        return np.stack([row.taken(tensors) for row in self.rows])

    def given(self, array: NDArray) -> list[tuple[str, Any, Any]]:
        return [one for row, numbers in zip(self.rows, array, strict=True) for one in row.given(numbers)]


class Fixed:
    """A weight that is no tensor of the module's, and is not trained."""

    names = ()

    def __init__(self, numbers: NDArray) -> None:
        self.numbers = numbers

    def taken(self, tensors: dict[str, Any]) -> NDArray:
        return self.numbers

    def given(self, array: NDArray) -> list[tuple[str, Any, Any]]:
        return []


AnyWeight = Weight | Part | Sum | Rows | Fixed


def shared(weights: Sequence[AnyWeight]) -> list[str]:
    """The names of tensors that have a number in several of a layer's weights, which would be trained apart."""
    found: dict[str, list[Part | Weight]] = {}
    waiting: list[Any] = [*weights]
    for one in waiting:
        if isinstance(one, Sum):
            waiting += [one.first, one.second]
        elif isinstance(one, Rows):
            waiting += one.rows
        elif not isinstance(one, Fixed):
            found.setdefault(one.name, []).append(one)
    return [name for name, parts in found.items() if len(parts) > 1 and _overlap(parts)]


def _overlap(parts: Sequence[Part | Weight]) -> bool:
    places = [part.places.reshape(-1) for part in parts if isinstance(part, Part)]
    return len(places) < len(parts) or len(np.unique(np.concatenate(places))) < sum(map(len, places))


class Carried(NamedTuple):
    """A layer, and what its weights are in the module, in the order of get_weights."""

    layer: Layer
    weights: tuple[AnyWeight, ...]

    @property
    def doubled(self) -> list[str]:
        """The names of those that the module has twice, which its optimizer moves twice."""
        return [name for name, one in zip(self.layer.weight_names, self.weights, strict=True) if isinstance(one, Sum)]


def take(carried: list[Carried], tensors: dict[str, Any]) -> None:
    """Copies the module's tensors into layers of a built model."""
    for layer, weights in carried:
        layer.set_weights([weight.taken(tensors) for weight in weights])


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
            for name, given, part in weight.given(array):
                tensor = tensors.get(name)
                if tensor is None:
                    raise ArgumentError(f"module has no {name!r}, of which the model has weights")
                if tensor.shape != given.shape:
                    raise ShapeError(f"{name!r} of the module has shape {tuple(tensor.shape)}, and the model's weights "
                                     f"{tuple(given.shape)}")  # fmt: skip
                found.append((tensor, given, part))
    with torch.no_grad():
        for tensor, given, part in found:
            if part is None:
                tensor.copy_(given)
            else:
                places, numbers = part
                flat = tensor.reshape(-1).index_copy(0, places.to(tensor.device), numbers.to(tensor))
                tensor.copy_(flat.reshape(tensor.shape))
