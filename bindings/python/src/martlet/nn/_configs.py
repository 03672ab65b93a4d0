"""Layers and models as what JSON takes, and back: Keras's get_config and from_config. Weights are no part of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from martlet._errors import ArgumentError, DTypeError, MartletError
from martlet.nn import initializers, layers, regularizers
from martlet.nn._layer import Layer
from martlet.nn._network import Network
from martlet.nn.initializers import Initializer
from martlet.nn.inputs import Input, InputLayer
from martlet.nn.model import Model
from martlet.nn.node import Node
from martlet.nn.own_layers import OwnLayer
from martlet.nn.regularizers import Regularizer
from martlet.nn.sequential import Sequential

Config = dict[str, Any]


def of(entry: Any) -> Config:
    """A layer or a model: its class, and the arguments that make another one."""
    return {"class_name": type(entry).__name__, "config": entry.get_config()}


def plain(entry: Any) -> Config:
    """The same by the nearest class of martlet.nn, without what a class of one's own adds."""
    if isinstance(entry, OwnLayer):
        return of(entry)
    kind = class_of(entry)
    config = of_model(entry, plain) if isinstance(entry, Model) else of_layer(entry, kind)
    return {"class_name": kind.__name__, "config": config}


def class_of(entry: Any) -> type:
    """The nearest class of martlet.nn."""
    found: type = next(kind for kind in type(entry).__mro__ if _CLASSES.get(kind.__name__) is kind)
    return found


def of_layer(layer: Layer, kind: type | None = None) -> Config:
    """A layer's arguments, by their names, as its class or another one takes them."""
    config: Config = {}
    for name in inspect.signature(kind or type(layer)).parameters:
        if hasattr(layer, name) and (getattr(layer, name) is not None or name == "axis"):
            config[name] = _plain(getattr(layer, name))
    return config | layer._further_config()


def _plain(value: Any) -> Any:
    if isinstance(value, Initializer):
        return initializers.serialize(value)
    if isinstance(value, Regularizer):
        return regularizers.serialize(value)
    if isinstance(value, Layer):
        return plain(value)
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value


def of_model(model: Model, describe: Callable[[Any], Config] = of) -> Config:
    """A model's layers, and what each reads."""
    if isinstance(model, Sequential):
        is_own = model._built is not None and not model._taken
        shape = model._laid().input_shape if is_own else model._input_shape
        return {
            "name": model.name,
            "seed": model.seed,
            "input_shape": None if shape is None else [*shape],
            "layers": [describe(layer) for layer in model.layers],
        }
    places = {one: place for place, one in enumerate(model._nodes)}
    entries = {id(entry): place for place, entry in enumerate(model._layers)}
    return {
        "name": model.name,
        "seed": model.seed,
        "layers": [describe(entry) for entry in model._layers],
        "inputs": [entries[id(one.entry)] for one in model._inputs],
        "nodes": [
            [entries[id(one.entry)], [places[before] for before in one.inputs], *([one.part] if one.part else [])]
            for one in model._nodes[len(model._inputs) :]
        ],
        "outputs": [places[one] for one in model._outputs],
        "output_names": [*model._named_outputs],
    }


def entry_of(config: Any, custom: Mapping[str, type] | None = None) -> Any:
    """What `of` described."""
    try:
        name, arguments = config["class_name"], config["config"]
    except (LookupError, TypeError):
        raise DTypeError(f"a layer's config is {config!r}; wanted a dict with class_name and config") from None
    kind: Any = (custom or {}).get(name) or _CLASSES.get(name)
    if kind is None:
        raise ArgumentError(f"class_name is {name!r}, which is no layer here; wanted one of custom_objects, or a layer "
                            "of martlet.nn")  # fmt: skip
    if issubclass(kind, Network):
        return kind.from_config(arguments, custom)
    return kind.from_config(arguments)


def layer_of(kind: type[Layer], config: Any) -> Layer:
    """A layer of its arguments."""
    if not isinstance(config, Mapping):
        raise DTypeError(f"config is {config!r}; wanted what get_config gave, a dict")
    given = dict(config)
    known = inspect.signature(kind).parameters
    others = {name: given.pop(name) for name in _LATER if name not in known and name in given}
    for name, value in given.items():
        if isinstance(value, Mapping) and value.get("class_name") in [*_CLASSES]:
            given[name] = entry_of(value)
        elif isinstance(value, Mapping):
            kind_of = regularizers if regularizers.is_one(value) else initializers
            given[name] = kind_of.deserialize(value, name)
    layer = kind(**given)
    for name, value in others.items():
        if not hasattr(layer, name):
            raise ArgumentError(f"config has {name}, which {kind.__name__} has not; wanted what get_config gave")
        setattr(layer, name, value)
    return layer


# What a layer has beside its arguments.
_LATER = ("data_format", "use_causal_mask", "batch_size")


def model_of(kind: type[Model], config: Any, custom: Mapping[str, type] | None = None) -> Model:
    """A model of what of_model described."""
    if not isinstance(config, Mapping):
        raise DTypeError(f"config is {config!r}; wanted what get_config gave, a dict")
    try:
        entries = [entry_of(one, custom) for one in config["layers"]]
        if "nodes" not in config:
            shape = config.get("input_shape")
            first = [] if shape is None else [Input(tuple(shape))]
            return Sequential([*first, *entries], name=config["name"], seed=config["seed"])
        inputs = [_input_of(entries[place]) for place in config["inputs"]]
        nodes: list[Node] = [*inputs]
        for place, reads, *part in config["nodes"]:
            entry, made = entries[place], len(nodes)
            for read in reads:
                if not 0 <= read < made:
                    raise ArgumentError(f"layer {entry.name!r} reads node {read}, which is not made before it; wanted "
                                        f"one of 0 to {made - 1}")  # fmt: skip
            found = [nodes[read] for read in reads]
            nodes.append(entry._part(found[0], *part) if part else entry._called_with(found))
        outputs: Any = [nodes[place] for place in config.get("outputs", [-1])]
        if config.get("output_names"):
            outputs = dict(zip(config["output_names"], outputs, strict=True))
        return kind(inputs, outputs, name=config["name"], seed=config["seed"])
    except MartletError:
        raise
    except (LookupError, TypeError, ValueError) as error:
        raise DTypeError(f"the config is none of a model: {error!r}") from None


def _input_of(entry: Any) -> Node:
    if not isinstance(entry, InputLayer):
        raise DTypeError(f"an input of the config is {entry!r}; wanted an InputLayer")
    return Input(entry.shape, entry.batch_size, entry.dtype, name=entry.name)


def clone_model(model: Model) -> Model:
    """Another model of the same layers, with initial weights of its own seed, which is the same."""
    if not isinstance(model, Model):
        raise DTypeError(f"model is {model!r}; wanted a Model or a Sequential")
    return model_of(Model, of_model(model), {type(one).__name__: type(one) for one in model._leaves()
                                             if isinstance(one, OwnLayer)})  # fmt: skip


_CLASSES: dict[str, Any] = {
    name: kind for name, kind in vars(layers).items() if isinstance(kind, type) and issubclass(kind, Layer)
} | {"Model": Model, "Functional": Model, "Sequential": Sequential}  # fmt: skip
