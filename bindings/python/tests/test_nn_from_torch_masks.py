"""Models of torch's modules with padding: masks of keys, by inputs of bools, words and lengths; against torch in
float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import martlet
import martlet.torch
from martlet.nn import from_torch

SAMPLES, STEPS = 5, 6
LENGTHS = torch.tensor([6, 1, 3, 5, 2])
X = torch.randn(SAMPLES, STEPS, 8, generator=torch.Generator().manual_seed(1))
HOLES = torch.tensor(
    [[0, 0, 0, 0, 0, 0], [1, 0, 1, 1, 0, 1], [0, 0, 0, 1, 1, 1], [1, 1, 0, 0, 0, 0], [0, 1, 1, 1, 1, 1]]
)


class Padded(nn.Module):
    """Attention whose padding an input says in some way."""

    def __init__(self, hidden: Callable[[Any], Any], causal: bool = False, is_first: bool = True) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=is_first)
        self.last = nn.Linear(8, 3)
        self.hidden, self.causal, self.is_first = hidden, causal, is_first

    def forward(self, x: Any, says: Any) -> Any:
        mask = torch.ones(x.size(1), x.size(1), dtype=torch.bool).triu(1) if self.causal else None
        x = x if self.is_first else x.transpose(0, 1)
        hidden = self.hidden(says)
        if hidden.is_floating_point():
            hidden = hidden.to(x.dtype)
        found, _ = self.attention(x, x, x, key_padding_mask=hidden, attn_mask=mask, need_weights=True)
        return self.last(found if self.is_first else found.transpose(0, 1))


class Encoder(nn.Module):
    def __init__(self, norm_first: bool) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=norm_first)
        self.table, self.encoder, self.last = nn.Embedding(20, 8), nn.TransformerEncoder(layer, 2), nn.Linear(8, 3)

    def forward(self, ids: Any) -> Any:
        return self.last(self.encoder(self.table(ids), src_key_padding_mask=ids == 0).mean(1))


class Products(nn.Module):
    """scaled_dot_product_attention under a mask of what is seen."""

    def __init__(self, seen: Callable[[Any], Any]) -> None:
        super().__init__()
        self.inner, self.last, self.seen = nn.Linear(8, 24), nn.Linear(8, 8), seen

    def forward(self, x: Any, says: Any) -> Any:
        parts = [one.unflatten(2, (2, 4)).transpose(1, 2) for one in self.inner(x).chunk(3, 2)]
        found = nn.functional.scaled_dot_product_attention(*parts, attn_mask=self.seen(says)[:, None, None, :])
        return self.last(found.transpose(1, 2).flatten(2))


class Decoder(nn.Module):
    """Of a sequence that reads another one, each with padding."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(8, 2, 16, 0.0, batch_first=True)

    def forward(self, x: Any, other: Any, own: Any, theirs: Any) -> Any:
        return self.layer(x, other, tgt_key_padding_mask=own, memory_key_padding_mask=theirs)


def agree(module: Any, *given: Any) -> Any:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    model = from_torch(module, given)
    exact = copy.deepcopy(module).double().eval()
    with torch.no_grad():
        wanted = exact(*(one.double() if one.is_floating_point() else one for one in given)).numpy()
    found = model.predict([one.numpy() for one in given] if len(given) > 1 else given[0].numpy())
    assert np.isfinite(wanted).all()
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()
    return model


WAYS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "bools": (lambda says: says, HOLES == 1),
    "bools that are seen": (lambda says: ~says, HOLES == 0),
    "not seen": (lambda says: says.logical_not(), HOLES == 0),
    "ones": (lambda says: says == 1, HOLES),
    "words": (lambda says: says == 7, torch.where(HOLES == 1, 7, torch.arange(STEPS) + 2 * (torch.arange(STEPS) > 4))),
    "words that are seen": (lambda says: ~(says != 0), 3 * (1 - HOLES)),
    "words beside a tensor": (lambda says: says == torch.tensor(1), HOLES),
    "numbers": (lambda says: torch.zeros(says.shape).masked_fill(says, float("-inf")), HOLES == 1),
    "lengths": (lambda says: torch.arange(STEPS)[None] >= says[:, None], LENGTHS),
    "lengths, the other way": (lambda says: says.unsqueeze(1) <= torch.arange(STEPS).expand(1, STEPS), LENGTHS),
    "lengths of int32": (lambda says: ~(torch.arange(STEPS) < says), LENGTHS[:, None].int()),
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_ways_to_say_padding(way: str, causal: bool) -> None:
    hidden, says = WAYS[way]
    if causal:
        says = says.clone()  # where each step sees one
        if says.shape[-1] == STEPS and says.dim() == 2:
            says[:, 0] = says[0, 0]
    agree(Padded(hidden, causal, is_first=not causal), X, says)


