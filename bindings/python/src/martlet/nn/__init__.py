"""Small neural networks with Keras's names, trained in the library.

    model = Sequential([Dense(64, activation="relu", input_shape=(784,)), Dense(10)])
    model.compile(Adam(learning_rate=0.001), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=10, batch_size=32)
    loss, accuracy = model.evaluate(x_test, y_test)

Everything is float32. Needs numpy alone; History.plot needs matplotlib.
"""

from martlet.nn import callbacks, initializers, layers, losses, metrics, optimizers
from martlet.nn._files import load_model
from martlet.nn._formats import get_data_format, set_data_format
from martlet.nn._layer import Layer
from martlet.nn.callbacks import (
    Callback,
    EarlyStopping,
    GradientNorm,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    TerminateOnNaN,
)
from martlet.nn.history import History
from martlet.nn.images import (
    AveragePooling2D,
    AvgPool2D,
    Conv2D,
    GlobalAveragePooling2D,
    MaxPool2D,
    MaxPooling2D,
)
from martlet.nn.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Ones,
    RandomNormal,
    RandomUniform,
    Zeros,
)
from martlet.nn.layers import (
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
from martlet.nn.losses import (
    NLL,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)
from martlet.nn.metrics import TopK
from martlet.nn.normalizations import BatchNormalization, Normalization
from martlet.nn.optimizers import (
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lamb,
    Lion,
    Muon,
    Nadam,
    RMSprop,
)
from martlet.nn.plateaus import ReduceLROnPlateau
from martlet.nn.sequential import Sequential

__all__ = [
    "NLL",
    "SGD",
    "Activation",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "BinaryCrossentropy",
    "Callback",
    "CategoricalCrossentropy",
    "Constant",
    "Conv2D",
    "Dense",
    "Dropout",
    "EarlyStopping",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlorotNormal",
    "GlorotUniform",
    "GradientNorm",
    "HeNormal",
    "HeUniform",
    "History",
    "Huber",
    "Input",
    "Lamb",
    "LambdaCallback",
    "Layer",
    "LeakyReLU",
    "LearningRateScheduler",
    "LecunNormal",
    "LecunUniform",
    "Lion",
    "MaxPool2D",
    "MaxPooling2D",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "ModelCheckpoint",
    "Muon",
    "Nadam",
    "Normalization",
    "Ones",
    "Permute",
    "RMSprop",
    "RandomNormal",
    "RandomUniform",
    "ReLU",
    "ReduceLROnPlateau",
    "Reshape",
    "Sequential",
    "Softmax",
    "SparseCategoricalCrossentropy",
    "TerminateOnNaN",
    "TopK",
    "Zeros",
    "callbacks",
    "get_data_format",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "optimizers",
    "set_data_format",
]
