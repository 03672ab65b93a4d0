"""martlet.sklearn in scikit-learn's tools, in files and processes, and where it says no."""

from __future__ import annotations

import json
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", "1.6")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from martlet import nn
from martlet._errors import DTypeError, MartletError
from martlet._model import Model
from martlet.sklearn import MLPClassifier, MLPRegressor
from martlet.sklearn._training import merged
from perceptrons import X, Y, fitted

pytestmark = pytest.mark.filterwarnings("ignore")


def test_probabilities_add_up_to_one() -> None:
    np.testing.assert_allclose(fitted().predict_proba(X).sum(axis=1), 1, rtol=0, atol=1e-15)
    assert (
        MLPClassifier(max_iter=2).fit(X.astype(np.float32), Y).predict_proba(X.astype(np.float32)).dtype == np.float32
    )


@pytest.mark.parametrize("parameters", [{}, {"dropout": 0.3, "batch_normalization": True, "early_stopping": True}])
def test_a_random_state_gives_the_same_bits(parameters: dict[str, Any]) -> None:
    first, second, other = fitted(**parameters), fitted(**parameters), fitted(random_state=1, **parameters)
    assert first.loss_curve_ == second.loss_curve_
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert first.loss_curve_ != other.loss_curve_


@pytest.mark.parametrize("parameters", [{}, {"dropout": 0.3, "batch_normalization": True}, {"solver": "lion"}])
def test_a_pickle_goes_on_to_the_bit(parameters: dict[str, Any]) -> None:
    model = fitted(**parameters)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.predict_proba(X), model.predict_proba(X))
    model.partial_fit(X, Y)
    copied.partial_fit(X, Y)
    np.testing.assert_array_equal(copied.predict_proba(X), model.predict_proba(X))
    assert copied.loss_curve_ == model.loss_curve_
    assert not hasattr(clone(model), "classes_")


def test_weights_of_whole_numbers_are_repetitions_to_the_bit_where_one_batch_is_all() -> None:
    weights = np.random.default_rng(0).integers(0, 4, 60)
    one = MLPClassifier(random_state=0).fit(X[:60], Y[:60], weights)
    many = MLPClassifier(random_state=0).fit(X[:60].repeat(weights, 0)[::-1], Y[:60].repeat(weights)[::-1])
    np.testing.assert_array_equal(one.predict_proba(X), many.predict_proba(X))


def test_equal_samples_are_found_in_a_few_copies_of_all() -> None:
    x = np.random.default_rng(0).normal(size=(2000, 50)).astype(np.float32)
    x[1], x[2], x[3] = x[0], -x[0], x[0]
    x[:4, 7] = 0.0, -0.0, 0.0, 0.0
    y = np.zeros(2000, np.int64)
    y[3] = 1
    tracemalloc.start()
    rows, places, weights = merged(x, y, None)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 6 * x.nbytes
    assert len(rows) == len(places) == 1999
    assert sorted(weights)[-2:] == [1, 2]
    np.testing.assert_array_equal(rows[weights == 2], x[:1])


def test_dropout_and_batch_normalisation_are_layers_of_the_network() -> None:
    how = {"batch_normalization": True, "random_state": 0, "learning_rate_init": 0.01, "max_iter": 40}
    model = MLPClassifier((20, 10), dropout=(0.2, 0), **how).fit(X, Y)
    kinds = [type(layer).__name__ for layer in model.model_.layers]
    hidden = ["Dense", "BatchNormalization", "Activation"]
    assert kinds == [*hidden, "Dropout", *hidden, "Dense"]
    assert model.score(X, Y) > 0.9
    weighted = MLPClassifier((20,), **how).fit(X, Y, Y + 1.0)
    assert weighted.score(X, Y) > 0.95  # by moving statistics that training has moved


def test_class_weights_are_sample_weights() -> None:
    counts = {0: 3.0, 5: 0.5}
    weights = np.array([counts.get(label, 1.0) for label in Y])
    by_class = fitted(class_weight=counts)
    by_sample = MLPClassifier((20,), random_state=0, max_iter=5).fit(X, Y, weights)
    assert by_class.loss_curve_ == by_sample.loss_curve_
    labels = (Y[:, None] > [2, 5]).astype(int)
    several = MLPClassifier((20,), random_state=0, max_iter=5, class_weight=[{0: 1, 1: 2}, {0: 1, 1: 3}])
    by_label = several.fit(X, labels).loss_curve_
    product = (1 + labels[:, 0]) * (1.0 + 2 * labels[:, 1])
    assert by_label == clone(several).set_params(class_weight=None).fit(X, labels, product).loss_curve_


