"""A training that was cut off goes on where it was: BackupAndRestore."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")


import martlet
import martlet.data
from martlet import nn
from networks import digits_like, mlp

X, Y = digits_like(60, (20,))


def compiled(**options: Any) -> nn.Sequential:
    model = mlp()
    model.compile(nn.Adam(0.01, **options), "sparse_categorical_crossentropy", ["accuracy"])
    return model


class KilledError(Exception):
    pass


class Kill(nn.Callback):
    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.epoch:
            raise KilledError


class KillInside(nn.Callback):
    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__()
        self.at, self.epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.at:
            raise KilledError


def sequences(steps: int) -> nn.Model:
    """A recurrent net whose layers drop, and attention behind it."""
    x = nn.Input((steps, 4))
    h = nn.LSTM(8, return_sequences=True, dropout=0.2, recurrent_dropout=0.1)(x)
    h = nn.Dropout(0.1)(nn.MultiHeadAttention(2, 4, dropout=0.2)(h, h, use_causal_mask=True))
    model = nn.Model(x, nn.Dense(10)(nn.GlobalAveragePooling1D()(h)), seed=3)
    model.compile(nn.Adam(0.01), nn.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.mark.parametrize("source", ["arrays", "batches", "in order"])
def test_a_training_that_was_cut_off_within_an_epoch_gives_the_same_bits(source: str, tmp_path: Path) -> None:
    x = X.reshape(60, 5, 4)

    def script(*more: nn.Callback) -> Any:
        model = sequences(5)
        backup = nn.BackupAndRestore(tmp_path / "backup", save_freq=3)
        options: Any = {"epochs": 3, "callbacks": [backup, *more], "verbose": 0}
        if source == "batches":
            data = martlet.data.Batches(x, Y, 8, shuffle=False)
            return model, model.fit(data, **options)
        return model, model.fit(x, Y, 8, shuffle=source == "arrays", **options)

    wanted, history = script()
    with pytest.raises(KilledError):
        script(KillInside(1, 2))
    assert os.listdir(tmp_path / "backup") == ["epoch-1.safetensors"]
    with pytest.raises(KilledError):
        script(KillInside(1, 5))
    assert os.listdir(tmp_path / "backup") == ["epoch-1-batch-3.safetensors"]
    with pytest.raises(KilledError):
        script(KillInside(2, 7))
    assert os.listdir(tmp_path / "backup") == ["epoch-2-batch-6.safetensors"]
    model, rest = script()
    np.testing.assert_array_equal(model.parameters(), wanted.parameters())
    assert rest.epoch == [2] and np.isfinite(rest.history["loss"][0]) and len(history.epoch) == 3
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize("amsgrad", [False, True])
def test_a_training_that_was_cut_off_gives_the_same_bits(amsgrad: bool, tmp_path: Path) -> None:
    def script(*more: nn.Callback) -> Any:
        model = compiled(amsgrad=amsgrad)
        backup = nn.BackupAndRestore(tmp_path / "backup")
        return model, model.fit(X, Y, batch_size=16, epochs=6, callbacks=[backup, *more], verbose=0)

    wanted, history = script()
    assert not (tmp_path / "backup").exists()
    with pytest.raises(KilledError):
        script(Kill(2))
    with pytest.raises(KilledError):
        script(Kill(4))
    assert os.listdir(tmp_path / "backup") == ["epoch-4.safetensors"]
    model, rest = script()
    np.testing.assert_array_equal(model.parameters(), wanted.parameters())
    assert rest.epoch == [4, 5] and rest.history["loss"] == history.history["loss"][4:]
    assert not (tmp_path / "backup").exists()


def test_a_rate_that_fell_comes_back(tmp_path: Path) -> None:
    model = compiled()
    backup = nn.BackupAndRestore(tmp_path / "b", delete_checkpoint=False)
    model.fit(X, Y, epochs=2, callbacks=[backup, nn.LearningRateScheduler(lambda epoch: 0.5**epoch)], verbose=0)
    other = compiled()
    other.fit(X, Y, epochs=2, callbacks=[nn.BackupAndRestore(tmp_path / "b", delete_checkpoint=False)], verbose=0)
    assert other.optimizer.learning_rate == 0.5
    np.testing.assert_array_equal(other.parameters(), model.parameters())


def test_graphs_come_back_too(tmp_path: Path) -> None:
    def made() -> nn.Model:
        a, b = nn.Input((20,), name="a"), nn.Input((20,), name="b")
        layer = nn.Dense(6)
        model = nn.Model([a, b], nn.Dense(10)(layer(a) + layer(b)), seed=4)
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    wanted = made()
    wanted.fit([X, -X], Y, epochs=3, verbose=0)
    with pytest.raises(KilledError):
        made().fit([X, -X], Y, epochs=3, callbacks=[nn.BackupAndRestore(tmp_path / "b"), Kill(1)], verbose=0)
    model = made()
    model.fit([X, -X], Y, epochs=3, callbacks=[nn.BackupAndRestore(tmp_path / "b")], verbose=0)
    np.testing.assert_array_equal(model.parameters(), wanted.parameters())


def test_a_backup_of_another_model(tmp_path: Path) -> None:
    backup = nn.BackupAndRestore(tmp_path / "b", delete_checkpoint=False)
    compiled().fit(X, Y, callbacks=[backup], verbose=0)
    other = nn.Sequential([nn.Dense(10, input_shape=(20,))], seed=1)
    other.compile("adam", "sparse_categorical_crossentropy")
    start = other.parameters().copy()
    with pytest.raises(martlet.FormatError, match="as its notes say|has 2 layers"):
        other.fit(X, Y, callbacks=[backup], verbose=0)
    np.testing.assert_array_equal(other.parameters(), start)
    model = mlp()
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(martlet.FormatError, match="another loss or algorithm"):
        model.fit(X, Y, callbacks=[backup], verbose=0)
