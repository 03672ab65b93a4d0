"""Losses and metrics that are functions of a user's own, held to the library's, to torch's gradients and to float64."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import martlet
from martlet import nn
from networks import digits_like

X, Y = digits_like(90, (7,))
RNG = np.random.default_rng(3)
T = RNG.standard_normal((90, 3)).astype(np.float32)


def squared(y_true: Any, y_pred: Any) -> Any:
    error = y_pred.astype(np.float64) - y_true
    return (error**2).mean(1), 2 * error / error.shape[1]


def crossentropy(y_true: Any, y_pred: Any) -> Any:
    """Of logits and labels."""
    power = np.exp(y_pred - y_pred.max(1, keepdims=True).astype(np.float64))
    p = power / power.sum(1, keepdims=True)
    rows = np.arange(len(y_true))
    slopes = p.copy()
    slopes[rows, y_true] -= 1
    return -np.log(p[rows, y_true]), slopes


def error(y_true: Any, y_pred: Any) -> Any:
    return np.abs(y_pred - y_true).mean(1)


def right(y_true: Any, y_pred: Any) -> Any:
    return y_true == y_pred.argmax(1)


def chain(units: int, activation: str = "linear") -> nn.Sequential:
    layers = [nn.Dense(12, activation="tanh", input_shape=(7,)), nn.Dense(units, activation=activation)]
    return nn.Sequential(layers, seed=5)


@pytest.mark.parametrize(
    ("function", "name", "y", "units"),
    [(squared, "mse", T, 3), (crossentropy, "sparse_categorical_crossentropy", Y, 10)],
)
def test_the_librarys_loss_as_a_function_trains_as_it(function: Any, name: str, y: Any, units: int) -> None:
    """The same loss to rounding, by every call that trains or scores, with weights and without."""
    weights = RNG.random(90)
    models = [chain(units) for _ in range(2)]
    for model, loss in zip(models, (function, name), strict=True):
        model.compile(nn.Adam(learning_rate=0.01), loss)
    own, librarys = models
    for options in ({}, {"sample_weight": weights}, {"validation_split": 0.2}):
        first, second = (model.fit(X, y, 16, 2, verbose=0, **options).history for model in models)
        assert {*first} == {*second}
        for key in first:
            np.testing.assert_allclose(first[key], second[key], rtol=1e-4)
    assert own.evaluate(X, y) == pytest.approx(librarys.evaluate(X, y), rel=1e-4)
    assert own.train_on_batch(X, y, weights) == pytest.approx(librarys.train_on_batch(X, y, weights), rel=1e-4)
    assert own.differentiate(X, y) == pytest.approx(librarys.differentiate(X, y), rel=1e-4)
    np.testing.assert_allclose(own.gradients(), librarys.gradients(), rtol=2e-3, atol=2e-6)
    for model in models:
        model.step()
    np.testing.assert_allclose(own.predict(X), librarys.predict(X), rtol=1e-3, atol=1e-3)


def test_a_function_cannot_change_what_it_is_given() -> None:
    def clears(y_true: Any, y_pred: Any) -> float:
        y_true[:] = 0
        return 1.0

    model = chain(3)
    model.compile("sgd", "mse", metrics=[clears])
    for call in (model.evaluate, model.train_on_batch, model.fit):
        with pytest.raises(ValueError, match="read-only"):
            call(X, T)


def test_a_weight_counts_as_the_librarys_does() -> None:
    own, librarys = models = [chain(3) for _ in range(2)]
    for model, loss in zip(models, (squared, "mse"), strict=True):
        model.compile(nn.SGD(0.01), loss, loss_weights=[3.0])
        model.fit(X, T, 16, 2, verbose=0)
    assert own.train_on_batch(X, T) == pytest.approx(librarys.train_on_batch(X, T), rel=1e-4)
    assert own.evaluate(X, T) == pytest.approx(librarys.evaluate(X, T), rel=1e-4)
    np.testing.assert_allclose(own.predict(X), librarys.predict(X), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("activation", ["linear", "softmax", "relu"])
def test_gradients_are_torchs(scale: float, activation: str) -> None:
    """Of a loss that the library has not, however large or small its slopes and the outputs are."""

    def quartic(y_true: Any, y_pred: Any) -> Any:
        away = y_pred.astype(np.float64) - y_true
        return scale * (away**4).sum(1), 4 * scale * away**3

    model = chain(3, activation)
    model.layers[1].weights[0][...] *= 20
    model.compile("adam", quartic)
    loss = model.differentiate(X, T)
    weights = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in model.get_weights()]
    out = torch.tanh(torch.tensor(X, dtype=torch.float64) @ weights[0] + weights[1]) @ weights[2] + weights[3]
    out = {"linear": out, "softmax": torch.softmax(out, 1), "relu": torch.relu(out)}[activation]
    wanted = (scale * (out - torch.tensor(T, dtype=torch.float64)) ** 4).sum(1).mean()
    wanted.backward()
    assert loss == pytest.approx(wanted.item(), rel=1e-5)
    flat = np.concatenate([weight.grad.numpy().ravel() for weight in weights])  # type: ignore[union-attr]
    np.testing.assert_allclose(model.gradients(), flat, rtol=1e-4, atol=1e-5 * np.abs(flat).max())


def test_slopes_of_zero_move_nothing() -> None:
    model = chain(3)
    model.compile(nn.SGD(learning_rate=1.0), lambda y_true, y_pred: (np.ones(len(y_pred)), np.zeros_like(y_pred)))
    before = model.get_weights()
    assert model.fit(X, T, verbose=0).history["loss"] == [1.0]
    for old, new in zip(before, model.get_weights(), strict=True):
        assert (old == new).all()


def test_metrics_change_nothing() -> None:
    """Beside a loss of the library's, in any model; its weights are those without, to the bit."""
    layers = [nn.Dense(12, activation="relu", input_shape=(7,)), nn.Dropout(0.3), nn.BatchNormalization(), nn.Dense(10)]
    models = [nn.Sequential(layers, seed=2)]
    models.append(nn.clone_model(models[0]))

    def whole(y_true: Any, y_pred: Any) -> float:
        return float(len(y_pred))

    models[0].compile("adam", "sparse_categorical_crossentropy", [right, "accuracy", whole])
    models[1].compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    histories = [model.fit(X, Y, 20, 2, verbose=0, validation_data=(X, Y)).history for model in models]
    for key, values in histories[1].items():
        assert histories[0][key] == values
    for old, new in zip(*(model.get_weights() for model in models), strict=True):
        assert (old == new).all()
    assert histories[0]["val_right"] == pytest.approx(histories[0]["val_accuracy"])
    assert histories[0]["whole"] == pytest.approx([(4 * 20 * 20 + 10 * 10) / 90] * 2)  # batches of 20, and one of 10
    assert models[0].metrics_names == ["loss", "right", "accuracy", "whole"]
    found = models[0].evaluate(X, Y, return_dict=True)
    assert found["right"] == np.mean(models[0].predict(X).argmax(1) == Y)
    right_in_training, accuracy = models[0].train_on_batch(X, Y)[1:3]  # of what training computes, as the library's
    assert right_in_training == pytest.approx(accuracy)


