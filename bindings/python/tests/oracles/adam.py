"""Adam, AdamW and AMSGrad, and the rules that are Adam with one thing changed: what each subtracts.

c1 and c2 are the bias corrections 1 - beta^t; what the state keeps is uncorrected.
"""

from __future__ import annotations

import numpy as np

from oracles._step import LONG, Array, State

Betas = tuple[LONG, LONG]
BETAS, EPS = (LONG(0.9), LONG(0.999)), LONG(1e-8)


def first(s: State, g: Array, beta: LONG, slot: str = "exp_avg") -> Array:
    """The running average of what it is given."""
    s[slot] = beta * s[slot] + (1 - beta) * g
    return s[slot]


def second(s: State, g: Array, beta: LONG, amsgrad: bool = False) -> Array:
    """The running average of squares, or its maximum."""
    v = first(s, g * g, beta, "exp_avg_sq")
    return largest(s, v, "max_exp_avg_sq") if amsgrad else v


def largest(s: State, value: Array, slot: str) -> Array:
    s[slot] = np.maximum(s[slot], value)
    return s[slot]


def rectification(beta2: LONG, t: int) -> tuple[LONG, LONG]:
    """RAdam's length of the moving average and its factor (https://arxiv.org/abs/1908.03265, algorithm 2)."""
    most = 2 / (1 - beta2) - 1
    length = most - 2 * t * beta2**t / (1 - beta2**t)
    inside = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
    return length, np.sqrt(max(inside, LONG(0)))


def adam(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas = BETAS, eps: LONG = EPS,
    amsgrad: bool = False, semantics: str = "torch",
) -> Array:  # fmt: skip
    """https://arxiv.org/abs/1412.6980; AMSGrad https://openreview.net/forum?id=ryQu7f-RZ.

    Keras adds eps before v is corrected; optax takes the maximum of corrected values; AMSGrad's paper corrects nothing.
    """
    c1, c2 = (1 - beta**t for beta in betas)
    m = first(s, g, betas[0])
    if amsgrad and semantics == "optax":
        return lr * (m / c1) / (np.sqrt(largest(s, second(s, g, betas[1]) / c2, "max_exp_avg_sq")) + eps)
    v = second(s, g, betas[1], amsgrad)
    if amsgrad and semantics == "paper":
        return lr * m / (np.sqrt(v) + eps)
    if semantics == "keras":
        return lr * np.sqrt(c2) / c1 * m / (np.sqrt(v) + eps)
    return lr * (m / c1) / (np.sqrt(v / c2) + eps)


def adam_mini(p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, block_size: int) -> Array:
    """https://arxiv.org/abs/2406.16793, algorithm 1, with so many first indices in a block; 0: all."""
    rows = p.shape[0] if p.ndim else 1
    blocks = g.reshape(rows // (int(block_size) or rows), -1)
    s.setdefault("mean", np.zeros(len(blocks), LONG))
    s["mean"] = betas[1] * s["mean"] + (1 - betas[1]) * np.mean(blocks * blocks, axis=1)
    root = np.sqrt(s["mean"] / (1 - betas[1] ** t)) + eps
    return (lr * (first(s, g, betas[0]) / (1 - betas[0] ** t)).reshape(blocks.shape) / root[:, None]).reshape(p.shape)


def adamax(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, semantics: str = "torch"
) -> Array:
    """https://arxiv.org/abs/1412.6980, algorithm 2. torch and optax have eps inside the maximum, Keras outside."""
    m, inside = first(s, g, betas[0]), 0 if semantics == "keras" else eps
    s["exp_inf"] = np.maximum(betas[1] * s["exp_inf"], np.abs(g) + inside)
    return lr / (1 - betas[0] ** t) * m / (s["exp_inf"] + eps - inside)


def nadam(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, momentum_decay: float = 4e-3,
    semantics: str = "torch",
) -> Array:  # fmt: skip
    """Dozat, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ: Adam with Nesterov's look ahead.

    torch's momentum grows with t * momentum_decay, Keras's with t; optax and timm let it be constant, and correct each
    term by itself (optax) or the sum (timm).
    """
    (b1, b2), psi = betas, LONG(1) if semantics == "keras" else momentum_decay
    mu, ahead = (b1 * (1 - 0.5 * LONG(0.96) ** (k * psi)) for k in (t, t + 1))
    product = s["mu_product"] = s.get("mu_product", LONG(1)) * mu
    m, v = first(s, g, b1), second(s, g, b2)
    if semantics == "optax":
        look = b1 * m / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t)
    elif semantics == "timm":
        look = (b1 * m + (1 - b1) * g) / (1 - b1**t)
    else:
        look = ahead * m / (1 - product * ahead) + (1 - mu) * g / (1 - product)
    return lr * look / (np.sqrt(v / (1 - b2**t)) + eps)


