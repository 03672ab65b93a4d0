"""BackupAndRestore: a training that was cut off goes on where its last epoch ended, or within one."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any

from martlet import _arguments
from martlet._errors import FileError
from martlet.nn._callback import Callback

# Epochs that are done, and batches of the one that follows.
_NAME = re.compile(r"epoch-([0-9]{1,18})(?:-batch-([0-9]{1,18}))?\.safetensors")


class BackupAndRestore(Callback):
    """Saves the model after each epoch, and begins a fit that finds such a file there with its weights, moments and
    counters, at the epoch that follows: the same script, run again after a kill, gives the bits of one that was not
    killed.

    backup_dir          a folder of its own, made where it is missing
    save_freq           "epoch", or after how many batches of an epoch it saves too: fit then goes on with the batch
                        that follows, and reports of that epoch what it trained on. What gives batches has to give the
                        same again, of which those that are done are passed over
    delete_checkpoint   whether the file is taken away at the end of a fit that was not cut off

    double_checkpoint is Keras's argument: the file before the newest is kept until that one is whole in any case. A
    file of another model, or of one that was compiled with another loss or algorithm, raises FormatError before
    anything is trained.
    """

    def __init__(
        self,
        backup_dir: Any,
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        self.backup_dir = os.fsdecode(_arguments.file_name(backup_dir, "backup_dir", "a folder"))
        self.save_freq = save_freq if save_freq == "epoch" else _arguments.integer(save_freq, "save_freq")
        self._epoch = 0
        if save_freq != "epoch":
            # A hook of every batch has its price, and is there for who asked for it.
            self.on_train_batch_end = self._batch_ended  # type: ignore[method-assign]
        self.double_checkpoint = _arguments.flag(double_checkpoint, "double_checkpoint")
        self.delete_checkpoint = _arguments.flag(delete_checkpoint, "delete_checkpoint")

    def _found(self) -> list[tuple[int, int, str]]:
        """The epochs and batches that there are files of, and these."""
        try:
            names = os.listdir(self.backup_dir)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise FileError(f"backup_dir {self.backup_dir!r}: {error.strerror}") from error
        matches = [found for name in names if (found := _NAME.fullmatch(name))]
        return sorted((int(found[1]), int(found[2] or 0), os.path.join(self.backup_dir, found[0])) for found in matches)

    def _resume(self, model: Any) -> tuple[int, int]:
        from martlet.nn import _files

        found = self._found()
        if not found:
            return 0, 0
        epoch, batch, path = found[-1]
        _files.resume(model, path)
        return epoch, batch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._save(f"epoch-{epoch + 1}.safetensors")

    def _batch_ended(self, batch: int, logs: Any = None) -> None:
        # The epoch's end saves too.
        if (batch + 1) % self.save_freq == 0 and batch + 1 != self.params.get("steps"):
            self._save(f"epoch-{self._epoch}-batch-{batch + 1}.safetensors")

    def _save(self, name: str) -> None:
        older = self._found()
        try:
            os.makedirs(self.backup_dir, exist_ok=True)
        except OSError as error:
            raise FileError(f"backup_dir {self.backup_dir!r}: {error.strerror}") from error
        path = os.path.join(self.backup_dir, name)
        self.model.save(path)
        self._remove([old for *_, old in older if old != path])

    def on_train_end(self, logs: Any = None) -> None:
        if self.delete_checkpoint:
            self._remove([path for *_, path in self._found()])
            with contextlib.suppress(OSError):  # others' files may be there
                os.rmdir(self.backup_dir)

    def _remove(self, paths: list[str]) -> None:
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
