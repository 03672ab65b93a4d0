"""A recurrent net over sequences in each library, as its users write it. The loops over batches are networks.py's."""

from __future__ import annotations

from typing import Any

from graph_cases import Sequential


def martlet_model(network: Sequential) -> Any:
    from martlet import nn

    layer = getattr(nn, network.cell)(network.units)
    return nn.Sequential([nn.Input(network.input), layer, nn.Dense(network.classes)], seed=1)


def torch_model(network: Sequential) -> Any:
    from torch import nn

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = getattr(nn, network.cell)(network.features, network.units, batch_first=True)
            self.last = nn.Linear(network.units, network.classes)

        def forward(self, x: Any) -> Any:
            return self.last(self.cell(x)[0][:, -1])

    return Last()


def jax_model(network: Sequential) -> Any:
    """What gives logits of parameters, in the order of shapes, statistics, of which there are none, x and a key."""
    import jax
    from jax import numpy as jnp

    units = network.units

    def lstm(held: Any, given: Any, recurrent: Any, bias: Any) -> Any:
        h, c = held
        i, f, g, o = jnp.split(given + h @ recurrent + bias, 4, 1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    def gru(held: Any, given: Any, recurrent: Any, bias: Any) -> Any:
        h, _ = held
        z, r, g = jnp.split(given + bias[0], 3, 1)
        u, v, k = jnp.split(h @ recurrent + bias[1], 3, 1)
        keep = jax.nn.sigmoid(z + u)
        h = keep * h + (1 - keep) * jnp.tanh(g + jax.nn.sigmoid(r + v) * k)
        return (h, h), None

    step = {"LSTM": lstm, "GRU": gru}[network.cell]

    def forward(params: Any, statistics: Any, x: Any, key: Any) -> Any:
        kernel, recurrent, bias, last, shift = params
        zeros = jnp.zeros((x.shape[0], units))
        given = jnp.swapaxes(x @ kernel, 0, 1)
        (h, _), _ = jax.lax.scan(lambda held, part: step(held, part, recurrent, bias), (zeros, zeros), given)
        return h @ last + shift, statistics

    return forward, []
