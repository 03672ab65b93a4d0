"""SGD and the rules from before Adam, and Lion: what each subtracts from the parameter.

The equations are torch's (torch.optim 2.15) where torch has the rule; "keras" and "optax" where those differ.
"""

from __future__ import annotations

import numpy as np

from oracles._step import AFTER_DECAY, LONG, Array, State


def sgd(
    p: Array,
    g: Array,
    s: State,
    t: int,
    lr: LONG,
    *,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    semantics: str = "torch",
) -> Array:
    """Keras has the rate inside the buffer: a later rate does not change what is in it."""
    if momentum == 0:
        return lr * g
    if semantics == "keras":
        s["momentum_buffer"] = momentum * s["momentum_buffer"] + lr * g
        return momentum * s["momentum_buffer"] + lr * g if nesterov else s["momentum_buffer"]
    s["momentum_buffer"] = g if t == 1 else momentum * s["momentum_buffer"] + (1 - dampening) * g
    return lr * (g + momentum * s["momentum_buffer"] if nesterov else s["momentum_buffer"])


def rmsprop(
    p: Array,
    g: Array,
    s: State,
    t: int,
    lr: LONG,
    *,
    alpha: float,
    eps: float,
    momentum: float = 0.0,
    centered: bool = False,
    semantics: str = "torch",
) -> Array:
    """Tieleman and Hinton, lecture 6.5 of 2012; centered: https://arxiv.org/abs/1308.0850.

    Keras and optax have eps inside the root, and the rate inside the buffer.
    """
    s["square_avg"] = alpha * s["square_avg"] + (1 - alpha) * g * g
    second = s["square_avg"]
    if centered:
        s["grad_avg"] = alpha * s["grad_avg"] + (1 - alpha) * g
        second = second - s["grad_avg"] ** 2
    if semantics in ("keras", "optax"):
        s["momentum_buffer"] = momentum * s["momentum_buffer"] + lr * g / np.sqrt(second + eps)
        return s["momentum_buffer"]
    s["momentum_buffer"] = momentum * s["momentum_buffer"] + g / (np.sqrt(second) + eps)
    return lr * s["momentum_buffer"]


def adagrad(
    p: Array,
    g: Array,
    s: State,
    t: int,
    lr: LONG,
    *,
    eps: float,
    lr_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    semantics: str = "torch",
) -> Array:
    """https://jmlr.org/papers/v12/duchi11a.html; Keras and optax have eps inside the root."""
    s["sum"] = (initial_accumulator_value if t == 1 else s["sum"]) + g * g
    root = np.sqrt(s["sum"] + eps) if semantics in ("keras", "optax") else np.sqrt(s["sum"]) + eps
    return lr / (1 + (t - 1) * lr_decay) * g / root


def adadelta(p: Array, g: Array, s: State, t: int, lr: LONG, *, rho: float, eps: float) -> Array:
    """https://arxiv.org/abs/1212.5701; all libraries agree, but for their defaults."""
    s["square_avg"] = rho * s["square_avg"] + (1 - rho) * g * g
    delta = np.sqrt(s["acc_delta"] + eps) / np.sqrt(s["square_avg"] + eps) * g
    s["acc_delta"] = rho * s["acc_delta"] + (1 - rho) * delta * delta
    return lr * delta


def rprop(
    p: Array,
    g: Array,
    s: State,
    t: int,
    lr: LONG,
    *,
    etas: tuple[float, float],
    step_sizes: tuple[float, float],
    semantics: str = "torch",
) -> Array:
    """Riedmiller and Braun, 1993, without the way back. optax makes each step's move at the next step."""
    shrink, grow = etas
    size = s.get("step_size", np.full(g.shape, lr))
    same = np.sign(g) * np.sign(s["prev"])
    resized = np.clip(size * np.where(same > 0, grow, np.where(same < 0, shrink, 1)), *step_sizes)
    s["step_size"] = np.where(same == 0, size, resized) if semantics == "optax" else resized
    if semantics == "optax":
        late = np.where(same < 0, 0, s["prev"])
        s["prev"] = np.where(same < 0, 0, s["step_size"] * np.sign(g))
        return late
    s["prev"] = np.where(same < 0, 0, g)
    return np.sign(s["prev"]) * s["step_size"]


def asgd(p: Array, g: Array, s: State, t: int, lr: LONG, *, lambd: float, alpha: float, t0: float) -> Array:
    """Polyak and Juditsky, 1992. torch applies a changed rate one step late."""
    eta, mu = s.get("eta", lr), s.get("mu", LONG(1))
    update = eta * (lambd * p + g)
    s["ax"] = p - update if mu == 1 else s["ax"] + mu * (p - update - s["ax"])
    s["eta"] = lr / (1 + lambd * lr * t) ** alpha
    s["mu"] = 1 / max(LONG(1), t - t0)
    return update


def lion(p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: tuple[float, float]) -> Array:
    """https://arxiv.org/abs/2302.06675, algorithm 2."""
    b1, b2 = betas
    update = np.sign(b1 * s["exp_avg"] + (1 - b1) * g)
    s["exp_avg"] = b2 * s["exp_avg"] + (1 - b2) * g
    return lr * update


AFTER_DECAY.add(asgd)
