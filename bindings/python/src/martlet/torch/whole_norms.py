"""Norms of all gradients for a step in which some parameters are stepped as a whole by one process: what the library
measures and decides by itself where it has all gradients, or their parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, nan, sqrt
from typing import Any

import torch
from torch import Tensor

from martlet import _ffi_optimizers
from martlet._call import LastStep
from martlet._config import Hyperparameters
from martlet._errors import UnsupportedError
from martlet.torch import shards, sparse
from martlet.torch.company import Company, SkippedError
from martlet.torch.tensors import readable, squares

_LOOKING = _ffi_optimizers.SKIP_NONFINITE | _ffi_optimizers.MEASURE
# What torch's clip_grad_norm_ adds to a norm.
_MARGIN = 1e-6


class WholeNorms:
    """stepped: the parameters with gradients, each with its name and the index of its group: in all processes the same
    ones in the same order, of which each has its part."""

    def __init__(
        self, company: Company, rows: Sequence[Hyperparameters], stepped: Sequence[tuple[Any, str, int]]
    ) -> None:
        self._company, self._rows = company, rows
        self._looked = [one for one in stepped if _looks(rows[one[2]])]
        # Of what this process has of gradients; of several copies one counts.
        parts = [_part(parameter, name) for parameter, name, _ in self._looked]
        counts = [company.counts(parameter) for parameter, _, _ in self._looked]
        self._squares = torch.tensor(squares(parts), dtype=torch.float64)
        self._squares.masked_fill_(~torch.tensor(counts, dtype=torch.bool), 0)

    def __bool__(self) -> bool:
        return bool(self._looked)

    def settle(self, configs: Any) -> tuple[LastStep, list[float]]:
        """Adds up over processes, and writes into the configs what gradients are to be divided by, and that they need
        not be looked at again.

        Returns what was found, and what each group's gradients are to be multiplied by beside, since no config can say
        it: 1 but for a norm that is not finite. Raises SkippedError where no step is to be taken.
        """
        total = self._company.add_up(self._squares)
        norms = [
            sqrt(square) / configs[group].loss_scale if square >= 0 else nan
            for square, (_, _, group) in zip(total.tolist(), self._looked, strict=True)
        ]
        norm = sqrt(sum(one * one for one in norms)) if all(map(isfinite, norms)) else sum(one for one in norms)
        odd = [place for place, one in enumerate(norms) if not isfinite(one)]
        first = self._looked[odd[0]][1] if odd else None
        found = LastStep(skipped=False, grad_norm=norm, update_norm=nan, nonfinite=first)
        if any(self._rows[self._looked[place][2]].flags & _ffi_optimizers.SKIP_NONFINITE for place in odd):
            raise SkippedError(found._replace(skipped=True))
        factors = [_factor(row, norm) for row in self._rows]
        for index, one in enumerate(factors):
            config = configs[index]
            config.max_norm, config.flags = inf, config.flags & ~_LOOKING
            if one and isfinite(one):
                config.loss_scale /= one
                factors[index] = 1.0
        return found, factors


def _part(parameter: Any, name: str) -> Tensor:
    """What this process has of a gradient."""
    gradient = parameter.grad
    if sparse.is_sparse(gradient):
        raise UnsupportedError(
            f"the gradient of {name} is of rows, and norms are of gradients of all elements; wanted one of all "
            "elements, as of Embedding(sparse=False)"
        )
    part = readable(shards.part_of(gradient), shards.part_of(parameter), name)
    assert part is not None
    return part


def _looks(row: Hyperparameters) -> bool:
    return bool(row.flags & _LOOKING) or row.max_norm < inf or row.clip_norm < inf


def _factor(row: Hyperparameters, norm: float) -> float:
    """What a group's gradients are multiplied by."""
    added = _MARGIN if row.semantics == "torch" else 0.0
    if row.max_norm == inf or norm + added <= row.max_norm:
        return 1.0
    return float(row.max_norm) / (norm + added)
