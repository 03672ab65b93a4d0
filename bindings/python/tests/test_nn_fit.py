"""fit, evaluate and predict: what they report, in which order samples come, what is shown, and how they stop."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn
from martlet.nn import _progress
from networks import digits_like, mlp

X, Y = digits_like(100, (20,))


def compiled(seed: int = 1, metrics: Any = ("accuracy",)) -> nn.Sequential:
    model = mlp(seed)
    model.compile("adam", "sparse_categorical_crossentropy", list(metrics))
    return model


def test_scenario_3() -> None:
    x, y = digits_like(320, (784,))
    model = nn.Sequential([nn.Dense(64, activation="relu", input_shape=(784,)), nn.Dense(10)])
    model.compile(loss="sparse_categorical_crossentropy", optimizer=nn.Adam(learning_rate=0.001), metrics=["accuracy"])
    history = model.fit(x, y, epochs=10, batch_size=32, verbose=0)
    loss, accuracy = model.evaluate(x, y)
    assert history.epoch == list(range(10)) and list(history.history) == ["loss", "accuracy"]
    assert loss < history.history["loss"][-1] < history.history["loss"][0] and accuracy > 0.9


def test_history_is_the_mean_over_samples() -> None:
    model = compiled()
    seen: list[dict[str, float]] = []
    history = model.fit(
        X, Y, batch_size=32, epochs=2, verbose=0, validation_data=(X[:10], Y[:10]),
        callbacks=[nn.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append({"batch": batch, **logs}))],
    )  # fmt: skip
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert [logs["batch"] for logs in seen] == [0, 1, 2, 3] * 2
    assert [history.history["loss"][epoch] for epoch in (0, 1)] == [seen[3]["loss"], seen[7]["loss"]]
    loss, accuracy = model.evaluate(X[:10], Y[:10], verbose=0)
    assert history.history["val_loss"][-1] == loss and history.history["val_accuracy"][-1] == accuracy
    assert history.params["steps"] == 4 and history.params["samples"] == 100 and history.model is model
    assert model.history is history


def test_names_in_the_history_are_those_given() -> None:
    model = compiled(metrics=["acc", nn.TopK(2, name="top2")])
    history = model.fit(X, Y, verbose=0, validation_split=0.1).history
    assert list(history) == [f"{start}{name}" for start in ("", "val_") for name in ("loss", "acc", "top2")]
    assert model.metrics_names == ["loss", "acc", "top2"]
    model = nn.Sequential([nn.Dense(1, input_shape=(20,))])
    model.compile("adam", "huber", ["mse", "mean_absolute_error"])
    assert list(model.fit(X, Y, verbose=0).history) == ["loss", "mse", "mean_absolute_error"]


def test_validation_split_takes_the_last_samples() -> None:
    whole, part = compiled(), compiled()
    first = whole.fit(X, Y, verbose=0, validation_split=0.2, shuffle=False)
    second = part.fit(X[:80], Y[:80], verbose=0, validation_data=(X[80:], Y[80:]), shuffle=False)
    assert first.history == second.history and (whole.parameters() == part.parameters()).all()


def test_a_batch_larger_than_the_data_is_one_smaller_batch() -> None:
    large, exact = compiled(), compiled()
    large.fit(X[:20], Y[:20], batch_size=10**9, verbose=0, shuffle=False)
    exact.fit(X[:20], Y[:20], batch_size=20, verbose=0, shuffle=False)
    assert (large.parameters() == exact.parameters()).all()


def test_batches_may_grow_and_keep_the_moments() -> None:
    grown, known = compiled(), compiled()
    known.train_on_batch(X, Y)  # plans for 100 samples
    known.set_weights(grown.get_weights())
    known.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    for model in (grown, known):
        model.fit(X, Y, batch_size=8, verbose=0, shuffle=False)
        model.fit(X, Y, batch_size=50, verbose=0, shuffle=False)
        assert model.optimizer.iterations == 13 + 2
    assert (grown.parameters() == known.parameters()).all()


def test_batches_larger_than_the_library_takes() -> None:
    model = compiled()
    history = model.fit(X, Y, batch_size=2**31 + 1, validation_split=0.2, verbose=0).history
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert model.evaluate(X, Y, batch_size=2**40, verbose=0) == model.evaluate(X, Y, batch_size=100, verbose=0)
    assert (model.predict(X, batch_size=2**40) == model.predict(X)).all()


def test_every_sample_once_an_epoch() -> None:
    """One linear unit that starts at 0, with a learning rate of 0: the loss of an epoch is that of all samples."""
    y = np.arange(100.0)
    model = nn.Sequential([nn.Dense(1, kernel_initializer="zeros", input_shape=(20,))])
    model.compile(nn.Adam(0.0), "mse")
    history = model.fit(X, y, epochs=3, batch_size=7, verbose=0)
    np.testing.assert_allclose(history.history["loss"], (y**2).mean(), rtol=1e-6)


def test_seeds() -> None:
    assert (mlp(1).parameters() == mlp(1).parameters()).all() and (mlp(1).parameters() != mlp(2).parameters()).any()
    random = nn.Sequential([nn.Dense(3, input_shape=(2,))])
    again = nn.Sequential([nn.Dense(3, input_shape=(2,))], seed=random.seed)
    assert (random.parameters() == again.parameters()).all()
    assert nn.Sequential().seed != nn.Sequential().seed
    assert (mlp(2**64 - 1).parameters() == mlp(2**64 - 1).parameters()).all()


def test_evaluate_and_predict_do_not_depend_on_the_batch() -> None:
    model = compiled()
    model.fit(X, Y, verbose=0)
    step, before = model.optimizer.iterations, model.parameters().copy()
    outputs = [model.predict(X, batch_size=size) for size in (1, 7, 32, 1000)]
    assert all((output == outputs[0]).all() for output in outputs) and outputs[0].shape == (100, 10)
    losses = [model.evaluate(X, Y, batch_size=size, verbose=0)[0] for size in (1, 7, 32, 1000)]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-6)
    assert (model(X[:3]) == outputs[0][:3]).all()
    assert model.optimizer.iterations == step and (model.parameters() == before).all()
    assert model.evaluate(X, Y, verbose=0) == model.test_on_batch(X, Y)
    assert isinstance(compiled(metrics=()).evaluate(X, Y, verbose=0), float)


def test_predict_needs_no_compile_and_no_shape() -> None:
    model = nn.Sequential([nn.Dense(2)])
    assert model.predict(np.zeros((3, 5))).shape == (3, 2) and model.input_shape == (None, 5)


def test_learning_rate_reads_and_sets() -> None:
    model = compiled()
    model.optimizer.learning_rate = 0.5
    model.fit(X, Y, verbose=0)
    assert model.optimizer.learning_rate == 0.5 and model._laid().model.groups()[0].lr == 0.5
    model.optimizer.lr = 0.0
    assert model._laid().model.groups()[0].lr == 0.0
    before = model.parameters().copy()
    model.fit(X, Y, verbose=0)
    assert (model.parameters() == before).all()
    for wrong in (-1.0, float("nan"), "fast"):
        with pytest.raises((martlet.ArgumentError, martlet.DTypeError)):
            model.optimizer.learning_rate = wrong
    assert model.optimizer.learning_rate == 0.0
    assert repr(nn.Adam(0.01)) == "<Adam learning_rate=0.01 beta_1=0.9 beta_2=0.999 epsilon=1e-07 weight_decay=0>"


def test_both_spellings_of_an_optimizer() -> None:
    rows = {
        nn.Adam(0.01, 0.8, 0.99, 1e-6).hyperparameters(),
        nn.Adam(learning_rate=0.01, beta_1=0.8, beta_2=0.99, epsilon=1e-6).hyperparameters(),
        nn.Adam(lr=0.01, betas=(0.8, 0.99), eps=1e-6).hyperparameters(),
        nn.Adam(lr=0.01, beta1=0.8, beta2=0.99, eps=1e-6).hyperparameters(),
    }
    assert len(rows) == 1
    with pytest.raises(martlet.DTypeError, match="lr and learning_rate are two names"):
        nn.Adam(0.01, lr=0.01)
    with pytest.raises(martlet.DTypeError, match="beta1 and beta_1 are two names"):
        nn.Adam(beta_1=0.9, beta1=0.9)


def test_compile_again_starts_anew() -> None:
    model = compiled()
    model.fit(X, Y, verbose=0)
    optimizer = model.optimizer
    model.compile(optimizer, "sparse_categorical_crossentropy")
    assert model.optimizer.iterations == 0
    model.fit(X, Y, verbose=0)
    assert model.optimizer.iterations == 4
    with pytest.raises(martlet.OrderError, match="trains a model already"):
        mlp().compile(optimizer, "mse")
    model.compile("adamw", "sparse_categorical_crossentropy")
    mlp().compile(optimizer, "mse")


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    compiled().fit(X, Y, epochs=2, verbose=2, validation_data=(X, Y))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Epoch 1/2 - ") and second.startswith("Epoch 2/2 - ")
    for word in (" samples/s", "loss: ", "accuracy: ", "val_loss: ", "val_accuracy: "):
        assert word in first
    compiled().fit(X, Y, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    model = compiled()
    model.fit(X, Y, epochs=2, verbose=1)
    model.evaluate(X, Y, verbose=1)
    shown = capsys.readouterr()
    assert shown.out == ""
    for word in ("Epoch 1/2", "Epoch 2/2", "evaluate", "100%", "samples/s", "loss: ", "accuracy: "):
        assert word in shown.err


def test_auto_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert (_progress.level("auto"), _progress.level("auto", alone=0)) == (2, 0)
    monkeypatch.setattr(sys, "stderr", None)
    assert _progress.level("auto") == 2
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert _progress.level("auto") == 1


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = compiled().fit(X, Y, epochs=3, verbose=0, validation_split=0.2)
    figure = history.plot(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    lines = figure.axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [history.history["loss"], history.history["val_loss"]]


def test_plot_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    history = compiled().fit(X, Y, verbose=0)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install matplotlib, or in a clone .* './bindings/python\[nn\]'"):
        history.plot()


def test_ctrl_c_leaves_the_model_consistent(run_python: Any) -> None:
    run_python(
        """
