"""MultiHeadAttention and PositionEmbedding: beside Keras's with the same weights, beside torch, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import martlet
from graphs import NDArray, alike, numbers
from martlet import nn
from test_nn_masks import words


def test_attention_beside_kerass() -> None:
    """Of itself and of another sequence, seen whole or up to its own place, with and without biases."""

    def build(library: Any, model: Any) -> Any:
        left, right = library.Input((7, 6)), library.Input((5, 4))
        x, y = library.Dense(6)(left), library.Dense(6)(right)
        own = library.MultiHeadAttention(2, 5)(x, x, use_causal_mask=True)
        wide = library.MultiHeadAttention(3, 17, use_bias=False)(x, y)
        other = library.MultiHeadAttention(1, 16)(own, y, library.Dense(3)(right))
        parts = [library.Flatten()(one) for one in (own, wide, other)]
        return model([left, right], library.Dense(2)(library.Concatenate()(parts)))

    alike(build, [numbers(6, 7, 6), numbers(6, 5, 4)[::-1].copy()])


def test_masks_of_values_beside_kerass() -> None:
    """Of sequences that hold something: Keras gives the mean of all values where nothing is seen."""
    ids = words()[1:]

    def build(library: Any, model: Any) -> Any:
        given = library.Input((7,), dtype="int32")
        x = library.Embedding(30, 6, mask_zero=True)(given)
        x = library.Add()([x, library.MultiHeadAttention(2, 3)(x, x)])
        return model(given, library.Dense(2)(library.GRU(4)(library.LayerNormalization()(x))))

    alike(build, ids)


def test_masks_of_keys_beside_kerass() -> None:
    ids = words()[1:]

    def build(library: Any, model: Any) -> Any:
        given = library.Input((7,), dtype="int32")
        keys, values = library.Embedding(30, 6, mask_zero=True)(given), library.Embedding(30, 5)(given)
        return model(given, library.Dense(2)(library.Flatten()(library.MultiHeadAttention(2, 3)(values, values, keys))))

    alike(build, ids)
    one, other = nn.Masking()(inputs := nn.Input((4, 3))), nn.Masking(1.0)(inputs)
    with pytest.raises(martlet.UnsupportedError, match="one for all"):
        nn.Model(inputs, nn.MultiHeadAttention(2, 3)(inputs, one, other))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_comes_out_so(value: float) -> None:
    """A row none of whose scores is a number is none that sees nothing."""
    given, seen = nn.Input((4, 3)), nn.Input((5, 3))
    for x in (seen, nn.Masking()(seen)):
        model = nn.Model([given, seen], nn.Flatten()(nn.MultiHeadAttention(2, 3)(given, x)))
        queries, values = numbers(2, 4, 3), numbers(2, 5, 3)
        queries[0, 1], values[0, 3:] = value, 0
        found = model.predict([queries, values]).reshape(2, 4, 3)
        assert np.isnan(found[0, 1]).all()
        assert np.isfinite(np.delete(found.reshape(8, 3), 1, 0)).all()


def test_in_a_model_inside_another() -> None:
    """Which predicts by itself too, and counts its weights."""
    inside = nn.Input((4, 3))
    layer = nn.MultiHeadAttention(2, 5)
    inner = nn.Model(inside, nn.Dense(2)(layer(inside, inside)))
    inputs = nn.Input((4, 3))
    model = nn.Model(inputs, nn.Activation("linear")(inner(inputs)))
    np.testing.assert_array_equal(inner.predict(numbers(2, 4, 3)), model.predict(numbers(2, 4, 3)))
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert lines[-1] == f"Parameters: {sum(one.size for one in model.get_weights())}, of which training changes 161"
    assert layer(inputs, inputs).sizes == (4, 3)


def test_rows_that_see_nothing_get_zeros() -> None:
    """And give no gradient: what is behind them is the output's bias alone."""
    inputs = nn.Input((4, 3))
    layer = nn.MultiHeadAttention(2, 3)
    x = nn.Masking()(inputs)
    model = nn.Model(inputs, nn.Flatten()(layer(x, x)))
    bias = numbers(3)
    layer.set_weights([*layer.get_weights()[:-1], bias])
    given = model.predict(np.zeros((2, 4, 3), np.float32)).reshape(2, 4, 3)
    np.testing.assert_array_equal(given, np.broadcast_to(bias, given.shape))
    before = layer.get_weights()
    model.compile("sgd", "mse")
    model.fit(np.zeros((2, 4, 3), np.float32), numbers(2, 12), verbose=0)
    changed = [not (one == other).all() for one, other in zip(before, layer.get_weights(), strict=True)]
    assert changed == [False] * 7 + [True]


