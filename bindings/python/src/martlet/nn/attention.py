"""Attention over sequences, MultiHeadAttention, and what says where in one something stands, PositionEmbedding."""

from __future__ import annotations

from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, ShapeError
from martlet._records import View
from martlet.nn import _formats, initializers, node
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph, Place
from martlet.nn._matching import NDArray
from martlet.nn.basic import refuse_mask, unserved
from martlet.nn.node import Node

_UNSERVED = (
    "output_shape", "attention_axes", "flash_attention", "seed", "kernel_regularizer", "bias_regularizer",
    "activity_regularizer", "kernel_constraint", "bias_constraint",
)  # fmt: skip
_PARTS = ("query", "key", "value")


class MultiHeadAttention(Layer):
    """Each place of a sequence takes of values as much as its query says of their keys, num_heads times beside one
    another (Vaswani et al., 2017).

    num_heads, key_dim    how many, and features of one head's queries and keys
    value_dim             of its values; None: key_dim
    dropout               the part of weights that training drops at random, 0 to less than 1
    use_bias              whether there are biases
    kernel_initializer, bias_initializer
                          as Dense's, heads beside one another
    trainable             as Layer's
    others                Keras's arguments output_shape, attention_axes, flash_attention, seed, regularizers and
                          constraints: others than None raise UnsupportedError

    layer(query, value, key=None, use_causal_mask=False): nodes of sequences, (steps, features) and (places, features);
    key None is value. With use_causal_mask a step sees no places behind its own. Of what a mask hides in value or key
    nothing is taken; two masks raise UnsupportedError. A step that sees nothing gets zeros (Keras: the mean of all).
    What a mask hides in query sees as others do (Keras: nothing), and is hidden in what this gives, (steps, features of
    query). Keras's other arguments of calls raise UnsupportedError.

    Weights: of query, key and value a kernel, (features, heads, dim), and a bias, (heads, dim); of the output a kernel,
    (heads, value_dim, features), and a bias, (features,).
    """

    _merges = True
    _words = Layer._words | {
        "groups": "num_heads", "rate": "dropout", "units": "num_heads times key_dim or value_dim"
    }  # fmt: skip

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        *,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        name: str | None = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(name=name, trainable=trainable)
        unserved(self, others, _UNSERVED)
        self.num_heads = _arguments.integer(num_heads, f"num_heads of {self}")
        self.key_dim = _arguments.integer(key_dim, f"key_dim of {self}")
        where = f"value_dim of {self}"
        self.value_dim = self.key_dim if value_dim is None else _arguments.integer(value_dim, where)
        self.dropout = _arguments.within(dropout, f"dropout of {self}", 0, 1, open_end=True)
        self.use_bias = _arguments.flag(use_bias, f"use_bias of {self}")
        self.kernel_initializer = initializers.get(kernel_initializer, f"kernel_initializer of {self}")
        self.bias_initializer = initializers.get(bias_initializer, f"bias_initializer of {self}")
        self.use_causal_mask = False

    @node.call
    def __call__(
        self,
        query: Any,
        value: Any = None,
        key: Any = None,
        *,
        use_causal_mask: bool = False,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Node:
        """What it gives for nodes. Raises as Layer's."""
        for name, mask in (("query_mask", query_mask), ("value_mask", value_mask), ("key_mask", key_mask)):
            refuse_mask(self, name, mask)
        others = {
            "attention_mask": attention_mask, "return_attention_scores": return_attention_scores, "training": training
        }  # fmt: skip
        unserved(self, {name: None if given is False else given for name, given in others.items()}, [*others])
        if value is None:
            raise ShapeError(f"{self!r} was called with one node; wanted a query and a value")
        causal = _arguments.flag(use_causal_mask, f"use_causal_mask of {self!r}")
        if self._called and causal != self.use_causal_mask:
            raise ArgumentError(
                f"use_causal_mask of {self!r} is {causal}, and was not in a call before; wanted one for all"
            )
        if not self._called:
            self.use_causal_mask = causal
        return self._called_with([query, value, *([] if key is None else [key])])

    def _lay(self, graph: Graph, name: str) -> int:
        reads: list[Place] = []
        for place in graph.places:
            graph.place = place
            graph.sequence(_formats.LAST, name)
            reads.append(graph.place)
        graph.place = reads[0]
        features = graph.sizes[-1]
        order = (0, len(reads) - 1, 1)  # query, key, value
        hidden = self._hidden_names(name)
        dims = (self.key_dim, self.key_dim, self.value_dim)
        given: list[Place] = []
        nodes = []
        for part, at, dim in zip(hidden[:3], order, dims, strict=True):
            graph.place = reads[at]
            nodes.append(self._dense(graph, part, self.num_heads * dim))
            given.append(graph.place)
        graph.places = given
        is_causal = _arguments.flag(self.use_causal_mask, f"use_causal_mask of layer {name!r}")
        flags = _ffi_models.CAUSAL if is_causal else 0
        graph.add(_ffi_models.LAYER_ATTENTION, hidden[3], groups=self.num_heads, flags=flags, rate=self.dropout)
        self._dense(graph, name, features)
        return nodes[0]

    def _dense(self, graph: Graph, name: str, units: int) -> int:
        return graph.add(
            _ffi_models.LAYER_DENSE,
            name,
            units=units,
            flags=self._frozen_flag | (0 if self.use_bias else _ffi_models.NO_BIAS),
            kernel_initializer=self.kernel_initializer.number,
            kernel_value=self.kernel_initializer.value,
            bias_initializer=self.bias_initializer.number,
            bias_value=self.bias_initializer.value,
        )

    def _hidden_names(self, name: str) -> list[str]:
        return [*(f"{name}_{part}" for part in _PARTS), f"{name}_weights"]

    def _weighted_nodes(self) -> list[int]:
        return [self._node, self._node + 1, self._node + 2, self._node + 4]

    def _views(self) -> list[tuple[View, NDArray]]:
        found = []
        place = self._place()
        for part, own in enumerate(self._weighted_nodes()):
            for view, array in place.views(own):
                sizes: tuple[int, ...] = array.shape
                if part < 3:
                    sizes = (*sizes[:-1], self.num_heads, -1)
                elif len(sizes) == 2:
                    sizes = (self.num_heads, -1, sizes[-1])
                found.append((view, array.reshape(sizes)))
        return found

    def _further_config(self) -> dict[str, Any]:
        return {"use_causal_mask": self.use_causal_mask}


class PositionEmbedding(Layer):
    """The row of a table for each step of a sequence, whatever stands there: (steps, features) stays. Added to what it
    reads it says where things stand: x + PositionEmbedding(steps)(x).

    sequence_length          the steps, or the most of them where sequences may be shorter: they have the first rows
    initializer              as Dense's kernel_initializer
    trainable                as Layer's

    Its arguments are KerasHub's. Weights: embeddings, (sequence_length, features).
    """

    _words = Layer._words | {"kernel_value": "initializer"}

    def __init__(
        self,
        sequence_length: int,
        initializer: Any = "glorot_uniform",
        *,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        self.sequence_length = _arguments.integer(sequence_length, f"sequence_length of {self}")
        self.initializer = initializers.get(initializer, f"initializer of {self}")

    def _lay(self, graph: Graph, name: str) -> int:
        graph.sequence(_formats.LAST, name)
        if graph.sizes[0] > self.sequence_length:
            raise ShapeError(f"layer {name!r} reads sequences of {graph.sizes[0]} steps; wanted {self.sequence_length} "
                             "at most, its sequence_length")  # fmt: skip
        return graph.add(
            _ffi_models.LAYER_POSITION,
            name,
            units=self.sequence_length,
            flags=self._frozen_flag,
            kernel_initializer=self.initializer.number,
            kernel_value=self.initializer.value,
        )
