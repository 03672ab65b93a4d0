"""Layers that have a table in common: a language model reads tokens by its rows, and gives its logits by the same.

One weight is read twice (Press and Wolf, 2017): trained once, by the sum of both gradients, and saved once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, DTypeError, OrderError, ShapeError, UnsupportedError
from martlet.nn import activations, initializers, node
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph
from martlet.nn._trial import Given
from martlet.nn.basic import activated
from martlet.nn.node import Node
from martlet.nn.sequences import Embedding


class TiedDense(Layer):
    """activation(x tableᵀ + bias) over the last size, with the table of an Embedding: (..., output_dim) becomes
    (..., input_dim), logits of the tokens that the Embedding reads.

    activation, use_bias, bias_initializer
                          as Dense's
    trainable             of the bias; the table is trained where the Embedding is

    layer([x, embedded]): two nodes, what it reads and what the Embedding gives, by which it knows the table alone; so
    it is part of a Model, and of no Sequential. A mask ends here, as at Keras's ReversibleEmbedding. An Embedding that
    is sparse raises UnsupportedError: each row has a gradient. Weights: bias, (input_dim,); the table is the
    Embedding's.
    """

    _merges = True

    def __init__(
        self,
        activation: str | None = None,
        use_bias: bool = True,
        bias_initializer: Any = "zeros",
        *,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name=name, trainable=trainable)
        self.activation = activations.get(activation, f"activation of {self}")
        self.use_bias = _arguments.flag(use_bias, f"use_bias of {self}")
        self.bias_initializer = initializers.get(bias_initializer, f"bias_initializer of {self}")

    @property
    def _table(self) -> Embedding | None:
        """The layer whose table it reads; None before it is called."""
        first = None if self._given is None else self._given()
        return None if first is None else first.inputs[1].entry  # type: ignore[return-value]

    def _would_give(self, nodes: Sequence[Node]) -> Given:
        if len(nodes) != 2:
            raise ShapeError(f"{self!r} was called with {len(nodes)} nodes; wanted two, what it reads and what an "
                             "Embedding gives")  # fmt: skip
        x, table = nodes[0], nodes[1].entry
        if not isinstance(table, Embedding):
            raise DTypeError(f"the second node that {self!r} was called with is what {table!r} gives; wanted what an "
                             "Embedding does, whose table it reads")  # fmt: skip
        if self._table not in (None, table):
            raise ArgumentError(f"{self!r} reads the table of {self._table!r} already, and was called with that of "
                                f"{table!r}; wanted one for all")  # fmt: skip
        if table.sparse:
            raise UnsupportedError(f"{self!r} reads the table of {table!r}, which is sparse, and gives each row a "
                                   "gradient; wanted sparse=False")  # fmt: skip
        if not x.sizes or x.sizes[-1] != table.output_dim:
            raise ShapeError(f"{self!r} reads samples of shape {x.sizes}; wanted {table.output_dim} as the last size, "
                             f"the columns of the table of {table!r}")  # fmt: skip
        return Given((*x.sizes[:-1], table.input_dim), None)

    def _lay(self, graph: Graph, name: str) -> int:
        x, table = graph.places
        graph.place = x
        graph.straighten()
        return graph.add(
            _ffi_models.LAYER_TIED_DENSE,
            name,
            table=table.node,
            flags=self._frozen_flag | (0 if self.use_bias else _ffi_models.NO_BIAS),
            bias_initializer=self.bias_initializer.number,
            bias_value=self.bias_initializer.value,
            **activated(self.activation),
        )


class ReversibleEmbedding(Embedding):
    """An Embedding that also gives logits of what it reads: layer(tokens), (...), becomes (..., output_dim), and
    layer(x, reverse=True), x tableᵀ, (..., output_dim) becomes (..., input_dim).

    tie_weights   Keras's argument: only True is served, else UnsupportedError; Embedding and a Dense without a bias are
                  two weights
    others        as Embedding's; and Keras's reverse_dtype and logit_soft_cap: others than None raise UnsupportedError

    It is called with tokens before it is called in reverse: OrderError. What is called in reverse is a TiedDense, a
    layer of its own among the model's.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        *,
        mask_zero: bool = False,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        padding_idx: int | None = None,
        **others: Any,
    ) -> None:
        for given in ("reverse_dtype", "logit_soft_cap"):
            if others.pop(given, None) is not None:
                raise UnsupportedError(f"{given} of a ReversibleEmbedding is not served; wanted None")
        super().__init__(
            input_dim, output_dim, embeddings_initializer, embeddings_regularizer, mask_zero=mask_zero, name=name,
            input_shape=input_shape, trainable=trainable, padding_idx=padding_idx, **others,
        )  # fmt: skip
        self.tie_weights = _arguments.flag(tie_weights, f"tie_weights of {self}")
        if not self.tie_weights:
            raise UnsupportedError(f"tie_weights of {self} is False, which is not served; wanted True, or Embedding "
                                   "and a Dense(input_dim, use_bias=False) for the other weight")  # fmt: skip
        self._head: TiedDense | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_head": None}

    @node.call
    def __call__(self, inputs: Any, reverse: bool = False) -> Node:
        """What it gives for a node; reverse: of features, and not of tokens. Raises as Layer's, and OrderError."""
        if not _arguments.flag(reverse, f"reverse of {self!r}"):
            return super().__call__(inputs)
        rows = None if self._given is None else self._given()
        if rows is None:
            raise OrderError(f"{self!r} is called in reverse and has read no tokens; wanted layer(tokens) before")
        if self._head is None:
            self._head = TiedDense(use_bias=False)
        return self._head([inputs, rows])
