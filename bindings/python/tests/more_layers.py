"""Further layers over images, and penalties, in the words that Martlet and Keras share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from martlet import nn
from martlet.nn import regularizers


def penalty(library: Any, name: str, *factors: float) -> Any:
    return getattr(regularizers if library is nn else keras.regularizers, name)(*factors)


L1, L2, BOTH = ("L1", 0.03), ("L2", 0.02), ("L1L2", 0.01, 0.02)

LAYERS: dict[str, Callable[[Any], Any]] = {
    "DepthwiseConv2D": lambda library: library.DepthwiseConv2D(3, activation="relu"),
    "DepthwiseConv2D, same": lambda library: library.DepthwiseConv2D((2, 3), 2, "same", 2, use_bias=False),
    "DepthwiseConv2D, dilated": lambda library: library.DepthwiseConv2D(2, dilation_rate=2, depth_multiplier=3),
    "SeparableConv2D": lambda library: library.SeparableConv2D(5, 3, activation="tanh"),
    "SeparableConv2D, same": lambda library: library.SeparableConv2D(3, (2, 3), 2, "same", depth_multiplier=2),
    "SeparableConv2D, bare": lambda library: library.SeparableConv2D(3, 2, use_bias=False),
    "Conv2DTranspose": lambda library: library.Conv2DTranspose(5, 3, activation="relu"),
    "Conv2DTranspose, strides": lambda library: library.Conv2DTranspose(3, 2, strides=3),
    "Conv2DTranspose, same": lambda library: library.Conv2DTranspose(3, (4, 3), (2, 1), "same", use_bias=False),
    "Conv2DTranspose, more": lambda library: library.Conv2DTranspose(3, 3, 2, "same", output_padding=1),
    "Conv2DTranspose, more of all": lambda library: library.Conv2DTranspose(3, 3, 2, "valid", output_padding=1),
    "ZeroPadding2D": lambda library: library.ZeroPadding2D(),
    "ZeroPadding2D, four": lambda library: library.ZeroPadding2D(((1, 0), (2, 3))),
    "ZeroPadding2D, two": lambda library: library.ZeroPadding2D((0, 2)),
    "UpSampling2D": lambda library: library.UpSampling2D(),
    "UpSampling2D, two": lambda library: library.UpSampling2D((3, 1)),
    "Rescaling": lambda library: library.Rescaling(0.5, -1.0),
    "GroupNormalization": lambda library: library.GroupNormalization(2),
    "GroupNormalization, one each": lambda library: library.GroupNormalization(-1, epsilon=0.1, scale=False),
    "GroupNormalization, bare": lambda library: library.GroupNormalization(4, center=False, scale=False),
    "ELU": lambda library: library.ELU(),
    "Dense, L1": lambda library: library.Dense(3, kernel_regularizer=penalty(library, *L1)),
    "Dense, by name": lambda library: library.Dense(3, kernel_regularizer="l2"),
    "Conv2D, L2": lambda library: library.Conv2D(3, 2, kernel_regularizer=penalty(library, *L2)),
    "DepthwiseConv2D, both": lambda library: library.DepthwiseConv2D(2, depthwise_regularizer=penalty(library, *BOTH)),
    "SeparableConv2D, both": lambda library: library.SeparableConv2D(
        3, 2, depthwise_regularizer=penalty(library, *L1), pointwise_regularizer=penalty(library, *L2)
    ),
    "Conv2DTranspose, L2": lambda library: library.Conv2DTranspose(3, 2, kernel_regularizer=penalty(library, *L2)),
}
