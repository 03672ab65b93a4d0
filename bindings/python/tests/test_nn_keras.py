"""Models beside Keras's, with the same spelling, weights and batches: one step, and statistics of whole trainings."""

from __future__ import annotations

import inspect
import os
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from martlet import nn
from networks import digits_like


def mlp(library: Any) -> Any:
    """Scenario 3, in either library's words, which are the same."""
    return library.Sequential(
        [library.Input(shape=(20,)), library.Dense(24, activation="relu"), library.Dense(10)]
    )  # fmt: skip


def convolutional(library: Any) -> Any:
    return library.Sequential(
        [
            library.Input(shape=(8, 8, 3)),
            library.Conv2D(6, 3, padding="same", activation="relu"),
            library.BatchNormalization(),
            library.MaxPooling2D(),
            library.Conv2D(8, (3, 2), strides=2, padding="same"),
            library.LeakyReLU(),
            library.Flatten(),
            library.Dense(16, activation="silu", kernel_initializer="he_normal"),
            library.Dense(10, activation="softmax"),
        ]
    )


class Keras:
    """Keras's names in one place, as martlet.nn has them."""

    Sequential, Input, callbacks = keras.Sequential, keras.Input, keras.callbacks
    Dense, Conv2D, MaxPooling2D = keras.layers.Dense, keras.layers.Conv2D, keras.layers.MaxPooling2D
    BatchNormalization, LeakyReLU, Flatten = (
        keras.layers.BatchNormalization, keras.layers.LeakyReLU, keras.layers.Flatten,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["mlp", "convolutional"])
def test_a_step_beside_kerass(name: str) -> None:
    build = {"mlp": mlp, "convolutional": convolutional}[name]
    ours, theirs = build(nn), build(Keras)
    x, y = digits_like(40, ours.input_shape[1:])
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
    ours.compile(nn.Adam(learning_rate=0.01), "sparse_categorical_crossentropy", ["accuracy"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=name == "mlp")
    theirs.compile(keras.optimizers.Adam(learning_rate=0.01), loss, metrics=["accuracy"])
    np.testing.assert_allclose(ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0), rtol=1e-5)
    for _ in range(3):
        mine, wanted = ours.train_on_batch(x, y), theirs.train_on_batch(x, y)
        np.testing.assert_allclose(mine[0], wanted[0], rtol=2e-3)
    if name == "convolutional":
        # Statistics of the first layer's output, which changed by three steps of about 0.01 in each weight.
        for index in (4, 5):
            np.testing.assert_allclose(ours.get_weights()[index], theirs.get_weights()[index], rtol=2e-2, atol=1e-3)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), rtol=5e-2, atol=5e-3)


def test_weights_have_kerass_order_and_shapes() -> None:
    ours, theirs = convolutional(nn), convolutional(Keras)
    assert [weight.shape for weight in ours.get_weights()] == [weight.shape for weight in theirs.get_weights()]
    for mine, wanted in zip(ours.layers, theirs.layers, strict=True):
        assert [weight.shape for weight in mine.get_weights()] == [weight.shape for weight in wanted.get_weights()]
        assert mine.output_shape == tuple(wanted.output.shape)
    assert ours.count_params() == theirs.count_params()


CLASSES = ["Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Lamb", "Lion", "Nadam", "RMSprop", "SGD"]


@pytest.mark.parametrize("name", CLASSES)
def test_defaults_of_optimizers_are_kerass(name: str) -> None:
    """Of the class, by its name, and by Keras's name in any case."""
    theirs = getattr(keras.optimizers, name)()
    wanted = {key: value for key, value in theirs.get_config().items() if hasattr(nn.optimizers.get(name), key)}
    assert {"learning_rate", "weight_decay"} < wanted.keys()
    for ours in (getattr(nn, name)(), nn.optimizers.get(name), nn.optimizers.get(name.lower())):
        for key, value in wanted.items():
            assert (getattr(ours, key) or 0) == pytest.approx(value or 0, rel=1e-6), key
        flags = {key: value for key, value in theirs.get_config().items() if key in ("amsgrad", "nesterov", "centered")}
        assert {key: getattr(ours.hyperparameters(), key) for key in flags} == flags


