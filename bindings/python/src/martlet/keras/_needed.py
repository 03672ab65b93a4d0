"""Sees that the Keras that martlet.keras needs is there, before anything of it is used."""

from __future__ import annotations

_HOW = "pip install 'keras>=3.15', or in a clone of Martlet pip install './bindings/python[keras]'"
try:
    import keras
except ImportError as error:
    raise ImportError(f"martlet.keras needs Keras, which cannot be imported: {_HOW}") from error
# Before, optimizers had other attributes, and Muon another rule.
if [int(part) for part in keras.__version__.split(".")[:2]] < [3, 15]:
    raise ImportError(f"martlet.keras needs Keras 3.15 or later, and {keras.__version__} is installed: {_HOW}")
