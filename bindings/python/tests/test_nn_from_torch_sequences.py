"""Models of torch's modules over sequences: recurrent layers, attention, positions; against torch in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import martlet.nn
import martlet.torch
from martlet.nn import from_torch, to_torch
from torch_modules import GPT, Recurrent


def agree(module: Any, x: Any, limit: float = 1e-5) -> Any:
    """Holds a model of a module to it in float64, and its weights there and back to the bit; gives the model."""
    model = from_torch(module, x)
    exact = copy.deepcopy(module).double().eval()(x.double() if x.is_floating_point() else x).detach().numpy()
    assert np.abs(model.predict(x) - exact).max() <= limit * np.abs(exact).max()
    other = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.5)
    to_torch(model, other)
    whole = module.state_dict()
    for name, value in other.state_dict().items():
        same = (value == whole[name]).reshape(len(value), -1).all(1)
        assert same.all() or (name.startswith("wpe") and same[: x.shape[1]].all()), name
    return model


READS: dict[str, Callable[[Any, Any], Any]] = {
    "the last step": lambda steps, states: steps[:, -1],
    "the mean": lambda steps, states: steps.mean(1),
    "the largest": lambda steps, states: steps.max(1)[0],
    "the last state": lambda steps, states: states[-1],
    "both": lambda steps, states: steps.mean(1) + states[-1],
    "all": lambda steps, states: steps,
}


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("read", READS)
def test_recurrent_layers(kind: Any, read: str) -> None:
    torch.manual_seed(1)
    layers = 2 if read in ("the mean", "both") else 1
    agree(Recurrent(kind, READS[read], num_layers=layers, bias=read != "the largest"), torch.randn(4, 6, 4))


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        (nn.LSTM, lambda steps, states: torch.cat([states[-2], states[-1]], 1)),
        (nn.LSTM, lambda steps, states: steps[:, -1]),
        (nn.GRU, lambda steps, states: states[-2:].transpose(0, 1).reshape(steps.size(0), -1)),
        (nn.GRU, lambda steps, states: torch.cat([states[-1], states[-2]], -1) + steps.amax(1)),
        (nn.RNN, lambda steps, states: steps.mean(1)),
    ],
    ids=range(5),
)
def test_two_directions(kind: Any, read: Any) -> None:
    torch.manual_seed(2)
    agree(Recurrent(kind, read, num_layers=2, bidirectional=True), torch.randn(4, 6, 4))


def test_what_is_computed_and_not_given_stays_out() -> None:
    torch.manual_seed(3)

    class Unread(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.unread, self.last = nn.GRU(4, 5, batch_first=True), nn.LayerNorm(5), nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            steps, states = self.layer(x)
            self.unread(steps)
            return self.last(states[-1])

    module, x = Unread(), torch.randn(4, 6, 4)
    exact = copy.deepcopy(module).double()(x.double()).detach().numpy()
    model = from_torch(module, x)
    assert np.abs(model.predict(x) - exact).max() <= 1e-5 * np.abs(exact).max()
    before = copy.deepcopy(module.state_dict())
    martlet.torch.train(module, (x, torch.randn(4, 2)), nn.MSELoss(), torch.optim.AdamW(module.parameters()))
    same = {name: value.equal(before[name]) for name, value in module.state_dict().items()}
    assert {name for name, stays in same.items() if stays} == {"unread.weight", "unread.bias"}


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_steps_that_are_first(kind: Any) -> None:
    torch.manual_seed(3)
    for read in (lambda steps, states: steps[-1], lambda steps, states: steps.mean(0),
                 lambda steps, states: steps.transpose(0, 1)):  # fmt: skip
        agree(Recurrent(kind, read, False, num_layers=2), torch.randn(4, 6, 4))


class Attending(nn.Module):
    """nn.MultiheadAttention with a mask or none."""

    def __init__(self, mask: str = "", is_first: bool = True, wants: bool = False, **options: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=is_first, **options)
        self.mask, self.is_first, self.wants = mask, is_first, wants

    def forward(self, x: Any) -> Any:
        mask = None
        if self.mask == "numbers":
            mask = nn.Transformer.generate_square_subsequent_mask(x.size(1))
        if self.mask == "bools":
            mask = torch.ones(x.size(1), x.size(1), dtype=torch.bool).triu(1)
        x = x if self.is_first else x.transpose(0, 1)
        found = self.attention(x, x[:, :], x, attn_mask=mask, need_weights=self.wants)[0]
        return found if self.is_first else found.transpose(0, 1)


@pytest.mark.parametrize(
    "options",
    [{}, {"mask": "numbers"}, {"mask": "bools", "wants": True}, {"is_first": False}, {"bias": False}],
    ids=str,
)
def test_attention(options: Any) -> None:
    torch.manual_seed(4)
    module = Attending(**options)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    agree(module, torch.randn(4, 6, 8))


@pytest.mark.parametrize(("is_first", "norm_first"), [(True, False), (False, True)])
def test_an_encoder(is_first: bool, norm_first: bool) -> None:
    torch.manual_seed(5)

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=is_first, norm_first=norm_first)
            self.table, self.last = nn.Embedding(30, 8), nn.Linear(8, 3)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.where = nn.Parameter(torch.randn(1, 6, 8))
            self.norm = nn.RMSNorm(8)

        def forward(self, ids: Any) -> Any:
            x = self.table(ids) + self.where
            x = x if is_first else x.transpose(0, 1)
            mask = nn.Transformer.generate_square_subsequent_mask(ids.size(1))
            x = self.norm(self.encoder(x, mask=mask, is_causal=True))
            return self.last(x.mean(1 if is_first else 0))

    agree(Classifier().eval().requires_grad_(norm_first), torch.randint(0, 30, (4, 6)))
    assert torch.backends.mha.get_fastpath_enabled()


class Interleaved(nn.Module):
    """Heads that lie number beside number, by a mask of bools that is a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(8, 8) for _ in range(4))
        self.register_buffer("mask", torch.ones(6, 6).tril().bool()[None, None])

    def forward(self, x: Any) -> Any:
        q, k, v = (layer(x).view(*x.shape[:2], 4, 2).permute(0, 3, 1, 2) for layer in (self.q, self.k, self.v))
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask)
        return self.o(found.permute(0, 2, 3, 1).flatten(2))