def test_beside_torch() -> None:
    """Weights of torch's are turned, and of queries, keys and values in one."""
    torch.manual_seed(3)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    inputs = nn.Input((5, 8))
    layer = nn.MultiHeadAttention(2, 4)
    model = nn.Model(inputs, nn.Activation("linear")(layer(inputs, inputs, use_causal_mask=True)))
    kernels = [part.T.reshape(8, 2, 4) for part in theirs.in_proj_weight.detach().numpy().reshape(3, 8, 8)]
    biases = [*theirs.in_proj_bias.detach().numpy().reshape(3, 2, 4)]
    last = [theirs.out_proj.weight.detach().numpy().T.reshape(2, 4, 8), theirs.out_proj.bias.detach().numpy()]
    layer.set_weights([array for pair in zip(kernels, biases, strict=True) for array in pair] + last)
    x = numbers(3, 5, 8)
    hidden = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    given = torch.from_numpy(x)
    wanted = theirs(given, given, given, attn_mask=hidden, need_weights=False)[0].detach().numpy()
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-4, atol=1e-6)


def test_slopes_are_those_of_differences_in_float64() -> None:
    x, y = numbers(3, 4, 6), numbers(3, 4, 6)
    inputs = nn.Input((4, 6))
    layer = nn.MultiHeadAttention(2, 3)
    model = nn.Model(inputs, layer(inputs, inputs, use_causal_mask=True))
    start = [np.random.default_rng(k).normal(0, 0.5, w.shape).astype("f") for k, w in enumerate(layer.get_weights())]
    layer.set_weights(start)
    exact = [weight.astype(np.float64) for weight in start]

    def given() -> NDArray:
        q, k, v = (np.einsum("btf,fhd->bthd", x, exact[2 * n]) + exact[2 * n + 1] for n in range(3))
        scores = np.einsum("bthd,bshd->bhts", q, k) / np.sqrt(3)
        scores[:, :, ~np.tri(4, dtype=bool)] = -np.inf
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        taken: NDArray = np.einsum("bhts,bshd->bthd", weights, v)
        return np.einsum("bthd,hdf->btf", taken, exact[6]) + exact[7]

    np.testing.assert_allclose(model.predict(x), given(), rtol=1e-4, atol=1e-6)
    model.compile(nn.SGD(1.0), "mse")
    model.train_on_batch(x, y)
    for before, after, weight in zip(start, layer.get_weights(), exact, strict=True):
        wanted = np.empty(weight.shape)
        for place in np.ndindex(*weight.shape):
            kept = weight[place]
            sides = []
            for width in (1e-5, -1e-5):
                weight[place] = kept + width
                sides.append(((given() - y) ** 2).mean())
            wanted[place] = (sides[0] - sides[1]) / 2e-5
            weight[place] = kept
        np.testing.assert_allclose(before - after, wanted, rtol=1e-3, atol=1e-6)


