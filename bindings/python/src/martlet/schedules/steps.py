"""torch's schedules, with torch's names less their LR, and torch's arguments and meanings (torch.optim.lr_scheduler).

The learning rate that torch takes from the optimizer comes first. Where torch reckons each rate from the one before,
these are its closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from martlet import _arguments
from martlet import _ffi_schedules as ffi
from martlet._errors import ArgumentError
from martlet.schedules._schedule import Schedule, climbing, known, part, rate, steps, whole


@known
class Constant(Schedule):
    """factor times learning_rate in the first total_iters steps, and learning_rate from then on. torch's ConstantLR."""

    def __init__(self, learning_rate: float, factor: float = 1.0 / 3, total_iters: int = 5) -> None:
        later = rate(learning_rate, "learning_rate")
        count = whole(total_iters, "total_iters")
        first = part(ffi.SCHEDULE_CONSTANT, end=count, rate=later * rate(factor, "factor"))
        second = part(ffi.SCHEDULE_CONSTANT, begin=count, rate=later)
        self._settle(locals(), [first, second] if count else [second])


@known
class Step(Schedule):
    """learning_rate gamma^floor(step / step_size). torch's StepLR."""

    def __init__(self, learning_rate: float, step_size: int, gamma: float = 0.1) -> None:
        only = part(
            ffi.SCHEDULE_STEP,
            rate=rate(learning_rate, "learning_rate"),
            steps=whole(step_size, "step_size", 1),
            factor=rate(gamma, "gamma"),
        )
        self._settle(locals(), [only])


@known
class MultiStep(Schedule):
    """learning_rate, multiplied by gamma at each milestone. torch's MultiStepLR: a milestone may come twice."""

    def __init__(self, learning_rate: float, milestones: Sequence[int], gamma: float = 0.1) -> None:
        factor = rate(gamma, "gamma")
        parts = [part(ffi.SCHEDULE_CONSTANT, rate=rate(learning_rate, "learning_rate"))]
        parts += [
            part(ffi.SCHEDULE_CONSTANT, begin=milestone, rate=factor)
            for milestone in climbing(milestones, "milestones", 0, may_repeat=True)
        ]
        self._settle(locals(), parts)


