"""Shampoo, which whitens a matrix by roots of its Gram matrices."""

from __future__ import annotations

import numpy as np

from oracles._blocks import averaged, blocks, eigen, matrix, turned
from oracles._step import LONG, Array, State


def shampoo(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: tuple[LONG, LONG], eps: LONG, shampoo_beta: LONG,
    precondition_frequency: int = 1, block_size: int = 0, use_bias_correction: bool = True,
    grafting: str | None = None, graft_eps: float = 1e-8,
) -> Array:  # fmt: skip
    """https://arxiv.org/abs/1802.09568, with the averages, corrections and graft of facebookresearch/optimizers: a
    shampoo_beta of 1 adds the Gram matrices up.
    """
    first, second = betas

    def corrected(average: Array, beta: LONG) -> Array:
        return average / (1 - beta**t) if use_bias_correction and beta < 1 else average

    share = 1 - shampoo_beta if shampoo_beta < 1 else LONG(1)
    s["exp_avg"] = first * s["exp_avg"] + (1 - first) * g
    s["exp_avg_sq"] = second * s["exp_avg_sq"] + (1 - second) * g * g
    momentum = matrix(corrected(s["exp_avg"], first))
    update = np.zeros_like(momentum)
    for cut, block in blocks(s, update.shape, block_size):
        averaged(block, matrix(g)[cut], shampoo_beta, share)
        if (t - 1) % precondition_frequency == 0:
            block["roots"] = [_root(corrected(gram, shampoo_beta), eps) for gram in block["grams"]]
        update[cut] = turned(momentum[cut], *block["roots"])
    if grafting == "adam":
        adam = momentum / (np.sqrt(matrix(corrected(s["exp_avg_sq"], second))) + graft_eps)
        norm = np.sqrt(np.sum(update * update))
        update = update * (np.sqrt(np.sum(adam * adam)) / norm if norm > 0 else 0)
    return lr * update.reshape(p.shape)


def _root(gram: Array, eps: LONG) -> Array:
    """(gram + eps I)^(-1/4)."""
    values, vectors = eigen(gram)
    return (vectors * (np.maximum(values, 0) + eps) ** LONG("-0.25")) @ vectors.T
