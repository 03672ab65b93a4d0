"""The life of a model and of what belongs to it: sharing, copying, closing, names, and what is not served."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest
import torch

import martlet
from martlet import nn
from martlet.data import Batches
from networks import digits_like, mlp

X, Y = digits_like(64, (20,))
LOSS = "sparse_categorical_crossentropy"


def test_a_shared_optimizer_stays_with_the_model_that_it_trains() -> None:
    one, two, optimizer = mlp(), mlp(), nn.Adam()
    one.compile(optimizer, LOSS)
    two.compile(optimizer, LOSS)
    two.fit(X, Y, verbose=0)
    one.compile(nn.Adam(), LOSS)
    optimizer.learning_rate = 0.0
    before = two.parameters().copy()
    two.fit(X, Y, verbose=0)
    assert optimizer.iterations == 4 and (two.parameters() == before).all()


def test_an_optimizer_that_trains_one_model_trains_no_second() -> None:
    one, two, optimizer = mlp(), mlp(), nn.Adam()
    one.compile(optimizer, LOSS)
    two.compile(optimizer, LOSS)
    two.fit(X, Y, verbose=0)
    before = one.parameters().copy()
    with pytest.raises(martlet.OrderError, match="trains a model already"):
        one.fit(X, Y, verbose=0)
    assert (one.parameters() == before).all() and optimizer.iterations == 2


def test_an_optimizer_is_free_when_its_model_is_gone() -> None:
    optimizer = nn.Adam()
    for _ in range(2):
        model = mlp()
        model.compile(optimizer, LOSS)
        model.fit(X, Y, verbose=0)
        assert optimizer.iterations == 2
        del model
    closed = mlp()
    closed.compile(optimizer, LOSS)
    closed.fit(X, Y, verbose=0)
    closed.close()
    assert optimizer.iterations == 0


def test_a_copy_of_an_optimizer_has_its_numbers_alone() -> None:
    model = mlp()
    model.compile(nn.AdamW(0.01, beta_1=0.8), LOSS)
    model.fit(X, Y, verbose=0)
    for other in (
        copy.copy(model.optimizer),
        copy.deepcopy(model.optimizer),
        pickle.loads(pickle.dumps(model.optimizer)),
    ):
        assert other.hyperparameters() == model.optimizer.hyperparameters() and other.iterations == 0
        mlp().compile(other, LOSS)


def test_models_are_copied_by_files_alone() -> None:
    for model in (mlp(), nn.Sequential([nn.Dense(3)])):
        for call in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(martlet.UnsupportedError, match=r"save\(path\) and martlet.nn.load_model\(path\)"):
                call(model)
            with pytest.raises(martlet.UnsupportedError, match="'dense'> is in a model and cannot be copied"):
                call(model.layers[0])
    layer = copy.deepcopy(nn.Dense(3, name="free"))
    assert nn.Sequential([layer]).predict(X).shape == (64, 3)


def test_trainable_is_a_truth() -> None:
    model = mlp()
    for owner in (model, model.layers[0]):
        assert owner.trainable is True
        owner.trainable = True
        with pytest.raises(martlet.DTypeError, match="trainable of .* is 'no'"):
            owner.trainable = "no"


def test_close() -> None:
    with mlp() as model:
        model.compile("adam", LOSS)
        model.fit(X, Y, verbose=0)
        parameters, layer, native = model.parameters(), model.layers[0], weakref.ref(model._laid().model)
        wanted = parameters.copy()
    model.close()
    gc.collect()
    assert native() is not None and (parameters == wanted).all()  # the array is in use
    del parameters
    gc.collect()
    assert native() is None
    for call in (lambda: model.predict(X), lambda: model.fit(X, Y), model.get_weights, model.summary,
                 lambda: model.build((None, 20)), lambda: model.add(nn.Dense(3)), lambda: model.save("x")):  # fmt: skip
        with pytest.raises(martlet.OrderError, match="is closed"):
            call()
    with pytest.raises(martlet.OrderError, match="is in no built model"):
        layer.get_weights()


def test_a_model_is_freed_without_the_collector() -> None:
    gc.disable()
    try:
        model = mlp()
        model.compile("adam", LOSS)
        history = model.fit(X, Y, epochs=1, verbose=0)
        assert history.model is model and pickle.loads(pickle.dumps(history)).history == history.history
        native = weakref.ref(model._laid().model)
        del model
        assert native() is None and history.model is None
    finally:
        gc.enable()


@pytest.mark.parametrize("call", ["compile", "close"])
def test_what_cannot_be_inside_fit(call: str) -> None:
    model = mlp()
    model.compile("adam", LOSS)

    def inside(epoch: int, logs: Any) -> None:
        with pytest.raises(martlet.OrderError, match=f"{call} came inside fit"):
            model.compile("adam", "mse") if call == "compile" else model.close()

    model.fit(X, Y, epochs=2, verbose=0, callbacks=[nn.LambdaCallback(on_epoch_end=inside)])
    assert model.optimizer.iterations == 4
    model.compile("adam", LOSS)
    model.close()


def test_data_that_cannot_be_used_fix_no_shape() -> None:
    model = nn.Sequential([nn.Dense(16), nn.Dense(10)])
    optimizer = nn.Adam()
    model.compile(optimizer, LOSS)
    for x, y, options in (
        (X[:, :7], Y + 99, {}),
        (X[:, :7], Y[:3], {}),
        (X[:, :7], Y, {"validation_data": (X, Y)}),
        (X[:, :7], Y, {"validation_split": 0.999}),
        (X[:, :7], Y, {"callbacks": 3}),
    ):
        with pytest.raises(martlet.MartletError):
            model.fit(x, y, verbose=0, **options)  # type: ignore[arg-type]
    with pytest.raises(martlet.MartletError):
        model.evaluate(X[:, :7], Y[:3])
    model.fit(X, Y, verbose=0)
    assert model.input_shape == (None, 20) and optimizer.iterations == 2


def test_a_layer_that_cannot_be_added_fixes_nothing() -> None:
    model = nn.Sequential()
    bad = nn.Conv2D(2, 3, input_shape=(20,))
    with pytest.raises(martlet.ShapeError):
        model.add(bad)
    assert bad.name is None and model.layers == []
    model.add(nn.Dense(3, input_shape=(5,)))
    assert model.input_shape == (None, 5)


def test_what_gives_batches_is_no_batch() -> None:
    model = mlp()
    model.compile("adam", LOSS)
    tensors = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    for given in (Batches(X, Y), iter([(X, Y)]), tensors):
        with pytest.raises(martlet.DTypeError, match="x is <.*what gives batches is for fit, evaluate and predict"):
            model.train_on_batch(given, Y)
    for call in (model.fit, model.evaluate, model.predict):
        with pytest.raises(martlet.DTypeError, match="x is a TensorDataset of single samples; wanted batches"):
            call(tensors)
    with pytest.raises(martlet.DTypeError, match=r"validation_data is no pair; wanted \(x, y\), arrays of"):
        model.fit(X, Y, validation_data=(X,))
    with pytest.raises(martlet.DTypeError, match="y is None"):
        model.fit(X)


def test_layers_by_name_and_place() -> None:
    model = mlp()
    assert model.get_layer("dense_1") is model.layers[1] is model.get_layer(index=-1)
    for options, says in (({"name": "x"}, 'wanted one of "dense", "dense_1"'), ({"index": 2}, "wanted less than 2"),
                          ({}, "wanted one of them")):  # fmt: skip
        with pytest.raises(martlet.ArgumentError, match=says):
            model.get_layer(**options)  # type: ignore[arg-type]


def test_layers_has_every_layer() -> None:
    found = {name for name, entry in vars(nn).items() if isinstance(entry, type) and issubclass(entry, nn.Layer)}
    functions = {"Input", "InputLayer", "add", "concatenate", "multiply"}
    texts = {"TextVectorization", "Hashing"}  # which stand before a model
    assert found | functions | texts == set(nn.layers.__all__)
    assert all(getattr(nn.layers, name) is getattr(nn, name) for name in nn.layers.__all__)


def test_initializers_have_kerass_arguments() -> None:
    assert nn.RandomNormal(0.0, 0.1) == nn.RandomNormal(mean=0, stddev=0.1) and nn.RandomNormal().value == 0.05
    assert nn.RandomUniform(-0.2, 0.2) == nn.RandomUniform(minval=-0.2, maxval=0.2) and nn.RandomUniform().value == 0.05
    with pytest.raises(martlet.UnsupportedError, match="mean of RandomNormal is 1"):
        nn.RandomNormal(1.0)
    with pytest.raises(martlet.UnsupportedError, match="minval of RandomUniform is 0.* wanted minval -1"):
        nn.RandomUniform(0, 1)


def test_what_is_public() -> None:
    """Names without an underscore are the manual's."""
    internal = {"lay", "settle", "unsettle", "leave", "take", "resume", "adopt", "check_free", "bind", "release"}
    for kind in (nn.Sequential, nn.Dense, nn.Conv2D, nn.Normalization, nn.Adam):
        assert not internal & set(dir(kind))


def channels_first() -> nn.Sequential:
    return nn.Sequential([nn.Conv2D(10, 3, data_format="channels_first", input_shape=(3, 8, 9))], seed=1)


def test_no_cross_entropy_over_the_rows_of_an_image(tmp_path: Any) -> None:
    x, y = np.zeros((4, 3, 8, 9)), np.zeros((4, 10, 6), int)
    model = channels_first()
    model.save(tmp_path / "model")
    for built in (model, nn.load_model(tmp_path / "model")):
        built.compile("adam", LOSS)
        with pytest.raises(
            martlet.UnsupportedError, match=r"over the last axis, and the output \(10, 6, 7\) is a chann"
        ):
            built.fit(x, y, verbose=0)
    model = channels_first()
    model.add(nn.Permute((2, 3, 1)))
    model.compile("adam", LOSS)
    model.fit(x, np.zeros((4, 6, 7), int), verbose=0)
