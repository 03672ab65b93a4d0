"""Adam and what its authors and others made of it: Adam, AdamW, Adamax, NAdam, RAdam."""

from __future__ import annotations

from typing import Any

from martlet import _ffi_optimizers
from martlet._spellings import OMITTED
from martlet.optim._optimizer import Optimizer


class Adam(Optimizer, algorithm=_ffi_optimizers.ADAM):
    """Adam (Kingma and Ba, 2015) over numpy arrays.

    lr (or learning_rate)            learning rate, 0 or more. Default 1e-3
    betas (or beta1 and beta2)       decay rates of the moments, in [0, 1). Default (0.9, 0.999)
    eps (or epsilon)                 added to the denominator, 0 or more. Default 1e-8
    weight_decay                     0 or more. Default 0; added to the gradient times the parameter
    amsgrad                          divide by the largest second moment so far (Reddi et al., 2018)
    semantics                        "keras" has epsilon beside the uncorrected root, and decouples weight decay

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class AdamW(Adam, algorithm=_ffi_optimizers.ADAMW):
    """AdamW (Loshchilov and Hutter, 2019) over numpy arrays.

    Adam with the weight decay (default 0.01) taken off the parameter, p <- (1 - lr weight_decay) p, and not added to
    the gradient. Arguments as in Adam.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        Optimizer.__init__(self, params, locals())


class AdamOptimizer(Adam):
    """Adam without parameters of its own: update(gradient) returns the change, to be added.

        optimizer = AdamOptimizer(lr=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8)
        theta += optimizer.update(gradient)

    apply_gradients works too. Arguments as in Adam.
    """

    def __init__(
        self,
        lr: float | None = None,
        beta1: float | None = None,
        beta2: float | None = None,
        epsilon: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(None, lr, beta1=beta1, beta2=beta2, epsilon=epsilon, **options)


class Adamax(Optimizer, algorithm=_ffi_optimizers.ADAMAX):
    """Adamax (Kingma and Ba, 2015) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 2e-3
    betas                  decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-8
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


class NAdam(Optimizer, algorithm=_ffi_optimizers.NADAM):
    """NAdam (Dozat, 2016) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 2e-3
    betas                  decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-8
    weight_decay           0 or more. Default 0
    momentum_decay         how fast the momentum grows to betas[0], 0 or more. Default 4e-3

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        momentum_decay: float | None = None,
        decoupled_weight_decay: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())


class RAdam(Optimizer, algorithm=_ffi_optimizers.RADAM):
    """RAdam (Liu et al., 2020) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 1e-3
    betas                  decay rates of the averages, each in [0, 1). Default (0.9, 0.999)
    eps (or epsilon)       added to the denominator, 0 or more. Default 1e-8
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
        decoupled_weight_decay: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
