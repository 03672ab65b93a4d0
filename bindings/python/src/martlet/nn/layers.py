"""Every layer under one name, as in Keras: from martlet.nn.layers import Conv2D. They are made in modules beside."""

from martlet.nn._core import (
    Activation,
    Dense,
    Dropout,
    Flatten,
    Input,
    LeakyReLU,
    Permute,
    ReLU,
    Reshape,
    Softmax,
)
from martlet.nn._layer import Layer
from martlet.nn.images import (
    AveragePooling2D,
    AvgPool2D,
    Conv2D,
    GlobalAveragePooling2D,
    MaxPool2D,
    MaxPooling2D,
)
from martlet.nn.normalizations import BatchNormalization, Normalization

__all__ = [
    "Activation",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "Input",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "MaxPooling2D",
    "Normalization",
    "Permute",
    "ReLU",
    "Reshape",
    "Softmax",
]
