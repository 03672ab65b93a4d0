"""Sparse gradients, as those of an embedding: the rows that a torch.sparse_coo tensor has, as a step reads them."""

from __future__ import annotations

import torch
from torch import Tensor

from martlet._call import RowNumbers, StepCall
from martlet._layout import Layout
from martlet.torch.tensors import DTYPES, NoMemoryError, check_shape, check_tensor


def rows_of(gradient: Tensor, parameter: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """The values of a sparse gradient, a row for each of the row numbers that come with them. Neither is a copy, where
    the numbers follow one another in memory; that the gradient is coalesced is not needed."""
    called = f"the gradient of {name}"
    check_shape(gradient, called, parameter, "set it to None, and let backward() make it anew")
    if gradient.is_complex():
        raise NoMemoryError(f"{called} is sparse and complex", "give a dense one: Embedding(sparse=False)")
    if gradient.sparse_dim() != 1:
        raise NoMemoryError(
            f"{called} is sparse along {gradient.sparse_dim()} dimensions",
            "wanted rows, the first dimension alone: gradient.to_dense().to_sparse(1)",
        )
    values, numbers = gradient._values().detach(), gradient._indices()[0].contiguous()
    check_tensor(values, called)
    if values.is_neg() or values._is_zerotensor():
        values = values.resolve_neg().clone()
    return values, numbers


def lay_out(values: Tensor, numbers: Tensor) -> tuple[Layout, RowNumbers]:
    """How a sparse gradient lies."""
    layout = Layout(DTYPES[values.dtype], tuple(values.shape), tuple(values.stride()))
    return layout, RowNumbers(numbers.data_ptr(), len(numbers), values.numel())


def is_sparse(gradient: Tensor | None) -> bool:
    return isinstance(gradient, Tensor) and gradient.layout == torch.sparse_coo


class SparseGradients:
    """Those of a plan's parameters whose gradients are sparse: which, and what of them a call reads."""

    def __init__(self) -> None:
        self._of: list[tuple[int, Tensor, str]] = []
        # The tensors whose addresses the call has.
        self._lent: list[tuple[Tensor, Tensor]] = []

    def __bool__(self) -> bool:
        return bool(self._of)

    def add(self, place: int, parameter: Tensor, name: str) -> None:
        """Notes a parameter, in its place in the call."""
        self._of.append((place, parameter, name))

    def stand_in(self, gradients: list[Tensor | None]) -> list[Tensor | None] | None:
        """Gradients in their places, with views of the parameters where they are sparse; None: others are."""
        gradients = list(gradients)
        for place, parameter, _ in self._of:
            if not is_sparse(gradients[place]):
                return None
            gradients[place] = parameter.detach()
        return gradients

    def point(self, call: StepCall) -> None:
        """Points a call at the gradients that the parameters have now. Raises what is wrong with one."""
        lent = []
        for place, parameter, name in self._of:
            assert parameter.grad is not None
            values, numbers = rows_of(parameter.grad, parameter, name)
            lent.append((values, numbers))
            call.point_rows(place, values.data_ptr(), *lay_out(values, numbers))
        self._lent = lent
