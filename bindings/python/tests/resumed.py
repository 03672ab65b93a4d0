"""Training that goes on from what was saved in the middle of it, by each way there is: the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

import martlet.convert
import martlet.torch
from martlet import optim


def check(name: str, start: np.ndarray, grads: list[np.ndarray], options: dict[str, Any], folder: Path) -> None:
    """A class of both faces, over one array: by a state_dict, by a file, and in martlet.torch."""
    # What a file does not change, and what it does not fit without.
    needed = {
        "momentum",
        "lookahead_steps",
        "ema_decay",
        "accumulate",
        *(["weight_decay"] if options.get("hyperball") else []),
    }
    own = {key: value for key, value in options.items() if type(value) is bool or key in needed}
    array = start.copy()
    whole = getattr(optim, name)([array], **options)
    for grad in grads:
        whole.step([grad])
    for way in ("dict", "file", "torch"):
        other = start.copy()
        optimizer = getattr(optim, name)([other], **options)
        for t, grad in enumerate(grads):
            if t == 4 and way == "torch":
                tensor = torch.nn.Parameter(torch.from_numpy(other))
                tensors = getattr(martlet.torch, name)([tensor], **options)
                tensors.load_state_dict(martlet.convert.to_torch(optimizer, tensors))
            elif t == 4:
                packed = optimizer.state_dict()
                optimizer.save(folder / "state")
                optimizer = getattr(optim, name)([other], **own, lr=7.0)
                optimizer.load_state_dict(packed) if way == "dict" else optimizer.load(folder / "state")
            if t >= 4 and way == "torch":
                tensor.grad = torch.from_numpy(grad)
                tensors.step()
            else:
                optimizer.step([grad])
        assert np.array_equal(other, array), way
