"""Masking and SequenceMask, which hide steps of sequences from the layers behind them."""

from __future__ import annotations

from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError
from martlet.nn import _formats, node
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph
from martlet.nn.node import Node


class Masking(Layer):
    """Hides the steps of a sequence whose features all are mask_value: LSTM, GRU, SimpleRNN, Bidirectional and
    attention behind it pass over them, and recurrent layers give the state as it was. The steps become zeros; the shape
    stays.

    Dense, activations, Dropout, GaussianNoise, LayerNormalization, GroupNormalization, Rescaling and Normalization hand
    the mask on, as Keras's do, and so do a recurrent layer that returns sequences, and Add, Multiply and Concatenate of
    nodes with the same mask, as two have that hide steps of one node by one number. GlobalAveragePooling1D, losses and
    metrics pass over the steps. RMSNormalization, convolutions, other pools and layers that move elements drop the
    mask, and so do Add, Multiply and Concatenate where a node has none. BatchNormalization and nodes with several
    masks, with which Keras does more, raise UnsupportedError.

    layer(x, mask=m) hides the steps at which m is mask_value: an Input of a whole number, or a bool, for each step,
    (steps,), such as a mask of ones and zeros, or words of which mask_value is the padding; mask_value=1 takes torch's
    masks, which are True where a step is hidden. SequenceMask takes lengths.
    """

    _reads_any = True
    _words = Layer._words | {"offset": "mask_value"}

    def __init__(self, mask_value: float = 0.0, *, name: str | None = None, input_shape: Any = None) -> None:
        super().__init__(name=name, input_shape=input_shape)
        self.mask_value = _arguments.real(mask_value, f"mask_value of {self}")

    @node.call
    def __call__(self, inputs: Any, mask: Any = None) -> Node:
        """What it gives for a node. Raises as Layer's, and ArgumentError for a mask that is no Input."""
        nodes = node.listed(inputs, f"the argument of {self!r}")
        return self._called_with(nodes if mask is None else [*nodes, _said(self, mask, "mask")])

    def _lay(self, graph: Graph, name: str) -> int:
        return _laid(graph, name, offset=self.mask_value)


class SequenceMask(Layer):
    """Hides the steps of a sequence behind its length, as torch's pack_padded_sequence and tf.sequence_mask do: what
    that means is Masking's, and so are the bits.

    layer(x, lengths): lengths is an Input of one whole number for each sample, (1,), of 0 to as many steps as there
    are, in any order; fit, evaluate and predict take them as an array (samples,) or (samples, 1), and raise
    ArgumentError for others. A sequence of length 0 has no steps: a recurrent layer gives the state that it began with.
    """

    _reads_any = True

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    @node.call
    def __call__(self, inputs: Any, lengths: Any = None) -> Node:
        """What it gives for a node. Raises as Layer's, and ArgumentError for lengths that are no Input."""
        nodes = node.listed(inputs, f"the argument of {self!r}")
        if len(nodes) == 1 and lengths is None:
            raise ArgumentError(f"{self!r} was called without lengths; wanted an Input of shape (1,), how many steps "
                                "each sequence has")  # fmt: skip
        return self._called_with(nodes if lengths is None else [*nodes, _said(self, lengths, "lengths")])

    def _lay(self, graph: Graph, name: str) -> int:
        if len(graph.places) != 2:
            raise ArgumentError(f"layer {name!r} reads {len(graph.places)} nodes; wanted a sequence and lengths, as "
                                "layer(x, lengths) in a Model(inputs, outputs) does")  # fmt: skip
        return _laid(graph, name, flags=_ffi_models.LENGTHS)


def _said(layer: Layer, given: Any, where: str) -> Node:
    """What says which steps are hidden."""
    (found,) = node.listed([given], f"{where} of {layer!r}")
    if found.inputs:
        raise ArgumentError(f"{where} of {layer!r} is {found!r}; wanted an Input, whose numbers are read as they come")
    return found


def _laid(graph: Graph, name: str, **fields: Any) -> int:
    sequence, *said = graph.places
    graph.place = sequence
    graph.sequence(_formats.LAST, name)
    for place in said:
        graph.hides_by(place, name, by_length="flags" in fields)
    graph.places = [graph.place, *said]
    return graph.add(_ffi_models.LAYER_MASKING, name, **fields)
