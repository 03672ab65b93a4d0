"""Every layer under one name, as in Keras: from martlet.nn.layers import Conv2D. They are made in modules beside."""

from martlet.nn import _missing
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
from martlet.nn.basic import (
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
from martlet.nn.bidirectional import Bidirectional
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
from martlet.nn.inputs import Input, InputLayer
from martlet.nn.masking import Masking, SequenceMask
from martlet.nn.merging import Add, Concatenate, Multiply, add, concatenate, multiply
from martlet.nn.normalizations import BatchNormalization, LayerNormalization, Normalization, RMSNormalization
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
from martlet.nn.text import TextVectorization
from martlet.nn.tied import ReversibleEmbedding, TiedDense

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "Activation",
    "Add",
    "AveragePooling1D",
    "AveragePooling2D",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "Convolution1D",
    "Convolution2D",
    "Convolution2DTranspose",
    "Cropping1D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
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
    "GroupNormalization",
    "Hashing",
    "Input",
    "InputLayer",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "OwnLayer",
    "Permute",
    "PositionEmbedding",
    "RMSNormalization",
    "RandomCrop",
    "RandomFlip",
    "RandomTranslation",
    "ReLU",
    "Rescaling",
    "Reshape",
    "ReversibleEmbedding",
    "SeparableConv2D",
    "SeparableConvolution2D",
    "SequenceMask",
    "SimpleRNN",
    "Softmax",
    "TextVectorization",
    "TiedDense",
    "UpSampling2D",
    "ZeroPadding2D",
    "add",
    "concatenate",
    "multiply",
]

__getattr__ = _missing.of("martlet.nn.layers", lambda: __all__)
