"""What Martlet's classes have beside Keras's arguments, on every backend: in constructors and configs."""

from __future__ import annotations

import inspect
import os
import re
import warnings
from typing import Any

import keras

from martlet import _spellings
from martlet._errors import ArgumentError, UnsupportedError

_USUAL = {"low_precision": "stochastic", "seed": 0}
_said: set[tuple[str, str]] = set()


class Options(keras.optimizers.Optimizer):  # type: ignore[misc]
    """low_precision and seed, kept as attributes."""

    low_precision: str | None = "stochastic"
    seed: int = 0

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _show(cls)

    def __init__(self, *given: Any, low_precision: str | None = "stochastic", seed: int = 0, **options: Any) -> None:
        if low_precision not in (None, "stochastic"):
            raise ArgumentError(f"low_precision is {low_precision!r}; wanted 'stochastic' or None")
        seed = _spellings.seed(seed)
        super().__init__(*given, **options)
        self.low_precision = low_precision
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        """Keras's, with what is not as usual of Martlet's own: so Keras's class takes one that has nothing of it."""
        own = {key: getattr(self, key) for key, value in _USUAL.items() if getattr(self, key) != value}
        return {**super().get_config(), **own}

    def _martlet_say(self, reason: str) -> None:
        """Warns, once for each class and reason, that Keras's rule steps; an error with MARTLET_STRICT=1, as in
        martlet.torch."""
        name = type(self).__name__
        text = f"martlet.keras.{name} steps by Keras's own rule: {reason}"
        if os.environ.get("MARTLET_STRICT", "0") not in ("", "0"):
            raise UnsupportedError(text)
        kind = name, re.sub(r"\d+", "", reason)  # a step's number and others make no other reason
        if kind not in _said:
            _said.add(kind)
            warnings.warn(f"{text}. With MARTLET_STRICT=1 that is an error", UserWarning, stacklevel=2)


def _show(cls: Any) -> None:
    """Lets inspect and help show Keras's arguments, and ours behind them; of a subclass its own."""
    if "__init__" in cls.__dict__:
        shown = inspect.signature(cls.__init__)
        cls.__signature__ = shown.replace(parameters=list(shown.parameters.values())[1:])
        return
    rule: Any = next(kind for kind in cls.__mro__ if kind.__module__.startswith("keras."))
    shown = inspect.signature(rule.__init__)
    own = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value) for name, value in _USUAL.items()]
    *named, rest = shown.parameters.values()
    cls.__signature__ = shown.replace(parameters=[*named[1:], *own, rest])
