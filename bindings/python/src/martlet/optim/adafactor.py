"""Rules that keep less than a number an element: Adafactor."""

from __future__ import annotations

from typing import Any

from martlet import _ffi_optimizers
from martlet._spellings import OMITTED
from martlet.optim._optimizer import Optimizer


class Adafactor(Optimizer, algorithm=_ffi_optimizers.ADAFACTOR):
    """Adafactor (Shazeer and Stern, 2018) over numpy arrays, as torch has it.

    lr (or learning_rate)  the most that the relative step size may be, and the rate of weight decay, 0 or more. Default
                           1e-2
    beta2_decay            power of the step that new squares are weighed with, 0 or less. Default -0.8
    eps                    least root of the squares' average, None or 0 for the machine epsilon of the parameter's
                           type; and least size of a parameter. Default (None, 1e-3)
    d                      root mean square of the update above which it is scaled down, 1 or more. Default 1
    weight_decay           0 or more, decoupled. Default 0

    A parameter of two axes or more has "row_var", of shape (..., rows, 1), and "col_var", (..., 1, columns); any other
    "variance", of its own shape. params and what else there is are martlet.optim.Optimizer's.
    """

    def __init__(
        self,
        params: Any = None,
        lr: float | None = None,
        beta2_decay: float | None = None,
        eps: tuple[float | None, float] | None = None,
        d: float | None = None,
        weight_decay: float = OMITTED,
        **options: Any,
    ) -> None:
        super().__init__(params, locals())
