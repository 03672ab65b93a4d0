"""Rules that divide by the root of gradients' squares: RMSprop, Adagrad, Adadelta."""

from __future__ import annotations

from typing import Any

from martlet import _ffi_optimizers
from martlet._spellings import OMITTED
from martlet.optim._optimizer import Optimizer


class RMSprop(Optimizer, algorithm=_ffi_optimizers.RMSPROP):
    """RMSprop (Tieleman and Hinton, 2012; Graves, 2013) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 1e-2
    alpha                  decay rate of the squares' average, 0 or more. Default 0.99
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-8
    weight_decay           0 or more. Default 0
    momentum               what a step keeps of the one before, in [0, 1). Default 0
    centered               divide by the root of the variance

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        alpha: float | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        momentum: float | None = None,
        centered: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class Adagrad(Optimizer, algorithm=_ffi_optimizers.ADAGRAD):
    """Adagrad (Duchi et al., 2011) over numpy arrays.

    lr (or learning_rate)      learning rate, 0 or more. Default 1e-2
    lr_decay                   how fast the learning rate falls, 0 or more. Default 0
    weight_decay               0 or more. Default 0
    initial_accumulator_value  what the sum of squares starts from, 0 or more. Default 0
    eps (or epsilon)           added to the denominator, 0 or more. Default 1e-10

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        lr_decay: float | None = None,
        weight_decay: float = OMITTED,
        initial_accumulator_value: float | None = None,
        eps: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class Adadelta(Optimizer, algorithm=_ffi_optimizers.ADADELTA):
    """Adadelta (Zeiler, 2012) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 1.0
    rho                    decay rate of both averages, 0 to 1. Default 0.9
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-6
    weight_decay           0 or more. Default 0

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        rho: float | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
