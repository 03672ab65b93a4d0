"""Models of torch's modules that write by hand what layers do: attention, heads of tables, means, slopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import martlet.nn
from martlet.nn import from_torch
from torch_agreeing import agree, refused, same_curve

X = torch.randn(5, 6, 8, generator=torch.Generator().manual_seed(1))
INF = float("-inf")


class Attention(nn.Module):
    """nanoGPT's; core: of queries, keys and values, (samples, heads, steps, numbers)."""

    def __init__(self, core: Callable[..., Any], has_bias: bool = True) -> None:
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(8, 24, bias=has_bias), nn.Linear(8, 8, bias=has_bias)
        self.register_buffer("seen", torch.tril(torch.ones(9, 9)).view(1, 1, 9, 9))
        self.register_buffer("root", torch.sqrt(torch.tensor(4.0)))
        self.drop, self.core = nn.Dropout(0.0), core

    def forward(self, x: Any, *more: Any) -> Any:
        samples, steps, width = x.shape
        q, k, v = (one.view(samples, steps, 2, 4).transpose(1, 2) for one in self.c_attn(x).split(8, 2))
        y = self.core(self, q, k, v, steps, *more)
        return self.c_proj(y.transpose(1, 2).contiguous().view(samples, steps, width))


def nano(module: Any, q: Any, k: Any, v: Any, steps: int) -> Any:
    scores = (q @ k.transpose(-2, -1)) * (1.0 / k.size(-1) ** 0.5)
    scores = scores.masked_fill(module.seen[:, :, :steps, :steps] == 0, INF)
    return module.drop(F.softmax(scores, dim=-1)) @ v


def timm(module: Any, q: Any, k: Any, v: Any, steps: int) -> Any:
    q = q * (q.size(-1) ** -0.5)
    return module.drop((q @ k.transpose(-2, -1)).softmax(dim=-1)) @ v


def annotated(module: Any, q: Any, k: Any, v: Any, steps: int) -> Any:
    scores = torch.matmul(q, k.transpose(-2, -1)) / q.size(-1) ** 0.5
    scores = scores.masked_fill(torch.tril(torch.ones(steps, steps)) == 0, -1e9)
    return torch.matmul(torch.softmax(scores, -1), v)


def in_place(module: Any, q: Any, k: Any, v: Any, steps: int) -> Any:
    scores = q @ k.transpose(2, 3)
    scores.masked_fill_(~module.seen[0, 0].bool()[:steps, :steps], -torch.inf)
    return module.drop(torch.softmax(scores / k.shape[-1] ** 0.5, dim=-1)) @ v


def added(module: Any, q: Any, k: Any, v: Any, steps: int) -> Any:
    return (q @ k.permute(0, 1, 3, 2) / module.root + torch.full((steps, steps), INF).triu(1)).softmax(3) @ v


def halves(module: Any, q: Any, k: Any, v: Any, steps: int) -> Any:
    number = q.size(-1) ** -0.25
    return ((q * number) @ (k * number).transpose(2, 3)).softmax(3) @ v


@pytest.mark.parametrize(
    ("core", "is_causal", "has_bias"),
    [(nano, True, True), (timm, False, False), (annotated, True, True), (in_place, True, False), (added, True, True),
     (halves, False, True)],
)  # fmt: skip
def test_attention_by_hand(core: Any, is_causal: bool, has_bias: bool) -> None:
    torch.manual_seed(2)
    model = agree(Attention(core, has_bias), X)
    (found,) = (layer for layer in model.layers if isinstance(layer, martlet.nn.MultiHeadAttention))
    assert (found.num_heads, found.key_dim, found.use_causal_mask) == (2, 4, is_causal)


def test_attention_of_one_head_and_under_padding() -> None:
    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v, self.o = (nn.Linear(8, 8, bias=False) for _ in range(4))

        def forward(self, x: Any) -> Any:
            scores = self.q(x) @ self.k(x).transpose(-2, -1) * x.size(-1) ** -0.5
            return self.o(F.softmax(scores.masked_fill(torch.ones(6, 6).triu(1) > 0, INF), -1) @ self.v(x))

    def padded(module: Any, q: Any, k: Any, v: Any, steps: int, hidden: Any) -> Any:
        return (q @ k.transpose(2, 3) / 2).masked_fill(hidden[:, None, None, :], INF).softmax(3) @ v

    torch.manual_seed(3)
    agree(Alone(), X)
    agree(Attention(padded), X, torch.arange(6) >= torch.tensor([6, 1, 3, 5, 2])[:, None])


def test_curves_of_attention_by_hand() -> None:
    torch.manual_seed(4)
    same_curve(Attention(nano, has_bias=False), (torch.randn(24, 6, 8),), torch.randn(24, 6, 8))


