"""The trajectory of trajectory.py in numpy's longdouble, and how far float32 results lie from it.

The oracle is written from the published equations, with gradients and starting values converted from float32 exactly;
nothing of martlet is in it. Errors are in ulps of float32, of the largest magnitude that the element had on its way:
the last bit of a number that passes through zero means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from trajectory import RUNS, SECOND_GROUP, SLOTS, STEPS, gradients, start

DEFAULTS = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8}
# What each array may be off by at the end, in ulps. AdamW's factor 1 - lr * weight_decay is rounded once, and wrong in
# the same direction at every step, by at most half an ulp.
BOUNDS = {"value": 25.0, "exp_avg": 3.0, "exp_avg_sq": 15.0, "max_exp_avg_sq": 15.0}
DECOUPLED_BOUNDS = {**BOUNDS, "value": 100.0}
# And how much of torch.optim's own error, in parts and in ulps beside them.
OF_TORCH = (1.1, 1.0)
Real = np.longdouble


class Tensor:
    """One tensor's value and moments, and the largest magnitudes that they had."""

    def __init__(self, value: np.ndarray, group: int, decoupled: bool, amsgrad: bool) -> None:
        options = {**DEFAULTS, "weight_decay": 0.01 if decoupled else 0.0, **(SECOND_GROUP if group else {})}
        self.lr, self.eps, self.decay = (Real(options[key]) for key in ("lr", "eps", "weight_decay"))
        self.beta1, self.beta2 = (Real(beta) for beta in options["betas"])
        self.decoupled, self.amsgrad = decoupled, amsgrad
        zero = np.zeros(value.shape, dtype=Real)
        names = ("value", *SLOTS) if amsgrad else ("value", *SLOTS[:2])
        self.arrays = {name: zero.copy() for name in names}
        self.arrays["value"] += value
        self.largest = {name: np.abs(array) for name, array in self.arrays.items()}

    def step(self, gradient: np.ndarray, t: int) -> None:
        value, m, v = (self.arrays[name] for name in ("value", "exp_avg", "exp_avg_sq"))
        g = gradient.astype(Real)
        if self.decoupled:
            value *= 1 - self.lr * self.decay
        else:
            g += self.decay * value
        m += (1 - self.beta1) * (g - m)
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        second = v
        if self.amsgrad:
            second = np.maximum(self.arrays["max_exp_avg_sq"], v, out=self.arrays["max_exp_avg_sq"])
        corrected = np.sqrt(second / (1 - self.beta2**t)) + self.eps
        value -= self.lr / (1 - self.beta1**t) * m / corrected
        for name, array in self.arrays.items():
            np.maximum(self.largest[name], np.abs(array), out=self.largest[name])

    def errors(self, found: dict[str, np.ndarray]) -> dict[str, float]:
        """The largest error of each array, in ulps."""
        worst = {}
        for name, array in self.arrays.items():
            ulp = np.spacing(self.largest[name].astype(np.float32)).astype(Real)
            worst[name] = float(np.max(np.abs(found[name].astype(Real) - array) / ulp))
        return worst


def tensors(run: int) -> list[Tensor]:
    """The oracle at the end of a run."""
    made = [Tensor(value, k % 2, *RUNS[run]) for k, value in enumerate(start())]
    for t in range(1, STEPS + 1):
        for tensor, gradient in zip(made, gradients(t), strict=True):
            tensor.step(gradient, t)
    return made


def worst(run: int, results: dict[str, list[dict[str, np.ndarray]]]) -> Iterator[tuple[str, dict[str, float]]]:
    """For each of several results of one run, the largest error of each kind of array over all tensors."""
    if np.finfo(Real).nmant < 60:
        raise SystemExit("numpy's longdouble has no more bits than a double here: no oracle")
    oracle = tensors(run)
    for who, arrays in results.items():
        errors = [tensor.errors(found) for tensor, found in zip(oracle, arrays, strict=True)]
        yield who, {name: max(error[name] for error in errors) for name in errors[0]}
