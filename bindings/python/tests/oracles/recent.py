"""Adan, AdEMAMix, ADOPT, Schedule-Free and Adafactor: what each subtracts from the parameter."""

from __future__ import annotations

import numpy as np

from oracles._step import LONG, OR_APART, OWN_DECAY, Array, State
from oracles.adam import Betas, first, rectification, second

Three = tuple[LONG, LONG, LONG]


def adan(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Three, eps: LONG, weight_decay: LONG,
    no_prox: bool = False, semantics: str = "torch",
) -> Array:  # fmt: skip
    """https://arxiv.org/abs/2208.06677 and the authors' program, whose betas are 1 minus the paper's.

    Its decay divides the new parameter by 1 + lr * weight_decay, or with no_prox is AdamW's. optax takes those betas
    with the paper's 1 - beta2, so that the difference weighs 0.08, and not 0.92.
    """
    b1, b2, b3 = betas
    coefficient = 1 - b2 if semantics == "optax" else b2
    difference = g - s.get("previous_grad", g)
    s["previous_grad"] = g
    m, w = first(s, g, b1), first(s, difference, b2, "exp_avg_diff")
    n = second(s, g + coefficient * difference, b3)
    look = m / (1 - b1**t) + coefficient * w / (1 - b2**t)
    update = lr * look / (np.sqrt(n / (1 - b3**t)) + eps)
    if no_prox or semantics == "optax":
        return lr * weight_decay * p + update
    return p - (p - update) / (1 + lr * weight_decay)


def ademamix(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Three, eps: LONG, alpha: LONG,
    alpha_warmup: int = 0, beta3_warmup: int = 0, semantics: str = "torch",
) -> Array:  # fmt: skip
    """https://arxiv.org/abs/2409.03137, algorithm 1: alpha grows along a line, and beta3's half-life from beta1's along
    another. The paper has 1 / log(beta3) on the line; the authors' program adds 1e-8 to a beta, and takes 1 off.
    """
    b1, b2, b3 = betas
    if t < alpha_warmup:
        alpha = alpha * t / alpha_warmup
    if t < beta3_warmup:
        small, less = (0, 0) if semantics == "paper" else (LONG(1e-8), 1)
        start, end = (np.log(LONG(0.5)) / np.log(b + small) - less for b in (b1, b3))
        b3 = LONG(0.5) ** (1 / (start + (end - start) * t / beta3_warmup + less))
    fast, slow, v = first(s, g, b1), first(s, g, b3, "exp_avg_slow"), second(s, g, b2)
    return lr * (fast / (1 - b1**t) + alpha * slow) / (np.sqrt(v / (1 - b2**t)) + eps)


def simplified_ademamix(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, alpha: LONG
) -> Array:
    """https://arxiv.org/abs/2502.02431: one momentum that sums, without correction, and the gradient beside it."""
    s["exp_avg"] = betas[0] * s["exp_avg"] + g
    v = second(s, g, betas[1]) / (1 - betas[1] ** t)
    return lr * (s["exp_avg"] + alpha * g) / (np.sqrt(v) + eps)


def adopt(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, clip: bool = True
) -> Array | None:
    """https://arxiv.org/abs/2411.02853 and the authors' program: the first step only looks; later ones divide by the
    root of what was known before them, and clip to (t - 1)^(1/4).
    """
    if t == 1:
        s["exp_avg_sq"] = g * g
        return None
    normed = g / np.maximum(np.sqrt(s["exp_avg_sq"]), eps)
    if clip:
        bound = LONG(t - 1) ** LONG(0.25)
        normed = np.clip(normed, -bound, bound)
    second(s, g, betas[1])
    return lr * first(s, normed, betas[0])


