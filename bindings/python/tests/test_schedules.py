"""The rates of martlet.schedules beside torch's schedulers and Keras's schedules, which are run; and beside formulas in
plain sight for those that neither has."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

import martlet
from martlet import schedules

STEPS = 260
BASE = 0.3
# Of what cancels: (1 + cos) / 2, which torch and Keras have to a half unit of 1.
CANCELLED = 2.0**-52 * BASE


def close(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=CANCELLED)


def rates(schedule: Any, steps: int = STEPS) -> list[float]:
    return [schedule(step) for step in range(steps)]


def torchs(make: Callable[[Any], Any], steps: int = STEPS, lr: float = BASE, what: str = "lr") -> list[float]:
    """What torch's scheduler sets step by step, by its closed form where it has one."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)
    group = optimizer.param_groups[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(optimizer)
        found = []
        for step in range(steps):
            if hasattr(scheduler, "_get_closed_form_lr"):
                scheduler.last_epoch = step
                found.append(float(scheduler._get_closed_form_lr()[0]))
            else:
                found.append(float(group[what]))
                if step < steps - 1:
                    scheduler.step()
    return found


LIKE_TORCH: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "constant": (schedules.Constant(BASE), lr_scheduler.ConstantLR),
    "constant, some": (schedules.Constant(BASE, 0.7, 30), lambda o: lr_scheduler.ConstantLR(o, 0.7, 30)),
    "constant, none": (schedules.Constant(BASE, 0.7, 0), lambda o: lr_scheduler.ConstantLR(o, 0.7, 0)),
    "step": (schedules.Step(BASE, 7), lambda o: lr_scheduler.StepLR(o, 7)),
    "step, slowly": (schedules.Step(BASE, 3, 0.97), lambda o: lr_scheduler.StepLR(o, 3, 0.97)),
    "multi-step": (
        schedules.MultiStep(BASE, [0, 5, 5, 90, 91], 0.3),
        lambda o: lr_scheduler.MultiStepLR(o, [0, 5, 5, 90, 91], 0.3),
    ),
    "linear": (schedules.Linear(BASE), lr_scheduler.LinearLR),
    "linear, down": (schedules.Linear(BASE, 1.0, 0.0, 99), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, 99)),
    "exponential": (schedules.Exponential(BASE, 0.93), lambda o: lr_scheduler.ExponentialLR(o, 0.93)),
    "polynomial": (schedules.Polynomial(BASE), lr_scheduler.PolynomialLR),
    "polynomial, squared": (schedules.Polynomial(BASE, 200, 2.5), lambda o: lr_scheduler.PolynomialLR(o, 200, 2.5)),
    "cosine": (schedules.CosineAnnealing(BASE, 100), lambda o: lr_scheduler.CosineAnnealingLR(o, 100)),
    "cosine to more": (schedules.CosineAnnealing(BASE, 17, 0.5), lambda o: lr_scheduler.CosineAnnealingLR(o, 17, 0.5)),
    "restarts": (
        schedules.CosineAnnealingWarmRestarts(BASE, 10),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 10),
    ),
    "restarts, tripled": (
        schedules.CosineAnnealingWarmRestarts(BASE, 3, 3, 0.01),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 3, 0.01),
    ),
    "sequence": (
        schedules.Sequential(
            [schedules.Linear(BASE, 0.1, 1.0, 20), BASE, schedules.CosineAnnealing(BASE, 100)], [20, 60]
        ),
        lambda o: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.LinearLR(o, 0.1, 1.0, 20),
                lr_scheduler.ConstantLR(o, 1.0),
                lr_scheduler.CosineAnnealingLR(o, 100),
            ],
            [20, 60],
        ),
    ),
    "chain": (
        schedules.Chained(
            [schedules.Exponential(BASE, 0.99), schedules.Constant(1.0, 0.5, 9), schedules.Step(1.0, 50, 0.5)]
        ),
        lambda o: lr_scheduler.ChainedScheduler(
            [
                lr_scheduler.ExponentialLR(o, 0.99),
                lr_scheduler.ConstantLR(o, 0.5, 9),
                lr_scheduler.StepLR(o, 50, 0.5),
            ]
        ),
    ),
}


