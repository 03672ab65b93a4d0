"""All callbacks of one training as one, which _fit.py and _training.py call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from martlet._errors import DTypeError
from martlet.nn.callbacks import Callback, Logs


class Callbacks:
    """Several callbacks as one. last hears of everything after the others, who may add to logs."""

    def __init__(self, given: Any, last: Callback, model: Any, params: dict[str, Any]) -> None:
        if given is None:
            given = []
        elif isinstance(given, Callback):
            given = [given]
        if not isinstance(given, list | tuple):
            raise DTypeError(f"callbacks is {given!r}; wanted a list of callbacks")
        for index, callback in enumerate(given):
            if not isinstance(callback, Callback):
                raise DTypeError(f"callbacks[{index}] is {callback!r}; wanted a martlet.nn.Callback")
        self._all = [*given, last]
        for callback in self._all:
            callback.set_model(model)
            callback.set_params(params)
        self.batch_begin = self._listening("on_train_batch_begin")
        self.batch_end = self._listening("on_train_batch_end")

    def _listening(self, name: str) -> list[Callable[[int, Logs], None]]:
        """Those that override a method, in the class or in the object."""
        return [
            getattr(callback, name)
            for callback in self._all
            if name in vars(callback) or getattr(type(callback), name) is not getattr(Callback, name)
        ]

    def train_begin(self) -> None:
        for callback in self._all:
            callback.on_train_begin({})

    def train_end(self, logs: Logs) -> None:
        for callback in self._all:
            callback.on_train_end(logs)

    def epoch_begin(self, epoch: int) -> None:
        for callback in self._all:
            callback.on_epoch_begin(epoch, {})

    def epoch_end(self, epoch: int, logs: Logs) -> None:
        for callback in self._all:
            callback.on_epoch_end(epoch, logs)
