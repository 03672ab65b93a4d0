"""Modules of torch's whose head has the table of an embedding, and padding rows: there, trained beside torch, back."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import martlet.torch
from exported import alike
from martlet import nn
from tied_models import LOSS, ROWS, STEPS, WIDTH, X, Y, reversible


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

    def read(self, idx: Any) -> Any:
        pos = torch.arange(0, idx.size(1), dtype=torch.long, device=idx.device)
        x = self.transformer["wte"](idx) + self.transformer["wpe"](pos)
        for block in self.transformer["h"]:  # type: ignore[attr-defined]
            x = x + block["attn"](block["ln_1"](x))
            x = x + block["c_proj"](functional.gelu(block["c_fc"](block["ln_2"](x))))
        return self.transformer["ln_f"](x)

    def forward(self, idx: Any, targets: Any = None) -> Any:
        logits = self.lm_head(self.read(idx))
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


class OfTheLastStep(NanoGPT):
    """What it gives there without targets."""

    def forward(self, idx: Any, targets: Any = None) -> Any:
        return self.lm_head(self.read(idx)[:, [-1], :]), None


def test_nanogpt_without_targets() -> None:
    torch.manual_seed(1)
    module, ids = OfTheLastStep(), torch.from_numpy(X)
    model = nn.from_torch(module, ids)
    alike(model.predict(X), copy.deepcopy(module).double()(ids)[0].detach().numpy())


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