@pytest.mark.parametrize("name", LIKE_TORCH)
def test_rates_are_torchs(name: str) -> None:
    ours, theirs = LIKE_TORCH[name]
    steps = 160 if name == "sequence" else STEPS  # up to the cosine's end: what torch's recursion drifts by is its own
    if name == "sequence":
        np.testing.assert_allclose(rates(ours, steps), torchs(theirs, steps), rtol=1e-10, atol=CANCELLED)
    else:
        close(rates(ours, steps), torchs(theirs, steps))


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize(("total", "start"), [(100, 0.3), (97, 0.25), (260, 0.5), (33, 0.0), (40, 1.0), (7, 0.1)])
def test_one_cycle_is_torchs(strategy: str, three_phase: bool, total: int, start: float) -> None:
    def theirs(optimizer: Any) -> Any:
        return lr_scheduler.OneCycleLR(
            optimizer, BASE, total_steps=total, pct_start=start, anneal_strategy=strategy, div_factor=20.0,
            final_div_factor=500.0, three_phase=three_phase, base_momentum=0.8, max_momentum=0.99,
        )  # fmt: skip

    ours = schedules.OneCycle(
        BASE, total, pct_start=start, anneal_strategy=strategy, div_factor=20.0, final_div_factor=500.0,
        three_phase=three_phase,
    )  # fmt: skip
    close(rates(ours, total), torchs(theirs, total))
    close(rates(ours.momentum(0.8, 0.99), total), torchs(theirs, total, what="momentum"))
    assert ours(total) == ours(10**9) == ours(total - 1)  # torch overshoots, and then raises
    assert schedules.OneCycle(BASE, epochs=4, steps_per_epoch=5)(3) == schedules.OneCycle(BASE, 20)(3)


def test_one_cycle_where_torch_divides_by_zero() -> None:
    """The first phase has no steps: 10 of them times 0.1 less the one that torch takes off."""
    with pytest.raises(ZeroDivisionError):
        torchs(lambda o: lr_scheduler.OneCycleLR(o, BASE, total_steps=10, pct_start=0.1), 2)
    ours = rates(schedules.OneCycle(BASE, 10, pct_start=0.1), 10)
    assert ours[0] == BASE and ours == sorted(ours, reverse=True)
    assert ours[9] == pytest.approx(BASE / 25 / 1e4)


DECAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "exponential": ("ExponentialDecay", {"decay_steps": 30, "decay_rate": 0.7}),
    "exponential, growing": ("ExponentialDecay", {"decay_steps": 12.5, "decay_rate": 1.2}),
    "staircase": ("ExponentialDecay", {"decay_steps": 30, "decay_rate": 0.7, "staircase": True}),
    "inverse time": ("InverseTimeDecay", {"decay_steps": 20.0, "decay_rate": 0.5}),
    "inverse time in stairs": ("InverseTimeDecay", {"decay_steps": 20, "decay_rate": 0.5, "staircase": True}),
    "polynomial": ("PolynomialDecay", {"decay_steps": 100}),
    "polynomial, root": ("PolynomialDecay", {"decay_steps": 90, "end_learning_rate": 0.01, "power": 0.5}),
    "polynomial, cycle": ("PolynomialDecay", {"decay_steps": 40, "end_learning_rate": 0.01, "power": 3.0, "cycle": 1}),
    "cosine": ("CosineDecay", {"decay_steps": 100}),
    "cosine, alpha": ("CosineDecay", {"decay_steps": 81, "alpha": 0.25}),
    "cosine, warm": ("CosineDecay", {"decay_steps": 81, "alpha": 0.1, "warmup_target": 0.9, "warmup_steps": 40}),
    "cosine, from 0": ("CosineDecay", {"initial_learning_rate": 0.0, "decay_steps": 50, "warmup_target": 0.9,
                                       "warmup_steps": 10}),
    "cosine, no target": ("CosineDecay", {"decay_steps": 81, "warmup_steps": 40}),
    "restarts": ("CosineDecayRestarts", {"first_decay_steps": 10}),
    "restarts, alike": ("CosineDecayRestarts", {"first_decay_steps": 13, "t_mul": 1.0, "m_mul": 0.8, "alpha": 0.1}),
    "pieces": ("PiecewiseConstantDecay", {"boundaries": [10, 30, 31, 100], "values": [1.0, 0.5, 0.7, 0.1, 0.2]}),
    "restarts, lower": ("CosineDecayRestarts", {"first_decay_steps": 9.5, "t_mul": 1.6, "m_mul": 0.7, "alpha": 0.05}),
}  # fmt: skip


# A process of its own: the backend is chosen at import, and torch's alone keeps float64 in cos.
KERAS = """
import json, sys, warnings
import keras
keras.config.set_floatx("float64")
found = {}
for name, (kind, options) in json.load(sys.stdin).items():
    schedule = getattr(keras.optimizers.schedules, kind)(**options)
    as_given = int if kind == "PiecewiseConstantDecay" else float
    rates = [float(schedule(as_given(step))) for step in range(int(sys.argv[1]))]
    found[name] = rates, keras.optimizers.schedules.serialize(schedule)
json.dump(found, sys.stdout)
"""