def test_targets_come_as_they_were_given() -> None:
    """Also of another shape than the outputs, with several inputs, and from what gives batches."""
    seen: list[Any] = []

    def loss(y_true: Any, y_pred: Any) -> Any:
        seen.append((y_true.shape, y_true.dtype, y_pred.shape, y_pred.flags.writeable))
        return y_pred.sum((1, 2)) * y_true.sum((1, 2, 3)), np.broadcast_to(
            y_true.sum((1, 2, 3))[:, None, None], y_pred.shape
        )

    a, b = nn.Input((3, 4)), nn.Input((3, 2))
    model = nn.Model([a, b], nn.Dense(2)(nn.Concatenate()([a, b])))
    model.compile("sgd", loss)
    x, y = [np.ones((8, 3, 4)), np.ones((8, 3, 2))], np.arange(8 * 12).reshape(8, 3, 2, 2)
    model.fit(x, y, 4, verbose=0)
    model.fit(((x, y) for _ in range(1)), verbose=0)
    assert seen == [((4, 3, 2, 2), np.int64, (4, 3, 2), False)] * 2 + [((8, 3, 2, 2), np.int64, (8, 3, 2), False)]


def test_files(tmp_path: Path) -> None:
    model = chain(3)
    model.compile("adam", squared, [error])
    model.fit(X, T, verbose=0)
    model.save(tmp_path / "model")
    with pytest.warns(UserWarning, match='trained with "squared", "error", which custom_objects has not'):
        other = nn.load_model(tmp_path / "model")
    assert (other.predict(X) == model.predict(X)).all()
    with pytest.raises(martlet.OrderError, match="is not compiled"):
        other.evaluate(X, T)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = nn.load_model(tmp_path / "model", {"squared": squared, "error": error})
    assert other.metrics_names == ["loss", "error"]
    first, second = (one.fit(X, T, epochs=2, verbose=0).history for one in (model, other))
    assert first == second


