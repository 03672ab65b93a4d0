"""SGDScheduleFree, AdamWScheduleFree, RAdamScheduleFree: an average takes a schedule's place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from martlet import _ffi_optimizers, _spellings
from martlet._errors import ArgumentError, OrderError
from martlet._owner import gated
from martlet._spellings import OMITTED
from martlet.optim._optimizer import Optimizer


class ScheduleFree(Optimizer):
    """What the three share: parameters are where gradients are taken while training, and at the trained point in
    evaluation. training says which; at first it is True."""

    training = True
    _joins = False

    def train(self) -> None:
        """Moves the parameters to where gradients are taken. Before a step, and after eval()."""
        self._move(True)

    def eval(self) -> None:
        """Moves the parameters to the trained point, to be evaluated or saved."""
        self._move(False)

    def _refuse_changes(self, what: str, *, swapped: bool = False) -> None:
        self._refuse_evaluation(what)
        super()._refuse_changes(what, swapped=swapped)

    def _change(self, gradient: Any) -> Any:
        self._refuse_evaluation("update()")
        return super()._change(gradient)

    def state_dict(self) -> dict[str, Any]:
        """As every optimizer's; in evaluation an OrderError, since where parameters are is no part of the state."""
        self._refuse_evaluation("state_dict()")
        return super().state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As every optimizer's. In evaluation, or of a state of martlet.torch that was, an OrderError."""
        self._refuse_evaluation("load_state_dict()")
        groups = state_dict.get("param_groups") if isinstance(state_dict, Mapping) else ()
        groups = groups if isinstance(groups, list | tuple) else ()  # the next one says what else is wrong
        modes = [group.get("train_mode", True) for group in groups if isinstance(group, Mapping)]
        if not all(_spellings.flag(mode, "train_mode") for mode in modes):
            raise OrderError("the state was taken in evaluation; call train() there before state_dict()")
        super().load_state_dict(state_dict)

    def save(self, path: Any) -> None:
        """As every optimizer's; in evaluation an OrderError, since where parameters are is no part of the state."""
        self._refuse_evaluation("save()")
        super().save(path)

    def load(self, path: Any) -> None:
        """As every optimizer's; in evaluation an OrderError."""
        self._refuse_evaluation("load()")
        super().load(path)

    def _refuse_evaluation(self, what: str) -> None:
        if not self.training:
            raise OrderError(f"the parameters are at the trained point, for evaluation; call train() before {what}")

    @gated
    def _move(self, train: bool) -> None:
        rows = self._read_rows()
        name = "momentum" if "momentum" in self.defaults else "beta1"
        betas: list[float] = [getattr(row, name) for row in rows]
        if not all(betas):
            raise ArgumentError(f"group {betas.index(0.0)} has a {name} of 0, which keeps no average")
        if train is self.training:
            return
        mode = _ffi_optimizers.TRAINING if train else _ffi_optimizers.EVALUATION
        self._stepper.move(rows, self._parameters.entries, mode)
        self.training = train


class SGDScheduleFree(ScheduleFree, algorithm=_ffi_optimizers.SCHEDULE_FREE_SGD):
    """Schedule-Free gradient descent (Defazio et al., 2024) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 1.0
    momentum               how near gradients are taken to the average, in [0, 1). Default 0.9
    weight_decay           0 or more. Default 0
    warmup_steps           steps over which the learning rate grows to its value; 0: none. Default 0
    r                      power of the step in the average's weights. Default 0.0
    weight_lr_power        power of the rate in the average's weights. Default 2.0

    A parameter is where gradients are taken; the trained point lies between it and the state's z. martlet.h says how.

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        momentum: float | None = None,
        weight_decay: float = OMITTED,
        warmup_steps: float | None = None,
        r: float | None = None,
        weight_lr_power: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class AdamWScheduleFree(ScheduleFree, algorithm=_ffi_optimizers.SCHEDULE_FREE_ADAMW):
    """Schedule-Free AdamW (Defazio et al., 2024) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 2.5e-3
    betas                  decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-8
    weight_decay           0 or more. Default 0
    warmup_steps           steps over which the learning rate grows to its value; 0: none. Default 0
    r                      power of the step in the average's weights. Default 0.0
    weight_lr_power        power of the rate in the average's weights. Default 2.0

    A parameter is where gradients are taken; the trained point lies between it and the state's z. martlet.h says how.

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        warmup_steps: float | None = None,
        r: float | None = None,
        weight_lr_power: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class RAdamScheduleFree(ScheduleFree, algorithm=_ffi_optimizers.SCHEDULE_FREE_RADAM):
    """Schedule-Free RAdam (Defazio et al., 2024) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 2.5e-3
    betas                  decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-8
    weight_decay           0 or more. Default 0
    r                      power of the step in the average's weights. Default 0.0
    weight_lr_power        power of the rate in the average's weights. Default 2.0

    A parameter is where gradients are taken; the trained point lies between it and the state's z. martlet.h says how.

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        r: float | None = None,
        weight_lr_power: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
