"""BackupAndRestore: a training that was cut off goes on where its last epoch ended."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any

from martlet import _arguments
from martlet._errors import FileError, UnsupportedError
from martlet.nn._callback import Callback

_NAME = re.compile(r"epoch-([0-9]{1,18})\.safetensors")


class BackupAndRestore(Callback):
    """Saves the model after each epoch, and begins a fit that finds such a file there with its weights, moments and
    counters, at the epoch that follows: the same script, run again after a kill, gives the bits of one that was not
    killed.

    backup_dir          a folder of its own, made where it is missing
    delete_checkpoint   whether the file is taken away at the end of a fit that was not cut off

    save_freq and double_checkpoint are Keras's arguments: others than "epoch" raise UnsupportedError, and the file
    before the newest is kept until that one is whole in any case. A file of another model, or of one that was compiled
    with another loss or algorithm, raises FormatError before anything is trained.
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
        if save_freq != "epoch":
            raise UnsupportedError(f'save_freq is {save_freq!r}, and a training goes on at an epoch; wanted "epoch"')
        self.save_freq = save_freq
        self.double_checkpoint = _arguments.flag(double_checkpoint, "double_checkpoint")
        self.delete_checkpoint = _arguments.flag(delete_checkpoint, "delete_checkpoint")

    def _found(self) -> list[tuple[int, str]]:
        """The epochs that there are files of, and these."""
        try:
            names = os.listdir(self.backup_dir)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise FileError(f"backup_dir {self.backup_dir!r}: {error.strerror}") from error
        matches = [found for name in names if (found := _NAME.fullmatch(name))]
        return sorted((int(found[1]), os.path.join(self.backup_dir, found[0])) for found in matches)

    def _resume(self, model: Any) -> int:
        from martlet.nn import _files

        found = self._found()
        if not found:
            return 0
        epoch, path = found[-1]
        _files.resume(model, path)
        return epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        older = self._found()
        try:
            os.makedirs(self.backup_dir, exist_ok=True)
        except OSError as error:
            raise FileError(f"backup_dir {self.backup_dir!r}: {error.strerror}") from error
        path = os.path.join(self.backup_dir, f"epoch-{epoch + 1}.safetensors")
        self.model.save(path)
        self._remove([old for _, old in older if old != path])

    def on_train_end(self, logs: Any = None) -> None:
        if self.delete_checkpoint:
            self._remove([path for _, path in self._found()])
            with contextlib.suppress(OSError):  # others' files may be there
                os.rmdir(self.backup_dir)

    def _remove(self, paths: list[str]) -> None:
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
