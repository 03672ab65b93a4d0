"""What SOAP and Shampoo share: a parameter as a matrix, its blocks, and the Gram matrices of their sides.

Eigenvectors and QR are numpy's in float64; all else is in longdouble.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from oracles._step import LONG, Array, State

Cut = tuple[slice, slice]


def matrix(array: Array) -> Array:
    """A parameter with all dimensions but the first as a row."""
    return array.reshape(array.shape[0], -1)


def cuts(shape: tuple[int, ...], size: int) -> Iterator[Cut]:
    """The blocks of a matrix, row by row of them; 0: the whole matrix."""
    size = int(size)
    rows, columns = ([slice(k, k + (size or side)) for k in range(0, side, size or max(side, 1))] for side in shape)
    return ((row, column) for row in rows for column in columns)


def blocks(s: State, shape: tuple[int, ...], size: int) -> list[tuple[Cut, State]]:
    """Each block with a state of its own, which is in the parameter's."""
    found = list(cuts(shape, size))
    if "blocks" not in s:
        s["blocks"] = [State((len(range(shape[0])[cut[0]]), len(range(shape[1])[cut[1]]))) for cut in found]
    return list(zip(found, s["blocks"], strict=True))


def averaged(
    s: State, g: Array, beta: LONG, share: LONG, sides: tuple[bool, bool] = (True, True)
) -> list[Array | None]:
    """Takes the Gram matrices of a gradient, of its rows and of its columns, into the block's: beta of the old, and a
    share of the new; None for a side that has none."""
    grams = [x @ x.T if has_one else None for x, has_one in zip((g, g.T), sides, strict=True)]
    zeros = [None if gram is None else np.zeros_like(gram) for gram in grams]
    s["grams"] = [
        None if new is None else beta * old + share * new for old, new in zip(s.get("grams", zeros), grams, strict=True)
    ]
    found: list[Array | None] = s["grams"]
    return found


def eigen(gram: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors, the largest first."""
    values, vectors = np.linalg.eigh(gram.astype(np.float64))
    return values[::-1].astype(LONG), vectors[:, ::-1].astype(LONG)


def turned(x: Array, left: Array | None, right: Array | None) -> Array:
    """left' x right, where None is the identity."""
    x = x if left is None else left.T @ x
    return x if right is None else x @ right
