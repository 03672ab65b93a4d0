"""Adam-mini, which keeps one second moment for a row, a head or a tensor, over tensors."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from martlet import _ffi_optimizers
from martlet.torch._optimizer import Optimizer


class AdamMini(Optimizer, algorithm=_ffi_optimizers.ADAM_MINI):
    """Adam-mini (Zhang et al., 2024) over tensors: Adam with one second moment for a block of rows.

    lr            learning rate, 0 or more. Default 1e-3
    betas         decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps           added to the denominator, 0 or more. Default 1e-8
    weight_decay  0 or more, decoupled. Default 0
    block_size    first indices that share a second moment, which is to divide a tensor's: 1, a row of a matrix, or an
                  element of a vector, has one of its own; the rows of a head share one; 0, all of a tensor does. Default 1

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        block_size: int = 1,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
