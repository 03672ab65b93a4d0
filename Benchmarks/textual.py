"""A convolutional net for texts in each library, as its users write it. The loops over batches are networks.py's."""

from __future__ import annotations

from typing import Any

from graph_cases import Textual


def martlet_model(network: Textual) -> Any:
    from martlet import nn

    ids = nn.Input(network.input, dtype="int32")
    words = nn.Embedding(network.vocabulary, network.units, sparse=network.steps_rows)(ids)
    found = [
        nn.GlobalMaxPooling1D()(nn.Conv1D(network.filters, width, activation="relu")(words)) for width in network.widths
    ]
    return nn.Model(ids, nn.Dense(network.classes)(nn.Dropout(0.5)(nn.Concatenate()(found))), seed=1)


def torch_model(network: Textual, sparse: bool = False) -> Any:
    """``sparse``: the table's gradient is of the rows that a batch names."""
    import torch
    from torch import nn

    class Text(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(network.vocabulary, network.units, sparse=sparse)
            self.filters = nn.ModuleList(nn.Conv1d(network.units, network.filters, width) for width in network.widths)
            self.drop = nn.Dropout(0.5)
            self.last = nn.Linear(network.filters * len(network.widths), network.classes)

        def forward(self, ids: Any) -> Any:
            words = self.table(ids).transpose(1, 2)
            found = [torch.relu(filters(words)).amax(2) for filters in self.filters]
            return self.last(self.drop(torch.cat(found, 1)))

    return Text()


def jax_model(network: Textual) -> Any:
    """What gives logits of parameters, in the order of shapes, statistics, of which there are none, ids and a key."""
    import jax
    from jax import numpy as jnp

    def forward(params: Any, statistics: Any, ids: Any, key: Any) -> Any:
        table, *filters, kernel, bias = params
        words = table[ids]
        found = []
        for window, shift in zip(filters[::2], filters[1::2], strict=True):
            layout = ("NWC", "WIO", "NWC")
            x = jax.lax.conv_general_dilated(words, window, (1,), "VALID", dimension_numbers=layout) + shift
            found.append(jax.nn.relu(x).max(1))
        x = jnp.concatenate(found, 1)
        x = jnp.where(jax.random.bernoulli(key, 0.5, x.shape), x * 2, 0)
        return x @ kernel + bias, statistics

    return forward, []
