"""ModelCheckpoint's names and folders; which way numbers get better; when a training stops; hooks without logs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn
from networks import digits_like, mlp
from test_nn_callbacks import run

X, Y = digits_like(96, (20,))


def compiled(metrics: Any = ("accuracy",), loss: str = "sparse_categorical_crossentropy") -> nn.Sequential:
    model = mlp()
    model.compile("adam", loss, list(metrics))
    return model


def test_checkpoints(tmp_path: Path) -> None:
    model, _ = run(nn.ModelCheckpoint("m-{epoch:02d}-{val_loss:.1f}"), [3, 4])
    assert model.saved == ["m-01-3.0", "m-02-4.0"]
    best = nn.ModelCheckpoint(tmp_path / "best", save_best_only=True)
    model, _ = run(best, [3, 4, 2, math.nan, 2])
    assert model.saved == [str(tmp_path / "best")] * 2
    with pytest.raises(martlet.ArgumentError, match="cannot be filled in .*; there are 'epoch', 'val_loss'"):
        run(nn.ModelCheckpoint("m-{accuracy}"), [3])


def test_a_checkpoint_is_not_replaced_by_a_model_of_nan(tmp_path: Path) -> None:
    class Spoil(nn.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                self.model.set_weights([weight * math.nan for weight in self.model.get_weights()])

    callbacks = [Spoil(), nn.TerminateOnNaN(), nn.ModelCheckpoint(tmp_path / "m", monitor="loss")]
    with pytest.warns(UserWarning, match="epoch 3: the loss is nan, so the model is not saved"):
        history = compiled().fit(X, Y, verbose=0, epochs=5, callbacks=callbacks)
    assert len(history.epoch) == 3
    saved = nn.load_model(tmp_path / "m")
    assert all(map(math.isfinite, saved.parameters())) and saved.optimizer.iterations == 6


def test_paths_of_every_kind(tmp_path: Path) -> None:
    for path in (b"bytes", Path("path"), "text"):
        callback = nn.ModelCheckpoint(path)
        assert callback.filepath == getattr(path, "decode", path.__str__)()
    compiled().fit(X, Y, verbose=0, callbacks=[nn.ModelCheckpoint(str(tmp_path / "b").encode(), monitor="loss")])
    assert nn.load_model(tmp_path / "b").count_params() == mlp().count_params()


@pytest.mark.parametrize("template", ["{epoch.x}", "{epoch[0]}", "{}", "{0}", "{epoch", "{epoch:zz}", "{val_loss:d}"])
def test_templates_are_checked_at_once(template: str) -> None:
    with pytest.raises(martlet.ArgumentError, match="filepath .* cannot be filled in"):
        nn.ModelCheckpoint(template)


def test_folders_are_made_before_training(tmp_path: Path) -> None:
    callback = nn.ModelCheckpoint(tmp_path / "a" / "b" / "{epoch}", monitor="loss")
    seen: list[bool] = []
    look = nn.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append((tmp_path / "a" / "b").is_dir()))
    compiled().fit(X, Y, verbose=0, epochs=2, callbacks=[callback, look])
    assert all(seen) and sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["1", "2"]
    compiled().fit(X, Y, verbose=0, callbacks=[nn.ModelCheckpoint(tmp_path / "e{epoch}" / "m", monitor="loss")])
    assert (tmp_path / "e1" / "m").is_file()
    (tmp_path / "file").write_bytes(b"")
    model = compiled()
    with pytest.raises(martlet.FileError, match="the folder of .* cannot be made"):
        model.fit(X, Y, verbose=0, callbacks=[nn.ModelCheckpoint(tmp_path / "file" / "m")])
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize(
    ("metric", "climbs"),
    [(nn.TopK(2, "top2"), True), (nn.metrics.Accuracy("right"), True), (nn.metrics.MeanSquaredError("inacc"), False),
     ("acc", True), ("mae", False)],
)  # fmt: skip
def test_auto_knows_the_models_metrics(metric: Any, climbs: bool) -> None:
    model = compiled([metric], "categorical_crossentropy")
    name = model.metrics_names[1]
    for monitor in (name, f"val_{name}"):
        stopping = nn.EarlyStopping(monitor)
        stopping.set_model(model)
        stopping.on_train_begin()
        assert stopping.improves(0.5)
        stopping.best = 0.5
        assert stopping.improves(0.6) == climbs and stopping.improves(0.4) != climbs


@pytest.mark.parametrize(
    "monitor", ["val_g1", "auk", "val_recollection", "q2", "my_accuracy", "learning_rate", "val_val_loss"]
)
def test_auto_refuses_what_it_does_not_know_before_anything_is_trained(monitor: str, tmp_path: Path) -> None:
    class Own(nn.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs[monitor] = [0.5, 0.9, 0.7][epoch]

    for make in (
        lambda **mode: nn.EarlyStopping(monitor, patience=9, restore_best_weights=True, **mode),
        lambda **mode: nn.ModelCheckpoint(tmp_path / "best", monitor, save_best_only=True, **mode),
    ):
        model = compiled()
        before = model.get_weights()
        with pytest.raises(martlet.ArgumentError, match=f'{monitor!r}, and mode is .*; wanted mode="max" where larger'):
            model.fit(X, Y, verbose=0, callbacks=[make()])
        assert model.optimizer.iterations == 0 and all(map(np.array_equal, before, model.get_weights()))
        for mode, best in (("max", 1), ("min", 0)):
            kept: list[Any] = []
            keep = nn.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(model.get_weights()))  # noqa: B023
            watching = make(mode=mode)
            model.fit(X, Y, verbose=0, epochs=3, callbacks=[Own(), keep, watching])
            found = model if isinstance(watching, nn.EarlyStopping) else nn.load_model(tmp_path / "best")
            assert all(map(np.array_equal, kept[best], found.get_weights()))
    nn.ModelCheckpoint(tmp_path / "all", monitor).on_train_begin()  # it saves all, and looks at nothing


@pytest.mark.parametrize(
    ("values", "options", "epochs"),
    [
        ([3, 2.5, 2.6, 0.5], {"baseline": 2, "patience": 2}, 3),
        ([3, 1.9, 1.8, 1.7], {"baseline": 2, "patience": 2}, 4),
        ([3, 1.9, 1.95, 1.95], {"baseline": 2, "patience": 2}, 4),
        ([3, 2.5, 2.6, 0.5], {"patience": 2}, 4),
    ],
)
def test_baseline(values: list[float], options: Any, epochs: int) -> None:
    """As in Keras (test_nn_keras.py has them side by side)."""
    assert run(nn.EarlyStopping(**options), values)[1] == epochs


def test_training_stops_after_the_running_batch() -> None:
    """Whoever asks for it: here a hook of the batch's begin, with nobody listening to its end."""
    model = compiled()

    def stop(batch: int, logs: Any) -> None:
        model.stop_training = batch == 1

    model.fit(X, Y, verbose=0, epochs=3, callbacks=[nn.LambdaCallback(on_train_batch_begin=stop)])
    assert model.optimizer.iterations == 2


def test_hooks_need_no_logs() -> None:
    """As Keras's: a subclass may call super().on_epoch_end(epoch)."""
    model = compiled()
    every = [nn.Callback(), nn.EarlyStopping(), nn.TerminateOnNaN(), nn.GradientNorm(0.0), nn.History(),
             nn.LearningRateScheduler(lambda epoch: 0.1), nn.LambdaCallback()]  # fmt: skip
    for callback in every:
        callback.set_model(model)
        callback.on_train_begin()
        callback.on_epoch_begin(0)
        callback.on_train_batch_begin(0)
        callback.on_train_batch_end(0)
        if isinstance(callback, nn.EarlyStopping):
            with pytest.warns(UserWarning, match="is not reported"):
                callback.on_epoch_end(0)
        else:
            callback.on_epoch_end(0)
        callback.on_train_end()
