"""martlet.sklearn beside sklearn.neural_network, from the same random_state: the same losses, epoch by epoch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", "1.7")  # which brought weights

import sklearn.neural_network
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits

import martlet.sklearn

X, Y = load_digits(return_X_y=True)
X = X[:700] / 16
Y = Y[:700]
WEIGHTS = np.random.default_rng(1).uniform(0, 3, len(Y))
WEIGHTS[::5] = 0
LABELS = np.stack([Y > 4, Y % 2, Y % 3 == 0], axis=1).astype(int)
NUMBERS = np.stack([Y / 3.0, Y % 3 - 1.0], axis=1)

pytestmark = pytest.mark.filterwarnings("ignore")


def pair(kind: str, x: Any, y: Any, weights: Any = None, **parameters: Any) -> tuple[Any, Any]:
    """scikit-learn's and ours, fitted."""
    made = []
    for module in (sklearn.neural_network, martlet.sklearn):
        estimator = getattr(module, kind)(**{"random_state": 0, "max_iter": 12, **parameters})
        made.append(estimator.fit(x, y) if weights is None else estimator.fit(x, y, weights))
    return made[0], made[1]


def check_alike(theirs: Any, ours: Any, tolerance: float = 1e-5) -> None:
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=tolerance)
    for name in ("loss_", "best_loss_", "best_validation_score_", "validation_scores_"):
        if (wanted := getattr(theirs, name)) is not None:
            np.testing.assert_allclose(getattr(ours, name), wanted, rtol=tolerance, err_msg=name)
        else:
            assert getattr(ours, name) is None
    for name in ("t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for mine, other in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-3)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"alpha": 1.0, "batch_size": 150},
        {"alpha": 1.0, "batch_size": 700},
        {"shuffle": False, "hidden_layer_sizes": ()},
        {"solver": "sgd", "alpha": 0.5},
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1, "nesterovs_momentum": False},
        {"solver": "sgd", "momentum": 0, "alpha": 3.0},
        {"early_stopping": True, "validation_fraction": 0.2, "n_iter_no_change": 2},
        {"activation": "logistic", "hidden_layer_sizes": (20, 10)},
        {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3, "activation": "tanh"},
    ],
    ids=str,
)
def test_classifiers_have_the_same_losses(parameters: dict[str, Any], weighted: bool) -> None:
    theirs, ours = pair("MLPClassifier", X, Y, WEIGHTS if weighted else None, **parameters)
    check_alike(theirs, ours)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=5e-4)
    assert np.mean(ours.predict(X) == theirs.predict(X)) > 0.998
    assert ours.score(X, Y) == pytest.approx(theirs.score(X, Y), abs=0.002)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("y", [Y > 4, LABELS, np.where(Y > 4, "yes", "no")], ids=["binary", "multilabel", "texts"])
def test_so_have_those_of_two_classes_and_of_labels(y: Any, weighted: bool) -> None:
    theirs, ours = pair("MLPClassifier", X, y, WEIGHTS if weighted else None, alpha=0.1)
    check_alike(theirs, ours)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), atol=1e-3)
    np.testing.assert_array_equal(ours.predict(X[:50]), theirs.predict(X[:50]))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "parameters", [{}, {"loss": "poisson"}, {"early_stopping": True, "alpha": 1.0}, {"solver": "sgd"}], ids=str
)
@pytest.mark.parametrize("outputs", [1, 2])
def test_so_have_regressors(parameters: dict[str, Any], outputs: int, weighted: bool) -> None:
    y = NUMBERS[:, 0] if outputs == 1 else NUMBERS
    y = np.abs(y) if "loss" in parameters else y
    theirs, ours = pair("MLPRegressor", X, y, WEIGHTS if weighted else None, **parameters)
    check_alike(theirs, ours, 2e-5)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-3)


