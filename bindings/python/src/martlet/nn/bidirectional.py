"""Bidirectional: a recurrent layer over a sequence from both ends."""

from __future__ import annotations

import copy
from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import DTypeError, UnsupportedError
from martlet._model import View
from martlet.nn import _formats
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph
from martlet.nn._matching import NDArray
from martlet.nn._recurrence import Recurrent
from martlet.nn.basic import unserved

_MODES = {
    "concat": _ffi_models.LAYER_CONCATENATE, "sum": _ffi_models.LAYER_ADD, "ave": _ffi_models.LAYER_ADD,
    "mul": _ffi_models.LAYER_MULTIPLY,
}  # fmt: skip


class Bidirectional(Layer):
    """Two layers like the one given, of which one reads the sequence from its start and the other from its end.

    layer             an LSTM, GRU or SimpleRNN, which reads forward and is in no model
    merge_mode        what becomes of the two: "concat" (beside one another), "sum", "mul" or "ave", their mean. None,
                      Keras's for both by themselves, raises UnsupportedError
    backward_layer    the other one, where it is not like the first: it goes backwards, and gives as many units, and
                      sequences too where the first does
    trainable         as Layer's
    others            Keras's argument weights: another than None raises UnsupportedError

    What goes backwards gives its states in the order of the sequence. Steps that a mask hides give zeros, where
    sequences are given, as Keras has it. Weights: those of the one that reads forward, then the other's.
    """

    def __init__(
        self,
        layer: Recurrent,
        merge_mode: str = "concat",
        *,
        backward_layer: Recurrent | None = None,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        unserved(self, others, ("weights",))
        for given, where in ((layer, "layer"), (backward_layer, "backward_layer")):
            if given is not None or where == "layer":
                _checked(given, f"{where} of {self}", go_backwards=where != "layer")
        self.layer = layer
        if merge_mode is None:
            raise UnsupportedError(f"merge_mode of {self} is None, which is not served; wanted a mode")
        _arguments.one_of(merge_mode, _MODES, f"merge_mode of {self}")
        self.merge_mode = merge_mode
        self.backward_layer = backward_layer
        if backward_layer is not None and backward_layer.return_sequences != layer.return_sequences:
            raise DTypeError(f"backward_layer of {self} gives other states than layer; wanted one return_sequences")

    def _lay(self, graph: Graph, name: str) -> int:
        graph.sequence(_formats.LAST, name)
        reads = graph.places
        names = self._hidden_names(name)
        all_steps = self.layer.return_sequences
        more = _ffi_models.ZERO_HIDDEN if all_steps else 0
        first = self._own(self.layer)._add(graph, names[0], more)
        forward = graph.place
        graph.places = reads
        backward = self._own(self.backward_layer or self.layer)
        more |= _ffi_models.GO_BACKWARDS | (_ffi_models.INPUT_ORDER if all_steps else 0)
        backward._add(graph, names[1], more)
        graph.places = [forward, graph.place]
        if self.merge_mode == "concat":
            graph.add(_ffi_models.LAYER_CONCATENATE, name, axis=-1)
        elif self.merge_mode == "ave":
            graph.add(_ffi_models.LAYER_ADD, names[2])
            graph.add(_ffi_models.LAYER_RESCALING, name, scale=0.5)
        else:
            graph.add(_MODES[self.merge_mode], name)
        return first

    def _own(self, layer: Recurrent) -> Recurrent:
        """A layer as it is trained in here."""
        own = copy.copy(layer)
        own._trainable = self._trainable and layer.trainable
        return own

    def _hidden_names(self, name: str) -> list[str]:
        return [f"{name}_forward", f"{name}_backward", *([f"{name}_sum"] if self.merge_mode == "ave" else [])]

    def _views(self) -> list[tuple[View, NDArray]]:
        return [*super()._views(), *self._place().views(self._node + 1)]

    def count_params(self) -> int:
        return super().count_params() + self._place().model.node(self._node + 1).parameter_count


def _checked(layer: Any, where: str, go_backwards: bool) -> None:
    if not isinstance(layer, Recurrent):
        raise DTypeError(f"{where} is {layer!r}; wanted an LSTM, a GRU or a SimpleRNN")
    layer._check_free()
    for given in ("return_state", "stateful"):
        if getattr(layer, given):
            raise UnsupportedError(f"{where} has {given}=True, which is not served in both ways at once; wanted False")
    if layer.go_backwards != go_backwards:
        raise DTypeError(f"{where} has go_backwards={layer.go_backwards}; wanted {go_backwards}")
