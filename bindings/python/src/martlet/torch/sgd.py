"""Gradient descent, with momentum or an average: SGD, ASGD."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from martlet import _ffi_optimizers
from martlet.torch._optimizer import Optimizer


class SGD(Optimizer, torch.optim.SGD, algorithm=_ffi_optimizers.SGD):
    """Gradient descent, with the arguments and defaults of torch.optim.SGD; parameters and gradients on the CPU.

    Beside torch's: what martlet.torch.Optimizer says.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class ASGD(Optimizer, torch.optim.ASGD, algorithm=_ffi_optimizers.ASGD):
    """Averaged gradient descent (Polyak and Juditsky, 1992), with the arguments and defaults of torch.optim.ASGD.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
