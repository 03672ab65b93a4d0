"""Layers between Keras and here, by what their configs say: names, arguments and meanings are mostly the same."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from martlet._errors import MartletError, UnsupportedError
from martlet.nn import _configs, initializers, layers, regularizers
from martlet.nn._keras_files import Entry
from martlet.nn._layer import Layer

# Of Keras's arguments: what they must be, where no class here has them. What is drawn, and what weights start as, is
# not looked at: they come with the model.
_PLAIN: dict[str, Any] = {
    "synchronized": False, "renorm": False, "renorm_clipping": None, "quantization_config": None, "noise_shape": None,
    "rms_scaling": False, "invert": False, "lora_rank": None, "lora_alpha": None, "data_format": "channels_last",
    "sparse": False, "ragged": False, "optional": False, "input_length": None, "dynamic": False, "fill_value": 0.0,
    "bias_regularizer": None, "activity_regularizer": None, "kernel_constraint": None, "bias_constraint": None,
    "depthwise_constraint": None, "pointwise_constraint": None, "embeddings_constraint": None, "beta_regularizer": None,
    "gamma_regularizer": None, "beta_constraint": None, "gamma_constraint": None, "recurrent_regularizer": None,
    "recurrent_constraint": None, "kernel_regularizer": None, "attention_axes": [1], "use_gate": False,
    "sliding_window": None, "output_shape": None, "flash_attention": None,
    "reverse_dtype": None, "logit_soft_cap": None,
}  # fmt: skip
_PASSED_OVER = {
    "name", "trainable", "dtype", "seed", "renorm_momentum", "beta_initializer", "gamma_initializer",
    "moving_mean_initializer", "moving_variance_initializer", "zero_output_for_mask",
}  # fmt: skip
# What configs have here, and no layer of Keras's is made with.
_HERE_ALONE = {"input_shape", "trainable", "name", "use_causal_mask", "batch_size"}
# Of layers that are called as Keras's, and predict something else.
_OTHERWISE = {
    "RandomCrop": "it makes whole images smaller when it predicts, and takes their middle here",
    "PositionEmbedding": "KerasHub has it, and Keras has not",
    **dict.fromkeys(("Lambda", "OwnLayer"), "a function of one's own computes it, in arrays of another kind"),
}


def described(entry: Entry) -> str:
    """What messages call a layer of Keras's."""
    return f"Keras's layer {entry['config'].get('name')!r}, a {entry['class_name']}"


def is_operation(entry: Entry) -> bool:
    """Whether it is one of Keras's operations, and no layer."""
    module = str(entry.get("module"))
    return module.startswith("keras.") and ".ops." in module


def made(entry: Entry) -> Layer:
    """The layer that an entry of a config describes. Raises UnsupportedError, which names layer and setting."""
    name, config = entry["class_name"], entry["config"]
    kind = _class_of(entry)
    known = inspect.signature(kind).parameters
    given: dict[str, Any] = {}
    _check_type(entry)
    for key, value in config.items():
        if (key in known and key not in ("dtype", "seed")) or key in getattr(kind, "_only", ()):
            given[key] = _value(entry, key, value)
        elif key not in _PASSED_OVER and (key not in _PLAIN or value != _PLAIN[key]):
            raise UnsupportedError(f"{described(entry)}, has {key} {value!r}, which is not served here")
    if name == "Normalization" and config.get("mean") is None:
        given = {key: given[key] for key in ("name", "axis")}
    try:
        return kind(**given)
    except (MartletError, TypeError, ValueError) as error:
        raise UnsupportedError(f"{described(entry)}: {error}") from None


def _class_of(entry: Entry) -> type[Layer]:
    name, module = entry["class_name"], str(entry.get("module"))
    if is_operation(entry) and name in ("Add", "Multiply"):
        return layers.Add if name == "Add" else layers.Multiply
    kind: Any = None
    hint = _OTHERWISE.get(name, "its class is its own")
    if module.startswith("keras.layers") and name not in _OTHERWISE:
        try:
            kind = getattr(layers, name)
        except AttributeError as error:  # which says what to use instead
            hint = str(error)
    if not isinstance(kind, type) or not issubclass(kind, Layer):
        raise UnsupportedError(f"{described(entry)}, is not served here: {hint}")
    return kind


def _check_type(entry: Entry) -> None:
    dtype = entry["config"].get("dtype")
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name")
    if dtype not in (None, "float32"):
        raise UnsupportedError(f"{described(entry)}, computes in {dtype!r}; wanted float32")


