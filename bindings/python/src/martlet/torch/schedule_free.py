"""SGDScheduleFree, AdamWScheduleFree, RAdamScheduleFree: an average takes a schedule's place."""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap
from typing import Any

from torch import Tensor

from martlet import _ffi_optimizers, _spellings
from martlet._errors import ArgumentError, OrderError
from martlet.torch._optimizer import Optimizer
from martlet.torch.hooks import hooked
from martlet.torch.options import Group

# Without the hooks, which are around this step already.
_step = unwrap(Optimizer.step)


class ScheduleFree(Optimizer):
    """What the three share: parameters are where gradients are taken while training, and at the trained point in
    evaluation. A group's "train_mode" says which; at first it is True. All groups are of the class's own algorithm."""

    _martlet_joins = False

    def train(self) -> None:
        """Moves the parameters to where gradients are taken. Before a step, and after eval()."""
        self._martlet_move(True)

    def eval(self) -> None:
        """Moves the parameters to the trained point, to be evaluated or saved."""
        self._martlet_move(False)

    @hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """As every optimizer's; in evaluation an OrderError."""
        with self._martlet_heard():
            if not all(map(_trains, self.param_groups)):
                raise OrderError("the parameters are at the trained point, for evaluation; call train() before step()")
        return _step(self, closure)

    def _martlet_move(self, train: bool) -> None:
        with self._martlet_heard(is_step=False):
            self._martlet_check_averages()
            groups = [group for group in self.param_groups if _trains(group) is not train]
        self._martlet_move_to(groups, _ffi_optimizers.TRAINING if train else _ffi_optimizers.EVALUATION)
        for group in groups:
            group["train_mode"] = train

    def _martlet_check_averages(self) -> None:
        for index, group in enumerate(self.param_groups):
            if float(group["momentum"] if "momentum" in group else group["betas"][0]) == 0:
                name = "momentum" if "momentum" in group else "betas[0]"
                raise ArgumentError(f"param_groups[{index}]: {name} is 0, which keeps no average; wanted more than 0")


def _trains(group: Group) -> bool:
    return _spellings.flag(group["train_mode"], "train_mode")


class SGDScheduleFree(ScheduleFree, algorithm=_ffi_optimizers.SCHEDULE_FREE_SGD):
    """Schedule-Free gradient descent (Defazio et al., 2024) over tensors.

    lr               learning rate, 0 or more. Default 1.0
    momentum         how near gradients are taken to the average, in [0, 1). Default 0.9
    weight_decay     0 or more. Default 0
    warmup_steps     steps over which the learning rate grows to its value; 0: none. Default 0
    r                power of the step in the average's weights. Default 0.0
    weight_lr_power  power of the rate in the average's weights. Default 2.0

    A parameter is where gradients are taken; the trained point lies between it and the state's z. martlet.h says how.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0,
        warmup_steps: float = 0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, {**locals(), "train_mode": True})


class AdamWScheduleFree(ScheduleFree, algorithm=_ffi_optimizers.SCHEDULE_FREE_ADAMW):
    """Schedule-Free AdamW (Defazio et al., 2024) over tensors.

    lr               learning rate, 0 or more. Default 2.5e-3
    betas            decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps              added to the denominator, 0 or more. Default 1e-8
    weight_decay     0 or more. Default 0
    warmup_steps     steps over which the learning rate grows to its value; 0: none. Default 0
    r                power of the step in the average's weights. Default 0.0
    weight_lr_power  power of the rate in the average's weights. Default 2.0

    A parameter is where gradients are taken; the trained point lies between it and the state's z. martlet.h says how.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2.5e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        warmup_steps: float = 0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, {**locals(), "train_mode": True})


class RAdamScheduleFree(ScheduleFree, algorithm=_ffi_optimizers.SCHEDULE_FREE_RADAM):
    """Schedule-Free RAdam (Defazio et al., 2024) over tensors.

    lr               learning rate, 0 or more. Default 2.5e-3
    betas            decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps              added to the denominator, 0 or more. Default 1e-8
    weight_decay     0 or more. Default 0
    r                power of the step in the average's weights. Default 0.0
    weight_lr_power  power of the rate in the average's weights. Default 2.0

    A parameter is where gradients are taken; the trained point lies between it and the state's z. martlet.h says how.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2.5e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, {**locals(), "train_mode": True})
