"""The order in which an epoch takes samples, or batches: the library's own, by the model's seed and the epoch's number,
so that fit gives the bits that martlet_model_fit gives."""

from __future__ import annotations

import numpy as np

from martlet import _arrays
from martlet._model import Model
from martlet._samples import NDArray


def of_epoch(model: Model, epoch: int, count: int) -> NDArray:
    """The order of an epoch, counted from 0 since compile."""
    rows = np.empty(count, np.int64)
    model.order(_arrays.address(rows), count, epoch)
    return rows


def of_seed(seed: int, epoch: int, count: int) -> NDArray:
    """The same of any model with the seed."""
    return of_epoch(Model((1,), seed), epoch, count)


def begun(model: Model, count: int, *, shuffles: bool) -> NDArray:
    """The order of the epoch that begins with this, and is counted."""
    epoch = model.epoch()
    model.set_epoch(epoch + 1)
    return of_epoch(model, epoch, count) if shuffles else np.arange(count, dtype=np.int64)
