"""Schedules made of others, and those of the field that neither torch nor Keras has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from martlet import _arguments
from martlet import _ffi_schedules as ffi
from martlet._errors import ArgumentError, DTypeError
from martlet.schedules._schedule import (
    LearningRateSchedule,
    Part,
    Schedule,
    climbing,
    known,
    part,
    parts_of,
    rate,
    steps,
    whole,
)

Given = LearningRateSchedule | float


@known
class Sequential(Schedule):
    """Schedules one after another: each but the first begins at a milestone, which is its own step 0. torch's
    SequentialLR. A number is a rate that stays. milestones climb, and there is one fewer."""

    def __init__(self, schedules: Sequence[Given], milestones: Sequence[int]) -> None:
        found = _listed(schedules)
        ends = climbing(milestones, "milestones", 1)
        if len(ends) != len(found) - 1:
            raise ArgumentError(f"milestones has {len(ends)} steps; wanted one fewer than schedules, which has "
                                f"{len(found)}")  # fmt: skip
        self._settle(locals(), _sequence(found, ends))


@known
class Chained(Schedule):
    """The product of schedules, which all count the same steps. torch's ChainedScheduler: one has the learning rate,
    and the others 1 for theirs. A number is a factor that stays."""

    def __init__(self, schedules: Sequence[Given]) -> None:
        self._settle(locals(), [each for parts in _listed(schedules) for each in parts])


@known
class LinearWarmup(Schedule):
    """A straight line in warmup_steps from initial_learning_rate to learning_rate: a number, which then stays, or a
    schedule, whose step 0 comes after the warm-up."""

    def __init__(self, learning_rate: Given, warmup_steps: int, initial_learning_rate: float = 0.0) -> None:
        later = parts_of(learning_rate, "learning_rate")
        target = learning_rate(0) if isinstance(learning_rate, Schedule) else later[0].numbers["rate"]
        rising, first = whole(warmup_steps, "warmup_steps"), rate(initial_learning_rate, "initial_learning_rate")
        self._settle(locals(), _warmed(later, target, rising, first))


@known
class InverseSquareRoot(Schedule):
    """A straight line from 0 to learning_rate in warmup_steps, and then learning_rate sqrt(timescale / (timescale +
    steps since)). Vaswani et al., 2017, as Hugging Face's get_inverse_sqrt_schedule.

    timescale    None: warmup_steps, or 10,000 where there are none
    """

    def __init__(self, learning_rate: float, warmup_steps: int = 0, timescale: float | None = None) -> None:
        peak, rising = rate(learning_rate, "learning_rate"), whole(warmup_steps, "warmup_steps")
        scale = (rising or 10_000) if timescale is None else steps(timescale, "timescale")
        self._settle(locals(), _warmed([part(ffi.SCHEDULE_INVERSE_SQRT, rate=peak, steps=scale)], peak, rising, 0.0))


@known
class WarmupStableDecay(Schedule):
    """A straight line from initial_learning_rate to learning_rate in warmup_steps, that rate for stable_steps, and down
    to end_learning_rate in decay_steps (Hu et al.: MiniCPM, 2024; Haegele et al., 2024).

    decay    "linear", "cosine", or "1-sqrt": what is left is 1 - sqrt(the share of decay_steps)
    """

    def __init__(
        self,
        learning_rate: float,
        warmup_steps: int,
        stable_steps: int,
        decay_steps: int,
        decay: str = "linear",
        initial_learning_rate: float = 0.0,
        end_learning_rate: float = 0.0,
    ) -> None:
        peak, last = rate(learning_rate, "learning_rate"), rate(end_learning_rate, "end_learning_rate")
        rising, first = whole(warmup_steps, "warmup_steps"), rate(initial_learning_rate, "initial_learning_rate")
        stable, falling = whole(stable_steps, "stable_steps"), whole(decay_steps, "decay_steps", 1)
        kinds = {
            "linear": ffi.SCHEDULE_POLYNOMIAL, "cosine": ffi.SCHEDULE_COSINE, "1-sqrt": ffi.SCHEDULE_ONE_MINUS_SQRT
        }  # fmt: skip
        fall = part(_arguments.one_of(decay, kinds, "decay"), rate=peak, end_rate=last, steps=falling)
        rest = _sequence([[part(ffi.SCHEDULE_CONSTANT, rate=peak)], [fall]], [stable]) if stable else [fall]
        self._settle(locals(), _warmed(rest, peak, rising, first))


def _warmed(later: Sequence[Part], target: float, rising: int, first: float) -> Sequence[Part]:
    if rising == 0:
        return later
    return _sequence([[part(ffi.SCHEDULE_LINEAR, start_rate=first, rate=target, steps=rising)], later], [rising])


def _sequence(found: Sequence[Sequence[Part]], milestones: Sequence[int]) -> list[Part]:
    begins, ends = [0, *milestones], [*milestones, 0]
    return [
        moved
        for parts, begin, end in zip(found, begins, ends, strict=True)
        for each in parts
        for moved in each.moved(begin, end)
    ]


def _listed(schedules: Any) -> list[tuple[Part, ...]]:
    if not isinstance(schedules, list | tuple):
        raise DTypeError(f"schedules is {schedules!r}; wanted a list of schedules")
    if not schedules:
        raise ArgumentError("schedules is empty; wanted at least one")
    return [parts_of(each, f"schedules[{index}]") for index, each in enumerate(schedules)]
