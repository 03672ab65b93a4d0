"""Penalties on kernels and tables, that are part of the loss: by name, as in Keras, or as one of these objects.

Of a kernel w they add l1 sum |w| + l2 sum w^2 to the loss of each batch, and its derivative to the gradient, for as
long as training changes the layer. An optimizer's weight_decay is another thing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from martlet import _arguments
from martlet._errors import DTypeError


class Regularizer(NamedTuple):
    """The factors of sum |w| and of sum w^2."""

    l1: float = 0.0
    l2: float = 0.0


def L1(l1: float = 0.01) -> Regularizer:  # noqa: N802
    """l1 sum |w|; l1 is 0 or more."""
    return L1L2(l1)


def L2(l2: float = 0.01) -> Regularizer:  # noqa: N802
    """l2 sum w^2; l2 is 0 or more."""
    return L1L2(0.0, l2)


def L1L2(l1: float = 0.0, l2: float = 0.0) -> Regularizer:  # noqa: N802
    """l1 sum |w| + l2 sum w^2; both are 0 or more."""
    return Regularizer(_arguments.within(l1, "l1", 0, math.inf), _arguments.within(l2, "l2", 0, math.inf))


l1, l2, l1_l2 = L1, L2, L1L2

_KINDS: dict[str, Callable[..., Regularizer]] = {"L1": L1, "L2": L2, "L1L2": L1L2}
_NAMES = {**_KINDS, "l1": L1, "l2": L2, "l1_l2": L1L2, "l1l2": L1L2}


def serialize(given: Regularizer) -> dict[str, Any]:
    """A regularizer as Keras's dict."""
    used = {name: value for name, value in given._asdict().items() if value}
    if len(used) == 1:
        return {"class_name": "L1" if given.l1 else "L2", "config": used}
    return {"class_name": "L1L2", "config": given._asdict()}


def is_one(config: Any) -> bool:
    """Whether a config is what serialize may have given."""
    return config.get("class_name") in [*_KINDS]


def deserialize(config: Any, where: str) -> Regularizer:
    """What serialize gave."""
    try:
        return _KINDS[config["class_name"]](**config["config"])
    except (LookupError, TypeError) as error:
        raise DTypeError(f"{where} is {config!r}, which is no regularizer: {error!r}") from None


def get(given: Any, where: str) -> Regularizer | None:
    """The regularizer that a name or an object stands for; None: none."""
    if given is None or isinstance(given, Regularizer):
        return given
    if not isinstance(given, str):
        raise DTypeError(
            f"{where} is {given!r}; wanted None, or an object of martlet.nn.regularizers, such as L2(1e-4)"
        )
    return _arguments.one_of(given, _NAMES, where)()


def factors(given: Regularizer | None) -> dict[str, float]:
    """The fields of a layer's penalty."""
    return (given or Regularizer())._asdict()
