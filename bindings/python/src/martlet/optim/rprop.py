"""Rprop, which looks at gradients' signs alone: Rprop."""

from __future__ import annotations

from typing import Any

from martlet import _ffi_optimizers
from martlet.optim._optimizer import Optimizer


class Rprop(Optimizer, algorithm=_ffi_optimizers.RPROP):
    """Rprop (Riedmiller and Braun, 1993) over numpy arrays.

    lr (or learning_rate)  learning rate, 0 or more. Default 1e-2
    etas                   factors of a step size after a change of sign, and after none. Default (0.5, 1.2)
    step_sizes             least and largest step size. Default (1e-6, 50)

    params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        etas: tuple[float, float] | None = None,
        step_sizes: tuple[float, float] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
