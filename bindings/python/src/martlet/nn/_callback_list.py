"""All callbacks of one call as one, which _fit.py and _training.py call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from martlet._errors import DTypeError
from martlet.nn._callback import ALIASES, Callback


class Callbacks:
    """Several callbacks as one, each called for what it overrides."""

    def __init__(self, given: Any, model: Any, params: dict[str, Any], last: Callback | None = None) -> None:
        if given is None:
            given = []
        elif isinstance(given, Callback):
            given = [given]
        if not isinstance(given, list | tuple):
            raise DTypeError(f"callbacks is {given!r}; wanted a list of callbacks")
        for index, callback in enumerate(given):
            if not isinstance(callback, Callback):
                raise DTypeError(f"callbacks[{index}] is {callback!r}; wanted a martlet.nn.Callback")
        self._all = [*given] if last is None else [*given, last]
        for callback in self._all:
            callback.set_model(model)
            callback.set_params(params)

    @classmethod
    def of(
        cls, given: Any, model: Any, batch_size: int, samples: int, verbose: int, epochs: int = 1,
        last: Callback | None = None,
    ) -> Callbacks:  # fmt: skip
        """With params of a call. last hears of everything after the others, who may add to logs."""
        if given is None and last is None:
            return _NONE
        params = {"epochs": epochs, "batch_size": batch_size, "samples": samples, "verbose": verbose,
                  "steps": -(-samples // batch_size)}  # fmt: skip
        return cls(given, model, params, last)

    def hooks(self, name: str) -> list[Callable[..., Any]]:
        """A method of those that override it or what it calls, in the class or in the object."""
        if not self._all:
            return []
        names = (name, ALIASES[name]) if name in ALIASES else (name,)
        return [
            getattr(callback, name)
            for callback in self._all
            if any(own in vars(callback) or getattr(type(callback), own) is not getattr(Callback, own) for own in names)
        ]

    def call(self, name: str, *given: Any) -> None:
        """Calls a method of all."""
        for callback in self._all:
            getattr(callback, name)(*given)


# For calls of a few microseconds.
_NONE = Callbacks(None, None, {})
