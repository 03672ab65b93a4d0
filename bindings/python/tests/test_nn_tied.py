"""A table that an embedding and a head read: a step beside torch's in float64; in files, copies and other words; and
what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional

import martlet
from martlet import nn
from tied_models import LOSS, ROWS, STEPS, WIDTH, X, Y, biased, reversible


def test_outputs_and_one_step_beside_float64() -> None:
    model = biased(activation="softmax")
    before = [weight.astype(np.float64) for weight in model.get_weights()]
    assert [weight.shape for weight in before] == [(ROWS, WIDTH), (WIDTH, WIDTH), (WIDTH,), (ROWS,)]
    model.compile(nn.SGD(1.0), nn.SparseCategoricalCrossentropy())
    found = model.predict(X)
    params = [torch.tensor(weight, requires_grad=True) for weight in before]
    table, kernel, bias, head = params
    logits = torch.tanh(table[torch.from_numpy(X).long()] @ kernel + bias) @ table.T + head
    np.testing.assert_allclose(found, logits.softmax(-1).detach().numpy(), atol=1e-6)
    functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(Y).long().flatten()).backward()
    model.train_on_batch(X, Y)
    for mine, start, right in zip(model.get_weights(), before, params, strict=True):
        assert right.grad is not None
        np.testing.assert_allclose(start - mine, right.grad.numpy(), atol=3e-7)


@pytest.mark.parametrize("make", [reversible, biased])
def test_it_is_one_weight_wherever_weights_are_counted(make: Any) -> None:
    model = make()
    heads = 0 if make is reversible else ROWS
    assert model.count_params() == ROWS * WIDTH + WIDTH * WIDTH + WIDTH + heads
    names = [name for layer in model.layers if layer.count_params() for name in layer.weight_names]
    assert sum("embeddings" in name for name in names) == 1
    assert len(model.trainable_weights) == len(model.get_weights()) == (3 if make is reversible else 4)
    table = model.layers[1]
    table.trainable = False
    model.compile("adam", LOSS)
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    same = [np.array_equal(one, other) for one, other in zip(model.get_weights(), before, strict=True)]
    assert same == [True, *[False] * (len(before) - 1)]


def train(model: nn.Model, epochs: int = 2) -> list[bytes]:
    model.fit(X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return [weight.tobytes() for weight in model.get_weights()]


@pytest.mark.parametrize("make", [reversible, biased])
def test_files_and_copies(make: Any, tmp_path: Path) -> None:
    model, whole = make(), make()
    for one in (model, whole):
        one.compile(nn.AdamW(0.01, weight_decay=0.1), LOSS)
    wanted = train(whole, 4)
    train(model)
    model.save(tmp_path / "m.safetensors")
    loaded = nn.load_model(tmp_path / "m.safetensors")
    assert [type(one) for one in loaded.layers] == [type(one) for one in model.layers]
    assert train(loaded) == train(model) == wanted
    for other in (nn.clone_model(model), nn.Model.from_config(model.get_config())):
        other.set_weights(model.get_weights())
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        assert other.count_params() == model.count_params()


def test_files_that_no_python_wrote(tmp_path: Path) -> None:
    """Without notes the graph is what the library says."""
    model = biased(activation="gelu")
    model.save(tmp_path / "m.safetensors")
    content = (tmp_path / "m.safetensors").read_bytes()
    (tmp_path / "m.safetensors").write_bytes(content.replace(b"note.python", b"note.pithon"))
    loaded = nn.load_model(tmp_path / "m.safetensors")
    head = loaded.layers[-1]
    assert isinstance(head, nn.TiedDense) and (head.activation, head.use_bias) == ("gelu", True)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert b"table=1" in content
    for number in b"0", b"2", b"3", b"9", b"-":
        (tmp_path / "m.safetensors").write_bytes(content.replace(b"table=1", b"table=" + number))
        with pytest.raises(martlet.FormatError):
            nn.load_model(tmp_path / "m.safetensors")


def test_numbers_that_follow_are_those_of_whole_sequences() -> None:
    words = nn.Input((STEPS,), dtype="int32")
    table = nn.ReversibleEmbedding(ROWS, WIDTH)
    x = table(words)
    x = x + nn.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)
    model = nn.Model(words, table(x, reverse=True), seed=6)
    whole = model.predict(X)
    for step in range(STEPS):
        found = model.predict_next(X[:, step : step + 1], reset=step == 0)
        np.testing.assert_array_equal(found[:, 0], whole[:, step])
    found = model.generate(X[:, :2], 3, temperature=0)
    for place in range(2, 5):
        padded = np.zeros_like(X)
        padded[:, :place] = found[:, :place]
        np.testing.assert_array_equal(model.predict(padded)[:, place - 1].argmax(-1), found[:, place])


def test_several_heads_several_places_and_masks() -> None:
    words, others = nn.Input((STEPS,), dtype="int32"), nn.Input((STEPS,), dtype="int32")
    table = nn.Embedding(ROWS, WIDTH, mask_zero=True)
    rows, more = table(words), table(others)
    head = nn.TiedDense("tanh")
    first = head([nn.LSTM(WIDTH, return_sequences=True)(rows), rows])
    second = head([nn.GRU(WIDTH)(more), more])
    model = nn.Model([words, others], [first, second, nn.TiedDense(use_bias=False)([rows, more])])
    assert model.count_params() == sum(weight.size for weight in model.get_weights())
    found = model.predict([X, X[::-1].copy()])
    np.testing.assert_allclose(found[2], table.get_weights()[0][X] @ table.get_weights()[0].T, atol=1e-6)
    assert found[1].shape == (len(X), ROWS)


# ---- other words ----


def test_onnx_has_the_table_once(tmp_path: Path) -> None:
    model = biased()
    model.to_onnx(tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx").graph
    tables = [one.name for one in graph.initializer if [*one.dims] in ([ROWS, WIDTH], [WIDTH, ROWS])]
    assert len(tables) == 1 and sum(tables[0] in node.input for node in graph.node) == 2


def test_c_has_the_table_once(tmp_path: Path) -> None:
    model = biased()
    model.to_c(tmp_path / "m.c")
    text = (tmp_path / "m.c").read_text()
    sizes = [array.count("f,") for array in re.findall(r"static const float a\d+\[\] = \{(.*?)\};", text, re.DOTALL)]
    assert sizes.count(ROWS * WIDTH) == 1
    assert f"constants: {sum(sizes)} numbers" in text


# ---- what is refused ----


def test_what_it_cannot_read_is_named() -> None:
    words = nn.Input((STEPS,), dtype="int32")
    rows, numbers = nn.Embedding(ROWS, WIDTH)(words), nn.Input((STEPS, WIDTH))
    for given in (rows, [rows], [rows, rows, rows]):
        with pytest.raises(martlet.ShapeError):
            nn.TiedDense()(given)
    with pytest.raises(martlet.DTypeError, match="wanted what an Embedding does"):
        nn.TiedDense()([rows, numbers])
    with pytest.raises(martlet.ShapeError, match=r"samples of shape \(6,\); wanted 8 as the last size"):
        nn.TiedDense()([words, rows])
    with pytest.raises(martlet.UnsupportedError, match="which is sparse"):
        nn.TiedDense()([rows, nn.Embedding(ROWS, WIDTH, sparse=True)(words)])
    head = nn.TiedDense()
    first = head([rows, rows])
    with pytest.raises(martlet.ArgumentError, match="wanted one for all"):
        head([rows, nn.Embedding(ROWS, WIDTH)(words)])
    assert first.sizes == (STEPS, ROWS)
    with pytest.raises(martlet.DTypeError, match="which reads several nodes"):
        nn.Sequential([nn.Input((STEPS,), dtype="int32"), nn.Embedding(ROWS, WIDTH), nn.TiedDense()])
    with pytest.raises(martlet.DTypeError):
        nn.ReversibleEmbedding(ROWS, WIDTH)(words, reverse="yes")


def test_sizes_that_are_open() -> None:
    words = nn.Input((None,), dtype="int32")
    table = nn.ReversibleEmbedding(ROWS, WIDTH)
    model = nn.Model(words, table(nn.Dense(WIDTH)(table(words)), reverse=True))
    assert model.output_shape == (None, None, ROWS)
    np.testing.assert_array_equal(model.predict(X[:, :3]), model.predict(X)[:, :3])
