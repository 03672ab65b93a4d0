"""Muon, which makes matrices orthogonal: what it subtracts from one."""

from __future__ import annotations

import numpy as np

from oracles._blocks import matrix
from oracles._step import LONG, Array, State

#: Coefficients that change from step to step, as KellerJordan/modded-nanogpt and arXiv:2505.16932 have them; the last
#: ones go on.
LISTS = {
    "quintic": (
        (4.0848, -6.8946, 2.9270),
        (3.9505, -6.3029, 2.6377),
        (3.7418, -5.5913, 2.3037),
        (2.8769, -3.1427, 1.2046),
        (2.8366, -3.0525, 1.2012),
    ),
    "polar_express": (
        (8.1566, -22.4833, 15.8788),
        (4.0429, -2.8089, 0.5000),
        (3.8917, -2.7725, 0.5061),
        (3.2858, -2.3681, 0.4645),
        (2.3465, -1.7098, 0.4232),
    ),
}


def orthogonal(u: Array, coefficients: tuple[LONG, LONG, LONG] | str, steps: int, eps: LONG) -> Array:
    """Newton-Schulz: singular values go towards 1. What is nearer to nothing than eps stays nothing."""
    norm = np.sqrt(np.sum(u * u))
    if norm < eps:
        return np.zeros_like(u)
    x = u / (norm * LONG("1.02") if coefficients == "polar_express" else norm)
    x = x.T if u.shape[0] > u.shape[1] else x
    for step in range(steps):
        row = LISTS[coefficients][min(step, 4)] if isinstance(coefficients, str) else coefficients
        a, b, c = map(LONG, row)
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if u.shape[0] > u.shape[1] else x


def muon(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, momentum: LONG, eps: LONG, ns_steps: int = 5,
    ns_coefficients: tuple[LONG, LONG, LONG] | str, nesterov: bool = True, adjust_lr_fn: str = "original",
    normuon: bool = False, beta2: float = 0.95,
) -> Array:  # fmt: skip
    """https://kellerjordan.github.io/posts/muon/, with torch's average for the momentum; scales of arXiv:2502.16982
    and arXiv:2409.20325. With normuon rows are divided as in arXiv:2510.05491.
    """
    g = matrix(g)
    rows, columns = map(LONG, g.shape)
    s["momentum_buffer"] = momentum * matrix(s["momentum_buffer"]) + (1 - momentum) * g
    u = momentum * s["momentum_buffer"] + (1 - momentum) * g if nesterov else s["momentum_buffer"]
    scales = {
        "original": np.sqrt(max(LONG(1), rows / columns)),
        "match_rms_adamw": LONG("0.2") * np.sqrt(max(rows, columns)),
        "spectral": np.sqrt(rows / columns),
    }
    o = orthogonal(u, ns_coefficients, ns_steps, eps)
    if normuon:
        beta2 = LONG(beta2)
        before = s.get("second_momentum_buffer", np.zeros((len(o), 1), LONG))
        s["second_momentum_buffer"] = beta2 * before + (1 - beta2) * np.mean(o * o, axis=1, keepdims=True)
        even = o / (np.sqrt(s["second_momentum_buffer"]) + eps)
        o = even * np.sqrt(np.sum(o * o) / np.sum(even * even)) if np.any(even) else o
    return lr * scales[adjust_lr_fn] * o.reshape(p.shape)
