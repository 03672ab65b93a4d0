"""Gradients of some rows of an array, as those of an embedding. What they must be is the business of _arrays.py."""

from __future__ import annotations

from typing import Any


class Rows:
    """A gradient of some rows of a parameter, in the place of an array of its shape: Rows([3, 7], values).

    indices   of the parameter's first dimension, in any order: integers, 1-d. Gradients for the same row are added up,
              in the order in which they stand here
    values    a row for each of them: an array of shape (len(indices), *parameter.shape[1:]), of any type and layout
              that a gradient may have

    Only these rows, and their state, are stepped, as torch.optim.SparseAdam does; weight decay is of them alone. For
    algorithms that step each element by itself. With defer_rows=True other rows catch up later with what a dense
    gradient, zero in them, makes of them; rows that are about to be read are named first:

        optimizer = martlet.optim.Adam(table, defer_rows=True)
        for words in batches:
            optimizer.catch_up(table, words)
            gradient = backward(table[words])
            optimizer.step(Rows(words, gradient))
        optimizer.finish()
    """

    __slots__ = ("indices", "values")

    def __init__(self, indices: Any, values: Any) -> None:
        self.indices = indices
        self.values = values

    def __repr__(self) -> str:
        return f"Rows({self.indices!r}, {self.values!r})"
