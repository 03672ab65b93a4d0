"""torch's losses and optimizers as martlet.nn's: what martlet.torch.train is given."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from martlet import optim
from martlet._errors import ArgumentError, DTypeError, UnsupportedError
from martlet.nn import losses, optimizers

_FUNCTIONS = {
    functional.cross_entropy: nn.CrossEntropyLoss, functional.mse_loss: nn.MSELoss, functional.l1_loss: nn.L1Loss,
    functional.binary_cross_entropy_with_logits: nn.BCEWithLogitsLoss, functional.binary_cross_entropy: nn.BCELoss,
    functional.nll_loss: nn.NLLLoss, functional.huber_loss: nn.HuberLoss, functional.smooth_l1_loss: nn.SmoothL1Loss,
}  # fmt: skip


def _smooth(given: Any) -> losses.Loss:
    if given.beta != 1:
        raise UnsupportedError(f"beta of {given} is {given.beta}, and 1 is taken; wanted HuberLoss, which has a delta")
    return losses.Huber(1.0)


_LOSSES: dict[type, Callable[[Any], losses.Loss]] = {
    nn.CrossEntropyLoss: lambda one: losses.SparseCategoricalCrossentropy(True, label_smoothing=one.label_smoothing),
    nn.NLLLoss: lambda one: losses.NLL(),
    nn.BCEWithLogitsLoss: lambda one: losses.BinaryCrossentropy(from_logits=True),
    nn.BCELoss: lambda one: losses.BinaryCrossentropy(from_logits=False),
    nn.MSELoss: lambda one: losses.MeanSquaredError(),
    nn.L1Loss: lambda one: losses.MeanAbsoluteError(),
    nn.HuberLoss: lambda one: losses.Huber(one.delta),
    nn.SmoothL1Loss: _smooth,
}


def loss_of(given: Any, logs: Sequence[bool] = (False,)) -> Any:
    """martlet.nn's loss for one of torch's, a module or a function, or for each of several; others as they are. logs:
    which outputs are logarithms of a softmax in the module, and what that is of in the model."""
    if isinstance(given, list):
        return [loss_of(one, [log]) for one, log in zip(given, [*logs, *[False] * len(given)], strict=False)]
    if isinstance(given, dict) and not any(logs):
        return {name: loss_of(one) for name, one in given.items()}
    found = _loss_of(given)
    if any(logs):
        if not isinstance(found, losses.NLL) or not all(logs):
            raise UnsupportedError(
                f"loss is {given}, and the module gives log_softmax, which no layer does; wanted NLLLoss"
            )
        return losses.SparseCategoricalCrossentropy(True)
    return found


def _loss_of(given: Any) -> Any:
    if isinstance(given, type) and given in _LOSSES:
        given = given()
    if callable(given) and given in _FUNCTIONS:
        given = _FUNCTIONS[given]()
    if not isinstance(given, nn.Module):
        return given
    if type(given) not in _LOSSES:
        names = ", ".join(one.__name__ for one in _LOSSES)
        raise UnsupportedError(f"loss is {given}; wanted one of {names}, or one of martlet.nn.losses")
    for name, usual in (("reduction", "mean"), ("weight", None), ("pos_weight", None), ("ignore_index", -100)):
        if getattr(given, name, usual) is not usual and getattr(given, name) != usual:
            raise UnsupportedError(f"{name} of loss {given} is {getattr(given, name)}, and {usual} is taken")
    return _LOSSES[type(given)](given)


_OF_CLASSES = (nn.CrossEntropyLoss, nn.NLLLoss)
_SPREADING = (nn.MSELoss, nn.L1Loss, nn.HuberLoss, nn.SmoothL1Loss)


def check(given: Any, model: Any, y: Any) -> None:
    """Refuses a loss of torch's that is another function of the model's outputs and of targets y than ours."""
    names, sizes = model.output_names, model.module_sizes
    losses_of, targets = (_each(one, names) for one in (given, y))
    for number, size in enumerate(sizes):
        loss, target = losses_of(number), targets(number)
        kind = _FUNCTIONS.get(loss, loss) if callable(loss) and not isinstance(loss, nn.Module) else type(loss)
        where = f"output {names[number]!r}" if len(sizes) > 1 else "the output"
        if kind in _OF_CLASSES and len(size) > 1:
            raise UnsupportedError(f"loss {kind.__name__} is of samples of {size}, {where}, whose classes torch has "
                                   "first; taken are scores of (samples, classes)")  # fmt: skip
        shape = getattr(target, "shape", None)
        if kind in _SPREADING and shape is not None and tuple(shape[1:]) != size:
            raise UnsupportedError(f"y has samples of {tuple(shape[1:])}, and {where} {size}, which {kind.__name__} of "
                                   "torch would spread over each other; wanted one shape")  # fmt: skip


def _each(given: Any, names: list[str]) -> Callable[[int], Any]:
    """What is given for an output, alone, in a list or by name; None where nothing is."""
    if isinstance(given, dict):
        return lambda number: given.get(names[number])
    if isinstance(given, list | tuple):
        return lambda number: given[number] if number < len(given) else None
    return lambda number: given


# What changes how torch computes a step, and not what.
_WAYS = {"params", "foreach", "fused", "capturable", "differentiable", "initial_lr", "param_names"}


def optimizer_of(given: Any, module: Any) -> Any:
    """martlet.nn's optimizer for one of torch's over the module's parameters; names and others as they are."""
    if not isinstance(given, torch.optim.Optimizer):
        return given
    kind = getattr(optim, type(given).__name__, None)
    if kind is None:
        raise UnsupportedError(f"optimizer is a {type(given).__name__}, which martlet.optim has not")
    if len(given.param_groups) != 1:
        raise UnsupportedError(f"optimizer has {len(given.param_groups)} groups of parameters, and one is taken")
    if any(float(one.get("step", 1)) for one in given.state.values()):
        raise UnsupportedError("optimizer has taken steps, and its state is not taken; wanted a new one")
    (group,) = given.param_groups
    theirs, ours = {id(one) for one in group["params"]}, {id(one) for one in module.parameters() if one.requires_grad}
    if theirs != ours:
        raise ArgumentError("optimizer has other parameters than those that the module trains; wanted "
                            "module.parameters(), others with requires_grad = False")  # fmt: skip
    options = {name: _number(value) for name, value in group.items() if name not in _WAYS and value is not None}
    if options.get("decoupled_weight_decay") == (type(given).__name__ == "AdamW"):  # as it is without saying so
        del options["decoupled_weight_decay"]
    try:
        return optimizers.get(kind([np.zeros(1, np.float32)], **options))
    except TypeError as error:
        raise DTypeError(f"optimizer has options that martlet.optim's {kind.__name__} has not: {error}") from None


def paired(given: Any, model: Any) -> Any:
    """An optimizer that moves what the module has twice, as the two biases of a recurrent layer, as far as torch's
    moves both: their sum at twice the rate, with half of the decay."""
    names = [name for carried in model._carried for name in carried.doubled]
    found = optimizers.get(given)
    if not names or found._others:
        return found
    found = copy.copy(found)
    numbers = {"lr": 2.0}
    if hasattr(found._row, "weight_decay"):
        numbers["weight_decay"] = found._row.weight_decay / 2
    found._others, found._places = (found._row.changed(numbers),), dict.fromkeys(names, 1)
    return found


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, torch.Tensor) else value
