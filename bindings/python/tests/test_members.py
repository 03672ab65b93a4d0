"""What reads an object without knowing it: hasattr, inspect.getmembers, pickle, copy."""

from __future__ import annotations

import copy
import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import martlet
import martlet.torch
from martlet import data, nn, optim, schedules
from networks import digits_like, mlp

X, Y = digits_like(64, (20,))


def models() -> dict[str, nn.Sequential]:
    """One in each state of its life."""
    found = {"empty": nn.Sequential(), "unbuilt": nn.Sequential([nn.Dense(2)]), "built": mlp(), "compiled": mlp()}
    found |= {"fitted": mlp(), "closed": mlp()}
    for name in ("compiled", "fitted", "closed"):
        found[name].compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    for name in ("fitted", "closed"):
        found[name].fit(X, Y, verbose=0)
    found["closed"].close()
    return found


def objects() -> list[Any]:
    made: list[Any] = [*models().values()]
    made += [layer for model in made for layer in model.layers]
    needed: dict[str, tuple[Any, ...]] = {
        "Conv2D": (2, 3), "Dense": (2,), "Activation": ("relu",), "Dropout": (0.5,), "Permute": ((1,),),
        "Reshape": ((1,),), "LearningRateScheduler": (abs,), "ModelCheckpoint": ("m",), "Input": ((2,),),
        "InputLayer": ((2,),), "DepthwiseConv2D": (3,), "Embedding": (3, 2), "GaussianNoise": (0.1,),
        "ReversibleEmbedding": (3, 2),
        "RandomCrop": (2, 2), "RandomTranslation": (1, 1, "constant", "nearest"), "Rescaling": (2.0,),
        "CSVLogger": ("c",), "BackupAndRestore": ("b",), "Hashing": (3,), "LSTM": (2,),
        "GRU": (2,), "SimpleRNN": (2,), "Bidirectional": (nn.LSTM(2),), "MultiHeadAttention": (1, 2),
        "PositionEmbedding": (2,),
    }  # fmt: skip
    start = nn.Input((2,))
    needed["Model"] = (start, nn.Dense(1)(start))
    for name in nn.__all__:
        kind = getattr(nn, name)
        if inspect.isclass(kind) and not inspect.isabstract(kind) and name != "Lambda":
            made.append(kind(*needed.get(name, (2, 3) if "Conv" in name else ())))
    made.append(nn.Lambda(abs, gradient=abs))
    array = np.zeros(3, np.float32)
    fitted = models()["fitted"]
    made += [fitted.history, fitted.optimizer, nn.TopK(3), data.Batches(X), iter(data.Batches(X)), data.Standardizer()]
    made += [data.MinMaxScaler().fit(X), optim.Adam(), optim.Adam([array]), optim.AdamOptimizer(), martlet.machine()]
    made += [schedules.OneCycle(0.1, 9), schedules.ReduceLROnPlateau(optim.Adam())]
    return [*made, martlet.torch.AdamW([torch.zeros(2)]), martlet, nn, data, optim, schedules, martlet.torch]


def test_reading_all_members_raises_nothing() -> None:
    for one in objects():
        for name in dir(one):
            hasattr(one, name)
        inspect.getmembers(one)


def test_what_is_not_there_yet_is_no_attribute() -> None:
    found = models()
    for attribute, there in {
        "optimizer": ("compiled", "fitted", "closed"),
        "metrics_names": ("compiled", "fitted", "closed"),
        "input_shape": ("built", "compiled", "fitted"),
        "output_shape": ("built", "compiled", "fitted"),
    }.items():
        for name, model in found.items():
            assert hasattr(model, attribute) == (name in there), (attribute, name)
    with pytest.raises(martlet.OrderError, match="is not compiled: call compile") as caught:
        found["built"].optimizer  # noqa: B018
    assert isinstance(caught.value, AttributeError)
    layer = nn.Dense(3)
    assert not hasattr(layer, "output_shape") and not hasattr(layer, "weight_names")


def noted(epoch: int, logs: Any) -> None:
    """A hook that pickle finds by its name."""


class Own(nn.Callback):
    def __init__(self) -> None:  # it does not call its base's
        self.seen: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seen.append(self.model.optimizer.iterations)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_used_callbacks_can_be_copied(copied: Any, tmp_path: Path) -> None:
    used = [
        nn.EarlyStopping("loss", patience=3, restore_best_weights=True), nn.ModelCheckpoint(tmp_path / "m", "loss"),
        nn.TerminateOnNaN(), nn.GradientNorm(0.0), nn.LearningRateScheduler(abs), nn.Callback(), Own(),
        nn.LambdaCallback(on_epoch_end=noted), nn.ReduceLROnPlateau("loss"),
    ]  # fmt: skip
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=used)
    others = [copied(callback) for callback in used]
    for old, new in zip(used, others, strict=True):
        assert new.model is None and old.model is model and type(new) is type(old)
        assert new.params == old.params
    stopping, own = others[0], others[6]
    assert stopping.best == used[0].best and own.seen == [2, 4]
    assert all(map(np.array_equal, stopping.best_weights, used[0].best_weights))
    again = copied(history)
    assert again.history == history.history and again.epoch == [0, 1] and again.model is None
    other = mlp()
    other.compile("adam", "sparse_categorical_crossentropy")
    other.fit(X, Y, verbose=0, callbacks=others)
    assert own.seen[-1] == 2 and own.model is other
