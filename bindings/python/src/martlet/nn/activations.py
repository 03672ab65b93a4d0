"""Activations by name, and the numbers that the library knows them by.

A name is all that a layer needs: their equations stand in martlet.h.
"""

from __future__ import annotations

from typing import Any

from martlet import _arguments, _ffi_models
from martlet._errors import DTypeError

NUMBERS = {
    "linear": _ffi_models.ACTIVATION_LINEAR,
    "relu": _ffi_models.ACTIVATION_RELU,
    "leaky_relu": _ffi_models.ACTIVATION_LEAKY_RELU,
    "gelu": _ffi_models.ACTIVATION_GELU,
    "silu": _ffi_models.ACTIVATION_SILU,
    "tanh": _ffi_models.ACTIVATION_TANH,
    "sigmoid": _ffi_models.ACTIVATION_SIGMOID,
    "softmax": _ffi_models.ACTIVATION_SOFTMAX,
    "elu": _ffi_models.ACTIVATION_ELU,
    "selu": _ffi_models.ACTIVATION_SELU,
    "softplus": _ffi_models.ACTIVATION_SOFTPLUS,
    "hard_sigmoid": _ffi_models.ACTIVATION_HARD_SIGMOID,
    "mish": _ffi_models.ACTIVATION_MISH,
    "exponential": _ffi_models.ACTIVATION_EXPONENTIAL,
}
_SYNONYMS = {"swish": "silu", "identity": "linear", "none": "linear"}
_KNOWN = {**{name: name for name in NUMBERS}, **_SYNONYMS}

# Of the activation "leaky_relu" by its name; the layer LeakyReLU has another, both as in Keras.
SLOPE = 0.2


def get(given: Any, where: str = "activation") -> str:
    """The name, as in NUMBERS, that a name or None stands for."""
    if given is None:
        return "linear"
    if callable(given):
        raise DTypeError(f"{where} is a function, which the library cannot call; wanted one of "
                         f"{_arguments.listed(NUMBERS)}")  # fmt: skip
    return _arguments.one_of(given, _KNOWN, where)
