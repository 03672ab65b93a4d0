"""Adam in numpy longdouble, written from the papers and from what each library documents; it imports nothing of ours.

State is a dict; each call takes the state one step on and returns the update, p_new = decay * p - update.
"""

from __future__ import annotations

from typing import Any

import numpy as np

LONG = np.longdouble
Array = np.ndarray[Any, Any]


def state_of(shape: tuple[int, ...]) -> dict[str, Any]:
    zeros = {slot: np.zeros(shape, LONG) for slot in ("m", "v", "max")}
    return {"t": 0, **zeros}


def adam_step(
    p: Array,
    grad: Array,
    state: dict[str, Any],
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    amsgrad: bool = False,
    maximize: bool = False,
    semantics: str = "torch",
) -> Array:
    """The parameter after one step, in longdouble."""
    p, g = p.astype(LONG), grad.astype(LONG)
    b1, b2, lr_, eps_, decay = (LONG(x) for x in (*betas, lr, eps, weight_decay))
    state["t"] += 1
    t = LONG(state["t"])
    if maximize:
        g = -g
    if decoupled or semantics == "keras":
        p = p * (1 - (decay if semantics == "paper" else lr_ * decay))
    else:
        g = g + decay * p
    state["m"] = b1 * state["m"] + (1 - b1) * g
    state["v"] = b2 * state["v"] + (1 - b2) * g * g
    c1, c2 = 1 - b1**t, 1 - b2**t
    m, v = state["m"], state["v"]
    if semantics == "paper" and amsgrad:
        state["max"] = np.maximum(state["max"], v)
        return p - lr_ * m / (np.sqrt(state["max"]) + eps_)
    if semantics == "optax" and amsgrad:
        state["max"] = np.maximum(state["max"], v / c2)
        return p - lr_ * (m / c1) / (np.sqrt(state["max"]) + eps_)
    if amsgrad:
        state["max"] = np.maximum(state["max"], v)
        v = state["max"]
    if semantics == "keras":
        return p - lr_ * np.sqrt(c2) / c1 * m / (np.sqrt(v) + eps_)
    return p - lr_ * (m / c1) / (np.sqrt(v / c2) + eps_)
