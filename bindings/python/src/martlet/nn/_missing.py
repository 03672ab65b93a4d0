"""Keras's names that are not here, and what to use instead: what an attribute of theirs says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_NO_RECURRENCE = "wanted LSTM, GRU or SimpleRNN, or a model of torch with martlet.torch's optimizers"
_NO_ATTENTION = "wanted MultiHeadAttention, or a model of torch with martlet.torch's optimizers"
_NO_VOLUMES = "there are no volumes here: wanted the layer of two dimensions, with depth among the channels"
_NO_SEQUENCES = "wanted it of images of one row, as Conv2DTranspose, UpSampling2D and ZeroPadding2D have it, by Reshape"
_NO_DEPTHWISE = (
    "wanted Conv1D(filters, kernel_size, groups=channels), and for the other half of a separable one Conv1D(n, 1)"
)
_NO_RANDOM = (
    "images are changed by RandomFlip, RandomCrop and RandomTranslation: wanted one of these, or to change them in "
    "what gives batches, which fit takes"
)
_NO_TEXT = "wanted TextVectorization, whose split=None takes words as they are, or Hashing, and numbers as an array"
_NO_CODE = "wanted a subclass of OwnLayer, which says in numpy what it gives, or a model of torch with martlet.torch"
_NO_PADDING = "wanted padding=(before, after) of the layer behind it"
_MOVED = "wanted the same by Reshape, Permute and Concatenate, or done to the array before"

_INSTEAD: dict[str, str] = {
    **dict.fromkeys(
        ("RNN", "LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells",
         "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "TimeDistributed"), _NO_RECURRENCE),
    **dict.fromkeys(
        ("Attention", "AdditiveAttention", "GroupQueryAttention", "Dot", "dot", "EinsumDense"),
        _NO_ATTENTION),
    **dict.fromkeys(
        ("Conv3D", "Convolution3D", "MaxPooling3D", "MaxPool3D", "AveragePooling3D", "AvgPool3D",
         "GlobalAveragePooling3D", "GlobalAvgPool3D", "GlobalMaxPooling3D", "GlobalMaxPool3D", "Cropping3D",
         "UpSampling3D", "ZeroPadding3D", "Conv3DTranspose", "Convolution3DTranspose", "SpatialDropout3D",
         "AdaptiveAveragePooling3D", "AdaptiveMaxPooling3D"), _NO_VOLUMES),
    **dict.fromkeys(
        ("Conv1DTranspose", "Convolution1DTranspose", "UpSampling1D"), _NO_SEQUENCES),
    **dict.fromkeys(
        ("DepthwiseConv1D", "SeparableConv1D", "SeparableConvolution1D"), _NO_DEPTHWISE),
    **dict.fromkeys(
        ("AugMix", "AutoContrast", "CenterCrop", "CutMix", "Equalization", "MaxNumBoundingBoxes", "MixUp",
         "ContrastLimitedAdaptiveHistogramEqualization", "Pipeline",
         "RandAugment", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter", "RandomContrast",
         "RandomElasticTransform", "RandomErasing", "RandomGaussianBlur", "RandomGrayscale",
         "RandomHeight",
         "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation", "RandomSaturation",
         "RandomSharpness", "RandomShear", "RandomWidth", "RandomZoom", "Resizing", "Solarization",
         "MelSpectrogram", "STFTSpectrogram"), _NO_RANDOM),
    **dict.fromkeys(
        ("StringLookup", "IntegerLookup", "HashedCrossing", "CategoryEncoding", "Discretization"), _NO_TEXT),
    **dict.fromkeys(
        ("TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper", "Wrapper", "Identity"), _NO_CODE),
    "ZeroPadding1D": _NO_PADDING,
    **dict.fromkeys(("Cropping2D", "RepeatVector"), _MOVED),
    "PReLU": "wanted LeakyReLU, or an activation that Dense lists",
    **dict.fromkeys(
        ("Average", "average", "Maximum", "maximum", "Minimum", "minimum", "Subtract", "subtract"),
        "wanted Add, Multiply or Concatenate, with a sign or factor in the kernels before"),
    **dict.fromkeys(
        ("GaussianDropout", "AlphaDropout", "SpatialDropout1D", "SpatialDropout2D",
         "ActivityRegularization"),
        "wanted Dropout or GaussianNoise, a kernel_regularizer, or an optimizer's weight_decay"),
    **dict.fromkeys(
        ("SpectralNormalization", "UnitNormalization"),
        "wanted BatchNormalization, LayerNormalization or GroupNormalization"),
    **dict.fromkeys(
        ("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D"),
        "wanted a pool whose pool_size and strides are the input's over the output's, or a global one"),
    **dict.fromkeys(("serialize", "deserialize"), "wanted a layer's get_config(), and its class's from_config(config)"),
    "InputSpec": "wanted Input(shape)",
    "SwapEMAWeights": "wanted an average by martlet.optim",
    "RemoteMonitor": "wanted LambdaCallback",
    "ProgbarLogger": "wanted fit's verbose",
    "CallbackList": "wanted a list of callbacks",
    "OrbaxCheckpoint": "wanted ModelCheckpoint",
    "Functional": "wanted Model(inputs, outputs)",
    "Variable": "wanted numpy arrays",
    **dict.fromkeys(("models", "saving"), "wanted martlet.nn's own Model, Sequential, load_model and clone_model"),
    **dict.fromkeys(("ops", "backend"), "wanted layers for nodes, and numpy for arrays"),
    "KerasTensor": "wanted Input(shape), or what a layer's call gives",
}  # fmt: skip


def of(module: str, known: Callable[[], list[str]]) -> Callable[[str], Any]:
    """A module's __getattr__, which says of a name of Keras's what to use instead."""

    def missing(name: str) -> Any:
        if name in _INSTEAD:
            raise AttributeError(f"{module} has no {name}: {_INSTEAD[name]}")
        near = [other for other in known() if other.lower() == name.lower()]
        hint = f"; wanted {near[0]}" if near else ""
        raise AttributeError(f"module {module!r} has no attribute {name!r}{hint}")

    return missing


def names() -> list[str]:
    """Those that are known and missing."""
    return [*_INSTEAD]
