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

X, Y = digits_like(90, (7,))
T = np.random.default_rng(3).standard_normal((90, 3)).astype(np.float32)
LOSS = "sparse_categorical_crossentropy"


class Mine(nn.OwnLayer):
    """A Dense with tanh."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.bias = self.add_weight(self.units, "zeros", name="bias")

    def call(self, x: Any) -> Any:
        return np.tanh(x @ self.kernel + self.bias)

    def gradient(self, x: Any, slopes: Any) -> Any:
        slopes = slopes * (1 - self.call(x) ** 2)
        return slopes @ self.kernel.T, [x.T @ slopes, slopes.sum(0)]


class Product(nn.OwnLayer):
    """A Multiply of two."""

    def call(self, x: Any) -> Any:
        return x[0] * x[1]

    def gradient(self, x: Any, slopes: Any) -> Any:
        return [slopes * x[1], slopes * x[0]]


def square(**options: Any) -> nn.Lambda:
    return nn.Lambda(np.square, gradient=lambda x, slopes: 2 * x * slopes, **options)


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


class Bad(nn.OwnLayer):
    """Answers what it is told to, once its model is built."""

    def __init__(self, call: Any = None, gradient: Any = None, weight: bool = False) -> None:
        super().__init__()
        self.answers, self.weight = (call, gradient), weight

    def build(self, input_shape: Any) -> None:
        if self.weight:
            self.add_weight((7,), "ones", name="scale")

    def call(self, x: Any) -> Any:
        return x if self.answers[0] is None or len(x) == 2 else self.answers[0](x)

    def gradient(self, x: Any, slopes: Any) -> Any:
        if self.answers[1] is None:
            return (slopes, [np.ones(7)]) if self.weight else slopes
        return self.answers[1](x, slopes)


def raises(*given: Any) -> Any:
    raise RuntimeError("mine")


BAD: list[tuple[Callable[[], Bad], type[BaseException], str]] = [
    (lambda: Bad(lambda x: x[:-1]), martlet.ShapeError, r"call of <Bad 'bad'> gave shape \(31, 7\) for 32 samples of "
     r"\(7,\); wanted \(32, 7\)"),
    (lambda: Bad(lambda x: x[:, :3]), martlet.ShapeError, r"gave shape \(32, 3\) .*wanted \(32, 7\)"),
    (lambda: Bad(lambda x: None), martlet.DTypeError, "call of <Bad 'bad'> gave None; wanted an array of numbers"),
    (lambda: Bad(lambda x: x.astype(complex)), martlet.DTypeError, "gave an array of complex128; wanted an array of"),
    (lambda: Bad(lambda x: np.full(x.shape, "a")), martlet.DTypeError, "gave an array of <U1; wanted"),
    (lambda: Bad(lambda x: [[1, 2], [3]]), martlet.DTypeError, "gave a list of 2; wanted an array of numbers"),
    (lambda: Bad(raises), RuntimeError, "^mine$"),
    (lambda: Bad(None, raises), RuntimeError, "^mine$"),
    (lambda: Bad(None, lambda x, s: s.sum()), martlet.ShapeError, r"gradient of <Bad 'bad'> gave shape \(\) for x; "
     r"wanted \(32, 7\)"),
    (lambda: Bad(None, lambda x, s: s[:5]), martlet.ShapeError, r"gave shape \(5, 7\) for x"),
    (lambda: Bad(None, lambda x, s: None), martlet.DTypeError, "gradient of <Bad 'bad'> gave None; wanted an array"),
    (lambda: Bad(None, lambda x, s: s * np.nan), martlet.ArgumentError, "slopes for x that are not finite in float32"),
    (lambda: Bad(None, lambda x, s: s + 1e60), martlet.ArgumentError, "slopes for x that are not finite in float32"),
    (lambda: Bad(None, lambda x, s: s, weight=True), martlet.DTypeError, 'wanted a pair: slopes by x, .* "scale"'),
    (lambda: Bad(None, lambda x, s: (s, []), weight=True), martlet.DTypeError, "gave a list of 0 for its weights; "
     'wanted a list of 1: "scale"'),
    (lambda: Bad(None, lambda x, s: (s, [s]), weight=True), martlet.ShapeError, r"gave shape \(32, 7\) for weight "
     r"'scale'; wanted \(7,\)"),
    (lambda: Bad(None, lambda x, s: (s, [np.full(7, np.inf)]), weight=True), martlet.ArgumentError, "for weight "
     "'scale' that are not finite"),
    (lambda: Bad(lambda x: exec("raise KeyboardInterrupt")), KeyboardInterrupt, ""),
    (lambda: Bad(lambda x: exec("raise SystemExit")), SystemExit, ""),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(BAD)))
def test_what_a_layer_should_not_give(index: int) -> None:
    """Nothing has been stepped, statistics neither, and the model goes on once the layer does."""
    make, error, says = BAD[index]
    layer = make()
    models = [
        nn.Sequential([nn.Dense(7, input_shape=(7,)), nn.BatchNormalization(), one, nn.Dense(10)], seed=1)
        for one in (layer, Bad(weight=layer.weight))
    ]
    for model in models:
        model.compile("adam", LOSS)
    for call in (lambda: models[0].fit(X, Y, 32, verbose=0), lambda: models[0].train_on_batch(X[:32], Y[:32])):
        with pytest.raises(error, match=says):
            call()
    if layer.answers[0] is not None:
        for call in (lambda: models[0].predict(X[:32]), lambda: models[0].evaluate(X[:32], Y[:32])):
            with pytest.raises(error, match=says):
                call()
    layer.answers = (None, None)
    for model in models:
        model.train_on_batch(X, Y)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        assert (one == other).all()


def test_what_a_layer_cannot_call_or_be() -> None:
    class Calls(Bad):
        def build(self, input_shape: Any) -> None:
            self.other = nn.Sequential([nn.Dense(2, input_shape=(7,))])

    model = nn.Sequential([nn.Input((7,)), Calls(lambda x: model.predict(x)), nn.Dense(10)])
    with pytest.raises(martlet.MartletError):
        model.predict(X)
    other = nn.Sequential([nn.Dense(2, input_shape=(7,))])
    model = nn.Sequential([nn.Input((7,)), Calls(lambda x: other.predict(x)), nn.Dense(10)])
    with pytest.raises(martlet.BusyError, match="inside a function that the library calls"):
        model.predict(X)
    with pytest.raises(TypeError, match="abstract"):
        type("Half", (nn.OwnLayer,), {"call": lambda self, x: x})()
    with pytest.raises(martlet.UnsupportedError, match="defines __call__, which nothing calls"):
        type("Half", (nn.OwnLayer,), {"__call__": lambda self, x: x})
    with pytest.raises(martlet.OrderError, match="add_weight of .* came outside of build"):
        Mine(3).add_weight((2,))
    with pytest.raises(martlet.DTypeError, match="gradient of <Lambda> is None; wanted a function"):
        nn.Lambda(np.square)
    with pytest.raises(AttributeError, match="'Mine' object has no attribute 'nothing'"):
        _ = Mine(3).nothing
    with pytest.raises(AttributeError, match="so it has no weights yet"):
        _ = Mine(3).weights


ADDED: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (((0,),), {}, martlet.ArgumentError, "shape of a weight of .* is 0; wanted 1 or more"),
    (("a",), {}, martlet.DTypeError, "shape of"),
    (((3,), "nothing"), {}, martlet.ArgumentError, "initializer of"),
    (((3,), np.ones(2)), {}, martlet.ShapeError, r"initializer of .* is an array of shape \(2,\); wanted \(3,\)"),
    (((3,),), {"name": "a/b"}, martlet.ArgumentError, "name of a weight of .* is 'a/b'; wanted one of its own"),
    (((3,),), {"name": "known"}, martlet.ArgumentError, "'known'; wanted one of its own"),
    (((3,),), {"name": 3}, martlet.DTypeError, "name of a weight"),
    (((3,),), {"trainable": False}, martlet.UnsupportedError, "trainable of a weight"),
]


@pytest.mark.parametrize("index", range(len(ADDED)))
def test_weights_that_cannot_be(index: int) -> None:
    given, named, error, says = ADDED[index]

    class Adds(Product):
        def build(self, input_shape: Any) -> None:
            self.add_weight((2,), name="known")
            self.add_weight(*given, **named)

    with pytest.raises(error, match=says):
        nn.Sequential([Adds(input_shape=(7,))])


def test_shapes_that_call_does_not_say() -> None:
    """What compute_output_shape or output_shape says is held to what call gives."""

    class Halves(nn.OwnLayer):
        def call(self, x: Any) -> Any:
            return x[:, :3] if len(x) > 2 else raises()

        def gradient(self, x: Any, slopes: Any) -> Any:
            return np.pad(slopes, ((0, 0), (0, 4)))

        def compute_output_shape(self, input_shape: Any) -> Any:
            assert input_shape == (None, 7)
            return (None, 3)

    for layer in (
        Halves(input_shape=(7,)),
        nn.Lambda(lambda x: x[:, :3], (3,), gradient=lambda x, s: s, input_shape=(7,)),
    ):
        assert (nn.Sequential([layer]).predict(X) == X[:, :3]).all()
    with pytest.raises(martlet.ShapeError, match=r"gave shape \(1, 7\) for 2 samples of \(7,\); wanted \(2, ...\)"):
        nn.Sequential([nn.Lambda(lambda x: x[:1], gradient=lambda x, s: s, input_shape=(7,))])
    with pytest.raises(martlet.ShapeError, match=r"gave shape \(32, 3\) .*wanted \(32, 4\)"):
        nn.Sequential([nn.Lambda(lambda x: x[:, :3], (4,), gradient=lambda x, s: s, input_shape=(7,))]).predict(X)
