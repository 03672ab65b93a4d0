"""martlet.schedules as objects: written down and made again, compared and copied, one's own, and what cannot be."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import schedules
from schedule_cases import BASE, DECAYS, LIKE_TORCH, rates, with_rate

EVERY: list[Any] = [
    *(ours for ours, _ in LIKE_TORCH.values()),
    *(getattr(schedules, kind)(**with_rate(kind, options)) for kind, options in DECAYS.values()),
    schedules.OneCycle(BASE, 30),
    schedules.OneCycle(BASE, 30).momentum(),
    schedules.PiecewiseConstantDecay((1, np.int8(5)), np.array([3.0, 2.0, 1.0])),
    schedules.InverseSquareRoot(BASE, 3),
    schedules.WarmupStableDecay(BASE, 3, 4, 5),
    schedules.LinearWarmup(schedules.PolynomialDecay(BASE, np.int32(20)), 3),
]  # fmt: skip


def test_every_class_is_tried() -> None:
    kinds = {getattr(schedules, name) for name in schedules.__all__}
    kinds = {kind for kind in kinds if isinstance(kind, type)}
    assert kinds - {type(each) for each in EVERY} == {schedules.LearningRateSchedule, schedules.ReduceLROnPlateau}


@pytest.mark.parametrize("schedule", EVERY, ids=lambda each: type(each).__name__)
def test_written_down_and_made_again(schedule: Any) -> None:
    text = json.dumps(schedules.serialize(schedule))
    for again in (
        schedules.deserialize(json.loads(text)),
        pickle.loads(pickle.dumps(schedule)),
        copy.deepcopy(schedule),
        type(schedule).from_config(schedule.get_config()),
    ):
        assert again == schedule and hash(again) == hash(schedule) and rates(again, 40) == rates(schedule, 40)
    assert schedule != 3 and type(schedule).__name__ in repr(schedule)
    with pytest.raises(martlet.ArgumentError, match="does not change"):
        schedule.name = "other"


def test_ones_own() -> None:
    class Own(schedules.LearningRateSchedule):
        def __init__(self, first: float) -> None:
            self.first = first

        def __call__(self, step: int) -> float:
            return self.first / (step + 1)

        def get_config(self) -> dict[str, Any]:
            return {"first": self.first}

    made = schedules.deserialize(schedules.serialize(Own(3.0)), {"Own": Own})
    assert made(2) == 1.0
    with pytest.raises(martlet.UnsupportedError, match="has no __call__"):
        schedules.LearningRateSchedule()(0)
    with pytest.raises(martlet.UnsupportedError, match="has no get_config"):
        schedules.LearningRateSchedule().get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.CosineDecay(math.nan, 10), "initial_learning_rate is nan; wanted 0 or more"),
        (lambda: schedules.CosineDecay(-1.0, 10), "initial_learning_rate is -1.0; wanted 0 or more"),
        (lambda: schedules.CosineDecay("x", 10), "initial_learning_rate is 'x' of type str; wanted a number"),
        (lambda: schedules.CosineDecay(0.1, 0), "decay_steps is 0; wanted 1 or more"),
        (lambda: schedules.CosineDecay(0.1, 10, alpha=-0.1), "alpha is -0.1; wanted 0 or more"),
        (lambda: schedules.CosineDecay(0.1, 10, warmup_target=1, warmup_steps=-1), "warmup_steps is -1; wanted 0"),
        (lambda: schedules.CosineDecay(0.1, 10, warmup_target=1, warmup_steps=1.5), "warmup_steps is 1.5 of type"),
        (lambda: schedules.ExponentialDecay(0.1, -5, 0.9), "decay_steps is -5; wanted 1 or more"),
        (lambda: schedules.ExponentialDecay(0.1, 5, math.inf), "decay_rate is inf; wanted 0 or more"),
        (lambda: schedules.ExponentialDecay(0.1, 5, 0.9, "no"), "staircase is 'no'; wanted True or False"),
        (lambda: schedules.InverseTimeDecay(0.1, True, 0.9), "decay_steps is True of type bool; wanted a number"),
        (lambda: schedules.PolynomialDecay(0.1, 5, power=-1), "power is -1; wanted 0 or more"),
        (lambda: schedules.CosineDecayRestarts(0.1, 5, t_mul=0.5), "t_mul is 0.5; wanted 1 or more"),
        (lambda: schedules.PiecewiseConstantDecay([5, 5], [1, 2, 3]), r"boundaries\[1\] is 5; wanted more than"),
        (lambda: schedules.PiecewiseConstantDecay([5], [1, 2, 3]), "values has 3 numbers; wanted one more than"),
        (lambda: schedules.PiecewiseConstantDecay(5, [1, 2]), "boundaries is 5; wanted a list of numbers"),
        (lambda: schedules.PiecewiseConstantDecay([5], [1, -2]), r"values\[1\] is -2; wanted 0 or more"),
        (lambda: schedules.Step(0.1, 0), "step_size is 0; wanted 1 or more"),
        (lambda: schedules.MultiStep(0.1, [5, 3]), r"milestones\[1\] is 3; wanted 5 or more"),
        (lambda: schedules.MultiStep(0.1, [-5]), r"milestones\[0\] is -5; wanted 0 or more"),
        (lambda: schedules.MultiStep(0.1, 7), "milestones is 7; wanted a list of whole numbers"),
        (lambda: schedules.Linear(0.1, total_iters=0), "total_iters is 0; wanted 1 or more"),
        (lambda: schedules.CosineAnnealing(0.1, 0), "T_max is 0; wanted 1 or more"),
        (lambda: schedules.CosineAnnealingWarmRestarts(0.1, 5, 0), "T_mult is 0; wanted 1 or more"),
        (lambda: schedules.OneCycle(0.1), "total_steps is None; wanted a number, or both epochs and steps_per_epoch"),
        (lambda: schedules.OneCycle(0.1, 10, pct_start=1.5), "pct_start is 1.5; wanted 0 to 1"),
        (lambda: schedules.OneCycle(0.1, 10, div_factor=0), "div_factor is 0; wanted a finite number, more than 0"),
        (lambda: schedules.OneCycle(0.1, 10, anneal_strategy="sin"), "anneal_strategy is 'sin'; wanted one of"),
        (lambda: schedules.Sequential([0.1, 0.2], []), "milestones has 0 steps; wanted one fewer than schedules"),
        (lambda: schedules.Sequential([0.1, 0.2, 0.3], [5, 5]), r"milestones\[1\] is 5; wanted 6 or more"),
        (lambda: schedules.Sequential([0.1, 0.2], [0]), r"milestones\[0\] is 0; wanted 1 or more"),
        (lambda: schedules.Sequential([], []), "schedules is empty"),
        (lambda: schedules.Chained([0.1, abs]), r"schedules\[1\] is <built-in function abs>; wanted a number or one"),
        (lambda: schedules.Chained(0.1), "schedules is 0.1; wanted a list of schedules"),
        (lambda: schedules.Chained([1e300, 1e300]), "the rate at step 0 is inf; expected a finite number"),
        (lambda: schedules.WarmupStableDecay(0.1, 1, 1, 0), "decay_steps is 0; wanted 1 or more"),
        (lambda: schedules.WarmupStableDecay(0.1, 1, 1, 5, "sin"), "decay is 'sin'; wanted one of"),
        (lambda: schedules.Constant(0.1)(-1), "step is -1; wanted 0 or more"),
        (lambda: schedules.Constant(0.1)(0.5), "step is 0.5 of type float; wanted a whole number"),
        (lambda: schedules.Constant(0.1)(2**63), "step is 9223372036854775808; wanted 0 to"),
        (lambda: schedules.Exponential(0.1, 1e300)(2), "the rate at step 2 is inf; expected a finite number"),
        (lambda: schedules.serialize(abs), "schedule is <built-in function abs>; wanted a LearningRateSchedule"),
        (lambda: schedules.deserialize({"class_name": "X", "config": {}}), "config has the class 'X'; wanted one of"),
        (lambda: schedules.deserialize({"class_name": "Step", "config": {}}), "config of Step is none"),
        (lambda: schedules.deserialize([]), r"config is \[\]; wanted a dict"),
    ],
)
def test_what_cannot_be(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(martlet.MartletError, match=message):
        make()
