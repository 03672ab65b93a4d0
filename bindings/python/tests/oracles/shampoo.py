"""Shampoo, which whitens a matrix by roots of its Gram matrices."""

from __future__ import annotations

import numpy as np

from oracles._blocks import averaged, blocks, eigen, matrix, turned
from oracles._step import LONG, Array, State


def shampoo(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: tuple[LONG, LONG], eps: LONG,
    precondition_frequency: int = 1, max_precond_dim: int = 10000, block_size: int = 0, correct_bias: bool = True,
    grafting: str | None = None,
) -> Array:  # fmt: skip
    """https://arxiv.org/abs/1802.09568, with the averages, corrections and grafts of facebookresearch/optimizers: a
    beta2 of 1 adds the Gram matrices up. A side that is too long is left as it is.
    """
    first, second = betas
    c1 = 1 - first**t if correct_bias else LONG(1)
    c2 = 1 - second**t if correct_bias and second < 1 else LONG(1)
    share = 1 - second if second < 1 else LONG(1)
    s["exp_avg"] = first * s["exp_avg"] + (1 - first) * g
    s["exp_avg_sq"] = second * s["exp_avg_sq"] + share * g * g
    momentum = matrix(s["exp_avg"]) / c1
    update = np.zeros_like(momentum)
    for cut, block in blocks(s, update.shape, block_size):
        averaged(block, matrix(g)[cut], max_precond_dim, second, share)
        if t == 1 or t % precondition_frequency == 0:
            block["roots"] = [None if gram is None else _root(gram / c2, eps) for gram in block["grams"]]
        update[cut] = turned(momentum[cut], *block["roots"])
    if grafting is not None:
        graft = {"sgd": lambda: momentum, "adam": lambda: momentum / (matrix(np.sqrt(s["exp_avg_sq"] / c2)) + eps)}
        norm = np.sqrt(np.sum(update * update))
        size = np.sqrt(np.sum(graft[grafting]() ** 2))
        update = update * (size / norm if norm > 0 else 0)
    return lr * update.reshape(p.shape)


def _root(gram: Array, eps: LONG) -> Array:
    """(gram + eps I)^(-1/4)."""
    values, vectors = eigen(gram)
    return (vectors * (np.maximum(values, 0) + eps) ** LONG("-0.25")) @ vectors.T
