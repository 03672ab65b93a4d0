"""Keras's optimizers on JAX, TensorFlow and numpy: Keras's own rule, which says so once.

A train step is compiled there, and a call out of it into the library costs more than the step itself does in it.
"""

from __future__ import annotations

from typing import Any

import keras

from martlet.keras._options import Options

_BACKEND = keras.config.backend()


class Optimizer(Options):
    """Keras's rule, and its numbers to the bit."""

    def __init_subclass__(cls, groups: Any = None, **options: Any) -> None:
        super().__init_subclass__(**options)

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._martlet_say(f"the backend is {_BACKEND}, and Martlet steps on torch's")
