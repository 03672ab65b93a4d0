"""Masks of sequences, and Bidirectional: beside Keras's with the same weights, files, and what is refused."""

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
from graphs import NDArray, alike, numbers
from martlet import nn

KINDS = ["LSTM", "GRU", "SimpleRNN"]


def words() -> NDArray:
    """Sequences of all lengths from none to whole, padded behind, before and between."""
    ids = np.random.default_rng(5).integers(1, 30, (9, 7)).astype(np.int32)
    for length in range(8):
        ids[length, length:] = 0
    ids[7, :4], ids[8, 2:5] = 0, 0
    return ids


def steps() -> NDArray:
    """The same with features; some of a step are 0, or the mask's value, and not all."""
    x = numbers(9, 7, 3)
    x[words() == 0] = 0
    x[8, 1, 1] = x[2, 0, 0] = 0
    return x


@pytest.mark.parametrize("kind", KINDS)
def test_masks_beside_kerass(kind: str) -> None:
    """Through layers that hand a mask on, and into layers that read it, forward and backward."""

    def build(library: Any, model: Any) -> Any:
        ids = library.Input((7,), dtype="int32")
        layer = getattr(library, kind)
        x = library.Embedding(30, 6, mask_zero=True)(ids)
        x = library.Dropout(0.0)(library.Activation("tanh")(library.LayerNormalization()(library.Dense(5)(x))))
        x = library.GroupNormalization(1)(x)
        all_steps = layer(5, return_sequences=True)(x)
        both = library.Concatenate()([library.Add()([x, all_steps]), x])
        backward = layer(4, go_backwards=True, return_sequences=True)(both)
        ends = library.Concatenate()([layer(17)(both), layer(3, go_backwards=True)(all_steps), layer(6)(backward)])
        return model(ids, library.Dense(2)(library.Concatenate()([ends, library.Flatten()(all_steps)])))

    alike(build, words())


def test_what_is_put_together_with_an_unmasked_sequence_has_no_mask() -> None:
    """As in a block around norms that drop the mask."""

    def build(library: Any, model: Any) -> Any:
        ids = library.Input((7,), dtype="int32")
        masked = library.Embedding(30, 4, mask_zero=True)(ids)
        x = library.Add()([masked, library.Dense(4)(library.RMSNormalization()(masked))])
        x = library.Concatenate()([masked, x])
        return model(ids, library.Dense(2)(library.LSTM(5)(x)))

    alike(build, words())


@pytest.mark.parametrize("value", [0.0, -1.5])
def test_hidden_steps_are_those_of_one_value(value: float) -> None:
    x = steps()
    x[x == 0] = value
    x[4, 1], x[3, 1, 2] = np.nan, np.nan
    x[4, 1, 0] = value
    masked = nn.Sequential([nn.Input((7, 3)), nn.Masking(value)])
    theirs = keras.Sequential([keras.layers.Input((7, 3)), keras.layers.Masking(value)])
    np.testing.assert_array_equal(masked.predict(x), theirs.predict(x, verbose=0))

    def build(library: Any, model: Any) -> Any:
        inputs = library.Input((7, 3))
        hidden = library.Masking(value)(library.Rescaling(1.0)(inputs))
        return model(inputs, library.Dense(2)(library.SimpleRNN(4)(hidden)))

    alike(build, np.nan_to_num(x))


def test_gradients_go_to_steps_that_are_seen() -> None:
    """To the layer before a mask, whose steps are hidden by what it gives: Keras's numbers, and zeros elsewhere."""

    def build(library: Any, model: Any) -> Any:
        inputs = library.Input((7, 3))
        x = library.Masking()(library.Dense(3, activation="relu")(inputs))
        return model(inputs, library.Dense(2)(library.LSTM(4)(x)))

    alike(build, steps())


