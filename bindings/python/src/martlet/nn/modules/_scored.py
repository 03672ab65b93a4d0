"""Losses inside a module, as torch.export writes them down."""

from __future__ import annotations

from typing import Any

from martlet.nn import losses
from martlet.nn.inputs import Input
from martlet.nn.modules._exporting import operation, refusal
from martlet.nn.modules._reading import Flat, LogSoftmax, Reading, Scored, Value, makes

_LOSSES: dict[str, Any] = {
    "aten.cross_entropy_loss.default": lambda given: losses.SparseCategoricalCrossentropy(
        True, label_smoothing=given["label_smoothing"]
    ),
    "aten.binary_cross_entropy_with_logits.default": lambda given: losses.BinaryCrossentropy(from_logits=True),
    "aten.binary_cross_entropy.default": lambda given: losses.BinaryCrossentropy(from_logits=False),
    "aten.nll_loss_nd.default": lambda given: losses.NLL(),
    "aten.mse_loss.default": lambda given: losses.MeanSquaredError(),
    "aten.l1_loss.default": lambda given: losses.MeanAbsoluteError(),
    "aten.huber_loss.default": lambda given: losses.Huber(given["delta"]),
}

_OF_CLASSES = {"aten.cross_entropy_loss.default", "aten.nll_loss_nd.default"}


@makes(*(name.removeprefix("aten.") for name in _LOSSES))
def _loss(walk: Reading, node: Any, given: dict[str, Any]) -> Scored:
    for name, usual in (("reduction", 1), ("weight", None), ("pos_weight", None)):
        if given.get(name, usual) != usual:
            raise refusal(node, f"has another {name} than usual, which is not taken")
    if given.get("ignore_index", -100) >= 0:
        raise refusal(node, "has an ignore_index that is a class, which is not taken")
    found: list[Any] = [walk.values.get(one) for one in node.args[:2]]
    if operation(node) == "aten.nll_loss_nd.default" and isinstance(found[0], LogSoftmax):
        return Scored(losses.SparseCategoricalCrossentropy(True), found[0].scores, walk.value(node.args[1]))
    of_steps = all(isinstance(one, Flat) for one in found)
    scores, target = (one.value for one in found) if of_steps else (walk.value(one) for one in node.args[:2])
    if operation(node) in _OF_CLASSES and scores.is_turned and target.rank == 1:  # classes are last here
        scores, of_steps = Value(scores.node), True
    if not isinstance(target.node, Input):
        raise refusal(node, "has targets that are computed, and an input is taken")
    if operation(node) in _OF_CLASSES and scores.rank > 1 and not of_steps:
        raise refusal(node, f"is of samples of {scores.sizes}, whose classes torch has first; taken are scores of "
                            "(samples, classes)")  # fmt: skip
    return Scored(_LOSSES[operation(node)](given), scores, target)


@makes("broadcast_tensors.default")
def _spread(walk: Reading, node: Any, given: dict[str, Any]) -> list[Any]:
    """Scores and targets, which torch's losses spread over each other."""
    sizes = [walk.exported.sizes(one) for one in given["tensors"]]
    if len({*sizes}) > 1:
        raise refusal(node, f"is of samples of {' and '.join(map(str, sizes))}, and one shape is taken")
    return [walk.value(one) for one in given["tensors"]]
