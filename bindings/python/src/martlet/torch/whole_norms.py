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
    """gradients: of the parameters, each with its name and the index of its group, as processes have them; all processes
    have the same ones in the same order. parameters: whose they are."""

    def __init__(
        self, rows: Sequence[Hyperparameters], parameters: Sequence[Any], named: Sequence[tuple[str, int]]
    ) -> None:
        self._rows = rows
        looked = [place for place, (_, group) in enumerate(named) if _looks(rows[group])]
        self._parameters = [parameters[place] for place in looked]
        self._named = [named[place] for place in looked]

    def __bool__(self) -> bool:
        return bool(self._named)

    def measure(self, company: Company, configs: Any) -> tuple[LastStep | None, float]:
        """Writes into the configs what gradients are to be divided by, and that they need not be looked at again.

        Returns what was found, and what gradients are to be multiplied by beside, since no config can say it: 1 but for
        a norm that is not finite. Raises SkippedError where no step is to be taken.
        """
        squares = torch.tensor([self._square(company, one) for one in self._parameters], dtype=torch.float64)
        company.add_up(squares)
        norms = [
            sqrt(square) / configs[group].loss_scale if square >= 0 else nan
            for square, (_, group) in zip(squares.tolist(), self._named, strict=True)
        ]
        norm = sqrt(sum(one * one for one in norms)) if all(map(isfinite, norms)) else sum(one for one in norms)
        odd = [place for place, one in enumerate(norms) if not isfinite(one)]
        found = LastStep(
            skipped=False, grad_norm=norm, update_norm=nan, nonfinite=self._named[odd[0]][0] if odd else None
        )
        if any(self._rows[self._named[place][1]].flags & _ffi_optimizers.SKIP_NONFINITE for place in odd):
            raise SkippedError(found._replace(skipped=True))
        factors = [_factor(row, norm) for row in self._rows]
        for index, (row, factor) in enumerate(zip(self._rows, factors, strict=True)):
            config = configs[index]
            config.max_norm, config.flags = inf, config.flags & ~_LOOKING
            if factor and isfinite(factor):
                config.loss_scale /= factor
        odd_factor = next((one for one in factors if not (one and isfinite(one))), 1.0)
        return found, odd_factor

    def _square(self, company: Company, parameter: Any) -> float:
        part: Tensor = shards.part_of(parameter.grad)
        if not company.counts(parameter) or not part.numel():
            return 0.0
        return float(torch.linalg.vector_norm(part, dtype=torch.float64)) ** 2


def _looks(row: Hyperparameters) -> bool:
    return bool(row.flags & _LOOKING) or row.max_norm < inf or row.clip_norm < inf


def _factor(row: Hyperparameters, norm: float) -> float:
    """What a group's gradients are multiplied by."""
    added = _MARGIN if row.semantics == "torch" else 0.0
    if row.max_norm == inf or norm + added <= row.max_norm:
        return 1.0
    return row.max_norm / (norm + added)
