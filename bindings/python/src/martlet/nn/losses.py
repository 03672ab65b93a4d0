"""Losses by Keras's names, or as objects with their arguments, or functions of one's own: OwnLoss.

The library computes all others: their equations stand in martlet.h. from_logits=None, the default, looks at the model:
its output is probabilities where the last activation is softmax or sigmoid, also with a pool, Flatten, Dropout,
Reshape, Permute or a linear activation behind it, and logits otherwise (Keras's default is False).

A softmax under a categorical cross-entropy, and a sigmoid under the binary one, are worked out together with the loss,
however they are spelled: the gradient is p - t however far a wrong answer leads, as without the activation. Predictions
and metrics are of the probabilities. Probabilities that come otherwise, such as those of a pool or of the other of the
two activations, are kept within 1e-7 of 0 and 1, and give no gradient where they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from martlet import _arguments, _ffi_models, _samples
from martlet._errors import ArgumentError, DTypeError, ShapeError, UnsupportedError
from martlet._samples import NDArray
from martlet.nn import _inputs
from martlet.nn._subclasses import refuse_methods


class Loss:
    """What training makes small. Not for use by itself: the library computes those of this module alone, and what is
    one's own is a function, as OwnLoss has it."""

    number = 0
    origin = _ffi_models.FROM_AUTO
    label_smoothing = 0.0
    delta = 1.0
    gamma = 2.0
    alpha = -1.0
    takes_labels = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_methods(cls, "call", "__call__")

    @property
    def is_categorical(self) -> bool:
        """Whether the output's last axis counts classes."""
        return self.number in (_ffi_models.LOSS_CROSS_ENTROPY, _ffi_models.LOSS_FOCAL, _ffi_models.LOSS_NLL)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def targets(self, y: Any, where: str, shape: tuple[int, ...]) -> NDArray:
        """y as the library takes it, for a model with outputs of this shape."""
        return _inputs.fitting(y, where, shape, "the model gives")

    def check(self, targets: NDArray, where: str) -> None:
        """Raises for targets that the loss has no meaning for."""


class SparseCategoricalCrossentropy(Loss):
    """-log p[label], the mean over the samples; y holds a whole number for each."""

    number = _ffi_models.LOSS_CROSS_ENTROPY
    takes_labels = True

    def __init__(self, from_logits: bool | None = None, *, label_smoothing: float = 0.0) -> None:
        self.origin = _origin(from_logits)
        self.label_smoothing = _smoothing(label_smoothing)

    def targets(self, y: Any, where: str, shape: tuple[int, ...]) -> NDArray:
        return _inputs.labels(y, where, shape[-1], shape[:-1])


class OfProbabilities(Loss):
    """A cross-entropy whose y holds probabilities. Not for use by itself."""

    def __init__(self, from_logits: bool | None = None, label_smoothing: float = 0.0) -> None:
        self.origin = _origin(from_logits)
        self.label_smoothing = _smoothing(label_smoothing)

    def check(self, targets: NDArray, where: str) -> None:
        _inputs.refuse_improbable(targets, where)


class CategoricalCrossentropy(OfProbabilities):
    """-sum t log p, the mean over the samples; y holds a probability for each class, such as one-hot rows."""

    number = _ffi_models.LOSS_CROSS_ENTROPY

    def targets(self, y: Any, where: str, shape: tuple[int, ...]) -> NDArray:
        found = _samples.array(y, where)
        if found.ndim == 1 and shape != (1,):
            raise ShapeError(f"{where} has shape {found.shape}, and the model gives {shape}: wanted a row of targets "
                             "for each sample; labels are for sparse_categorical_crossentropy")  # fmt: skip
        return super().targets(found, where, shape)


class BinaryCrossentropy(OfProbabilities):
    """The mean of -t log p - (1 - t) log(1 - p); y holds 0, 1 or a probability for each output."""

    number = _ffi_models.LOSS_BINARY_CROSS_ENTROPY

    def targets(self, y: Any, where: str, shape: tuple[int, ...]) -> NDArray:
        found = _samples.array(y, where)
        if shape == (1,) and found.dtype.kind in "iub":
            return _inputs.labels(found, where, 2)
        return super().targets(found, where, shape)


