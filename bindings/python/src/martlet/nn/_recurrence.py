"""What LSTM, GRU and SimpleRNN share: a layer over a sequence, and its nodes. _states.py has its states."""

from __future__ import annotations

from typing import Any, ClassVar

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, UnsupportedError
from martlet.nn import _formats, activations, initializers, regularizers
from martlet.nn._conventions import Gates
from martlet.nn._laying import Graph, Place
from martlet.nn._states import WithStates
from martlet.nn.basic import unserved, weighted

_UNSERVED = (
    "recurrent_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "recurrent_constraint",
    "bias_constraint", "seed",
)  # fmt: skip
# Of Keras's switches the settings that say nothing of what is computed, or ask for what is not there.
_ONLY: dict[str, tuple[Any, ...]] = {
    "unroll": (False, True), "use_cudnn": ("auto", False, True), "implementation": (1, 2),
}  # fmt: skip


class Recurrent(WithStates):
    """A layer over a sequence: (steps, features) becomes (units,), the state behind the last step, or (steps, units).
    Not for use by itself."""

    _words = WithStates._words | {
        "recurrent_value": "recurrent_initializer", "groups": "batch_size", "rate": "dropout",
        "recurrent_rate": "recurrent_dropout",
    }  # fmt: skip
    _kind: ClassVar[int]
    # What a step hands to the next, by the names of the nodes that give it.
    _states: ClassVar[tuple[str, ...]] = ("state",)
    _torch_gates: ClassVar[Gates] = None
    _only: ClassVar[dict[str, tuple[Any, ...]]] = _ONLY

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

    def _ways(self) -> list[Recurrent]:
        return [self]

    def _weight_count(self, *, by_torch: bool = False) -> int:
        return 2 + (0 if not self.use_bias else 2 if by_torch else 1)

    def _has_two_biases(self) -> bool:
        """Whether its bias has a row of what is read and one of the state."""
        return False

    def _check_torch(self) -> None:
        """Raises UnsupportedError where torch has no such layer."""

    @property
    def batch_size(self) -> int | None:
        """Of a stateful layer the samples of a batch, as its model's Input says; None before it is in one."""
        return self._batch

    @batch_size.setter
    def batch_size(self, size: Any) -> None:
        self._batch = _arguments.batch_size(size)

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
        rows, states = graph.place, len(self._states)
        found = []
        if self.return_sequences:
            graph.add(_ffi_models.LAYER_CROPPING1D, names[0], pads=(0, states, 0, 0))
            found.append(graph.place)
        for place in range(states):
            graph.place = rows
            behind = (0, states - 1 - place, 0, 0)
            graph.add(_ffi_models.LAYER_CROPPING1D, names[1 + 2 * place], pads=behind, units=1)
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