@pytest.mark.parametrize("is_masked", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_bidirectional_beside_kerass(kind: str, is_masked: bool) -> None:
    def build(library: Any, model: Any) -> Any:
        ids = library.Input((7,), dtype="int32")
        x = library.Embedding(30, 5, mask_zero=is_masked)(ids)
        layer = getattr(library, kind)
        x = library.Bidirectional(layer(4, return_sequences=True))(x)
        x = library.Bidirectional(layer(3, return_sequences=True), "sum")(x)
        parts = [library.Bidirectional(layer(5), mode)(x) for mode in ("mul", "ave", "concat")]
        other = library.Bidirectional(layer(5), backward_layer=layer(5, go_backwards=True, use_bias=False))
        return model(ids, library.Dense(2)(library.Concatenate()([*parts, other(x), library.Flatten()(x)])))

    alike(build, words())


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_of_no_steps_gives_the_state_before(kind: str) -> None:
    model = nn.Sequential([nn.Input((7, 3)), nn.Masking(), getattr(nn, kind)(5, bias_initializer="ones")])
    given = model.predict(np.zeros((2, 7, 3), np.float32))
    np.testing.assert_array_equal(given, np.zeros((2, 5)))
    wanted = model.predict(steps())
    for place, one in enumerate(steps()):
        np.testing.assert_array_equal(model.predict(one[None])[0], wanted[place])


KEPT: dict[str, Callable[[], list[Any]]] = {
    "Masking": lambda: [nn.Dense(3), nn.Masking(-0.5), nn.LSTM(4)],
    "Bidirectional": lambda: [nn.Bidirectional(nn.GRU(4, kernel_regularizer="l2")), nn.Dense(3)],
    "Bidirectional, all": lambda: [
        nn.Bidirectional(nn.LSTM(4, return_sequences=True), "ave", trainable=False), nn.LSTM(3)
    ],
    "Bidirectional, apart": lambda: [
        nn.Bidirectional(nn.LSTM(4), "mul", backward_layer=nn.GRU(4, go_backwards=True), name="both"), nn.Dense(2)
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_files_and_configs_keep_layers(tmp_path: Path, name: str) -> None:
    model = nn.Sequential([nn.Input((7, 3)), *KEPT[name](), nn.Dense(2)], seed=5)
    model.compile("adam", "mse")
    x, y = steps(), numbers(9, 2)
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    moved = [not (one == other).all() for one, other in zip(before, model.get_weights(), strict=True)]
    assert moved == ([False] * 6 + [True] * (len(moved) - 6) if "all" in name else [True] * len(moved))
    model.save(tmp_path / "model")
    loaded = nn.load_model(tmp_path / "model")
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in model.layers]
    assert [layer.get_config() for layer in loaded.layers] == [layer.get_config() for layer in model.layers]
    assert loaded.count_params() == model.count_params() == sum(weight.size for weight in model.get_weights())
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    again = nn.clone_model(model)
    assert again.get_config() == model.get_config()
    assert loaded.train_on_batch(x, y) == model.train_on_batch(x, y)
    model._laid().model.save(os.fsencode(tmp_path / "plain"))
    np.testing.assert_array_equal(nn.load_model(tmp_path / "plain").predict(x), model.predict(x))


def test_a_table_with_a_mask_is_kept(tmp_path: Path) -> None:
    model = nn.Sequential([nn.Input((7,), dtype="int32"), nn.Embedding(30, 4, mask_zero=True), nn.LSTM(3)])
    wanted = model.predict(words())
    model.save(tmp_path / "model")
    loaded = nn.load_model(tmp_path / "model")
    assert loaded.layers[0].mask_zero
    np.testing.assert_array_equal(loaded.predict(words()), wanted)
    plain = nn.Sequential([nn.Input((7,), dtype="int32"), nn.Embedding(30, 4), nn.LSTM(3)])
    plain.set_weights(model.get_weights())
    given = plain.predict(words())
    np.testing.assert_array_equal(given[7], plain.predict(words()[7:8])[0])
    assert (given[[1, 2, 8]] != wanted[[1, 2, 8]]).any()


def masked() -> Any:
    return nn.Masking()(nn.Input((7, 3)))


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.BatchNormalization()(masked()), "reads a sequence with a mask"),
    (
        lambda: nn.Model(one := nn.Input((7, 3)), nn.Add()([nn.Masking(1.0)(one), nn.Masking()(one)])),
        "one for all",
    ),
    (lambda: nn.Model(one := nn.Input((7, 3)), nn.Concatenate(1)([x := nn.Masking()(one), x])), "one for all"),
    (lambda: nn.Bidirectional(nn.LSTM(3), None), "merge_mode of .* is None"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("index", range(len(REFUSED)))
def test_masks_that_are_refused(index: int) -> None:
    call, says = REFUSED[index]
    with pytest.raises(martlet.UnsupportedError, match=says):
        made = call()
        nn.Model(made.inputs[0].inputs[0], made)


LOSSES = [
    ("sparse_categorical_crossentropy", ["accuracy"], "softmax"),
    ("mse", ["mae", "mse"], None),
    ("binary_crossentropy", ["binary_accuracy"], "sigmoid"),
]


@pytest.mark.parametrize(("loss", "metrics", "last"), LOSSES)
def test_losses_and_metrics_leave_hidden_steps_out(loss: str, metrics: list[str], last: str | None) -> None:
    """Batch by batch, one of them without a step that is seen. On JAX the metrics of Keras's fit count hidden steps,
    and those of its evaluate do not."""
    ids = np.concatenate([words(), np.zeros((3, 7), np.int32)])
    units = 1 if last == "sigmoid" else 4
    y: Any = np.random.default_rng(2).integers(0, 2, (12, 7)) if last else numbers(12, 7, 4)
    y = y[:, :, None].astype(np.float32) if last == "sigmoid" else y

    def build(library: Any, model: Any) -> Any:
        given = library.Input((7,), dtype="int32")
        x = library.SimpleRNN(5, return_sequences=True)(library.Embedding(30, 6, mask_zero=True)(given))
        return model(given, library.Dense(units, activation=last)(x))

    ours, theirs = build(nn, nn.Model), build(keras.layers, keras.Model)
    theirs.set_weights(ours.get_weights())
    ours.compile(nn.SGD(0.5), loss, metrics=metrics)
    theirs.compile(keras.optimizers.SGD(0.5), loss, metrics=metrics)
    fit: dict[str, Any] = {"batch_size": 3, "epochs": 2, "shuffle": False, "verbose": 0}
    losses = ours.fit(ids, y, **fit).history["loss"]
    np.testing.assert_allclose(losses, theirs.fit(ids, y, **fit).history["loss"], rtol=1e-4)
    for weight, wanted in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(weight, wanted, rtol=2e-4, atol=2e-5)
    scores = ours.evaluate(ids, y, 3, verbose=0)
    np.testing.assert_allclose(scores, theirs.evaluate(ids, y, 3, verbose=0), rtol=1e-4)
    changed = y.copy()
    changed[ids == 0] = 1 - y[ids == 0]
    assert ours.evaluate(ids, changed, 3, verbose=0) == scores
    ours.compile(nn.SGD(0.0), loss, metrics=metrics)
    history = ours.fit(ids, y, **fit).history
    np.testing.assert_allclose([history[name][1] for name in ("loss", *metrics)], scores, rtol=1e-6)


def test_weights_of_samples_are_those_of_their_steps() -> None:
    """By float64: Keras 3.15.1 knows none beside a mask."""
    ids, y = words(), np.random.default_rng(2).integers(0, 4, (9, 7))
    given = nn.Input((7,), dtype="int32")
    model = nn.Model(given, nn.Dense(4)(nn.Embedding(30, 6, mask_zero=True)(given)), seed=1)
    model.compile("sgd", nn.SparseCategoricalCrossentropy(from_logits=True))
    logits = model.predict(ids).astype(np.float64)
    each = np.log(np.exp(logits).sum(2)) - np.take_along_axis(logits, y[:, :, None], 2)[:, :, 0]
    weights = np.linspace(0, 2, 9, dtype=np.float32)
    wanted = (each * (ids != 0) * weights[:, None]).sum() / (ids != 0).sum()
    np.testing.assert_allclose(model.evaluate(ids, y, 9, 0, weights), wanted, rtol=1e-5)


def test_counts_and_areas_leave_hidden_steps_out() -> None:
    ids, y = words(), np.random.default_rng(2).integers(0, 2, (9, 7, 1)).astype(np.float32)
    given = nn.Input((7,), dtype="int32")
    x = nn.Embedding(30, 1, mask_zero=True, embeddings_initializer="random_normal")(given)
    model = nn.Model(given, nn.Activation("sigmoid")(x), seed=2)
    model.compile("sgd", "binary_crossentropy", metrics=["precision", "recall", "auc"])
    found = model.evaluate(ids, y, 4, verbose=0)
    answers, right = model.predict(ids)[ids != 0][:, 0], y[ids != 0][:, 0] == 1
    said = answers > 0.5
    hits = (said & right).sum()
    pairs = answers[right][:, None] - answers[~right]
    area = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    np.testing.assert_allclose(found[1:], [hits / said.sum(), hits / right.sum(), area], rtol=1e-5)
    with pytest.raises(martlet.UnsupportedError, match="R2"):
        model.compile("sgd", "mse", metrics=["r2_score"])
        model.evaluate(ids, y, verbose=0)


def test_means_of_the_steps_that_are_seen() -> None:
    """Keras gives NaN where there are none, and Martlet zeros."""

    def build(library: Any, model: Any) -> Any:
        given = library.Input((7,), dtype="int32")
        x = library.Dense(17, activation="tanh")(library.Embedding(30, 6, mask_zero=True)(given))
        return model(given, library.Dense(2)(library.GlobalAveragePooling1D()(x)))

    alike(build, words()[1:])
    inputs = nn.Input((7, 3))
    model = nn.Model(inputs, nn.GlobalAveragePooling1D()(nn.Masking()(inputs)))
    x = steps()
    wanted = [one[seen].mean(0) if seen.any() else np.zeros(3) for one, seen in zip(x, (x != 0).any(2), strict=True)]
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-5, atol=1e-6)


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.Masking("a"), martlet.DTypeError, "mask_value of"),  # type: ignore[arg-type]
    (lambda: nn.Sequential([nn.Input((3,)), nn.Masking()]), martlet.ShapeError, "wanted sequences"),
    (lambda: nn.Sequential([nn.Input((4, 3)), nn.Masking(1e39)]), martlet.ArgumentError, "mask_value of layer"),
    (
        lambda: nn.Sequential([nn.Input((4, 3), dtype="int32"), nn.Embedding(3, 2, mask_zero=True)]),
        martlet.ShapeError,
        "expected a sequence",
    ),
    (lambda: nn.Bidirectional(nn.Dense(3)), martlet.DTypeError, "wanted an LSTM"),  # type: ignore[arg-type]
    (lambda: nn.Bidirectional(nn.LSTM(3), "max"), martlet.ArgumentError, "merge_mode of .* is 'max'"),
    (lambda: nn.Bidirectional(nn.LSTM(3, go_backwards=True)), martlet.ArgumentError, "wanted False"),
    (lambda: nn.Bidirectional(nn.LSTM(3), backward_layer=nn.LSTM(3)), martlet.ArgumentError, "wanted True"),
    (
        lambda: nn.Bidirectional(
            nn.LSTM(3), backward_layer=nn.LSTM(3, go_backwards=True, return_sequences=True)
        ),
        martlet.ArgumentError,
        "has return_sequences=True; wanted False",
    ),
    (lambda: nn.Bidirectional.from_config({"layer": {"class_name": []}}), martlet.DTypeError, "layer|initializer"),
    (lambda: nn.Dense.from_config({"units": 3, "use_causal_mask": True}), martlet.ArgumentError, "Dense has not"),
    (
        lambda: nn.Sequential([
            nn.Input((4, 3)), nn.Bidirectional(nn.LSTM(3), "sum", backward_layer=nn.LSTM(2, go_backwards=True)),
        ]),
        martlet.ShapeError,
        "inputs|argument number",
    ),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(BAD)))
