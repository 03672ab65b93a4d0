"""Rules that keep less than a number an element: Adafactor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from martlet import _ffi_optimizers
from martlet.torch._optimizer import Optimizer


class Adafactor(Optimizer, torch.optim.Adafactor, algorithm=_ffi_optimizers.ADAFACTOR):
    """Adafactor (Shazeer and Stern, 2018), with the arguments and defaults of torch.optim.Adafactor.

    A parameter of two dimensions or more has row_var, of shape (..., rows, 1), and col_var, (..., 1, columns); any
    other variance, of its own shape. eps[0] None, as 0: the machine epsilon of the parameter's type. Complex parameters
    are refused, as torch does. What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
