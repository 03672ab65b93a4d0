"""Arrays of a state, of whichever library."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_array(value: Any) -> Any:
    """An array of numpy, of a tensor or another library's array; bf16 tensors as float32."""
    if hasattr(value, "detach"):
        tensor = value.detach().cpu().resolve_conj().resolve_neg()
        return tensor.float().numpy() if str(tensor.dtype) == "torch.bfloat16" else tensor.numpy()
    return np.asarray(value)


def as_tensor(value: Any) -> Any:
    """A tensor; types that torch does not read from numpy as float32."""
    import torch

    if isinstance(value, torch.Tensor):
        return value
    array = np.array(value)
    return torch.from_numpy(array if array.dtype.kind in "fc" else array.astype(np.float32))


def like(array: Any, other: Any) -> Any:
    """An array of numpy as it is, or a tensor of its numbers and type where another value is one."""
    if not hasattr(other, "detach"):
        return array
    import torch

    return torch.from_numpy(np.array(array))