def with_rate(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    return options if kind == "PiecewiseConstantDecay" else {"initial_learning_rate": BASE, **options}


@pytest.fixture(scope="module")
def kerass() -> Any:
    """Of each row of DECAYS: Keras's rates, and its schedule written down."""
    done = subprocess.run(
        [sys.executable, "-c", KERAS, str(STEPS)],
        input=json.dumps({name: (kind, with_rate(kind, options)) for name, (kind, options) in DECAYS.items()}),
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", DECAYS)
def test_rates_are_kerass(name: str, kerass: Any) -> None:
    kind, options = DECAYS[name]
    wanted, written = kerass[name]
    ours = getattr(schedules, kind)(**with_rate(kind, options))
    close(rates(ours), wanted)
    assert list(ours.get_config()) == list(written["config"])
    assert type(ours).from_config(written["config"]) == schedules.deserialize(written) == ours


def test_pieces() -> None:
    assert rates(schedules.PiecewiseConstantDecay([-5.0, 1.5, 1.7], [4, 3, 2, 1]), 4) == [3, 3, 1, 1]
    assert schedules.PiecewiseConstantDecay([], [0.5])(7) == 0.5


def test_restarts_are_where_they_should_be() -> None:
    """Keras, and torch with an epoch, find the cycle by a logarithm, a little under a whole number for some."""
    for factor in (2, 3, 5, 7, 10):
        ours = schedules.CosineDecayRestarts(BASE, 4, t_mul=float(factor), m_mul=0.5)
        begin, length, peak = 0, 4, BASE
        for _ in range(12):
            assert ours(begin) == pytest.approx(peak, rel=1e-15), (factor, begin)
            assert ours(begin + length - 1) < peak / 3
            begin, length, peak = begin + length, length * factor, peak / 2
    hardly = schedules.CosineDecayRestarts(BASE, 3.0, t_mul=1.0 + 2**-52)
    assert rates(hardly, 4) == rates(schedules.CosineDecayRestarts(BASE, 3.0, t_mul=1.0), 4)
    assert 0 <= hardly(10**18) <= BASE


def test_inverse_square_root() -> None:
    """Hugging Face's formula."""
    for warmup, timescale in ((20, None), (20, 50), (0, None), (0, 3)):
        scale = timescale or warmup or 10_000
        shift = scale - warmup
        wanted = [
            BASE * (step / warmup if step < warmup else 1 / math.sqrt((step + shift) / scale)) for step in range(STEPS)
        ]
        close(rates(schedules.InverseSquareRoot(BASE, warmup, timescale)), wanted)


@pytest.mark.parametrize("decay", ["linear", "cosine", "1-sqrt"])
@pytest.mark.parametrize(("warmup", "stable"), [(20, 100), (0, 100), (20, 0), (0, 0)])
def test_warmup_stable_decay(decay: str, warmup: int, stable: int) -> None:
    left = {
        "linear": lambda x: 1 - x,
        "cosine": lambda x: (1 + math.cos(math.pi * x)) / 2,
        "1-sqrt": lambda x: 1 - math.sqrt(x),
    }[decay]
    wanted = []
    for step in range(STEPS):
        if step < warmup:
            wanted.append(0.1 + (BASE - 0.1) * step / warmup)
        elif step < warmup + stable:
            wanted.append(BASE)
        else:
            wanted.append(0.01 + (BASE - 0.01) * left(min((step - warmup - stable) / 50, 1)))
    close(rates(schedules.WarmupStableDecay(BASE, warmup, stable, 50, decay, 0.1, 0.01)), wanted)


def test_warmups() -> None:
    after = schedules.CosineDecay(BASE, 50)
    warm = schedules.LinearWarmup(after, 10)
    assert rates(warm, 60)[10:] == rates(after, 50)
    close(rates(warm, 10), [BASE * step / 10 for step in range(10)])
    assert schedules.LinearWarmup(BASE, 4, 0.1)(99) == BASE and schedules.LinearWarmup(BASE, 4, 0.1)(0) == 0.1
    assert rates(schedules.LinearWarmup(after, 0), 60) == rates(after, 60)


def test_sequences_of_sequences() -> None:
    inner = schedules.Sequential([0.1, schedules.Exponential(0.2, 0.5), 0.3], [2, 4])
    outer = schedules.Sequential([inner, inner, 0.9], [3, 8])
    assert rates(outer, 10) == [0.1, 0.1, 0.2, 0.1, 0.1, 0.2, 0.1, 0.3, 0.9, 0.9]
    chain = schedules.Chained([outer, schedules.MultiStep(1.0, [1], 0.5), 2.0])
    assert rates(chain, 10) == [rate * (1 if index else 2) for index, rate in enumerate(rates(outer, 10))]


def test_any_number_of_a_step() -> None:
    schedule = schedules.CosineDecay(BASE, 100)
    for step in (7, np.int64(7), np.array(7), 7.0, torch.tensor(7), np.float32(7)):
        assert schedule(step) == schedule(7)
    np.testing.assert_array_equal(schedule(np.arange(6).reshape(2, 3)), np.reshape(rates(schedule, 6), (2, 3)))
    assert schedule(2**63 - 1) == 0


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
