"""What LSTM, GRU and SimpleRNN share: a layer over a sequence, and the states that it begins with, gives and keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, ShapeError, UnsupportedError
from martlet._model import Node as Described
from martlet._model import View
from martlet.nn import _formats, activations, initializers, node, regularizers
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph, Place
from martlet.nn._matching import NDArray
from martlet.nn.basic import unserved, weighted
from martlet.nn.node import Node

if TYPE_CHECKING:
    from martlet.nn._built import Built

_UNSERVED = (
    "recurrent_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "recurrent_constraint",
    "bias_constraint", "seed",
)  # fmt: skip
# Of Keras's switches the settings that say nothing of what is computed, or ask for what is not there.
ONLY = {
    "unroll": (False, True), "use_cudnn": ("auto", False, True), "implementation": (1, 2),
}  # fmt: skip


class Recurrent(Layer):
    """A layer over a sequence: (steps, features) becomes (units,), the state behind the last step, or (steps, units).
    Not for use by itself."""

    _words = Layer._words | {
        "recurrent_value": "recurrent_initializer", "groups": "batch_size", "rate": "dropout",
        "recurrent_rate": "recurrent_dropout",
    }  # fmt: skip
    _reads_any = True
    _kind: ClassVar[int]
    # What a step hands to the next, by the names of the nodes that give it.
    _states: ClassVar[tuple[str, ...]] = ("state",)
    _only: ClassVar[dict[str, tuple[Any, ...]]] = ONLY

    def _take_options(
        self, units: int, activation: str | None, use_bias: bool, initial: tuple[Any, Any, Any], penalty: Any,
        return_sequences: bool, return_state: bool, go_backwards: bool, stateful: bool, dropout: float,
        recurrent_dropout: float, others: dict[str, Any],
    ) -> None:  # fmt: skip
        self.units = _arguments.integer(units, f"units of {self}")
        self.activation = activations.get(activation, f"activation of {self}")
        self.use_bias = _arguments.flag(use_bias, f"use_bias of {self}")
        self.kernel_initializer, self.recurrent_initializer, self.bias_initializer = (
            initializers.get(given, f"{name}_initializer of {self}")
            for name, given in zip(("kernel", "recurrent", "bias"), initial, strict=True)
        )
        self.kernel_regularizer = regularizers.get(penalty, f"kernel_regularizer of {self}")
        self.return_sequences = _arguments.flag(return_sequences, f"return_sequences of {self}")
        self.return_state = _arguments.flag(return_state, f"return_state of {self}")
        self.go_backwards = _arguments.flag(go_backwards, f"go_backwards of {self}")
        self.stateful = _arguments.flag(stateful, f"stateful of {self}")
        self._batch: int | None = None
        self._kept_states: list[NDArray] = []
        self.dropout = _arguments.real(dropout, f"dropout of {self}")
        self.recurrent_dropout = _arguments.real(recurrent_dropout, f"recurrent_dropout of {self}")
        for given, value in others.items():
            if given in self._only and value not in self._only[given]:
                raise UnsupportedError(
                    f"{given} of {self} is {value!r}, which is not served; wanted {self._only[given][0]}"
                )
        unserved(self, {given: value for given, value in others.items() if given not in self._only}, _UNSERVED)

    def _further_fields(self) -> dict[str, Any]:
        """What a kind has beside what all have."""
        return {}

    def _flags(self) -> int:
        flags = _ffi_models.RETURN_SEQUENCES if self.return_sequences else 0
        return flags | (_ffi_models.GO_BACKWARDS if self.go_backwards else 0)

    # ---- states ----

    def __call__(self, sequence: Any, initial_state: Any = None) -> Any:
        """What it gives for a node: a node, or with return_state a list of it and the last states.

        initial_state   nodes of the states before the first step, (units,) each: of LSTM a list of two, the state and
                        what is remembered; None: zeros

        Raises as Layer's, and ShapeError for other states.
        """
        nodes = node.listed(sequence, f"the argument of {self!r}")
        if initial_state is not None:
            nodes += node.listed(initial_state, f"initial_state of {self!r}")
        return self._given_nodes(self._called_with(nodes))

    def _called_with(self, inputs: Any) -> Node:
        first, *states = node.listed(inputs, f"the argument of {self!r}")
        if states and len(states) != len(self._states):
            raise ShapeError(f"initial_state of {self!r} has {len(states)} nodes; wanted {len(self._states)}")
        for place, one in enumerate(states):
            if one.sizes != (self.units,):
                where = f"initial_state[{place}] of {self!r}"
                raise ShapeError(f"{where} has shape {one.shape}; wanted (None, {self.units})")
        return super()._called_with([first, *states])

    def _given_nodes(self, whole: Node) -> Any:
        parts = [self._part(whole, 1 + place) for place in range(len(self._states))] if self.return_state else []
        return [whole, *parts] if parts else whole

    def _part(self, whole: Node, part: int) -> Node:
        if whole.entry is not self or whole.part or not self.return_state or not 1 <= part <= len(self._states):
            raise ArgumentError(f"part is {part!r} of {whole!r}; wanted a state that {self!r} gives")
        return Node(self, [whole], (self.units,), part=part)

    @property
    def output(self) -> Any:
        """The node that it gives, where it was first called; with return_state a list of it and the last states."""
        return self._given_nodes(super().output)

    @property
    def batch_size(self) -> int | None:
        """Of a stateful layer the samples of a batch, as its model's Input says; None before it is in one."""
        return self._batch

    @batch_size.setter
    def batch_size(self, size: Any) -> None:
        self._batch = _arguments.batch_size(size)

    def reset_states(self) -> None:
        """Sets what a stateful layer keeps to zeros. Raises OrderError before its model knows the shape of samples."""
        place = self._place()
        with place.model.owner.inside():
            for array in self._state_arrays():
                array[...] = 0

    reset_state = reset_states

    def _state_arrays(self) -> list[NDArray]:
        views = self._place().views(self._node) if self.stateful else []
        return [array for view, array in views if _is_state(view)]

    def _keep_weights(self) -> None:
        super()._keep_weights()
        self._kept_states = [array.copy() for array in self._state_arrays()]

    def _filled(self) -> None:
        super()._filled()
        kept, self._kept_states = self._kept_states, []
        for array, value in zip(self._state_arrays() if kept else [], kept, strict=True):
            if array.shape == value.shape:  # of batches as large
                array[...] = value

    def _views_in(self, built: Built, node: int) -> list[tuple[View, NDArray]]:
        return [pair for pair in super()._views_in(built, node) if not _is_state(pair[0])]

    def _described(self) -> list[Described]:
        return [one._replace(statistics_count=0) for one in super()._described()]

    def _further_config(self) -> dict[str, Any]:
        return {} if self._batch is None else {"batch_size": self._batch}

    # ---- its nodes ----

    def _lay(self, graph: Graph, name: str) -> int:
        reads, states = graph.places[:1], graph.places[1:]
        graph.places = reads
        graph.sequence(_formats.LAST, name)
        graph.places = [*graph.places, *states]
        own = self._add(graph, name, _ffi_models.RETURN_STATE if self.return_state else 0)
        if self.return_state:
            graph.places = self._taken_apart(graph, self._hidden_names(name))
        return own

    def _taken_apart(self, graph: Graph, names: list[str]) -> list[Place]:
        """The rows that it gives as what comes out, and states."""
        rows, (count, _) = graph.place, graph.sizes
        states = len(self._states)
        found = []
        if self.return_sequences:
            graph.add(_ffi_models.LAYER_CROPPING1D, names[0], pads=(0, states, 0, 0))
            found.append(graph.place)
        for place in range(states):
            graph.place = rows
            before = count - states + place
            graph.add(_ffi_models.LAYER_CROPPING1D, names[1 + 2 * place], pads=(before, count - 1 - before, 0, 0))
            graph.add(_ffi_models.LAYER_RESHAPE, names[2 + 2 * place], rank=1, sizes=(self.units,))
            found.append(graph.place)
        if not self.return_sequences:
            graph.place = found[0]
            graph.add(_ffi_models.LAYER_RESHAPE, names[0], rank=1, sizes=(self.units,))
            found.insert(0, graph.place)
        return found

    def _hidden_names(self, name: str) -> list[str]:
        if not self.return_state:
            return []
        return [f"{name}_output", *(f"{name}_{state}{end}" for state in self._states for end in ("_row", ""))]

    def _add(self, graph: Graph, name: str, more: int = 0) -> int:
        """Adds its node; more: flags beside its own."""
        fields = weighted(self) | self._further_fields()
        fields["flags"] |= self._flags() | more
        if self.stateful:
            self._batch = graph.batch or self._batch
            if self._batch is None:
                raise ArgumentError(f"layer {name!r} is stateful, and its model's batches have any size; wanted "
                                    "Input(batch_shape=(batch, steps, features)), or batch_size=")  # fmt: skip
            fields |= {"groups": self._batch}
            fields["flags"] |= _ffi_models.STATEFUL
        return graph.add(
            self._kind,
            name,
            units=self.units,
            activation=activations.NUMBERS[self.activation],
            slope=activations.SLOPE,
            recurrent_initializer=self.recurrent_initializer.number,
            recurrent_value=self.recurrent_initializer.value,
            rate=self.dropout,
            recurrent_rate=self.recurrent_dropout,
            **fields,
        )


def _is_state(view: View) -> bool:
    return view.name.rpartition("/")[2] in ("state", "memory")
