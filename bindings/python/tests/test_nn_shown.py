"""What is shown of a training: how fast it went, where a bar ends, curves with gaps. Clocks here are the tests' own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn
from martlet.nn import _progress, _training
from networks import digits_like, mlp

X, Y = digits_like(100, (20,))


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that a training step takes two seconds of, and an evaluation a thousand."""
    clock = Clock()
    monkeypatch.setattr(_progress, "perf_counter", clock)
    evaluate = _training.evaluate

    def slow(*given: Any) -> Any:
        clock.now += 1000
        return evaluate(*given)

    monkeypatch.setattr(_training, "evaluate", slow)
    return clock


def fitted(clock: Clock, stop_at: int | None, **options: Any) -> nn.Sequential:
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")

    def step(batch: int, logs: Any) -> None:
        clock.now += 2
        model.stop_training = batch == stop_at

    model.fit(X, Y, batch_size=32, callbacks=[nn.LambdaCallback(on_train_batch_end=step)], **options)
    return model


@pytest.mark.parametrize("validation", [None, (X, Y)])
@pytest.mark.parametrize(("stop_at", "speed"), [(None, "8.0 s - 12 samples/s"), (0, "2.0 s - 16 samples/s"),
                                                (1, "4.0 s - 16 samples/s")])  # fmt: skip
def test_speed_is_of_the_samples_trained_on(
    clock: Clock, stop_at: int | None, speed: str, validation: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted(clock, stop_at, verbose=2, validation_data=validation)
    assert f"Epoch 1/1 - {speed} - loss: " in capsys.readouterr().out


def test_a_bar_ends_where_training_did(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    fitted(clock, 0, verbose=1, validation_data=(X, Y))
    shown = capsys.readouterr().err.split("\r")[-1]
    assert " 32%|" in shown and "| 32/100 - 2.0 s - 16 samples/s - loss: " in shown and "val_loss: " in shown


@pytest.mark.parametrize("verbose", [np.array([1, 2]), [1], 1.0, None])
def test_verbose_of_other_kinds(verbose: Any) -> None:
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(martlet.DTypeError, match='verbose is .*; wanted "auto", 0, 1 or 2'):
        model.fit(X, Y, verbose=verbose)
    assert model.optimizer.iterations == 0 and _progress.level(np.int64(2)) == 2


def test_a_number_of_some_epochs_is_plotted_where_it_was() -> None:
    pytest.importorskip("matplotlib")

    def add(epoch: int, logs: Any) -> None:
        if epoch in (1, 3):
            logs["extra"] = epoch * 10.0

    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(X, Y, epochs=4, verbose=0, callbacks=[nn.LambdaCallback(on_epoch_end=add)])
    assert history.history["extra"] == [10.0, 30.0]
    loss, extra = history.plot().axes
    assert list(loss.lines[0].get_xdata()) == [1, 2, 3, 4]
    assert list(extra.lines[0].get_xdata()) == [2, 4] and list(extra.lines[0].get_ydata()) == [10.0, 30.0]


def test_no_terminal_at_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    for verbose in (1, "auto"):
        model.fit(X, Y, verbose=verbose)
        assert capsys.readouterr().out.startswith("Epoch 1/1 - ")
    model.evaluate(X, Y, verbose=1)
    assert capsys.readouterr().out.startswith("evaluate - ")


def test_a_plot_is_written_where_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(X, Y, verbose=0)
    for path, start in (
        ("curve", b"\x89PNG"),
        (Path("a.PNG"), b"\x89PNG"),
        (b"curve.svg", b"<?xml"),
        ("run.1/c", b"\x89PNG"),
    ):
        Path("run.1").mkdir(exist_ok=True)
        history.plot(path)
        assert Path(os.fsdecode(path)).read_bytes().startswith(start)
    assert len(list(tmp_path.iterdir())) == 4
    for wrong, error in (
        ("no/where.png", martlet.FileError),
        ("a.zip", martlet.ArgumentError),
        (3, martlet.DTypeError),
    ):
        with pytest.raises(error):
            history.plot(wrong)
