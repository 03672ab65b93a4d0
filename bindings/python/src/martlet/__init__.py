"""Martlet: the Adam family of optimizers for numpy arrays, PyTorch tensors and C programs, and small neural networks.

    martlet.torch.Adam, SGD, ...    in place of torch.optim.Adam, SGD, ..., on CPU tensors
    martlet.optim.Adam, SGD, ...    objects over numpy arrays
    martlet.adam, sgd, ...          plain functions over numpy arrays
    martlet.adam_optimizer          the same with a step number, as adam_optimizer(parameters, gradients, t)
    martlet.keras.Adam, ...         in place of keras.optimizers.Adam, ..., on Keras's torch backend
    martlet.optax.adamw, ...        in place of optax.adamw, ..., outside of jit
    martlet.nn.Sequential           models with Keras's names, trained in the library
    martlet.data                    batches, readers of data sets, scalers
    martlet.schedules               learning rates by step

Needs numpy alone; martlet.torch imports torch when it is first used, martlet.keras Keras, and martlet.optax optax.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from martlet import _forks
from martlet._errors import (
    AlignmentError,
    ArgumentError,
    BusyError,
    DTypeError,
    FileError,
    FormatError,
    HandleError,
    InterruptedStepError,
    LibraryError,
    MartletError,
    MissingError,
    OrderError,
    OutOfMemoryError,
    OverlapError,
    ReadOnlyError,
    ShapeError,
    StoppedError,
    StructError,
    UnsupportedError,
)
from martlet._machine import Machine, machine, set_isa
from martlet._rows import Rows
from martlet._threads import get_num_threads, set_num_threads
from martlet.functional import *  # noqa: F403 - one name for each algorithm
from martlet.functional import __all__ as _functions

if TYPE_CHECKING:
    from martlet import convert as convert
    from martlet import data as data
    from martlet import keras as keras
    from martlet import nn as nn
    from martlet import optax as optax
    from martlet import optim as optim
    from martlet import schedules as schedules
    from martlet import torch as torch

__version__ = "0.1.0"

__all__ = [
    "AlignmentError",
    "ArgumentError",
    "BusyError",
    "DTypeError",
    "FileError",
    "FormatError",
    "HandleError",
    "InterruptedStepError",
    "LibraryError",
    "Machine",
    "MartletError",
    "MissingError",
    "OrderError",
    "OutOfMemoryError",
    "OverlapError",
    "ReadOnlyError",
    "Rows",
    "ShapeError",
    "StoppedError",
    "StructError",
    "UnsupportedError",
    "convert",
    "data",
    "get_num_threads",
    "machine",
    "nn",
    "optim",
    "schedules",
    "set_isa",
    "set_num_threads",
    "torch",
    *_functions,
]


def __getattr__(name: str) -> Any:
    if name in ("convert", "data", "keras", "nn", "optax", "optim", "schedules", "torch"):
        with _forks.held_off:
            return importlib.import_module(f"martlet.{name}")
    raise AttributeError(f"module 'martlet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