def radam(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, semantics: str = "torch"
) -> Array:
    """https://arxiv.org/abs/1908.03265. torch rectifies above 5, others from 5 on; optax has eps beside the corrected
    root.
    """
    c1, c2 = (1 - beta**t for beta in betas)
    m, v = first(s, g, betas[0]), second(s, g, betas[1])
    length, factor = rectification(betas[1], t)
    if length < 5 or (length == 5 and semantics == "torch"):
        return lr * m / c1
    if semantics == "optax":
        return lr * factor * (m / c1) / (np.sqrt(v / c2) + eps)
    return lr * factor * (m / c1) * np.sqrt(c2) / (np.sqrt(v) + eps)


def adabound(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, final_lr: LONG, gamma: LONG,
    amsgrad: bool = False,
) -> Array:  # fmt: skip
    """https://openreview.net/forum?id=Bkg3g2R9FX and its program; with amsgrad AMSBound. final_lr goes with lr."""
    c1, c2 = (1 - beta**t for beta in betas)
    m, v = first(s, g, betas[0]), second(s, g, betas[1], amsgrad)
    final = final_lr * lr / s.setdefault("base_lr", lr)
    low, high = final * (1 - 1 / (gamma * t + 1)), final * (1 + 1 / (gamma * t))
    return np.clip(lr * np.sqrt(c2) / c1 / (np.sqrt(v) + eps), low, high) * m


def adabelief(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, rectify: bool = False,
    amsgrad: bool = False,
) -> Array:  # fmt: skip
    """https://arxiv.org/abs/2010.07468 and adabelief-pytorch: at each step the variance gets eps, and keeps it."""
    c1, c2 = (1 - beta**t for beta in betas)
    m = first(s, g, betas[0])
    v = s["exp_avg_var"] = first(s, (g - m) ** 2, betas[1], "exp_avg_var") + eps
    v = largest(s, v, "max_exp_avg_var") if amsgrad else v
    length, factor = rectification(betas[1], t)
    if not rectify:
        return lr * (m / c1) / (np.sqrt(v / c2) + eps)
    if length < 5:
        return lr * m / c1
    return lr * factor * (m / c1) * np.sqrt(c2) / (np.sqrt(v) + eps)


def laprop(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, semantics: str = "torch"
) -> Array:
    """https://arxiv.org/abs/2002.04839: momentum of the normalised gradient. In the authors' program the rate of each
    step is in it, and it is divided by the average of rates over the present one; in the paper the rate is outside.
    """
    v = second(s, g, betas[1]) / (1 - betas[1] ** t)
    normed = g / (np.sqrt(v) + eps)
    if semantics == "paper":
        return lr * first(s, normed, betas[0]) / (1 - betas[0] ** t)
    rates = s["exp_avg_lr_1"] = betas[0] * s.get("exp_avg_lr_1", LONG(0)) + (1 - betas[0]) * lr
    return first(s, lr * normed, betas[0]) / (rates / lr)
