"""Metrics by Keras's names, or as objects: what is reported beside the loss.

The library computes them, over all samples of an epoch or an evaluation. "accuracy" is right for the loss by itself: with
binary_crossentropy it asks of each output by itself whether it is on the target's side of 1/2 (of 0 for logits), so it
does of a single output whatever the loss, and else which of the outputs is the largest. Keras asks for the largest of
several outputs with binary_crossentropy too, and holds the side of a single one against the target as it is: there
targets other than 0 and 1 are never met. Precision, recall and F1 are Keras's where outputs say yes or no; of several
classes they are scikit-learn's macro averages of which output is the largest, where Keras asks of each output by itself
whether it is over 1/2. AUC is exact, where Keras interpolates between 200 thresholds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from martlet import _arguments, _ffi_models
from martlet._errors import ArgumentError, DTypeError, UnsupportedError


class Metric(NamedTuple):
    """One of the library's metrics under the name that it has in a history."""

    name: str
    number: int
    k: int = 5

    @property
    def climbs(self) -> bool:
        """Whether larger is better."""
        return self.number not in (*_ERRORS, _ffi_models.METRIC_PERPLEXITY)

    @property
    def compares_numbers(self) -> bool:
        """Whether it needs targets of the output's shape, where labels will not do."""
        return self.number in (*_ERRORS, _ffi_models.METRIC_R2)


_ERRORS = (_ffi_models.METRIC_MSE, _ffi_models.METRIC_MAE, _ffi_models.METRIC_RMSE)


def TopK(k: int = 5, name: str = "top_k_categorical_accuracy") -> Metric:  # noqa: N802
    """The share of samples whose label is among the k largest outputs; k is 1 to 2^31 - 1."""
    k = _arguments.integer(k, "k of TopK", most=2**31 - 1)
    return Metric(name, _ffi_models.METRIC_TOP_ACCURACY, k)


def Accuracy(name: str = "accuracy") -> Metric:  # noqa: N802
    """The share of samples that are classified rightly."""
    return Metric(name, _ffi_models.METRIC_ACCURACY)


def MeanSquaredError(name: str = "mean_squared_error") -> Metric:  # noqa: N802
    """The mean of (x - t)^2."""
    return Metric(name, _ffi_models.METRIC_MSE)


def MeanAbsoluteError(name: str = "mean_absolute_error") -> Metric:  # noqa: N802
    """The mean of |x - t|."""
    return Metric(name, _ffi_models.METRIC_MAE)


def RootMeanSquaredError(name: str = "root_mean_squared_error") -> Metric:  # noqa: N802
    """The square root of the mean of (x - t)^2."""
    return Metric(name, _ffi_models.METRIC_RMSE)


def R2Score(name: str = "r2_score") -> Metric:  # noqa: N802
    """The coefficient of determination, the mean over the outputs, as scikit-learn's r2_score."""
    return Metric(name, _ffi_models.METRIC_R2)


def Precision(name: str = "precision") -> Metric:  # noqa: N802
    """Of the answers that say a class, the share that is right: of yes, or of several classes the mean over those that
    were said or right, as scikit-learn's average="macro"; 0 where nothing says it."""
    return Metric(name, _ffi_models.METRIC_PRECISION)


def Recall(name: str = "recall") -> Metric:  # noqa: N802
    """Of the samples of a class, the share that is found, over classes as in Precision."""
    return Metric(name, _ffi_models.METRIC_RECALL)


def F1Score(name: str = "f1_score") -> Metric:  # noqa: N802
    """The harmonic mean of precision and recall, over classes as in Precision."""
    return Metric(name, _ffi_models.METRIC_F1)


def AUC(name: str = "auc") -> Metric:  # noqa: N802
    """The area under the ROC curve of outputs that say yes or no, exact; NaN where one of the two never is right."""
    return Metric(name, _ffi_models.METRIC_AUC)


def Perplexity(name: str = "perplexity") -> Metric:  # noqa: N802
    """e to the cross-entropy."""
    return Metric(name, _ffi_models.METRIC_PERPLEXITY)


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
    "rmse": RootMeanSquaredError,
    "root_mean_squared_error": RootMeanSquaredError,
    "r2": R2Score,
    "r2_score": R2Score,
    "precision": Precision,
    "recall": Recall,
    "f1": F1Score,
    "f1_score": F1Score,
    "auc": AUC,
    "perplexity": Perplexity,
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
    for index, metric in enumerate(given):
        if callable(metric):
            name = getattr(metric, "__name__", repr(metric))
            raise DTypeError(f"metrics[{index}] is {metric!r}; wanted a name or a metric, as in {name}() if that is "
                             "one of martlet.nn's: the library calls no functions")  # fmt: skip
    found = [
        metric if isinstance(metric, Metric)
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
    if len({metric.k for metric in found if metric.number == _ffi_models.METRIC_TOP_ACCURACY}) > 1:
        raise UnsupportedError("metrics holds several TopK with different k; one k at a time is served")
    return found


def _check_name(name: Any, where: str) -> None:
    """Refuses what no history and no file could have beside its own names."""
    if not isinstance(name, str):
        raise DTypeError(f"name of {where} is {name!r} of type {type(name).__name__}; wanted text")
    if not name or name in ("loss", "learning_rate") or name.startswith("val_"):
        raise ArgumentError(f"name of {where} is {name!r}, which a history has for something else, or nothing; wanted "
                            "a name of its own")  # fmt: skip
