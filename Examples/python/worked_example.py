"""Scenario 3: ten steps of Adam on one number, beside the same ten steps worked out by hand.

theta starts at 0 and the learning rate is 0.01; the function is (theta - 1)^2. The hand computation follows algorithm 1
of the paper in Python's own floats, which are float64, so both columns agree to the last few bits.
"""

from __future__ import annotations

import math

import numpy as np

import martlet

LR, BETA1, BETA2, EPSILON, STEPS = 0.01, 0.9, 0.999, 1e-8, 10


def gradient(theta: float) -> float:
    return 2 * (theta - 1)


def by_hand() -> list[float]:
    theta = m = v = 0.0
    path = []
    for t in range(1, STEPS + 1):
        g = gradient(theta)
        m = BETA1 * m + (1 - BETA1) * g
        v = BETA2 * v + (1 - BETA2) * g * g
        m_hat = m / (1 - BETA1**t)
        v_hat = v / (1 - BETA2**t)
        theta -= LR * m_hat / (math.sqrt(v_hat) + EPSILON)
        path.append(theta)
    return path


def by_martlet() -> list[float]:
    theta = np.zeros(1)
    state: dict[str, object] = {}
    path = []
    for t in range(1, STEPS + 1):
        slope = np.array([gradient(theta[0])])
        theta = martlet.adam_optimizer(theta, slope, t, LR, BETA1, BETA2, EPSILON, state=state)
        path.append(float(theta[0]))
    return path


def main() -> None:
    print(" t  by hand             martlet")
    for t, (hand, ours) in enumerate(zip(by_hand(), by_martlet(), strict=True), start=1):
        print(f"{t:2}  {hand:.16f}  {ours:.16f}")
        assert math.isclose(hand, ours, rel_tol=1e-14), f"step {t}: {hand} and {ours}"


if __name__ == "__main__":
    main()