def test_what_watches_a_function_is_told_which_way_it_goes() -> None:
    model = chain(3)
    model.compile("adam", squared, [error])
    with pytest.raises(martlet.ArgumentError, match="watches 'val_error', and mode is \"auto\""):
        model.fit(X, T, verbose=0, validation_split=0.2, callbacks=[nn.EarlyStopping("val_error")])
    model.fit(X, T, verbose=0, validation_split=0.2, callbacks=[nn.EarlyStopping("val_error", mode="min")])


def test_numbers_are_of_all_samples_of_batches_that_come() -> None:
    model = chain(3)
    model.compile(nn.SGD(learning_rate=0.0), squared, [error])
    history = model.fit(((X[rows], T[rows]) for rows in (slice(70), slice(70, 90))), verbose=0).history
    wanted = model.evaluate(X, T, return_dict=True)
    assert wanted["loss"] == pytest.approx(np.mean((model.predict(X) - T) ** 2), rel=1e-5)
    assert {name: values[0] for name, values in history.items()} == pytest.approx(wanted, rel=1e-6)
    batches = ((X[k : k + 25], T[k : k + 25]) for k in range(0, 90, 25))
    assert model.evaluate(batches) == pytest.approx(tuple(wanted.values()))


def noisy(seed: int = 5) -> nn.Sequential:
    layers = [
        nn.Dense(12, activation="tanh", input_shape=(7,), kernel_regularizer=nn.regularizers.L1L2(1e-3, 1e-2)),
        nn.BatchNormalization(), nn.Dropout(0.3), nn.GaussianNoise(0.1), nn.Dense(3),
    ]  # fmt: skip
    return nn.Sequential(layers, seed=seed)


@pytest.mark.parametrize("optimizer", ["adam", "schedule_free_adamw", "schedule_free_sgd", "adopt"])
def test_models_that_train_otherwise_than_they_predict(optimizer: str) -> None:
    """Dropout, noise, the batch's statistics, regularizers, where gradients are taken: as with the library's loss."""
    models = [noisy(), noisy()]
    for model, loss in zip(models, (squared, "mse"), strict=True):
        model.compile(optimizer, loss)
    first, second = (model.fit(X, T, 16, 3, verbose=0, validation_split=0.2).history for model in models)
    for key, values in second.items():
        np.testing.assert_allclose(first[key], values, rtol=2e-4)
    assert models[0].evaluate(X, T) == pytest.approx(models[1].evaluate(X, T), rel=1e-4)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-4)


def two_outputs() -> nn.Model:
    x = nn.Input((7,))
    hidden = nn.BatchNormalization()(nn.Dense(12, activation="tanh", kernel_regularizer="l2")(x))
    return nn.Model(x, [nn.Dense(3, name="a")(hidden), nn.Dense(10, activation="softmax", name="b")(hidden)], seed=4)


CROSSENTROPY = "sparse_categorical_crossentropy"


