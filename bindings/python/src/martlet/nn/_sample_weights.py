"""How much each sample counts: weights that a user gave, or those of its class, as the library takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from martlet import _arguments, _samples
from martlet._errors import ArgumentError, DTypeError, ShapeError, UnsupportedError
from martlet._samples import NDArray


def of(
    targets: NDArray, sample_weight: Any, class_weight: Any, where: str, outputs: Sequence[str] = ("",)
) -> NDArray | None:
    """Contiguous fp32 numbers, one for each of the targets' samples, or a row of one for each output; None: all count
    the same. Raises before anything is trained for what cannot be; where: what messages call sample_weight; outputs:
    the names of a model's."""
    if class_weight is not None:
        if sample_weight is not None:
            raise ArgumentError(f"{where} and class_weight are given; wanted one of them")
        return _of_classes(targets, class_weight)
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Mapping) or _is_of_outputs(sample_weight, len(outputs)):
        return _of_outputs(len(targets), sample_weight, where, outputs)
    return _of_samples(len(targets), sample_weight, where)


def _is_of_outputs(given: Any, count: int) -> bool:
    """Whether it has something for each of several outputs, and not a number for each sample."""
    is_list = isinstance(given, list | tuple) and len(given) == count > 1
    return is_list and any(one is None or np.ndim(one) > 0 for one in given)


def _of_outputs(count: int, given: Any, where: str, outputs: Sequence[str]) -> NDArray | None:
    """A row for each sample; an output for which none are given, or None, has ones."""
    if isinstance(given, Mapping):
        for name in given:
            if name not in outputs:
                raise ArgumentError(f"{where} has {name!r}, and the outputs are {', '.join(map(repr, outputs))}")
        given = [given.get(name) for name in outputs]
    found = np.ones((count, len(outputs)), np.float32)
    for place, (name, one) in enumerate(zip(outputs, given, strict=True)):
        if one is not None:
            found[:, place] = _of_samples(count, one, f"{where}[{name!r}]")
    return found if len(outputs) > 1 else found[:, 0].copy()


def _of_samples(count: int, given: Any, where: str) -> NDArray:
    found = _samples.samples(given, where)
    if found.shape == (count, 1):
        found = found[:, 0]
    if found.shape != (count,):
        raise ShapeError(f"{where} has shape {found.shape}; wanted ({count},), a number for each sample")
    _samples.refuse_nonfinite(found, where)
    if found.min() < 0:
        raise ArgumentError(f"{where} holds {found.min()} at sample {found.argmin()}; wanted 0 or more")
    return np.require(found, np.float32, ["C", "A"])


def _of_classes(targets: NDArray, given: Any) -> NDArray:
    if not isinstance(given, Mapping):
        raise DTypeError(f"class_weight is {given!r}; wanted a dict of classes, whole numbers, and their weights")
    labels = _labels(targets)
    found = np.ones(len(targets), np.float32)
    for label, weight in given.items():
        if isinstance(label, bool) or not isinstance(label, Integral):
            raise DTypeError(f"class_weight has the class {label!r}; wanted whole numbers")
        found[labels == label] = _arguments.within(weight, f"class_weight[{label}]", 0, float(np.finfo(np.float32).max))
    return found


def _labels(targets: NDArray) -> NDArray:
    """The class of each sample: its label, the largest of its targets, or of one target the nearest whole number."""
    if targets.ndim == 1:
        return targets
    if targets.ndim > 2 or targets.dtype.kind != "f":
        raise UnsupportedError(f"class_weight is given, and samples have targets of shape {targets.shape[1:]}; wanted "
                               "one class for each, or sample_weight")  # fmt: skip
    return targets.argmax(axis=1) if targets.shape[1] > 1 else np.rint(targets[:, 0])
