"""LAMB, LARS, StableAdamW and MARS, which go by norms over a parameter: what each subtracts from it."""

from __future__ import annotations

import numpy as np

from oracles._step import LONG, OWN_DECAY, Array, State
from oracles.adam import Betas, first, second


def ratio(above: LONG, below: LONG, of: tuple[LONG, LONG]) -> LONG:
    """A quotient, and 1 where one of two norms is 0."""
    return above / below if all(norm > 0 for norm in of) else LONG(1)


def norm(x: Array) -> LONG:
    return LONG(np.sqrt(np.sum(x * x)))


def lamb(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, weight_decay: LONG,
    semantics: str = "torch",
) -> Array:  # fmt: skip
    """https://arxiv.org/abs/1904.00962, algorithm 2, its function of the norm the norm itself. In Keras, decay comes
    off the parameter first, and no decay is in the update.
    """
    update = first(s, g, betas[0]) / (1 - betas[0] ** t)
    update = update / (np.sqrt(second(s, g, betas[1]) / (1 - betas[1] ** t)) + eps)
    lost = lr * weight_decay * p if semantics == "keras" else 0 * p
    if semantics != "keras":
        update = update + weight_decay * p
    norms = norm(p - lost), norm(update)
    return lost + lr * ratio(*norms, norms) * update


def lars(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, momentum: LONG, trust_coefficient: LONG, eps: LONG,
    weight_decay: LONG, dampening: LONG | int = 0, nesterov: bool = False, semantics: str = "torch",
) -> Array:  # fmt: skip
    """https://arxiv.org/abs/1708.03888, algorithm 1, with the momentum of gradient descent, and the rate outside of it.
    optax has the rate inside, and takes the norm of the gradient with the decay in it for the sum of norms.
    """
    decayed = g + weight_decay * p
    norms = norm(p), norm(decayed if semantics == "optax" else g)
    below = norms[1] + eps + (0 if semantics == "optax" else weight_decay * norms[0])
    update = ratio(trust_coefficient * norms[0], below, norms) * decayed
    inside, outside = (lr, 1) if semantics == "optax" else (1, lr)
    update = inside * update
    if momentum == 0:
        return outside * update
    if "momentum_buffer" in s:
        update = (1 - dampening) * update
    s["momentum_buffer"] = momentum * s["momentum_buffer"] + update
    return outside * (update + momentum * s["momentum_buffer"] if nesterov else s["momentum_buffer"])


def stable_adamw(p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG) -> Array:
    """https://arxiv.org/abs/2304.13013, algorithm 2: the rate, also of the decay, is divided by how far the gradient
    outgrows the root of its squares' average, where that is over 1.
    """
    b1, b2 = ((beta**t - beta) / (beta**t - 1) for beta in betas)
    m, v = first(s, g, b1), second(s, g, b2)
    size = np.sqrt(np.mean(g * g / np.maximum(v, eps * eps))) if g.size else LONG(0)
    s["share"] = 1 / max(LONG(1), size)
    return s["share"] * lr * m / (np.sqrt(v) + eps)


def mars(p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: Betas, eps: LONG, gamma: LONG) -> Array:
    """https://arxiv.org/abs/2411.10438, algorithm 2 with the gradient of the step before, which is 0 at first, and
    AdamW's step, as its authors' code has it.
    """
    c = g + gamma * betas[0] / (1 - betas[0]) * (g - s["last_grad"])
    s["last_grad"] = g
    c = c / max(LONG(1), norm(c))
    m, v = first(s, c, betas[0]), second(s, c, betas[1])
    return lr * m / (1 - betas[0] ** t) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)


OWN_DECAY |= {lamb, lars}
