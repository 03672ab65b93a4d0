"""What both estimators are: fit and partial_fit by scikit-learn's rules, and predictions. _fitted.py has the network's
numbers and files."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from martlet._errors import ArgumentError
from martlet._samples import NDArray
from martlet.sklearn._fitted import Fitted
from martlet.sklearn._network import Goal, Perceptron, initial, layout, write
from martlet.sklearn._options import Options
from martlet.sklearn._training import Samples, Trainer, merged

_FLOATS = (np.float64, np.float32)


class Multilayer(Fitted):
    """A multi-layer perceptron. Not for use by itself."""

    random_state: Any
    n_outputs_: int
    out_activation_: str
    loss_: float

    # ---- what the two differ in ----

    @abstractmethod
    def _read(self, x: Any, y: Any, reset: bool, incremental: bool) -> tuple[Any, NDArray]:
        """X and y, checked: y as targets (samples, outputs), or as the places of classes (samples, 1)."""

    @abstractmethod
    def _outputs_of(self, y: NDArray) -> int:
        """How many outputs the network has for that."""

    @abstractmethod
    def _goal(self) -> Goal:
        """What is trained for."""

    @abstractmethod
    def _counted(self, y: Any, sample_weight: NDArray | None, incremental: bool) -> NDArray | None:
        """How much each sample counts."""

    @abstractmethod
    def _targets(self, y: NDArray) -> NDArray:
        """What _read gave, as the network takes it."""

    @abstractmethod
    def _labelled(self, y: NDArray) -> NDArray:
        """The same as predict gives it."""

    @abstractmethod
    def _decoded(self, outputs: NDArray) -> NDArray:
        """What predict makes of the network's outputs."""

    @abstractmethod
    def _scored(self, y: NDArray, found: NDArray, weights: NDArray | None) -> float:
        """The score of a validation."""

    # ---- fit ----

    def _fit(self, x: Any, y: Any, sample_weight: Any, incremental: bool) -> Any:
        options, before = Options.of(self), {**self.__dict__}
        random = check_random_state(self.random_state)
        try:
            trainer, count, held = self._trainer(options, random, x, y, sample_weight, incremental)
        except BaseException:  # what has not begun to train is as it was
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        self._train(trainer, options, random, count, held, incremental)
        if not np.isfinite(self._network.model.parameters()).all():
            raise ArgumentError("Solver produced non-finite parameter weights. The input data may contain large values "
                                "and need to be preprocessed.")  # fmt: skip
        return self

    def _trainer(
        self, options: Options, random: Any, x: Any, y: Any, sample_weight: Any, incremental: bool
    ) -> tuple[Trainer, int, Any]:
        """Checks the samples and makes what trains on them; how many there are; and those held back, their labels and
        weights, or None."""
        goes_on = hasattr(self, "_network") and (options.warm_start or incremental)
        optimizer = None if goes_on and incremental else options.optimizer()
        if options.early_stopping and incremental:
            raise ArgumentError("partial_fit does not support early_stopping=True; wanted False, or fit")
        if goes_on:
            self._refuse_other_layers(options, incremental)
        given, (x, y) = y, self._read(x, y, not goes_on, incremental)
        weights = None if sample_weight is None else _weights(sample_weight, x)
        weights = self._counted(given, weights, incremental)
        if weights is not None and not weights.any():
            raise ArgumentError("sample weights are all zero; wanted one that is more than zero")
        if not goes_on:
            self.n_outputs_ = self._outputs_of(y)
            self.out_activation_ = self._goal().gives
        units = [x.shape[1], *options.hidden, self.n_outputs_]
        numbers = None if goes_on else initial(units, options.activation, random)
        held = None
        if options.early_stopping:
            x, y, weights, held = self._split(x, y, weights, options, random)
        count, batch = len(y), self._batch_size(options, len(y))
        targets = self._targets(y)
        x = x if batch < count else _dense(x)
        if count <= batch and not any(options.dropout) and not options.batch_normalization:
            x, targets, weights = merged(x, targets, weights)
            weights = None if (weights == 1).all() else weights
            batch = len(targets)
        samples = Samples(x, targets, weights, batch)
        if optimizer is not None:
            self._begin(units, options, samples, numbers, random)
            self._network.compile(optimizer)
        return Trainer(self._network, samples, options), count, held

    def _refuse_other_layers(self, options: Options, incremental: bool) -> None:
        """Raises where parameters were set since to what the network that is trained further is not."""
        wanted = layout(options)
        for name, made in self._network.made.items():
            # A warm start makes a new network for the old weights, which these two need not fit.
            if wanted[name] != made and (incremental or name not in ("activation", "dropout")):
                raise ArgumentError(f"{name} is {wanted[name]!r}, and the network that is to be trained further has "
                                    f"{made!r}; wanted the same, or a fit without warm_start")  # fmt: skip

    def _batch_size(self, options: Options, count: int) -> int:
        if options.batch_size is not None and options.batch_size > count:
            warnings.warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                          stacklevel=5)  # fmt: skip
        return min(options.batch_size or 200, count)

    def _split(self, x: Any, y: NDArray, weights: NDArray | None, options: Options, random: Any) -> Any:
        """Holds back samples for validation, those that scikit-learn holds back."""
        stratify = y if is_classifier(self) and self.n_outputs_ == 1 else None
        kept, back = train_test_split(
            np.arange(len(y)), random_state=random, test_size=options.validation_fraction, stratify=stratify
        )
        if len(back) < 2:
            raise ArgumentError("The validation set is too small. Increase 'validation_fraction' or the size of your "
                                "dataset.")  # fmt: skip
        labels = self._labelled(y[back])
        if weights is None:
            return x[kept], y[kept], None, (x[back], labels, None)
        return x[kept], y[kept], weights[kept], (x[back], labels, weights[back])

    def _begin(self, units: list[int], options: Options, samples: Samples, numbers: Any, random: Any) -> None:
        """Makes a network; numbers: initial weights, None for those that there are."""
        old = None if numbers is not None else self._network
        several = samples.weights is not None and samples.count > samples.batch_size
        decay = 0.0 if several else options.alpha / samples.totals(np.arange(samples.count))[0]
        seed = int(random.randint(2**31 - 1)) if any(options.dropout) else 0
        network = Perceptron(units, options, self._goal(), decay, seed)
        if old is not None:
            network.model.set_weights(old.model.get_weights())
        else:
            write(network.coefs, numbers[0], "coefs_")
            write(network.intercepts, numbers[1], "intercepts_")
        self._network = network
        if old is not None:
            return
        self.n_layers_, self.t_ = len(units), 0
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self.best_loss_ = None if options.early_stopping else math.inf
        self.validation_scores_: list[float] | None = [] if options.early_stopping else None
        self.best_validation_score_ = -math.inf if options.early_stopping else None

    def _train(self, trainer: Trainer, options: Options, random: Any, count: int, held: Any, incremental: bool) -> None:
        """Epochs until one of scikit-learn's reasons to stop. count: of the samples that an epoch is said to have."""
        order = np.arange(trainer.samples.count)
        best = None
        self.n_iter_ = 0
        try:
            for _ in range(1 if incremental else options.max_iter):
                if options.shuffle and trainer.samples.count > trainer.samples.batch_size:
                    places = np.arange(len(order))  # as sklearn.utils.shuffle draws them
                    random.shuffle(places)
                    order = order[places]
                self.loss_ = trainer.epoch(order)
                self.n_iter_ += 1
                self.t_ += count
                self.loss_curve_.append(self.loss_)
                if options.verbose:
                    print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
                if self._is_better(options, held):
                    best = self._network.model.get_weights()
                if options.schedule == "invscaling":
                    self._set_rate(options.learning_rate_init / (self.t_ + 1) ** options.power_t)
                if self._no_improvement_count > options.n_iter_no_change and self._stops(options):
                    break
                if self.n_iter_ == options.max_iter and not incremental:
                    warnings.warn(f"Stochastic Optimizer: Maximum iterations ({options.max_iter}) reached and the "
                                  "optimization hasn't converged yet.", ConvergenceWarning, stacklevel=4)  # fmt: skip
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        if best is not None:
            self._network.model.set_weights(best)

    def _is_better(self, options: Options, held: Any) -> bool:
        """Takes note of an epoch; whether its weights are the best so far, of those that are validated."""
        if held is None:
            best, loss = self.best_loss_, self.loss_
            assert best is not None
            self._no_improvement_count = self._no_improvement_count + 1 if loss > best - options.tol else 0
            self.best_loss_ = min(best, loss)
            return False
        outputs = self._outputs(held[0])
        score = self._scored(held[1], self._decoded(outputs), held[2]) if np.isfinite(outputs).all() else math.nan
        assert self.validation_scores_ is not None and self.best_validation_score_ is not None
        self.validation_scores_.append(score)
        if options.verbose:
            print(f"Validation score: {score:f}")
        is_worse = score < self.best_validation_score_ + options.tol
        self._no_improvement_count = self._no_improvement_count + 1 if is_worse else 0
        if score > self.best_validation_score_:
            self.best_validation_score_ = score
            return True
        return False

    def _stops(self, options: Options) -> bool:
        what = "Validation score did not improve" if options.early_stopping else "Training loss did not improve"
        text = f"{what} more than tol={options.tol:f} for {options.n_iter_no_change} consecutive epochs."
        rate = self._network.model.optimizer.learning_rate
        if options.schedule != "adaptive" or rate <= 1e-6:
            small = " Learning rate too small." if options.schedule == "adaptive" else ""
            if options.verbose:
                print(f"{text}{small} Stopping.")
            return True
        self._set_rate(rate / 5)
        if options.verbose:
            print(f"{text} Setting learning rate to {rate / 5:f}")
        self._no_improvement_count = 0
        return False

    def _set_rate(self, rate: float) -> None:
        self._network.model.optimizer.learning_rate = rate

    # ---- predict ----

    def _outputs(self, x: Any) -> NDArray:
        """The network's outputs of checked samples, in parts where they are sparse."""
        network = self._network
        if isinstance(x, np.ndarray):
            return network.predict(x)
        return np.concatenate([network.predict(_dense(x[k : k + 1024])) for k in range(0, x.shape[0], 1024)])

    def _predicted(self, x: Any) -> NDArray:
        """The network's outputs, in the type of the samples, float32 or else float64."""
        check_is_fitted(self)
        found = validate_data(self, x, accept_sparse=["csr", "csc"], dtype=_FLOATS, reset=False)
        return self._outputs(_in_float32(found)).astype(found.dtype)


def _in_float32(x: Any) -> Any:
    """Checked samples as the network takes them: contiguous, or sparse by rows."""
    with np.errstate(over="ignore"):
        found = x.astype(np.float32)
    values = found if isinstance(found, np.ndarray) else found.data
    if not np.isfinite(values).all():
        raise ArgumentError("X holds a value too large for float32, in which networks are trained; wanted smaller ones")
    return np.ascontiguousarray(found) if isinstance(found, np.ndarray) else found.tocsr()


def _dense(x: Any) -> NDArray:
    found: NDArray = x if isinstance(x, np.ndarray) else x.toarray()
    return found


def _weights(given: Any, x: Any) -> NDArray:
    found: NDArray = _check_sample_weight(given, x, dtype=np.float64, ensure_non_negative=True)
    return found