# eps is large where the convention for it is to show.
TRAINED: list[tuple[str, dict[str, Any]]] = [
    ("Adadelta", {"learning_rate": 1.0, "weight_decay": 0.1}),
    ("Adafactor", {"learning_rate": 0.9, "beta_2_decay": -0.7, "epsilon_1": 1e-4, "epsilon_2": 0.1}),
    ("Adafactor, another way", {"learning_rate": 0.9, "clip_threshold": 1.5, "relative_step": False}),
    ("Adagrad", {"learning_rate": 0.01, "epsilon": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"learning_rate": 0.01, "epsilon": 1e-3}),
    ("AdamW", {"learning_rate": 0.01, "amsgrad": True}),
    ("Adamax", {"learning_rate": 0.01, "epsilon": 1e-2, "weight_decay": 0.1}),
    ("Lamb", {"learning_rate": 0.01, "epsilon": 1e-3, "weight_decay": 0.1}),
    ("Lion", {"weight_decay": 0.1}),
    ("Nadam", {"learning_rate": 0.01, "weight_decay": 0.1}),
    ("RMSprop", {"rho": 0.8, "momentum": 0.5, "epsilon": 1e-3, "centered": True, "weight_decay": 0.1}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
]


@pytest.mark.parametrize("name, options", TRAINED, ids=[name for name, _ in TRAINED])
def test_optimizers_train_as_kerass(name: str, options: dict[str, Any]) -> None:
    """Several steps of our gradients: Keras's optimizer takes the same ones."""
    name = name.partition(",")[0]
    x, y = digits_like(40, (20,))
    ours = mlp(nn)
    ours.compile(getattr(nn, name)(**options), "sparse_categorical_crossentropy")
    start = ours.parameters().copy()
    variables = [keras.Variable(weight) for weight in ours.get_weights()]
    ends = np.cumsum([weight.size for weight in ours.get_weights()])[:-1]
    optimizer = getattr(keras.optimizers, name)(**options)
    for _ in range(12):
        ours.train_on_batch(x, y)
        parts = np.split(ours.gradients(), ends)
        optimizer.apply(
            [keras.ops.reshape(part, variable.shape) for part, variable in zip(parts, variables, strict=True)],
            variables,
        )
    moved = ours.parameters() - start
    wanted = np.concatenate([np.ravel(keras.ops.convert_to_numpy(variable.value)) for variable in variables]) - start
    far = np.abs(moved - wanted) > 1e-4 * np.abs(wanted).max() + 1e-6 * np.abs(start)
    # Of Lion, an element whose momentum is all but 0 may step the other way.
    assert far.sum() <= (2 if name == "Lion" else 0), np.abs(moved - wanted).max() / np.abs(wanted).max()


def test_relative_step_changes_nothing() -> None:
    """Six steps at a rate of 10: 1 / sqrt(6) is what counts of it, but with optax's convention."""
    x, y = digits_like(40, (20,))
    ends = []
    for options in ({}, {"relative_step": False}, {"semantics": "optax"}):
        model = nn.Sequential([nn.Dense(10, input_shape=(20,))], seed=1)
        model.compile(nn.Adafactor(10.0, **options), "mse")
        for _ in range(6):
            model.train_on_batch(x, np.eye(10)[y])
        ends.append(model.parameters().copy())
    assert np.array_equal(ends[0], ends[1])
    assert np.abs(ends[2]).max() > 10 * np.abs(ends[0]).max()
    variables = [keras.Variable(np.ones((3, 4), np.float32)) for _ in range(2)]
    for variable, relative in zip(variables, (True, False), strict=True):
        keras.optimizers.Adafactor(10.0, relative_step=relative).apply([keras.ops.ones((3, 4))], [variable])
    assert np.array_equal(*map(keras.ops.convert_to_numpy, variables))


def test_defaults_of_layers_are_kerass() -> None:
    ours, theirs = nn.BatchNormalization(), keras.layers.BatchNormalization()
    assert (ours.momentum, ours.epsilon, ours.center, ours.scale) == (
        theirs.momentum, theirs.epsilon, theirs.center, theirs.scale,
    )  # fmt: skip


def test_activations_and_normalization_are_kerass() -> None:
    x = np.linspace(-4, 4, 60).reshape(10, 6).astype(np.float32)
    for name in ("relu", "leaky_relu", "gelu", "silu", "swish", "tanh", "sigmoid", "softmax", "linear"):
        ours = nn.Sequential([nn.Activation(name, input_shape=(6,))])
        np.testing.assert_allclose(ours.predict(x), keras.layers.Activation(name)(x), rtol=1e-5, atol=1e-6)
    mine, wanted = nn.Normalization(), keras.layers.Normalization()
    mine.adapt(x)
    wanted.adapt(x)
    np.testing.assert_allclose(nn.Sequential([nn.Input((6,)), mine]).predict(x), wanted(x), rtol=1e-5, atol=1e-6)


def test_from_logits() -> None:
    x, y = digits_like(40, (20,))
    logits = nn.Sequential([nn.Dense(10, input_shape=(20,))], seed=1)
    output = logits.predict(x)
    probabilities = nn.Sequential([nn.Dense(10, activation="softmax", input_shape=(20,))])
    probabilities.set_weights(logits.get_weights())
    wanted = float(keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, output))
    for model, given in ((logits, None), (logits, True), (probabilities, None), (probabilities, False)):
        model.compile("adam", nn.SparseCategoricalCrossentropy(from_logits=given))
        assert abs(model.evaluate(x, y, verbose=0) / wanted - 1) < 1e-5
    # Keras clips and divides what is said to be probabilities.
    logits.compile("adam", nn.SparseCategoricalCrossentropy(from_logits=False))
    positive = abs(output)
    shifted = nn.Sequential([nn.Activation("linear", input_shape=(10,))])
    shifted.compile("adam", nn.SparseCategoricalCrossentropy(from_logits=False))
    wanted = float(keras.losses.SparseCategoricalCrossentropy(from_logits=False)(y, positive))
    assert abs(shifted.evaluate(positive, y, verbose=0) / wanted - 1) < 1e-5