class CategoricalFocalCrossentropy(CategoricalCrossentropy):
    """-sum alpha t (1 - p)^gamma log p, the mean over the samples (Lin, Goyal, Girshick, He, Dollar, 2017): what is
    nearly right counts little. y is CategoricalCrossentropy's."""

    number = _ffi_models.LOSS_FOCAL

    def __init__(
        self, alpha: float = 0.25, gamma: float = 2.0, from_logits: bool | None = None, label_smoothing: float = 0.0
    ) -> None:
        super().__init__(from_logits, label_smoothing)
        self.alpha = _arguments.within(alpha, "alpha of CategoricalFocalCrossentropy", 0, math.inf, open_end=True)
        self.gamma = _gamma(gamma)


class BinaryFocalCrossentropy(BinaryCrossentropy):
    """The mean of binary cross-entropy times u^gamma, u = t (1 - p) + (1 - t) p, and with apply_class_balancing times
    alpha where t is 1 and 1 - alpha where it is 0. y is BinaryCrossentropy's."""

    number = _ffi_models.LOSS_BINARY_FOCAL

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(from_logits, label_smoothing)
        share = _arguments.within(alpha, "alpha of BinaryFocalCrossentropy", 0, 1)
        self.alpha = share if _arguments.flag(apply_class_balancing, "apply_class_balancing") else -1.0
        self.gamma = _gamma(gamma)


class MeanSquaredError(Loss):
    """The mean of (x - t)^2."""

    number = _ffi_models.LOSS_MSE


class MeanAbsoluteError(Loss):
    """The mean of |x - t|."""

    number = _ffi_models.LOSS_MAE


class Huber(Loss):
    """The mean of d^2 / 2 where d = |x - t| <= delta, else of delta (d - delta / 2)."""

    number = _ffi_models.LOSS_HUBER

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = _arguments.within(delta, "delta of Huber", math.ulp(0.0), math.inf)


class KLDivergence(Loss):
    """sum t log(t / x) over the last axis, both kept within 1e-7 and 1, the mean over its rows; outputs and y are
    probabilities."""

    number = _ffi_models.LOSS_KL_DIVERGENCE

    def check(self, targets: NDArray, where: str) -> None:
        _inputs.refuse_improbable(targets, where)


class Hinge(Loss):
    """The mean of max(1 - t x, 0); y holds -1 or 1, or 0 for -1."""

    number = _ffi_models.LOSS_HINGE


class LogCosh(Loss):
    """The mean of log cosh(x - t)."""

    number = _ffi_models.LOSS_LOG_COSH


class Poisson(Loss):
    """The mean of x - t log(x + 1e-7); outputs are over 0."""

    number = _ffi_models.LOSS_POISSON


class CosineSimilarity(Loss):
    """Minus the cosine between each row of the last axis and its targets, the mean over the rows."""

    number = _ffi_models.LOSS_COSINE


class NLL(Loss):
    """-x[label], the mean over the samples, where the model gives log-probabilities; y holds a whole number for each
    sample.

    No activation gives log-probabilities: it is for outputs that are such by themselves. What torch does with
    LogSoftmax and NLLLoss is SparseCategoricalCrossentropy of a last layer without activation.
    """

    number = _ffi_models.LOSS_NLL
    takes_labels = True

    def targets(self, y: Any, where: str, shape: tuple[int, ...]) -> NDArray:
        return _inputs.labels(y, where, shape[-1], shape[:-1])


