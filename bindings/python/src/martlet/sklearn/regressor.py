"""MLPRegressor: a perceptron for numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import column_or_1d, validate_data

from martlet import _arguments
from martlet._errors import ArgumentError
from martlet._samples import NDArray
from martlet.nn import losses
from martlet.sklearn._estimator import _FLOATS, Multilayer, _in_float32
from martlet.sklearn._network import Goal

_LOSSES = {"squared_error": "squared_error", "poisson": "poisson"}


class MLPRegressor(RegressorMixin, Multilayer):  # type: ignore[misc]
    """A regressor with the parameters, attributes and meaning of scikit-learn's.

    loss   "squared_error", half of it; or "poisson", half of its deviance, of targets of 0 or more, whose output is an
           exponential

    All others are MLPClassifier's, but class_weight. y may have several columns; of these the gradient is the sum's and
    the squared error the mean's, as in scikit-learn.
    """

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: Any = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: Any = 0.001,
        power_t: Any = 0.5,
        max_iter: Any = 200,
        shuffle: Any = True,
        random_state: Any = None,
        tol: Any = 1e-4,
        verbose: Any = False,
        warm_start: Any = False,
        momentum: Any = 0.9,
        nesterovs_momentum: Any = True,
        early_stopping: Any = False,
        validation_fraction: Any = 0.1,
        beta_1: Any = 0.9,
        beta_2: Any = 0.999,
        epsilon: Any = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: Any = 15000,
        dropout: Any = 0.0,
        batch_normalization: Any = False,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.batch_normalization = batch_normalization

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:  # noqa: N803
        """Trains. X: (samples, features), an array, a table of pandas or polars, or a sparse matrix; y: (samples,) or
        (samples, outputs); sample_weight: how much each counts, 0 or more. Returns itself. Raises a ValueError or
        TypeError for parameters and data that cannot be."""
        self._fit(X, y, sample_weight, incremental=False)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:  # noqa: N803
        """One epoch more, with the optimizer as it is. Returns itself; errors as fit's."""
        self._fit(X, y, sample_weight, incremental=True)
        return self

    def predict(self, X: Any) -> NDArray:  # noqa: N803
        """The number, or numbers, of each sample."""
        return self._decoded(self._predicted(X))

    # ---- what _fit asks ----

    def _read(self, x: Any, y: Any, reset: bool, incremental: bool) -> tuple[Any, NDArray]:
        x, y = validate_data(
            self, x, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=True, dtype=_FLOATS, reset=reset
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        y = y.reshape(len(y), -1)
        if not reset and y.shape[1] != self.n_outputs_:
            raise ArgumentError(f"y has {y.shape[1]} outputs, and had {self.n_outputs_} before; wanted as many")
        if self._loss() == "poisson" and y.min() < 0:
            raise ArgumentError(f"y holds {y.min()}, and loss is 'poisson'; wanted 0 or more")
        with np.errstate(over="ignore"):
            squares, y = np.square(y, dtype=np.float64).sum(axis=1), y.astype(np.float32)
        if not np.isfinite(y).all():
            raise ArgumentError("y holds a value too large for float32; wanted smaller ones")
        if self._loss() == "squared_error" and squares.max() > np.finfo(np.float32).max:
            raise ArgumentError(f"y holds {np.abs(y).max():g}, and a sample's squared error would be too large for "
                                "float32; wanted smaller values, such as a scaler's")  # fmt: skip
        return _in_float32(x), y

    def _loss(self) -> str:
        found: str = _arguments.one_of(self.loss, _LOSSES, "loss")
        return found

    def _goal(self) -> Goal:
        count = float(self.n_outputs_)
        if self._loss() == "poisson":
            return Goal("exp", losses.Poisson(), count, count)
        return Goal("identity", losses.MeanSquaredError(), count / 2, 0.5)

    def _targets(self, y: NDArray) -> NDArray:
        return np.ascontiguousarray(y)

    def _outputs_of(self, y: NDArray) -> int:
        return int(y.shape[1])

    def _labelled(self, y: NDArray) -> NDArray:
        return self._decoded(y)

    def _decoded(self, outputs: NDArray) -> NDArray:
        return outputs.ravel() if self.n_outputs_ == 1 else outputs

    def _scored(self, y: NDArray, found: NDArray, weights: NDArray | None) -> float:
        return float(r2_score(y, found, sample_weight=weights))

    def _counted(self, y: Any, sample_weight: NDArray | None, incremental: bool) -> NDArray | None:
        return sample_weight
