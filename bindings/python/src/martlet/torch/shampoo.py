"""Shampoo for matrices with AdamW for the rest, in one object."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from martlet import _ffi_optimizers, _routing
from martlet._routing import Owner, Rules
from martlet.torch.matrices import MatrixOptimizer

# The arguments of the constructor that are not options of Shampoo's groups.
_ROUTING = ("params", "rules", "adamw_lr", "adamw_betas", "adamw_eps", "adamw_weight_decay")


class Shampoo(MatrixOptimizer, algorithm=_ffi_optimizers.SHAMPOO):
    """Shampoo (Gupta, Koren, Singer, 2018), which multiplies the momentum by inverse fourth roots of the gradients'
    summed products, for matrices, and AdamW for the rest.

    params           as SOAP's: matrices and kernels go to Shampoo, and what is none to AdamW. Groups are Shampoo's, or
                     what they say: {"params": [...], "algorithm": "adamw"}
    lr               learning rate, 0 or more. Default 1e-2
    betas            of the momentum, and of Adam's squares where those are grafted, each in [0, 1). Default
                     (0.9, 0.999)
    shampoo_beta     what a step keeps of the products. Default 1: they are sums
    eps              added to the products' eigenvalues. Default 1e-12
    weight_decay     0 or more, decoupled. Default 0
    precondition_frequency
                     how many steps the roots stay. Default 1
    block_size       cuts matrices into blocks of so many rows and columns, each with roots of its own; 0 does not.
                     Default 1024
    grafting         "adam" makes a parameter's step as long as Adam's; None, the default, leaves it
    graft_eps        added to the divisor of Adam's step. Default 1e-8
    use_bias_correction
                     whether averages are corrected for their start at zero
    rules            the caller's rules, as SOAP's: (pattern, "shampoo" or "adamw") pairs, or a function
    adamw_lr         AdamW's learning rate. None: lr with grafting="adam", else 1e-3
    adamw_betas, adamw_weight_decay
                     AdamW's. None: Shampoo's
    adamw_eps        AdamW's. Default 1e-8

    What else there is is martlet.torch.Optimizer's.
    """

    _martlet_owner = Owner("Shampoo", "shampoo", takes_all=True)

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        shampoo_beta: float = 1.0,
        eps: float = 1e-12,
        weight_decay: float = 0.0,
        precondition_frequency: int = 1,
        block_size: int = 1024,
        grafting: str | None = None,
        graft_eps: float = 1e-8,
        use_bias_correction: bool = True,
        *,
        rules: Any = None,
        adamw_lr: float | Tensor | None = None,
        adamw_betas: tuple[float, float] | None = None,
        adamw_eps: float = 1e-8,
        adamw_weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in _ROUTING}
        adamw = {
            "lr": _routing.rate_beside_shampoo(lr, grafting) if adamw_lr is None else adamw_lr,
            "betas": betas if adamw_betas is None else adamw_betas,
            "eps": adamw_eps,
            "weight_decay": weight_decay if adamw_weight_decay is None else adamw_weight_decay,
        }
        super().__init__(params, given, Rules(self._martlet_owner, rules), adamw)
