"""Models of several outputs: losses, metrics and weights beside Keras's, files, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 6)).astype(np.float32)
CLASSES = RNG.integers(0, 4, 120)
NUMBERS = RNG.normal(size=(120, 2)).astype(np.float32)
ANSWERS = (RNG.random((120, 1)) > 0.5).astype(np.float32)
Y = [CLASSES, NUMBERS, ANSWERS]
GOALS: dict[str, Any] = {
    "loss": ["sparse_categorical_crossentropy", "mse", "binary_crossentropy"],
    "loss_weights": [1.0, 0.5, 2.0],
    "metrics": [["accuracy"], ["mae"], ["accuracy"]],
}


def made(layers: Any, model: Any) -> Any:
    """Three outputs, one of which another one is made of."""
    inputs = layers.Input((6,))
    shared = layers.Dense(12, activation="tanh", name="shared")(inputs)
    first = layers.Dense(4, activation="softmax", name="a")(shared)
    second = layers.Dense(2, name="b")(shared)
    third = layers.Dense(1, activation="sigmoid", name="c")(layers.Concatenate()([shared, second]))
    return model(inputs, [first, second, third])


def compiled(goals: dict[str, Any] | None = None) -> nn.Model:
    model = made(nn, nn.Model)
    model.compile(nn.Adam(0.01), **(GOALS if goals is None else goals))
    return model


def test_trains_as_keras_does() -> None:
    ours, theirs = made(nn, nn.Model), made(keras.layers, keras.Model)
    ours.set_weights(theirs.get_weights())
    ours.compile(nn.Adam(0.01), **GOALS)
    theirs.compile(keras.optimizers.Adam(0.01), **GOALS)
    options = {"batch_size": 50, "epochs": 3, "shuffle": False, "verbose": 0}
    found = ours.fit(X, Y, validation_data=(X[:50], [one[:50] for one in Y]), **options).history
    wanted = theirs.fit(X, Y, validation_data=(X[:50], [one[:50] for one in Y]), **options).history
    assert {*found} == {*wanted}
    for name, numbers in wanted.items():
        np.testing.assert_allclose(found[name], numbers, rtol=2e-5, atol=2e-5, err_msg=name)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4)
    assert ours.evaluate(X, Y, return_dict=True) == pytest.approx(
        theirs.evaluate(X, Y, verbose=0, return_dict=True), rel=1e-4
    )
    for mine, other in zip(ours.predict(X), theirs.predict(X, verbose=0), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4)
    assert ours.output_names == ["a", "b", "c"] and ours.output_shape == [(None, 4), (None, 2), (None, 1)]


@pytest.mark.parametrize("batch_size", [1, 7, 120])
def test_predictions_are_those_of_each_output_alone(batch_size: int) -> None:
    model = compiled()
    found = model.predict(X, batch_size)
    for place, output in enumerate(model.outputs):
        alone = nn.Model(model.inputs, output)
        np.testing.assert_array_equal(found[place], alone.predict(X))


def test_what_stands_by_names() -> None:
    """Losses, weights, metrics and targets in dicts give what lists give; a dict of outputs names them."""
    listed = compiled()
    named = made(nn, nn.Model)
    named.set_weights(listed.get_weights())
    goals = {key: dict(zip("abc", value, strict=True)) for key, value in GOALS.items()}
    named.compile(nn.Adam(0.01), **goals)
    for model, y in ((listed, Y), (named, dict(zip("cba", reversed(Y), strict=True)))):
        model.fit(X, y, epochs=2, verbose=0, shuffle=False)
    for mine, other in zip(listed.get_weights(), named.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    inputs = nn.Input((6,))
    model = nn.Model(inputs, {"left": nn.Dense(2)(inputs), "right": nn.Dense(1)(inputs)})
    model.compile("sgd", {"left": "mse", "right": "mae"})
    assert model.metrics_names == ["loss", "left_loss", "right_loss"]
    assert nn.Model.from_config(model.get_config()).output_names == ["left", "right"]


def test_goes_on_from_a_file_to_the_bit(tmp_path: Path) -> None:
    model = compiled()
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m")
    loaded = nn.load_model(tmp_path / "m")
    assert loaded.metrics_names == model.metrics_names
    assert loaded.evaluate(X, Y) == model.evaluate(X, Y)
    for one in (model, loaded):
        one.fit(X, Y, epochs=2, verbose=0)
    for mine, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_batches_and_halves() -> None:
    """What gives batches, one batch, and a step in two halves, train as arrays do."""
    models = [compiled() for _ in range(4)]
    for model in models[1:]:
        model.set_weights(models[0].get_weights())

    def batches() -> Any:
        for start in range(0, 120, 40):
            yield X[start : start + 40], [one[start : start + 40] for one in Y]

    models[0].fit(X, Y, batch_size=40, verbose=0, shuffle=False)
    models[1].fit(batches(), verbose=0)
    for x, y in batches():
        models[2].train_on_batch(x, y)
        models[3].differentiate(x, y)
        models[3].step()
    for model in models[1:]:
        for mine, other in zip(models[0].get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize(
    ("goals", "y", "says"),
    [
        ({"loss": ["mse", "mse"]}, Y, "loss has 2 entries; wanted 3"),
        ({"loss": {"a": "mse", "d": "mse"}}, Y, "loss has 'd', which is no output's name"),
        (GOALS | {"metrics": ["accuracy"]}, Y, "metrics has 1 entries; wanted 3"),
        (GOALS | {"metrics": "accuracy"}, Y, "metrics is 'accuracy', and the model has 3 outputs"),
        ({"loss": {"a": "mse", "b": "mse"}}, Y, "loss has nothing for output 'c'"),
        (GOALS | {"loss_weights": [1, -1, 1]}, Y, "loss_weights of output 'b' is -1"),
        (GOALS | {"loss_weights": 2}, Y, "loss_weights is 2, and the model has 3 outputs; wanted a list of numbers"),
        (GOALS, CLASSES, "y is a ndarray; wanted a list of 3, an array for each output"),
        (GOALS, Y[:2], "y is 2 arrays; wanted a list of 3"),
        (GOALS, {"a": CLASSES, "b": NUMBERS}, 'y has "a", "b"; wanted "a", "b", "c"'),
        (GOALS, [CLASSES, NUMBERS[:5], ANSWERS], r"x has 120 samples and y\[1\] has 5"),
        (GOALS, [CLASSES, NUMBERS[:, :1], ANSWERS], r"y\[1\] has samples of shape \(1,\)"),
        (GOALS, [CLASSES + 9, NUMBERS, ANSWERS], r"y\[0\] holds label"),
    ],
)
def test_what_cannot_be(goals: dict[str, Any], y: Any, says: str) -> None:
    with pytest.raises((martlet.ArgumentError, martlet.DTypeError, martlet.ShapeError), match=says):
        compiled(goals).fit(X, y, verbose=0)


def test_no_part_of_another_model() -> None:
    with pytest.raises(martlet.UnsupportedError, match="gives 3 outputs"):
        made(nn, nn.Model)(nn.Input((6,)))
    inputs = nn.Input((3,))
    node = nn.Dense(2)(inputs)
    with pytest.raises(martlet.ArgumentError, match="twice"):
        nn.Model(inputs, [node, node])


def test_names_of_layers_that_were_applied_twice() -> None:
    """Each output has a name of its own, also beside a layer of such a name."""
    inputs = nn.Input((6,))
    dense = nn.Dense(6, name="dense")
    once = dense(inputs)
    twice = dense(once)
    model = nn.Model(inputs, [once, twice, nn.Dense(2, name="dense_1")(twice)])
    assert model.output_names == ["dense_0", "dense_1_1", "dense_1"]
    model.compile("sgd", "mse")
    assert model.fit(X, [X, X, NUMBERS], verbose=0).history["dense_1_1_loss"]


def test_names_that_validation_has() -> None:
    """The loss of an output "val" would be reported as validation's."""
    inputs = nn.Input((6,))
    model = nn.Model(inputs, {"val": nn.Dense(2)(inputs), "b": nn.Dense(1)(inputs)})
    with pytest.raises(martlet.ArgumentError, match="reported as 'val_loss'"):
        model.compile("sgd", "mse")