def scored(change: Callable[..., Any], dim: int = 3) -> Callable[..., Any]:
    """Attention of scores that are changed."""
    return lambda module, q, k, v, steps: change(module, q @ k.transpose(2, 3) * 0.5, steps).softmax(dim) @ v


def filled(hidden: Callable[[Any], Any], number: float = INF) -> Callable[..., Any]:
    return scored(lambda module, scores, steps: scores.masked_fill(hidden(torch.ones(steps, steps)) == 1, number))


OTHERS: dict[str, tuple[Callable[..., Any], str]] = {
    "another scale": (scored(lambda module, scores, steps: scores * 0.5), "a scale of its own"),
    "no scale": (lambda module, q, k, v, steps: (q @ k.transpose(2, 3)).softmax(3) @ v, "a scale of its own"),
    "scaled twice": (lambda module, q, k, v, steps: (q / 2 @ k.transpose(2, 3) / 2).softmax(3) @ v, "a scale of its"),
    "less": (scored(lambda module, scores, steps: scores * -1), "other scores"),
    "values that are scaled": (lambda module, *given: timm(module, given[0], given[1], given[2] * 2, 6), "a scale of"),
    "softmax over queries": (scored(lambda module, scores, steps: scores, 2), "aten.matmul.default"),
    "what is before": (filled(lambda ones: ones.tril(-1)), "something else than what comes later"),
    "later, and itself": (filled(torch.triu, -1e9), "something else than what comes later"),
    "later, but the next": (filled(lambda ones: ones.triu(2)), "something else than what comes later"),
    "in one head": (
        filled(lambda ones: torch.stack([ones.triu(1), ones * 0])), "something else than what comes later",
    ),
    "by little": (filled(lambda ones: ones.triu(1), -1e4), "hides by -10000"),
    "by zeros": (filled(lambda ones: ones.triu(1), 0), "hides by 0"),
    "by much": (filled(lambda ones: ones.triu(1), 1e9), r"hides by 1e\+09"),
    "a product": (scored(lambda module, scores, steps: scores * module.seen[:, :, :6, :6]), "other scores"),
    "slopes of places": (scored(lambda module, scores, steps: scores + torch.arange(6.0)), "a mask of other numbers"),
    "relu": (scored(lambda module, scores, steps: scores.relu()), "other scores"),
    "dropout of scores": (
        scored(lambda module, scores, steps: F.dropout(scores, 0.1, module.training)), "other scores",
    ),
    "in batches of 5": (
        scored(lambda module, scores, steps: scores.masked_fill(
            (torch.ones(6, 6).triu(1) == 1) & (torch.ones(scores.size(0)).sum() == 5), INF)), "the batch's size",
    ),
    "queries of relu": (
        lambda module, q, k, v, steps: timm(module, q.relu(), k, v, steps), "is taken where a linear layer gives each",
    ),
    "weights that are read": (
        lambda module, q, k, v, steps: (lambda w: w @ v + w.mean(-1, keepdim=True))((q @ k.transpose(2, 3)).softmax(3)),
        "reads weights of attention that others read",
    ),
    "keys of one head": (
        lambda module, q, k, v, steps: timm(module, q, k[:, :1].expand(-1, 2, -1, -1), v, steps), "have in common",
    ),
    "keys of one head, at once": (
        lambda module, q, k, v, steps: F.scaled_dot_product_attention(q, k[:, :1].expand(-1, 2, -1, -1), v), "have in",
    ),
    "heads that change places": (
        lambda module, q, k, v, steps: timm(module, q, torch.stack([k[:, 1], k[:, 0]], 1), v, steps), "is taken where",
    ),
    "over heads": (
        lambda module, q, k, v, steps: timm(module, *(one.transpose(1, 2) for one in (q, k, v)), steps).transpose(1, 2),
        "is taken where a linear layer gives each",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", OTHERS)
def test_other_attention_is_refused(how: str) -> None:
    core, text = OTHERS[how]
    refused(Attention(core), X, text)


def test_padding_by_a_number_is_refused() -> None:
    def padded(module: Any, q: Any, k: Any, v: Any, steps: int, hidden: Any) -> Any:
        return (q @ k.transpose(2, 3) / 2).masked_fill(hidden[:, None, None, :], -1e9).softmax(3) @ v

    refused(Attention(padded), (X, torch.zeros(5, 6, dtype=torch.bool)), "wanted one, and -inf")


# ---- means ----

IDS = torch.tensor([[3, 1, 0, 0, 0, 0], [5, 0, 2, 8, 1, 1], [1, 2, 3, 4, 5, 6], [7, 0, 0, 0, 0, 0], [1, 1, 0, 4, 0, 2]])
LENGTHS = torch.tensor([1, 2, 6, 4, 3])


class Mean(nn.Module):
    """The mean of what is seen; of words, or of numbers beside what says so."""

    def __init__(self, mean: Callable[[Any, Any], Any], reads_words: bool) -> None:
        super().__init__()
        self.table, self.linear, self.mean, self.reads_words = nn.Embedding(9, 8), nn.Linear(8, 4), mean, reads_words

    def forward(self, says: Any, *x: Any) -> Any:
        return self.mean(self.linear(self.table(says) if self.reads_words else x[0]), says)


def mean(x: Any, seen: Any, change: Callable[[Any], Any] = lambda count: count) -> Any:
    seen = seen.to(x.dtype)
    return (x * seen.unsqueeze(-1)).sum(1) / change(seen.sum(1, keepdim=True))


def spread(x: Any, seen: Any) -> Any:
    seen = seen.unsqueeze(-1).expand(x.size()).to(x.dtype)
    return torch.sum(x * seen, 1) / torch.clamp(seen.sum(1), min=1e-9)


MEANS: list[tuple[Callable[[Any, Any], Any], Any]] = [
    (lambda x, says: mean(x, says != 0), IDS),
    (lambda x, says: mean(x, says > 0, lambda count: count.clamp(min=1)), IDS),
    (lambda x, says: mean(x, ~(says < 1), lambda count: count + 1e-9), IDS),
    (lambda x, says: (x * (says != 0)[..., None]).sum(dim=1) / (says != 0).sum(1).unsqueeze(-1), IDS),
    (lambda x, says: mean(x, says), IDS != 0),
    (lambda x, says: mean(x, ~says), IDS == 0),
    (lambda x, says: spread(x, says), IDS != 0),
    (lambda x, says: mean(x, torch.arange(6)[None] < says[:, None]), LENGTHS),
    (lambda x, says: (x * (torch.arange(6)[None] < says[:, None])[..., None]).sum(-2) / says[:, None], LENGTHS),
]


@pytest.mark.parametrize(("how", "says"), MEANS, ids=range(len(MEANS)))
def test_means_of_what_is_seen(how: Any, says: Any) -> None:
    torch.manual_seed(5)
    reads_words = says is IDS
    agree(Mean(how, reads_words), says, *([] if reads_words else [X]))


def test_curves_of_means() -> None:
    torch.manual_seed(6)
    same_curve(Mean(MEANS[1][0], True), (IDS.repeat(5, 1)[:24],), torch.randn(24, 4))


OTHER_MEANS: list[tuple[Callable[[Any, Any], Any], Any]] = [
    (lambda x, says: mean(x, says), IDS),
    (lambda x, says: mean(x, says != 0, lambda count: count + 1), IDS),
    (lambda x, says: mean(x, says != 0, lambda count: count.clamp(min=2)), IDS),
    (lambda x, says: mean(x, says != 0, lambda count: count.clamp(max=5)), IDS),
    (lambda x, says: mean(x, says != 0, torch.sqrt), IDS),
    (lambda x, says: mean(x, says != 0, lambda count: 6.0), IDS),
    (lambda x, says: (x * (says != 0)[..., None]).sum(1) / (says != 1).sum(1, keepdim=True), IDS),
    (lambda x, says: mean(x, says > 1), IDS),
    (lambda x, says: mean(x, says < 5), IDS),
    (lambda x, says: mean(x, says), (IDS != 0).long()),
    (lambda x, says: mean(x, says), (IDS != 0).float()),
    (lambda x, says: mean(x, says > 0), (IDS != 0).long()),
    (lambda x, says: mean(x, says.flip(1)), IDS != 0),
    (lambda x, says: mean(x, says * 2.0), IDS != 0),
    (lambda x, says: (x * says[..., None]).sum(1) / says.sum(), IDS != 0),
    (lambda x, says: (x * says[..., None]).sum(1) / says.sum(0).max(), IDS != 0),
    (lambda x, says: (x * says[..., None]).sum(2) / says.sum(1, keepdim=True), IDS != 0),
    (lambda x, says: mean(x, torch.arange(6)[None] <= says[:, None]), LENGTHS),
    (lambda x, says: mean(x, torch.arange(6)[None] >= says[:, None]), LENGTHS),
    (lambda x, says: (x * (torch.arange(6)[None] < says[:, None])[..., None]).sum(1) / (says[:, None] + 1), LENGTHS),
]


@pytest.mark.parametrize(("how", "says"), OTHER_MEANS, ids=range(len(OTHER_MEANS)))
def test_other_means_are_refused(how: Any, says: Any) -> None:
    reads_words = says is IDS
    refused(Mean(how, reads_words), says if reads_words else (says, X), r"line \d+")


# ---- products with parameters ----


class Head(nn.Module):
    def __init__(self, head: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.table, self.linear, self.head = nn.Embedding(9, 8), nn.Linear(8, 8), head
        self.square, self.bias = nn.Parameter(torch.randn(8, 8)), nn.Parameter(torch.zeros(5))
        self.register_buffer("fixed", torch.randn(5, 8))

    def forward(self, ids: Any) -> Any:
        return self.head(self, self.linear(self.table(ids)))


HEADS: list[tuple[Callable[[Any, Any], Any], str]] = [
    (lambda module, h: h @ module.table.weight.T, "TiedDense"),
    (lambda module, h: torch.matmul(h[:, -1], module.table.weight.transpose(0, 1)), "TiedDense"),
    (lambda module, h: h.mean(1).mm(module.table.weight.t()), "TiedDense"),
    (lambda module, h: F.linear(h, module.table.weight), "TiedDense"),
    (lambda module, h: h @ module.square, "Dense"),
    (lambda module, h: h @ module.square.T, "Dense"),
]


@pytest.mark.parametrize(("head", "kind"), HEADS, ids=range(len(HEADS)))
def test_heads_by_hand(head: Any, kind: str) -> None:
    torch.manual_seed(7)
    model = agree(Head(head), IDS)
    assert type(model.layers[-1]).__name__ == kind
    if kind == "TiedDense":
        same_curve(Head(head), (IDS,), torch.randn(*model.predict(IDS.numpy()).shape))


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (lambda module, h: h @ (module.table.weight.T * 2), "something else than a parameter"),
        (lambda module, h: h @ module.square.flip(0), "something else than a parameter"),
        (lambda module, h: h @ module.table.weight[:5].T, "something else than a parameter"),
        (lambda module, h: h @ module.square.view(4, 16).reshape(16, 4)[:8], "something else than a parameter"),
        (lambda module, h: h @ h.transpose(1, 2), "two values within attention"),
        (lambda module, h: module.square @ h.transpose(1, 2), "two values within attention"),
        (lambda module, h: (h @ module.table.weight.T) @ module.table.weight, "a parameter is one layer's"),
        (lambda module, h: F.linear(h, module.fixed, module.bias), "has 'fixed' for a weight, a buffer"),
    ],
    ids=range(8),
)
def test_other_products_are_refused(head: Any, text: str) -> None:
    refused(Head(head), IDS, text)


@pytest.mark.parametrize("head", [lambda m, h: h @ m.fixed.T, lambda m, h: F.linear(h, m.fixed)], ids=range(2))
def test_a_buffer_is_a_weight_that_stays(head: Any) -> None:
    assert not agree(Head(head), IDS).layers[-1].trainable


# ---- slopes ----

IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(8))
SLOPES: list[tuple[Callable[[int], Any], Any]] = [
    (lambda count: nn.Sequential(nn.Linear(8, 6), nn.PReLU(count), nn.Linear(6, 2)), X[:, 0]),
    (lambda count: nn.Sequential(nn.Linear(8, 6), nn.PReLU(count)), X),
    (lambda count: nn.Sequential(nn.Conv1d(6, 6, 3), nn.PReLU(count), nn.Flatten()), X),
    (lambda count: nn.Sequential(nn.Conv2d(3, 6, 3), nn.PReLU(count), nn.Conv2d(6, 2, 3), nn.Flatten()), IMAGES),
]


