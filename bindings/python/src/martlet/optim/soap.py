"""SOAP for matrices with AdamW for the rest, in one object over numpy arrays."""

from __future__ import annotations

from typing import Any

from martlet import _algorithms, _ffi_optimizers
from martlet._routing import Owner, Rules
from martlet._spellings import OMITTED
from martlet.optim._matrices import MatrixOptimizer


class SOAP(MatrixOptimizer, algorithm=_ffi_optimizers.SOAP):
    """SOAP (Vyas et al., 2024), which is Adam in the eigenbases of the gradients' averaged products, for matrices, and
    AdamW for the rest, over numpy arrays.

    params                 matrices and kernels, of which all dimensions but the first are a row, go to SOAP, and
                           vectors, single rows and single columns to AdamW, which describe() prints; without names,
                           what has fewer than two dimensions. Groups go where they say: {"params": [...],
                           "algorithm": "adamw"} or "soap", as one that does not say
    lr (or learning_rate)  learning rate, 0 or more. Default 3e-3
    betas                  what a step keeps of the averages, each in [0, 1). Default (0.95, 0.95)
    shampoo_beta           the same for the products that bases are made of. None, as -1: betas[1]
    eps (or epsilon)       added to the divisor. Default 1e-8
    weight_decay           0 or more, decoupled, and taken off after the step. Default 0.01
    precondition_frequency how many steps the bases stay: one orthogonal iteration makes the next ones. Default 10
    max_precond_dim        a longer side has no basis. Default 10000
    block_size             cuts matrices into blocks of so many rows and columns, each with bases of its own; 0 does not
    correct_bias           whether averages are corrected for their start at zero
    rules                  the caller's rules: (pattern, "soap" or "adamw") pairs, of which the first that matches
                           counts, or a function of a name and an array that gives one of the two, or None. A pattern is
                           a glob of an array's name, or of what stands before a dot in it; "soap" leaves vectors under
                           it to AdamW
    adamw_lr, adamw_betas, adamw_eps, adamw_weight_decay
                           AdamW's. None: SOAP's

    The first gradient of a matrix makes its bases and does not move it; AdamW moves the others by theirs, where the
    authors' code leaves them as well.

    params and what else there is are martlet.optim.Optimizer's.
    """

    _owner = Owner("SOAP", "soap", takes_all=True)

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        shampoo_beta: float | None = None,
        eps: float | None = None,
        weight_decay: float = OMITTED,
        precondition_frequency: int | None = None,
        max_precond_dim: int | None = None,
        block_size: int | None = None,
        correct_bias: bool = True,
        *,
        rules: Any = None,
        adamw_lr: float | None = None,
        adamw_betas: tuple[float, float] | None = None,
        adamw_eps: float | None = None,
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
            "max_precond_dim": max_precond_dim,
            "block_size": block_size,
            "correct_bias": correct_bias,
            "options": options,
        }
        usual = _algorithms.of(self._algorithm).defaults
        said = {**usual, **{key: value for key, value in given.items() if value is not None and value is not OMITTED}}
        rate = options.get("learning_rate") if lr is None else lr
        adamw = {
            "lr": next(one for one in (adamw_lr, rate, usual["lr"]) if one is not None),
            "betas": adamw_betas or betas or tuple(options.get(name) or usual[name] for name in ("beta1", "beta2")),
            "eps": said["eps"] if adamw_eps is None else adamw_eps,
            "weight_decay": said["weight_decay"] if adamw_weight_decay is None else adamw_weight_decay,
        }
        super().__init__(params, given, Rules(self._owner, rules), adamw)
