"""Adam and what its authors and others made of it: Adam, AdamW, Adamax, NAdam, RAdam."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from martlet import _ffi_optimizers
from martlet.torch._optimizer import Optimizer


class Adam(Optimizer, torch.optim.Adam, algorithm=_ffi_optimizers.ADAM):
    """Adam, with the arguments and defaults of torch.optim.Adam; parameters and gradients on the CPU.

    Beside torch's: flush_denormals, semantics, state_dtype, cautious_weight_decay, corrected_weight_decay,
    cautious, as in martlet.torch.Optimizer.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class AdamW(Adam, torch.optim.AdamW, algorithm=_ffi_optimizers.ADAM):
    """AdamW, with the arguments and defaults of torch.optim.AdamW; the rest as in martlet.torch.Adam."""

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        **options: Any,
    ) -> None:
        Optimizer.__init__(self, params, {**locals(), "decoupled_weight_decay": True})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


class Adamax(Optimizer, torch.optim.Adamax, algorithm=_ffi_optimizers.ADAMAX):
    """Adamax (Kingma and Ba, 2015), with the arguments and defaults of torch.optim.Adamax.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class NAdam(Optimizer, torch.optim.NAdam, algorithm=_ffi_optimizers.NADAM):
    """NAdam (Dozat, 2016), with the arguments and defaults of torch.optim.NAdam.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class RAdam(Optimizer, torch.optim.RAdam, algorithm=_ffi_optimizers.RADAM):
    """RAdam (Liu et al., 2020), with the arguments and defaults of torch.optim.RAdam.

    What else there is is martlet.torch.Optimizer's.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
