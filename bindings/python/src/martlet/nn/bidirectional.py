"""Bidirectional: a recurrent layer over a sequence from both ends."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, DTypeError, UnsupportedError
from martlet.nn import _formats
from martlet.nn._early import early
from martlet.nn._laying import Graph
from martlet.nn._matching import NDArray
from martlet.nn._recurrence import Recurrent
from martlet.nn._states import WithStates
from martlet.nn.basic import unserved

if TYPE_CHECKING:
    from martlet.nn._built import Built

_MODES = {
    "concat": _ffi_models.LAYER_CONCATENATE, "sum": _ffi_models.LAYER_ADD, "ave": _ffi_models.LAYER_ADD,
    "mul": _ffi_models.LAYER_MULTIPLY,
}  # fmt: skip


class Bidirectional(WithStates):
    """Two layers like the one given, of which one reads the sequence from its start and the other from its end.

    layer             an LSTM, GRU or SimpleRNN, which reads forward and is in no model; a copy of it is taken. With
                      return_state a call gives a list: what it gives else, the states of the layer that reads forward,
                      and those of the other one, (units,) each; with stateful both keep theirs
    merge_mode        what becomes of the two: "concat" (beside one another), "sum", "mul" or "ave", their mean. None,
                      Keras's for both by themselves, raises UnsupportedError
    backward_layer    the other one, where it is not like the first: it goes backwards, and gives as many units, and
                      sequences, and gives and keeps its states, where the first does
    trainable         as Layer's
    others            Keras's argument weights: another than None raises UnsupportedError

    layer(x, initial_state=[...]) begins with states that other nodes give, in the order of those that are given.
    What goes backwards gives its steps in the order of the sequence. Steps that a mask hides give zeros, where
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
        for option in ("return_sequences", "return_state", "stateful"):
            found, wanted = getattr(backward_layer or layer, option), getattr(layer, option)
            if found != wanted:
                raise ArgumentError(f"backward_layer of {self} has {option}={found}; wanted {wanted}, as layer has it")
        self.return_state, self.stateful = layer.return_state, layer.stateful

    def _ways(self) -> list[Recurrent]:
        """The layers that read forward and backward, which may be one description."""
        return [self.layer, self.backward_layer or self.layer]

    def _lay(self, graph: Graph, name: str) -> int:
        reads, states = graph.places[:1], graph.places[1:]
        graph.places = reads
        graph.sequence(_formats.LAST, name)
        reads = graph.places
        ways, names = self._ways(), self._way_names(name)
        all_steps = self.layer.return_sequences
        more = self._frozen_flag | (_ffi_models.ZERO_HIDDEN if all_steps else 0)
        more |= _ffi_models.RETURN_STATE if self.return_state else 0
        back = _ffi_models.GO_BACKWARDS | (_ffi_models.INPUT_ORDER if all_steps else 0)
        nodes, given = [], []
        for layer, own, flags in zip(ways, names, (more, more | back), strict=True):
            count = len(layer._state_sizes())
            graph.places = [*reads, *states[:count]]
            states = states[count:]
            nodes.append(layer._add(graph, own, flags))
            given.append(graph.places)
        if self.return_state:
            for place, (layer, own) in enumerate(zip(ways, names, strict=True)):
                graph.places = given[place]
                given[place] = layer._taken_apart(graph, layer._hidden_names(own))
        graph.places = [places[0] for places in given]
        self._merge(graph, name)
        graph.places = [graph.place, *(state for places in given for state in places[1:])]
        return nodes[0]

    def _merge(self, graph: Graph, name: str) -> None:
        """What both give as what this one does."""
        if self.merge_mode == "concat":
            graph.add(_ffi_models.LAYER_CONCATENATE, name, axis=-1)
        elif self.merge_mode == "ave":
            graph.add(_ffi_models.LAYER_ADD, f"{name}_sum")
            graph.add(_ffi_models.LAYER_RESCALING, name, scale=0.5)
        else:
            graph.add(_MODES[self.merge_mode], name)

    def _way_names(self, name: str) -> list[str]:
        return [f"{name}_forward", f"{name}_backward"]

    def _hidden_names(self, name: str) -> list[str]:
        found = self._way_names(name)
        for layer, own in zip(self._ways(), self._way_names(name), strict=True):
            found += layer._hidden_names(own)
        return [*found, f"{name}_sum"] if self.merge_mode == "ave" else found

    def _weighted_nodes(self) -> list[int]:
        return [self._node, self._node + 1]

    def _trained(self) -> list[bool]:
        return [self._trainable and layer.trainable for layer in self._ways()]

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
        return [
            array for node, is_trained in ways if is_trained == are_trained for _, array in self._views_in(built, node)
        ]

    # The two layers are as this one is: in a model, and trained anew where that was set.

    def _take(self, name: str) -> None:
        super()._take(name)
        for layer in self._ways():
            layer._taken = True

    def _leave(self) -> None:
        super()._leave()
        for layer in self._ways():
            layer._taken = False

    def _settle(self, built: Built, node: int, output_shape: tuple[int, ...]) -> None:
        super()._settle(built, node, output_shape)
        for layer in self._ways():
            layer._laid_trainable = layer.trainable

    def _is_as_laid(self) -> bool:
        return super()._is_as_laid() and all(layer._is_as_laid() for layer in self._ways())


def _checked(layer: Any, where: str, go_backwards: bool) -> None:
    if not isinstance(layer, Recurrent):
        raise DTypeError(f"{where} is {layer!r}; wanted an LSTM, a GRU or a SimpleRNN")
    layer._check_free()
    if layer.go_backwards != go_backwards:
        raise ArgumentError(f"{where} has go_backwards={layer.go_backwards}; wanted {go_backwards}")
