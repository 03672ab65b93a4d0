"""Rprop, which looks at gradients' signs alone: Rprop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from martlet import _ffi_optimizers
from martlet.torch._optimizer import Optimizer


class Rprop(Optimizer, torch.optim.Rprop, algorithm=_ffi_optimizers.RPROP):
    """Rprop (Riedmiller and Braun, 1993), with the arguments and defaults of torch.optim.Rprop.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
