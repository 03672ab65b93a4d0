"""What a model is trained by: compile, fit, evaluate, predict and their kin, and files."""

from __future__ import annotations

from typing import Any

import numpy as np

from martlet import _arguments
from martlet._errors import OrderError, UnsupportedError
from martlet._ffi_optimizers import TRAINING
from martlet._model import Model as Native
from martlet._owner import Owner
from martlet.nn import _fit, _inputs, _progress, _sample_weights, _single, _training, node
from martlet.nn._by_hand import ByHand
from martlet.nn._callback import Logs
from martlet.nn._callback_list import Callbacks
from martlet.nn._compilation import Compilation
from martlet.nn._early import early
from martlet.nn._halves import returned
from martlet.nn._streams import Stream, is_stream, joined, refuse_targets
from martlet.nn._training import Data
from martlet.nn.history import History
from martlet.nn.optimizers import Optimizer


class Trained(ByHand):
    """A model that can be trained. Not for use by itself."""

    def __init__(self, name: str, seed: int | None) -> None:
        super().__init__(name, seed)
        self.stop_training = False
        self.history: History | None = None
        self._compilation: Compilation | None = None
        self._training = Owner()
        self._is_ready = False
        self._runs_along = 0
        """How many sequences are under way."""

    def _resume(self, compilation: Compilation) -> None:
        """Takes what a native model that was loaded is compiled with."""
        compilation.optimizer._bind(self._ready().model)
        self._compilation, self._is_ready = compilation, True

    def compile(self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, loss_weights: Any = None) -> None:
        """Says what to train for; moments start at zero.

        optimizer   "adam", "adamw", a martlet.nn.Adam or AdamW, or one of martlet.optim, whose numbers are taken
        loss        a name, such as "sparse_categorical_crossentropy", an object, such as Huber(0.5), or a function of
                    one's own, as martlet.nn.losses.OwnLoss says
        metrics     names or objects, such as ["accuracy", TopK(3)]; a history has them under the name given. Or
                    functions(y_true, y_pred) of one's own, which return a number, or one for each sample

        Of a model of several outputs loss is one for all, a list of one for each, or a dict by the outputs' names,
        metrics a list of a list for each, or such a dict, and loss_weights, a list or a dict, says how much each loss
        counts in the sum that is trained for: 1. Reported are the sum, each output's own loss without its weight, as
        "a_loss", and metrics, as "a_accuracy".

        Raises ArgumentError or DTypeError for what is not known, UnsupportedError for what does not go together, and
        OrderError inside fit, or where the optimizer trains another model.
        """
        self._refuse_taken_model("compile")
        compilation = Compilation.of(optimizer, loss, metrics, loss_weights, self._output_names())
        with self._owner.inside():
            self._refuse_in_fit("compile")
            native = self._native()
            compilation.optimizer._check_free(native)
            if self._built is not None:
                compilation.check_top(self._built)
            if self._compilation is not None:
                self._compilation.optimizer._release(native)
            self._compilation, self._is_ready = compilation, False
            self._lay_again()

    def _native(self) -> Native | None:
        return None if self._built is None else self._built.model

    def _refuse_in_fit(self, call: str) -> None:
        if self._training.is_held:
            raise OrderError(f"{call} came inside fit of {self!r}; set stop_training = True and call it after fit")

    def _forget(self) -> None:
        if self._compilation is not None and self._built is not None:
            self._compilation.optimizer._release(self._built.model)
        self._is_ready, self._runs_along = False, 0
        super()._forget()

    @property
    @early
    def optimizer(self) -> Optimizer:
        """The optimizer that compile was given; its learning_rate can be read and set."""
        return self._compiled().optimizer

    @property
    @early
    def metrics_names(self) -> list[str]:
        """The names of what is reported: "loss", and the metrics'."""
        return [name for name, *_ in self._compiled().columns()]

    def _compiled(self) -> Compilation:
        if self._compilation is None:
            raise OrderError(f"{self!r} is not compiled: call compile(optimizer, loss) first")
        return self._compilation

    def _prepare(self, batch_size: int) -> Native:
        """Compiles the native model, where it is not, with memory for batches as large as this."""
        built, compilation = self._ready(), self._compiled()
        if not self._is_ready:
            compilation.check(built)
            compilation.optimizer._compile(built.model, compilation.trainings(batch_size))
            self._is_ready = True
        return built.model

    def _data(
        self, x: Any, y: Any, batch_size: int | None, check: bool, of: str = "", sample_weight: Any = None,
        class_weight: Any = None,
    ) -> Data:  # fmt: skip
        """Samples and targets that fit, bound to the model. batch_size None: all of them are one batch."""
        self._refuse_taken_model("training or evaluation")
        compilation = self._compiled()
        given = _inputs.arrays(x, f"{of}x", self._input_names())
        with self._tentative():
            built = self._build_for(given)
            inputs = _inputs.converted(given, built)
            named = compilation.targets(y, f"{of}y", built)
            targets = [array for _, array in named]
            for where, array in named:
                _inputs.same_length(inputs[0], array, f"{of}x", where)
            if check:
                for (where, _), array in zip(given, inputs, strict=True):
                    _inputs.refuse_nan(array, where)
                compilation.check_targets(named)
            samples = len(targets[0])
            if class_weight is not None and len(targets) > 1:
                raise UnsupportedError("class_weight is given, and the model has several outputs; wanted sample_weight")
            names = [goal.name for goal in compilation.goals] if len(targets) > 1 else self._output_names()
            weights = _sample_weights.of(targets[0], sample_weight, class_weight, f"{of}sample_weight", names)
            native = self._prepare(min(batch_size or samples, samples))
            return Data.of(native, inputs, targets, weights, compilation.owns(built))

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = 32,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        *,
        validation_batch_size: int | None = None,
        check: bool = True,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
    ) -> History:
        """Trains; returns what was reported for each epoch.

        x                       samples: an array, lists, or a table of pandas, polars or pyarrow whose columns are
                                numbers; converted once to contiguous float32, into a copy where they are not so
                                already, or uint8; whole numbers for an Embedding. Of several inputs a list or tuple of
                                these, or a dict by the inputs' names. Or what gives batches (x, y): a generator,
                                torch's DataLoader, martlet.data.Batches, or an object with a length whose items are
                                batches, such as Keras's PyDataset
        y                       a whole-number label for each, or targets, as the loss wants; None where x gives
                                batches. Of several outputs a list or tuple of these, or a dict by the outputs' names
        batch_size              samples in a step; an epoch's last batch may have fewer
        epochs                  the number of the last epoch, and so of all of them where initial_epoch is 0
        verbose                 "auto": a bar on a terminal, else lines; 0: nothing; 1: a bar; 2: a line for each epoch
        callbacks               a list of martlet.nn.Callback
        validation_split        this share of the samples, the last ones, is held back and evaluated after each epoch
        validation_data         (x, y) to evaluate after each epoch, (x, y, sample_weight), or what gives batches
        shuffle                 samples in a new order in each epoch, by the model's seed and the epochs it has begun;
                                of an object whose items are batches these, and of what gives batches nothing
        class_weight            a dict of classes and how much the loss of a sample of theirs counts, 0 or more; others
                                count 1, and validation knows none
        sample_weight           the same of each sample, an array (samples,); of several outputs also a list of these,
                                or a dict by the outputs' names, with None for ones. The loss is the mean of weight
                                times loss, not divided by the weights' sum, and metrics know no weights, as in Keras;
                                batches are (x, y, sample_weight)
        validation_batch_size   samples that are evaluated at once; None: batch_size
        check                   whether x and y are searched, once, for numbers that no training can use
        steps_per_epoch         batches in an epoch, where x gives them: the next one goes on where it ended
        validation_steps        the same of validation_data
        validation_freq         validates after every so many epochs, or after those of a list, counted from 1

        Ctrl-C ends it between two steps, with KeyboardInterrupt; model, optimizer and self.history are then as after
        the last step. Raises OrderError before compile, DTypeError, ShapeError or ArgumentError for data or arguments
        that cannot be, with nothing trained, and BusyError where another thread is inside.
        """
        options = _fit.Options.checked(
            batch_size, epochs, verbose, callbacks, validation_split, validation_data, shuffle, initial_epoch,
            validation_batch_size, check, steps_per_epoch, validation_steps, validation_freq, sample_weight,
            class_weight,
        )  # fmt: skip
        with self._owner.inside(), self._training.inside():
            return _fit.fit(self, x, y, options)

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = 32,
        verbose: Any = "auto",
        sample_weight: Any = None,
        *,
        callbacks: Any = None,
        return_dict: bool = False,
        check: bool = True,
        steps: int | None = None,
    ) -> Any:
        """Means over all samples: the loss, or (loss, metric, ...) in the order of compile; with return_dict by their
        names. Arguments and errors as fit's; steps: how many batches of an x that gives them."""
        is_dict = _arguments.flag(return_dict, "return_dict")
        size = _arguments.batch_size(batch_size)
        shown = _progress.level(verbose, alone=0)
        if is_stream(x):
            refuse_targets(y, sample_weight)
            return returned(self._evaluate_stream(Stream(x, "x", steps), check, callbacks, shown), is_dict)
        with self._owner.inside():
            data = self._data(x, y, size, check, "", sample_weight)
            heard = Callbacks.of(callbacks, self, size, data.samples, shown)
            progress = _progress.Progress(shown, "evaluate", data.samples)
            try:
                logs = _training.evaluate(data, size, self._compiled().columns(), heard, progress)
                progress.pause(data.samples, logs)
                progress.end(logs)
            finally:
                progress.close()
        return returned(logs, is_dict)

    def _evaluate_stream(self, stream: Stream, check: bool, callbacks: Any, shown: int) -> Logs:
        with self._owner.inside():
            params = {"epochs": 1, "batch_size": None, "samples": None, "verbose": shown, "steps": stream.steps}
            heard, progress = Callbacks(callbacks, self, params), _progress.Progress(shown, "evaluate", None)
            try:
                columns = self._compiled().columns()
                logs, done = _training.evaluate_stream(stream.batches(), check, columns, heard, self, progress)
                progress.pause(done, logs)
                progress.end(logs)
            finally:
                progress.close()
        return logs

    def train_on_batch(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
        *,
        check: bool = True,
    ) -> Any:
        """One step on all samples as one batch; returns what evaluate does, as it was before the step. Errors as
        fit's; on failure no step was taken."""
        is_dict = _arguments.flag(return_dict, "return_dict")
        with self._owner.inside():
            data = self._data(x, y, None, check, "", sample_weight, class_weight)
            self.optimizer.before_step()
            if not self._training.is_held:
                data.bound.tally(TRAINING, keeps=False)
            data.bound.train_all()
            found = data.bound.numbers(self._compiled().columns(), TRAINING)
        return returned(found, is_dict)

    def test_on_batch(
        self, x: Any, y: Any, sample_weight: Any = None, return_dict: bool = False, *, check: bool = True
    ) -> Any:
        """What evaluate returns, of one batch."""
        return self.evaluate(x, y, None, 0, sample_weight, return_dict=return_dict, check=check)

    def predict(
        self, x: Any, batch_size: int | None = 32, verbose: Any = 0, *, callbacks: Any = None, steps: int | None = None
    ) -> Any:
        """The output of every sample: a new float32 array (samples, *output_shape without its batch), of several
        outputs a list of them. Needs no compile.

        batch_size bounds memory alone: a sample's output is the same to the bit in any batch, and by itself. verbose is
        taken for Keras's sake and shows nothing. Up to 1,023 threads may predict at once, without callbacks:
        each has the bits that it has alone; of a model whose Input has None in its shape those whose samples have one
        shape. Raises DTypeError or ShapeError where x cannot be read, and
        BusyError where another thread trains or changes the model.
        """
        if type(x) is np.ndarray and callbacks is steps is None and _are_plain(batch_size, verbose):
            one = _single.predict(self, x)
            if one is not None:
                return one
        size = _arguments.batch_size(batch_size)
        _progress.level(verbose)
        if is_stream(x):
            stream, count = Stream(x, "x", steps), len(self._input_names())
            return joined([self.predict(one, size, callbacks=callbacks) for one in stream.samples(count)])
        given = _inputs.arrays(x, "x", self._input_names())
        # Callbacks may do anything, and so are inside alone.
        alone = callbacks is not None
        with self._owner.inside() if alone else self._owner.settled(lambda: self._is_settled), self._tentative():
            built = self._build_for(given)
            inputs = _inputs.converted(given, built)
            heard = Callbacks.of(callbacks, self, size, len(inputs[0]), 0)
            found = _training.predict(built.model, inputs, built.output_shapes, size, heard)
        if not self._taken and (built.single or (len(inputs[0]) == 1 and built.allows_single())):
            self._owner.rest()
        return found[0] if len(found) == 1 else found

    def __call__(self, x: Any, training: bool | None = False) -> Any:
        """The output of every sample, as predict; of nodes, a node of another model, as a layer's call gives one.
        training=True raises UnsupportedError: train_on_batch trains."""
        if type(x) is np.ndarray and (training is False or training is None):
            one = _single.predict(self, x)
            if one is not None:
                return one
        if node.is_symbolic(x):
            return self._called_with(x)
        if training is not None and _arguments.flag(training, "training"):
            raise UnsupportedError(
                "training is True, and a call computes outputs alone; wanted False, or train_on_batch"
            )
        return self.predict(x)

    def gradient_norm(self) -> float:
        """The Euclidean norm of what gradients() returns; NaN before the first training step."""
        return self._ready().model.grad_norm() if self._is_ready else float("nan")


def _are_plain(batch_size: Any, verbose: Any) -> bool:
    """Whether these are what nearly everybody gives, with nothing to refuse or to convert."""
    return type(batch_size) is type(verbose) is int and 1 <= batch_size < 1 << 63 and 0 <= verbose <= 2
