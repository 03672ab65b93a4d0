"""Learning rates by step: given as learning_rate to martlet.optim's and martlet.nn's optimizers, or called.

    schedule = CosineDecay(1e-3, decay_steps=1000, warmup_target=1e-2, warmup_steps=100)
    optimizer = martlet.optim.Adam([weights], lr=schedule)
    schedule(0)  # the rate of the first step

Those with Keras's names have Keras's arguments and meanings; those with torch's, less their LR, torch's, after the
learning rate that torch takes from the optimizer. A schedule has no state: its rate follows from the step alone,
counted from 0, so that training that is resumed goes on at the right one. ReduceLROnPlateau has, and works on an
optimizer.
"""

from martlet.schedules._schedule import LearningRateSchedule, deserialize, serialize
from martlet.schedules.decays import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from martlet.schedules.plateau import ReduceLROnPlateau
from martlet.schedules.sequences import Chained, InverseSquareRoot, LinearWarmup, Sequential, WarmupStableDecay
from martlet.schedules.steps import (
    Constant,
    CosineAnnealing,
    CosineAnnealingWarmRestarts,
    Exponential,
    Linear,
    MultiStep,
    OneCycle,
    OneCycleMomentum,
    Polynomial,
    Step,
)

__all__ = [
    "Chained",
    "Constant",
    "CosineAnnealing",
    "CosineAnnealingWarmRestarts",
    "CosineDecay",
    "CosineDecayRestarts",
    "Exponential",
    "ExponentialDecay",
    "InverseSquareRoot",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "Linear",
    "LinearWarmup",
    "MultiStep",
    "OneCycle",
    "OneCycleMomentum",
    "PiecewiseConstantDecay",
    "Polynomial",
    "PolynomialDecay",
    "ReduceLROnPlateau",
    "Sequential",
    "Step",
    "WarmupStableDecay",
    "deserialize",
    "serialize",
]
