"""Callbacks by themselves, with a model that is none; and one training that calls all of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn
from martlet.nn._callback_list import Callbacks
from networks import digits_like, mlp


class Fake:
    """What callbacks use of a model."""

    def __init__(self) -> None:
        self.stop_training = False
        self.weights: Any = [0]
        self.saved: list[str] = []
        self.norms = iter(())
        self.optimizer = nn.Adam(0.1)

    def get_weights(self) -> Any:
        return list(self.weights)

    def set_weights(self, weights: Any) -> None:
        self.weights = weights

    def save(self, path: str) -> None:
        self.saved.append(path)

    def gradient_norm(self) -> float:
        return next(self.norms)


def run(callback: nn.Callback, values: list[float], name: str = "val_loss") -> tuple[Fake, int]:
    """The epochs of a training in which a number takes these values; returns how many there were."""
    model = Fake()
    callback.set_model(model)
    callback.on_train_begin({})
    epochs = 0
    for epoch, value in enumerate(values):
        model.weights = [epoch]
        callback.on_epoch_end(epoch, {name: value})
        epochs += 1
        if model.stop_training:
            break
    callback.on_train_end({})
    return model, epochs


@pytest.mark.parametrize(
    ("options", "values", "epochs", "weights"),
    [
        ({}, [3, 2, 2.5, 1], 3, 2),
        ({"patience": 1}, [3, 2, 2.5, 1], 3, 2),
        ({"patience": 2}, [3, 2, 2.5, 1, 1.5, 1.6, 0], 6, 5),
        ({"patience": 2, "restore_best_weights": True}, [3, 2, 2.5, 1, 1.5, 1.6, 0], 6, 3),
        ({"restore_best_weights": True, "patience": 9}, [3, 2, 2.5], 3, 1),
        ({"min_delta": 0.5}, [3, 2.6, 1], 2, 1),
        ({"min_delta": 0.3}, [3, 2.6, 1], 3, 2),
        ({"mode": "max"}, [3, 4, 3], 3, 2),
        ({"start_from_epoch": 2}, [1, 2, 3, 2, 2.5], 5, 4),
        ({"patience": 1}, [math.nan, math.nan, math.nan], 2, 1),
        ({"patience": 2}, [1, math.nan, 0.5, 0.6, 0.7], 5, 4),
    ],
)
def test_early_stopping(options: Any, values: list[float], epochs: int, weights: int) -> None:
    stopping = nn.EarlyStopping(**options)
    model, seen = run(stopping, values)
    assert seen == epochs and model.weights == [weights]
    assert run(stopping, values)[1] == epochs  # it can be used again


def test_early_stopping_climbs_for_accuracies() -> None:
    assert run(nn.EarlyStopping("val_accuracy"), [0.5, 0.6, 0.55], "val_accuracy")[1] == 3
    assert run(nn.EarlyStopping("acc"), [0.5, 0.6, 0.55, 1], "acc")[1] == 3


def test_monitoring_what_is_not_there() -> None:
    with pytest.warns(UserWarning, match="EarlyStopping watches 'val_loss', which is not reported; there are 'loss'"):
        run(nn.EarlyStopping(), [1.0], "loss")


def test_terminate_on_nan(capsys: pytest.CaptureFixture[str]) -> None:
    for value, stops in ((1.0, False), (math.nan, True), (math.inf, True)):
        callback, model = nn.TerminateOnNaN(), Fake()
        callback.set_model(model)
        callback.on_train_batch_end(5, {"loss": value})
        assert model.stop_training == stops
    assert "Batch 5: loss is nan" in capsys.readouterr().out


def test_gradient_norm() -> None:
    callback, model = nn.GradientNorm(0.1), Fake()
    callback.set_model(model)
    model.norms = iter((0.2, 0.1, 0.09))  # type: ignore[assignment]
    for expected in (False, False, True):
        callback.on_train_batch_end(0, {})
        assert model.stop_training == expected
    assert callback.norm == 0.09


def test_learning_rate_scheduler() -> None:
    for schedule in (lambda epoch: 0.1 / (epoch + 1), lambda epoch, rate: rate / 2 if epoch else rate):
        callback, model = nn.LearningRateScheduler(schedule), Fake()
        callback.set_model(model)
        for epoch, wanted in enumerate((0.1, 0.05)):
            callback.on_epoch_begin(epoch, {})
            logs: dict[str, float] = {}
            callback.on_epoch_end(epoch, logs)
            assert model.optimizer.learning_rate == logs["learning_rate"] == wanted
    callback = nn.LearningRateScheduler(lambda epoch: "slow")  # type: ignore[arg-type,return-value]
    callback.set_model(Fake())
    with pytest.raises(martlet.DTypeError, match=r"schedule\(0\) gave 'slow'; wanted a number"):
        callback.on_epoch_begin(0, {})

    def broken(epoch: int) -> float:
        raise TypeError("of its own")

    callback = nn.LearningRateScheduler(broken)
    callback.set_model(Fake())
    with pytest.raises(TypeError, match="of its own"):
        callback.on_epoch_begin(0, {})


def test_only_those_who_listen_are_called_for_batches() -> None:
    class Own(nn.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any) -> None:
            pass

    quiet = Callbacks([nn.EarlyStopping(), nn.LambdaCallback()], Fake(), {}, nn.History())
    assert not quiet.hooks("on_train_batch_begin") and not quiet.hooks("on_train_batch_end")
    loud = Callbacks([Own(), nn.LambdaCallback(on_batch_end=lambda *_: None)], Fake(), {}, nn.History())
    assert len(loud.hooks("on_train_batch_begin")) == len(loud.hooks("on_train_batch_end")) == 1


X, Y = digits_like(96, (20,))


def fitted(*callbacks: nn.Callback, epochs: int = 2, **options: Any) -> nn.Sequential:
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X, Y, epochs=epochs, verbose=0, callbacks=list(callbacks), **options)
    return model


def test_the_order_of_calls() -> None:
    calls: list[str] = []

    class Witness(nn.Callback):
        def __getattribute__(self, name: str) -> Any:
            if name.startswith("on_"):
                calls.append(name.removeprefix("on_"))
            return super().__getattribute__(name)

        def on_train_batch_begin(self, batch: int, logs: Any) -> None:
            calls.append(f"begin {batch}")

        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            calls.append(f"end {batch}")
            assert list(logs) == ["loss", "accuracy"] and self.params["batch_size"] == 48

    model = fitted(Witness(), batch_size=48)
    named = [call for call in calls if not call.startswith("train_batch")]
    epoch = ["epoch_begin", "begin 0", "end 0", "begin 1", "end 1", "epoch_end"]
    assert named == ["train_begin", *epoch, *epoch, "train_end"]
    assert model.optimizer.iterations == 4


def test_stopping_within_an_epoch() -> None:
    def stop(batch: int, logs: Any) -> None:
        model.stop_training = batch == 1

    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(X, Y, epochs=5, verbose=0, callbacks=nn.LambdaCallback(on_train_batch_end=stop))
    assert model.optimizer.iterations == 2 and history.epoch == [0]
    history = model.fit(X, Y, epochs=2, verbose=0)
    assert history.epoch == [0, 1]


def test_what_the_stock_callbacks_do_to_a_training(tmp_path: Path) -> None:
    model = fitted(
        nn.ModelCheckpoint(tmp_path / "{epoch}", monitor="loss", save_best_only=True),
        nn.LearningRateScheduler(lambda epoch: 0.01 * 0.5**epoch), epochs=3,
    )  # fmt: skip
    assert model.history is not None
    assert model.history.history["learning_rate"] == [0.01, 0.005, 0.0025]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "3"]
    assert (nn.load_model(tmp_path / "3").parameters() == model.parameters()).all()
    assert fitted(nn.GradientNorm(1e9)).optimizer.iterations == 1
    norm = nn.GradientNorm(0.0)
    model = fitted(norm)
    assert norm.norm == model.gradient_norm() == pytest.approx(float(np.linalg.norm(model.gradients())), rel=1e-6)
    broken = mlp()
    broken.parameters()[0] = np.nan
    broken.compile("adam", "sparse_categorical_crossentropy")
    broken.fit(X, Y, epochs=5, verbose=0, callbacks=[nn.TerminateOnNaN()])
    assert broken.optimizer.iterations == 1


def test_an_exception_in_a_callback_ends_fit() -> None:
    def stop(epoch: int, logs: Any) -> None:
        raise RuntimeError("enough")

    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(X, Y, epochs=5, verbose=0, callbacks=[nn.LambdaCallback(on_epoch_begin=stop)])
    model.fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: nn.EarlyStopping(mode="up"), martlet.ArgumentError, "mode is 'up'"),
        (lambda: nn.EarlyStopping(patience=-1), martlet.ArgumentError, "patience is -1"),
        (lambda: nn.EarlyStopping(min_delta="a"), martlet.DTypeError, "min_delta is 'a'"),
        (lambda: nn.GradientNorm(-1), martlet.ArgumentError, "tolerance is -1"),
        (lambda: nn.LearningRateScheduler(0.1), martlet.DTypeError, "schedule is 0.1"),
        (lambda: nn.LambdaCallback(3), martlet.DTypeError, "on_epoch_begin is 3; wanted a function"),
        (lambda: nn.LambdaCallback(on_epoch=print), martlet.ArgumentError, "on_epoch is no method of Callback"),
        (lambda: nn.ModelCheckpoint(3.5), martlet.DTypeError, "filepath is 3.5; wanted a file name"),
        (lambda: fitted(3), martlet.DTypeError, r"callbacks\[0\] is 3; wanted a martlet.nn.Callback"),
    ],
)
def test_bad_arguments(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()
