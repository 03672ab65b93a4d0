"""ReduceLROnPlateau for optimizers over numpy arrays: torch's, on the library's plateau. martlet.nn has Keras's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from martlet import _arguments, _ffi, _ffi_optimizers, _ffi_schedules, _spellings
from martlet._errors import ArgumentError, DTypeError, FormatError
from martlet.schedules._schedule import rate, whole

# State by torch's names, and what the library calls it.
_STATE = {"best": "best", "num_bad_epochs": "bad", "cooldown_counter": "cooling"}


class ReduceLROnPlateau:
    """Lowers the learning rates of an optimizer's groups where a metric has stopped getting better. torch's arguments.

    optimizer         one of martlet.optim's, or whatever has param_groups with "lr"
    mode              "min": smaller is better; "max"
    factor            what the rates are multiplied by, 0 or more and less than 1
    patience          so many metrics that are not better are borne; at the next one rates fall
    threshold         what is better is better by more than this: a share of the best one (threshold_mode="rel"), or a
                      difference ("abs")
    cooldown          so many metrics after rates fell do not count
    min_lr            rates fall no lower: a number, or one for each group
    eps               a rate that would fall by no more than this stays

    A metric that is NaN is never better.
    """

    def __init__(
        self,
        optimizer: Any,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Any = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not hasattr(optimizer, "param_groups"):
            raise DTypeError(f"optimizer is {optimizer!r}; wanted one with param_groups, such as martlet.optim.Adam")
        self.optimizer = optimizer
        self.min_lr = min_lr
        climbs = _arguments.one_of(mode, {"min": 0, "max": _ffi_schedules.CLIMB}, "mode")
        relative = {"rel": _ffi_schedules.RELATIVE, "abs": 0}
        self._plateau = new_plateau(_ffi_optimizers.SEMANTICS_TORCH, factor, patience, threshold, cooldown)
        self._plateau.flags = climbs | _arguments.one_of(threshold_mode, relative, "threshold_mode")
        self._plateau.eps = rate(eps, "eps")
        self._least()

    def step(self, metrics: Any) -> None:
        """Takes the metric of an evaluation."""
        metric = _spellings.number(metrics, "metrics")
        groups, least = self.optimizer.param_groups, self._least()
        after, rates = self._plateau, []
        for index, (group, lowest) in enumerate(zip(groups, least, strict=True)):
            if callable(group["lr"]):
                raise DTypeError(f"param_groups[{index}]['lr'] is the schedule {group['lr']!r}; wanted a number")
            after = _ffi_schedules.copy_plateau(self._plateau)
            after.rate, after.min_rate = _spellings.number(group["lr"], f"param_groups[{index}]['lr']"), lowest
            _ffi_schedules.martlet_plateau_step(after, metric)
            rates.append(after.rate)
        self._plateau = after
        for group, lower in zip(groups, rates, strict=True):
            if lower != group["lr"]:
                group["lr"] = lower

    @property
    def best(self) -> float:
        """The best metric so far; NaN before the first."""
        return float(self._plateau.best)

    @property
    def num_bad_epochs(self) -> int:
        """Metrics since the best one that were not better."""
        return int(self._plateau.bad)

    @property
    def cooldown_counter(self) -> int:
        """What is left of the cooldown."""
        return int(self._plateau.cooling)

    def get_last_lr(self) -> list[float]:
        """The groups' learning rates."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What has been seen so far, by torch's names. Rates are the optimizer's, arguments the constructor's."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what state_dict() gave, or that of torch's class."""
        if not isinstance(state_dict, Mapping) or not all(name in state_dict for name in _STATE):
            raise FormatError(f"state_dict is {state_dict!r}; wanted a dict with {', '.join(map(repr, _STATE))}")
        best = _spellings.number(state_dict["best"], "best")
        counts = {name: whole(state_dict[name], name) for name in ("num_bad_epochs", "cooldown_counter")}
        self._plateau.best = best
        self._plateau.bad, self._plateau.cooling = counts["num_bad_epochs"], counts["cooldown_counter"]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_plateau": bytes(self._plateau)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _plateau=_ffi_schedules.read_plateau(state["_plateau"]))

    def _least(self) -> list[float]:
        """The lowest rate of each group."""
        count = len(self.optimizer.param_groups)
        if not isinstance(self.min_lr, list | tuple):
            return [rate(self.min_lr, "min_lr")] * count
        if len(self.min_lr) != count:
            raise ArgumentError(f"min_lr has {len(self.min_lr)} numbers; wanted one for each of {count} groups")
        return [rate(each, f"min_lr[{index}]") for index, each in enumerate(self.min_lr)]


def new_plateau(
    semantics: int, factor: Any, patience: Any, threshold: Any, cooldown: Any, where: str = "threshold"
) -> _ffi_schedules.Plateau:
    """A plateau that has seen nothing. where: what the threshold is called."""
    plateau = _ffi_schedules.Plateau()
    _ffi_schedules.martlet_plateau_init(plateau, _ffi.struct_size(_ffi_schedules.Plateau), semantics)
    plateau.factor = _arguments.within(factor, "factor", 0, 1, open_end=True)
    plateau.patience = whole(patience, "patience")
    plateau.threshold = _arguments.within(threshold, where, 0, math.inf)
    plateau.cooldown = whole(cooldown, "cooldown")
    return plateau