@pytest.mark.parametrize("norm_first", [False, True])
def test_an_encoder_over_words(norm_first: bool) -> None:
    ids = torch.randint(1, 20, (SAMPLES, STEPS), generator=torch.Generator().manual_seed(2)) * (1 - HOLES)
    module = Encoder(norm_first)
    model = agree(module, ids)
    assert [layer.mask_value for layer in model.layers if isinstance(layer, martlet.nn.Masking)] == [0, 0]
    y = torch.randint(0, 3, (SAMPLES,), generator=torch.Generator().manual_seed(3))
    ours, theirs = copy.deepcopy(module), copy.deepcopy(module).train()
    martlet.torch.train(ours, (ids, y), nn.CrossEntropyLoss(), torch.optim.SGD(ours.parameters(), 0.1),
                        batch_size=SAMPLES, epochs=3, shuffle=False)  # fmt: skip
    optimizer = torch.optim.SGD(theirs.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(theirs(ids), y).backward()
        optimizer.step()
    for one, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(one.detach(), wanted.detach(), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("way", ["bools", "ones", "lengths"])
def test_products_under_masks_of_what_is_seen(way: str) -> None:
    hidden, says = WAYS[way]
    agree(Products(lambda says: ~hidden(says)), X, says)


def test_masks_of_places_are_not_taken() -> None:
    with pytest.raises(
        martlet.UnsupportedError, match=r"has an attn_mask that depends on samples.*attn_mask=self.seen"
    ):
        from_torch(Products(lambda says: says > 2), (X, HOLES))


def test_a_decoder_over_another_sequence() -> None:
    other = torch.randn(SAMPLES, 4, 8, generator=torch.Generator().manual_seed(4))
    agree(Decoder(), X, other, HOLES == 1, torch.arange(4) >= LENGTHS[:, None].clamp(max=4))


def test_padding_alone_gives_zeros_where_torch_gives_nan() -> None:
    module = Padded(lambda says: says)
    model = from_torch(module, (X, HOLES == 1))
    found = model.predict([X.numpy(), np.ones((SAMPLES, STEPS), bool)])
    bias = module.last(module.attention.out_proj.bias).detach()
    np.testing.assert_allclose(found, np.broadcast_to(bias, found.shape), rtol=1e-6, atol=1e-6)
    assert module(X, torch.ones(SAMPLES, STEPS, dtype=torch.bool)).isnan().all()


REFUSED: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "more than": (lambda says: says > 0, HOLES),
    "features": (lambda says: says[..., 0] > 0, X),
    "two numbers": (lambda says: (says == 0) | (says == 3), HOLES),
    "another number of a tensor": (lambda says: (says == 0) | (says == torch.tensor(5)), HOLES),
    "those of a table": (lambda says: (says == 0) | (torch.arange(20) > 5)[says], HOLES),
    "but of padding alone": (lambda says: says & ~says.all(1, keepdim=True), HOLES == 1),
    "words but of padding alone": (lambda says: (says == 1) & ~(says == 1).all(1, keepdim=True), HOLES),
    "numbers below 0": (lambda says: (says == 0) | (says == -100), HOLES),
    "the step before": (lambda says: says.roll(1, 1), HOLES == 1),
    "of another sample": (lambda says: says.flip(0), HOLES == 1),
    "one more": (lambda says: torch.arange(STEPS) > says[:, None], LENGTHS),
    "other numbers": (lambda says: torch.zeros(says.shape).masked_fill(says, -10.0), HOLES == 1),
    "fractions": (lambda says: torch.arange(STEPS) >= says[:, None], LENGTHS.float()),
}


@pytest.mark.parametrize("way", REFUSED)
def test_what_is_not_taken_is_named_with_its_line(way: str) -> None:
    hidden, says = REFUSED[way]
    with pytest.raises(
        martlet.UnsupportedError, match=r"has a key_padding_mask that depends on samples.*line \d+, 'found, _ ="
    ):
        from_torch(Padded(hidden), (X, says))
