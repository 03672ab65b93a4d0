"""A batch forward and back around a loss of the caller's own, with the slopes by what came in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from martlet import _arrays, _ffi
from martlet._errors import OrderError, ShapeError
from martlet._records import Samples, parts
from martlet._samples import NDArray
from martlet.nn import _inputs
from martlet.nn._built import Built
from martlet.nn._halves import Halves


class ByHand(Halves):
    """A model whose batches a caller leads. Not for use by itself."""

    _waiting: tuple[Built, list[tuple[int, ...]], list[tuple[int, ...]]] | None = None
    """The batch that has been forward: where, and the shapes of what came in and of what came out."""

    @abstractmethod
    def _build_for(self, given: Sequence[tuple[str, NDArray]]) -> Built:
        """The native model with its parameters, for these samples."""

    def forward(self, x: Any) -> Any:
        """The outputs of a batch as training computes them: with dropout, by the steps taken, and by the batch's own
        statistics, which move. A float32 array (samples, ...), of several outputs a list. What backward needs is kept
        in the model, until it has gone back, a step is taken or another batch comes. Needs compile, whose loss it does
        not look at. Errors as fit's."""
        self._refuse_taken_model("forward")
        self._compiled()
        given = _inputs.arrays(x, "x", self._input_names())
        with self._owner.inside(), self._tentative():
            built = self._build_for(given)
            inputs = _inputs.converted(given, built)
            samples = len(inputs[0])
            native = self._prepare(samples)
            shapes = [(samples, *sizes) for sizes in built.output_shapes]
            room = np.empty(sum(map(prod, shapes)), np.float32)
            self._waiting = None
            native.forward(_arrays.address(room), room.size, parts([_inputs.placed(one) for one in inputs], 0, samples))
            self._waiting = built, [one.shape for one in inputs], shapes
        found = _inputs.apart(room, shapes)
        return found[0] if len(found) == 1 else found

    def backward(self, slopes: Any) -> Any:
        """Goes back through the batch that forward has computed, given what the loss changes by with its outputs:
        leaves gradients for gradients() and step(), and returns the slopes by the samples, a float32 array of x's
        shape, of several inputs a list, with None for those of whole numbers.

        slopes   of the outputs' shape, of several outputs a list or a dict by their names; of a mean over samples they
                 have been divided by how many there are

        Raises OrderError where no batch waits, and DTypeError or ShapeError for slopes that cannot be; the batch waits
        on then.
        """
        with self._owner.inside():
            if self._waiting is None:
                raise OrderError(f"{self!r} has no batch to go back through: call forward(x) first, and backward once")
            built, of_inputs, shapes = self._waiting
            names = self._output_names()
            named = [("slopes", slopes)] if len(names) == 1 else _inputs.parted(slopes, "slopes", names, "output")
            given = [
                _inputs.fitting(data, where, shape[1:], "the model gives")
                for (where, data), shape in zip(named, shapes, strict=True)
            ]
            for (where, _), one, shape in zip(named, given, shapes, strict=True):
                if len(one) != shape[0]:
                    raise ShapeError(f"{where} has {len(one)} samples, and the batch has {shape[0]}; wanted as many")
            flat = np.concatenate([one.reshape(-1) for one in given])
            found = [
                None if table is not None else np.empty(shape, np.float32)
                for shape, table in zip(of_inputs, built.tables(), strict=True)
            ]
            places = [Samples(0, 0, 0, _ffi.FP32, None) if one is None else _inputs.placed(one) for one in found]
            built.model.backward(_arrays.address(flat), flat.size, parts(places, 0, of_inputs[0][0]))
            self._waiting, self._has_gradients = None, True
        return found[0] if len(found) == 1 else found

    @abstractmethod
    def _output_names(self) -> list[str]:
        """Of each output."""
