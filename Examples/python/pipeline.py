"""A pipeline of scikit-learn with martlet.sklearn's perceptron, searched in two processes, beside scikit-learn's own;
its network, the scaler with it, as a file that C loads."""

from __future__ import annotations

import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.neural_network
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import martlet.nn
from martlet.sklearn import MLPClassifier  # was: from sklearn.neural_network import MLPClassifier

IMAGES, LABELS = load_digits(return_X_y=True)
TRAIN_X, TEST_X, TRAIN_Y, TEST_Y = train_test_split(IMAGES, LABELS, random_state=0, stratify=LABELS)


def searched(kind: Any) -> Any:
    """The best of three pipelines."""
    pipeline = make_pipeline(StandardScaler(), kind(max_iter=40, random_state=0))
    search = GridSearchCV(pipeline, {"mlpclassifier__alpha": [1e-4, 1.0, 100.0]}, cv=3, n_jobs=2)
    return search.fit(TRAIN_X, TRAIN_Y)


def seconds(kind: Any) -> float:
    """That one fit takes."""
    start = time.perf_counter()
    kind(random_state=0).fit(TRAIN_X / 16, TRAIN_Y)
    return time.perf_counter() - start


def main() -> None:
    warnings.simplefilter("ignore")  # 40 epochs are few
    ours, theirs = searched(MLPClassifier), searched(sklearn.neural_network.MLPClassifier)
    accuracies = ours.score(TEST_X, TEST_Y), theirs.score(TEST_X, TEST_Y)
    print(f"martlet.sklearn: {ours.best_params_}, test accuracy {accuracies[0]:.4f}")
    print(f"scikit-learn:    {theirs.best_params_}, test accuracy {accuracies[1]:.4f}")
    times = seconds(MLPClassifier), seconds(sklearn.neural_network.MLPClassifier)
    print(f"one fit with the defaults: {times[0]:.2f} s, scikit-learn's {times[1]:.2f} s")
    assert abs(accuracies[0] - accuracies[1]) < 0.01

    scaler, classifier = ours.best_estimator_
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.safetensors"  # for martlet_model_load in C, too
        classifier.save(path, scaler=scaler)
        found = martlet.nn.load_model(path).predict(TEST_X)
    largest = np.abs(found - ours.predict_proba(TEST_X)).max()
    print(f"probabilities of the file and of the pipeline differ by {largest:.1e} at most")
    assert largest < 1e-5


if __name__ == "__main__":
    main()