class OwnLoss(Loss):
    """A function of one's own, for compile's loss, which takes the function itself as well.

    function(y_true, y_pred) is given the targets of a batch as fit was given them and the model's outputs, (samples,
    *output_shape), to read alone, and returns two arrays: the loss of each sample, (samples,), and its slope by each of
    that sample's outputs, of y_pred's shape. The mean over the samples, each times its weight where there are some, is
    made small.

        def asymmetric(y_true, y_pred):
            error = y_pred[:, 0] - y_true
            side = np.where(error > 0, 1.0, 3.0)
            return side * error**2, (2 * side * error)[:, None]

    y_pred is what training computes, with Dropout and the batch's own statistics. Of several outputs each may have a
    function, or a loss of the library's. Slower than that; metrics of such an output are functions too, others raise
    UnsupportedError. Slopes are rounded to fp32, and by nothing else. What the function raises ends the call that
    trains, without a step. A file has the name, and load_model takes the function as custom_objects={name: function}.
    """

    number = _ffi_models.LOSS_MSE  # of which the library is told, and which it is given nothing for

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        if not callable(function) or isinstance(function, type):
            raise DTypeError(f"loss is {function!r}; wanted a function of targets and outputs")
        self.function = function
        self.name = str(getattr(function, "__name__", type(function).__name__))

    def __repr__(self) -> str:
        return f"loss {self.name!r}"

    def targets(self, y: Any, where: str, shape: tuple[int, ...]) -> NDArray:
        return _samples.filled(_samples.array(y, where), where)

    def both(self, y: NDArray, out: NDArray) -> tuple[NDArray, NDArray]:
        """Losses and slopes of a batch, checked."""
        found = self.function(y, out)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise DTypeError(f"{self!r} gave {found!r}; wanted two arrays, a loss for each sample and its slopes by "
                             "the outputs")  # fmt: skip
        try:
            losses, slopes = (np.asarray(one, np.float64) for one in found)
        except (TypeError, ValueError) as error:
            raise DTypeError(f"{self!r} gave what is no two arrays of numbers: {error}") from None
        if losses.shape != out.shape[:1] or slopes.shape != out.shape:
            raise ShapeError(f"{self!r} gave losses of shape {losses.shape} and slopes of {slopes.shape}; wanted "
                             f"{out.shape[:1]}, one for each sample, and {out.shape}, that of the outputs")  # fmt: skip
        for what, array in {"losses": losses, "slopes": slopes}.items():
            if not np.isfinite(array).all():
                place = int(np.isfinite(array).reshape(len(array), -1).all(1).argmin())
                raise ArgumentError(f"{self!r} gave {what} that are not finite, at sample {place} of a batch")
        return losses, slopes


_NAMES: dict[str, type[Loss]] = {
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "huber": Huber,
    "kl_divergence": KLDivergence,
    "kld": KLDivergence,
    "hinge": Hinge,
    "log_cosh": LogCosh,
    "logcosh": LogCosh,
    "poisson": Poisson,
    "cosine_similarity": CosineSimilarity,
    "nll": NLL,
    "categorical_focal_crossentropy": CategoricalFocalCrossentropy,
    "binary_focal_crossentropy": BinaryFocalCrossentropy,
}


def get(given: Any) -> Loss:
    """The loss that a name, a class or an object stands for."""
    if isinstance(given, type) and issubclass(given, Loss):
        given = given()
    if callable(given) and not isinstance(given, type):
        return OwnLoss(given)
    if not isinstance(given, Loss):
        return _arguments.one_of(given, _NAMES, "loss")()
    if not given.number:
        raise UnsupportedError(f"loss is {given!r}, which the library does not compute; wanted one of "
                               f"{_arguments.listed(_NAMES)}")  # fmt: skip
    return given


def _origin(from_logits: Any) -> int:
    if from_logits is None:
        return _ffi_models.FROM_AUTO
    logits = _arguments.flag(from_logits, "from_logits")
    return _ffi_models.FROM_LOGITS if logits else _ffi_models.FROM_PROBABILITIES


def _gamma(given: Any) -> float:
    return _arguments.within(given, "gamma", 0, 100)


def _smoothing(given: Any) -> float:
    return _arguments.within(given, "label_smoothing", 0, 1, open_end=True)
