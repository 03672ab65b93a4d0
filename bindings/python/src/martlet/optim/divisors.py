"""Relatives of Adam that divide otherwise: AdaBound, AdaBelief, LaProp, ADOPT."""

from __future__ import annotations

from typing import Any

from martlet import _ffi_optimizers
from martlet._spellings import OMITTED
from martlet.optim._optimizer import Optimizer


class AdaBound(Optimizer, algorithm=_ffi_optimizers.ADABOUND):
    """AdaBound, with amsgrad AMSBound (Luo et al., 2019) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 1e-3
    betas                  decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    final_lr               the rate that the bounds meet at, 0 or more; times lr over that of the first step.
                           Default 0.1
    gamma                  how fast the bounds meet, in [0, 1). Default 1e-3
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-8
    weight_decay           0 or more. Default 0
    amsgrad                divide by the largest second moment so far

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        final_lr: float | None = None,
        gamma: float | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class AdaBelief(Optimizer, algorithm=_ffi_optimizers.ADABELIEF):
    """AdaBelief (Zhuang et al., 2020) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 1e-3
    betas                  decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps (or epsilon)       added to the root, 0 or more. Default 1e-16
    weight_decay           0 or more. Default 0
    eps_root               added to the squares, 0 or more. Default 1e-16
    amsgrad                divide by the largest second moment so far
    rectify                rectify the rate while the squares' average has seen few gradients

    weight_decay is decoupled and the rate rectified unless told otherwise, as in the authors' code.

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        eps_root: float | None = None,
        amsgrad: bool = False,
        rectify: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class LaProp(Optimizer, algorithm=_ffi_optimizers.LAPROP):
    """LaProp (Ziyin et al., 2020) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 4e-4
    betas                  decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-15
    weight_decay           0 or more. Default 0

    weight_decay is decoupled unless told otherwise.

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class ADOPT(Optimizer, algorithm=_ffi_optimizers.ADOPT):
    """ADOPT (Taniguchi et al., 2024) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 1e-3
    betas                  decay rates of the averages, each in [0, 1). Default (0.9, 0.9999)
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-6
    weight_decay           0 or more. Default 0

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