def _value(entry: Entry, key: str, value: Any) -> Any:
    if isinstance(value, list):
        if key == "axis" and len(value) < 2:
            return value[0] if value else None
        return tuple(_value(entry, key, one) for one in value)
    if not isinstance(value, Mapping):
        return value
    if entry["class_name"] == "Bidirectional" and key in ("layer", "backward_layer"):
        return made({**value})
    config = value.get("config")
    inner = {"class_name": value.get("class_name"), "config": config}
    try:
        if regularizers.is_one(inner):
            return regularizers.deserialize(inner, key)
        if key.endswith("_initializer") and isinstance(config, Mapping):
            kept = {name: one for name, one in config.items() if name not in ("seed", "input_axes", "output_axes")}
            return initializers.deserialize({**inner, "config": kept}, key)
    except MartletError as error:
        raise UnsupportedError(f"{described(entry)}: {error}") from None
    raise UnsupportedError(f"{described(entry)}, has {key} {value.get('class_name')!r}, which is not served here")


def check_tied(layer: layers.TiedDense) -> None:
    """Raises UnsupportedError for what Keras's ReversibleEmbedding does not do in reverse."""
    if layer.use_bias or layer.activation != "linear":
        raise UnsupportedError(f"{layer!r} has a bias or an activation, and Keras's ReversibleEmbedding has none; "
                               "wanted use_bias=False, and an Activation behind it")  # fmt: skip


def theirs(layer: Layer, keras: Any, name: str | None = None) -> Any:
    """Keras's layer of the same arguments, of a class of this name; None: as it is called here. Raises
    UnsupportedError, which names layer and setting."""
    kind = _configs.class_of(layer)
    name = kind.__name__ if name is None else name
    if name in _OTHERWISE:
        raise UnsupportedError(f"{layer!r} has no like in Keras: {_OTHERWISE[name]}")
    other = getattr(keras.layers, name, None)
    if other is None:
        raise UnsupportedError(f"{layer!r} has no like in this Keras: it has no {name}")
    known = inspect.signature(other.__init__).parameters
    defaults = {key: one.default for key, one in inspect.signature(kind).parameters.items()}
    given: dict[str, Any] = {"name": layer.name, "trainable": layer.trainable}
    if isinstance(layer, layers.Bidirectional):
        return _both(layer, keras)
    for key, value in (_statistics(layer) if name == "Normalization" else _configs.of_layer(layer, kind)).items():
        if key == "padding" and not isinstance(value, str) and name != "ZeroPadding2D":
            raise UnsupportedError(f"{layer!r} has padding {value!r}, which Keras has not; wanted \"valid\" or "
                                   "\"same\", with a ZeroPadding2D before it")  # fmt: skip
        if key == "data_format" and "axis" in known:
            # -1 is the axis of the channels here.
            if value == "channels_first" and given.get("axis") == -1 and len(layer.output_shape) == 4:
                given["axis"] = 1
        elif key in known or (key == "data_format" and "kwargs" in known):
            given[key] = value
        elif key not in _HERE_ALONE and value != defaults.get(key):
            raise UnsupportedError(f"{layer!r} has {key} {value!r}, which Keras has not")
    if name == "Flatten":
        given["data_format"] = "channels_last"  # as it lies
    try:
        return other(**given)
    except (TypeError, ValueError) as error:
        raise UnsupportedError(f"{layer!r} has no like in this Keras: {error}") from None


def _both(layer: layers.Bidirectional, keras: Any) -> Any:
    """Keras's Bidirectional, which calls its first layer by that one's name with more before it."""
    first = theirs(layer.layer, keras)
    config = first.get_config()
    first = type(first).from_config({**config, "name": str(config["name"]).removeprefix("forward_")})
    second = None if layer.backward_layer is None else theirs(layer.backward_layer, keras)
    return keras.layers.Bidirectional(
        first, layer.merge_mode, backward_layer=second, name=layer.name, trainable=layer.trainable
    )


def _statistics(layer: Any) -> dict[str, Any]:
    """The arguments of Keras's Normalization, which divides by a deviation."""
    mean, factor = layer.get_weights()
    with np.errstate(all="ignore"):
        variance = (factor.astype(np.float64) ** -2).astype(np.float32)
    if not (np.isfinite(variance) & (variance > 1e-14) & (factor > 0)).all():
        raise UnsupportedError(
            f"{layer!r} has factors that are no deviations of Keras's, over 1e-7 and finite in float32"
        )
    axis = (
        1 if layer.data_format == "channels_first" and len(layer.output_shape) == 4 and layer.axis == -1 else layer.axis
    )
    if layer.axis is None:
        mean, variance = mean[0], variance[0]
    return {"axis": axis, "mean": mean.tolist(), "variance": variance.tolist()}
