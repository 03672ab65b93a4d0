"""Layers of a user's own, in numpy: held to the library's that they equal, and to torch's, by all calls that train."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import martlet
from martlet import nn
from networks import digits_like
from own_layers import LOSS, Mine, Product, T, X, Y, square


def chain(is_own: bool, **options: Any) -> nn.Sequential:
    kind = Mine if is_own else nn.Dense
    activation = {} if is_own else {"activation": "tanh"}
    layers = [
        nn.Dense(12, activation="relu", input_shape=(7,)), nn.BatchNormalization(), nn.Dropout(0.2),
        kind(9, name="middle", **activation, **options), nn.Dense(10),
    ]  # fmt: skip
    return nn.Sequential(layers, seed=5)


def graph(is_own: bool) -> nn.Model:
    """A layer at two places, and one of two nodes."""
    x = nn.Input((7,))
    middle = Mine(7, name="middle") if is_own else nn.Dense(7, "tanh", name="middle")
    both = [middle(x), middle(middle(x))]
    joined = (Product(name="joined") if is_own else nn.Multiply(name="joined"))(both)
    return nn.Model(x, [nn.Dense(3, name="a")(joined), nn.Dense(10, name="b")(both[1])], seed=3)


def pair(make: Callable[[bool], nn.Model]) -> tuple[nn.Model, nn.Model]:
    """A model with layers of one's own, and the library's with the same weights."""
    own, librarys = make(True), make(False)
    own.set_weights(librarys.get_weights())
    return own, librarys


def same(own: nn.Model, librarys: nn.Model, rtol: float = 2e-3) -> None:
    for one, other in zip(own.get_weights(), librarys.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=2e-4)


@pytest.mark.parametrize("optimizer", ["adam", "schedule_free_adamw", "lion", "muon"])
def test_a_chain_trains_as_with_the_librarys_layer(optimizer: str) -> None:
    """By fit with validation, evaluate, predict, halves of a step and batches that come; with clipping and weights."""
    models = pair(chain)
    for model in models:
        given = nn.AdamW(clipnorm=0.5) if optimizer == "adam" else nn.Muon() if optimizer == "muon" else optimizer
        model.compile(given, LOSS, ["accuracy"])
    weights = np.random.default_rng(1).random(90)
    first, second = (
        model.fit(X, Y, 16, 3, verbose=0, validation_split=0.2, sample_weight=weights).history for model in models
    )
    assert {*first} == {*second}
    if optimizer == "muon":  # a weight of one's own is no matrix to it
        assert first["loss"][-1] < first["loss"][0]
        return
    for key in ("loss", "val_loss"):
        np.testing.assert_allclose(first[key], second[key], rtol=2e-3 if optimizer == "lion" else 3e-4)
    if optimizer == "lion":  # whose signs turn with a rounding
        return
    own, librarys = models
    assert own.evaluate(X, Y) == pytest.approx(librarys.evaluate(X, Y), rel=1e-3)
    np.testing.assert_allclose(own.predict(X), librarys.predict(X), rtol=1e-3, atol=2e-3)
    for model in models:
        model.fit(((X[k : k + 30], Y[k : k + 30]) for k in (0, 30, 60)), verbose=0)
    assert own.differentiate(X, Y) == pytest.approx(librarys.differentiate(X, Y), rel=1e-3)
    np.testing.assert_allclose(own.gradient_norm(), librarys.gradient_norm(), rtol=1e-3)
    for model in models:
        model.step()
    same(own, librarys)


def test_a_graph_trains_as_with_the_librarys_layers() -> None:
    """A layer at two places, one of two nodes, two outputs, and a loss of one's own beside the library's."""

    def squared(y_true: Any, y_pred: Any) -> Any:
        away = y_pred.astype(np.float64) - y_true
        return (away**2).mean(1), 2 * away / away.shape[1]

    own, librarys = models = pair(graph)
    own.compile("adam", [squared, LOSS])
    librarys.compile("adam", ["mse", LOSS])
    first, second = (model.fit(X, [T, Y], 16, 3, verbose=0).history for model in models)
    for key in second:
        np.testing.assert_allclose(first[key], second[key], rtol=3e-4)
    for one, other in zip(own.predict(X), librarys.predict(X), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
    same(own, librarys)


def test_a_curve_beside_torchs() -> None:
    """A convolution, a layer of one's own over images with two weights, and a Lambda: losses of 60 steps."""

    class Scale(nn.OwnLayer):
        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(input_shape[-1:], "ones", name="scale")
            self.shift = self.add_weight((), "zeros", name="shift")

        def call(self, x: Any) -> Any:
            return x * self.scale + self.shift

        def gradient(self, x: Any, slopes: Any) -> Any:
            return slopes * self.scale, [(slopes * x).sum((0, 1, 2)), slopes.sum()]

    x, y = digits_like(64, (6, 6, 2))
    layers = [
        nn.Conv2D(4, 3, activation="tanh", input_shape=(6, 6, 2)), Scale(), square(), nn.MaxPooling2D(), nn.Flatten(),
        nn.Dense(10),
    ]  # fmt: skip
    model = nn.Sequential(layers, seed=1)
    model.compile(nn.Adam(0.003, epsilon=1e-8, semantics="torch"), LOSS)
    kernel, bias, scale, shift, dense, last = (torch.tensor(one) for one in model.get_weights())
    assert (scale == 1).all() and shift == 0
    weights = [kernel.permute(3, 2, 0, 1).contiguous(), bias, scale, shift, dense, last]
    for weight in weights:
        weight.requires_grad_()
    optimizer = torch.optim.Adam(weights, lr=0.003)
    ours, theirs = [], []
    for step in range(60):
        rows = np.random.default_rng(step).choice(64, 16, replace=False)
        ours.append(model.train_on_batch(x[rows], y[rows]))
        hidden = torch.tanh(torch.nn.functional.conv2d(torch.from_numpy(x[rows]).permute(0, 3, 1, 2), *weights[:2]))
        hidden = (hidden * weights[2][:, None, None] + weights[3]) ** 2
        hidden = torch.nn.functional.max_pool2d(hidden, 2).permute(0, 2, 3, 1).flatten(1)
        loss = torch.nn.functional.cross_entropy(hidden @ weights[4] + weights[5], torch.from_numpy(y[rows]).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        theirs.append(loss.item())
    assert theirs[-1] < 0.98 * theirs[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    np.testing.assert_allclose(model.get_weights()[2], weights[2].detach(), rtol=1e-3)
    np.testing.assert_allclose(model.get_weights()[3], weights[3].detach(), rtol=1e-2, atol=1e-4)


def test_weights() -> None:
    """They are the model's: named, set, written where they lie, and drawn from its seed."""
    model = chain(True)
    layer = model.get_layer("middle")
    assert layer.weight_names == ["middle/kernel", "middle/bias"]
    assert [one.shape for one in layer.weights] == [(12, 9), (9,)]
    assert layer.count_params() == 12 * 9 + 9 and layer.output_shape == (None, 9)
    assert len(layer.trainable_weights) == 2 and not layer.non_trainable_weights
    most = np.sqrt(6 / (12 + 9))
    assert 0.8 * most < np.abs(layer.kernel).max() <= most and not layer.bias.any()
    assert (chain(True).get_weights()[6] == layer.kernel).all()
    other = nn.Sequential([nn.Dense(12, input_shape=(7,)), Mine(9), Mine(9)], seed=6)
    assert (other.layers[1].kernel[:9] != other.layers[2].kernel).any()
    layer.bias[...] = 2
    assert (layer.get_weights()[1] == 2).all()
    layer.set_weights([np.ones((12, 9)), np.zeros(9)])
    assert (layer.kernel == 1).all()
    with pytest.raises(martlet.ShapeError, match=r"middle"):
        layer.set_weights([np.ones((9, 12)), np.zeros(9)])


def test_frozen_layers_stay() -> None:
    own, librarys = models = pair(lambda is_own: chain(is_own, trainable=False))
    kernel = own.get_layer("middle").kernel.copy()
    for model in models:
        model.compile("adam", LOSS)
        model.fit(X, Y, 16, 2, verbose=0)
    assert (own.get_layer("middle").kernel == kernel).all()
    same(own, librarys)
    own.trainable = True
    own.compile("adam", LOSS)
    own.fit(X, Y, verbose=0)
    assert (own.get_layer("middle").kernel != kernel).any()


def test_parts_of_models() -> None:
    """A model with a layer of one's own, called as a layer, and by itself then."""
    inner = nn.Sequential([Mine(6, input_shape=(7,)), square()])
    x = nn.Input((7,))
    model = nn.Model(x, nn.Dense(10)(inner(x)))
    model.compile("adam", LOSS)
    model.fit(X, Y, verbose=0)
    wanted = np.tanh(X @ inner.layers[0].kernel + inner.layers[0].bias) ** 2
    np.testing.assert_allclose(inner.predict(X), wanted, rtol=1e-5, atol=1e-6)


def test_training_is_told() -> None:
    told = []

    class Told(Product):
        def call(self, x: Any, training: bool) -> Any:
            told.append(training)
            return x

        def gradient(self, x: Any, slopes: Any) -> Any:
            return slopes

    model = nn.Sequential([Told(input_shape=(7,)), nn.Dense(10)])
    model.compile("adam", LOSS)
    told.clear()
    model.train_on_batch(X, Y)
    model.evaluate(X, Y, 90)
    model.predict(X, 90)
    assert told == [True, False, False]


def test_files(tmp_path: Path) -> None:
    own = {"Mine": Mine, "Product": Product}
    for make, y in ((chain, Y), (graph, [T, Y])):
        model = make(True)
        model.compile("adam", LOSS if y is Y else ["mse", LOSS])
        model.fit(X, y, verbose=0)
        model.save(tmp_path / "model")
        with pytest.raises(martlet.ArgumentError, match="layers of class 'Mine', which custom_objects has not"):
            nn.load_model(tmp_path / "model")
        with pytest.raises(martlet.ArgumentError, match="'Mine', which custom_objects has as <class '.*Dense'>"):
            nn.load_model(tmp_path / "model", {"Mine": nn.Dense})
        other = nn.load_model(tmp_path / "model", own)
        first, second = (one.fit(X, y, verbose=0).history for one in (model, other))
        assert first == second
        for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
            assert (one == two).all()
        model.save_weights(tmp_path / "weights")
        fresh = make(True)
        fresh.load_weights(tmp_path / "weights")
        for one, two in zip(model.get_weights(), fresh.get_weights(), strict=True):
            assert (one == two).all()


def test_configs_and_what_goes_out(tmp_path: Path) -> None:
    model = chain(True)
    config = model.get_config()
    assert config["layers"][3] == {"class_name": "Mine", "config": {"units": 9, "name": "middle", "trainable": True}}
    assert nn.Sequential.from_config(config, {"Mine": Mine}).output_shape == (None, 10)
    with pytest.raises(martlet.ArgumentError, match="class_name is 'Mine', which is no layer here"):
        nn.Sequential.from_config(config)
    assert (nn.clone_model(model).get_weights()[6] == model.get_weights()[6]).all()
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert any("middle" in line and "Mine" in line and "117" in line for line in "\n".join(lines).splitlines())
    with pytest.raises(martlet.UnsupportedError, match="made of functions, which no config or file can hold"):
        nn.Sequential([square(input_shape=(3,))]).get_config()
    with pytest.raises(martlet.UnsupportedError, match='layer "middle" is of a kind that has no C here'):
        model.to_c(tmp_path / "model.c")
    os.environ.setdefault("KERAS_BACKEND", "jax")
    with pytest.raises(martlet.UnsupportedError, match="<Mine 'middle'> has no like in Keras: a function of one's own"):
        nn.to_keras(model)


def test_what_a_layer_is_given_is_its_own() -> None:
    """It may keep it, and write into it."""
    kept: list[Any] = []

    def spoils(x: Any) -> Any:
        found = x * 1
        kept.append((x, x.copy()))
        return found

    def spoils_more(x: Any, slopes: Any) -> Any:
        found = slopes * 1
        x[:], slopes[:] = 7, 7
        return found

    def make(own: nn.OwnLayer) -> nn.Model:
        x = nn.Input((7,))
        hidden = nn.Dense(7)(x)
        return nn.Model(x, nn.Dense(10)(nn.Add()([own(hidden), hidden])), seed=1)

    models = [
        make(nn.Lambda(spoils, gradient=spoils_more)),
        make(nn.Lambda(lambda x: x, gradient=lambda x, slopes: slopes)),
    ]
    for model in models:
        model.compile("adam", LOSS)
        model.fit(X, Y, 16, 2, verbose=0)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        assert (one == other).all()
    models.clear()
    assert all((x == copy).all() or (x == 7).all() for x, copy in kept)


def test_callbacks(tmp_path: Path) -> None:
    """A training that is cut off goes on from its backup, and the best weights come back."""

    class Dies(nn.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise RuntimeError("cut off")

    whole = chain(True)
    whole.compile("adam", LOSS)
    whole.fit(X, Y, epochs=4, verbose=0)
    first = chain(True)
    first.compile("adam", LOSS)
    with pytest.raises(RuntimeError, match="cut off"):
        first.fit(X, Y, epochs=4, verbose=0, callbacks=[nn.BackupAndRestore(tmp_path / "backup"), Dies()])
    second = chain(True)
    second.compile("adam", LOSS)
    best = nn.ModelCheckpoint(tmp_path / "best", "loss", save_best_only=True)
    stops = nn.EarlyStopping("loss", restore_best_weights=True)
    second.fit(X, Y, epochs=4, verbose=0, callbacks=[nn.BackupAndRestore(tmp_path / "backup"), best, stops])
    for one, other in zip(whole.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert (nn.load_model(tmp_path / "best", {"Mine": Mine}).predict(X) == second.predict(X)).all()


def test_threads_predict_at_once() -> None:
    model = chain(True)
    wanted, found = model.predict(X), {}

    def predict(number: int) -> None:
        found[number] = [model.predict(X) for _ in range(5)]

    threads = [threading.Thread(target=predict, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((one == wanted).all() for number in range(4) for one in found[number])


def test_a_model_is_freed_at_once() -> None:
    gc.disable()
    try:
        model = chain(True)
        model.predict(X)
        native, layer = weakref.ref(model._built.model), weakref.ref(model.layers[3])  # type: ignore[union-attr]
        del model
        assert native() is None and layer() is None
    finally:
        gc.enable()
