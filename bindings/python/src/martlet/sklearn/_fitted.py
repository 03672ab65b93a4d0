"""What an estimator shows of its network: weights as scikit-learn's attributes, the model, and files of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier

from martlet._errors import DTypeError, OrderError
from martlet._samples import NDArray
from martlet.sklearn import _files
from martlet.sklearn._network import Perceptron, write


class Fitted(BaseEstimator):  # type: ignore[misc]
    """An estimator with a network. Not for use by itself."""

    classes_: NDArray
    _network: Perceptron

    # ---- its numbers ----

    def _fitted(self, name: str) -> Perceptron:
        network = self.__dict__.get("_network")
        if network is None:
            raise AttributeError(f"{type(self).__name__} has no {name} before fit")
        found: Perceptron = network
        return found

    @property
    def coefs_(self) -> list[NDArray]:
        """The kernel of each layer, float32 (inputs, units), where it lies: writing it, or setting a list of arrays,
        changes the network."""
        return self._fitted("coefs_").coefs

    @coefs_.setter
    def coefs_(self, value: Any) -> None:
        write(self._fitted("coefs_").coefs, value, "coefs_")

    @property
    def intercepts_(self) -> list[NDArray]:
        """The bias of each layer, likewise."""
        return self._fitted("intercepts_").intercepts

    @intercepts_.setter
    def intercepts_(self, value: Any) -> None:
        write(self._fitted("intercepts_").intercepts, value, "intercepts_")

    @property
    def model_(self) -> Any:
        """The network as a martlet.nn model."""
        return self._fitted("model_").model

    # ---- files ----

    def save(self, path: Any, scaler: Any = None, overwrite: bool = True) -> None:
        """Writes the network to a safetensors file, which martlet.nn.load_model and C's martlet_model_load read.

        scaler      a fitted StandardScaler, MinMaxScaler, MaxAbsScaler or RobustScaler that the samples went through:
                    it becomes the network's first layer, or two where means are large beside deviations, so that who
                    loads the file gives samples as they were measured
        overwrite   whether a file that is there may be replaced

        A classifier's classes are a note of the file, "classes", a list in JSON: C's martlet_model_note_get gives it,
        and the loaded model's classes in Python.
        Raises OrderError before fit, DTypeError for another scaler and for classes that are no texts, numbers or bools,
        and FileError where the system refuses.
        """
        self._whole("save", scaler).save(path, overwrite)

    def to_onnx(self, path: Any, scaler: Any = None, overwrite: bool = True) -> None:
        """Writes the network to an ONNX file; arguments and errors as save's."""
        self._whole("to_onnx", scaler).to_onnx(path, overwrite)

    def _whole(self, call: str, scaler: Any) -> Any:
        network = self.__dict__.get("_network")
        if network is None:
            raise OrderError(f"{call} came before fit of {type(self).__name__}")
        note = self._note() if is_classifier(self) else None
        model = network.model if scaler is None else _files.scaled(network, scaler)
        if note is not None:
            model._ready().model.set_note(b"classes", note)
        return model

    def _note(self) -> bytes:
        """The classes in JSON."""
        try:
            return json.dumps(np.asarray(self.classes_).tolist()).encode()
        except TypeError:
            raise DTypeError(f"classes_ is {self.classes_!r}, which JSON does not hold; wanted texts, numbers or "
                             "bools, such as y.astype(str)") from None  # fmt: skip
