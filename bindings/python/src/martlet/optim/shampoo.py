"""Shampoo for matrices with AdamW for the rest, in one object over numpy arrays."""

from __future__ import annotations

from typing import Any

from martlet import _algorithms, _ffi_optimizers, _routing
from martlet._routing import Owner, Rules
from martlet._spellings import OMITTED
from martlet.optim._matrices import MatrixOptimizer


class Shampoo(MatrixOptimizer, algorithm=_ffi_optimizers.SHAMPOO):
    """Shampoo (Gupta, Koren, Singer, 2018), which multiplies the momentum by inverse fourth roots of the gradients'
    summed products, for matrices, and AdamW for the rest, over numpy arrays.

    params                 as SOAP's: matrices and kernels go to Shampoo, and what is none to AdamW. Groups go where
                           they say: {"params": [...], "algorithm": "adamw"} or "shampoo", as one that does not say
    lr (or learning_rate)  learning rate, 0 or more. Default 1e-2
    betas                  of the momentum, and of Adam's squares where those are grafted, each in [0, 1). Default
                           (0.9, 0.999)
    shampoo_beta           what a step keeps of the products. Default 1: they are sums
    eps (or epsilon)       added to the products' eigenvalues. Default 1e-12
    weight_decay           0 or more, decoupled. Default 0
    precondition_frequency how many steps the roots stay. Default 1
    block_size             cuts matrices into blocks of so many rows and columns, each with roots of its own; 0 does
                           not. Default 1024
    grafting               "adam" makes a parameter's step as long as Adam's; None, the default, leaves it
    graft_eps              added to the divisor of Adam's step. Default 1e-8
    use_bias_correction    whether averages are corrected for their start at zero
    rules                  the caller's rules, as SOAP's: (pattern, "shampoo" or "adamw") pairs, or a function
    adamw_lr               AdamW's learning rate. None: lr with grafting="adam", else 1e-3
    adamw_betas, adamw_weight_decay
                           AdamW's. None: Shampoo's
    adamw_eps              AdamW's. Default 1e-8

    params and what else there is are martlet.optim.Optimizer's.
    """

    _owner = Owner("Shampoo", "shampoo", takes_all=True)

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        shampoo_beta: float | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        precondition_frequency: int | None = None,
        block_size: int | None = None,
        grafting: str | None = None,
        graft_eps: float | None = None,
        use_bias_correction: bool = True,
        *,
        rules: Any = None,
        adamw_lr: float | None = None,
        adamw_betas: tuple[float, float] | None = None,
        adamw_eps: float = 1e-8,
        adamw_weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        given = {
            "lr": lr,
            "betas": betas,
            "shampoo_beta": shampoo_beta,
            "eps": eps,
            "weight_decay": weight_decay,
            "precondition_frequency": precondition_frequency,
            "block_size": block_size,
            "grafting": grafting,
            "graft_eps": graft_eps,
            "use_bias_correction": use_bias_correction,
            "options": options,
        }
        usual = _algorithms.of(self._algorithm).defaults
        if adamw_lr is None:
            rate = next(rate for rate in (lr, options.get("learning_rate"), usual["lr"]) if rate is not None)
            adamw_lr = _routing.rate_beside_shampoo(rate, grafting)
        if adamw_weight_decay is None:
            adamw_weight_decay = usual["weight_decay"] if weight_decay is OMITTED else weight_decay
        adamw = {
            "lr": adamw_lr,
            "betas": adamw_betas or betas or tuple(options.get(name) or usual[name] for name in ("beta1", "beta2")),
            "eps": adamw_eps,
            "weight_decay": adamw_weight_decay,
        }
        super().__init__(params, given, Rules(self._owner, rules), adamw)
