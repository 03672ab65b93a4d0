"""A training that was cut off goes on where it was: BackupAndRestore."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")


import martlet
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
