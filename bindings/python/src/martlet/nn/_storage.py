"""What a model's training keeps beside its numbers: in which type moments are, and copies of the parameters in another
type, which each step leaves."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from martlet import _arguments, _arrays, _ffi, _ffi_models, _memory
from martlet._errors import DTypeError
from martlet._model import Model
from martlet._records import View
from martlet._samples import NDArray

# What state_dtype says, and the library's number for it.
TYPES: Mapping[str, int] = {
    "fp32": _ffi.FP32, "bf16": _ffi.BF16, "fp16": _ffi.FLOAT16, "int8": _ffi.FLOAT8, "int4": _ffi.FLOAT4,
    "float16": _ffi.FP16,
}  # fmt: skip
_NUMPYS = {"float32": "fp32", "bfloat16": "bf16"}


class Storage(NamedTuple):
    """state_dtype: a name of TYPES. param_copy: the type of copies; None: there are none."""

    state_dtype: str = "fp32"
    param_copy: np.dtype[Any] | None = None

    @classmethod
    def taken(cls, arguments: dict[str, Any]) -> Storage:
        """What an optimizer's arguments say of it, which they then no longer have."""
        kept = arguments.pop("state_dtype", None)
        return cls(word(kept), copy_type(arguments.pop("param_copy", None)))


# What an optimizer takes as arguments, with defaults.
OPTIONS = dict.fromkeys(Storage._fields)


def word(given: Any) -> str:
    """A name of TYPES for what a user gave: that, or a numpy type or its name; None: float32."""
    if given is None:
        return "fp32"
    if not isinstance(given, str):
        with contextlib.suppress(TypeError):
            given = np.dtype(given).name
    known = {**TYPES, **{name: TYPES[own] for name, own in _NUMPYS.items()}}
    return word_of(_arguments.one_of(given, known, "state_dtype"))


def copy_type(given: Any) -> np.dtype[Any] | None:
    """The type of copies that a user asks for."""
    dtype = _arrays.copy_dtype(given, "param_copy")
    if dtype == np.float64:
        raise DTypeError("param_copy is float64; wanted float32, float16 or ml_dtypes.bfloat16")
    return dtype


def word_of(number: Any) -> str:
    """The name of a number of the library's, as a file has it."""
    (found,) = (name for name, known in TYPES.items() if known == number)
    return found


class Copies:
    """Copies of a model's parameters, to which each training step writes the new values."""

    def __init__(self, flat: NDArray, views: Sequence[View]) -> None:
        self._flat, self._views = flat, views

    @classmethod
    def of(cls, model: Model, dtype: np.dtype[Any] | None) -> Copies | None:
        """Those that a model's steps are to leave, at first equal to its parameters; None, and no more, for no type."""
        if dtype is None:
            model.end_copy()
            return None
        views = model.views(_ffi_models.BUFFER_PARAMETERS)
        address, count = model.buffer(_ffi_models.BUFFER_PARAMETERS)
        memory = _memory.floats(address, count, model) if count else b""
        flat = np.frombuffer(memory, np.float32).astype(dtype)
        model.lend_copy(flat, _arrays.address(flat), _arrays.dtype_number(dtype, "param_copy"))
        return cls(flat, views)

    def by_name(self) -> dict[str, NDArray]:
        """The arrays, to be read, by the names of layers and weights."""
        flat = self._flat.view()
        flat.flags.writeable = False
        return {view.name: flat[view.offset : view.offset + view.size].reshape(view.sizes) for view in self._views}
