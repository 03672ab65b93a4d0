"""A language model in each library, as its users write it: GPT-2's blocks over characters. The loops over batches are
networks.py's."""

from __future__ import annotations

from typing import Any

from graph_cases import Generative

EPSILON = 1e-5


def martlet_model(network: Generative) -> Any:
    from martlet import nn

    def normal(x: Any) -> Any:
        return nn.LayerNormalization(epsilon=EPSILON)(x)

    units, heads = network.units, network.heads
    ids = nn.Input(network.input, dtype="int32")
    x = nn.Embedding(network.vocabulary, units)(ids)
    x = x + nn.PositionEmbedding(network.length)(x)
    for _ in range(network.blocks):
        read = normal(x)
        x = x + nn.MultiHeadAttention(heads, units // heads)(read, read, use_causal_mask=True)
        x = x + nn.Dense(units)(nn.Dense(4 * units, activation="gelu")(normal(x)))
    return nn.Model(ids, nn.Dense(network.vocabulary)(normal(x)), seed=1)


def torch_model(network: Generative) -> Any:
    import torch
    from torch import nn

    units, heads = network.units, network.heads

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.reads, self.gives = nn.Linear(units, 3 * units), nn.Linear(units, units)

        def forward(self, x: Any) -> Any:
            query, key, value = self.reads(x).unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
            taken = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            return self.gives(taken.transpose(1, 2).flatten(2))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.attention = nn.LayerNorm(units, EPSILON), Attention()
            self.second = nn.LayerNorm(units, EPSILON)
            self.wide = nn.Sequential(nn.Linear(units, 4 * units), nn.GELU(), nn.Linear(4 * units, units))

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.first(x))
            return x + self.wide(self.second(x))

    class Language(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(network.vocabulary, units)
            self.places = nn.Parameter(torch.empty(network.length, units).normal_(0, 0.02))
            self.blocks = nn.Sequential(*(Block() for _ in range(network.blocks)))
            self.last, self.head = nn.LayerNorm(units, EPSILON), nn.Linear(units, network.vocabulary)

        def forward(self, ids: Any) -> Any:
            return self.head(self.last(self.blocks(self.table(ids) + self.places)))

    return Language()


def jax_model(network: Generative) -> Any:
    """What gives logits of parameters, in the order of shapes, statistics, of which there are none, ids and a key."""
    import jax
    from jax import numpy as jnp

    heads = network.heads

    def normal(x: Any, scale: Any, shift: Any) -> Any:
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) / jnp.sqrt(variance + EPSILON) * scale + shift

    def block(x: Any, params: Any) -> Any:
        scale, shift, *attention, scale2, shift2, wide, bias, narrow, bias2 = params
        read = normal(x, scale, shift)
        q, k, v = (
            (read @ kernel + added).reshape(*x.shape[:2], heads, -1)
            for kernel, added in zip(attention[:6:2], attention[1:6:2], strict=True)
        )
        taken = jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(x.shape)
        x = x + taken @ attention[6] + attention[7]
        return x + jax.nn.gelu(normal(x, scale2, shift2) @ wide + bias, approximate=False) @ narrow + bias2

    def forward(params: Any, statistics: Any, ids: Any, key: Any) -> Any:
        table, places, *others, scale, shift, head, bias = params
        x = table[ids] + places
        each = len(others) // network.blocks
        for start in range(0, len(others), each):
            x = block(x, others[start : start + each])
        return normal(x, scale, shift) @ head + bias, statistics

    return forward, []
