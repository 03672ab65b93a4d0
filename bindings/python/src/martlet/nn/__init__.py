"""Small neural networks with Keras's names, trained in the library.

    model = Sequential([Dense(64, activation="relu", input_shape=(784,)), Dense(10)])
    model.compile(Adam(learning_rate=0.001), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=10, batch_size=32)
    loss, accuracy = model.evaluate(x_test, y_test)

Graphs of layers, with several inputs, are Model(inputs, outputs).

Everything is float32. Needs numpy alone; History.plot needs matplotlib.
"""

from martlet.nn import _missing, callbacks, initializers, layers, losses, metrics, optimizers, utils
from martlet.nn._configs import clone_model
from martlet.nn._files import load_model
from martlet.nn._formats import get_data_format, set_data_format
from martlet.nn._layer import Layer
from martlet.nn.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    GradientNorm,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TensorBoard,
    TerminateOnNaN,
)
from martlet.nn.images import (
    AveragePooling2D,
    AvgPool2D,
    Conv2D,
    Convolution2D,
    GlobalAveragePooling2D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    GlobalMaxPooling2D,
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
from martlet.nn.inputs import Input, InputLayer
from martlet.nn.layers import (
    Activation,
    Dense,
    Dropout,
    Flatten,
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
from martlet.nn.merging import Add, Concatenate, Multiply, add, concatenate, multiply
from martlet.nn.metrics import TopK
from martlet.nn.model import Model
from martlet.nn.normalizations import BatchNormalization, LayerNormalization, Normalization
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
from martlet.nn.sequences import (
    AveragePooling1D,
    AvgPool1D,
    Conv1D,
    Convolution1D,
    Embedding,
    GlobalAveragePooling1D,
    GlobalAvgPool1D,
    GlobalMaxPool1D,
    GlobalMaxPooling1D,
    MaxPool1D,
    MaxPooling1D,
)
from martlet.nn.sequential import Sequential
from martlet.nn.utils import plot_model, set_random_seed, to_categorical

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
    "Add",
    "AveragePooling1D",
    "AveragePooling2D",
    "AvgPool1D",
    "AvgPool2D",
    "BackupAndRestore",
    "BatchNormalization",
    "BinaryCrossentropy",
    "CSVLogger",
    "Callback",
    "CategoricalCrossentropy",
    "Concatenate",
    "Constant",
    "Conv1D",
    "Conv2D",
    "Convolution1D",
    "Convolution2D",
    "Dense",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlorotNormal",
    "GlorotUniform",
    "GradientNorm",
    "HeNormal",
    "HeUniform",
    "History",
    "Huber",
    "Input",
    "InputLayer",
    "Lamb",
    "LambdaCallback",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "LearningRateScheduler",
    "LecunNormal",
    "LecunUniform",
    "Lion",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Model",
    "ModelCheckpoint",
    "Multiply",
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
    "TensorBoard",
    "TerminateOnNaN",
    "TopK",
    "Zeros",
    "add",
    "callbacks",
    "clone_model",
    "concatenate",
    "get_data_format",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "multiply",
    "optimizers",
    "plot_model",
    "set_data_format",
    "set_random_seed",
    "to_categorical",
    "utils",
]

__getattr__ = _missing.of("martlet.nn", lambda: __all__)
