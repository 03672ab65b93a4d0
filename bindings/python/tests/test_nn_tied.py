"""A table that an embedding and a head read: beside torch in float64 and its curves, and Keras's; in files, copies and
other words; and what is refused."""

from __future__ import annotations

import copy
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import onnx
import torch
from torch.nn import functional

import martlet.torch
from exported import alike
from martlet import nn

ROWS, WIDTH, STEPS = 13, 8, 6
X = np.random.default_rng(2).integers(0, ROWS, (24, STEPS)).astype(np.int32)
Y = np.random.default_rng(3).integers(0, ROWS, (24, STEPS)).astype(np.int32)
LOSS = nn.SparseCategoricalCrossentropy(from_logits=True)


def reversible(**options: Any) -> nn.Model:
    words = nn.Input((STEPS,), dtype="int32")
    table = nn.ReversibleEmbedding(ROWS, WIDTH, **options)
    return nn.Model(words, table(nn.Dense(WIDTH, activation="tanh")(table(words)), reverse=True), seed=4)


def biased(**options: Any) -> nn.Model:
    words = nn.Input((STEPS,), dtype="int32")
    rows = nn.Embedding(ROWS, WIDTH, embeddings_initializer=nn.RandomNormal(stddev=0.5))(words)
    x = nn.Dense(WIDTH, activation="tanh")(rows)
    return nn.Model(words, nn.TiedDense(bias_initializer="random_normal", **options)([x, rows]), seed=4)


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


# ---- torch ----