class Packed(nn.Module):
    """As timm's."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(8, 24, bias=False), nn.Linear(8, 8, bias=False)

    def forward(self, x: Any) -> Any:
        B, N, C = x.shape  # noqa: N806
        q, k, v = self.qkv(x).reshape(B, N, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, N, C))


@pytest.mark.parametrize("kind", [Interleaved, Packed])
def test_attention_between_linear_layers(kind: Any) -> None:
    torch.manual_seed(6)
    agree(kind(), torch.randn(4, 6, 8))


@pytest.mark.parametrize("has_bias", [True, False])
def test_a_language_model(has_bias: bool) -> None:
    torch.manual_seed(7)
    model = agree(GPT(has_bias=has_bias), torch.randint(0, 20, (4, 6)))
    assert [type(layer).__name__ for layer in model.layers].count("MultiHeadAttention") == 2


class Placed(nn.Module):
    def __init__(self, how: int) -> None:
        super().__init__()
        self.table, self.last, self.how = nn.Embedding(20, 8), nn.Linear(8, 2), how
        self.register_buffer("where", torch.randn(9, 1, 8))

    def forward(self, ids: Any) -> Any:
        x = self.table(ids)
        if self.how == 0:
            x = (x.transpose(0, 1) + self.where[: ids.size(1)]).transpose(0, 1)
        if self.how == 1:
            x = torch.sin(torch.arange(ids.size(1)).float()[:, None] * torch.arange(1, 9)) + x
        if self.how == 2:
            return self.last(x[:, -1] + x[:, 0])
        if self.how == 3:
            first, second = x.chunk(2, -1)
            x = torch.cat([F.glu(x), second, F.relu6(first * 9)], -1)[..., 1:9]
        return self.last(x)


@pytest.mark.parametrize("how", range(4))
def test_positions_and_parts(how: int) -> None:
    torch.manual_seed(8)
    model = agree(Placed(how), torch.randint(0, 20, (4, 6)))
    model.compile("adam", "mse")
    fixed = [layer.get_weights() for layer in model.layers if layer.count_params() and not layer.trainable]
    model.fit(torch.randint(0, 20, (8, 6)).numpy(), np.zeros((8, *model.output_shape[1:]), np.float32), verbose=0)
    after = [layer.get_weights() for layer in model.layers if layer.count_params() and not layer.trainable]
    assert fixed and all((a[0] == b[0]).all() for a, b in zip(fixed, after, strict=True))


def curve(module: Any, x: Any, y: Any, loss: Any, optimizer: Any) -> list[float]:
    """The mean loss of each of torch's epochs, 8 samples a batch."""
    found = []
    for _ in range(4):
        total = 0.0
        for start in range(0, len(x), 8):
            rows = slice(start, start + 8)
            optimizer.zero_grad()
            value = module(x[rows], y[rows])[1] if loss is None else loss(module(x[rows]), y[rows])
            value.backward()
            optimizer.step()
            total += value.item() * 8
        found.append(total / len(x))
    return found


