"""What a model of sequences gives some steps at a time, predict_next, and what follows by it, generate."""

from __future__ import annotations

from math import isfinite, prod
from typing import Any

import numpy as np

from martlet import _arguments, _arrays, _ffi_models, _samples
from martlet._errors import ArgumentError, ShapeError, UnsupportedError
from martlet._records import parts
from martlet._samples import NDArray
from martlet.nn import _inputs
from martlet.nn._built import Built
from martlet.nn._trained import Trained

# The least that inputs of any length take in a call.
_SHORTEST = 64


class Stepping(Trained):
    """A model that can be run along sequences. Not for use by itself."""

    def predict_next(self, x: Any, *, reset: bool = False) -> Any:
        """The outputs at the next steps of sequences, to the bit what predict gives there for the whole: a float32
        array (sequences, steps, ...), of several outputs a list. What steps see of those before them is kept in the
        model, so that none is computed twice.

        x       (sequences, steps, ...): one or more steps of each sequence, which stay the same from call to call; of
                several inputs as predict's
        reset   whether they are the first ones; so they are in the first call

        Layers are those that give at a step what they do for it alone, PositionEmbedding, attention with
        use_causal_mask=True and without a mask, and LSTM, GRU and SimpleRNN with return_sequences=True. Their states
        are zeros before the first step, and those that a stateful layer keeps are neither read nor moved. Others, as
        Bidirectional, raise UnsupportedError, and so do attention and PositionEmbedding where the inputs are of any
        length. The weights may be trained meanwhile, and steps that were read are then those of the weights before.
        Raises ShapeError where more steps come than the inputs have, in all or, without attention and
        PositionEmbedding, in a call, which inputs of any length give the first one's, 64 or more; and what predict
        does. The sequences stay where they were, but where such inputs have read another length meanwhile: OrderError
        then. One thread at a time.
        """
        anew = _arguments.flag(reset, "reset")
        given = _inputs.arrays(x, "x", self._input_names())
        with self._owner.inside(), self._tentative():
            built = self._ready()
            sizes = _step_sizes(built)
            steps = [data.shape[1] if data.ndim > 1 else 1 for _, data in given]
            inputs = _inputs.converted(
                given, built, [(count, *one[1:]) for count, one in zip(steps, sizes, strict=True)]
            )
            if len(set(steps)) > 1 or not steps[0] or not len(inputs[0]):
                if not self._runs_along:
                    self._begin(built, 1)
                said = ", ".join(map(str, steps))
                raise ShapeError(f"x has {said} steps; wanted 1 or more, as many of each input")
            if anew or not self._runs_along:
                if built.model.is_open:
                    sizes = [
                        (max(steps[0], _SHORTEST) if known[0] is None else one[0], *one[1:])
                        for known, one in zip(built.read_shapes, sizes, strict=True)
                    ]
                    built.model.set_sizes(sizes)
                if steps[0] > sizes[0][0]:
                    raise ShapeError(f"x has {steps[0]} steps; wanted 1 to {sizes[0][0]}, as the input has")
                self._begin(built, len(inputs[0]))
                self._runs_along = len(inputs[0])
            elif len(inputs[0]) != self._runs_along:
                raise ShapeError(
                    f"x has {len(inputs[0])} sequences; wanted the {self._runs_along} that are under way, or reset=True"
                )
            shapes = [(len(inputs[0]), steps[0], *shape[1:]) for shape in built.output_shapes]
            room = np.empty(sum(map(prod, shapes)), np.float32)
            places = [_inputs.placed(one) for one in inputs]
            built.model.next_steps(_arrays.address(room), room.size, parts(places, 0, len(inputs[0])))()
        found = _inputs.apart(room, shapes)
        return found[0] if len(found) == 1 else found

    def _begin(self, built: Built, count: int) -> None:
        """Begins so many sequences. Raises ShapeError where an input is none."""
        try:
            built.model.begin_sequences(count)
        except ShapeError:
            named = zip(self._input_names(), built.read_shapes, strict=True)
            listed = ", ".join(f"{shape} of {name!r}" for name, shape in named)
            raise ShapeError(f"the inputs read samples of {listed}; wanted sequences of as many steps from each, which "
                             "are read step by step") from None  # fmt: skip

    def generate(
        self,
        x: Any,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        seed: int | None = None,
    ) -> NDArray:
        """What a language model has follow: x with max_new_tokens more numbers behind each sequence, of int32. The
        model reads whole numbers, and gives for each step what comes next: logits, or probabilities of a softmax.

        x             whole numbers, 1 or more: (steps,), or (sequences, steps)
        temperature   what logits are divided by before one is drawn; 0: always the first of the likeliest
        top_k         among how many of the likeliest it is drawn (equals of the last count too); None: all
        seed          of what is drawn, 0 to 2^64 - 1; None: a random one

        Where the model's steps are all taken, the last half of them is read anew, as if it were the beginning, and of a
        longer x its end. Without attention and PositionEmbedding steps have no end, and all is read once. Layers and
        errors are predict_next's, which is under way at the last number that was read.
        """
        prompt = _samples.array(x, "x")
        if prompt.ndim not in (1, 2) or not prompt.size:
            raise ShapeError(f"x is {prompt.shape}; wanted (steps,) or (sequences, steps), one or more of each")
        count = _arguments.integer(max_new_tokens, "max_new_tokens", 0, 2**31 - 1)
        draw = _Draw(temperature, top_k, seed)
        with self._owner.inside(), self._tentative():
            found = self._follow(self._ready(), np.atleast_2d(prompt), count, draw)
        return found.reshape(*prompt.shape[:-1], -1)

    def _follow(self, built: Built, prompt: NDArray, count: int, draw: _Draw) -> NDArray:
        sizes, tables, shapes = _step_sizes(built), built.tables(), built.output_shapes
        if len(sizes) != 1 or tables[0] is None or len(shapes) != 1 or len(shapes[0]) != 2:
            raise UnsupportedError(
                f"{self!r} reads {len(sizes)} inputs and gives {_arguments.listed(shapes)}; wanted a model that reads "
                "whole numbers, and gives for each step a number for each of them"
            )
        read = _inputs.converted([("x", prompt)], built, [prompt.shape[1:]])[0]
        draw.takes_probabilities = _ends_in_softmax(built)
        length, steps = sizes[0][0], read.shape[1]
        found = np.empty((len(read), steps + count), np.int32)
        found[:, :steps] = read
        model, self._runs_along = built.model, len(read)
        logits = np.empty((len(read), min(length, max(steps, length // 2)), shapes[0][1]), np.float32)
        flat, one = logits.reshape(-1), np.empty((len(read), 1), np.int32)
        address, next_one = _arrays.address(logits), flat[: len(read) * shapes[0][1]].reshape(len(read), -1)
        step = model.next_steps(address, one.size * shapes[0][1], parts([_inputs.placed(one)], 0, len(one)))
        kept, endless = 0, _has_no_end(built)
        for place in range(steps, steps + count):
            if kept and (kept < length or endless):
                step()
                kept, last = kept + 1, next_one
            else:
                width = min(place, length if kept == 0 else max(1, length // 2))
                model.begin_sequences(len(read))
                for first in range(0 if endless else place - width, place, length):
                    window = np.ascontiguousarray(found[:, first : min(first + length, place)])
                    places = parts([_inputs.placed(window)], 0, len(window))
                    model.next_steps(address, window.size * shapes[0][1], places)()
                    width = window.shape[1]
                kept = width
                last = flat[: len(read) * width * shapes[0][1]].reshape(len(read), width, -1)[:, -1]
            one[:, 0] = draw(last)
            found[:, place] = one[:, 0]
        return found


def _step_sizes(built: Built) -> list[tuple[int, ...]]:
    """The sizes of a sample of each input. Raises where they are open, and what is kept grows with each step."""
    if built.model.is_open and not _has_no_end(built):
        built.refuse_open("steps are kept of as many as the input has")
    return [*built.input_sizes()]


def _has_no_end(built: Built) -> bool:
    """Whether no layer needs more for each step."""
    kinds = {built.model.node(place).kind for place in range(built.model.node_count())}
    return not kinds & {_ffi_models.LAYER_ATTENTION, _ffi_models.LAYER_POSITION}


def _ends_in_softmax(built: Built) -> bool:
    """Whether the output is probabilities."""
    line = built.model.layer(built.model.outputs()[0])
    return bool(line["activation"] == _ffi_models.ACTIVATION_SOFTMAX)


class _Draw:
    """One number for each row of logits."""

    def __init__(self, temperature: Any, top_k: Any, seed: Any) -> None:
        self.temperature = _arguments.within(temperature, "temperature", 0, float("inf"))
        self.top = None if top_k is None else _arguments.integer(top_k, "top_k")
        key = None if seed is None else _arguments.seed(seed)
        self.random = np.random.Generator(np.random.Philox(key=key)).random
        self.takes_probabilities = False

    def __call__(self, given: NDArray) -> NDArray:
        if self.temperature == 0:
            found: NDArray = given.argmax(1)
            return found
        # Methods of ufuncs: for one row functions around them would take longer than what they do.
        logits = given.astype(np.float64)
        if self.takes_probabilities:
            with np.errstate(divide="ignore"):
                logits = np.log(logits)
        if self.top is not None and self.top < logits.shape[1]:
            ordered = logits.copy()
            ordered.partition(-self.top, 1)
            np.putmask(logits, logits < ordered[:, -self.top, None], -np.inf)
        logits -= np.maximum.reduce(logits, 1, keepdims=True)
        logits /= self.temperature
        np.exp(logits, out=logits)
        sums = np.add.accumulate(logits, 1)
        ends = sums[:, -1:]
        if not isfinite(np.add.reduce(ends, None)):
            raise ArgumentError("the model gives NaN or infinity; wanted numbers to draw by")
        # Less than the last sum: what is drawn is at most 1 - 2^-53, and its product with a number rounds below that.
        drawn: NDArray = (sums > self.random(ends.shape) * ends).argmax(1)
        return drawn
