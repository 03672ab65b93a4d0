"""Models of Keras's, alive or in .keras files, as models here. keras_copies.py has the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from martlet._errors import FormatError, MartletError, UnsupportedError
from martlet.nn import _keras_calls, _keras_files, _keras_layers
from martlet.nn._keras_files import Arrays, Entry
from martlet.nn._keras_masks import READERS, Masks, given, tensor_at
from martlet.nn._states import WithStates
from martlet.nn.attention import MultiHeadAttention
from martlet.nn.inputs import DTYPES, Input, InputLayer
from martlet.nn.model import Model
from martlet.nn.node import Node
from martlet.nn.normalizations import Normalization
from martlet.nn.sequential import Sequential

# What Keras's Normalization divides by at least.
_LEAST = 1e-7


def from_keras(source: Any) -> Model:
    """A model of Keras's as one here: the same layers under the same names, with its weights.

    source   a Sequential or functional model of Keras's, or the name of a .keras file, which is read by its config,
             without Keras, and of which nothing is run; that needs h5py: pip install h5py

    Models in models, shared layers, several inputs and outputs, masks of Embedding and Masking, and of an Input that
    layers are called with, which become a Masking before these, states that layers give and begin with, and what is not
    trained come along; losses and the optimizer's state do not: compile the model here.
    Predictions are Keras's but for rounding, and for what attention and Multiply give at steps that a mask hides:
    layers that read these too are refused.

    Raises DTypeError for what is neither, FileError and FormatError for a file that cannot be read or is none, or has
    other weights than its config says, which takes no memory for these,
    UnsupportedError, which names the layer and what of it, for all that is not served here, as other types than
    float32, and ImportError without h5py.
    """
    entry, arrays = _keras_files.of(source)
    try:
        model = _model(entry)
        model._laid()
        _compare(model, arrays)
        _give(model, arrays)
    except MartletError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FormatError(f"{source!r} has a config that is none of Keras 3's models: {error!r}") from None
    return model


def _model(entry: Entry) -> Model:
    if not str(entry.get("module")).startswith("keras") or not _keras_files.is_model(entry):
        name = entry.get("registered_name") or entry.get("class_name")
        raise UnsupportedError(f"the model is a {name}, whose class is no part of it; wanted a Sequential, or "
                               "Model(inputs, outputs)")  # fmt: skip
    config = entry["config"]
    if "input_layers" not in config:
        return _sequential(config)
    nodes: dict[tuple[Any, ...], Node] = {}
    made: dict[str, Any] = {}
    masks = Masks()
    waiting = [(one, index) for one in config["layers"] for index in range(max(len(one["inbound_nodes"]), 1))]
    while waiting:
        left = [(one, index) for one, index in waiting if not _laid(one, index, made, nodes, masks)]
        if len(left) == len(waiting):
            raise FormatError(f"{_keras_layers.described(left[0][0])}, reads what no layer gives")
        waiting = left
    inputs = [nodes[place] for place in _places(config["input_layers"])]
    ends = config["output_layers"]
    for place in _places(ends):
        masks.refuse(place, "the model gives")
    if isinstance(ends, dict):
        return Model(
            inputs, {name: nodes[place] for name, one in ends.items() for place in _places(one)}, name=config["name"]
        )
    outputs = [nodes[place] for place in _places(ends)]
    return Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=config["name"])


def _sequential(config: Entry) -> Sequential:
    entries = [*config["layers"]]
    model = Sequential(name=config["name"])
    if entries and entries[0]["class_name"] == "InputLayer":
        model.add(_input(entries.pop(0)))
    elif config.get("build_input_shape"):
        batch, *sizes = config["build_input_shape"]
        model.add(Input(tuple(sizes), batch))
    for entry in entries:
        model.add(_entry(entry))
    return model


def _entry(entry: Entry) -> Any:
    return _model(entry) if _keras_files.is_model(entry) else _keras_layers.made(entry)


def _input(entry: Entry) -> Input:
    config = entry["config"]
    if config["dtype"] not in DTYPES:
        raise UnsupportedError(f"{_keras_layers.described(entry)}, holds {config['dtype']}; wanted one of "
                               f"{', '.join(DTYPES)}")  # fmt: skip
    batch, *sizes = config.get("batch_shape") or config["batch_input_shape"]
    return Input(tuple(sizes), batch, config["dtype"], name=config["name"])


def _laid(entry: Entry, index: int, made: dict[str, Any], nodes: dict[tuple[Any, ...], Node], masks: Masks) -> bool:
    """Lays one call of a layer down, where what it reads is there; returns whether it was."""
    name = entry["name"]
    if entry["class_name"] == "InputLayer":
        nodes[name, 0] = _input(entry)
        return True
    call = entry["inbound_nodes"][index]
    if masks.compute(entry, (name, index), given(call["args"]), nodes):
        return True
    attends = entry["class_name"] == "MultiHeadAttention"
    arguments, is_causal = _keras_calls.attending(entry, call) if attends else (call["args"], False)
    _keras_calls.check(entry, call)
    said = {place: tensor_at(one["config"]["keras_history"]) for place, one in _keras_calls.masks(entry, call).items()}
    arguments = [*arguments, *_keras_calls.states(entry, call)]
    reads = [*_tensors(entry, arguments, nodes)]
    for read in reads:
        masks.refuse(read, f"{_keras_layers.described(entry)}, reads")
    if any(read not in nodes for read in reads) or (index and (name, index - 1) not in nodes):
        return False
    if not all(masks.has(mask) or mask in nodes for mask in said.values()):
        return False
    if name not in made:
        made[name] = _entry(entry)
    found = [nodes[read] for read in reads]
    are_taken = _hide(found, said, made[name], nodes, masks)
    if attends:
        whole = made[name](*found, use_causal_mask=is_causal)
    elif _keras_calls.is_reverse(entry, call):
        whole = _keras_calls.reversed_by(entry, made[name], found[0])
    else:
        whole = made[name](found if len(found) > 1 else found[0])
    for number, one in enumerate(whole if isinstance(whole, list) else [whole]):
        nodes[tensor_at((name, index, number))] = one
    if not are_taken:
        raise UnsupportedError(f"{_keras_layers.described(entry)}, is called with a mask; taken is that of an "
                               "Embedding or a Masking before it, or of a sequence without one an Input of bool, or "
                               "whether one of whole numbers is not equal to a number, by recurrent layers, "
                               "Bidirectional, GlobalAveragePooling1D and attention's value and key")  # fmt: skip
    if not attends and found[0] is not nodes[reads[0]] and nodes[name, index].mask is not None:
        raise UnsupportedError(f"{_keras_layers.described(entry)}, is called with a mask and gives all steps, of which "
                               "Keras forgets which are seen; wanted a Masking before it, or an Embedding's "
                               "mask_zero")  # fmt: skip
    _check_kept(entry, made[name], found, bool(said), masks)
    masks.add(nodes[name, index])
    return True


def _hide(
    found: list[Node], said: Mapping[int, tuple[Any, ...]], layer: Any, nodes: dict[tuple[Any, ...], Node], masks: Masks
) -> bool:
    """Hides the steps of nodes that a layer is called with masks of, by their places; returns whether it takes all of
    these here."""
    takes = isinstance(layer, (*READERS, MultiHeadAttention))
    hidden = {
        place: found[place] if masks.is_of(mask, found[place]) else masks.hidden(found[place], mask, nodes)
        for place, mask in said.items() if takes
    }  # fmt: skip
    for place, node in hidden.items():
        found[place] = found[place] if node is None else node
    return len(hidden) == len(said) and None not in hidden.values()


def _check_kept(entry: Entry, layer: Any, found: Sequence[Node], is_said: bool, masks: Masks) -> None:
    """Raises UnsupportedError where Keras's layer drops a mask of what it reads and one here does not. is_said: whether
    it is called with one."""
    if len(found) > 1 and isinstance(layer, WithStates) and masks.is_masked(found[0]) and not is_said:
        raise UnsupportedError(f"{_keras_layers.described(entry)}, is called with initial_state and without mask, and "
                               "so forgets the mask of what it reads, which it keeps here; wanted mask=, or a sequence "
                               "without one")  # fmt: skip
    if _keras_layers.is_operation(entry) and any(masks.is_masked(read) for read in found):
        raise UnsupportedError(f"{_keras_layers.described(entry)}, drops a mask, which keras.layers.Add, Multiply and "
                               "the like hand on as layers here do")  # fmt: skip


def _tensors(entry: Entry, argument: Any, nodes: Mapping[tuple[Any, ...], Node]) -> Iterator[tuple[Any, ...]]:
    if isinstance(argument, list):
        for one in argument:
            yield from _tensors(entry, one, nodes)
    elif isinstance(argument, dict) and argument.get("class_name") == "__keras_tensor__":
        found = tensor_at(argument["config"]["keras_history"])
        if found[:2] in nodes and found not in nodes:
            raise UnsupportedError(f"{_keras_layers.described(entry)}, reads output {found[2]} of {found[0]!r}; wanted "
                                   "models of one output inside of others")  # fmt: skip
        yield found
    else:
        raise UnsupportedError(f"{_keras_layers.described(entry)}, reads {argument!r}; wanted what layers give alone")


def _places(ends: Any) -> Iterator[tuple[Any, ...]]:
    """Where a config says that inputs or outputs are."""
    if isinstance(ends, list) and len(ends) == 3 and isinstance(ends[0], str):
        yield tensor_at(ends)
    else:
        for one in ends.values() if isinstance(ends, dict) else ends:
            yield from _places(one)


def _compare(model: Model, arrays: Arrays, names: tuple[str, ...] = ()) -> None:
    """Refuses a file of other weights than its layers have, before these are made: a few words may say that a layer is
    huge."""
    for entry in model.layers:
        here = (*names, str(entry.name))
        if isinstance(entry, Model):
            _compare(entry, arrays, here)
        elif not isinstance(entry, InputLayer):
            wanted = entry.count_params()
            found = sum(array.size for array in arrays(here)) if wanted else 0
            statistics = isinstance(entry, Normalization)  # a count is there too, or none at all where they are given
            if wanted != found and not (statistics and found in (0, 3, wanted + 1)):
                raise FormatError(f"Keras's layer {'/'.join(here)!r} has {found} weights; wanted {wanted}, as its "
                                  "config says")  # fmt: skip


def _give(model: Model, arrays: Arrays, names: tuple[str, ...] = ()) -> None:
    """Gives each layer Keras's arrays."""
    for entry in model.layers:
        here = (*names, str(entry.name))
        if isinstance(entry, Model):
            _give(entry, arrays, here)
        elif entry.get_weights():
            found = arrays(here)
            if isinstance(entry, Normalization):
                found = _statistics(entry, found)
            try:
                entry.set_weights(found)
            except MartletError as error:
                raise type(error)(f"Keras's layer {'/'.join(here)!r}: {error}") from None


def _statistics(layer: Normalization, arrays: Sequence[Any]) -> list[Any]:
    """A mean and a factor for each channel, where Keras has mean, variance and a count, or has them in its config."""
    if not arrays:
        return layer.get_weights()
    factor = 1 / np.maximum(np.sqrt(arrays[1], dtype=np.float64), _LEAST)
    return [np.broadcast_to(one, layer.get_weights()[0].shape).astype(np.float32) for one in (arrays[0], factor)]