CURVES: dict[str, Any] = {
    "a language model": lambda: (GPT(), torch.randint(0, 20, (24, 6)), torch.randint(0, 20, (24, 6)), None),
    "LSTM": lambda: (
        Recurrent(nn.LSTM, lambda steps, states: torch.cat([states[-2], states[-1]], 1), bidirectional=True),
        torch.randn(24, 6, 4), torch.randint(0, 2, (24,)), nn.CrossEntropyLoss(),
    ),
    "GRU, logarithms": lambda: (
        nn.Sequential(Recurrent(nn.GRU, READS["the last state"]), nn.LogSoftmax(-1)),
        torch.randn(24, 6, 4), torch.randint(0, 2, (24,)), nn.NLLLoss(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize(
    ("kind", "options"),
    [(torch.optim.AdamW, {"weight_decay": 0.1}), (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.01})],
)
def test_a_curve_beside_torchs(name: str, kind: Any, options: Any) -> None:
    torch.manual_seed(9)
    module, x, y, loss = CURVES[name]()
    other = copy.deepcopy(module)
    wanted = curve(other, x, y, loss, kind(other.parameters(), lr=0.02, **options))
    optimizer = kind(module.parameters(), lr=0.02, **options)
    history = martlet.torch.train(module, (x, y), loss, optimizer, epochs=4, batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], wanted, rtol=1e-5)
    with torch.no_grad():
        np.testing.assert_allclose(module(x), other(x), atol=1e-4)


class Hidden(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x, key_padding_mask=x[..., 0] > 0)[0]


class Turned(Hidden):
    def forward(self, x: Any) -> Any:
        return self.attention(x.transpose(0, 1), x.transpose(0, 1), x.transpose(0, 1))[0]


class Windowed(Hidden):
    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x, attn_mask=torch.ones(6, 6, dtype=torch.bool).triu(2))[0]


class Weights(Hidden):
    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x)[1].flatten(1)


class Alone(nn.Module):
    def forward(self, x: Any) -> Any:
        x = x.view(x.size(0), 6, 2, 4).transpose(1, 2)
        return F.scaled_dot_product_attention(x, x, x)


class OneForTwo(nn.Module):
    """Attention whose queries are its keys."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.value, self.last = (nn.Linear(8, 8, bias=False) for _ in range(3))

    def forward(self, x: Any) -> Any:
        query, value = (layer(x).view(-1, 6, 2, 4).transpose(1, 2) for layer in (self.query, self.value))
        found = F.scaled_dot_product_attention(query, query, value)
        return self.last(found.transpose(1, 2).reshape(-1, 6, 8))


def tied(module: Any, name: str, other: str) -> Any:
    setattr(module, name, getattr(module, other))
    return module


@pytest.mark.parametrize(
    ("make", "texts"),
    [
        (lambda: nn.LSTM(8, 8, proj_size=4, batch_first=True), ["proj_size"]),
        (Turned, ["reads (steps, samples, features), and takes it for (samples", "return self.attention("]),
        (Hidden, ["key_padding_mask", "return self.attention("]),
        (Windowed, ["hides something else than what comes later", "attn_mask=torch.ones(6, 6"]),
        (Weights, ["gives its weights too", "return self.attention(x, x, x)[1]"]),
        (Alone, ["is taken where a linear layer gives", "return F.scaled_dot_product_attention(x, x, x)"]),
        (OneForTwo, ["reads 'query.weight' for several of its weights", "in layer 'last'"]),
        (lambda: tied(nn.LSTM(8, 8, batch_first=True), "bias_hh_l0", "bias_ih_l0"), ["for several of its weights"]),
        (lambda: tied(nn.GRU(8, 8, batch_first=True), "weight_hh_l0", "weight_ih_l0"), ["for several of its weights"]),
        (
            lambda: tied(nn.LayerNorm(8), "bias", "weight"),
            ["for several of its weights", "and a parameter is one weight"],
        ),
    ],
    ids=range(10),
)
def test_what_cannot_be_taken_is_named_with_its_line(make: Any, texts: list[str]) -> None:
    module = make()
    with pytest.raises(martlet.UnsupportedError) as raised:
        from_torch(module, torch.randn(4, 6, 8))
    for text in texts:
        assert text in str(raised.value)
    assert "forward" not in vars(getattr(module, "attention", module))


def test_a_loss_of_logarithms_is_nll_alone() -> None:
    module, x, y = nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(-1)), torch.randn(8, 4), torch.randint(0, 3, (8,))
    with pytest.raises(martlet.UnsupportedError, match="gives log_softmax, which no layer does; wanted NLLLoss"):
        martlet.torch.train(module, (x, y), nn.CrossEntropyLoss(), verbose=0)


def test_pools_that_reach_over_the_end() -> None:
    for pool in (nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(2, ceil_mode=True)):
        x = torch.randn(3, 2, 5, 7)
        np.testing.assert_allclose(from_torch(nn.Sequential(pool), x).predict(x), pool(x), atol=1e-6)
    pool, x = nn.MaxPool1d(2, ceil_mode=True), torch.randn(3, 2, 5)
    np.testing.assert_allclose(from_torch(nn.Sequential(pool), x).predict(x), pool(x), atol=1e-6)