def test_a_pipeline_is_searched_in_processes() -> None:
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((20,), random_state=0, max_iter=20))
    grid = {"mlpclassifier__alpha": [0.0001, 100.0], "mlpclassifier__dropout": [0.0, 0.2]}
    alone = GridSearchCV(pipeline, grid, cv=2).fit(X, Y)
    beside = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(X, Y)
    np.testing.assert_array_equal(beside.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(beside.predict_proba(X), alone.predict_proba(X))


def test_forks_of_a_process_that_has_trained_train_too(run_python: Any) -> None:
    run_python("""
import joblib, numpy as np
from martlet.sklearn import MLPRegressor
x = np.random.default_rng(0).normal(size=(3000, 40)); y = x[:, 0] * x[:, 1]
def losses():
    return MLPRegressor(hidden_layer_sizes=(200,), random_state=0, max_iter=3).fit(x, y).loss_curve_
here = losses()
with joblib.parallel_backend("multiprocessing", n_jobs=2):
    found = joblib.Parallel()(joblib.delayed(losses)() for _ in range(4))
assert found == [here] * 4
""", "-W", "ignore")  # fmt: skip


def test_frames_keep_the_names_of_features() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    names = [f"pixel{place}" for place in range(64)]
    wanted = fitted().predict_proba(X)
    for frame in (pandas.DataFrame(X, columns=names), polars.DataFrame(X, schema=names)):
        model = MLPClassifier((20,), random_state=0, max_iter=5).fit(frame, Y)
        if hasattr(StandardScaler().fit(frame), "feature_names_in_"):  # of polars a newer scikit-learn knows them
            assert [*model.feature_names_in_] == names
        np.testing.assert_array_equal(model.predict_proba(frame), wanted)
    model.fit(pandas.DataFrame(X, columns=names), Y)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(pandas.DataFrame(X, columns=names[::-1]))


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(), StandardScaler(with_mean=False), StandardScaler(with_std=False), MinMaxScaler((-1, 2)),
        MaxAbsScaler(), RobustScaler(), RobustScaler(with_centering=False),
    ],
    ids=str,
)  # fmt: skip
def test_a_file_with_the_scaler_predicts_what_the_pipeline_does(scaler: Any, tmp_path: Path) -> None:
    pipeline = make_pipeline(clone(scaler), MLPClassifier((20,), random_state=0, max_iter=5, dropout=0.1)).fit(X, Y)
    path = tmp_path / "model.safetensors"
    pipeline[-1].save(path, scaler=pipeline[0])
    np.testing.assert_allclose(nn.load_model(path).predict(X), pipeline.predict_proba(X), atol=2e-6)
    native = Model.load(str(path).encode())  # what C calls
    assert json.loads(native.note(b"classes") or b"") == [*range(10)]
    assert native.node(0).sizes == (64,)


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(), RobustScaler()], ids=str)
def test_a_file_with_a_scaler_of_large_means_loses_nothing_to_float32(scaler: Any, tmp_path: Path) -> None:
    x = (X + 1e6).astype(np.float32)  # exact
    pipeline = make_pipeline(clone(scaler), MLPClassifier((20,), random_state=0, max_iter=5)).fit(x.astype(float), Y)
    pipeline[-1].save(tmp_path / "model", scaler=pipeline[0])
    found = nn.load_model(tmp_path / "model").predict(x)
    np.testing.assert_allclose(found, pipeline.predict_proba(x.astype(float)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("names", [np.arange(10), np.arange(10.0), np.array(list("abcdefghij"))], ids=str)
def test_a_loaded_model_has_the_classes(names: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = MLPClassifier((4,), max_iter=2, random_state=0).fit(X, names[Y])
    model.save(path)
    loaded = nn.load_model(path)
    np.testing.assert_array_equal(loaded.classes, model.classes_)
    assert loaded.classes.dtype.kind == model.classes_.dtype.kind
    np.testing.assert_array_equal(loaded.classes[loaded.predict(X).argmax(axis=1)], model.predict(X))
    loaded.save(path)
    np.testing.assert_array_equal(nn.load_model(path).classes, model.classes_)
    for text in (b"[", b"3", b"[[1]]", b'[{"a": 1}]'):
        loaded._ready().model.set_note(b"classes", text)
        with pytest.raises(MartletError, match='the note "classes" is no list'):
            loaded.classes  # noqa: B018


def test_a_regressors_file_has_no_classes(tmp_path: Path) -> None:
    model = MLPRegressor(hidden_layer_sizes=(20,), random_state=0, max_iter=5).fit(X, Y)
    model.save(tmp_path / "model")
    loaded = nn.load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X)[:, 0], model.predict(X).astype(np.float32))
    assert loaded._ready().model.note(b"classes") is None
    assert loaded.classes is None and nn.Sequential([nn.Dense(2)]).classes is None


def test_an_onnx_file_with_the_scaler_predicts_what_the_pipeline_does(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((20,), random_state=0, max_iter=5)).fit(X, Y)
    pipeline[-1].to_onnx(tmp_path / "model.onnx", scaler=pipeline[0])
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: X.astype(np.float32)})
    np.testing.assert_allclose(found, pipeline.predict_proba(X), atol=2e-6)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"solver": "lbfgs"}, 'solver is "lbfgs", which is not served'),
        ({"solver": "newton"}, "solver is 'newton'; wanted one of \"adam\""),
        ({"activation": "step"}, "activation is 'step'; wanted one of"),
        ({"alpha": -1}, "alpha is -1; wanted 0 or more"),
        ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes must be > 0"),
        ({"hidden_layer_sizes": 2.5}, "hidden_layer_sizes is 2.5"),
        ({"batch_size": "all"}, "batch_size is 'all'"),
        ({"learning_rate": "cosine"}, "learning_rate is 'cosine'"),
        ({"learning_rate_init": 0}, "learning_rate_init is 0; wanted more than 0"),
        ({"max_iter": 0}, "max_iter is 0; wanted 1 or more"),
        ({"learning_rate_init": np.inf}, "learning_rate_init is inf; wanted 0 or more, and finite"),
        ({"tol": np.nan}, "tol is nan; wanted 0 or more, and finite"),
        ({"shuffle": "no"}, "shuffle is 'no'; wanted True or False"),
        ({"solver": "sgd", "momentum": 1.0}, "momentum"),
        ({"dropout": 1.0}, "dropout is 1.0; wanted 0 or more and less than 1"),
        ({"dropout": (0.1, 0.2)}, "dropout has 2 rates; wanted one, or 1"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0"),
        ({"n_iter_no_change": 0}, "n_iter_no_change is 0"),
        ({"max_fun": 0}, "max_fun is 0"),
        ({"class_weight": {17: 2.0}}, "class_weight has the class 17"),
        ({"class_weight": 3}, "class_weight is 3; wanted None"),
        ({"early_stopping": True, "validation_fraction": 0.001}, None),
    ],
    ids=str,
)
def test_parameters_that_cannot_be_are_named(parameters: dict[str, Any], text: str | None) -> None:
    model = MLPClassifier((20,)).set_params(**parameters)
    with pytest.raises((ValueError, TypeError), match=None if text is None else text.replace("(", r"\(")):
        model.fit(X, Y)
    assert not hasattr(model, "coefs_")


