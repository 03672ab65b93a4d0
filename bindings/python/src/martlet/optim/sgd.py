"""Gradient descent, with momentum or an average: SGD, ASGD."""

from __future__ import annotations

from typing import Any

from martlet import _ffi_optimizers
from martlet._spellings import OMITTED
from martlet.optim._optimizer import Optimizer


class SGD(Optimizer, algorithm=_ffi_optimizers.SGD):
    """Gradient descent, with momentum (Sutskever et al., 2013) where there is one, over numpy arrays.

    lr (or learning_rate)   learning rate, 0 or more. Default 1e-3
    momentum                what a step keeps of the one before, in [0, 1). Default 0
    dampening               1 - dampening is the gradient's weight in the momentum; any finite number. Default 0
    weight_decay            0 or more. Default 0; added to the gradient times the parameter
    nesterov                look ahead along the momentum, which then must not be 0, nor damped
    semantics               "keras" has the learning rate inside the momentum, and decouples weight decay

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        momentum: float | None = None,
        dampening: float | None = None,
        weight_decay: float = OMITTED,
        nesterov: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class ASGD(Optimizer, algorithm=_ffi_optimizers.ASGD):
    """Averaged gradient descent (Polyak and Juditsky, 1992) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 1e-2
    lambd                  decay term, 0 or more. Default 1e-4
    alpha                  power of the learning rate's fall, 0 or more. Default 0.75
    t0                     step at which averaging starts, 0 or more. Default 1e6
    weight_decay           0 or more. Default 0

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        lambd: float | None = None,
        alpha: float | None = None,
        t0: float | None = None,
        weight_decay: float = OMITTED,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