def test_bad_arguments(index: int) -> None:
    call, error, says = BAD[index]
    with pytest.raises(error, match=says):
        call()


def test_bidirectional_is_one_layer() -> None:
    layer = nn.Bidirectional(nn.LSTM(4), name="both")
    model = nn.Sequential([nn.Input((7, 3)), layer])
    assert layer.count_params() == 2 * (3 * 16 + 4 * 16 + 16)
    assert [name.rpartition("/")[0] for name in layer.weight_names] == ["both_forward"] * 3 + ["both_backward"] * 3
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert lines[-1] == f"Parameters: {layer.count_params()}, of which training changes {layer.count_params()}"
    with pytest.raises(martlet.OrderError):
        nn.Sequential([nn.Input((7, 3)), layer])


def test_bidirectional_has_layers_of_its_own(tmp_path: Path) -> None:
    """Those that it was given are free for others; its own are in its model, and trained as they say."""
    given = nn.LSTM(4)
    layer = nn.Bidirectional(given, backward_layer=nn.GRU(4, go_backwards=True))
    model = nn.Sequential([nn.Input((7, 3)), layer, nn.Dense(2)])
    assert nn.Sequential([nn.Input((7, 3)), given]).count_params() == 4 * (3 + 4 + 1) * 4
    with pytest.raises(martlet.OrderError, match="units of .* was read"):
        layer.layer.units = 5
    layer.layer.trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(steps(), numbers(9, 2), verbose=0)
    moved = [not (one == other).all() for one, other in zip(before, model.get_weights(), strict=True)]
    assert moved == [False] * 3 + [True] * 5
    assert [len(layer.non_trainable_weights), len(layer.trainable_weights)] == [3, 3]
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert lines[-1].endswith(f"of which training changes {model.count_params() - 4 * (3 + 4 + 1) * 4}")
    layer.layer.trainable = True
    model.save(tmp_path / "model")
    loaded = nn.load_model(tmp_path / "model")
    assert not loaded.layers[0].layer.trainable
    np.testing.assert_array_equal(loaded.predict(steps()), model.predict(steps()))