def test_data_that_cannot_be_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too large for float32"):
        MLPClassifier().fit(X * 1e60, Y)
    with pytest.raises(ValueError, match="loss is 'poisson'; wanted 0 or more"):
        MLPRegressor("poisson").fit(X, Y - 1.0)
    for y in (Y + 1e20, np.full((len(Y), 3), -1.8e19)):
        with pytest.raises(ValueError, match="y holds 1.*e.*squared error would be too large.*wanted smaller"):
            MLPRegressor().fit(X, y)
        assert np.isfinite(MLPRegressor("poisson", max_iter=1).fit(X, abs(y)).loss_)
    assert np.isfinite(MLPRegressor(max_iter=1).fit(X, Y + 1e18).loss_)
    with pytest.raises(ValueError, match="weight.*zero"):
        MLPClassifier().fit(X, Y, np.zeros(len(Y)))
    with pytest.raises(ValueError, match="[Nn]egative"):
        MLPClassifier().fit(X, Y, -np.ones(len(Y)))
    with pytest.raises(ValueError, match="the first call of partial_fit wanted all"):
        MLPClassifier().partial_fit(X, Y)
    with pytest.raises(ValueError, match="has classes not in"):
        MLPClassifier().partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="does not support early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(X, Y, classes=np.arange(10))
    with pytest.raises(ValueError, match="class_weight is 'balanced'"):
        MLPClassifier(class_weight="balanced").partial_fit(X, Y, classes=np.arange(10))
    with pytest.raises(MartletError, match="save came before fit"):
        MLPClassifier().save(tmp_path / "model")
    with pytest.raises(TypeError, match="wanted a StandardScaler"):
        fitted().save(tmp_path / "model", scaler=3)
    with pytest.raises(ValueError, match="scaler has 3 features, and the estimator 64"):
        fitted().save(tmp_path / "model", scaler=StandardScaler().fit(np.eye(3)))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "classes", [np.array(["2020-01-01", "2021-01-01"], "datetime64[D]"), np.array([1, 2], "timedelta64[s]")]
)
def test_classes_that_json_does_not_hold_are_named_by_files(classes: Any, tmp_path: Path) -> None:
    model = MLPClassifier((4,), max_iter=1).fit(X, classes[Y % 2])
    for write in (model.save, model.to_onnx):
        with pytest.raises(DTypeError, match="classes_ .*, which JSON does not hold; wanted"):
            write(tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert {*model.predict(X)} <= {*classes}


def test_the_module_names_what_it_needs(run_python: Any) -> None:
    run_python("""
import sys
sys.modules["sklearn"] = None
try:
    import martlet.sklearn
except ImportError as error:
    assert "pip install 'scikit-learn>=1.6'" in str(error)
else:
    raise AssertionError
""")
