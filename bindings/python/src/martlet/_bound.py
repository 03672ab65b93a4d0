"""A native model bound to samples and targets: what a training loop calls for each batch, and what that reports.

Addresses and numbers alone, as in _model.py; who holds the model's owner keeps other threads out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from martlet import _ffi, _ffi_models, _ffi_optimizers, _memory, _records
from martlet._model import Model
from martlet._records import Samples


class Column(NamedTuple):
    """A number that is reported of training or evaluation: a metric by its number, OWN_LOSS of one output, or LOSS, the
    sum of all and what layers add."""

    name: str
    place: int
    output: int = 0


LOSS = -1
OWN_LOSS = -2


class Bound:
    """A model bound to samples and targets: what a training loop calls for each batch.

    train     trains on a batch, given the address and count of its rows; returns the status and raises nothing
    """

    def __init__(
        self,
        model: Model,
        inputs: Sequence[Samples],
        targets: Sequence[Samples],
        weights: Samples | None = None,
        sizes: Sequence[tuple[int, ...]] = (),
    ) -> None:
        self._model, self._inputs, self._targets, self._weights = model, inputs, targets, weights
        self._sizes = sizes
        self._result, self._score = _ffi_models.Result(), _ffi_models.Score()
        _ffi_models.martlet_result_init(self._result, _ffi.struct_size(_ffi_models.Result))
        given = [inputs, targets] if weights is None else [inputs, targets, [weights]]
        self._arrays = [_records.parts(one, 0, inputs[0].samples) for one in given]
        self._train: Callable[[int, int], int] = _ffi_models.bound_train(
            _memory.pointer_value(model._token), *map(_memory.address_of, (self._result, *self._arrays))
        )
        self.train = self._train_at_sizes if model.is_open else self._train

    def _train_at_sizes(self, rows: int, count: int) -> int:
        self._enter()
        return self._train(rows, count)

    def _enter(self) -> None:
        """Before each call: batches of other sizes may have come since."""
        if self._model.is_open:
            self._model.set_sizes(self._sizes)

    def tally(self, mode: int, *, keeps: bool) -> None:
        """Begins to add up what calls give that train, or those that evaluate, or to tell of each by itself."""
        _ffi_models.martlet_model_tally_set(self._model._token, mode, keeps)

    def numbers(self, columns: Sequence[Column], mode: int) -> dict[str, float]:
        """What the latest call gave, or all since a tally began, by the columns' names."""
        prefix = "" if mode == _ffi_optimizers.TRAINING else "evaluation_"
        found, known = {}, -1
        for name, place, output in columns:
            if place == LOSS:
                found[name] = float(self._result.loss)
                continue
            if output != known:
                size = _ffi.struct_size(_ffi_models.Score)
                _ffi_models.martlet_model_score_get(self._model._token, self._score, size, output)
                known = output
            field = getattr(self._score, f"{prefix}loss" if place == OWN_LOSS else f"{prefix}metrics")
            found[name] = float(field if place == OWN_LOSS else field[place])
        return found

    def settle(self) -> None:
        self._model.settle()

    def train_all(self) -> None:
        """Trains on all samples as one batch."""
        status = self.train(0, 0)
        if status:
            raise _ffi.failure_of(status)

    def differentiate_all(self) -> None:
        """Leaves the gradients of all samples as one batch, without a step."""
        self._enter()
        _ffi_models.martlet_model_differentiate(self._model._token, self._result, *self._arrays[:2], None, 0)

    def differentiate(self, rows: int, count: int) -> None:
        """The same of a batch, given the address and count of its rows. Weights count nothing here."""
        self._enter()
        numbers = _memory.int64_at(rows)
        _ffi_models.martlet_model_differentiate(self._model._token, self._result, *self._arrays[:2], numbers, count)

    def forward(self, out: int, out_count: int, rows: int, count: int) -> None:
        """Runs a batch forward, given the address and count of its rows, or all samples, with the losses that have
        targets; writes the outputs to out, the address of out_count floats."""
        self._enter()
        x, y, *weights = self._arrays
        _ffi_models.martlet_model_forward(
            self._model._token, self._result, _memory.floats_at(out), out_count, x, y, weights[0] if weights else None,
            _memory.int64_at(rows) if count else None, count,
        )  # fmt: skip

    def backward(self, slopes: int, count: int) -> None:
        """Leaves the gradients of that batch, given the address and count of a loss's slopes by its outputs."""
        _ffi_models.martlet_model_backward(self._model._token, _memory.floats_at(slopes), count, None)

    def evaluate(self, first: int, count: int, batch_size: int) -> None:
        """Loss and metrics over count samples from the first on."""
        self._enter()
        loop = _ffi_models.Loop()
        _ffi_models.martlet_loop_init(loop, _ffi.struct_size(_ffi_models.Loop))
        loop.batch_size = batch_size
        x, y = _records.parts(self._inputs, first, count), _records.parts(self._targets, first, count)
        if self._weights is not None:
            loop.weights = _records.parts([self._weights], first, count)
        _ffi_models.martlet_model_evaluate(self._model._token, self._result, x, y, loop)
