"""Relatives of Adam that keep other momenta: Lion, Adan, AdEMAMix, SimplifiedAdEMAMix."""

from __future__ import annotations

from typing import Any

from martlet import _ffi_optimizers
from martlet._spellings import OMITTED
from martlet.optim._optimizer import Optimizer


class Lion(Optimizer, algorithm=_ffi_optimizers.LION):
    """Lion (Chen et al., 2023) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 1e-4
    betas                  weight of the momentum in the step, and its decay rate, each in [0, 1). Default (0.9, 0.99)
    weight_decay           0 or more. Default 0

    weight_decay is decoupled unless told otherwise.

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        weight_decay: float = OMITTED,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class Adan(Optimizer, algorithm=_ffi_optimizers.ADAN):
    """Adan (Xie et al., 2022) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 1e-3
    betas                  decay rates of the averages of gradients, differences and squares, each in [0, 1).
                           Default (0.98, 0.92, 0.99)
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-8
    weight_decay           0 or more. Default 0

    weight_decay divides the parameter, p / (1 + lr weight_decay), and is never added to the gradient.

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float, float] | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class AdEMAMix(Optimizer, algorithm=_ffi_optimizers.ADEMAMIX):
    """AdEMAMix (Pagliardini et al., 2024) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 1e-3
    betas                  decay rates of fast average, squares and slow average, each in [0, 1).
                           Default (0.9, 0.999, 0.9999)
    alpha                  weight of the slow average, 0 or more. Default 2.0
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-8
    weight_decay           0 or more. Default 0
    alpha_warmup           steps over which alpha grows to its value; 0: none. Default 0
    beta3_warmup           steps over which betas[2] grows to its value; 0: none. Default 0

    weight_decay is decoupled unless told otherwise.

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float, float] | None = None,
        alpha: float | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        alpha_warmup: float | None = None,
        beta3_warmup: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class SimplifiedAdEMAMix(Optimizer, algorithm=_ffi_optimizers.SIMPLIFIED_ADEMAMIX):
    """Simplified AdEMAMix (Morwani et al., 2025) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 1e-4
    betas                  decay rates of the averages, each in [0, 1). Default (0.99, 0.95)
    alpha                  weight of the gradient beside the momentum, 0 or more. Default 0.0
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-8
    weight_decay           0 or more. Default 0

    weight_decay is decoupled unless told otherwise.

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        alpha: float | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
