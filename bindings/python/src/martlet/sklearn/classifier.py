"""MLPClassifier: a perceptron for classes, of one each, or several of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d, validate_data

from martlet import _arguments
from martlet._errors import ArgumentError, DTypeError
from martlet._samples import NDArray
from martlet.nn import losses
from martlet.sklearn._estimator import _FLOATS, Multilayer, _in_float32
from martlet.sklearn._network import Goal


class MLPClassifier(ClassifierMixin, Multilayer):  # type: ignore[misc]
    """A classifier with the parameters, attributes and meaning of scikit-learn's.

    hidden_layer_sizes   units of each hidden layer: a sequence, or one number
    activation           of hidden layers: "identity", "logistic", "tanh", "relu", or another of martlet.nn's by its
                         name, such as "gelu"
    solver               "adam", "sgd", or another of martlet.nn's optimizers by its name, such as "lion", with its own
                         numbers but learning_rate_init; "lbfgs" is an ArgumentError
    alpha                of alpha / 2 sum w^2 over the kernels, divided by the sum of the batch's sample weights
    batch_size           samples in a step; "auto" is 200, or all where there are fewer
    learning_rate        "constant"; "invscaling", learning_rate_init / (t_ + 1)^power_t behind each epoch; "adaptive",
                         a fifth whenever training would stop, until it is 1e-6. Of solver "sgd" alone
    learning_rate_init   the rate, more than 0
    power_t              as said
    max_iter             epochs at most
    shuffle              whether each epoch takes the samples in a new order
    random_state         a number, numpy.random.RandomState or None: of initial weights, the validation's samples,
                         orders and dropout. A number gives the same bits each time
    tol                  by how much loss or score has to improve
    verbose              whether each epoch prints a line
    warm_start           whether fit begins with the weights that there are
    momentum, nesterovs_momentum       of solver "sgd"
    early_stopping       whether validation_fraction of the samples is held back, training stops by its score, and the
    validation_fraction  weights with the best one stay
    beta_1, beta_2, epsilon            of solver "adam"
    n_iter_no_change     epochs without improvement before training stops; may be infinite
    max_fun              is L-BFGS's, and says nothing here
    class_weight         None; a dict of classes and how much a sample of theirs counts, others 1; "balanced": as much
                         as makes all classes count the same. Of labels of several columns a list of such dicts
    dropout              the share of hidden units that a step leaves out, 0 or more and less than 1; or one for each
                         hidden layer
    batch_normalization  whether the sums of hidden layers are normalised over the batch before their activation; for
                         predictions by averages of which each step renews a tenth

    Attributes are scikit-learn's: classes_, loss_, best_loss_, loss_curve_, validation_scores_,
    best_validation_score_, t_, coefs_ and intercepts_ (float32), n_features_in_, feature_names_in_, n_iter_, n_layers_,
    n_outputs_, out_activation_. model_ is the network.

    Where an epoch is one batch, equal samples are taken as one with the sum of their weights, without dropout and
    batch normalisation: there a sample of weight 2 is to the bit two samples, in any order. Weights and arithmetic are
    float32, so samples beyond its range are an ArgumentError. Sparse matrices are made dense batch by batch.
    """

    classes_: NDArray

    def __init__(
        self,
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
        class_weight: Any = None,
        dropout: Any = 0.0,
        batch_normalization: Any = False,
    ) -> None:
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
        self.class_weight = class_weight
        self.dropout = dropout
        self.batch_normalization = batch_normalization

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPClassifier:  # noqa: N803
        """Trains. X: (samples, features), an array, a table of pandas or polars, or a sparse matrix; y: a class for
        each, or zeros and ones (samples, labels); sample_weight: how much each counts, 0 or more. Returns itself.
        Raises a ValueError or TypeError for parameters and data that cannot be."""
        self._fit(X, y, sample_weight, incremental=False)
        return self

    def partial_fit(
        self,
        X: Any,  # noqa: N803
        y: Any,
        sample_weight: Any = None,
        classes: Any = None,
    ) -> MLPClassifier:
        """One epoch more, with the optimizer as it is. classes: all that there will be, which the first call has to
        know. Returns itself; errors as fit's."""
        if hasattr(self, "classes_"):
            if classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
                raise ArgumentError(f"classes is {classes!r}, and was {self.classes_} before; wanted the same, or None")
        elif classes is None:
            raise ArgumentError("classes is None; the first call of partial_fit wanted all that there will be")
        self._classes = classes
        try:
            self._fit(X, y, sample_weight, incremental=True)
        finally:
            del self._classes
        return self

    def predict(self, X: Any) -> NDArray:  # noqa: N803
        """The class of each sample, or zeros and ones (samples, labels)."""
        return self._decoded(self._predicted(X))

    def predict_proba(self, X: Any) -> NDArray:  # noqa: N803
        """The probability of each class, or label: (samples, classes)."""
        found = self._predicted(X)
        if self.n_outputs_ == 1:
            return np.concatenate([1 - found, found], axis=1)
        return found / found.sum(axis=1, keepdims=True) if self.out_activation_ == "softmax" else found

    def predict_log_proba(self, X: Any) -> NDArray:  # noqa: N803
        """The logarithms of predict_proba."""
        with np.errstate(divide="ignore"):
            found: NDArray = np.log(self.predict_proba(X))
        return found

    # ---- what _fit asks ----

    def _read(self, x: Any, y: Any, reset: bool, incremental: bool) -> tuple[Any, NDArray]:
        x, y = validate_data(self, x, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=_FLOATS, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if reset:
            is_first_part = incremental and not type_of_target(y).startswith("multilabel")
            binarizer = LabelBinarizer().fit(self._classes if is_first_part else y)
            if is_first_part:
                _refuse_unknown(y, binarizer.classes_)
            self._label_binarizer, self.classes_ = binarizer, binarizer.classes_
        elif incremental:
            _refuse_unknown(y, self.classes_)
        elif {*unique_labels(y)} != {*self.classes_}:
            raise ArgumentError("warm_start can only be used where `y` has the same classes as in the previous call to "
                                f"fit. Previously got {self.classes_}, `y` has {unique_labels(y)}")  # fmt: skip
        x = _in_float32(x)
        if self._label_binarizer.y_type_ == "multiclass":
            return x, np.searchsorted(self.classes_, y)[:, None]
        return x, self._label_binarizer.transform(y)

    def _goal(self) -> Goal:
        if self._label_binarizer.y_type_ == "multiclass":
            return Goal("softmax", losses.SparseCategoricalCrossentropy())
        count = float(self.n_outputs_)
        return Goal("logistic", losses.BinaryCrossentropy(), count, count)

    def _targets(self, y: NDArray) -> NDArray:
        if self.out_activation_ == "softmax":
            return np.ascontiguousarray(y[:, 0], np.int64)
        return np.ascontiguousarray(y, np.float32)

    def _outputs_of(self, y: NDArray) -> int:
        return len(self.classes_) if self._label_binarizer.y_type_ == "multiclass" else y.shape[1]

    def _labelled(self, y: NDArray) -> NDArray:
        return self.classes_[y[:, 0]] if self.out_activation_ == "softmax" else self._decoded(y)

    def _decoded(self, outputs: NDArray) -> NDArray:
        given = outputs.ravel() if self.n_outputs_ == 1 else outputs
        found: NDArray = self._label_binarizer.inverse_transform(given)
        return found

    def _scored(self, y: NDArray, found: NDArray, weights: NDArray | None) -> float:
        return float(accuracy_score(y, found, sample_weight=weights))

    def _counted(self, y: Any, sample_weight: NDArray | None, incremental: bool) -> NDArray | None:
        given = self.class_weight
        if given is None:
            return sample_weight
        if isinstance(given, str) and incremental:
            raise ArgumentError(f"class_weight is {given!r}, and partial_fit sees but a part; wanted a dict")
        if isinstance(given, Mapping) and self._label_binarizer.y_type_ in ("binary", "multiclass"):
            found = self._of_classes(np.asarray(y).ravel(), given)
        elif isinstance(given, str | list):
            found = compute_sample_weight(given, y)
        else:
            raise DTypeError(f'class_weight is {given!r}; wanted None, "balanced", a dict of classes and weights, or '
                             "of labels of several columns a list of dicts")  # fmt: skip
        return found if sample_weight is None else found * sample_weight

    def _of_classes(self, y: NDArray, given: Mapping[Any, Any]) -> NDArray:
        found = np.ones(len(y))
        for label, weight in given.items():
            if label not in self.classes_:
                raise ArgumentError(f"class_weight has the class {label!r}; wanted those of {self.classes_}")
            found[y == label] = _arguments.within(weight, f"class_weight[{label!r}]", 0, np.inf)
        return found


def _refuse_unknown(y: NDArray, classes: NDArray) -> None:
    unknown = np.setdiff1d(unique_labels(y), classes)
    if len(unknown):
        raise ArgumentError(f"`y` has classes not in `self.classes_`, {classes}: {unknown}")
