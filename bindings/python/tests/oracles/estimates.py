"""Prodigy, whose rate is estimated from the way that training has gone: what it subtracts."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from oracles._step import LONG, Array, State
from oracles.adam import Betas, first, second


def prodigy(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, beta3: LONG | None = None,
    d0: LONG | float = 1e-6, d_coef: LONG | float = 1.0, growth_rate: LONG | float = np.inf,
    safeguard_warmup: bool = False, use_bias_correction: bool = False,
) -> Generator[Array, Array, Array | None]:  # fmt: skip
    """https://arxiv.org/abs/2306.06101, algorithm 4, as its authors' prodigyopt has it: the estimate d may jump while
    it is d0, the step is by the estimate before, and eps by the one after. With a rate of 0 nothing moves.
    """
    d0 = LONG(d0)
    b1, b2 = betas
    b3 = np.sqrt(b2) if beta3 is None else beta3
    d, most, above = s.get("d", d0), s.get("d_max", d0), s.get("d_numerator", LONG(0))
    s["p0"] = s.get("p0", p)
    rate = d * lr * (np.sqrt(1 - b2**t) / (1 - b1**t) if use_bias_correction else 1)
    if lr > 0:
        m, v = first(s, d * g, b1), second(s, d * g, b2)
        s["s"] = b3 * s["s"] + d / d0 * (d if safeguard_warmup else rate) * g
        sums = yield np.array([d / d0 * rate * np.sum(g * (s["p0"] - p)), np.sum(np.abs(s["s"]))])
    else:
        sums = yield np.zeros(2, LONG)
    if sums[1] == 0:
        return None
    above = b3 * above + sums[0]
    estimate = LONG(d_coef) * above / sums[1]
    if d == d0:
        d = max(d, estimate)
    s["d_max"] = max(most, estimate)
    s["share"] = rate / lr if lr > 0 else LONG(0)
    s["d"], s["d_numerator"] = min(s["d_max"], d * LONG(growth_rate)), above
    return rate * m / (np.sqrt(v) + s["d"] * eps) if lr > 0 else 0 * p
