"""Keras's model of the same layers and weights, and what it predicts in float64."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras

from exported import NDArray, fill
from exported_cases import CASES, Case
from martlet import nn
from sequence_cases import SEQUENCES


def twin(name: str) -> Any:
    """Keras's model of a case with the weights that fill() gives ours."""
    case = CASES[name]
    ours, model = case.build(nn, nn.Model), case.build(keras.layers, keras.Model)
    fill(ours)
    model.set_weights(ours.get_weights())
    return model


@cache
def in_float64(name: str) -> list[NDArray]:
    """What twin() gives in float64."""
    case: Case = (CASES | SEQUENCES)[name]
    ours = case.build(nn, nn.Model)
    fill(ours)
    with jax.enable_x64(True):
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        try:
            model: Any = case.build(keras.layers, keras.Model)
            model.set_weights([weight.astype(np.float64) for weight in ours.get_weights()])
            found = model(case.x, training=False)
            return [np.asarray(one, np.float64) for one in (found if isinstance(found, list | tuple) else [found])]
        finally:
            keras.config.set_floatx("float32")
            keras.config.set_dtype_policy("float32")
