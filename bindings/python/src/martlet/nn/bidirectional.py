"""Bidirectional: a recurrent layer over a sequence from both ends."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, DTypeError, UnsupportedError
from martlet.nn import _formats
from martlet.nn._early import early
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph
from martlet.nn._matching import NDArray
from martlet.nn._recurrence import Recurrent
from martlet.nn.basic import unserved

if TYPE_CHECKING:
    from martlet.nn._built import Built

_MODES = {
    "concat": _ffi_models.LAYER_CONCATENATE, "sum": _ffi_models.LAYER_ADD, "ave": _ffi_models.LAYER_ADD,
    "mul": _ffi_models.LAYER_MULTIPLY,
}  # fmt: skip


class Bidirectional(Layer):
    """Two layers like the one given, of which one reads the sequence from its start and the other from its end.

    layer             an LSTM, GRU or SimpleRNN, which reads forward and is in no model; a copy of it is taken
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
        self.layer = copy.copy(layer)
        if merge_mode is None:
            raise UnsupportedError(f"merge_mode of {self} is None, which is not served; wanted a mode")
        _arguments.one_of(merge_mode, _MODES, f"merge_mode of {self}")
        self.merge_mode = merge_mode
        self.backward_layer = copy.copy(backward_layer)
        if backward_layer is not None and backward_layer.return_sequences != layer.return_sequences:
            raise ArgumentError(f"backward_layer of {self} gives other states than layer; wanted one return_sequences")

    def _both(self) -> tuple[Recurrent, Recurrent]:
        """The layers that read forward and backward, which may be one description."""
        return self.layer, self.backward_layer or self.layer

    def _lay(self, graph: Graph, name: str) -> int:
        graph.sequence(_formats.LAST, name)
        reads = graph.places
        names = self._hidden_names(name)
        all_steps = self.layer.return_sequences
        more = self._frozen_flag | (_ffi_models.ZERO_HIDDEN if all_steps else 0)
        first_way, second_way = self._both()
        first = first_way._add(graph, names[0], more)
        forward = graph.place
        graph.places = reads
        more |= _ffi_models.GO_BACKWARDS | (_ffi_models.INPUT_ORDER if all_steps else 0)
        second_way._add(graph, names[1], more)
        graph.places = [forward, graph.place]
        if self.merge_mode == "concat":
            graph.add(_ffi_models.LAYER_CONCATENATE, name, axis=-1)
        elif self.merge_mode == "ave":
            graph.add(_ffi_models.LAYER_ADD, names[2])
            graph.add(_ffi_models.LAYER_RESCALING, name, scale=0.5)
        else:
            graph.add(_MODES[self.merge_mode], name)
        return first

    def _hidden_names(self, name: str) -> list[str]:
        return [f"{name}_forward", f"{name}_backward", *([f"{name}_sum"] if self.merge_mode == "ave" else [])]

    def _weighted_nodes(self) -> list[int]:
        return [self._node, self._node + 1]

    def _trained(self) -> list[bool]:
        return [self._trainable and layer.trainable for layer in self._both()]

    @property
    @early
    def trainable_weights(self) -> list[NDArray]:
        """Those of weights that training changes: of a layer that is not trainable itself none."""
        return self._weights_trained(True)

    @property
    @early
    def non_trainable_weights(self) -> list[NDArray]:
        """The others."""
        return self._weights_trained(False)

    def _weights_trained(self, are_trained: bool) -> list[NDArray]:
        built, ways = self._place(), zip(self._weighted_nodes(), self._trained(), strict=True)
        return [array for node, is_trained in ways if is_trained == are_trained for _, array in built.views(node)]

    # The two layers are as this one is: in a model, and trained anew where that was set.

    def _take(self, name: str) -> None:
        super()._take(name)
        for layer in self._both():
            layer._taken = True

    def _leave(self) -> None:
        super()._leave()
        for layer in self._both():
            layer._taken = False

    def _settle(self, built: Built, node: int, output_shape: tuple[int, ...]) -> None:
        super()._settle(built, node, output_shape)
        for layer in self._both():
            layer._laid_trainable = layer.trainable

    def _is_as_laid(self) -> bool:
        return super()._is_as_laid() and all(layer._is_as_laid() for layer in self._both())


def _checked(layer: Any, where: str, go_backwards: bool) -> None:
    if not isinstance(layer, Recurrent):
        raise DTypeError(f"{where} is {layer!r}; wanted an LSTM, a GRU or a SimpleRNN")
    layer._check_free()
    for given in ("return_state", "stateful"):
        if getattr(layer, given):
            raise UnsupportedError(f"{where} has {given}=True, which is not served in both ways at once; wanted False")
    if layer.go_backwards != go_backwards:
        raise ArgumentError(f"{where} has go_backwards={layer.go_backwards}; wanted {go_backwards}")
