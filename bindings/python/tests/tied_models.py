"""Models whose embedding and head have one table, and what they are trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from martlet import nn

ROWS, WIDTH, STEPS = 13, 8, 6
X = np.random.default_rng(2).integers(0, ROWS, (24, STEPS)).astype(np.int32)
Y = np.random.default_rng(3).integers(0, ROWS, (24, STEPS)).astype(np.int32)
LOSS = nn.SparseCategoricalCrossentropy(from_logits=True)


def reversible(**options: Any) -> nn.Model:
    words = nn.Input((STEPS,), dtype="int32")
    table = nn.ReversibleEmbedding(ROWS, WIDTH, **options)
    return nn.Model(words, table(nn.Dense(WIDTH, activation="tanh")(table(words)), reverse=True), seed=4)


def biased(**options: Any) -> nn.Model:
    words = nn.Input((STEPS,), dtype="int32")
    rows = nn.Embedding(ROWS, WIDTH, embeddings_initializer=nn.RandomNormal(stddev=0.5))(words)
    x = nn.Dense(WIDTH, activation="tanh")(rows)
    return nn.Model(words, nn.TiedDense(bias_initializer="random_normal", **options)([x, rows]), seed=4)
