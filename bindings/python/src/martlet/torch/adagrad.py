"""Rules that divide by the root of gradients' squares: RMSprop, Adagrad, Adadelta."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from martlet import _ffi_optimizers
from martlet.torch import state as states
from martlet.torch._optimizer import Optimizer


class RMSprop(Optimizer, torch.optim.RMSprop, algorithm=_ffi_optimizers.RMSPROP):
    """RMSprop (Tieleman and Hinton, 2012; Graves, 2013), with the arguments and defaults of torch.optim.RMSprop.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class Adagrad(Optimizer, torch.optim.Adagrad, algorithm=_ffi_optimizers.ADAGRAD):
    """Adagrad (Duchi et al., 2011), with the arguments and defaults of torch.optim.Adagrad.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())

    def share_memory(self) -> None:
        """Makes the sums, of parameters that were not stepped too, and moves them into memory that processes share."""
        for group in self.param_groups:
            start = group["initial_accumulator_value"]
            for parameter in group["params"]:
                if not self.state[parameter]:
                    value = complex(start, start) if parameter.is_complex() else start
                    self.state[parameter]["step"] = states.number_tensor(0, states.step_dtype(group))
                    self.state[parameter]["sum"] = torch.full_like(parameter, value, requires_grad=False)
        super().share_memory()


class Adadelta(Optimizer, torch.optim.Adadelta, algorithm=_ffi_optimizers.ADADELTA):
    """Adadelta (Zeiler, 2012), with the arguments and defaults of torch.optim.Adadelta.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
