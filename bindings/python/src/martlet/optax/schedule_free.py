"""Schedule-Free training: optax.contrib's functions, and a state that its schedule_free_eval_params reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np
import optax

from martlet import _ffi_optimizers as _ffi
from martlet._errors import UnsupportedError
from martlet.optax._transformation import Rule, number, only


class ScheduleFreeState(NamedTuple):
    """State, with b1 beside it."""

    count: Any
    slots: dict[str, Any]
    b1: Any

    @property
    def z(self) -> Any:
        """The points that steps go from, as a pytree."""
        return self.slots["z"]


@dataclass(frozen=True)
class _Averaging(Rule):
    """b1 as it is given. weight_rate: the rate that averages are weighed by, a schedule of the updates before."""

    b1: Any = 0.9
    weight_rate: Any = None
    kept: ClassVar[Any] = ScheduleFreeState

    def begun(self, state: dict[str, Any], value: Any) -> dict[str, Any]:
        return {**state, "z": value}

    def state(self, count: int, states: list[dict[str, Any]], structure: Any) -> Any:
        whole = super().state(count, states, structure)
        return ScheduleFreeState(whole.count, whole.slots, jax.numpy.asarray(self.b1))

    def held(self, state: dict[str, Any], count: int) -> dict[str, Any]:
        most = max(float(state["lr_max"]), number(self.weight_rate, "learning_rate", count, self.name))
        return {**state, "lr_max": np.array(most)}


def schedule_free_sgd(
    learning_rate: Any = 1.0,
    warmup_steps: Any = None,
    b1: Any = 0.9,
    weight_decay: Any = None,
    weight_lr_power: Any = 2.0,
    state_dtype: Any = None,
) -> Any:
    """optax.contrib.schedule_free_sgd (Defazio et al., 2024). learning_rate: a number; state_dtype: None alone."""
    only("schedule_free_sgd", state_dtype=(state_dtype, None))
    numbers = {"momentum": b1, "weight_lr_power": weight_lr_power}
    return _made("schedule_free_sgd", _ffi.SCHEDULE_FREE_SGD, numbers, learning_rate, warmup_steps, weight_decay, b1)


def schedule_free_adamw(
    learning_rate: Any = 0.0025,
    warmup_steps: Any = None,
    b1: Any = 0.9,
    b2: Any = 0.999,
    eps: Any = 1e-8,
    weight_decay: Any = 0.0,
    weight_lr_power: Any = 2.0,
    state_dtype: Any = None,
) -> Any:
    """optax.contrib.schedule_free_adamw (Defazio et al., 2024). learning_rate: a number; state_dtype: None alone."""
    only("schedule_free_adamw", state_dtype=(state_dtype, None))
    numbers = {"beta1": b1, "beta2": b2, "eps": eps, "weight_lr_power": weight_lr_power}
    return _made(
        "schedule_free_adamw", _ffi.SCHEDULE_FREE_ADAMW, numbers, learning_rate, warmup_steps, weight_decay, b1
    )


def _made(name: str, algorithm: int, numbers: Any, rate: Any, warmup_steps: Any, decay: Any, b1: Any) -> Any:
    """Steps take the rate of the updates before, as all of optax do, and weights that of one more."""
    if callable(rate):
        raise UnsupportedError(f"learning_rate of {name} is a schedule; wanted a number, beside warmup_steps")
    steps, weights = rate, lambda count: rate
    if warmup_steps is not None:
        steps = optax.warmup_constant_schedule(init_value=0, peak_value=rate, warmup_steps=warmup_steps)
        weights = lambda count: steps(count + 1)  # noqa: E731
    decay = 0.0 if decay is None else decay
    return _Averaging(name, algorithm, numbers, steps, decay, b1=b1, weight_rate=weights).transformation()
