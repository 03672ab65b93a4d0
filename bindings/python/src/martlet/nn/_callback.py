"""Callback: what training, evaluation and prediction call, by Keras's names. callbacks.py has all that do something.

A callback overrides what it wants to hear of; batches cost nothing where none listens to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from martlet._errors import ArgumentError, DTypeError

Logs = dict[str, float]


class Callback:
    """The base of all callbacks. model and params are set before training begins.

    logs is a dict of the loss and the metrics, or empty or None: at a batch's end the epoch's means so far, at an
    epoch's end also those of the validation data, with "val_" before their names. self.model.stop_training = True ends
    training after the running batch.

    fit calls what has to do with training, and on_test_... around validation; evaluate and predict call on_test_... and
    on_predict_... of the callbacks that they are given. A name that Keras has not is never called.
    """

    model: Any = None

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """A copy, or what is pickled, has no model, and gets one from its next fit."""
        return {name: value for name, value in self.__dict__.items() if name not in ("model", "_model")}

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def _resume(self, model: Any) -> tuple[int, int]:
        """Before fit looks at its samples: the epochs that a training which was cut off had done, and batches of the
        one that followed."""
        return 0, 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Any = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After an epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a training step, counted from 0 in each epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a training step."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Another name for on_train_batch_begin."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Another name for on_train_batch_end."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Before an evaluation, fit's validation among them."""

    def on_test_end(self, logs: Any = None) -> None:
        """After an evaluation; logs are its numbers, without "val_"."""

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch is evaluated, counted from 0."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch is evaluated."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Before the first batch is predicted."""

    def on_predict_end(self, logs: Any = None) -> None:
        """After the last batch is predicted."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch is predicted, counted from 0."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch is predicted; logs["outputs"] is its part of the outputs."""


# Methods that call another one, which a callback may override in their place.
ALIASES = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


class LambdaCallback(Callback):
    """Functions in the places of methods: LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs)).

    The other methods of Callback may be given by name too; ArgumentError for what is none.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[[int, Logs], Any] | None = None,
        on_epoch_end: Callable[[int, Logs], Any] | None = None,
        on_train_begin: Callable[[Logs], Any] | None = None,
        on_train_end: Callable[[Logs], Any] | None = None,
        on_train_batch_begin: Callable[[int, Logs], Any] | None = None,
        on_train_batch_end: Callable[[int, Logs], Any] | None = None,
        **others: Callable[..., Any] | None,
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end, "on_train_begin": on_train_begin,
            "on_train_end": on_train_end, "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }  # fmt: skip
        for name, function in (given | others).items():
            if not name.startswith("on_") or not hasattr(Callback, name):
                raise ArgumentError(f"{name} is no method of Callback that is called; wanted one of its on_...")
            if function is None:
                continue
            if not callable(function):
                raise DTypeError(f"{name} is {function!r}; wanted a function")
            setattr(self, name, function)
