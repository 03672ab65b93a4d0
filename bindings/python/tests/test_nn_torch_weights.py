"""Weights of recurrent layers by torch's convention, beside torch's own layers; and what its LSTM remembers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import martlet
from graphs import numbers
from martlet import nn
from martlet.nn import from_torch

MODULES = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "SimpleRNN": torch.nn.RNN}


def pair(kind: str, is_both: bool, bias: bool) -> tuple[Any, Any]:
    """torch's layer, and a model of one here."""
    layer: Any = getattr(nn, kind)(12, use_bias=bias, return_sequences=True)
    layer = nn.Bidirectional(layer) if is_both else layer
    module = MODULES[kind](5, 12, batch_first=True, bidirectional=is_both, bias=bias)
    return module, nn.Sequential([nn.Input((9, 5)), layer])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("is_both", [False, True])
@pytest.mark.parametrize("kind", MODULES)
def test_weights_go_there_and_back(kind: str, is_both: bool, bias: bool) -> None:
    torch.manual_seed(2)
    module, model = pair(kind, is_both, bias)
    x, layer = numbers(6, 9, 5), model.layers[0]
    with torch.no_grad():
        wanted = module(torch.from_numpy(x))[0].numpy()
    layer.set_weights([one.detach() for one in module.parameters()], convention="torch")
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-5, atol=1e-6)
    other, _ = pair(kind, is_both, bias)
    given = layer.get_weights("torch")
    for parameter, weight in zip(other.parameters(), given, strict=True):
        assert parameter.shape == weight.shape
        parameter.data.copy_(torch.from_numpy(weight))
    with torch.no_grad():
        np.testing.assert_allclose(other(torch.from_numpy(x))[0].numpy(), wanted, rtol=1e-5, atol=1e-6)
    before = layer.get_weights()
    layer.set_weights(given, "torch")
    for one, kept in zip(layer.get_weights("keras"), before, strict=True):
        np.testing.assert_array_equal(one, kept)
    if kind == "GRU":
        for weight, parameter in zip(given, module.parameters(), strict=True):
            np.testing.assert_array_equal(weight, parameter.detach())


def test_what_is_no_weight_of_torchs_is_named() -> None:
    layers = [nn.LSTM(3, return_sequences=True), nn.GRU(3, reset_after=False)]
    model = nn.Sequential([nn.Input((4, 2)), *layers])
    before = model.get_weights()
    given = layers[0].get_weights("torch")
    for call, error, says in (
        (lambda: layers[0].get_weights("jax"), martlet.ArgumentError, "convention is 'jax'; wanted one of"),
        (lambda: layers[0].set_weights(given, None), martlet.DTypeError, "convention is None"),  # type: ignore[arg-type]
        (lambda: layers[0].set_weights(given[:3], "torch"), martlet.ShapeError, "has 4 weights, and 3 were given"),
        (
            lambda: layers[0].set_weights([given[0].T, *given[1:]], "torch"),
            martlet.ShapeError,
            r"weight 'weight_ih' of layer 'lstm' has shape \(12, 2\), and \(2, 12\) was given",
        ),
        (lambda: layers[0].set_weights("abc", "torch"), martlet.DTypeError, "wanted a list of arrays"),
        (
            lambda: layers[1].get_weights("torch"),
            martlet.UnsupportedError,
            'reset_after=False, which torch has not; wanted convention="keras"',
        ),
        (lambda: layers[1].set_weights([], "torch"), martlet.UnsupportedError, "reset_after=False"),
    ):
        with pytest.raises(error, match=says):
            call()
    for one, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, kept)


class Remembers(torch.nn.Module):
    def __init__(self, is_both: bool) -> None:
        super().__init__()
        self.layer = torch.nn.LSTM(5, 6, num_layers=2, batch_first=True, bidirectional=is_both)
        self.last = torch.nn.Linear(24 if is_both else 12, 2)
        self.is_both = is_both

    def forward(self, x: Any) -> Any:
        _, (states, memories) = self.layer(x)
        both = [states[-2], states[-1], memories[-2], memories[-1]] if self.is_both else [states[-1], memories[-1]]
        return self.last(torch.cat(both, 1))


@pytest.mark.parametrize("is_both", [False, True])
def test_what_an_lstm_remembers_comes_from_torch(is_both: bool) -> None:
    torch.manual_seed(2)
    module, x, y = Remembers(is_both), torch.randn(6, 9, 5), torch.randn(6, 2)
    model = from_torch(module, x)
    with torch.no_grad():
        np.testing.assert_allclose(model.predict(x.numpy()), module(x).numpy(), rtol=1e-5, atol=1e-6)
    loss = ((module(x) - y) ** 2).mean()
    loss.backward()
    wanted = [one.detach() - 0.1 * one.grad for one in module.parameters()]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    martlet.torch.train(module, (x, y), torch.nn.MSELoss(), optimizer, epochs=1, batch_size=6, shuffle=False, verbose=0)
    for one, right in zip(module.parameters(), wanted, strict=True):
        np.testing.assert_allclose(one.detach(), right, rtol=1e-4, atol=1e-6)
