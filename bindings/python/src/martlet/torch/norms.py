"""Optimizers that go by norms of parameters, gradients and updates: LAMB, LARS, StableAdamW, MARS."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from martlet import _ffi_optimizers
from martlet.torch._optimizer import Optimizer


class LAMB(Optimizer, algorithm=_ffi_optimizers.LAMB):
    """LAMB (You et al., 2019) over tensors.

    lr            learning rate, 0 or more, times the norm of the parameter over that of the update. Default 1e-3
    betas         decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps           added to the denominator, 0 or more. Default 1e-6
    weight_decay  0 or more; part of the update whose norm is taken. Default 0

    Norms are over a whole parameter; weight decay and the ratio are usual for matrices alone, so give biases and
    normalizations to another algorithm or group.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class LARS(Optimizer, algorithm=_ffi_optimizers.LARS):
    """LARS (You et al., 2017) over tensors.

    lr            learning rate, 0 or more, times the ratio of the norms. Default 1
    momentum      what a step keeps of the one before, in [0, 1). Default 0.9
    dampening     1 - dampening is the weight of what a step adds to the momentum: a finite number, 0 with nesterov and
                  by optax's convention. Default 0
    weight_decay  0 or more; in the gradient and in the ratio. Default 0
    nesterov      look ahead along the momentum
    trust_coefficient
                  0 or more, times the norm of the parameter over that of the gradient. Default 1e-3
    eps           added to the denominator of the ratio, 0 or more. Default 1e-8

    Norms are over a whole parameter; the ratio is usual for matrices alone, so give biases and normalizations to
    SGD or another group.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1.0,
        momentum: float = 0.9,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        trust_coefficient: float = 1e-3,
        eps: float = 1e-8,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class StableAdamW(Optimizer, algorithm=_ffi_optimizers.STABLE_ADAMW):
    """StableAdamW (Wortsman et al., 2023) over tensors.

    lr            learning rate, 0 or more, made smaller where a parameter's gradients outgrow their averages.
                  Default 1e-3
    betas         decay rates of the averages, each in [0, 1). Default (0.9, 0.99)
    eps           added to the denominator, 0 or more. Default 1e-8
    weight_decay  0 or more, decoupled. Default 1e-2

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class MARS(Optimizer, algorithm=_ffi_optimizers.MARS):
    """MARS (Yuan et al., 2024) over tensors, with AdamW's step: the change of the gradient corrects it.

    lr                     learning rate, 0 or more. Default 3e-3
    betas                  decay rates of the averages, each in [0, 1). Default (0.95, 0.99)
    gamma                  weight of the change of the gradient, in [0, 1). Default 0.025
    eps                    added to the denominator, 0 or more. Default 1e-8
    weight_decay           0 or more, decoupled. Default 0

    Corrected gradients are clipped to a norm of 1 over a whole parameter. Vectors are stepped as matrices are: the
    authors' code gives them to AdamW unless optimize_1d=True, so give biases and normalizations to AdamW for its steps.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 3e-3,
        betas: tuple[float, float] = (0.95, 0.99),
        gamma: float = 0.025,
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
