"""Sequential: layers one after another, trained and run in the library, with Keras's names and meanings.

It brings together what its neighbours do: _stack.py the layers, _compilation.py what compile was given, _inputs.py the
data, _training.py the loops, _fit.py a whole training, _halves.py a step in two.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from martlet import _arguments, _samples
from martlet._errors import FileError, OrderError, UnsupportedError
from martlet._model import Model
from martlet._owner import Owner
from martlet._samples import NDArray
from martlet.nn import _fit, _inputs, _notes, _progress, _training
from martlet.nn._compilation import Compilation
from martlet.nn._early import early
from martlet.nn._halves import Halves, returned
from martlet.nn._listeners import Callbacks
from martlet.nn._subclasses import refuse_methods
from martlet.nn._training import Data
from martlet.nn.history import History
from martlet.nn.optimizers import Optimizer


class Sequential(Halves):
    """Layers one after another.

    layers   Input(shape), which may be left out, and layers; more come with add until the parameters are made
    name     what summary calls it
    seed     of initial values, dropout and the order of samples, 0 to 2^64 - 1; None: a random one, which .seed tells

    What one sample looks like is said by Input, by input_shape= of the first layer, or by the first data seen; data
    that cannot be used say nothing. The same seed, data and calls give the same bits for any number of threads on one
    instruction set, whatever numpy's version.

    One thread at a time may be inside a model, for the whole of a call, fit too: a second one gets BusyError at once,
    and the first goes on. What reads or writes weights counts. The thread that is inside may call more, as callbacks
    do: all but compile and close. with Sequential(...) as model frees the memory at its end, and so does close().
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_methods(cls, "call", "train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")

    def __init__(
        self, layers: Iterable[Any] | None = None, *, name: str | None = None, seed: int | None = None
    ) -> None:
        super().__init__(layers, name=name, seed=seed)
        self.stop_training = False
        self.history: History | None = None
        self._compilation: Compilation | None = None
        self._training = Owner()
        self._is_ready = False

    def _resume(self, compilation: Compilation) -> None:
        """Takes what a native model that was loaded is compiled with."""
        compilation.optimizer._bind(self._ready().model)
        self._compilation, self._is_ready = compilation, True

    def compile(self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None) -> None:
        """Says what to train for; moments start at zero.

        optimizer   "adam", "adamw", a martlet.nn.Adam or AdamW, or one of martlet.optim, whose numbers are taken
        loss        a name, such as "sparse_categorical_crossentropy", or an object, such as Huber(0.5)
        metrics     names or objects, such as ["accuracy", TopK(3)]; a history has them under the name given

        Raises ArgumentError or DTypeError for what is not known, UnsupportedError for what does not go together, and
        OrderError inside fit, or where the optimizer trains another model.
        """
        compilation = Compilation.of(optimizer, loss, metrics)
        with self._owner.inside():
            self._refuse_in_fit("compile")
            native = self._native()
            compilation.optimizer._check_free(native)
            if self._built is not None:
                compilation.check_top(self._built)
            if self._compilation is not None:
                self._compilation.optimizer._release(native)
            self._compilation, self._is_ready = compilation, False

    def _build(self, shape: tuple[int, ...]) -> None:
        with self._tentative():
            super()._build(shape)
            if self._compilation is not None and self._built is not None:
                self._compilation.check_top(self._built)

    def _native(self) -> Model | None:
        return None if self._built is None else self._built.model

    def _refuse_in_fit(self, call: str) -> None:
        if self._training.is_held:
            raise OrderError(f"{call} came inside fit of {self!r}; set stop_training = True and call it after fit")

    def _forget(self) -> None:
        if self._compilation is not None and self._built is not None:
            self._compilation.optimizer._release(self._built.model)
        self._is_ready = False
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
        return [name for name, _ in self._compiled().columns()]

    def _compiled(self) -> Compilation:
        if self._compilation is None:
            raise OrderError(f"{self!r} is not compiled: call compile(optimizer, loss) first")
        return self._compilation

    def _prepare(self, batch_size: int) -> Model:
        """Compiles the native model, where it is not, with memory for batches as large as this."""
        built, compilation = self._ready(), self._compiled()
        if not self._is_ready:
            compilation.check(built)
            compilation.optimizer._compile(built.model, compilation.training(batch_size))
            self._is_ready = True
        return built.model

    def _data(self, x: Any, y: Any, batch_size: int | None, check: bool, of: str = "") -> Data:
        """Samples and targets that fit, bound to the model. batch_size None: all of them are one batch."""
        compilation = self._compiled()
        prepared = _samples.samples(x, f"{of}x")
        with self._tentative():
            built = self._build_for(prepared)
            prepared = _inputs.fitting(prepared, f"{of}x", built.input_shape)
            targets = compilation.targets(y, f"{of}y", built.output_shape)
            _inputs.same_length(prepared, targets, of)
            if check:
                _inputs.refuse_nan(prepared, f"{of}x")
                _inputs.refuse_nan(targets, f"{of}y")
                compilation.loss.check(targets, f"{of}y")
            return Data.of(self._prepare(min(batch_size or len(prepared), len(prepared))), prepared, targets)

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
        class_weight: None = None,
        sample_weight: None = None,
        initial_epoch: int = 0,
        *,
        validation_batch_size: int | None = None,
        check: bool = True,
    ) -> History:
        """Trains; returns what was reported for each epoch.

        x                       samples: an array, lists, or a table of pandas, polars or pyarrow whose columns are
                                numbers; converted once to contiguous float32, into a copy where they are not so already
        y                       a whole-number label for each, or targets, as the loss wants
        batch_size              samples in a step; an epoch's last batch may have fewer
        epochs                  the number of the last epoch, and so of all of them where initial_epoch is 0
        verbose                 "auto": a bar on a terminal, else lines; 0: nothing; 1: a bar; 2: a line for each epoch
        callbacks               a list of martlet.nn.Callback
        validation_split        this share of the samples, the last ones, is held back and evaluated after each epoch
        validation_data         (x, y) to evaluate after each epoch
        shuffle                 samples in a new order in each epoch, by the model's seed and the steps it has taken
        class_weight            None: every sample counts the same, as here everywhere; else UnsupportedError
        sample_weight           the same
        validation_batch_size   samples that are evaluated at once; None: batch_size
        check                   whether x and y are searched, once, for numbers that no training can use

        Ctrl-C ends it between two steps, with KeyboardInterrupt; model, optimizer and self.history are then as after
        the last step. Raises OrderError before compile, DTypeError, ShapeError or ArgumentError for data or arguments
        that cannot be, with nothing trained, and BusyError where another thread is inside.
        """
        _fit.refuse_weights(class_weight=class_weight, sample_weight=sample_weight)
        options = _fit.Options.checked(
            batch_size, epochs, verbose, callbacks, validation_split, validation_data, shuffle, initial_epoch,
            validation_batch_size, check,
        )  # fmt: skip
        with self._owner.inside(), self._training.inside():
            return _fit.fit(self, x, y, options)

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = 32,
        verbose: Any = "auto",
        sample_weight: None = None,
        *,
        callbacks: Any = None,
        return_dict: bool = False,
        check: bool = True,
    ) -> Any:
        """Means over all samples: the loss, or (loss, metric, ...) in the order of compile; with return_dict by their
        names. Arguments and errors as fit's."""
        _fit.refuse_weights(sample_weight=sample_weight)
        is_dict = _arguments.flag(return_dict, "return_dict")
        size = _arguments.batch_size(batch_size)
        shown = _progress.level(verbose, alone=0)
        with self._owner.inside():
            data = self._data(x, y, size, check)
            heard = Callbacks.of(callbacks, self, size, len(data.x), shown)
            progress = _progress.Progress(shown, "evaluate", len(data.x))
            try:
                logs = _training.evaluate(data, size, self._compiled().columns(), heard, progress)
                progress.pause(len(data.x), logs)
                progress.end(logs)
            finally:
                progress.close()
        return returned(logs, is_dict)

    def train_on_batch(
        self,
        x: Any,
        y: Any,
        sample_weight: None = None,
        class_weight: None = None,
        return_dict: bool = False,
        *,
        check: bool = True,
    ) -> Any:
        """One step on all samples as one batch; returns what evaluate does, as it was before the step. Errors as
        fit's; on failure no step was taken."""
        _fit.refuse_weights(sample_weight=sample_weight, class_weight=class_weight)
        is_dict = _arguments.flag(return_dict, "return_dict")
        with self._owner.inside():
            data = self._data(x, y, None, check)
            self.optimizer.before_step()
            data.bound.train_all()
            found = {name: data.bound.numbers[word] for name, word in self._compiled().columns()}
        return returned(found, is_dict)

    def test_on_batch(
        self, x: Any, y: Any, sample_weight: None = None, return_dict: bool = False, *, check: bool = True
    ) -> Any:
        """What evaluate returns, of one batch."""
        return self.evaluate(x, y, None, 0, sample_weight, return_dict=return_dict, check=check)

    def predict(self, x: Any, batch_size: int | None = 32, verbose: Any = 0, *, callbacks: Any = None) -> NDArray:
        """The output of every sample: a new float32 array (samples, *output_shape without its batch). Needs no compile.

        batch_size bounds memory alone: a sample's output is the same to the bit in any batch, and by itself. verbose is
        taken for Keras's sake and shows nothing. Raises DTypeError or ShapeError where x cannot be read, and BusyError.
        """
        size = _arguments.batch_size(batch_size)
        _progress.level(verbose)
        samples = _samples.samples(x, "x")
        with self._owner.inside(), self._tentative():
            built = self._build_for(samples)
            fitting = _inputs.fitting(samples, "x", built.input_shape)
            heard = Callbacks.of(callbacks, self, size, len(fitting), 0)
            return _training.predict(built.model, fitting, built.output_shape, size, heard)

    def __call__(self, x: Any, training: bool | None = False) -> NDArray:
        """The output of every sample, as predict. training=True raises UnsupportedError: train_on_batch trains."""
        if training is not None and _arguments.flag(training, "training"):
            raise UnsupportedError(
                "training is True, and a call computes outputs alone; wanted False, or train_on_batch"
            )
        return self.predict(x)

    def gradient_norm(self) -> float:
        """The Euclidean norm of what gradients() returns; NaN before the first training step."""
        return self._ready().model.grad_norm() if self._is_ready else float("nan")

    def save(self, path: Any, overwrite: bool = True) -> None:
        """Saves layers, weights and statistics, and once compiled what training needs to go on to the bit.

        path is a file name, taken as it is: ".safetensors" is what the format calls itself, and nothing is appended.
        The file is whole at any moment: a kill leaves the old one or the new one, and perhaps a folder .martlet.*
        beside it. martlet.nn.load_model reads it, and so does C, to which it says all but names of metrics and classes
        of layers. Raises FileError where the system refuses, or where there is a file and overwrite is False, and
        OrderError before the shape of the samples is known.
        """
        name = _arguments.file_name(path)
        if not _arguments.flag(overwrite, "overwrite") and os.path.lexists(name):
            raise FileError(f"{os.fsdecode(name)} is there already, and overwrite is False")
        with self._owner.inside():
            built = self._ready()
            if self._compilation is not None and not self._is_ready:
                self._prepare(32)
            _notes.save(name, built.model.save, _notes.of(self.name, self._layers, self._compilation))
