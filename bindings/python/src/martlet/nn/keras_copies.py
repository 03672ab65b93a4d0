"""Models here as models of Keras's."""

from __future__ import annotations

from typing import Any

from martlet import _forks
from martlet._errors import DTypeError, UnsupportedError
from martlet.nn import _keras_layers
from martlet.nn._keras_masks import Masks
from martlet.nn._states import WithStates
from martlet.nn.attention import MultiHeadAttention
from martlet.nn.inputs import InputLayer
from martlet.nn.merging import Concatenate
from martlet.nn.model import Model
from martlet.nn.node import Node
from martlet.nn.normalizations import Normalization
from martlet.nn.sequences import Embedding
from martlet.nn.sequential import Sequential
from martlet.nn.tied import TiedDense


def to_keras(model: Model, path: Any = None) -> Any:
    """A model of Keras's of the same layers, names and weights, which is returned, and saved where a path is given.

    path   the name of a file, which Keras wants to end in .keras; None: none

    Needs Keras 3 with one of its backends: ImportError without. Losses and the optimizer's state do not come along.
    Raises DTypeError for what is no model, UnsupportedError, which names the layer and what of it, for what Keras has
    not or computes otherwise, as from_keras says of masks, and what Keras does for a path that it cannot take. The
    model stays as it is.
    """
    if not isinstance(model, Model):
        raise DTypeError(f"model is {model!r}; wanted a Model or a Sequential")
    with _forks.held_off:
        try:
            import keras
        except ImportError as error:
            raise ImportError(
                "to_keras needs Keras: pip install keras, and one of its backends, such as torch"
            ) from error
    with model._owner.reading():
        keeps = any(isinstance(layer, WithStates) and layer.stateful for layer in model._leaves())
        found = _theirs(model, keras, model._batch() if keeps else None)
        _give_theirs(model, found)
    if path is not None:
        found.save(path)
    return found


def _theirs(model: Any, keras: Any, batch: int | None) -> Any:
    """A layer or a model of Keras's, with initial weights. batch: the samples of a batch, where states are kept."""
    if not isinstance(model, Model):
        return _keras_layers.theirs(model, keras)
    if isinstance(model, Sequential):
        entries = [_theirs(entry, keras, batch) for entry in model.layers]
        return keras.Sequential([keras.Input(model.input_shape[1:], batch), *entries], name=model.name)
    made: dict[int, Any] = {}
    masks = Masks()
    tables = {id(one.inputs[1].entry) for one in model._nodes if isinstance(one.entry, TiedDense)}
    # Keras's masks come by operations of that name, with the next numbers.
    for _ in filter(lambda one: isinstance(one.entry, Concatenate), model._nodes):
        keras.layers.Concatenate()
    values: dict[Node, Any] = {one: keras.Input(one.sizes, batch, one.dtype, name=one.name) for one in model.inputs}
    given: dict[Node, Any] = {}
    for one in model._nodes[len(values) :]:
        if one.part:
            values[one] = given[one.inputs[0]][one.part]
            continue
        masks.add(one)
        if isinstance(one.entry, TiedDense):
            _keras_layers.check_tied(one.entry)
            values[one] = made[id(one.inputs[1].entry)](values[one.inputs[0]], reverse=True)
            continue
        if isinstance(one.entry, Embedding) and id(one.entry) in tables:
            made.setdefault(id(one.entry), _keras_layers.theirs(one.entry, keras, "ReversibleEmbedding"))
        elif id(one.entry) not in made:
            made[id(one.entry)] = _theirs(one.entry, keras, batch)
        reads = [values[read] for read in one.inputs]
        _check_masks(one, reads)
        found = _called(made[id(one.entry)], one.entry, reads)
        given[one] = found if isinstance(found, list | tuple) else [found]
        values[one] = given[one][0]
    ends = [values[one] for one in model.outputs]
    outputs: Any = dict(zip(model._named_outputs, ends, strict=True)) if model._named_outputs else ends
    inputs = [values[one] for one in model.inputs]
    alone = len(ends) == 1 and not model._named_outputs
    try:
        return keras.Model(inputs if len(inputs) > 1 else inputs[0], ends[0] if alone else outputs, name=model.name)
    except ValueError as error:
        raise UnsupportedError(f"{model!r} has no like in Keras: {error}") from None


def _check_masks(node: Node, reads: list[Any]) -> None:
    """Raises UnsupportedError where Keras asks for the mask of what a model gives as the layer is called: it knows of
    that as it predicts, and takes all steps for seen."""
    unknown = [
        read for read, theirs in zip(node.inputs, reads, strict=True)
        if read.mask is not None and getattr(theirs, "_keras_mask", None) is None
    ]  # fmt: skip
    joins = isinstance(node.entry, Concatenate) and node.mask is not None and len(unknown) < len(reads)
    if unknown and (joins or (isinstance(node.entry, WithStates) and len(reads) > 1)):
        raise UnsupportedError(f"{node.entry!r} reads {unknown[0]!r}, whose mask comes out of a model, of which "
                               "Keras forgets it; wanted the model's layers in its place")  # fmt: skip


def _called(theirs: Any, entry: Any, reads: list[Any]) -> Any:
    """What Keras's layer gives where one here reads these."""
    if isinstance(entry, MultiHeadAttention):
        return theirs(*reads, use_causal_mask=entry.use_causal_mask)
    if isinstance(entry, WithStates) and len(reads) > 1:
        first, *states = reads  # with states it forgets a mask that it is not given
        return theirs(first, initial_state=states, mask=getattr(first, "_keras_mask", None))
    return theirs(reads if len(reads) > 1 else reads[0])


def _give_theirs(model: Model, theirs: Any) -> None:
    """Gives each of Keras's layers the arrays of the one here."""
    for entry in model.layers:
        if isinstance(entry, InputLayer | TiedDense):
            continue
        other = theirs.get_layer(entry.name)
        if isinstance(entry, Model):
            _give_theirs(entry, other)
        elif not isinstance(entry, Normalization):
            other.set_weights(entry.get_weights())
