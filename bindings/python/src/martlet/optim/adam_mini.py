"""Adam-mini, which keeps one second moment for a row, a head or an array: which of these, names say (_blocks.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from martlet import _ffi_optimizers, _groups
from martlet._blocks import Blocks, check_size
from martlet._config import Hyperparameters
from martlet._entry import Entry
from martlet._errors import ArgumentError
from martlet._routing import ADAMW
from martlet._spellings import BESIDE, OMITTED
from martlet.optim._matrices import beside
from martlet.optim._optimizer import Optimizer

# What AdamW is told as well.
_TOLD = ("lr", "learning_rate", "betas", "beta1", "beta2", "beta_1", "beta_2", "eps", "epsilon", *BESIDE)


class AdamMini(Optimizer, algorithm=_ffi_optimizers.ADAM_MINI):
    """Adam-mini (Zhang et al., 2024) over numpy arrays: Adam with one second moment for a block of rows.

    params                 arrays with names, as in a dict: each one's blocks follow from its name by the rules below.
                           Arrays without names, groups, and arrays that come later have block_size as it is given
    lr (or learning_rate)  learning rate, 0 or more. Default 1e-3
    betas                  decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-8
    weight_decay           0 or more, decoupled. Default 0
    block_size             first indices that share a second moment, which is to divide an array's: 1, a row of a
                           matrix, or an element of a vector, has one of its own; the rows of a head share one; 0, all
                           of an array does. None: as names say, and 1 where there are none. A number is for all
    n_heads, dim, rules    as in martlet.torch.AdamMini, whose rules for names these are: how many heads queries have;
                           how large queries are, if not as long as their rows; and the caller's rules, before others

    The first dimension is to be the outputs', as in torch. hyperball is for what Adam-mini steps: what rules give to
    AdamW keeps no norms.

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        block_size: int | None = None,
        *,
        n_heads: int | None = None,
        dim: int | None = None,
        rules: Any = None,
        **options: Any,
    ) -> None:
        given = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "block_size": block_size}
        told = {key: value for key, value in {**given, **options}.items() if key in _TOLD and value is not None}
        self._start = Blocks(rules, dim, n_heads), block_size is None
        self._adamw = told | {"weight_decay": 0.0 if weight_decay is OMITTED else weight_decay}
        super().__init__(params, {**given, "options": options})
        del self._start, self._adamw

    def _take_params(self, params: Any) -> None:
        blocks, by_names = self._start
        params = list(params) if isinstance(params, Iterator) else params
        self._others = {_ffi_optimizers.ADAMW: beside(self._adamw, "AdamMini")}
        named = [] if params is None or _groups.are_groups(params) else self._named(params)
        if not by_names or not named:
            if blocks:
                raise ArgumentError("rules, n_heads and dim go by names: give arrays with names, and no block_size")
            super()._take_params(params)
            return
        self._open = False
        groups: dict[tuple[int | None, bool], dict[str, Any]] = {}
        for (name, array), block in zip(named, blocks.routes(named), strict=True):
            group = groups.setdefault(block[:2], {"params": {}})
            group["params"][name] = array
            group |= {"algorithm": ADAMW} if block.size is None else {"block_size": block.size}
            group |= {} if block.decays else {"weight_decay": 0.0}
        for group in groups.values():
            self.add_param_group(group)

    def _named(self, params: Any) -> list[tuple[str, Any]]:
        """The arrays with their names; none where one has no name, or is none."""
        (group,) = _groups.groups_of(params)
        named = _groups.named_arrays(group["params"], "params")
        found = [(name, array) for name, array in named if name is not None and hasattr(array, "shape")]
        return found if len(found) == len(named) else []

    def _check_new(self, new: list[Entry], row: Hyperparameters) -> None:
        if row.algorithm == self._algorithm:
            for entry in new:
                check_size(entry.name, entry.value.shape, int(row.block_size))
