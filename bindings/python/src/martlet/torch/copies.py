"""Copies of tensors in another type, which each step writes beside them: made by a type, or the caller's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from martlet._errors import ArgumentError, DTypeError, UnsupportedError
from martlet.torch.tensors import DTYPES, check_shape, check_written

NAME = "param_copy"
Copies = dict[Tensor, Tensor]


def given_copies(given: Any, parameters: Sequence[Tensor]) -> Copies:
    """By parameter, what a constructor was given as param_copy: a type for all, or a tensor or None for each. They are
    made equal to the parameters."""
    if given is None:
        return {}
    if isinstance(given, torch.dtype):
        return new_copies(given, parameters)
    if isinstance(given, Tensor) or not isinstance(given, Iterable):
        raise DTypeError(f"{NAME} is {given!r:.80}; wanted a torch.dtype, or a list of tensors, one for each parameter")
    listed = list(given)
    if len(listed) != len(parameters):
        raise ArgumentError(f"{NAME} has {len(listed)} tensors; wanted {len(parameters)}, one for each parameter")
    copies = {parameter: copy for parameter, copy in zip(parameters, listed, strict=True) if copy is not None}
    for index, copy in enumerate(listed):
        if copy is not None:
            check_copy(copy, f"{NAME}[{index}]", parameters[index])
    with torch.no_grad():
        for parameter, copy in copies.items():
            copy.copy_(parameter)
    return copies


def new_copies(dtype: torch.dtype, parameters: Iterable[Tensor]) -> Copies:
    """Copies in a type."""
    if dtype not in DTYPES:
        raise DTypeError(f"{NAME} is {dtype!r}; wanted torch.bfloat16, float16, float32 or float64")
    return {parameter: parameter.detach().to(dtype, copy=True) for parameter in parameters}


def check_copy(copy: Tensor, name: str, parameter: Tensor) -> None:
    """What a copy must be."""
    check_written(copy, name)
    check_shape(copy, name, parameter, "give a tensor of the parameter's shape")
    if copy.is_complex() or parameter.is_complex():
        raise UnsupportedError(f"{name} is of a complex parameter, which has no copy in another type")
