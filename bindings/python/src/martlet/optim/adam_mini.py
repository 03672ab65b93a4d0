"""Adam-mini, which keeps one second moment for a row, a head or a tensor, over numpy arrays."""

from __future__ import annotations

from typing import Any

from martlet import _ffi_optimizers
from martlet._spellings import OMITTED
from martlet.optim._optimizer import Optimizer


class AdamMini(Optimizer, algorithm=_ffi_optimizers.ADAM_MINI):
    """Adam-mini (Zhang et al., 2024) over numpy arrays: Adam with one second moment for a block of rows.

    lr (or learning_rate)  learning rate, 0 or more. Default 1e-3
    betas                  decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-8
    weight_decay           0 or more, decoupled. Default 0
    block_size             first indices that share a second moment, which is to divide an array's: 1, a row of a matrix,
                           or an element of a vector, has one of its own; the rows of a head share one; 0, all of an array
                           does. Default 1

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        block_size: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
