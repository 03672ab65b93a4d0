"""A model of an exported module: its inputs, the walk, its outputs or its loss, and its weights."""

from __future__ import annotations

from collections import Counter
from typing import Any

from martlet._errors import MartletError, UnsupportedError
from martlet.nn.inputs import Input
from martlet.nn.model import Model
from martlet.nn.modules import _carrying
from martlet.nn.modules._exporting import Exported, operation, refusal
from martlet.nn.modules._reading import LogSoftmax, Reading, Scored, Value, reason


def model_of(module: Any, example: Any, name: str | None, seed: int | None, takes_scores: bool = False) -> Model:
    """What from_torch gives; takes_scores: where a module ends in logarithms of a softmax, of what it is of."""
    from martlet.nn.modules import (  # noqa: F401 - which say what they make
        _attention,
        _handing,
        _means,
        _modes,
        _padding,
        _parts,
        _plain,
        _pools,
        _recurrent,
        _scored,
        _slopes,
        _weighted,
    )

    exported = Exported(module, example)
    reading = Reading(exported)
    inputs = _inputs(exported, reading)
    _attention.find(reading)
    _padding.find(reading)
    _means.find(reading)
    _handing.find(reading)
    for node in exported.nodes:  # whose own names say more than those of what they are made of
        if node.op == "call_function" and (why := reason(operation(node))):
            raise refusal(node, f"is not taken{why}")
    for node in exported.nodes:
        if node.op == "call_function":
            try:
                reading.values[node] = found = reading.read(node)
                if isinstance(found, Value) and hasattr(node.meta["val"], "shape"):
                    _check_sizes(exported, node, found)
            except UnsupportedError as error:
                text = str(error)
                raise (error if "line " in text else refusal(node, f"is not taken, as {text}")) from None
            except MartletError as error:
                raise refusal(node, f"is not taken, as {error}") from None
        elif node.op not in ("placeholder", "output"):
            raise UnsupportedError(f"the module's graph has {node.op} {node.name!r}, which is not taken")
    by_name = {node.name: node for node in exported.nodes}
    given = _given(exported, by_name)
    loss = _loss_among([reading.values.get(node) for node in given])
    if loss is not None:
        inputs = [one for one in inputs if one is not loss.target.node]
        outputs, sizes = [loss.scores.straight.node], [loss.scores.sizes]
    else:
        values = [_output(reading, node, takes_scores) for node in given]
        outputs = [value.straight.node for value in values]
        sizes = [exported.sizes(node) for node in given]
    _modes.compare(exported)
    model = Model(inputs, outputs[0] if len(outputs) == 1 else outputs, name=name, seed=seed)
    model.module_sizes = sizes  # type: ignore[attr-defined]
    logs = [isinstance(reading.values.get(node), LogSoftmax) for node in given]
    model.module_logs = logs  # type: ignore[attr-defined]
    model.module_loss = None if loss is None else loss.loss  # type: ignore[attr-defined]
    # A module may compute what it does not give.
    laid = {id(layer) for layer in model.layers}
    carried = [one for one in reading.carried if id(one.layer) in laid]
    _carrying.take(carried, {**exported.parameters, **exported.buffers})
    model._carried = carried  # type: ignore[attr-defined]
    model._counts = Counter(exported.counts.values())  # type: ignore[attr-defined]
    return model


def _given(exported: Exported, by_name: dict[str, Any]) -> list[Any]:
    """What gives the outputs; a None among them, as of a loss without targets, is none."""
    found = [one for one in exported.outputs if one is not None]
    for one in found:
        if one not in by_name:
            raise UnsupportedError(f"{type(exported.module).__name__} gives {one!r}, and wanted are tensors of samples")
    if not found:
        raise UnsupportedError(f"{type(exported.module).__name__} gives nothing; wanted tensors of samples")
    return [by_name[one] for one in found]


def _output(reading: Reading, node: Any, takes_scores: bool) -> Value:
    found = reading.values.get(node)
    value = found.scores if takes_scores and isinstance(found, LogSoftmax) else reading.value(node)
    if value.is_second:
        raise refusal(node, "is given as (steps, samples, features), and samples that are first are taken")
    return value


def _loss_among(outputs: list[Any]) -> Scored | None:
    """The loss that a module returns, alone or with the scores that it is of."""
    losses = [one for one in outputs if isinstance(one, Scored)]
    if len(losses) != 1:
        return None
    others = [one for one in outputs if one is not losses[0]]
    is_alone = all(isinstance(one, Value) and one.node is losses[0].scores.node for one in others)
    return losses[0] if is_alone else None


def _check_sizes(exported: Exported, node: Any, found: Value) -> None:
    """Refuses what would have other sizes than in torch. One number of a sample, without a size, is (1,) here."""
    wanted = exported.sizes(node, int(found.is_second)) or (1,)
    if found.sizes != wanted:
        raise refusal(node, f"gives samples of {wanted}, and layers would give {found.sizes}")


def _inputs(exported: Exported, reading: Reading) -> list[Input]:
    found = []
    by_name = {node.name: node for node in exported.nodes if node.op == "placeholder"}
    for name, example in zip(exported.user_inputs, exported.inputs, strict=True):
        sizes = tuple(example.shape[1:]) or (1,)
        found.append(Input(sizes, dtype=str(example.dtype).removeprefix("torch."), name=name))
        reading.values[by_name[name]] = Value(found[-1])
    return found