def schedule_free(
    y: Array, z_gradient: Array, s: State, t: int, rate: LONG, momentum: LONG, r: float, weight_lr_power: float
) -> Array:
    """https://arxiv.org/abs/2405.15682: z steps, x averages z with weights t^r * (largest rate)^power, and y, which is
    the parameter, lies between them. `x` is what evaluation wants.
    """
    z = s.get("z", y)
    x = (y - (1 - momentum) * z) / momentum
    s["lr_max"] = max(rate, s.get("lr_max", LONG(-1)))
    weight = LONG(t) ** LONG(r) * s["lr_max"] ** LONG(weight_lr_power)
    s["weight_sum"] = s.get("weight_sum", LONG(0)) + weight
    c = weight / s["weight_sum"] if s["weight_sum"] else LONG(0)
    s["z"] = z - rate * z_gradient
    s["x"] = (1 - c) * x + c * s["z"]
    return y - ((1 - momentum) * s["z"] + momentum * s["x"])


def schedule_free_sgd(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, momentum: LONG, weight_decay: LONG, warmup_steps: int = 0,
    r: float = 0.0, weight_lr_power: float = 2.0,
) -> Array:  # fmt: skip
    rate = lr * min(LONG(1), LONG(t) / warmup_steps) if warmup_steps else lr
    return schedule_free(p, g + weight_decay * p, s, t, rate, momentum, r, weight_lr_power)


def schedule_free_adamw(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, weight_decay: LONG,
    warmup_steps: int = 0, r: float = 0.0, weight_lr_power: float = 2.0,
) -> Array:  # fmt: skip
    """Weight decay is added to the normalised gradient at y."""
    rate = lr * min(LONG(1), LONG(t) / warmup_steps) if warmup_steps else lr
    normed = g / (np.sqrt(second(s, g, betas[1]) / (1 - betas[1] ** t)) + eps)
    return schedule_free(p, normed + weight_decay * p, s, t, rate, betas[0], r, weight_lr_power)


def schedule_free_radam(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, weight_decay: LONG,
    silent_sgd_phase: bool = True, r: float = 0.0, weight_lr_power: float = 2.0,
) -> Array:  # fmt: skip
    """Rectified above 4, not 5; until then it stands still, or with silent_sgd_phase off takes plain steps."""
    length, factor = rectification(betas[1], t)
    v = second(s, g, betas[1]) / (1 - betas[1] ** t)
    if length > 4:
        g = g / (np.sqrt(v) + eps)
    else:
        factor = LONG(not silent_sgd_phase)
    return schedule_free(p, g + weight_decay * p, s, t, lr * factor, betas[0], r, weight_lr_power)


def adafactor(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, eps: tuple[LONG, LONG], beta2_decay: LONG, d: LONG,
    weight_decay: LONG, semantics: str = "torch",
) -> Array:  # fmt: skip
    """https://arxiv.org/abs/1804.04235, over the last two axes; in torch eps[0] is a bound from below, in the paper,
    Keras and optax added to the squares; in optax the rate is lr itself. Keras decays before it takes the size.
    """
    lost = lr * weight_decay * p
    sized = p - lost if semantics == "keras" else p
    kept = LONG(t) ** beta2_decay
    rate = lr if semantics == "optax" else min(lr, 1 / np.sqrt(LONG(t)))
    size = max(eps[1], np.sqrt(np.mean(sized * sized))) * rate
    squares = g * g
    if semantics != "torch":
        squares, eps = squares + eps[0], (LONG(0), eps[1])
    if g.ndim > 1:
        rows, columns = (np.mean(squares, axis, keepdims=True) for axis in (-1, -2))
        s["row_var"] = s.get("row_var", 0) + kept * (rows - s.get("row_var", 0))
        s["col_var"] = s.get("col_var", 0) + kept * (columns - s.get("col_var", 0))
        v = s["row_var"] * s["col_var"] / np.maximum(s["row_var"].mean(-2, keepdims=True), eps[0])
    else:
        v = s["variance"] = s["variance"] + kept * (squares - s["variance"])
    update = g / np.sqrt(np.maximum(v, eps[0] * eps[0]))
    return lost + size / max(LONG(1), np.sqrt(np.mean(update * update)) / d) * update


OWN_DECAY |= {adan, adafactor, schedule_free_sgd, schedule_free_adamw, schedule_free_radam}
OR_APART.add(adan)
