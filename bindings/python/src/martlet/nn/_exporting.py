"""What a model is written as for who has no Martlet."""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import Any

from martlet import _arguments, _forks
from martlet._errors import FileError
from martlet.nn import _weight_files
from martlet.nn._built import Built
from martlet.nn._inputs import parted
from martlet.nn._stepping import Stepping
from martlet.nn.inputs import DTYPES


class Exporting(Stepping):
    """A model that can be written so. Not for use by itself."""

    def to_onnx(self, path: Any, overwrite: bool = True, *, input_types: Any = None) -> None:
        """Writes what the model predicts by as one ONNX file (opset 20, IR 10), which onnxruntime and others run.

        Weights are inside. Dropout and what else training alone does is left out, and moving statistics are taken, as
        in predict; a Normalization layer, as scalers' layer() gives, is a part of the file. The first axis of inputs
        and outputs, "batch", may have any size, and so may the steps of sequences, "steps", of a model in which nothing
        depends on how many there are: layers over features, recurrent layers, attention, positions, Conv1D and pools,
        but for strides with padding "same", and global pools. The others are the model's, channels last where the
        model's are. Masks hide the steps that they do here, whichever these are.
        Inputs, outputs and layers keep their names, but an output that is called as an input is has "_output" behind
        it; weights are called dense/kernel, as in save's files. What model.text does is no part of it.

        path          a file's name, taken as it is; whole at any moment, as save's
        input_types   what an input holds: "float32", "uint8", "int32" or "int64"; of several inputs a list or a dict
                      by their names, or "bool" for a mask. None: what its Input says, and of a Sequential "float32";
                      where whole numbers are read of it, "float32" is "int64"

        Predictions are predict's but for rounding. NaN: onnxruntime's pools of largest elements pass over it. Rows of
        a table that there are not, which predict refuses: from -1 down ONNX counts from the end, others are errors.

        Needs onnx: pip install onnx; ImportError without. Raises UnsupportedError for more than 2 GB of weights,
        FileError where the system refuses, or where there is a file and overwrite is False, and OrderError before the
        shape of the samples is known. Nothing is written then.
        """
        name = self._free_path(path, overwrite)
        with _forks.held_off:
            try:
                from martlet.nn import _onnx
            except ImportError as error:
                raise ImportError("to_onnx needs onnx: pip install onnx, or in a clone of Martlet "
                                  "pip install './bindings/python[onnx]'") from error  # fmt: skip
        inputs = [*zip(self._input_names(), self._types(input_types), strict=True)]
        with self._owner.inside():
            content = _onnx.content(self._whole(), str(self.name), inputs, self._output_names())

        def write(target: bytes) -> None:
            with open(target, "wb") as file:
                file.write(content)

        _weight_files.replace(name, write)

    def to_c(self, path: Any, overwrite: bool = True) -> None:
        """Writes what the model predicts by as one C99 file, which needs no library but libm: weights as constant
        arrays, and digits_predict(x0, y0, m) for one sample, where path is "digits.c". Its head says what each argument
        is; m is memory for as many floats as stand there. It allocates nothing and keeps nothing, and has no array on
        the stack but of a few numbers whose count is fixed. python -m martlet export tells its size and time.

        What is left out, and what is a part of it, is as in to_onnx. Images are channels last where the model's are.
        Predictions are predict's but for rounding. Rows of a table that there are not give zeros. Errors are to_onnx's,
        and UnsupportedError for a layer that has no C, by its name.
        """
        name = self._free_path(path, overwrite)
        with self._owner.inside():
            whole = self._whole()
            whole.refuse_open("a file of C is of samples of one shape")
            whole.model.export(name)

    def _free_path(self, path: Any, overwrite: Any) -> bytes:
        """A file's name, where there is none yet, or it may be written over."""
        name = _arguments.file_name(path)
        if not _arguments.flag(overwrite, "overwrite") and os.path.lexists(name):
            raise FileError(f"{os.fsdecode(name)} is there already, and overwrite is False")
        return name

    def _whole(self) -> Built:
        """The native model with its parameters, of a part of another model one by itself."""
        return self._apart() if self._taken else self._ready()

    @abstractmethod
    def _input_types(self) -> list[str]:
        """What each input says that it holds."""

    def _types(self, given: Any) -> list[str]:
        """What each input holds in the file."""
        if given is None:
            return self._input_types()
        names = self._input_names()
        parts = [given] if isinstance(given, str) and len(names) == 1 else given
        found = parted(parts, "input_types", names, "input")
        return [_arguments.one_of(kind, {name: name for name in DTYPES}, where) for where, kind in found]
