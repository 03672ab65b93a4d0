"""SOAP, which is Adam in the eigenbases of Shampoo's Gram matrices."""

from __future__ import annotations

import numpy as np

from oracles._blocks import averaged, blocks, eigen, matrix, turned
from oracles._step import LONG, OWN_DECAY, Array, State


def soap(
    p: Array, g: Array, s: State, t: int, lr: LONG, *, betas: tuple[LONG, LONG], eps: LONG, weight_decay: LONG,
    shampoo_beta: float = -1, precondition_frequency: int = 10, max_precond_dim: int = 10000, block_size: int = 0,
    correct_bias: bool = True,
) -> Array:  # fmt: skip
    """https://arxiv.org/abs/2409.11321, as nikhilvyas/SOAP has it: the first gradient only makes the bases, so that
    none is turned by a basis of its own; the momentum is turned from basis to basis; decay comes after the step. A side
    has bases where none of its blocks is longer than max_precond_dim.
    """
    update = np.zeros(matrix(p).shape, LONG)
    rows, columns = (min(block_size or side, side) <= max_precond_dim for side in update.shape)
    correction = (1 - betas[0] ** (t - 1)) / np.sqrt(1 - betas[1] ** (t - 1)) if correct_bias and t > 1 else LONG(1)
    beta = betas[1] if shampoo_beta < 0 else shampoo_beta
    for cut, block in blocks(s, update.shape, block_size):
        gradient = matrix(g)[cut]
        if t > 1:
            update[cut] = lr / correction * _adam(block, gradient, betas, eps)
        averaged(block, gradient, beta, 1 - beta, (rows, columns))
        if t == 1:
            block["bases"] = [None if gram is None else eigen(gram)[1] for gram in block["grams"]]
        elif (t - 1) % precondition_frequency == 0:
            _turn(block)
    update = update.reshape(p.shape)
    return update + (lr * weight_decay * (p - update) if t > 1 else 0)


def _adam(s: State, g: Array, betas: tuple[LONG, LONG], eps: LONG) -> Array:
    """Adam's direction, without bias correction, in the bases; given back in the parameter's own."""
    left, right = s["bases"]
    g = turned(g, left, right)
    s["exp_avg"] = betas[0] * s["exp_avg"] + (1 - betas[0]) * g
    s["exp_avg_sq"] = betas[1] * s["exp_avg_sq"] + (1 - betas[1]) * g * g
    direction = s["exp_avg"] / (np.sqrt(s["exp_avg_sq"]) + eps)
    return turned(direction, *(None if basis is None else basis.T for basis in (left, right)))


def _turn(s: State) -> None:
    """One power iteration on each basis, whose columns are first put in the order of what they estimate: so are the
    squares; the momentum is turned into the new bases.
    """
    old, new = s["bases"], []
    for axis, (gram, basis) in enumerate(zip(s["grams"], old, strict=True)):
        if gram is None:
            new.append(None)
            continue
        product = gram @ basis
        order = np.argsort(-np.sum(basis * product, axis=0), kind="stable")
        s["exp_avg_sq"] = np.take(s["exp_avg_sq"], order, axis=axis)
        new.append(np.linalg.qr(product[:, order].astype(np.float64))[0].astype(LONG))
    plain = turned(s["exp_avg"], *(None if basis is None else basis.T for basis in old))
    s["exp_avg"], s["bases"] = turned(plain, *new), new


OWN_DECAY.add(soap)
