"""Input: what a model reads. Of a Sequential the first entry, of Model(inputs, outputs) what layers are called with."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from martlet import _arguments
from martlet._errors import ArgumentError, DTypeError, OrderError
from martlet._records import Node as Described
from martlet._records import View
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph
from martlet.nn._matching import NDArray
from martlet.nn.node import Node

# What an input may say that it holds. Which it does is for who reads it: an Embedding reads whole numbers.
DTYPES = ("float32", "uint8", "int32", "int64", "bool")


class InputLayer(Layer):
    """The layer that an Input stands for in a model: it has no weights."""

    _is_input = True

    def __init__(
        self, shape: Any, *, dtype: Any = None, name: str | None = None, batch_size: int | None = None
    ) -> None:
        super().__init__(name=name)
        self.batch_size = None if batch_size is None else _arguments.batch_size(batch_size)
        self.shape = _arguments.open_shape(shape, "shape of Input")
        self.dtype = _dtype(dtype)

    def _lay(self, graph: Graph, name: str) -> int:
        raise OrderError(f"{self!r} is a model's input, and cannot be called; wanted Input(shape)")

    def _check_free(self) -> None:
        """It has no weights, so that several models may read it."""

    def _leave(self) -> None:
        """It stays what it is."""

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        return (None, *self.shape)

    def _weighted_nodes(self) -> list[int]:
        return []

    def _described(self) -> list[Described]:
        return []

    def _views(self) -> list[tuple[View, NDArray]]:
        return []

    def get_weights(self) -> list[NDArray]:
        """None."""
        return []


class Input(Node):
    """A model's input.

    shape        the sizes of one sample, the batch not among them; None: any, as of sequences of any length, (None, 3),
                 all samples of one call having the same. Layers whose weights depend on such a size are refused
    batch_size   how many samples a batch has, which stateful layers ask for; of models without any number is read
    batch_shape  Keras's argument: batch_size, or None, and the sizes, in place of both
    dtype        "float32"; "int32", "int64" or "uint8" for whole numbers, as an Embedding's, a mask's and lengths;
                 "bool" for masks; "uint8" for images, which the library reads as they are
    name         unique among the model's inputs; that by which fit finds it in a dict

    Raises ArgumentError for more than 8 sizes, and DTypeError for what are none.
    """

    __slots__ = ()

    def __init__(
        self, shape: Any = None, batch_size: int | None = None, dtype: Any = None, *, name: str | None = None,
        batch_shape: Any = None,
    ) -> None:  # fmt: skip
        if batch_shape is not None:
            if shape is not None or batch_size is not None:
                raise ArgumentError(f"batch_shape is {batch_shape!r}, beside shape or batch_size; wanted one of them")
            if not isinstance(batch_shape, tuple | list) or not batch_shape:
                raise DTypeError(f"batch_shape is {batch_shape!r}; wanted the batch's size or None, and the sizes")
            batch_size, *shape = batch_shape
        entry = InputLayer(shape, dtype=dtype, name=name, batch_size=batch_size)
        super().__init__(entry, (), entry.shape, entry.dtype)
        entry._given = weakref.ref(self)

    def __repr__(self) -> str:
        return f"Input(shape={self.sizes})"


def batch_of(node: Node) -> int | None:
    """The samples of a batch, where an Input says that."""
    return node.entry.batch_size if isinstance(node.entry, InputLayer) else None


def _dtype(given: Any) -> str:
    if given is None:
        return "float32"
    try:
        name: str = np.dtype(given).name
    except TypeError:
        name = ""
    if name not in DTYPES:
        raise DTypeError(f"dtype of Input is {given!r}; wanted one of {_arguments.listed(DTYPES)}")
    return name