def test_a_batch_that_weighs_nothing_takes_no_step() -> None:
    weights = np.ones(len(Y))
    weights[100:200] = 0
    how = {"random_state": 0, "max_iter": 3, "shuffle": False, "batch_size": 100}
    with pytest.raises(ZeroDivisionError):
        sklearn.neural_network.MLPClassifier(**how).fit(X, Y, weights)
    ours = martlet.sklearn.MLPClassifier(**how).fit(X, Y, weights)
    rest = sklearn.neural_network.MLPClassifier(**how).fit(
        np.delete(X, slice(100, 200), 0), np.delete(Y, slice(100, 200))
    )
    np.testing.assert_allclose(ours.predict_proba(X), rest.predict_proba(X), atol=1e-5)


def test_an_adaptive_rate_falls_where_it_does_there(capsys: pytest.CaptureFixture[str]) -> None:
    how = {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.2, "n_iter_no_change": 2}
    theirs, ours = pair("MLPClassifier", X, Y, max_iter=60, tol=0.01, verbose=True, **how)
    assert ours.n_iter_ == theirs.n_iter_
    lines = [line for line in capsys.readouterr().out.splitlines() if "Iteration" not in line]
    assert len(lines) > 4
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]


def test_training_stops_where_it_does_there() -> None:
    theirs, ours = pair("MLPClassifier", X, Y, max_iter=200, tol=0.01, learning_rate_init=0.01)
    assert theirs.n_iter_ < 200
    check_alike(theirs, ours, 1e-2)


@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_samples_give_what_dense_ones_do(weighted: bool) -> None:
    weights = WEIGHTS if weighted else None
    dense = martlet.sklearn.MLPClassifier(random_state=0, max_iter=5).fit(X, Y, weights)
    sparse = martlet.sklearn.MLPClassifier(random_state=0, max_iter=5).fit(csr_matrix(X), Y, weights)
    assert sparse.loss_curve_ == dense.loss_curve_
    np.testing.assert_array_equal(sparse.predict_proba(csr_matrix(X)), dense.predict_proba(X))


def test_partial_fit_goes_on_as_there_whatever_parts_come() -> None:
    made = []
    for module in (sklearn.neural_network, martlet.sklearn):
        estimator = module.MLPClassifier(random_state=0, alpha=1.0)
        estimator.partial_fit(X[:300], Y[:300], classes=np.arange(10))
        estimator.partial_fit(X[300:450], Y[300:450])
        estimator.partial_fit(X[450:], Y[450:], WEIGHTS[450:])
        estimator.set_params(alpha=0.1).partial_fit(X, Y)
        made.append(estimator)
    check_alike(*made)


def test_a_warm_start_begins_with_the_weights_and_a_new_optimizer() -> None:
    made = []
    for module in (sklearn.neural_network, martlet.sklearn):
        estimator = module.MLPRegressor(random_state=0, warm_start=True, max_iter=4)
        estimator.fit(X, NUMBERS).set_params(alpha=1.0, max_iter=3).fit(X, NUMBERS)
        made.append(estimator)
    check_alike(*made)


def test_weights_that_are_written_are_the_networks() -> None:
    theirs, ours = pair("MLPClassifier", X, Y, max_iter=3)
    ours.coefs_ = [kernel * 2 for kernel in theirs.coefs_]
    ours.intercepts_[0][...] = theirs.intercepts_[0] - 1
    theirs.coefs_ = [kernel * 2 for kernel in theirs.coefs_]
    theirs.intercepts_[0] -= 1
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
    with pytest.raises(ValueError, match=r"coefs_ has arrays of shapes \[\(3,\)\]; wanted \[\(64, 100\), \(100"):
        ours.coefs_ = [np.zeros(3)]


def test_both_warn_of_the_same() -> None:
    for module in (sklearn.neural_network, martlet.sklearn):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            module.MLPClassifier(max_iter=2, batch_size=900).fit(X, Y)
        assert [str(one.message)[:50] for one in found] == [
            "Got `batch_size` less than 1 or larger than sample",
            "Stochastic Optimizer: Maximum iterations (2) reach",
        ]
