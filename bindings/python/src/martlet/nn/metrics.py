"""Metrics by Keras's names, or as objects, or functions of one's own: what is reported beside the loss.

A function is given targets and outputs of a batch, and returns a number, or one for each sample, of which the mean
counts. The outputs are predicted, in training before the batch's step and without what training alone does, such as
dropout.

The library computes all others, as means over the samples. "accuracy" is right for the loss by itself: with
binary_crossentropy it asks of each output by itself whether it is on the target's side of 1/2 (of 0 for logits), so it
does of a single output whatever the loss, and else which of the outputs is the largest. Keras asks for the largest of
several outputs with binary_crossentropy too, and holds the side of a single one against the target as it is: there
targets other than 0 and 1 are never met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from martlet import _arguments, _ffi_models, _model
from martlet._errors import ArgumentError, DTypeError, UnsupportedError


class Metric(NamedTuple):
    """One of the library's metrics, or a function, under the name that it has in a history."""

    name: str
    flag: int
    word: int
    k: int = 5
    function: Callable[[Any, Any], Any] | None = None

    @property
    def climbs(self) -> bool | None:
        """Whether larger is better; nobody knows of a function."""
        if self.function is not None:
            return None
        return self.flag in (_ffi_models.METRIC_ACCURACY, _ffi_models.METRIC_TOP_ACCURACY)

    @property
    def compares_numbers(self) -> bool:
        """Whether it needs targets of the output's shape, where labels will not do."""
        return self.flag in (_ffi_models.METRIC_MSE, _ffi_models.METRIC_MAE)


def TopK(k: int = 5, name: str = "top_k_categorical_accuracy") -> Metric:  # noqa: N802
    """The share of samples whose label is among the k largest outputs; k is 1 to 2^31 - 1."""
    k = _arguments.integer(k, "k of TopK", most=2**31 - 1)
    return Metric(name, _ffi_models.METRIC_TOP_ACCURACY, _model.TOP_ACCURACY, k)


def Accuracy(name: str = "accuracy") -> Metric:  # noqa: N802
    """The share of samples that are classified rightly."""
    return Metric(name, _ffi_models.METRIC_ACCURACY, _model.ACCURACY)


def MeanSquaredError(name: str = "mean_squared_error") -> Metric:  # noqa: N802
    """The mean of (x - t)^2."""
    return Metric(name, _ffi_models.METRIC_MSE, _model.MSE)


def MeanAbsoluteError(name: str = "mean_absolute_error") -> Metric:  # noqa: N802
    """The mean of |x - t|."""
    return Metric(name, _ffi_models.METRIC_MAE, _model.MAE)


def own(function: Any, place: int) -> Metric:
    """A function of one's own, at this place of a list."""
    where = f"metrics[{place}]"
    name = getattr(function, "__name__", None)
    if isinstance(function, type) or function in (*_NAMES.values(),):
        raise DTypeError(f"{where} is {function!r}; wanted a name, a metric, as in {name}(), or a function of targets "
                         "and outputs")  # fmt: skip
    if not isinstance(name, str):
        raise DTypeError(f"{where} is {function!r}, which has no name; wanted a function")
    return Metric(name, 0, _OWN + place, function=function)


# Where results of functions stand: behind the library's.
_OWN = 1000

_NAMES: dict[str, Any] = {
    "accuracy": Accuracy,
    "acc": Accuracy,
    "sparse_categorical_accuracy": Accuracy,
    "categorical_accuracy": Accuracy,
    "binary_accuracy": Accuracy,
    "top_k_categorical_accuracy": TopK,
    "sparse_top_k_categorical_accuracy": TopK,
    "mse": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "mean_absolute_error": MeanAbsoluteError,
}


def climbs(name: str, among: Iterable[Metric] = ()) -> bool | None:
    """Whether numbers of this name are better when larger: those of the loss, of the metrics among, which may have any
    names, and of metrics that go by their own. None: nobody knows."""
    for metric in among:
        if metric.name == name:
            return metric.climbs
    if name == "loss":
        return False
    return _NAMES[name]().climbs if name in _NAMES else None


def get(given: Any) -> list[Metric]:
    """The metrics that names and objects stand for, each under the name given."""
    if given is None:
        return []
    if isinstance(given, str | Metric):
        given = [given]
    if not isinstance(given, list | tuple):
        raise DTypeError(f'metrics is {given!r}; wanted a list of names, as in ["accuracy"]')
    found = [
        metric if isinstance(metric, Metric)
        else own(metric, index) if callable(metric)
        else _arguments.one_of(metric, _NAMES, f"metrics[{index}]")(name=metric)
        for index, metric in enumerate(given)
    ]  # fmt: skip
    names = [metric.name for metric in found]
    for index, name in enumerate(names):
        _check_name(name, f"metrics[{index}]")
        if names.count(name) > 1:
            raise ArgumentError(
                f"metrics holds {name!r}, which is also another metric's name; wanted names of their own"
            )
    if len({metric.k for metric in found if metric.flag == _ffi_models.METRIC_TOP_ACCURACY}) > 1:
        raise UnsupportedError("metrics holds several TopK with different k; one k at a time is served")
    return found


def _check_name(name: Any, where: str) -> None:
    """Refuses what no history and no file could have beside its own names."""
    if not isinstance(name, str):
        raise DTypeError(f"name of {where} is {name!r} of type {type(name).__name__}; wanted text")
    if not name or name in ("loss", "learning_rate") or name.startswith("val_"):
        raise ArgumentError(f"name of {where} is {name!r}, which a history has for something else, or nothing; wanted "
                            "a name of its own")  # fmt: skip