import signal
import numpy as np
from martlet import nn
x = np.random.default_rng(1).standard_normal((3200, 20)); y = np.arange(3200) % 10
def made():
    model = nn.Sequential([nn.Dense(64, activation="relu", input_shape=(20,)), nn.Dense(10)], seed=1)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model
model = made()
model.fit(x, y, verbose=0)
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.3)
try:
    model.fit(x, y, epochs=10**6, verbose=0)
    raise SystemExit(3)
except KeyboardInterrupt:
    pass
history, steps = model.history, model.optimizer.iterations
epochs, rest = divmod(steps - 100, 100)
# Between an epoch's last step and its entry it may come too.
assert epochs - len(history.epoch) in (0, 0 if rest else 1) and steps > 100, (len(history.epoch), steps)
assert np.isfinite(model.parameters()).all()
# The same number of steps, uninterrupted, gives the same bits.
other = made()
for epoch in range(steps // 100):
    other.fit(x, y, verbose=0)
from martlet.nn import _orders
rows = _orders.of_seed(1, steps // 100, 3200)
for batch in range(steps % 100):
    chosen = rows[32 * batch : 32 * batch + 32]
    other.train_on_batch(x[chosen], y[chosen])
assert other.optimizer.iterations == steps
assert (other.parameters() == model.parameters()).all()
model.fit(x, y, verbose=0)
assert model.optimizer.iterations == steps + 100
"""
    )
