"""Sequential: layers one after another, trained and run in the library, with Keras's names and meanings.

It brings together what its neighbours do: _stack.py the layers, _compilation.py what compile was given, _inputs.py the
data, _training.py the loops, _fit.py a whole training.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from martlet import _samples
from martlet._errors import OrderError
from martlet._model import Model
from martlet._samples import NDArray
from martlet.nn import _arguments, _fit, _inputs, _progress, _training
from martlet.nn._compilation import Compilation
from martlet.nn._stack import Stack
from martlet.nn._training import Data
from martlet.nn.callbacks import Logs
from martlet.nn.history import History
from martlet.nn.optimizers import Optimizer


class Sequential(Stack):
    """Layers one after another.

    layers   Input(shape), which may be left out, and layers; more come with add until the parameters are made
    name     what summary calls it
    seed     of initial values, dropout and the order of samples, 0 to 2^64 - 1; None: a random one, which .seed tells

    What one sample looks like is said by Input, by input_shape= of the first layer, or by the first data seen. One
    thread at a time may be inside a model; a second one gets BusyError. The same seed, data and calls give the same
    bits for any number of threads on one instruction set.
    """

    def __init__(self, layers: Iterable[Any] | None = None, name: str | None = None, seed: int | None = None) -> None:
        super().__init__(layers, name, seed)
        self.stop_training = False
        self.history: History | None = None
        self._compilation: Compilation | None = None
        self._is_ready = False

    def resume(self, compilation: Compilation) -> None:
        """Takes what a native model that was loaded is compiled with."""
        compilation.optimizer.bind(self._ready().model)
        self._compilation, self._is_ready = compilation, True

    def compile(self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None) -> None:
        """Says what to train for; moments start at zero.

        optimizer   "adam", "adamw", a martlet.nn.Adam or AdamW, or one of martlet.optim, whose numbers are taken
        loss        a name, such as "sparse_categorical_crossentropy", or an object, such as Huber(0.5)
        metrics     names or objects, such as ["accuracy", TopK(3)]; a history has them under the name given
        """
        compilation = Compilation.of(optimizer, loss, metrics)
        before = self._compilation
        if before is None or before.optimizer is not compilation.optimizer:
            compilation.optimizer.check_free()
        if before is not None:
            before.optimizer.release()
        self._compilation, self._is_ready = compilation, False

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer that compile was given; its learning_rate can be read and set."""
        return self._compiled().optimizer

    @property
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
            compilation.check(built.output_shape)
            built.model.compile(compilation.training(batch_size), compilation.optimizer.hyperparameters())
            compilation.optimizer.bind(built.model)
            self._is_ready = True
        return built.model

    def _data(self, x: Any, y: Any, batch_size: int | None, check: bool, of: str = "") -> Data:
        """Samples and targets that fit, bound to the model. batch_size None: all of them are one batch."""
        compilation = self._compiled()
        prepared = _samples.samples(x, f"{of}x")
        built = self._build_for(prepared)
        prepared = _inputs.fitting(prepared, f"{of}x", built.input_shape)
        targets = compilation.loss.targets(y, f"{of}y", built.output_shape)
        _inputs.same_length(prepared, targets, of)
        if check:
            _inputs.refuse_nan(prepared, f"{of}x")
            _inputs.refuse_nan(targets, f"{of}y")
        return Data.of(self._prepare(min(batch_size or len(prepared), len(prepared))), prepared, targets)

    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int | None = 32,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        check: bool = True,
    ) -> History:
        """Trains; returns what was reported for each epoch.

        x                  samples; converted once to contiguous float32, into a copy where they are not so already
        y                  a whole-number label for each, or targets, as the loss wants
        batch_size         samples in a step; an epoch's last batch may have fewer
        epochs             the number of the last epoch, and so of all of them where initial_epoch is 0
        verbose            "auto": a bar on a terminal, else lines; 0: nothing; 1: a bar; 2: a line for each epoch
        callbacks          a list of martlet.nn.Callback
        validation_split   this share of the samples, the last ones, is held back and evaluated after each epoch
        validation_data    (x, y) to evaluate after each epoch
        shuffle            samples in a new order in each epoch, by the model's seed and the steps it has taken
        check              whether x and y are searched for NaN, once

        Ctrl-C ends it between two steps, with KeyboardInterrupt; model, optimizer and self.history are then as after
        the last step.
        """
        return _fit.fit(self, x, y, _fit.Options.checked(
            batch_size, epochs, verbose, callbacks, validation_split, validation_data, shuffle, initial_epoch, check
        ))  # fmt: skip

    def evaluate(
        self,
        x: Any,
        y: Any,
        batch_size: int | None = 32,
        verbose: Any = "auto",
        return_dict: bool = False,
        check: bool = True,
    ) -> Any:
        """The loss, or (loss, metric, ...) in the order of compile; with return_dict by their names."""
        size = _arguments.batch_size(batch_size)
        shown = _progress.level(verbose, alone=0)
        data = self._data(x, y, size, check)
        progress = _progress.Progress(shown, "evaluate", len(data.x))
        try:
            logs = _training.evaluate(data, size, self._compiled().columns(), progress)
            progress.end(len(data.x), logs)
        finally:
            progress.close()
        return _returned(logs, return_dict)

    def train_on_batch(self, x: Any, y: Any, return_dict: bool = False, check: bool = True) -> Any:
        """One step on all samples as one batch; returns what evaluate does, as it was before the step."""
        data = self._data(x, y, None, check)
        data.bound.train_all()
        return _returned({name: data.bound.numbers[word] for name, word in self._compiled().columns()}, return_dict)

    def test_on_batch(self, x: Any, y: Any, return_dict: bool = False, check: bool = True) -> Any:
        """What evaluate returns, of one batch."""
        return self.evaluate(x, y, verbose=0, return_dict=return_dict, check=check)

    def predict(self, x: Any, batch_size: int | None = 32, verbose: Any = 0) -> NDArray:
        """The output of every sample. Needs no compile. verbose is taken for Keras's sake, and shows nothing."""
        size = _arguments.batch_size(batch_size)
        samples = _samples.samples(x, "x")
        built = self._build_for(samples)
        return _training.predict(
            built.model, _inputs.fitting(samples, "x", built.input_shape), built.output_shape, size
        )

    def __call__(self, x: Any) -> NDArray:
        """The output of every sample, as predict."""
        return self.predict(x)

    def gradient_norm(self) -> float:
        """The Euclidean norm of the latest training step's gradient; NaN before the first."""
        return self._ready().model.grad_norm() if self._is_ready else float("nan")

    def save(self, path: Any) -> None:
        """Saves layers, weights and statistics, and after training began what it needs to go on to the bit. One
        safetensors file, which is whole at any moment; martlet.nn.load_model reads it, and so does C."""
        name = _arguments.file_name(path)
        built = self._ready()
        if self._compilation is not None and not self._is_ready:
            self._prepare(32)
        built.model.save(name)


def _returned(logs: Logs, return_dict: bool) -> Any:
    if return_dict:
        return logs
    values = tuple(logs.values())
    return values if len(values) > 1 else values[0]