@known
class Linear(Schedule):
    """A straight line from start_factor to end_factor times learning_rate in total_iters steps. torch's LinearLR, which
    keeps the factors to 1 at most."""

    def __init__(
        self, learning_rate: float, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        base = rate(learning_rate, "learning_rate")
        only = part(
            ffi.SCHEDULE_LINEAR,
            start_rate=base * rate(start_factor, "start_factor"),
            rate=base * rate(end_factor, "end_factor"),
            steps=whole(total_iters, "total_iters", 1),
        )
        self._settle(locals(), [only])


@known
class Exponential(Schedule):
    """learning_rate gamma^step. torch's ExponentialLR."""

    def __init__(self, learning_rate: float, gamma: float) -> None:
        base, factor = rate(learning_rate, "learning_rate"), rate(gamma, "gamma")
        self._settle(locals(), [part(ffi.SCHEDULE_EXPONENTIAL, rate=base, factor=factor)])


@known
class Polynomial(Schedule):
    """learning_rate (1 - step / total_iters)^power, and 0 after total_iters steps. torch's PolynomialLR."""

    def __init__(self, learning_rate: float, total_iters: int = 5, power: float = 1.0) -> None:
        only = part(
            ffi.SCHEDULE_POLYNOMIAL,
            rate=rate(learning_rate, "learning_rate"),
            steps=whole(total_iters, "total_iters", 1),
            power=rate(power, "power"),
        )
        self._settle(locals(), [only])


@known
class CosineAnnealing(Schedule):
    """Half a cosine from learning_rate to eta_min in T_max steps, and, unlike Keras's CosineDecay, up again in as many,
    and down, and so on. torch's CosineAnnealingLR."""

    def __init__(self, learning_rate: float, T_max: int, eta_min: float = 0.0) -> None:  # noqa: N803
        only = part(
            ffi.SCHEDULE_COSINE,
            ffi.CYCLE,
            rate=rate(learning_rate, "learning_rate"),
            steps=whole(T_max, "T_max", 1),
            end_rate=rate(eta_min, "eta_min"),
        )
        self._settle(locals(), [only])


@known
class CosineAnnealingWarmRestarts(Schedule):
    """Half cosines from learning_rate to eta_min, the first in T_0 steps, each T_mult times as long as the one before.
    torch's CosineAnnealingWarmRestarts."""

    def __init__(self, learning_rate: float, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> None:  # noqa: N803
        only = part(
            ffi.SCHEDULE_COSINE_RESTARTS,
            rate=rate(learning_rate, "learning_rate"),
            steps=whole(T_0, "T_0", 1),
            cycle_factor=whole(T_mult, "T_mult", 1),
            end_rate=rate(eta_min, "eta_min"),
        )
        self._settle(locals(), [only])


@known
class OneCycle(Schedule):
    """Up from max_lr / div_factor to max_lr in a share of the steps, pct_start, and down to a final_div_factor-th of
    where it began; with three_phase down to where it began in as many steps as up, and to that in the rest. torch's
    OneCycleLR. At and after the last step, total_steps - 1, the rate stays, where torch raises or overshoots.

    total_steps        or epochs and steps_per_epoch, whose product it is
    anneal_strategy    "cos" or "linear"

    momentum() is what torch's cycle_momentum does, as a schedule of its own.
    """

    def __init__(
        self,
        max_lr: float,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        peak = rate(max_lr, "max_lr")
        first = peak / _divisor(div_factor, "div_factor")
        shape = _shape(total_steps, epochs, steps_per_epoch, pct_start, anneal_strategy, three_phase)
        last = first / _divisor(final_div_factor, "final_div_factor")
        self._settle(locals(), [part(ffi.SCHEDULE_ONE_CYCLE, **shape, rate=peak, start_rate=first, end_rate=last)])

    def momentum(self, base_momentum: float = 0.85, max_momentum: float = 0.95) -> OneCycleMomentum:
        """The momentum, or beta1, that belongs to this schedule: max_momentum where the rate is low, base_momentum at
        its peak."""
        return OneCycleMomentum(self, base_momentum, max_momentum)


@known
class OneCycleMomentum(Schedule):
    """The momentum, or beta1, of a OneCycle: OneCycle.momentum makes it."""

    def __init__(self, cycle: OneCycle, base_momentum: float = 0.85, max_momentum: float = 0.95) -> None:
        (only,) = cycle._parts
        most = rate(max_momentum, "max_momentum")
        numbers = {"rate": rate(base_momentum, "base_momentum"), "start_rate": most, "end_rate": most}
        self._settle(locals(), [only._replace(numbers=only.numbers | numbers)])


def _divisor(value: Any, where: str) -> float:
    number = _arguments.real(value, where, "a finite number, more than 0")
    if number <= 0:
        raise ArgumentError(f"{where} is {value}; wanted a finite number, more than 0")
    return number


def _shape(total: Any, epochs: Any, each: Any, pct_start: Any, strategy: Any, three_phase: Any) -> dict[str, Any]:
    """Flags and numbers of a cycle but for its rates."""
    if total is None:
        if epochs is None or each is None:
            raise ArgumentError("total_steps is None; wanted a number, or both epochs and steps_per_epoch")
        total = whole(epochs, "epochs", 1) * whole(each, "steps_per_epoch", 1)
    straight = _arguments.one_of(strategy, {"cos": 0, "linear": ffi.STRAIGHT}, "anneal_strategy")
    phases = ffi.THREE_PHASES if _arguments.flag(three_phase, "three_phase") else 0
    return {
        "flags": straight | phases,
        "steps": steps(whole(total, "total_steps", 1), "total_steps"),
        "warmup": _arguments.within(pct_start, "pct_start", 0, 1),
    }