class NanoGPT(torch.nn.Module):
    """As Karpathy's writes it: the table is the head's weight, layer norms without biases are functions."""

    class Norm(torch.nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(width))

        def forward(self, x: Any) -> Any:
            return functional.layer_norm(x, self.weight.shape, self.weight, None, 1e-5)

    class Attention(torch.nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.c_attn = torch.nn.Linear(width, 3 * width, bias=False)
            self.c_proj = torch.nn.Linear(width, width, bias=False)

        def forward(self, x: Any) -> Any:
            samples, steps, width = x.size()
            parts = self.c_attn(x).split(width, dim=2)
            q, k, v = (part.view(samples, steps, 2, width // 2).transpose(1, 2) for part in parts)
            y = functional.scaled_dot_product_attention(q, k, v, attn_mask=None, dropout_p=0, is_causal=True)
            return self.c_proj(y.transpose(1, 2).contiguous().view(samples, steps, width))

    def __init__(self, bias: bool = False) -> None:
        super().__init__()
        part = torch.nn.ModuleDict
        self.transformer = part({
            "wte": torch.nn.Embedding(ROWS, WIDTH), "wpe": torch.nn.Embedding(STEPS, WIDTH),
            "h": torch.nn.ModuleList(
                part({
                    "ln_1": self.Norm(WIDTH), "attn": self.Attention(WIDTH), "ln_2": self.Norm(WIDTH),
                    "c_fc": torch.nn.Linear(WIDTH, 4 * WIDTH, bias=False),
                    "c_proj": torch.nn.Linear(4 * WIDTH, WIDTH, bias=False),
                })
                for _ in range(2)
            ),
            "ln_f": self.Norm(WIDTH),
        })  # fmt: skip
        self.lm_head = torch.nn.Linear(WIDTH, ROWS, bias=bias)
        self.transformer.wte.weight = self.lm_head.weight  # type: ignore[union-attr]

    def forward(self, idx: Any, targets: Any = None) -> Any:
        pos = torch.arange(0, idx.size(1), dtype=torch.long, device=idx.device)
        x = self.transformer["wte"](idx) + self.transformer["wpe"](pos)
        for block in self.transformer["h"]:  # type: ignore[attr-defined]
            x = x + block["attn"](block["ln_1"](x))
            x = x + block["c_proj"](functional.gelu(block["c_fc"](block["ln_2"](x))))
        logits = self.lm_head(self.transformer["ln_f"](x))
        if targets is None:
            return logits
        return logits, functional.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)

    def optimizer(self, kind: Any) -> Any:
        """Decay for what has two sizes, as there."""
        params = [*self.parameters()]
        groups = [
            {"params": [one for one in params if one.dim() >= 2], "weight_decay": 0.1},
            {"params": [one for one in params if one.dim() < 2], "weight_decay": 0.0},
        ]
        return kind(groups, lr=1e-2, betas=(0.9, 0.95))


@pytest.mark.parametrize("bias", [False, True])
def test_nanogpt_there_and_back(bias: bool) -> None:
    torch.manual_seed(1)
    module = NanoGPT(bias)
    ids = torch.from_numpy(X)
    model = nn.from_torch(module, ids)
    wanted = copy.deepcopy(module).double()(ids).detach().numpy()
    alike(model.predict(X), wanted)
    assert model.count_params() == sum(one.numel() for one in module.parameters())
    model.compile("adam", LOSS)
    model.fit(X, Y, verbose=0)
    other = NanoGPT(bias)
    nn.to_torch(model, other)
    assert other.lm_head.weight is other.transformer["wte"].weight
    alike(model.predict(X), copy.deepcopy(other).double()(ids).detach().numpy())


@pytest.mark.parametrize("clips", [False, True])
def test_curves_are_torchs(clips: bool) -> None:
    """AdamW whose groups decay by sizes, with and without a clip of all gradients' norm."""
    torch.manual_seed(2)
    module = NanoGPT(True)
    model = nn.from_torch(module, (torch.from_numpy(X), torch.from_numpy(Y).long()))
    options: dict[str, Any] = {"global_clipnorm": 0.5} if clips else {}
    optimizer = nn.AdamW(1e-2, weight_decay=0.1, beta_2=0.95, epsilon=1e-8, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma"])
    model.compile(optimizer, model.module_loss)  # type: ignore[attr-defined]
    theirs = module.optimizer(torch.optim.AdamW)
    found, wanted = [], []
    for step in range(40):
        rows = slice(8 * (step % 3), 8 * (step % 3) + 8)
        found.append(model.train_on_batch(X[rows], Y[rows]))
        loss = module(torch.from_numpy(X[rows]), torch.from_numpy(Y[rows]).long())[1]
        theirs.zero_grad()
        loss.backward()
        if clips:
            torch.nn.utils.clip_grad_norm_(module.parameters(), 0.5)
        theirs.step()
        wanted.append(loss.item())
    np.testing.assert_allclose(found, wanted, rtol=2e-3)
    np.testing.assert_allclose(found[:10], wanted[:10], rtol=2e-5)
    assert found[-1] < 0.9 * found[0]


def test_martlets_train_takes_it() -> None:
    torch.manual_seed(3)
    module = NanoGPT()
    other = copy.deepcopy(module)
    ids, targets = torch.from_numpy(X), torch.from_numpy(Y).long()
    martlet.torch.train(
        module, (ids, targets), None, torch.optim.Adam(module.parameters(), 1e-2), epochs=5, batch_size=24,
        shuffle=False, verbose=0,
    )  # fmt: skip
    optimizer = torch.optim.Adam(other.parameters(), 1e-2)
    for _ in range(5):
        loss = functional.cross_entropy(other(ids).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert module.lm_head.weight is module.transformer["wte"].weight
    for (name, mine), right in zip(module.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, right, atol=1e-4, rtol=1e-3, msg=name)


class Plain(torch.nn.Module):
    def __init__(self, way: str) -> None:
        super().__init__()
        self.table, self.between = torch.nn.Embedding(ROWS, WIDTH), torch.nn.Linear(WIDTH, WIDTH)
        self.way = way
        self.other = torch.nn.Linear(WIDTH, ROWS)
        if way in ("two", "embeddings"):
            self.other.weight = self.table.weight
        self.second = torch.nn.Embedding(ROWS, WIDTH)
        if way == "embeddings":
            self.second.weight = self.table.weight

    def forward(self, ids: Any) -> Any:
        x = torch.relu(self.between(self.table(ids)))
        if self.way == "function":
            return torch.relu(functional.linear(x, self.table.weight))
        if self.way == "two":
            return functional.linear(x, self.table.weight) + self.other(x)
        if self.way == "embeddings":
            return self.other(x * self.second(ids))
        return self.table(ids) + self.between(functional.linear(x, self.between.weight))


@pytest.mark.parametrize(("way", "heads"), [("function", 1), ("two", 2), ("embeddings", 1)])
def test_other_ways_to_write_it(way: str, heads: int) -> None:
    torch.manual_seed(4)
    module = Plain(way)
    model = nn.from_torch(module, torch.from_numpy(X))
    alike(model.predict(X), copy.deepcopy(module).double()(torch.from_numpy(X)).detach().numpy())
    assert sum(isinstance(one, nn.TiedDense) for one in model.layers) == heads
    assert sum(isinstance(one, nn.Embedding) for one in model.layers) == 1


def test_other_weights_of_two_layers_are_named() -> None:
    with pytest.raises(martlet.UnsupportedError, match="reads 'between.weight' otherwise than"):
        nn.from_torch(Plain("kernels"), torch.from_numpy(X))


def test_a_frozen_table_stays() -> None:
    module = NanoGPT(True)
    module.lm_head.weight.requires_grad_(False)
    model = nn.from_torch(module, torch.from_numpy(X))
    model.compile("adam", LOSS)
    before = module.lm_head.weight.clone()
    model.fit(X, Y, verbose=0)
    nn.to_torch(model, module)
    assert torch.equal(module.lm_head.weight, before) and module.lm_head.bias.abs().sum() > 0


class Padded(torch.nn.Module):
    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.rows = torch.nn.Embedding(ROWS, WIDTH, padding_idx=-3)
        self.between, self.head = torch.nn.Linear(WIDTH, WIDTH), torch.nn.Linear(WIDTH, ROWS)
        if tied:
            self.head.weight = self.rows.weight

    def forward(self, ids: Any) -> Any:
        return self.head(torch.tanh(self.between(self.rows(ids))))


@pytest.mark.parametrize("tied", [False, True])
def test_a_padding_row_has_no_gradient_as_one_that_is_named(tied: bool) -> None:
    torch.manual_seed(6)
    module = Padded(tied)
    model = nn.from_torch(module, torch.from_numpy(X))
    model.compile(nn.SGD(0.5, momentum=0.9), LOSS)
    optimizer = torch.optim.SGD(module.parameters(), 0.5, momentum=0.9)
    before = module.rows.weight[-3].detach().clone()
    ids, targets = torch.from_numpy(X), torch.from_numpy(Y).long().flatten()
    for _ in range(6):
        model.train_on_batch(X, Y)
        loss = functional.cross_entropy(module(ids).flatten(0, 1), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    table = model.layers[1]
    assert table.padding_idx == ROWS - 3
    np.testing.assert_allclose(table.get_weights()[0], module.rows.weight.detach(), atol=1e-5)
    assert torch.equal(before, module.rows.weight[-3].detach()) != tied


def test_padding_rows_in_files_and_what_is_refused(tmp_path: Path) -> None:
    model = nn.Sequential([nn.Input((STEPS,), dtype="int32"), nn.Embedding(ROWS, WIDTH, padding_idx=4), nn.Flatten()])
    model.save(tmp_path / "m.safetensors")
    for other in (nn.load_model(tmp_path / "m.safetensors"), nn.clone_model(model)):
        assert other.layers[0].padding_idx == 4
    assert nn.clone_model(reversible(padding_idx=3)).layers[1].padding_idx == 3
    with pytest.raises(martlet.UnsupportedError, match="has padding_idx 4, which Keras has not"):
        nn.to_keras(model)
    for wrong in (-1, ROWS):
        with pytest.raises(martlet.ArgumentError, match=f"padding_idx of .* is {wrong}"):
            nn.Embedding(ROWS, WIDTH, padding_idx=wrong)
    with pytest.raises(martlet.ArgumentError, match="padding_idx of layer 'embedding' is 0; expected -1 of a sparse"):
        nn.Sequential([nn.Input((STEPS,), dtype="int32"), nn.Embedding(ROWS, WIDTH, sparse=True, padding_idx=0)])


# ---- Keras ----


def theirs() -> Any:
    keras.utils.set_random_seed(5)
    words = keras.Input((STEPS,), dtype="int32")
    table = keras.layers.ReversibleEmbedding(ROWS, WIDTH, name="words")
    x = keras.layers.Dense(WIDTH, activation="tanh")(table(words))
    model = keras.Model(words, table(x, reverse=True))
    model.set_weights([weight + 0.3 * np.random.default_rng(place).standard_normal(weight.shape)
                       for place, weight in enumerate(model.get_weights())])  # fmt: skip
    return model


def test_keras_there_and_back(tmp_path: Path) -> None:
    model = theirs()
    model.save(tmp_path / "model.keras")
    right = np.asarray(model(X, training=False))
    for source in (model, tmp_path / "model.keras"):
        mine = nn.from_keras(source)
        alike(mine.predict(X), right)
        assert mine.count_params() == model.count_params()
    back = nn.to_keras(mine, tmp_path / "back.keras")
    alike(np.asarray(back(X, training=False)), right)
    assert [type(one).__name__ for one in back.layers] == [type(one).__name__ for one in model.layers]
    np.testing.assert_array_equal(nn.from_keras(tmp_path / "back.keras").predict(X), mine.predict(X))


def test_an_embedding_whose_table_a_head_reads_is_reversible_in_keras() -> None:
    words = nn.Input((STEPS,), dtype="int32")
    rows = nn.Embedding(ROWS, WIDTH)(words)
    model = nn.Model(words, nn.TiedDense(use_bias=False)([nn.Dense(WIDTH)(rows), rows]))
    back = nn.to_keras(model)
    alike(np.asarray(back(X, training=False)), model.predict(X))
    assert isinstance(back.layers[1], keras.layers.ReversibleEmbedding)
    with pytest.raises(martlet.UnsupportedError, match="has a bias or an activation"):
        nn.to_keras(biased())


def test_curves_are_kerass() -> None:
    model = theirs()
    mine = nn.from_keras(model)
    mine.compile(nn.Adam(0.01), LOSS)
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for step in range(15):
        rows = slice(8 * (step % 3), 8 * (step % 3) + 8)
        np.testing.assert_allclose(
            mine.train_on_batch(X[rows], Y[rows]), float(model.train_on_batch(X[rows], Y[rows])), rtol=1e-4
        )


@pytest.mark.parametrize(
    ("options", "text"),
    [({"tie_weights": False}, "tie_weights of .* is False"), ({"logit_soft_cap": 30.0}, "logit_soft_cap"),
     ({"reverse_dtype": "float16"}, "reverse_dtype")],
)  # fmt: skip
def test_what_else_it_does_in_keras_is_named(options: dict[str, Any], text: str) -> None:
    words = keras.Input((STEPS,), dtype="int32")
    table = keras.layers.ReversibleEmbedding(ROWS, WIDTH, **options)
    with pytest.raises(martlet.UnsupportedError, match=text):
        nn.from_keras(keras.Model(words, table(table(words), reverse=True)))
    with pytest.raises(martlet.UnsupportedError, match=text.partition(" ")[0]):
        nn.ReversibleEmbedding(ROWS, WIDTH, **options)


def test_reverse_before_tokens_is_named() -> None:
    inputs, words = keras.Input((WIDTH,)), keras.Input((STEPS,), dtype="int32")
    table = keras.layers.ReversibleEmbedding(ROWS, WIDTH)
    outputs = table(inputs, reverse=True)
    with pytest.raises(martlet.UnsupportedError, match="called in reverse and has read no tokens"):
        nn.from_keras(keras.Model([inputs, words], [outputs, table(words)]))
    with pytest.raises(martlet.OrderError, match=r"wanted layer\(tokens\) before"):
        nn.ReversibleEmbedding(ROWS, WIDTH)(nn.Input((WIDTH,)), reverse=True)


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
