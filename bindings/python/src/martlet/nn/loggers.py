"""Callbacks that write numbers to files: CSVLogger and TensorBoard."""

from __future__ import annotations

import csv
import os
from time import perf_counter
from typing import Any

from martlet import _arguments
from martlet._errors import ArgumentError, DTypeError, FileError, UnsupportedError
from martlet.nn._callback import Callback
from martlet.nn._events import EventFile


class CSVLogger(Callback):
    """A line for each epoch, with the epoch from 0 and its numbers; "NA" for one that an epoch does not have.

    filename    a file that is made anew at the beginning of each fit, or with append goes on where it ended
    separator   one character
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = os.fsdecode(_arguments.file_name(filename, "filename"))
        self.separator = _arguments.text(separator, "separator")
        if len(separator) != 1:
            raise ArgumentError(f"separator is {separator!r}; wanted one character")
        self.append = _arguments.flag(append, "append")
        self._names: list[str] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self._names = []
        if self.append and os.path.exists(self.filename) and os.path.getsize(self.filename):
            with self._opened("r") as file:
                self._names = next(csv.reader(file, delimiter=self.separator))[1:]
        elif not self.append:
            self._opened("w").close()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        with self._opened("a") as file:
            writer = csv.writer(file, delimiter=self.separator, lineterminator="\n")
            if not self._names:
                self._names = sorted(logs)
                if not any(name.startswith("val_") for name in logs):  # a later epoch may have some
                    self._names += [f"val_{name}" for name in self._names]
                writer.writerow(["epoch", *self._names])
            writer.writerow([epoch, *(logs.get(name, "NA") for name in self._names)])

    def _opened(self, mode: str) -> Any:
        try:
            return open(self.filename, mode, newline="", encoding="utf-8")
        except OSError as error:
            raise FileError(f"filename {self.filename!r}: {error.strerror}") from error


class TensorBoard(Callback):
    """Writes event files, which TensorBoard shows: log_dir/train and log_dir/validation, with Keras's tags,
    "epoch_loss", "epoch_learning_rate" and so on, by epoch.

    log_dir                  a folder, made where it is missing
    update_freq              "epoch"; "batch", or a number of batches, writes "batch_loss" and so on too, by step
    write_steps_per_second   whether there is "epoch_steps_per_second" too
    histogram_freq           every so many epochs, from the first on, how often the numbers of each weight are in which
                             range, "lstm/kernel/histogram" and so on; 0: never

    write_graph, write_images, profile_batch, embeddings_freq and embeddings_metadata are Keras's
    arguments. What they ask for is not written: graphs in silence, as Keras's default asks for one; else
    UnsupportedError.
    """

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        unserved = {"write_images": write_images, "profile_batch": profile_batch, "embeddings_freq": embeddings_freq,
                    "embeddings_metadata": embeddings_metadata}  # fmt: skip
        for name, value in unserved.items():
            if value:
                raise UnsupportedError(f"{name} is {value!r}, and numbers alone are written; wanted its default")
        self.histogram_freq = _arguments.integer(histogram_freq, "histogram_freq", 0)
        self.log_dir = os.fsdecode(_arguments.file_name(log_dir, "log_dir", "a folder"))
        self.write_graph = _arguments.flag(write_graph, "write_graph")
        self.write_steps_per_second = _arguments.flag(write_steps_per_second, "write_steps_per_second")
        self.update_freq = update_freq
        self._every = self._batches_between(update_freq)
        self._train = EventFile(os.path.join(self.log_dir, "train"))
        self._validation = EventFile(os.path.join(self.log_dir, "validation"))

    @staticmethod
    def _batches_between(given: Any) -> int:
        """How many batches there are between two numbers; 0: none are written."""
        if isinstance(given, str):
            return _arguments.one_of(given, {"epoch": 0, "batch": 1}, "update_freq")
        if isinstance(given, bool):
            raise DTypeError(f'update_freq is {given}; wanted "epoch", "batch" or a whole number')
        return _arguments.integer(given, "update_freq")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begun, self._first = perf_counter(), self.model.optimizer.iterations

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._every and (batch + 1) % self._every == 0:
            step = self.model.optimizer.iterations
            for name, value in (logs or {}).items():
                self._train.write(f"batch_{name}", value, step)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        numbers = {**(logs or {}), "learning_rate": self.model.optimizer.learning_rate}
        if self.write_steps_per_second:
            steps = self.model.optimizer.iterations - self._first
            numbers["steps_per_second"] = steps / max(perf_counter() - self._begun, 1e-9)
        for name, value in numbers.items():
            file = self._validation if name.startswith("val_") else self._train
            file.write(f"epoch_{name.removeprefix('val_')}", value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for layer in self.model._leaves():
                for name, weight in zip(layer.weight_names, layer.get_weights(), strict=True):
                    self._train.write_histogram(f"{name}/histogram", weight, epoch)
        self._train.flush()
        self._validation.flush()

    def on_train_end(self, logs: Any = None) -> None:
        self._train.close()
        self._validation.close()
