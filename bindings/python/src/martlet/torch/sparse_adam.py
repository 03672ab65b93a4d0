"""SparseAdam, which torch has beside Adam for gradients of some rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from martlet import _ffi_optimizers
from martlet.torch._optimizer import Optimizer


class SparseAdam(Optimizer, torch.optim.SparseAdam, algorithm=_ffi_optimizers.ADAM, semantics="keras"):
    """Adam for sparse gradients, with the arguments and defaults of torch.optim.SparseAdam, whose eps is added to the
    root of the uncorrected second moment, as Keras's is; parameters and gradients on the CPU.

    Every element-wise optimizer of martlet.torch steps sparse gradients in this way: rows that a gradient has, and
    their moments. This one is for a script, or a state dict, of torch's. It takes dense gradients too.
    """

    _martlet_joins = False

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())

    def state_dict(self) -> dict[str, Any]:
        """As torch's, where "step" is an int; the rest as in martlet.torch.Optimizer."""
        packed = super().state_dict()
        for entry in packed["state"].values():
            if isinstance(entry, dict) and "step" in entry:
                entry["step"] = int(entry.pop("step_exact", entry["step"]))
        return packed