def test_training_drops_weights() -> None:
    """Values are the unit vectors, so that outputs are the weights: each is 0 or 1 / (1 - rate) times what it is in a
    prediction, a share of them that the rate says; slopes are those of the weights that were left, by float64."""
    inputs = nn.Input((16, 16))
    layer = nn.MultiHeadAttention(1, 16, dropout=0.25, use_bias=False)
    model = nn.Model(inputs, layer(inputs, inputs), seed=3)
    q, k = 0.3 * numbers(16, 16), 0.2 * numbers(16, 16)[::-1]
    start = [q.reshape(16, 1, 16), k.reshape(16, 1, 16), np.eye(16)[:, None], np.eye(16)[None]]
    layer.set_weights(start)
    x = np.broadcast_to(np.eye(16, dtype=np.float32), (50, 16, 16)).copy()
    slopes, seen = numbers(50, 16, 16), []

    def loss(wanted: NDArray, given: NDArray) -> tuple[NDArray, NDArray]:
        seen.append(given.astype(np.float64))
        return np.zeros(len(given)), wanted

    model.compile(nn.SGD(1.0), loss)
    whole = model.predict(x).astype(np.float64)
    for _ in range(2):
        model.differentiate(x, slopes)
    np.testing.assert_array_equal(seen[0], seen[1])
    left = seen[0] / whole
    assert np.isclose(left, 0).mean() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_allclose(left[left > 0.5], 1 / 0.75, rtol=1e-4)
    assert len({one.tobytes() for one in left}) == 50
    inner = left * slopes * whole
    inner = (inner - whole * inner.sum(2, keepdims=True)) / 4
    wanted = [
        np.einsum("bij,jf->if", inner, k.astype(np.float64)),
        np.einsum("bij,if->jf", inner, q.astype(np.float64)),
        np.einsum("bij,bif->jf", seen[0], slopes),
    ]
    found = model.gradients()[: 3 * 256].reshape(3, 16, 16) * 50
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)
    model.step()
    layer.set_weights(start)
    model.differentiate(x, slopes)
    assert (seen[2] != seen[0]).any()


def test_positions_are_rows_of_a_table() -> None:
    inputs = nn.Input((5, 3))
    layer = nn.PositionEmbedding(5, "random_normal")
    model = nn.Model(inputs, nn.Flatten()(inputs + layer(inputs)))
    (table,) = layer.get_weights()
    assert table.shape == (5, 3)
    x, y = numbers(4, 5, 3), numbers(4, 15)
    np.testing.assert_array_equal(model.predict(x), (x + table).reshape(4, 15))
    model.compile(nn.SGD(1.0), "mse")
    model.train_on_batch(x, y)
    slope = 2 * ((x + table).reshape(4, 15) - y).sum(0) / y.size
    np.testing.assert_allclose(table - layer.get_weights()[0], slope.reshape(5, 3), rtol=1e-4, atol=1e-6)


