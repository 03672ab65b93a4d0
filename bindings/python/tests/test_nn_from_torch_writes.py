"""Models of torch's modules that write into tensors of their own, and of attention that is nearly a layer's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import martlet.nn
from martlet.nn import from_torch
from torch_agreeing import agree, refused

X = torch.randn(5, 6, 8, generator=torch.Generator().manual_seed(1))
INF = float("-inf")


class Attention(nn.Module):
    """core: of queries, keys and values, (samples, heads, steps, numbers)."""

    def __init__(self, core: Callable[..., Any], is_shared: bool = False) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(8, 4 if is_shared and part == 2 else 8) for part in range(4))
        self.register_buffer("number", torch.tensor(0.5))
        self.core = core

    def forward(self, x: Any, *more: Any) -> Any:
        q, k, v = (part(x).unflatten(2, (-1, 4)).transpose(1, 2) for part in [*self.parts][:3])
        return self.parts[3](self.core(self, q, k, v, *more).transpose(1, 2).flatten(2))


def masked(make: Callable[[], Any], is_at_once: bool) -> Callable[..., Any]:
    def core(module: Any, q: Any, k: Any, v: Any) -> Any:
        if is_at_once:
            return F.scaled_dot_product_attention(q, k, v, make())
        return (q @ k.transpose(2, 3) / 2 + make()).softmax(3) @ v

    return core


def by_rows() -> Any:
    mask = torch.zeros(6, 6)
    for row in range(5):
        mask[row, row + 1 :] = INF
    return mask


def the_last() -> Any:
    mask = torch.zeros(6, 6)
    mask[:, 3:] = INF
    return mask


def written_down() -> Any:
    mask = torch.tensor([[0.0] * 6] * 6)
    mask.view(36)[5:].fill_(INF)
    return mask


@pytest.mark.parametrize("is_at_once", [False, True])
def test_masks_that_are_written_in_parts(is_at_once: bool) -> None:
    torch.manual_seed(2)
    model = agree(Attention(masked(by_rows, is_at_once)), X)
    (found,) = (layer for layer in model.layers if isinstance(layer, martlet.nn.MultiHeadAttention))
    assert found.use_causal_mask
    for make in (the_last, written_down):
        refused(Attention(masked(make, is_at_once)), X, "hides something else than what comes later")


def test_a_mask_that_is_written_after_it_is_read() -> None:
    def core(module: Any, q: Any, k: Any, v: Any, is_again: bool = False) -> Any:
        mask = torch.zeros(6, 6)
        scores = q @ k.transpose(2, 3) / 2 + mask
        mask[:, 3:] = INF
        return (scores + mask if is_again else scores).softmax(3) @ v

    agree(Attention(core), X)
    refused(Attention(lambda module, q, k, v: core(module, q, k, v, True)), X, "has a mask that depends on")


def test_buffers_that_are_written_into_are_refused_and_stay() -> None:
    def core(module: Any, q: Any, k: Any, v: Any) -> Any:
        found = (q @ k.transpose(2, 3) * module.number).softmax(3) @ v
        module.number.mul_(1.5)
        return found

    module = Attention(core)
    refused(module, X, "writes into 'number', which is kept from call to call")
    assert module.number == 0.5


class Kept(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(8, 5, batch_first=True)
        self.all: list[Any] = ["first"]
        self.named: dict[str, Any] = {}

    def forward(self, x: Any) -> Any:
        found, states = self.layer(x)
        self.all.append(states)
        self.named["last"] = states
        return found


def test_lists_of_the_module_stay_as_they_were() -> None:
    module = Kept()
    refused(module, X, "Kept keeps")
    assert module.all == ["first"]
    assert module.named == {}


class Placed(nn.Module):
    def __init__(self, rows: Callable[[Any], Any]) -> None:
        super().__init__()
        self.table, self.linear, self.rows = nn.Embedding(6, 8), nn.Linear(8, 2), rows

    def forward(self, x: Any) -> Any:
        return self.linear(x + self.rows(self))


def waves(module: Any) -> Any:
    found, angles = torch.zeros(6, 8), torch.arange(24.0).view(6, 4)
    found[:, 0::2], found[:, 1::2] = angles.sin(), angles.cos()
    return found


def without_the_first(module: Any) -> Any:
    found = module.table(torch.arange(6))
    found[0] = 0
    return found


def test_rows_that_are_written_in_parts() -> None:
    agree(Placed(waves), X)
    refused(Placed(without_the_first), X, "writes into 'table.weight'")


@pytest.mark.parametrize("is_first", [False, True])
def test_a_number_beside_padding_is_refused(is_first: bool) -> None:
    """Where padding hides all that comes before, torch sees what a number hides."""

    def core(module: Any, q: Any, k: Any, v: Any, hidden: Any) -> Any:
        scores, later = q @ k.transpose(2, 3) / 2, torch.ones(6, 6).triu(1) > 0
        if is_first:
            return scores.masked_fill(later, -1e9).masked_fill(hidden[:, None, None], INF).softmax(3) @ v
        return scores.masked_fill(hidden[:, None, None], INF).masked_fill(later, -1e9).softmax(3) @ v

    refused(Attention(core), (X, torch.zeros(5, 6, dtype=torch.bool)), r"hides by -1e\+09, and -inf is taken")


@pytest.mark.parametrize(
    "core",
    [
        lambda module, q, k, v: (q @ k.transpose(2, 3) / 2).softmax(3) @ v,
        lambda module, q, k, v: F.scaled_dot_product_attention(q, k, v),
        lambda module, q, k, v: (q @ v.transpose(2, 3) / 2).softmax(3) @ k,
        lambda module, q, k, v: (v @ k.transpose(2, 3) / 2).softmax(3) @ q,
    ],
    ids=range(4),
)
def test_what_heads_have_in_common_by_its_shape_is_refused(core: Any) -> None:
    refused(Attention(core, is_shared=True), X, "several heads have in common")


def test_dropout_twice_is_one_of_both_rates() -> None:
    def core(module: Any, q: Any, k: Any, v: Any) -> Any:
        weights = (q @ k.transpose(2, 3) / 2).softmax(3)
        return F.dropout(F.dropout(weights, 0.3, module.training), 0.2, module.training) @ v

    (found,) = (
        layer for layer in from_torch(Attention(core), X).layers if isinstance(layer, martlet.nn.MultiHeadAttention)
    )
    assert found.dropout == pytest.approx(0.44)


def test_states_by_the_batchs_size_are_refused() -> None:
    class Chosen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.GRU(8, 5, 2, batch_first=True), nn.GRU(8, 5, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.second(x, self.first(x)[1][x.size(0) % 2].unsqueeze(0))[0]

    refused(Chosen(), X, "depends on the batch's size")


ROW = torch.tensor([[True] + [False] * 5])


@pytest.mark.parametrize("mask", [ROW, torch.zeros(1, 6).masked_fill(~ROW, INF)], ids=["bools", "numbers"])
@pytest.mark.parametrize("is_at_once", [True, False])
def test_one_row_of_a_mask_is_every_steps(mask: Any, is_at_once: bool) -> None:
    """It shows the first step alone, to all: as a mask of one step it would hide what comes later."""

    def core(module: Any, q: Any, k: Any, v: Any) -> Any:
        if is_at_once:
            return F.scaled_dot_product_attention(q, k, v, mask)
        scores = q @ k.transpose(2, 3) / 2
        return (scores.masked_fill(~mask, INF) if mask.dtype is torch.bool else scores + mask).softmax(3) @ v

    refused(Attention(core), X, "has a mask that hides something else than what comes later")


@pytest.mark.parametrize(
    "mask", [torch.ones(6, 6).tril().bool(), torch.full((6, 6), INF).triu(1)], ids=["bools", "numbers"]
)
def test_masks_of_what_comes_later(mask: Any) -> None:
    agree(Attention(lambda module, q, k, v: F.scaled_dot_product_attention(q, k, v, mask)), X)
