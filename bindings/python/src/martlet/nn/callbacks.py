"""Every callback under one name, as in Keras: from martlet.nn.callbacks import EarlyStopping.

They are made in modules beside; what a callback may hear of is _callback.py's business. Raising out of a callback ends
fit, and leaves the model as it is after its latest step.
"""

from martlet.nn import _missing
from martlet.nn._callback import Callback, LambdaCallback, Logs
from martlet.nn.backups import BackupAndRestore
from martlet.nn.history import History
from martlet.nn.loggers import CSVLogger, TensorBoard
from martlet.nn.monitors import (
    EarlyStopping,
    GradientNorm,
    LearningRateScheduler,
    ModelCheckpoint,
    Monitor,
    TerminateOnNaN,
)
from martlet.nn.plateaus import ReduceLROnPlateau

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "GradientNorm",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "Logs",
    "ModelCheckpoint",
    "Monitor",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]

__getattr__ = _missing.of("martlet.nn.callbacks", lambda: __all__)
