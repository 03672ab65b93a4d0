"""A training step in two halves, for what comes between them: gradients added up over processes, or changed."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from martlet import _arguments, _ffi_models, _samples
from martlet._errors import OrderError, ShapeError
from martlet._ffi_optimizers import TRAINING
from martlet._model import Model
from martlet._samples import NDArray
from martlet.nn._callback import Logs
from martlet.nn._compilation import Compilation
from martlet.nn._network import Network
from martlet.nn._training import Data


class Halves(Network):
    """A model that takes a step in two calls. Not for use by itself."""

    _is_ready: bool
    # Whether differentiate has left gradients for a step that has not been taken.
    _has_gradients = False

    @abstractmethod
    def _compiled(self) -> Compilation:
        """What compile was given."""

    @abstractmethod
    def _prepare(self, batch_size: int) -> Model:
        """The native model, compiled."""

    @abstractmethod
    def _data(
        self, x: Any, y: Any, batch_size: int | None, check: bool, of: str = "", sample_weight: Any = None,
        class_weight: Any = None,
    ) -> Data:  # fmt: skip
        """Samples and targets, bound to the model."""

    def differentiate(self, x: Any, y: Any, *, return_dict: bool = False, check: bool = True) -> Any:
        """The first half of train_on_batch: returns what that does, and leaves the gradients of the batch's mean loss
        for gradients() and step(). Weights stay; moving means and variances move as in training. Dropout draws by the
        steps taken, so that a second call before the step draws the same. Errors as fit's."""
        is_dict = _arguments.flag(return_dict, "return_dict")
        with self._owner.inside():
            data = self._data(x, y, None, check)
            data.bound.tally(TRAINING, keeps=False)
            self._has_gradients = False  # where it fails, what stands there is no batch's
            data.bound.differentiate_all()
            self._has_gradients = True
            found = data.bound.numbers(self._compiled().columns(), TRAINING)
        return returned(found, is_dict)

    def step(self, gradients: Any = None) -> None:
        """The other half: the optimizer's step.

        gradients   (count,), flat in the order of parameters(), as gradients() returns them: what to step by, as a mean
                    over processes; NaN and infinities are taken as they come. None: those that differentiate left,
                    for one step

        train_on_batch(x, y) is differentiate(x, y) and step(), to the bit. Raises DTypeError, ShapeError or
        ArgumentError for gradients that cannot be, and OrderError before compile, and where none are given and
        differentiate has not been called since the latest step; then no step was taken.
        """
        with self._owner.inside():
            compilation, built = self._compiled(), self._ready()
            if gradients is None and not (self._is_ready and self._has_gradients):
                raise OrderError(f"{self!r} has no gradients: call differentiate(x, y) first, or give them to step")
            model = self._prepare(32)
            given = None if gradients is None else _flat(gradients, model.buffer(_ffi_models.BUFFER_GRADIENTS)[1])
            compilation.optimizer.before_step()  # a user's schedule, behind which the buffer may be another
            if given is not None:
                built.numbers(_ffi_models.BUFFER_GRADIENTS)[...] = given
            model.take_step()
            self._has_gradients = False


def _flat(given: Any, count: int) -> NDArray:
    """Gradients as fp32."""
    found = _samples.array(given, "gradients")
    if found.shape != (count,):
        raise ShapeError(f"gradients has shape {found.shape}; wanted ({count},), that of gradients()")
    return _samples.samples(found, "gradients") if count else found


def returned(logs: Logs, return_dict: bool) -> Any:
    """What a call that scores returns: by name, or the numbers alone."""
    if return_dict:
        return logs
    values = tuple(logs.values())
    return values if len(values) > 1 else values[0]