@pytest.mark.parametrize("values", [[3, 2.5, 2.2, 0.5, 1], [3, 1.9, 1.8, 1.7], [3, 1.9, 1.95, 1.95, 0], [1, 2, 3, 4]])
@pytest.mark.parametrize("options", [{"baseline": 2}, {}, {"baseline": 1.85, "min_delta": 0.2}])
def test_early_stopping_is_kerass(values: list[float], options: Any) -> None:
    class Model:
        stop_training = False

    seen = []
    for library in (nn, keras.callbacks):
        callback, model = library.EarlyStopping(patience=2, mode="min", **options), Model()
        callback.set_model(model)
        callback.on_train_begin()
        for epoch, value in enumerate(values):
            callback.on_epoch_end(epoch, {"val_loss": value})
            if model.stop_training:
                break
        seen.append(epoch)
    assert seen[0] == seen[1]


def test_modes_are_needed_where_keras_needs_them() -> None:
    x, y = digits_like(40, (20,))
    refused: dict[str, list[bool]] = {}
    for model, callbacks in ((mlp(nn), nn), (mlp(Keras), keras.callbacks)):
        model.compile("adam", "mse", metrics=["accuracy", "mae"])
        model.fit(x, np.eye(10)[y], verbose=0)
        for monitor in ("loss", "val_loss", "accuracy", "val_mae", "val_g1", "auk", "my_accuracy", "learning_rate"):
            stopping = callbacks.EarlyStopping(monitor)
            stopping.set_model(model)
            try:
                stopping.on_train_begin()
                stopping.on_epoch_end(0, {monitor: 1.0})
                refused.setdefault(monitor, []).append(False)
            except ValueError as error:
                refused.setdefault(monitor, []).append("max" in str(error))
    assert all(ours == theirs for ours, theirs in refused.values()), refused
    assert refused["auk"][0] and not refused["val_mae"][0]


def positional(function: Any) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]


def test_what_has_no_name_means_what_it_does_in_keras() -> None:
    """What Keras has not, or elsewhere, is taken by name alone."""
    pairs = {
        name: (ours, getattr(getattr(keras, module), name, None))
        for module in ("layers", "losses", "callbacks", "optimizers", "initializers")
        for name, ours in vars(getattr(nn, module)).items()
        if name[0].isupper() and name not in ("Optimizer", "Initializer")
    }
    for name in ("fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "summary", "get_layer", "pop"):
        pairs[name] = (getattr(nn.Sequential, name), getattr(keras.Sequential, name))
    compared = {name: pair for name, pair in pairs.items() if pair[1] is not None}
    assert len(compared) > 45
    for name, (ours, theirs) in compared.items():
        found = positional(ours)
        assert found == positional(theirs)[: len(found)], name
    assert positional(nn.Sequential) == ["layers"]


HOOKS = [
    f"on_{what}_{when}"
    for what in ("train", "epoch", "train_batch", "batch", "test", "test_batch", "predict", "predict_batch")
    for when in ("begin", "end")
]


def heard(library: Any, names: list[str]) -> list[Any]:
    """What a callback that overrides these methods hears of."""
    calls: list[Any] = []

    def method(name: str) -> Any:
        def hear(self: Any, *given: Any, **named: Any) -> None:
            *index, logs = [*given, *named.values()]
            sizes = {key: np.shape(value) for key, value in logs.items()}
            calls.append((name, [int(number) for number in index], sizes))

        return hear

    callback = type("Witness", (library.callbacks.Callback,), {name: method(name) for name in names})()
    x, y = digits_like(10, (20,))
    model = mlp(library)
    model.compile("adam", "mse")
    targets = np.eye(10)[y]
    model.fit(x, targets, 4, 2, callbacks=[callback], validation_data=(x[:6], targets[:6]),
              validation_batch_size=5, verbose=0)  # fmt: skip
    model.evaluate(x, targets, 4, 0, callbacks=[callback])
    model.predict(x, 4, 0, callbacks=[callback])
    model.train_on_batch(x, targets)
    model.test_on_batch(x, targets)
    return calls


def test_callbacks_hear_what_they_hear_in_keras() -> None:
    aliases = ["on_batch_begin", "on_batch_end"]
    named, alike = heard(Keras, HOOKS), heard(Keras, aliases)
    assert named == heard(nn, HOOKS) and alike == heard(nn, aliases) and alike
    for name in HOOKS:
        calls = [call for call in (alike if name in aliases else named) if call[0] == name]
        assert heard(nn, [name]) == calls and calls


def test_no_weight_decay() -> None:
    """As in Keras: none for Adam, and for AdamW an error."""
    assert nn.Adam(weight_decay=None).weight_decay == 0
    with pytest.raises(TypeError, match="weight_decay is None; wanted a number"):
        nn.AdamW(weight_decay=None)  # type: ignore[arg-type]