@pytest.mark.parametrize(
    ("losses", "metrics"),
    [
        ({"a": squared, "b": CROSSENTROPY}, {"a": [error], "b": ["accuracy", right]}),
        ({"a": "mse", "b": CROSSENTROPY}, {"b": [right]}),
        ({"a": squared, "b": lambda y, p: probability(y, p)}, {"b": [right]}),
    ],
)
def test_several_outputs(losses: Any, metrics: Any) -> None:
    """Each with a function or a loss of the library's: as with the library's alone."""
    models, weights = [two_outputs(), two_outputs()], RNG.random(90)
    models[0].compile("adam", losses, metrics, [2.0, 0.5])
    models[1].compile("adam", ["mse", CROSSENTROPY], [[], ["accuracy"]], [2.0, 0.5])
    for options in ({}, {"sample_weight": weights}, {"validation_split": 0.2}):
        first, second = (model.fit(X, [T, Y], 16, 2, verbose=0, **options).history for model in models)
        for key in second:
            if key in first:
                np.testing.assert_allclose(first[key], second[key], rtol=2e-4, err_msg=key)
        np.testing.assert_allclose(first["b_right"], second["b_accuracy"], rtol=1e-6)
    first, second = (model.evaluate(X, [T, Y], return_dict=True) for model in models)
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)
    assert first["b_right"] == pytest.approx(second["b_accuracy"])
    assert models[0].train_on_batch(X, [T, Y], weights)[0] == pytest.approx(
        models[1].train_on_batch(X, [T, Y], weights)[0], rel=1e-4
    )


def probability(y_true: Any, y_pred: Any) -> Any:
    """The cross-entropy of probabilities and labels: its slopes are by those that the softmax gives."""
    rows, p = np.arange(len(y_true)), y_pred.astype(np.float64)
    slopes = np.zeros_like(p)
    slopes[rows, y_true] = -1 / p[rows, y_true]
    return -np.log(p[rows, y_true]), slopes


