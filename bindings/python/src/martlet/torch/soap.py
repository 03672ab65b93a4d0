"""SOAP for matrices with AdamW for the rest, in one object."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from martlet import _ffi_optimizers
from martlet._routing import Owner, Rules
from martlet.torch.matrices import MatrixOptimizer

# The arguments of the constructor that are not options of SOAP's groups.
_ROUTING = ("params", "rules", "adamw_lr", "adamw_betas", "adamw_eps", "adamw_weight_decay")


class SOAP(MatrixOptimizer, algorithm=_ffi_optimizers.SOAP):
    """SOAP (Vyas et al., 2024), which is Adam in the eigenbases of the gradients' averaged products, for matrices, and
    AdamW for the rest.

    params           a module, its parameters() or named_parameters(), or a dict of names: matrices and kernels, of
                     which all dimensions but the first are a row, go to SOAP, and vectors, single rows and single
                     columns to AdamW, which describe() prints; without names, what has fewer than two dimensions.
                     Groups are SOAP's, or what they say: {"params": [...], "algorithm": "adamw"}
    lr               learning rate, 0 or more. Default 3e-3
    betas            what a step keeps of the averages, each in [0, 1). Default (0.95, 0.95)
    shampoo_beta     the same for the products that bases are made of. Default -1, as None: betas[1]
    eps              added to the divisor. Default 1e-8
    weight_decay     0 or more, decoupled, and taken off after the step. Default 0.01
    precondition_frequency
                     how many steps the bases stay: one orthogonal iteration makes the next ones. Default 10
    max_precond_dim  a longer side has no basis. Default 10000
    block_size       cuts matrices into blocks of so many rows and columns, each with bases of its own; 0 does not
    correct_bias     whether averages are corrected for their start at zero
    rules            the caller's rules: (pattern, "soap" or "adamw") pairs, of which the first that matches counts, or
                     a function of a name and a parameter that gives one of the two, or None. A pattern is a glob of a
                     parameter's name or of a module's in which it is, whose vectors "soap" leaves to AdamW
    adamw_lr, adamw_betas, adamw_eps, adamw_weight_decay
                     AdamW's. None: SOAP's

    The first gradient of a matrix makes its bases and does not move it; AdamW moves the others by theirs, where the
    authors' code leaves them as well.

    What else there is is martlet.torch.Optimizer's.
    """

    _martlet_owner = Owner("SOAP", "soap", takes_all=True)

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 3e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.95, 0.95),
        shampoo_beta: float | None = -1.0,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        precondition_frequency: int = 10,
        max_precond_dim: int = 10000,
        block_size: int = 0,
        correct_bias: bool = True,
        *,
        rules: Any = None,
        adamw_lr: float | Tensor | None = None,
        adamw_betas: tuple[float, float] | None = None,
        adamw_eps: float | None = None,
        adamw_weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in _ROUTING}
        adamw = {
            "lr": lr if adamw_lr is None else adamw_lr,
            "betas": betas if adamw_betas is None else adamw_betas,
            "eps": eps if adamw_eps is None else adamw_eps,
            "weight_decay": weight_decay if adamw_weight_decay is None else adamw_weight_decay,
        }
        super().__init__(params, given, Rules(self._martlet_owner, rules), adamw)
