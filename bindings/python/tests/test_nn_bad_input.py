"""Data and calls that cannot be: each is an error that names the argument, what was given and what was wanted, and
leaves the model as it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import martlet
from martlet import nn
from networks import digits_like, mlp

X, Y = digits_like(40, (20,))


def with_nan(place: tuple[int, int]) -> Any:
    x = X.copy()
    x[place] = np.nan
    return x


def labels(label: Any, dtype: Any = np.int64) -> Any:
    y = Y.astype(dtype)
    y[3] = label
    return y


@pytest.mark.parametrize(
    ("wanted", "given", "way"),
    [
        ((32, 31, 3), (3, 32, 31), r"x.transpose\(\(0, 2, 3, 1\)\) has it"),
        ((3, 32, 31), (32, 31, 3), r"x.transpose\(\(0, 3, 1, 2\)\) has it"),
        ((32, 32, 3), (3, 32, 32), r"x.transpose\(\(0, 2, 3, 1\)\) has it"),
        ((4, 6), (6, 4), r"x.transpose\(\(0, 2, 1\)\) has it"),
        ((8, 8, 1), (64,), r"x.reshape\(\(-1, 8, 8, 1\)\) has it"),
        ((8, 8, 1), (8, 8), r"x.reshape\(\(-1, 8, 8, 1\)\) has it"),
        ((4, 6), (3, 8), r"reads \(4, 6\)$"),
    ],
)
def test_the_way_to_the_shape_keeps_pixels_in_place(wanted: Any, given: Any, way: str) -> None:
    model = nn.Sequential([nn.Flatten(input_shape=wanted), nn.Dense(2)])
    with pytest.raises(martlet.ShapeError, match=way) as caught:
        model.predict(np.zeros((5, *given), np.float32))
    found = re.search(r"x\.(transpose|reshape)\((\(.*?\))\)", str(caught.value))
    if found:
        assert getattr(np.zeros((5, *given)), found[1])(eval(found[2])).shape == (5, *wanted)


DATA: list[tuple[Any, Any, type[Exception], str]] = [
    (X[:0], Y[:0], martlet.ShapeError, r"x has shape \(0, 20\), which holds no samples"),
    ([], [], martlet.ShapeError, r"x has shape \(0,\), which holds no samples"),
    (X, Y[:0], martlet.ShapeError, r"y has shape \(0,\), which holds no samples"),
    (X, Y[:39], martlet.ShapeError, "x has 40 samples and y has 39; wanted as many"),
    (X[:, :19], Y, martlet.ShapeError, r"x has samples of shape \(19,\), and the model reads \(20,\)"),
    (X.reshape(40, 4, 5), Y, martlet.ShapeError, r"x has samples of shape \(4, 5\).*x.reshape\(\(-1, 20\)\) has it"),
    (X[0], Y[:1], martlet.ShapeError, r"x has samples of shape \(\), .*for one sample give x\[None\]"),
    (3.0, Y, martlet.ShapeError, "x is one number, 3.0"),
    (None, Y, martlet.DTypeError, "x is None; wanted an array of numbers"),
    ("data", Y, martlet.DTypeError, "x is 'data'"),
    (X.astype(complex), Y, martlet.DTypeError, "x has dtype complex128; wanted real numbers"),
    (X.astype(object), Y, martlet.DTypeError, "x has dtype object"),
    ([[1, 2], [3]], Y, martlet.DTypeError, "x is no array of numbers"),
    (np.ma.masked_array(X), Y, martlet.DTypeError, "x is a masked array"),
    (np.zeros((2,) * 10), Y, martlet.ShapeError, "x has 10 axes; wanted at most 9"),
    (with_nan((7, 3)), Y, martlet.ArgumentError, r"x holds a NaN, first at \(7, 3\); .*check=False"),
    (X, Y.astype(float) * np.nan, martlet.ArgumentError, r"y holds a NaN, first at \(0,\)"),
    (X, labels(10), martlet.ArgumentError, "y holds label 10 at sample 3; wanted 0 to 9"),
    (X, labels(-1), martlet.ArgumentError, "y holds label -1 at sample 3; wanted 0 to 9"),
    (X, labels(255, np.uint8), martlet.ArgumentError, "y holds label 255 at sample 3"),
    (X, labels(2**63, np.uint64), martlet.ArgumentError, "y holds label 9223372036854775808 at sample 3"),
    (X, labels(2**62, float), martlet.ArgumentError, "y holds label 4611686018427387904 at sample 3"),
    (X, labels(1.5, float), martlet.DTypeError, "y holds 1.5 at sample 3; wanted labels"),
    (X, labels(np.inf, float), martlet.DTypeError, "y holds inf at sample 3; wanted labels"),
    (X, np.eye(10)[Y], martlet.ShapeError, r"y has shape \(40, 10\); .*y.argmax\(axis=-1\) has them"),
    (X, ["a"] * 40, martlet.DTypeError, "y has dtype <U1|y has dtype str"),
    (torch.zeros(40, 20, requires_grad=True), Y, martlet.DTypeError, "x is no array of numbers: .*requires grad"),
]


@pytest.mark.parametrize("index", range(len(DATA)))
def test_bad_data(index: int) -> None:
    x, y, error, says = DATA[index]
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X, Y, verbose=0)
    before, step = model.parameters().copy(), model.optimizer.iterations
    calls: list[Callable[[], Any]] = [
        lambda: model.fit(x, y, verbose=0), lambda: model.evaluate(x, y, verbose=0), lambda: model.train_on_batch(x, y)
    ]  # fmt: skip
    if says.startswith("y holds"):
        calls.append(lambda: model.fit(X, Y, verbose=0, validation_data=(x, y)))
    for call in calls:
        with pytest.raises(error, match=says) as caught:
            call()
        assert isinstance(caught.value, martlet.MartletError)
    assert (model.parameters() == before).all() and model.optimizer.iterations == step


def test_validation_data_are_named() -> None:
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(martlet.ShapeError, match=r"validation_x has samples of shape \(19,\)"):
        model.fit(X, Y, verbose=0, validation_data=(X[:, :19], Y))
    with pytest.raises(martlet.ArgumentError, match="validation_y holds label 10"):
        model.fit(X, Y, verbose=0, validation_data=(X, labels(10)))
    for given in (X, (X, Y, Y, Y), 3):
        with pytest.raises(martlet.DTypeError, match=r"validation_data is no pair; wanted \(x, y\)"):
            model.fit(X, Y, verbose=0, validation_data=given)
    assert model.optimizer.iterations == 0


def test_nan_may_be_let_through() -> None:
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(with_nan((1, 1)), Y, verbose=0, check=False)
    assert np.isnan(history.history["loss"][0])


def test_what_is_converted_once() -> None:
    """Every kind of numbers, order and label gives the same training."""

    def trained(x: Any, y: Any) -> Any:
        model = mlp()
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, y, verbose=0)
        return model.parameters()

    whole = np.round(X * 10)
    wanted = trained(whole.astype(np.float32), Y)
    ints = whole.astype(np.int16)
    for x in (whole.astype(np.float64), ints, ints.tolist(), np.asfortranarray(whole), np.repeat(whole, 2, 0)[::2],
              whole.astype(">f4"), torch.from_numpy(whole), whole.astype(np.float16)):  # fmt: skip
        assert (trained(x, Y) == wanted).all()
    for y in (Y.astype(np.int32), Y.astype(np.uint8), Y.astype(np.int8), Y.astype(np.uint16), Y.astype(float),
              Y[:, None], Y.tolist(), Y.astype(">i8"), np.repeat(Y, 2)[::2], torch.from_numpy(Y)):  # fmt: skip
        assert (trained(whole, y) == wanted).all()
    read_only = whole.astype(np.float32)
    read_only.flags.writeable = False
    assert (trained(read_only, Y) == wanted).all()


def test_targets_of_one_output_may_be_flat() -> None:
    model = nn.Sequential([nn.Dense(1, input_shape=(1,))], seed=1)
    model.compile("adam", "mse")
    x = np.arange(5.0)
    assert model.evaluate(x, x, verbose=0) == model.evaluate(x[:, None], x[:, None], verbose=0)
    assert model.predict(x).shape == (5, 1)


@pytest.mark.parametrize(
    ("loss", "y", "error", "says"),
    [
        ("categorical_crossentropy", Y, martlet.ShapeError, "labels are for sparse_categorical_crossentropy"),
        (
            "categorical_crossentropy",
            np.eye(9)[Y % 9],
            martlet.ShapeError,
            r"y has samples of shape \(9,\), and",
        ),
        ("mse", Y, martlet.ShapeError, r"y has samples of shape \(\), and the model gives \(10,\)"),
        ("nll", np.eye(10)[Y], martlet.ShapeError, "wanted one label for each sample"),
        ("binary_crossentropy", Y, martlet.ShapeError, r"y has samples of shape \(\), and the model gives \(10,\)"),
    ],
)
def test_targets_that_do_not_suit_the_loss(loss: str, y: Any, error: type[Exception], says: str) -> None:
    model = mlp()
    model.compile("adam", loss)
    with pytest.raises(error, match=says):
        model.fit(X, y, verbose=0)


def test_binary_labels() -> None:
    model = nn.Sequential([nn.Dense(1, input_shape=(20,))], seed=1)
    model.compile("adam", "binary_crossentropy", ["binary_accuracy"])
    y = Y % 2
    wanted = model.evaluate(X, y.astype(np.float32), verbose=0)
    for given in (y, y.astype(bool), y[:, None], y.astype(np.uint8)):
        np.testing.assert_allclose(model.evaluate(X, given, verbose=0), wanted, rtol=1e-6)
    with pytest.raises(martlet.ArgumentError, match="y holds label 9 at .*; wanted 0 to 1"):
        model.fit(X, Y, verbose=0)


COMPILE: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({}, martlet.DTypeError, "loss is None"),
    ({"loss": "ctc"}, martlet.ArgumentError, "loss is 'ctc'; wanted one of \"sparse_categorical_crossentropy\""),
    ({"loss": 3}, martlet.DTypeError, "loss is 3 of type int"),
    ({"loss": "mse", "optimizer": "sdg"}, martlet.ArgumentError, 'optimizer is \'sdg\'; wanted one of "adam", "adamw"'),
    ({"loss": "mse", "optimizer": 3}, martlet.DTypeError, "optimizer is 3"),
    ({"loss": "mse", "metrics": ["auk"]}, martlet.ArgumentError, r"metrics\[0\] is 'auk'"),
    ({"loss": "mse", "metrics": 3}, martlet.DTypeError, "metrics is 3"),
    ({"loss": "mse", "metrics": ["mae", "mae"]}, martlet.ArgumentError, "metrics holds 'mae'"),
    ({"loss": "mse", "metrics": [nn.TopK(2, 3)]}, martlet.DTypeError, r"name of metrics\[0\] is 3 of type int"),
    ({"loss": "mse", "metrics": [nn.TopK(2, "")]}, martlet.ArgumentError, r"name of metrics\[0\] is ''"),
    ({"loss": "mse", "metrics": ["mae", nn.TopK(2, "val_loss")]}, martlet.ArgumentError, r"metrics\[1\] is 'val_loss'"),
    ({"loss": "mse", "metrics": [nn.TopK(2, "learning_rate")]}, martlet.ArgumentError, "is 'learning_rate', which a"),
    ({"loss": "mse", "metrics": [nn.TopK(2, "loss")]}, martlet.ArgumentError, "is 'loss', which a history has"),
    ({"loss": "mse", "metrics": [nn.TopK(2, "a"), nn.TopK(3, "b")]}, martlet.UnsupportedError, "one k at a time"),
]


@pytest.mark.parametrize("index", range(len(COMPILE)))
def test_bad_compile(index: int) -> None:
    options, error, says = COMPILE[index]
    with pytest.raises(error, match=says):
        mlp().compile(**options)


def test_bad_numbers_of_losses_and_optimizers() -> None:
    calls: list[tuple[Callable[[], Any], str]] = [
        (lambda: nn.Huber(0), "delta of Huber is 0"),
        (lambda: nn.CategoricalCrossentropy(label_smoothing=1.0), "label_smoothing is 1.0"),
        (lambda: nn.CategoricalCrossentropy(from_logits="yes"), "from_logits is 'yes'"),  # type: ignore[arg-type]
        (lambda: nn.TopK(0), "k of TopK is 0"),
        (lambda: nn.Adam(-1.0), "Invalid learning rate: -1.0"),
        (lambda: nn.Adam(beta_1=1.0), "Invalid beta parameter at index 0: 1.0"),
        (lambda: nn.Adam(epsilon=-1.0), "Invalid epsilon value: -1.0"),
        (lambda: nn.Adam(semantics="jax"), "Invalid semantics"),
    ]
    for call, says in calls:
        with pytest.raises(martlet.MartletError, match=says):
            call()
    model = mlp()
    with pytest.raises(martlet.ArgumentError, match="11"):
        model.compile("adam", "sparse_categorical_crossentropy", [nn.TopK(11)])
    model.compile("adam", "sparse_categorical_crossentropy", ["binary_accuracy"])
    with pytest.raises(martlet.UnsupportedError, match="'binary_accuracy' of outputs"):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"batch_size": 0}, martlet.ArgumentError, "batch_size is 0; wanted 1 or more"),
        ({"batch_size": 2.5}, martlet.DTypeError, "batch_size is 2.5"),
        ({"epochs": -1}, martlet.ArgumentError, "epochs is -1"),
        ({"epochs": "3"}, martlet.DTypeError, "epochs is '3'"),
        ({"initial_epoch": -1}, martlet.ArgumentError, "initial_epoch is -1"),
        ({"verbose": 3}, martlet.ArgumentError, "verbose is 3"),
        ({"verbose": "loud"}, martlet.ArgumentError, "verbose is 'loud'"),
        ({"shuffle": "batch"}, martlet.DTypeError, "shuffle is 'batch'; wanted True or False"),
        ({"validation_split": 1.0}, martlet.ArgumentError, "validation_split is 1.0; wanted 0 or more and less than 1"),
        ({"validation_split": 0.999}, martlet.ArgumentError, "validation_split is 0.999 of 40 samples, which leaves 0"),
        ({"callbacks": 3}, martlet.DTypeError, "callbacks is 3; wanted a list"),
        ({"validation_batch_size": 0}, martlet.ArgumentError, "validation_batch_size is 0; wanted 1 or more"),
    ],
)
def test_bad_options_of_fit(options: dict[str, Any], error: type[Exception], says: str) -> None:
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(error, match=says):
        model.fit(X, Y, **{"verbose": 0, **options})
    assert model.optimizer.iterations == 0


def test_arguments_of_kerass_that_mean_nothing_here() -> None:
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    step = model.optimizer.iterations
    for flag in ("False", np.ones(3)):
        for call in (model.evaluate, model.train_on_batch, model.test_on_batch):
            with pytest.raises(martlet.DTypeError, match="return_dict is .*; wanted True or False"):
                call(X, Y, return_dict=flag)
    assert model.optimizer.iterations == step
    with pytest.raises(martlet.UnsupportedError, match="training is True"):
        model(X, training=True)
    for training in (False, None):
        assert (model(X, training=training) == model.predict(X)).all()
    with pytest.raises(martlet.ArgumentError, match="wanted one of them"):
        nn.Dense(3, input_shape=(3,), input_dim=3)
    assert nn.Sequential([nn.Dense(3, input_dim=4)]).input_shape == (None, 4)


def test_before_compile() -> None:
    model = mlp()
    for call in (lambda: model.fit(X, Y), lambda: model.evaluate(X, Y), lambda: model.train_on_batch(X, Y),
                 lambda: model.optimizer, lambda: model.metrics_names):  # fmt: skip
        with pytest.raises(martlet.OrderError, match=r"is not compiled: call compile\(optimizer, loss\) first"):
            call()
    assert np.isnan(model.gradient_norm())
    with pytest.raises(martlet.OrderError):
        model.gradients()


def test_an_error_of_the_library_names_the_layer() -> None:
    model = nn.Sequential([nn.Conv2D(4, 3, name="first"), nn.Conv2D(4, 3, name="second")])
    with pytest.raises(martlet.ShapeError, match="second"):
        model.predict(np.zeros((1, 4, 4, 1)))
    assert model.predict(np.zeros((1, 6, 6, 1))).shape == (1, 2, 2, 4)  # the first shape was not kept
