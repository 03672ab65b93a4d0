"""Keras's schedules, with Keras's names, arguments and meanings (keras.optimizers.schedules)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from martlet import _arguments
from martlet import _ffi_schedules as ffi
from martlet._entry import MOST_STEPS
from martlet._errors import ArgumentError, DTypeError
from martlet.schedules._schedule import Part, Schedule, known, part, rate, steps, whole


@known
class ExponentialDecay(Schedule):
    """initial_learning_rate decay_rate^(step / decay_steps); with staircase the exponent is rounded down. Keras's."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        only = part(
            ffi.SCHEDULE_EXPONENTIAL,
            ffi.STAIRCASE if _arguments.flag(staircase, "staircase") else 0,
            rate=rate(initial_learning_rate, "initial_learning_rate"),
            steps=steps(decay_steps, "decay_steps"),
            factor=rate(decay_rate, "decay_rate"),
        )
        self._settle(locals(), [only])


@known
class InverseTimeDecay(Schedule):
    """initial_learning_rate / (1 + decay_rate step / decay_steps); with staircase the quotient of the steps is rounded
    down. Keras's."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        only = part(
            ffi.SCHEDULE_INVERSE_TIME,
            ffi.STAIRCASE if _arguments.flag(staircase, "staircase") else 0,
            rate=rate(initial_learning_rate, "initial_learning_rate"),
            steps=steps(decay_steps, "decay_steps"),
            factor=rate(decay_rate, "decay_rate"),
        )
        self._settle(locals(), [only])


@known
class PiecewiseConstantDecay(Schedule):
    """values[0] up to and with step boundaries[0], values[1] after it up to and with boundaries[1], and so on. Keras's.

    boundaries climb; values has one number more.
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        for given, where in ((boundaries, "boundaries"), (values, "values")):
            if isinstance(given, str) or not hasattr(given, "__len__"):
                raise DTypeError(f"{where} is {given!r}; wanted a list of numbers")
        if len(values) != len(boundaries) + 1:
            raise ArgumentError(f"values has {len(values)} numbers; wanted one more than boundaries, which has "
                                f"{len(boundaries)}")  # fmt: skip
        ends = [_arguments.real(boundary, f"boundaries[{index}]") for index, boundary in enumerate(boundaries)]
        for index, (before, end) in enumerate(pairwise(ends), 1):
            if end <= before:
                raise ArgumentError(f"boundaries[{index}] is {boundaries[index]}; wanted more than "
                                    f"boundaries[{index - 1}], which is {boundaries[index - 1]}")  # fmt: skip
        # A step is a whole number: the first one behind a boundary.
        begins = [0, *(min(max(math.floor(end) + 1, 0), MOST_STEPS) for end in ends), 0]
        pieces = [
            Part(ffi.SCHEDULE_CONSTANT, {"rate": rate(value, f"values[{index}]")}, 0, begins[index], begins[index + 1])
            for index, value in enumerate(values)
        ]
        last = len(pieces) - 1
        self._settle(
            locals(), [piece for index, piece in enumerate(pieces) if index == last or piece.begin < piece.end]
        )


@known
class PolynomialDecay(Schedule):
    """(initial_learning_rate - end_learning_rate) (1 - step / decay_steps)^power + end_learning_rate, and the last of
    these after decay_steps; with cycle decay_steps is then as many times larger as there have been cycles. Keras's."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        only = part(
            ffi.SCHEDULE_POLYNOMIAL,
            ffi.CYCLE if _arguments.flag(cycle, "cycle") else 0,
            rate=rate(initial_learning_rate, "initial_learning_rate"),
            steps=steps(decay_steps, "decay_steps"),
            end_rate=rate(end_learning_rate, "end_learning_rate"),
            power=rate(power, "power"),
        )
        self._settle(locals(), [only])


@known
class CosineDecay(Schedule):
    """Half a cosine in decay_steps, to alpha times the rate that it starts from. Keras's.

    warmup_target    where a straight line from initial_learning_rate leads in warmup_steps, before the cosine, which
                     then starts from it; None: the cosine starts at once, from initial_learning_rate
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        first = rate(initial_learning_rate, "initial_learning_rate")
        peak = first if warmup_target is None else rate(warmup_target, "warmup_target")
        rising = whole(warmup_steps, "warmup_steps") if warmup_target is not None else 0
        parts = [part(ffi.SCHEDULE_LINEAR, end=rising, start_rate=first, rate=peak, steps=rising)] if rising else []
        parts.append(
            part(
                ffi.SCHEDULE_COSINE,
                begin=rising,
                rate=peak,
                end_rate=rate(alpha, "alpha") * peak,
                steps=steps(decay_steps, "decay_steps"),
            )
        )
        self._settle(locals(), parts)


@known
class CosineDecayRestarts(Schedule):
    """Half cosines one after another, each t_mul times as long as the one before and m_mul times as high over alpha
    initial_learning_rate, the rate at which they end. Keras's."""

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        first = rate(initial_learning_rate, "initial_learning_rate")
        only = part(
            ffi.SCHEDULE_COSINE_RESTARTS,
            rate=first,
            end_rate=rate(alpha, "alpha") * first,
            steps=steps(first_decay_steps, "first_decay_steps"),
            cycle_factor=_arguments.within(t_mul, "t_mul", 1, math.inf),
            factor=rate(m_mul, "m_mul"),
        )
        self._settle(locals(), [only])