def test_a_curve_beside_torchs() -> None:
    """Two functions, a batch normalization, a regularizer and sample weights: losses of 60 steps."""

    def quartic(y_true: Any, y_pred: Any) -> Any:
        away = y_pred.astype(np.float64) - y_true
        return (away**4).sum(1), 4 * away**3

    model = two_outputs()
    model.compile(nn.Adam(0.003, epsilon=1e-8, semantics="torch"), [quartic, crossentropy], loss_weights=[0.7, 1.5])
    parts = [
        torch.nn.Linear(7, 12),
        torch.nn.BatchNorm1d(12, eps=1e-3),
        torch.nn.Linear(12, 3),
        torch.nn.Linear(12, 10),
    ]
    arrays = model.get_weights()
    with torch.no_grad():
        for part, (kernel, bias) in zip(
            (parts[0], parts[2], parts[3]), (arrays[:2], arrays[6:8], arrays[8:]), strict=True
        ):
            part.weight.copy_(torch.from_numpy(kernel.T))  # type: ignore[operator, union-attr]
            part.bias.copy_(torch.from_numpy(bias))  # type: ignore[operator, union-attr]
    optimizer = torch.optim.Adam([weight for part in parts for weight in part.parameters()], lr=0.003)
    ours, theirs = [], []
    for step in range(60):
        rows = np.random.default_rng(step).choice(90, 32, replace=False)
        weights = np.random.default_rng(step).random(32).astype(np.float32)
        ours.append(model.train_on_batch(X[rows], [T[rows], Y[rows]], weights)[0])
        x, a, b, w = (torch.from_numpy(one) for one in (X[rows], T[rows], Y[rows].astype(np.int64), weights))
        hidden = parts[1](torch.tanh(parts[0](x)))
        of_a = (w * (parts[2](hidden) - a).pow(4).sum(1)).mean()
        p = torch.softmax(parts[3](hidden), 1)
        of_b = (w * torch.nn.functional.cross_entropy(p, b, reduction="none")).mean()
        loss = 0.7 * of_a + 1.5 * of_b + 0.01 * parts[0].weight.pow(2).sum()  # type: ignore[union-attr, operator]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        theirs.append(loss.item())
    assert theirs[-1] < 0.9 * theirs[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_a_function_that_raises_moves_nothing() -> None:
    """Statistics neither: a step is whole or none."""
    calls = 0

    def fails(y_true: Any, y_pred: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("the third")
        return squared(y_true, y_pred)

    models = [noisy(), noisy()]
    for model, loss in zip(models, (fails, squared), strict=True):
        model.compile("adam", loss)
    for _ in range(2):
        for model in models:
            model.train_on_batch(X, T)
    with pytest.raises(RuntimeError, match="the third"):
        models[0].train_on_batch(X, T)
    for model in models:
        model.train_on_batch(X, T)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        assert (one == other).all()


def test_slopes_beyond_float32_are_refused() -> None:
    model = chain(3)
    model.compile(
        "adam", lambda y_true, y_pred: (np.ones(len(y_pred)), np.full(y_pred.shape, 1e60)), loss_weights=[2.0]
    )
    with pytest.raises(martlet.ArgumentError, match=r"slopes up to 1e\+60, which times 0.0222 are beyond float32"):
        model.train_on_batch(X, T)


def of(returned: Any) -> Callable[[Any, Any], Any]:
    def mine(y_true: Any, y_pred: Any) -> Any:
        return returned(y_pred) if callable(returned) else returned

    return mine


def fitted(loss: Any, metrics: Any = None) -> Any:
    model = chain(3)
    model.compile("adam", loss, metrics)
    before = model.get_weights() if model._built else None
    try:
        return model.fit(X, T, verbose=0)
    finally:
        assert before is None or all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: fitted(of(3.0)), martlet.DTypeError, "loss 'mine' gave 3.0; wanted two arrays"),
    (lambda: fitted(of(("a", "b"))), martlet.DTypeError, "loss 'mine' gave what is no two arrays of numbers"),
    (lambda: fitted(of((1.0, 2.0))), martlet.ShapeError, r"losses of shape \(\) and slopes of \(\); wanted \(32,\)"),
    (lambda: fitted(of(lambda p: (p[:, 0], p[:, :2]))), martlet.ShapeError, r"slopes of \(32, 2\); wanted"),
    (lambda: fitted(of(lambda p: (p[:, 0], p * np.nan))), martlet.ArgumentError, "gave slopes that are not finite, at"),
    (lambda: fitted(of(lambda p: (p[:, 0] / 0, p))), martlet.ArgumentError, "gave losses that are not finite"),
    (lambda: fitted(of(lambda p: p.fill(0))), ValueError, "read-only"),
    (lambda: fitted(nn.losses.OwnLoss(3)), martlet.DTypeError, "loss is 3; wanted a function"),  # type: ignore[arg-type]
    (lambda: fitted(dict), martlet.DTypeError, "loss is <class 'dict'>"),
    (lambda: fitted(squared, ["mae"]), martlet.UnsupportedError, "metric 'mae' is the library's, .*wanted functions"),
    (lambda: fitted("mse", [of("a")]), martlet.DTypeError, "metric 'mine' gave 'a'; wanted a number"),
    (lambda: fitted("mse", [of(None)]), martlet.DTypeError, "metric 'mine' gave None; wanted a number"),
    (
        lambda: fitted("mse", [of(np.ones(5))]),
        martlet.ShapeError,
        r"metric 'mine' gave an array of shape \(5,\) for 32",
    ),
    (lambda: fitted("mse", [of(1), of(1)]), martlet.ArgumentError, "metrics holds 'mine', which is also"),
    (lambda: fitted("mse", [nn.TopK]), martlet.DTypeError, r"as in TopK\(\), or a function"),
    (lambda: fitted("mse", [dict]), martlet.DTypeError, r"metrics\[0\] is <class 'dict'>"),
    (lambda: nn.load_model("x", 3), martlet.DTypeError, "custom_objects is 3"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("index", range(len(BAD)))
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_input(index: int) -> None:
    call, error, says = BAD[index]
    with pytest.raises(error, match=says):
        call()
