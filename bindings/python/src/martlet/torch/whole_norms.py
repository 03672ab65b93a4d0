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
from martlet.torch import shards
from martlet.torch.company import Company, SkippedError

_LOOKING = _ffi_optimizers.SKIP_NONFINITE | _ffi_optimizers.MEASURE
# What torch's clip_grad_norm_ adds to a norm.
_MARGIN = 1e-6


class WholeNorms:
    """stepped: the parameters with gradients, each with its name and the index of its group: in all processes the same
    ones in the same order, of which each has its part."""

    def __init__(self, rows: Sequence[Hyperparameters], stepped: Sequence[tuple[Any, str, int]]) -> None:
        self._rows = rows
        self._looked = [one for one in stepped if _looks(rows[one[2]])]

    def __bool__(self) -> bool:
        return bool(self._looked)

    def measure(self, company: Company, configs: Any) -> tuple[LastStep | None, float]:
        """Writes into the configs what gradients are to be divided by, and that they need not be looked at again.

        Returns what was found, and what gradients are to be multiplied by beside, since no config can say it: 1 but for
        a norm that is not finite. Raises SkippedError where no step is to be taken.
        """
        squares = torch.tensor([_square(company, one) for one, _, _ in self._looked], dtype=torch.float64)
        company.add_up(squares)
        norms = [
            sqrt(square) / configs[group].loss_scale if square >= 0 else nan
            for square, (_, _, group) in zip(squares.tolist(), self._looked, strict=True)
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
        factor = next((one for one in factors if not (one and isfinite(one))), 1.0)
        return found, factor


def _square(company: Company, parameter: Any) -> float:
    """Of what this process has of a gradient."""
    part: Tensor = shards.part_of(parameter.grad)
    if not company.counts(parameter) or not part.numel():
        return 0.0
    return float(torch.linalg.vector_norm(part, dtype=torch.float64).square())


def _looks(row: Hyperparameters) -> bool:
    return bool(row.flags & _LOOKING) or row.max_norm < inf or row.clip_norm < inf


def _factor(row: Hyperparameters, norm: float) -> float:
    """What a group's gradients are multiplied by."""
    added = _MARGIN if row.semantics == "torch" else 0.0
    if row.max_norm == inf or norm + added <= row.max_norm:
        return 1.0
    return float(row.max_norm) / (norm + added)
