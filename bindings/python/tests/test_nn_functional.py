"""Models of nodes: several inputs and readers, layers that are there more than once, models in models, frozen layers;
beside Keras's, in the same words."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet
from martlet import nn
from test_nn_graph import NDArray, after_a_step, alike, numbers

K = keras.layers
X, IDS = numbers(40, 6), np.random.default_rng(5).integers(0, 30, (40, 7)).astype(np.int32)
Y = (X[:, :1] + X[:, 1:2] ** 2).astype(np.float32)


def targets(model: nn.Model) -> NDArray:
    return np.repeat(Y, model.output_shape[-1], axis=1)


def block(library: Any, x: Any, units: int) -> Any:
    inner = library.Dense(units, activation="relu")(x)
    return library.Add()([x, library.Dense(units)(inner)])


def residual(library: Any, model: Any) -> Any:
    inputs = library.Input((6,))
    x = library.Dense(8, activation="tanh")(inputs)
    for _ in range(3):
        x = block(library, x, 8)
    return model(inputs, library.Dense(1)(x))


def siamese(library: Any, model: Any) -> Any:
    """Two inputs through one layer, and through one model."""
    left, right = library.Input((6,), name="left"), library.Input((6,), name="right")
    shared = library.Dense(5, activation="tanh")
    inside = library.Input((5,))
    inner = model(inside, library.Dense(4, activation="relu")(library.Dense(5)(inside)))
    return model([left, right], library.Dense(1)(library.Concatenate()([inner(shared(left)), inner(shared(right))])))


def wide_and_deep(library: Any, model: Any) -> Any:
    """Words and numbers; the second input is read at two depths."""
    words, wide = library.Input((7,), dtype="int32", name="words"), library.Input((6,), name="wide")
    x = library.Embedding(30, 5)(words)
    parts = [library.GlobalMaxPooling1D()(library.Conv1D(4, width, activation="relu")(x)) for width in (2, 3)]
    x = library.Concatenate()([*parts, wide])
    x = library.Dense(6, activation="tanh")(x)
    return model([words, wide], library.Dense(1)(library.Multiply()([x, wide])))


def recurrent(library: Any, model: Any) -> Any:
    """One layer after itself, twice."""
    inputs = library.Input((6,))
    layer = library.Dense(6, activation="tanh")
    return model(inputs, library.Dense(1)(layer(layer(layer(inputs)))))


def nested(library: Any, model: Any) -> Any:
    """Models in models, each of other shapes than the one around it."""
    sequential = nn.Sequential if library is nn else keras.Sequential
    inside = library.Input((8,))
    inner = model(inside, library.Dense(5, activation="tanh")(inside), name="inner")
    body = sequential([library.Dense(8), inner, sequential([library.Dense(4), library.Dense(3)])], name="body")
    inputs = library.Input((6,))
    return model(inputs, library.Dense(2)(library.Add()([library.Dense(3)(body(inputs)), body(inputs)])))


GRAPHS: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "residual": (residual, X), "siamese": (siamese, [X, X[::-1].copy()]), "words": (wide_and_deep, [IDS, X]),
    "recurrent": (recurrent, X), "nested": (nested, X),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_outputs_and_gradients_are_kerass(name: str) -> None:
    alike(*GRAPHS[name])


@pytest.mark.parametrize("name", GRAPHS)
def test_layers_are_listed_as_kerass(name: str) -> None:
    """Which is the order of get_weights, whose shapes alike compares."""
    ours, theirs = GRAPHS[name][0](nn, nn.Model), GRAPHS[name][0](K, keras.Model)
    assert [type(layer).__name__ for layer in ours.layers] == [
        type(layer).__name__.replace("Functional", "Model") for layer in theirs.layers
    ]
    assert ours.count_params() == theirs.count_params()


def test_a_model_in_a_sequential_and_the_other_way_round() -> None:
    def build(library: Any, model: Any) -> Any:
        sequential = nn.Sequential if library is nn else keras.Sequential
        inside = library.Input((8,))
        inner = model(inside, library.Add()([library.Dense(8)(inside), inside]))
        body = sequential([library.Input((6,)), library.Dense(8, activation="relu"), inner])
        inputs = library.Input((6,))
        return model(inputs, library.Dense(2)(body(inputs)))

    alike(build, X)


def test_parts_have_their_own_shapes() -> None:
    model = nested(nn, nn.Model)
    body = model.get_layer("body")
    inner = body.get_layer("inner")
    assert (body.input_shape, body.output_shape) == ((None, 6), (None, 3))
    assert (inner.input_shape, inner.output_shape) == ((None, 8), (None, 5))
    assert (inner.count_params(), body.count_params(), model.count_params()) == (45, 56 + 45 + 24 + 15, 140 + 12 + 8)
    for part in (body, inner, body.layers[2]):
        x = numbers(4, *part.input_shape[1:])
        assert part.predict(x).shape == (4, *part.output_shape[1:])
    kernel, bias = inner.get_weights()
    np.testing.assert_allclose(inner.predict(numbers(4, 8)), np.tanh(numbers(4, 8) @ kernel + bias), rtol=1e-4)
    model.summary(print_fn=lambda line: None)


@pytest.mark.parametrize("name", GRAPHS)
def test_files_and_configs(name: str, tmp_path: Path) -> None:
    build, x = GRAPHS[name]
    model = build(nn, nn.Model)
    y = targets(model)
    model.compile(nn.Adam(0.01), "mse", ["mae"])
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "model")
    other = nn.load_model(tmp_path / "model")
    assert [layer.name for layer in other.layers] == [layer.name for layer in model.layers]
    assert other.get_config() == model.get_config() and other.input_names == model.input_names
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    first, second = (one.fit(x, y, epochs=2, verbose=0).history for one in (model, other))
    assert first == second
    np.testing.assert_array_equal(other.parameters(), model.parameters())
    made = nn.Model.from_config(model.get_config())
    made.set_weights(model.get_weights())
    np.testing.assert_array_equal(made.predict(x), model.predict(x))
    fresh = nn.clone_model(model)
    np.testing.assert_array_equal(fresh.parameters(), build_again(build, model.seed).parameters())


def build_again(build: Callable[[Any, Any], Any], seed: int) -> nn.Model:
    model = build(nn, nn.Model)
    return nn.Model.from_config({**model.get_config(), "seed": seed})


def test_a_file_that_is_no_graph_of_its_notes(tmp_path: Path) -> None:
    model = siamese(nn, nn.Model)
    path = tmp_path / "model"
    model.save(path)
    content = path.read_bytes()
    for old, new in ((b'\\"units\\":5', b'\\"units\\":6'), (b'\\"nodes\\":[[', b'\\"nodes\\":[7'), (b"tanh", b"relu")):
        assert old in content
        path.write_bytes(content.replace(old, new, 1))
        with pytest.raises(martlet.FormatError):
            nn.load_model(path)


def test_a_graph_that_another_language_wrote(tmp_path: Path) -> None:
    from martlet import _ffi_models, _model

    native = _model.Model((4,), 3)
    second = native.add(_ffi_models.LAYER_INPUT, "ids", {"rank": 1, "sizes": (3,)}, [])
    table = native.add(_ffi_models.LAYER_EMBEDDING, "table", {"vocabulary": 9, "units": 4}, [second])
    mean = native.add(_ffi_models.LAYER_GLOBAL_MAX_POOL1D, "mean", {}, [table])
    dense = native.add(_ffi_models.LAYER_DENSE, "dense", {"units": 4, "flags": _ffi_models.FROZEN}, [0])
    again = native.apply(dense, [dense])
    native.add(_ffi_models.LAYER_ADD, "sum", {}, [mean, again])
    native.save(os.fsencode(tmp_path / "model"))
    model = nn.load_model(tmp_path / "model")
    assert isinstance(model, nn.Model) and not isinstance(model, nn.Sequential)
    assert model.input_names == ["input_layer", "ids"] and model.output_shape == (None, 4)
    kernel, bias = model.get_layer("dense").get_weights()
    rows, x = np.array([[1, 2, 8]]), numbers(1, 4)
    wanted = model.get_layer("table").get_weights()[0][rows].max(axis=1) + (x @ kernel + bias) @ kernel + bias
    np.testing.assert_allclose(model.predict({"ids": rows, "input_layer": x}), wanted, rtol=1e-5, atol=1e-6)
    assert not model.get_layer("dense").trainable
    with pytest.raises(martlet.ArgumentError, match="wanted 0 to 8, the rows that layer 'table' has"):
        model.predict([x, rows + 1])


# ---- frozen layers ----


def with_norm(library: Any, model: Any) -> Any:
    inputs = library.Input((6,))
    x = library.Dense(8, trainable=False)(inputs)
    x = library.BatchNormalization(trainable=False)(x)
    return model(inputs, library.Dense(1)(x))


def test_frozen_layers_are_kerass() -> None:
    """A BatchNormalization among them, which takes its moving statistics."""
    ours, theirs = with_norm(nn, nn.Model), with_norm(K, keras.Model)
    weights = [np.abs(numbers(*w.shape)) + 0.1 for w in ours.get_weights()]
    ours.set_weights(weights)
    # Keras has the trained ones first in a layer's list, and a frozen layer's as they were made.
    theirs.set_weights(weights)
    mine = after_a_step(ours, nn.SGD(0.1), X, Y)
    right = after_a_step(theirs, keras.optimizers.SGD(0.1), X, Y)
    for weight, other in zip(mine, right, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-4, atol=1e-5)
    for weight, start in zip(mine[:-2], weights[:-2], strict=True):
        np.testing.assert_array_equal(weight, start)
    assert len(ours.trainable_weights) == 2 and len(ours.non_trainable_weights) == 6


def test_trainable_counts_from_the_next_compile_on() -> None:
    model = residual(nn, nn.Model)
    start = model.get_weights()
    model.trainable = False
    model.layers[-1].trainable = True
    model.compile(nn.SGD(0.1), "mse")
    model.fit(X, Y, verbose=0)
    frozen = model.get_weights()
    for weight, other in zip(frozen[:-2], start[:-2], strict=True):
        np.testing.assert_array_equal(weight, other)
    assert (frozen[-2] != start[-2]).any()
    model.trainable = True
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], start[0])
    model.compile(nn.SGD(0.1), "mse")
    model.fit(X, Y, verbose=0)
    assert (model.get_weights()[0] != start[0]).any()


def test_transfer_of_a_trained_model(tmp_path: Path) -> None:
    """A model with weights, frozen, under a new head."""
    base = nn.Sequential([nn.Dense(8, activation="relu", input_shape=(6,)), nn.Dense(3)], seed=1)
    base.compile("adam", "mse")
    base.fit(X, numbers(40, 3), verbose=0)
    weights, wanted = base.get_weights(), base.predict(X)
    base.trainable = False
    inputs = nn.Input((6,))
    model = nn.Model(inputs, nn.Dense(1, name="head")(base(inputs)), seed=2)
    model.compile(nn.Adam(0.01), "mse")
    model.fit(X, Y, verbose=0)
    for mine, start in zip(base.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(mine, start)
    kernel, bias = model.get_layer("head").get_weights()
    np.testing.assert_allclose(model.predict(X), wanted @ kernel + bias, rtol=1e-4, atol=1e-5)
    copy = nn.clone_model(base)
    copy.set_weights(base.get_weights())
    np.testing.assert_array_equal(copy.predict(X), wanted)
    model.save(tmp_path / "model")
    other = nn.load_model(tmp_path / "model")
    assert not other.layers[1].trainable and other.layers[2].trainable
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_an_encoder_predicts_while_its_autoencoder_is_trained() -> None:
    inputs = nn.Input((6,))
    encoder = nn.Model(inputs, nn.Dense(2, activation="tanh")(nn.BatchNormalization()(inputs)))
    decoder = nn.Sequential([nn.Dense(6)])
    model = nn.Model(inputs, decoder(encoder(inputs)))
    model.compile(nn.Adam(0.01), "mse")
    for _ in range(2):
        model.fit(X, X, verbose=0)
        codes = encoder.predict(X)
        np.testing.assert_allclose(decoder.predict(codes), model.predict(X), rtol=1e-5, atol=1e-6)
    assert encoder.input is model.input and codes.shape == (40, 2)


def test_what_a_layer_within_gives() -> None:
    """By a model of its nodes, which has the weights of the one that is trained."""
    model = residual(nn, nn.Model)
    inside = nn.Model(model.inputs, model.get_layer("add_1").output)
    sequential = nn.Sequential([nn.Dense(5, activation="relu", input_shape=(6,)), nn.Dense(1)], seed=1)
    hidden = nn.Model(sequential.inputs, sequential.layers[0].output, name="hidden")
    for whole in (model, sequential):
        whole.compile(nn.Adam(0.01), "mse")
        whole.fit(X, Y, verbose=0)
    kernel, bias = sequential.get_weights()[:2]
    np.testing.assert_allclose(hidden.predict(X), np.maximum(X @ kernel + bias, 0), rtol=1e-4, atol=1e-5)
    assert hidden.output_shape == (None, 5) and hidden.count_params() == 35
    np.testing.assert_array_equal(hidden.get_weights()[0], kernel)
    rest = model.layers[model.layers.index(model.get_layer("add_1")) + 1 :]
    x = inside.predict(X)
    first, second, out = ([w.copy() for w in layer.get_weights()] for layer in rest if layer.weights)
    y = x + np.maximum(x @ first[0] + first[1], 0) @ second[0] + second[1]
    np.testing.assert_allclose(model.predict(X), y @ out[0] + out[1], rtol=1e-4, atol=1e-5)
    for call in (lambda: hidden.compile("adam", "mse"), lambda: hidden.save("x")):
        with pytest.raises(martlet.OrderError, match="a part of another model"):
            call()
    assert model.layers[1].input is model.input and model.get_layer("add").input[0] is model.layers[1].output


# ---- data, and what it is called ----


def test_samples_by_lists_tuples_and_names() -> None:
    given = []
    for x in ([IDS, X], (IDS, X), {"wide": X, "words": IDS}):
        model = nn.Model.from_config({**wide_and_deep(nn, nn.Model).get_config(), "seed": 3})
        model.compile(nn.Adam(0.01), "mse")
        history = model.fit(x, Y, epochs=2, validation_split=0.25, verbose=0)
        loss = model.train_on_batch(x, Y)
        given.append((history.history, loss, model.evaluate(x, Y, verbose=0), model.predict(x).tolist()))
    assert given[0] == given[1] == given[2]


def test_ids_go_to_the_library_without_a_copy() -> None:
    model = wide_and_deep(nn, nn.Model)
    model.compile("adam", "mse")
    for dtype in (np.int32, np.int64, np.uint8):
        ids = IDS.astype(dtype)
        assert model._data([ids, X], Y, 32, True).inputs[0] is ids


def two() -> nn.Model:
    model = wide_and_deep(nn, nn.Model)
    model.compile("adam", "mse")
    return model


def unconnected() -> Any:
    return nn.Model(nn.Input((3,), name="known"), nn.Dense(2)(nn.Input((3,), name="forgotten")))


def half_taken() -> Any:
    model = nn.Sequential([nn.Dense(3, input_shape=(3,), name="mine")])
    inputs = nn.Input((3,))
    return nn.Model(inputs, nn.Dense(2)(model.layers[0](inputs)))


def inner_and_outer() -> nn.Model:
    inner = residual(nn, nn.Model)
    inputs = nn.Input((6,))
    nn.Model(inputs, inner(inputs))
    return inner


def other_shape() -> Any:
    layer = nn.Dense(3, name="shared")
    layer(nn.Input((3,)))
    return layer(nn.Input((4,)))


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: two().fit([IDS], Y), martlet.ArgumentError, 'x is 1 arrays; wanted a list of 2, .*"words", "wide"'),
    (lambda: two().fit(IDS, Y), martlet.ArgumentError, "x is a ndarray; wanted a list of 2"),
    (lambda: two().predict({"words": IDS}), martlet.ArgumentError, 'x has "words"; wanted "words", "wide"'),
    (lambda: two().predict([IDS, X[:3]]), martlet.ShapeError, r"x\[1\] has 3 samples and x\[0\] has 40"),
    (lambda: two().predict([IDS, X[:, :2]]), martlet.ShapeError, r"x\[1\] has samples of shape \(2,\), and"),
    (lambda: two().fit({"words": IDS, "wide": X * np.nan}, Y), martlet.ArgumentError, r"x\['wide'\] holds a NaN"),
    (unconnected, martlet.ArgumentError, "made of 'forgotten', of shape .*none of inputs: 'known'"),
    (half_taken, martlet.OrderError, "<Dense 'mine'> is in a model already"),
    (lambda: nn.Dense(3).output, AttributeError, "<Dense> gives no node yet"),
    (
        lambda: inner_and_outer().compile("adam", "mse"),
        martlet.OrderError,
        "compile came to .* a part of another model",
    ),
    (lambda: inner_and_outer().save("x"), martlet.OrderError, "save came to .* a part of another model"),
    (lambda: inner_and_outer().parameters(), martlet.OrderError, "parameters came to .* a part of another model"),
    (other_shape, martlet.ShapeError, 'expected .* those of "shared"'),
    (lambda: nn.Model(nn.Input((3,)), nn.Input((3,))), martlet.ArgumentError, "wanted what a layer gives"),
    (lambda: nn.Model([], []), martlet.ArgumentError, r"inputs is \[\]; wanted one node or more"),
    (lambda: nn.Model(X, X), martlet.DTypeError, "inputs is ndarray; wanted an Input"),
    (lambda: residual(nn, nn.Model)(nn.Input((5,))), martlet.ShapeError, r"reads samples of shape \(6,\), and was"),
    (lambda: two()(nn.Input((6,))), martlet.ShapeError, "model 'model' reads samples of shape"),
    (lambda: nn.Sequential()(nn.Input((5,))), martlet.OrderError, "has no layer; add one first"),
]


@pytest.mark.parametrize("index", range(len(BAD)))
def test_bad_graphs(index: int) -> None:
    call, error, says = BAD[index]
    with pytest.raises(error, match=says):
        call()


def test_several_outputs_say_so() -> None:
    inputs = nn.Input((3,))
    outputs = [nn.Dense(2)(inputs), nn.Dense(1)(inputs)]
    with pytest.raises(martlet.UnsupportedError, match="outputs has 2 nodes: a model has one output here"):
        nn.Model(inputs, outputs)
    assert nn.Model(inputs, outputs[0]).layers[1].name == "dense"  # which the refusal left free


def test_a_graph_that_fails_leaves_its_layers_free() -> None:
    inputs = nn.Input((3,), name="input")
    layers = [nn.Dense(2, name="a"), nn.Dense(2, name="a")]
    output = layers[1](layers[0](inputs))
    with pytest.raises(martlet.ArgumentError, match="name is 'a', another layer's"):
        nn.Model(inputs, output)
    nn.Sequential(layers[:1])


def test_circles_in_a_config() -> None:
    config = residual(nn, nn.Model).get_config()
    config["nodes"][1][1] = [5]
    with pytest.raises(martlet.ArgumentError, match="layer 'dense_1' reads node 5, which is not made before it"):
        nn.Model.from_config(config)


def test_summary_shows_connections(capsys: pytest.CaptureFixture[str]) -> None:
    siamese(nn, nn.Model).summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["Layer", "(type)", "Output", "shape", "Parameters", "Connected", "to"]
    (shared,) = (line for line in lines if line.startswith("dense ("))
    assert shared.endswith("left, right") and " 35 " in shared
    assert lines[-1].startswith("Parameters: ") and lines[-1].endswith("of which training changes 98")


def test_weights_lie_where_the_model_has_them() -> None:
    model = residual(nn, nn.Model)
    model.layers[1].weights[0][...] = 0
    assert not model.get_weights()[0].any()
    assert len(model.weights) == len(model.get_weights())
    assert model.inputs[0].shape == (None, 6) and model.outputs[0].shape == (None, 1) and model.input is model.inputs[0]


def test_channels_first_graphs_in_files(tmp_path: Path) -> None:
    inputs = nn.Input((3, 8, 8))
    x = nn.Conv2D(4, 3, padding="same", data_format="channels_first")(inputs)
    x = nn.BatchNormalization(axis=1)(x + nn.Conv2D(4, 1, data_format="channels_first")(x))
    x = nn.Concatenate(1)([x, x])
    model = nn.Model(inputs, nn.Dense(3)(nn.Flatten()(x)), seed=1)
    images = numbers(4, 3, 8, 8)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(nn.load_model(tmp_path / "model").predict(images), model.predict(images))


def test_a_hundred_layers_and_one_model_freed() -> None:
    import gc
    import weakref

    inputs = x = nn.Input((4,))
    for _ in range(100):
        x = x + nn.Dense(4)(x)
    model = nn.Model(inputs, x)
    model.predict(numbers(2, 4))
    gc.collect()
    gc.disable()
    try:
        native = weakref.ref(model._laid().model)
        del model, x, inputs
        assert native() is None
    finally:
        gc.enable()
