"""Layers that read a sequence step by step: LSTM, GRU, SimpleRNN.

Their arguments are Keras's by name and default, as far as they are listed. _recurrence.py has what they share,
bidirectional.py reads from both ends.
"""

from __future__ import annotations

from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import UnsupportedError
from martlet.nn import activations
from martlet.nn._recurrence import Recurrent


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
    return_state             whether a call gives a list: what it gives else, the state behind the last step, and of
                             LSTM what is remembered, (units,) each. Not in a Sequential: UnsupportedError
    go_backwards             whether the last step is read first; states are given in the order in which steps are read
    stateful                 whether a batch begins with the states that the one before has left, sample by sample, when
                             it trains, evaluates and predicts, until reset_states(): fit goes on with those that
                             predict in a callback, or validation, has left, as Keras's does. Batches are of as many
                             samples as Input(batch_shape=) says: ShapeError else; and one thread at a time predicts:
                             BusyError
    dropout                  the part of the features that a step in training reads as zeros, the others divided by what
                             is left, drawn once for each sample and all its steps
    recurrent_dropout        the same of the state, where it is multiplied with recurrent_kernel: for all gates the same
    trainable                as Layer's
    others                   Keras's arguments. Regularizers and constraints raise UnsupportedError where they are not
                             None; unroll, use_cudnn and implementation change nothing

    layer(x, initial_state=[h, c]) begins with states that other nodes give: of GRU and SimpleRNN one node.

    Weights: kernel, (features, 4 units); recurrent_kernel, (units, 4 units); bias, (4 units,): of each the gate that
    lets in, the one that forgets, what is let in, and the gate that lets out. torch has them turned, with two biases,
    which are added up: get_weights("torch") and set_weights(weights, "torch") have them so.
    """

    _kind = _ffi_models.LAYER_LSTM
    _states = ("state", "memory")

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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        initial = (kernel_initializer, recurrent_initializer, bias_initializer)
        self._take_options(
            units, activation, use_bias, initial, kernel_regularizer, return_sequences, return_state, go_backwards,
            stateful, dropout, recurrent_dropout, others,
        )  # fmt: skip
        self.recurrent_activation = activations.get(recurrent_activation, f"recurrent_activation of {self}")
        self.unit_forget_bias = _arguments.flag(unit_forget_bias, f"unit_forget_bias of {self}")

    def _further_fields(self) -> dict[str, Any]:
        return {"recurrent_activation": activations.NUMBERS[self.recurrent_activation]}

    def _flags(self) -> int:
        return super()._flags() | (_ffi_models.UNIT_FORGET_BIAS if self.unit_forget_bias else 0)


class GRU(Recurrent):
    """A unit that forgets as much as it takes in (Cho et al., 2014) over a sequence, as LSTM.

    reset_after              whether the gate that resets comes behind the product with the state, as torch has it, or
                             before it, as Cho et al. and Keras's layers of old
    others                   as LSTM's

    Weights: kernel, (features, 3 units); recurrent_kernel, (units, 3 units); bias, (2, 3 units), of what is read and of
    the state, or (3 units,) without reset_after: of each the gate that keeps, the one that resets, and what is new.
    torch has them turned, the first two in the other order, as get_weights("torch") gives them.
    """

    _kind = _ffi_models.LAYER_GRU
    # torch's gates reset, keep and are new.
    _torch_gates = (1, 0, 2)

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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        reset_after: bool = True,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        initial = (kernel_initializer, recurrent_initializer, bias_initializer)
        self._take_options(
            units, activation, use_bias, initial, kernel_regularizer, return_sequences, return_state, go_backwards,
            stateful, dropout, recurrent_dropout, others,
        )  # fmt: skip
        self.recurrent_activation = activations.get(recurrent_activation, f"recurrent_activation of {self}")
        self.reset_after = _arguments.flag(reset_after, f"reset_after of {self}")

    def _further_fields(self) -> dict[str, Any]:
        return {"recurrent_activation": activations.NUMBERS[self.recurrent_activation]}

    def _flags(self) -> int:
        return super()._flags() | (0 if self.reset_after else _ffi_models.RESET_FIRST)

    def _has_two_biases(self) -> bool:
        return self.reset_after

    def _check_torch(self) -> None:
        if not self.reset_after:
            raise UnsupportedError(f'{self!r} has reset_after=False, which torch has not; wanted convention="keras"')


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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        name: str | None = None,
        input_shape: Any = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, trainable=trainable)
        initial = (kernel_initializer, recurrent_initializer, bias_initializer)
        self._take_options(
            units, activation, use_bias, initial, kernel_regularizer, return_sequences, return_state, go_backwards,
            stateful, dropout, recurrent_dropout, others,
        )  # fmt: skip
