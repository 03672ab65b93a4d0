"""Optimizers whose rate is estimated from the way that training has gone: Prodigy."""

from __future__ import annotations

from typing import Any

from martlet import _ffi_optimizers
from martlet._spellings import OMITTED
from martlet.optim._optimizer import Optimizer


class Prodigy(Optimizer, algorithm=_ffi_optimizers.PRODIGY):
    """Prodigy (Mishchenko and Defazio, 2023) over numpy arrays: AdamW, whose rate is estimated.

    lr (or learning_rate)  0 or more, times the estimate. Default 1
    betas                  decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    beta3                  decay rate of the sums that the estimate is made of, in [0, 1); None, as 0: the root of
                           betas[1]. Default None
    eps (or epsilon)       0 or more, times the estimate, added to the denominator. Default 1e-8
    weight_decay           0 or more, decoupled, times the rate and the estimate. Default 0
    use_bias_correction    correct the averages as Adam does
    safeguard_warmup       leave lr out of what the estimate is divided by, for schedules that begin low
    d0                     the estimate at first, more than 0. Default 1e-6
    d_coef                 0 or more, times the estimate: the way to make steps longer or shorter. Default 1
    growth_rate            what the estimate grows by in a step at most, 1 or more; it may jump while it is d0. Default
                           infinity

    The estimate is one for all parameters of a step, and stands in the state of each, as d. A group with an lr of 0
    stands still, and other groups go on without it.

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        beta3: float | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        *,
        use_bias_correction: bool = False,
        safeguard_warmup: bool = False,
        d0: float | None = None,
        d_coef: float | None = None,
        growth_rate: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
