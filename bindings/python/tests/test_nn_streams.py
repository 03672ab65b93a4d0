"""What gives batches in the place of arrays: the bits of the batches by themselves, and epochs as Keras counts them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet
from martlet import nn
from martlet.data import Batches
from networks import digits_like, mlp

X, Y = digits_like(70, (20,))
PARTS = [(X[k : k + 16], Y[k : k + 16]) for k in range(0, 70, 16)]


def compiled() -> nn.Sequential:
    model = mlp()
    model.compile(nn.Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    return model


def by_hand(parts: list[Any]) -> nn.Sequential:
    model = compiled()
    for x, y in parts:
        model.train_on_batch(x, y)
    return model


class Indexed:
    """As keras.utils.Sequence was."""

    def __init__(self) -> None:
        self.ends = 0

    def __len__(self) -> int:
        return len(PARTS)

    def __getitem__(self, index: int) -> Any:
        return PARTS[index]

    def on_epoch_end(self) -> None:
        self.ends += 1


class PyDataset(keras.utils.PyDataset):  # type: ignore[misc]
    def __len__(self) -> int:
        return len(PARTS)

    def __getitem__(self, index: int) -> Any:
        return PARTS[index]


def forever() -> Iterator[Any]:
    while True:
        yield from PARTS


def loader() -> Any:
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    return torch.utils.data.DataLoader(data, batch_size=16)


SOURCES: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "generator": (forever, {"steps_per_epoch": 5}),
    "indexed": (Indexed, {"shuffle": False}),
    "PyDataset": (lambda: PyDataset(), {"shuffle": False}),
    "DataLoader": (loader, {}),
    "Batches": (lambda: Batches(X, Y, 16, shuffle=False), {}),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_bits_as_the_batches(name: str) -> None:
    make, options = SOURCES[name]
    model = compiled()
    history = model.fit(make(), epochs=2, verbose=0, validation_data=(X, Y), **options)
    np.testing.assert_array_equal(model.parameters(), by_hand(PARTS * 2).parameters())
    assert len(history.history["loss"]) == 2 and history.params["steps"] == 5
    wanted = model.evaluate(X, Y, verbose=0)
    assert history.history["val_loss"][-1] == wanted[0]
    given = make()
    steps = {"steps": 5} if name == "generator" else {}
    np.testing.assert_allclose(model.evaluate(given, verbose=0, **steps), wanted, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(make(), **steps), model.predict(X))


def test_epochs_of_steps_go_on_where_the_last_ended() -> None:
    for source in (forever(), Indexed(), loader(), PyDataset()):
        model = compiled()
        model.fit(source, epochs=4, steps_per_epoch=3, shuffle=False, verbose=0)
        np.testing.assert_array_equal(model.parameters(), by_hand((PARTS * 3)[:12]).parameters())


def test_means_are_over_samples() -> None:
    """The last batch has fewer."""
    model, other = compiled(), compiled()
    logs = model.fit(iter(PARTS), verbose=0).history
    found = [other.train_on_batch(x, y) for x, y in PARTS]
    for place, name in enumerate(("loss", "accuracy")):
        assert logs[name] == [pytest.approx(sum(f[place] * len(y) for f, (_, y) in zip(found, PARTS)) / 70)]  # noqa: B905


def test_indexed_batches_are_shuffled_by_the_seed() -> None:
    models = []
    for _ in range(2):
        source, model = Indexed(), compiled()
        model.fit(source, epochs=2, verbose=0)
        assert source.ends == 2
        models.append(model.parameters().copy())
    np.testing.assert_array_equal(*models)
    assert (models[0] != by_hand(PARTS * 2).parameters()).any()


def test_a_source_that_runs_dry() -> None:
    model = compiled()
    with pytest.warns(UserWarning, match="x has no more batches after epoch 1 of 3, so training ends"):
        history = model.fit(iter(PARTS), epochs=3, verbose=0)
    assert history.epoch == [0]
    np.testing.assert_array_equal(model.parameters(), by_hand(PARTS).parameters())


def test_several_inputs_by_name() -> None:
    a, b = nn.Input((20,), name="a"), nn.Input((20,), name="b")
    model = nn.Model([a, b], nn.Dense(10)(nn.Concatenate()([a, b])), seed=1)
    model.compile("adam", "sparse_categorical_crossentropy")

    def batches() -> Iterator[Any]:
        for x, y in PARTS:
            yield {"a": x, "b": -x}, y

    model.fit(batches(), verbose=0, validation_data=batches())
    np.testing.assert_array_equal(model.predict(batches()), model.predict([X, -X]))


def test_validation_freq() -> None:
    seen = compiled().fit(X, Y, epochs=5, validation_data=(X, Y), validation_freq=2, verbose=0)
    assert len(seen.history["val_loss"]) == 2 and len(seen.history["loss"]) == 5
    seen = compiled().fit(X, Y, epochs=5, validation_data=loader(), validation_freq=[1, 4, 5], verbose=0)
    assert len(seen.history["val_loss"]) == 3
    once = compiled().fit(X, Y, epochs=3, validation_data=forever(), validation_steps=2, verbose=0)
    assert len(once.history["val_loss"]) == 3


def test_memory_maps(tmp_path: Path) -> None:
    """Which are arrays: read row by row, and not copied."""
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    model, other = compiled(), compiled()
    model.fit(mapped, Y, verbose=0)
    other.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(model.parameters(), other.parameters())
    assert np.shares_memory(model._data(mapped, Y, 32, True).inputs[0], mapped)


def test_lines_without_a_known_end(capsys: pytest.CaptureFixture[str]) -> None:
    compiled().fit(forever(), steps_per_epoch=2, verbose=2)
    assert "Epoch 1/1 - " in capsys.readouterr().out
    compiled().fit(forever(), steps_per_epoch=2, verbose=1)
    assert "Epoch 1/1 - 32 - " in capsys.readouterr().err


class Samples(torch.utils.data.Dataset[Any]):
    def __len__(self) -> int:
        return 70

    def __getitem__(self, index: int) -> Any:
        return X[index], Y[index]


def gives(*batches: Any) -> Iterator[Any]:
    yield from batches


BAD: list[tuple[Callable[[nn.Sequential], Any], type[Exception], str]] = [
    (lambda m: m.fit(gives(X)), martlet.DTypeError, r"batch 0 of x is a ndarray; wanted \(x, y\)"),
    (lambda m: m.fit(gives((X, Y, -X[:, 0] ** 2))), martlet.ArgumentError, "sample_weight holds -.*wanted 0 or more"),
    (lambda m: m.fit(gives()), martlet.ArgumentError, "x gives no batch"),
    (lambda m: m.fit(forever(), Y), martlet.ArgumentError, r"y is given, and x gives batches"),
    (lambda m: m.fit(forever(), validation_split=0.2), martlet.UnsupportedError, "wanted validation_data"),
    (lambda m: m.fit(X, Y, steps_per_epoch=2), martlet.UnsupportedError, "steps_per_epoch is given, and x is arrays"),
    (lambda m: m.fit(forever(), steps_per_epoch=0), martlet.ArgumentError, "steps of x is 0; wanted 1 or more"),
    (lambda m: m.fit(X, Y, validation_freq=0), martlet.ArgumentError, "validation_freq is 0; wanted 1 or more"),
    (lambda m: m.fit(Samples()), martlet.DTypeError, r"Samples of single samples; .*DataLoader\(dataset, batch"),
    (lambda m: m.fit(gives((X[:, :3], Y))), martlet.ShapeError, r"samples of shape \(3,\), and the model reads"),
    (lambda m: m.evaluate(gives()), martlet.ArgumentError, "gives no batch"),
    (lambda m: m.predict(gives()), martlet.ArgumentError, "gives no batch"),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(BAD)))
def test_bad_batches(index: int) -> None:
    call, error, says = BAD[index]
    model = compiled()
    start = model.parameters().copy()
    with pytest.raises(error, match=says):
        call(model)
    np.testing.assert_array_equal(model.parameters(), start)