def test_what_outputs_cannot_be() -> None:
    inputs = nn.Input((6,))
    with pytest.raises(martlet.ArgumentError, match="outputs has 17 nodes; wanted 16 at most"):
        nn.Model(inputs, [nn.Dense(1)(inputs) for _ in range(17)])
    with pytest.raises(martlet.ArgumentError, match="outputs has '' as a key"):
        nn.Model(inputs, {"": nn.Dense(1)(inputs), "b": nn.Dense(1)(inputs)})


@pytest.mark.parametrize("monitor", ["a_loss", "val_b_loss", "val_a_accuracy", "c_mse"])
def test_what_monitors_know(monitor: str) -> None:
    """Losses and metrics of single outputs are watched as those of all are: which way is better is known."""
    model = compiled(GOALS | {"metrics": [["accuracy"], None, ["mse"]]})
    plateau = nn.ReduceLROnPlateau(monitor, patience=1)
    model.fit(X, Y, validation_data=(X, Y), verbose=0, callbacks=[plateau])
    assert plateau._sign == (-1 if "accuracy" in monitor else 1)


def test_is_drawn(tmp_path: Path) -> None:
    assert nn.plot_model(compiled(), tmp_path / "a.dot", show_layer_names=True) is None
    text = (tmp_path / "a.dot").read_text()
    for name in ("shared", "a", "b", "c"):
        assert f'"{name} (Dense)"' in text


