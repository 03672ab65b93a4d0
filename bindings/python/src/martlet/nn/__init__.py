"""Small neural networks with Keras's names, trained in the library.

    model = Sequential([Dense(64, activation="relu", input_shape=(784,)), Dense(10)])
    model.compile(Adam(learning_rate=0.001), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=10, batch_size=32)
    loss, accuracy = model.evaluate(x_test, y_test)

Graphs of layers, with several inputs, are Model(inputs, outputs). Losses, metrics and layers of one's own are in numpy:
losses.OwnLoss, functions, and OwnLayer.

Everything is float32. Needs numpy alone; History.plot needs matplotlib.
"""

from martlet.nn import _missing, callbacks, initializers, layers, losses, metrics, optimizers, regularizers, utils
from martlet.nn._configs import clone_model
from martlet.nn._files import load_model
from martlet.nn._formats import get_data_format, set_data_format
from martlet.nn._layer import Layer
from martlet.nn.attention import MultiHeadAttention, PositionEmbedding
from martlet.nn.augmentations import (
    GaussianNoise,
    RandomCrop,
    RandomFlip,
    RandomTranslation,
    Rescaling,
    UpSampling2D,
    ZeroPadding2D,
)
from martlet.nn.bidirectional import Bidirectional
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
from martlet.nn.convolutions import (
    Conv2DTranspose,
    Convolution2DTranspose,
    DepthwiseConv2D,
    SeparableConv2D,
    SeparableConvolution2D,
)
from martlet.nn.group_normalizations import GroupNormalization
from martlet.nn.hashing import Hashing
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
    Orthogonal,
    RandomNormal,
    RandomUniform,
    VarianceScaling,
    Zeros,
)
from martlet.nn.inputs import Input, InputLayer
from martlet.nn.keras_copies import to_keras
from martlet.nn.keras_models import from_keras
from martlet.nn.layers import (
    ELU,
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
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    SparseCategoricalCrossentropy,
)
from martlet.nn.masking import Masking, SequenceMask
from martlet.nn.merging import Add, Concatenate, Multiply, add, concatenate, multiply
from martlet.nn.metrics import TopK
from martlet.nn.model import Model
from martlet.nn.modules import from_torch, to_torch
from martlet.nn.normalizations import BatchNormalization, LayerNormalization, Normalization, RMSNormalization
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
from martlet.nn.own_layers import Lambda, OwnLayer
from martlet.nn.recurrent import GRU, LSTM, SimpleRNN
from martlet.nn.sequences import (
    AveragePooling1D,
    AvgPool1D,
    Conv1D,
    Convolution1D,
    Cropping1D,
    Embedding,
    GlobalAveragePooling1D,
    GlobalAvgPool1D,
    GlobalMaxPool1D,
    GlobalMaxPooling1D,
    MaxPool1D,
    MaxPooling1D,
)
from martlet.nn.sequential import Sequential
from martlet.nn.text import TextVectorization
from martlet.nn.tied import ReversibleEmbedding, TiedDense
from martlet.nn.utils import pad_sequences, plot_model, set_random_seed, to_categorical

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
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
    "Bidirectional",
    "BinaryCrossentropy",
    "CSVLogger",
    "Callback",
    "CategoricalCrossentropy",
    "Concatenate",
    "Constant",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "Convolution1D",
    "Convolution2D",
    "Convolution2DTranspose",
    "CosineSimilarity",
    "Cropping1D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "Flatten",
    "GaussianNoise",
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
    "GroupNormalization",
    "Hashing",
    "HeNormal",
    "HeUniform",
    "Hinge",
    "History",
    "Huber",
    "Input",
    "InputLayer",
    "KLDivergence",
    "Lamb",
    "Lambda",
    "LambdaCallback",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "LearningRateScheduler",
    "LecunNormal",
    "LecunUniform",
    "Lion",
    "LogCosh",
    "Masking",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Model",
    "ModelCheckpoint",
    "MultiHeadAttention",
    "Multiply",
    "Muon",
    "Nadam",
    "Normalization",
    "Ones",
    "Orthogonal",
    "OwnLayer",
    "Permute",
    "Poisson",
    "PositionEmbedding",
    "RMSNormalization",
    "RMSprop",
    "RandomCrop",
    "RandomFlip",
    "RandomNormal",
    "RandomTranslation",
    "RandomUniform",
    "ReLU",
    "ReduceLROnPlateau",
    "Rescaling",
    "Reshape",
    "ReversibleEmbedding",
    "SeparableConv2D",
    "SeparableConvolution2D",
    "SequenceMask",
    "Sequential",
    "SimpleRNN",
    "Softmax",
    "SparseCategoricalCrossentropy",
    "TensorBoard",
    "TerminateOnNaN",
    "TextVectorization",
    "TiedDense",
    "TopK",
    "UpSampling2D",
    "VarianceScaling",
    "ZeroPadding2D",
    "Zeros",
    "add",
    "callbacks",
    "clone_model",
    "concatenate",
    "from_keras",
    "from_torch",
    "get_data_format",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "multiply",
    "optimizers",
    "pad_sequences",
    "plot_model",
    "regularizers",
    "set_data_format",
    "set_random_seed",
    "to_categorical",
    "to_keras",
    "to_torch",
    "utils",
]

__getattr__ = _missing.of("martlet.nn", lambda: __all__)
