"""ReduceLROnPlateau: Keras's callback, on the library's plateau. martlet.schedules has torch's, for martlet.optim."""

from __future__ import annotations

from typing import Any

from martlet import _ffi_optimizers, _ffi_schedules
from martlet._errors import DTypeError
from martlet.nn.monitors import Monitor
from martlet.schedules._schedule import rate
from martlet.schedules.plateau import new_plateau


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by factor when a number has not got better for `patience` epochs.

    monitor, mode    as EarlyStopping's
    factor           0 or more and less than 1
    min_delta        what counts as better is better by more than this
    cooldown         so many epochs after the rate fell do not count
    min_lr           the rate falls no lower

    A history has the rate under "learning_rate". An optimizer whose learning_rate is a schedule has none to lower:
    DTypeError. A copy, or what is pickled, keeps what has been seen; each fit begins anew, as in Keras.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.verbose = verbose
        self.factor, self.patience, self.cooldown = factor, patience, cooldown
        self.min_lr = rate(min_lr, "min_lr")
        self._begin()

    def _begin(self) -> None:
        self._plateau = new_plateau(
            _ffi_optimizers.SEMANTICS_KERAS, self.factor, self.patience, self.min_delta, self.cooldown, "min_delta"
        )
        self._plateau.min_rate = self.min_lr
        self.best = None

    @property
    def wait(self) -> int:
        """Epochs since the best one that were not better."""
        return int(self._plateau.bad)

    @property
    def cooldown_counter(self) -> int:
        """What is left of the cooldown."""
        return int(self._plateau.cooling)

    def in_cooldown(self) -> bool:
        """Whether epochs do not count for now."""
        return self.cooldown_counter > 0

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        optimizer = self.model.optimizer
        if optimizer.schedule is not None:
            raise DTypeError(f"ReduceLROnPlateau lowers a number, and learning_rate is the schedule "
                             f"{optimizer.schedule!r}; wanted one of the two")  # fmt: skip
        self._begin()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        optimizer = self.model.optimizer
        before = optimizer.learning_rate
        if logs is not None:
            logs["learning_rate"] = before
        value = self.value(logs)
        if value is None:
            return
        self._plateau.flags = _ffi_schedules.CLIMB if self._sign < 0 else 0
        self._plateau.rate = before
        _ffi_schedules.martlet_plateau_step(self._plateau, value)
        self.best = None if self._plateau.best != self._plateau.best else float(self._plateau.best)
        if self._plateau.rate < before:
            optimizer.learning_rate = self._plateau.rate
            if self.verbose:
                print(f"Epoch {epoch + 1}: learning rate {optimizer.learning_rate:g}")

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_plateau": bytes(self._plateau)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _plateau=_ffi_schedules.read_plateau(state["_plateau"]))
