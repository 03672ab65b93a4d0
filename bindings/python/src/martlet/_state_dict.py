"""state_dict as numpy optimizers write and read it: what torch's state_dicts and ours have in common.

Nothing here steps.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np


def exact_step(step: Any, exact: Any) -> Any:
    """step_exact where it is what step, a float32, was rounded from; else step, since another optimizer may have
    carried step_exact along unchanged. Numbers, numpy arrays and tensors of one element."""
    try:
        count = operator.index(exact)
        same = float(np.float32(count)) == float(step)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return step
    return count if same else step