@pytest.mark.parametrize("count", [1, 6])
@pytest.mark.parametrize(("make", "x"), SLOPES, ids=range(4))
def test_slopes_that_are_trained(make: Any, x: Any, count: int) -> None:
    torch.manual_seed(9)
    module = make(count)
    agree(module, x)
    given = x.repeat(5, *[1] * (x.dim() - 1))
    same_curve(module, (given,), torch.randn(module(given).shape))


def test_a_slope_that_is_there_twice_and_gradients_at_0() -> None:
    torch.manual_seed(10)
    slope = nn.PReLU()
    module = nn.Sequential(nn.Linear(8, 6), slope, nn.Linear(6, 4), slope)
    assert sum(layer.count_params() == 1 for layer in agree(module, X[:, 0]).layers) == 1
    # relu gives zeros, at which torch's gradient is the slope's.
    whole = torch.randint(-1, 2, (24, 6)).float()
    for count in (1, 6):
        first = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.PReLU(count), nn.Linear(6, 2))
        same_curve(first, (whole,), torch.randn(24, 2))
        same_curve(nn.Sequential(nn.PReLU(count), nn.Linear(6, 2)), (whole,), torch.randn(24, 2))


def test_a_frozen_slope_stays() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.PReLU())
    module[1].requires_grad_(False)
    (found,) = (layer for layer in from_torch(module, X[:, 0, :4]).layers if layer.count_params() == 1)
    assert not found.trainable
