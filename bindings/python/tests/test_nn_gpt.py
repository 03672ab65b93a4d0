"""A GPT on the characters of Python's documentation: its losses follow torch's, step by step from the same start."""

from __future__ import annotations

import pydoc_data.topics
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional

from graphs import NDArray
from martlet import nn

CONTEXT, WIDTH, HEADS, LAYERS, BATCH, STEPS = 32, 32, 4, 4, 8, 60


def batches() -> tuple[NDArray, NDArray, int]:
    text = "".join(pydoc_data.topics.topics[name] for name in ("assert", "if", "while"))
    characters, ids = np.unique(np.frombuffer(text.encode("ascii", "ignore"), np.uint8), return_inverse=True)
    starts = np.random.default_rng(3).integers(0, len(ids) - CONTEXT, STEPS * BATCH)
    parts = ids.astype(np.int32)[starts[:, None] + np.arange(CONTEXT + 1)]
    return parts[:, :-1], parts[:, 1:], len(characters)


def network(characters: int) -> nn.Model:
    ids = nn.Input((CONTEXT,), dtype="int32")
    x = nn.Embedding(characters, WIDTH)(ids)
    x = x + nn.PositionEmbedding(CONTEXT, "random_normal")(x)
    for _ in range(LAYERS):
        read = nn.LayerNormalization(epsilon=1e-5)(x)
        x = x + nn.MultiHeadAttention(HEADS, WIDTH // HEADS)(read, read, use_causal_mask=True)
        wide = nn.Dense(4 * WIDTH, activation="gelu")(nn.LayerNormalization(epsilon=1e-5)(x))
        x = x + nn.Dense(WIDTH)(wide)
    return nn.Model(ids, nn.Dense(characters)(nn.LayerNormalization(epsilon=1e-5)(x)), seed=2)


def torch_losses(weights: list[NDArray], x: NDArray, y: NDArray) -> Iterator[float]:
    """By torch's functions, of weights as Keras has them."""
    params = [torch.tensor(weight, requires_grad=True) for weight in weights]
    optimizer = torch.optim.Adam(params, 3e-3)

    def logits(ids: torch.Tensor) -> torch.Tensor:
        left = iter(params)

        def normal(x: torch.Tensor) -> torch.Tensor:
            return functional.layer_norm(x, (WIDTH,), next(left), next(left), 1e-5)

        def dense(x: torch.Tensor) -> torch.Tensor:
            return x @ next(left) + next(left)

        def heads(x: torch.Tensor) -> torch.Tensor:
            kernel, bias = next(left), next(left)
            return (torch.einsum("btf,fhd->bthd", x, kernel) + bias).transpose(1, 2)

        hidden = next(left)[ids] + next(left)
        for _ in range(LAYERS):
            read = normal(hidden)
            query, key, value = heads(read), heads(read), heads(read)
            taken = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            hidden = hidden + torch.einsum("bhtd,hdf->btf", taken, next(left)) + next(left)
            hidden = hidden + dense(functional.gelu(dense(normal(hidden))))
        return dense(normal(hidden))

    for start in range(0, len(x), BATCH):
        rows = slice(start, start + BATCH)
        loss = functional.cross_entropy(
            logits(torch.from_numpy(x[rows]).long()).flatten(0, 1), torch.from_numpy(y[rows]).long().flatten()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def test_losses_follow_torchs() -> None:
    x, y, characters = batches()
    model = network(characters)
    model.compile(nn.Adam(3e-3, epsilon=1e-8), nn.SparseCategoricalCrossentropy(from_logits=True))
    wanted = list(torch_losses(model.get_weights(), x, y))
    found = [
        model.train_on_batch(x[start : start + BATCH], y[start : start + BATCH]) for start in range(0, len(x), BATCH)
    ]
    np.testing.assert_allclose(found[:20], wanted[:20], rtol=1e-4)
    np.testing.assert_allclose(found, wanted, rtol=5e-3)
    assert found[-1] < 0.75 * found[0]
