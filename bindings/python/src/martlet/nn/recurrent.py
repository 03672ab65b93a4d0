"""Layers that read a sequence step by step: LSTM, GRU, SimpleRNN; and Masking, which hides steps from them.

Their arguments are Keras's by name and default, as far as they are listed. bidirectional.py reads from both ends.
"""

from __future__ import annotations

from typing import Any, ClassVar

from martlet import _arguments, _ffi_models
from martlet._errors import UnsupportedError
from martlet.nn import _formats, activations, initializers, regularizers
from martlet.nn._layer import Layer
from martlet.nn._laying import Graph
from martlet.nn.basic import unserved, weighted

_UNSERVED = (
    "recurrent_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "recurrent_constraint",
    "bias_constraint", "seed",
)  # fmt: skip
# Of Keras's switches the settings that say nothing of what is computed, or ask for what is not there.
_ONLY = {
    "dropout": (0.0,), "recurrent_dropout": (0.0,), "return_state": (False,), "stateful": (False,),
    "unroll": (False, True), "use_cudnn": ("auto", False, True), "implementation": (1, 2),
}  # fmt: skip


class Recurrent(Layer):
    """A layer over a sequence: (steps, features) becomes (units,), the state behind the last step, or (steps, units).
    Not for use by itself."""

    _words = Layer._words | {"recurrent_value": "recurrent_initializer"}
    _kind: ClassVar[int]
    _only: ClassVar[dict[str, tuple[Any, ...]]] = _ONLY

    def _take_options(
        self, units: int, activation: str | None, use_bias: bool, initial: tuple[Any, Any, Any], penalty: Any,
        return_sequences: bool, go_backwards: bool, others: dict[str, Any],
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
        self.go_backwards = _arguments.flag(go_backwards, f"go_backwards of {self}")
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

    def _lay(self, graph: Graph, name: str) -> int:
        graph.sequence(_formats.LAST, name)
        return self._add(graph, name)

    def _add(self, graph: Graph, name: str, more: int = 0) -> int:
        """Adds its node; more: flags beside its own."""
        fields = weighted(self) | self._further_fields()
        fields["flags"] |= self._flags() | more
        return graph.add(
            self._kind,
            name,
            units=self.units,
            activation=activations.NUMBERS[self.activation],
            slope=activations.SLOPE,
            recurrent_initializer=self.recurrent_initializer.number,
            recurrent_value=self.recurrent_initializer.value,
            **fields,
        )


class Masking(Layer):
    """Hides the steps of a sequence whose features all are mask_value: LSTM, GRU, SimpleRNN and Bidirectional behind it
    pass over them, and give the state as it was. The steps become zeros; the shape stays.

    Dense, activations, Dropout, GaussianNoise, LayerNormalization, Rescaling and Normalization hand the mask on, as
    Keras's do, and so do a recurrent layer that returns sequences, and Add, Multiply and Concatenate of nodes with the
    same mask. GlobalAveragePooling1D, losses and metrics pass over the steps. Convolutions, other pools and layers that
    move elements drop the mask. BatchNormalization, GroupNormalization and nodes with several masks, with which Keras
    does more, raise UnsupportedError.
    """

    _words = Layer._words | {"offset": "mask_value"}

    def __init__(self, mask_value: float = 0.0, *, name: str | None = None, input_shape: Any = None) -> None:
        super().__init__(name=name, input_shape=input_shape)
        self.mask_value = _arguments.real(mask_value, f"mask_value of {self}")

    def _lay(self, graph: Graph, name: str) -> int:
        graph.sequence(_formats.LAST, name)
        return graph.add(_ffi_models.LAYER_MASKING, name, offset=self.mask_value)


class LSTM(Recurrent):
    """A cell that remembers (Hochreiter and Schmidhuber, 1997) over a sequence: (steps, features) becomes (units,), the
    state behind the last step, or (steps, units).

    units                    of the state
    activation               of what is remembered and given: as Dense's, but "gelu", "silu", "mish" and "softmax",
                             which raise UnsupportedError when the model is built
    recurrent_activation     of what lets through, likewise
    use_bias                 whether there is a bias
    kernel_initializer, recurrent_initializer, bias_initializer
                             as Dense's
    unit_forget_bias         whether the biases of the gate that forgets start as ones
    kernel_regularizer       as Dense's
    return_sequences         whether the states behind all steps are given
    go_backwards             whether the last step is read first; states are given in the order in which steps are read
    trainable                as Layer's
    others                   Keras's arguments. dropout, recurrent_dropout, return_state and stateful raise
                             UnsupportedError where they are set, regularizers and constraints where they are not None;
                             unroll, use_cudnn and implementation change nothing

    Weights: kernel, (features, 4 units); recurrent_kernel, (units, 4 units); bias, (4 units,): of each the gate that
    lets in, the one that forgets, what is let in, and the gate that lets out. torch has them turned, with two biases,
    which are added up.
    """

    _kind = _ffi_models.LAYER_LSTM

    def __init__(
        self,
        units: int,
        activation: str | None = "tanh",
        recurrent_activation: str | None = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        *,
        return_sequences: bool = False,
        go_backwards: bool = False,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        initial = (kernel_initializer, recurrent_initializer, bias_initializer)
        self._take_options(
            units, activation, use_bias, initial, kernel_regularizer, return_sequences, go_backwards, others
        )
        self.recurrent_activation = activations.get(recurrent_activation, f"recurrent_activation of {self}")
        self.unit_forget_bias = _arguments.flag(unit_forget_bias, f"unit_forget_bias of {self}")

    def _further_fields(self) -> dict[str, Any]:
        return {"recurrent_activation": activations.NUMBERS[self.recurrent_activation]}

    def _flags(self) -> int:
        return super()._flags() | (_ffi_models.UNIT_FORGET_BIAS if self.unit_forget_bias else 0)


class GRU(Recurrent):
    """A unit that forgets as much as it takes in (Cho et al., 2014) over a sequence, as LSTM.

    reset_after              Keras's argument: whether the gate that resets comes behind the product with the state, as
                             torch has it; only True is served, else UnsupportedError
    others                   as LSTM's

    Weights: kernel, (features, 3 units); recurrent_kernel, (units, 3 units); bias, (2, 3 units), of what is read and of
    the state: of each the gate that keeps, the one that resets, and what is new. torch has them turned, the first two
    in the other order.
    """

    _kind = _ffi_models.LAYER_GRU
    _only = _ONLY | {"reset_after": (True,)}

    def __init__(
        self,
        units: int,
        activation: str | None = "tanh",
        recurrent_activation: str | None = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        *,
        return_sequences: bool = False,
        go_backwards: bool = False,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        initial = (kernel_initializer, recurrent_initializer, bias_initializer)
        self._take_options(
            units, activation, use_bias, initial, kernel_regularizer, return_sequences, go_backwards, others
        )
        self.recurrent_activation = activations.get(recurrent_activation, f"recurrent_activation of {self}")

    def _further_fields(self) -> dict[str, Any]:
        return {"recurrent_activation": activations.NUMBERS[self.recurrent_activation]}


class SimpleRNN(Recurrent):
    """state = activation(x kernel + state recurrent_kernel + bias) at each step of a sequence (Elman, 1990), as LSTM.

    Arguments as LSTM's. Weights: kernel, (features, units); recurrent_kernel, (units, units); bias, (units,).
    """

    _kind = _ffi_models.LAYER_SIMPLE_RNN

    def __init__(
        self,
        units: int,
        activation: str | None = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        *,
        return_sequences: bool = False,
        go_backwards: bool = False,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        initial = (kernel_initializer, recurrent_initializer, bias_initializer)
        self._take_options(
            units, activation, use_bias, initial, kernel_regularizer, return_sequences, go_backwards, others
        )