def block(library: Any, x: Any, heads: int) -> Any:
    size = x.shape[-1] if library is not nn else x.sizes[-1]
    normal = library.LayerNormalization()(x)
    x = library.Add()([x, library.MultiHeadAttention(heads, size // heads)(normal, normal, use_causal_mask=True)])
    wide = library.Dense(4 * size, activation="gelu")(library.LayerNormalization()(x))
    return library.Add()([x, library.Dense(size)(wide)])


def test_a_small_transformer_trains_as_kerass() -> None:
    def build(library: Any, model: Any) -> Any:
        ids = library.Input((12,), dtype="int32")
        x = library.Embedding(20, 16)(ids)
        for _ in range(2):
            x = block(library, x, 4)
        return model(ids, library.Dense(20)(library.LayerNormalization()(x)))

    ids = np.random.default_rng(2).integers(0, 20, (32, 13)).astype(np.int32)
    ids[:, 1::2] = ids[:, ::2][:, :6]
    x, y = ids[:, :-1], ids[:, 1:]
    ours, theirs = build(nn, nn.Model), build(keras.layers, keras.Model)
    theirs.set_weights(ours.get_weights())
    ours.compile(nn.Adam(0.01), nn.SparseCategoricalCrossentropy(from_logits=True))
    theirs.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    fit: dict[str, Any] = {"batch_size": 8, "epochs": 4, "shuffle": False, "verbose": 0}
    losses = ours.fit(x, y, **fit).history["loss"]
    np.testing.assert_allclose(losses, theirs.fit(x, y, **fit).history["loss"], rtol=5e-3)
    assert losses[-1] < losses[0]


def test_initial_values_files_and_threads(tmp_path: Path) -> None:
    inputs = nn.Input((30, 24))
    layer = nn.MultiHeadAttention(4, 16, value_dim=3, dropout=0.2, name="attends")
    x = nn.PositionEmbedding(30)(inputs) + inputs
    model = nn.Model(inputs, nn.Dense(2)(layer(x, x, use_causal_mask=True)), seed=3)
    theirs = keras.layers.MultiHeadAttention(4, 16, value_dim=3)
    theirs.build((None, 30, 24), (None, 30, 24))
    for mine, other in zip(layer.get_weights(), theirs.get_weights(), strict=True):
        assert mine.shape == other.shape
        np.testing.assert_allclose(np.abs(mine).max(), np.abs(other).max(), rtol=0.1)
    assert layer.count_params() == sum(weight.size for weight in layer.get_weights())
    model.compile("adam", "mse")
    values, wanted = numbers(5, 30, 24), numbers(5, 30, 2)
    model.fit(values, wanted, verbose=0)
    model.save(tmp_path / "model")
    loaded = nn.load_model(tmp_path / "model")
    assert [one.get_config() for one in loaded.layers] == [one.get_config() for one in model.layers]
    given = model.predict(values)
    np.testing.assert_array_equal(loaded.predict(values), given)
    assert loaded.train_on_batch(values, wanted) == model.train_on_batch(values, wanted)
    assert nn.clone_model(model).get_config() == model.get_config()
    given = model.predict(values)
    threads = martlet.get_num_threads()
    try:
        for count in (1, 2, 3):
            martlet.set_num_threads(count)
            np.testing.assert_array_equal(model.predict(values), given)
            np.testing.assert_array_equal(model.predict(values, batch_size=1), given)
    finally:
        martlet.set_num_threads(threads)


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.MultiHeadAttention(0, 3), martlet.ArgumentError, "num_heads of .* is 0"),
    (lambda: nn.MultiHeadAttention(2, 3, dropout=1.0), martlet.ArgumentError, "dropout of .* is 1.0"),
    (lambda: nn.MultiHeadAttention(2, 3, dropout=-0.1), martlet.ArgumentError, "dropout of .* is -0.1"),
    (lambda: nn.MultiHeadAttention(2, 3, attention_axes=1), martlet.UnsupportedError, "attention_axes of .* is 1"),
    (lambda: nn.MultiHeadAttention(2, 3)(nn.Input((4, 3))), martlet.ShapeError, "called with one node"),
    (lambda: nn.MultiHeadAttention(1, 2**31)(one := nn.Input((4, 3)), one), martlet.ArgumentError, "num_heads times"),
    (
        lambda: nn.MultiHeadAttention(2, 3)(one := nn.Input((4, 3)), one, attention_mask=1),
        martlet.UnsupportedError, "attention_mask of .* is 1",
    ),
    (
        lambda: nn.MultiHeadAttention.from_config({"num_heads": 2, "key_dim": 3, "use_causal_mask": "a"})._called_with(
            [nn.Input((4, 3))] * 2
        ),
        martlet.DTypeError, "use_causal_mask of .* is 'a'",
    ),
    (
        lambda: nn.MultiHeadAttention(2, 3)(nn.Input((4,)), nn.Input((4, 3))), martlet.ShapeError, "wanted sequences",
    ),
    (
        lambda: nn.MultiHeadAttention(2, 3)(nn.Input((4, 3)), nn.Input((5, 3)), nn.Input((6, 3))),
        martlet.ShapeError,
        "keys as long as queries",
    ),
    (lambda: nn.PositionEmbedding(4)(nn.Input((5, 3))), martlet.ShapeError, "sequences of 5 steps; wanted 4 at most"),
    (lambda: nn.PositionEmbedding(4, "none"), martlet.ArgumentError, "initializer of .* is 'none'"),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(BAD)))
def test_bad_arguments(index: int) -> None:
    call, error, says = BAD[index]
    with pytest.raises(error, match=says):
        call()