WEIGHTS = [RNG.uniform(0, 2, 120).astype(np.float32) for _ in range(3)]


@pytest.mark.parametrize(
    "given", [[WEIGHTS[0], None, WEIGHTS[2]], dict(zip("abc", WEIGHTS, strict=True))], ids=["a list", "a dict"]
)
def test_each_outputs_samples_weigh_as_kerass(given: Any) -> None:
    keras.utils.set_random_seed(2)
    ours, theirs = made(nn, nn.Model), made(keras.layers, keras.Model)
    ours.set_weights(theirs.get_weights())
    goals = {key: GOALS[key] for key in ("loss", "loss_weights")}
    ours.compile(nn.Adam(0.01), **goals)
    theirs.compile(keras.optimizers.Adam(0.01), **goals)
    full = [*given.values()] if isinstance(given, dict) else [np.ones(120) if one is None else one for one in given]
    held = [one[:50] for one in full]
    options = {"batch_size": 50, "epochs": 3, "shuffle": False, "verbose": 0}
    validation = (X[:50], [one[:50] for one in Y], held)
    found = ours.fit(X, Y, sample_weight=given, validation_data=validation, **options).history
    wanted = theirs.fit(X, Y, sample_weight=full, validation_data=validation, **options).history
    assert {*found} == {*wanted}
    for name, numbers in wanted.items():
        np.testing.assert_allclose(found[name], numbers, rtol=2e-5, atol=2e-5, err_msg=name)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4)
    np.testing.assert_allclose(
        ours.evaluate(X, Y, sample_weight=given), theirs.evaluate(X, Y, sample_weight=full, verbose=0), rtol=1e-4
    )
    assert abs(ours.evaluate(X, Y)[0] - ours.evaluate(X, Y, sample_weight=given)[0]) > 1e-2


def test_weights_of_outputs_in_batches_and_split() -> None:
    """Batches that a source gives, and validation_split, have the weights of their samples."""
    whole, batches = compiled(), compiled()
    batches.set_weights(whole.get_weights())
    whole.fit(X, Y, 40, shuffle=False, verbose=0, sample_weight=WEIGHTS)
    cut = [slice(start, start + 40) for start in range(0, 120, 40)]
    batches.fit(((X[k], [y[k] for y in Y], [w[k] for w in WEIGHTS]) for k in cut), verbose=0)
    for mine, other in zip(whole.get_weights(), batches.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    found = whole.fit(X, Y, 40, validation_split=0.25, verbose=0, sample_weight=WEIGHTS).history["val_loss"]
    held = whole.evaluate(X[90:], [y[90:] for y in Y], sample_weight=[w[90:] for w in WEIGHTS])
    assert found == [pytest.approx(held[0], rel=1e-6)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([*WEIGHTS[:2], WEIGHTS[2][:9]], r"sample_weight\['c'\] has shape \(9,\); wanted \(120,\)"),
        ({"a": -WEIGHTS[0]}, r"sample_weight\['a'\] holds -"),
        ({"x": WEIGHTS[0]}, "sample_weight has 'x', and the outputs are 'a', 'b', 'c'"),
        (WEIGHTS[:2], "sample_weight has shape"),
    ],
)
def test_weights_that_cannot_be(given: Any, said: str) -> None:
    with pytest.raises(martlet.MartletError, match=said):
        compiled().fit(X, Y, sample_weight=given, verbose=0)


def test_one_outputs_weights_may_stand_by_its_name() -> None:
    models = []
    for given in (WEIGHTS[0], {"last": WEIGHTS[0]}):
        inputs = nn.Input((6,))
        models.append(nn.Model(inputs, nn.Dense(2, name="last")(inputs), seed=1))
        models[-1].compile("sgd", "mse")
        models[-1].fit(X, NUMBERS, sample_weight=given, verbose=0)
    for mine, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(mine, other)
