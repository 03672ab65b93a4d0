"""Schedules that torch or Keras has too: each of martlet.schedules' with what makes the other one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import lr_scheduler

from martlet import schedules

STEPS = 260
BASE = 0.3


def rates(schedule: Any, steps: int = STEPS) -> list[float]:
    return [schedule(step) for step in range(steps)]


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


def with_rate(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    return options if kind == "PiecewiseConstantDecay" else {"initial_learning_rate": BASE, **options}
