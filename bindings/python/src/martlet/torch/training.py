"""train: a module trained by the library, from torch's own loss and optimizer, and given back."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import torch

from martlet import _forks
from martlet._errors import ArgumentError, DTypeError

if TYPE_CHECKING:
    from martlet.nn import History


def train(
    module: Any,
    data: Any,
    loss: Any = None,
    optimizer: Any = "adam",
    *,
    epochs: int = 1,
    batch_size: int = 32,
    metrics: Any = None,
    seed: int | None = None,
    **fit: Any,
) -> History:
    """Makes a model of a module, trains it natively, and writes the weights and statistics back; returns the history.

        history = martlet.torch.train(module, (x, y), nn.CrossEntropyLoss(), torch.optim.Adam(module.parameters()))

    module       as martlet.nn.from_torch takes it
    data         (x, y) of tensors or arrays, x a tuple of them where the module has several inputs; or a DataLoader, or
                 what else gives batches (x, y), a generator for one epoch
    loss         one of torch.nn's CrossEntropyLoss, NLLLoss, BCEWithLogitsLoss, BCELoss, MSELoss, L1Loss, HuberLoss
                 and SmoothL1Loss, as a module, a class, or its function; or one of martlet.nn's, by name or as an
                 object; None: the one that the module returns, of data's (x, y)
    optimizer    one of torch.optim's, or martlet.torch's, over module.parameters() in one group, that has taken no
                 step; or one of martlet.nn's, by name or as an object
    epochs, batch_size, metrics, seed    as martlet.nn's fit, compile and Model have them; a DataLoader has its own
                 batches
    fit          further arguments of martlet.nn's fit, such as validation_data, shuffle or callbacks

    The optimizer of torch is read and not stepped. The two biases of an LSTM or an RNN, one in the model, move as far
    as torch moves both, by halves; log_softmax in front of NLLLoss is a part of the loss. Ctrl-C ends it between two
    steps, and the module has the weights of the last one. What cannot be taken raises as from_torch does,
    UnsupportedError for a loss or optimizer; the module is then as it was.
    """
    with _forks.held_off:
        from martlet.nn._streams import is_stream
        from martlet.nn.modules import _carrying, _goals, _models

    streams = is_stream(data)
    if streams:
        if hasattr(data, "__next__") and epochs != 1 and fit.get("steps_per_epoch") is None:
            raise ArgumentError(f"epochs is {epochs}, and data is a {type(data).__name__}, which gives its batches "
                                "once; wanted 1, or what can begin again, such as a DataLoader")  # fmt: skip
        samples, targets, data = _first(data)
    else:
        samples, targets = _pair(data)
    example = samples if loss is not None else (*_listed(samples), targets)
    model = _models.model_of(module, example, None, seed, takes_scores=True)
    goals = _goals.loss_of(loss, model.module_logs) or _own(model)  # type: ignore[attr-defined]
    _goals.check(loss, model, targets)
    model.compile(_goals.paired(_goals.optimizer_of(optimizer, module), model), goals, metrics)
    x, y = (data, None) if streams else (_arrays(samples), _arrays(targets))
    if "validation_data" in fit and isinstance(fit["validation_data"], tuple):
        fit["validation_data"] = tuple(_arrays(one) for one in fit["validation_data"])
    try:
        return model.fit(x, y, batch_size, epochs, **fit)
    finally:
        _carrying.count(model._counts, module, model.optimizer.iterations)  # type: ignore[attr-defined]
        _carrying.write_back(model._carried, module)  # type: ignore[attr-defined]


def _pair(data: Any) -> tuple[Any, Any]:
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise DTypeError(f"data is {type(data).__name__}; wanted (x, y), or what gives batches, such as a DataLoader")
    for name, part in zip("xy", data, strict=True):
        if part is None:
            raise DTypeError(f"{name} of data is None; wanted (x, y), samples and targets")
    return data[0], data[1]


def _first(data: Any) -> Any:
    """The samples and targets of the first batch, and what gives all batches, that one too."""
    batches = iter(data)
    for batch in batches:
        x, y = _pair(batch)
        return tuple(x) if isinstance(x, list) else x, y, chain([batch], batches) if batches is data else data
    raise DTypeError("data gives no batch; wanted one or more")


def _listed(samples: Any) -> tuple[Any, ...]:
    return tuple(samples) if isinstance(samples, tuple | list) else (samples,)


def _own(model: Any) -> Any:
    if model.module_loss is None:
        raise DTypeError("loss is None, and the module returns no loss that martlet.nn has; wanted a loss")
    return model.module_loss


def _arrays(given: Any) -> Any:
    """Tensors as arrays over the same memory."""
    if isinstance(given, tuple | list):
        return type(given)(_arrays(one) for one in given)
    return given.detach().cpu().numpy() if isinstance(given, torch.Tensor) else given
