"""Models of sequences that are written as files of C: masks, both ways at once, attention, in the words that Martlet
and Keras share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from exported import NDArray, numbers
from exported_cases import Case, chain

STEPS, WORDS = (7, 3), (7,)


def words() -> NDArray:
    """Sequences of all lengths but none, padded behind, before and between."""
    ids = np.random.default_rng(5).integers(1, 30, (9, 7)).astype(np.int32)
    for length in range(1, 8):
        ids[length, length:] = 0
    ids[7, :4], ids[8, 2:5] = 0, 0
    return ids


def steps() -> NDArray:
    """The same with features, of which some of a step are 0 and not all."""
    x = numbers((9, *STEPS))
    x[words() == 0] = 0
    x[8, 1, 1] = x[2, 0, 0] = 0
    return x


def _both(merge: str, kind: str, **options: Any) -> Callable[[Any], Any]:
    return lambda k: k.Bidirectional(getattr(k, kind)(4, **options), merge_mode=merge)


def _masked(*layers: Callable[[Any], Any]) -> Case:
    return Case(chain(STEPS, lambda k: k.Masking(), *layers), steps())


def _attends(library: Any, model: Any) -> Any:
    """Of itself and of another sequence, seen whole or up to its own place."""
    left, right = library.Input((7, 6)), library.Input((5, 4))
    own = library.MultiHeadAttention(2, 5)(left, left, use_causal_mask=True)
    wide = library.MultiHeadAttention(3, 17, use_bias=False)(left, right)
    other = library.MultiHeadAttention(1, 16)(own, right, library.Dense(4)(right))
    return model([left, right], [own, wide, other])


def _longer_queries(library: Any, model: Any) -> Any:
    """More of them than of keys, each seen up to its place."""
    left, right = library.Input((7, 6)), library.Input((4, 6))
    return model([left, right], library.MultiHeadAttention(2, 3)(left, right, use_causal_mask=True))


def _block(library: Any, model: Any) -> Any:
    """A transformer's block over words of which some are padding, and what reads it."""
    given = library.Input(WORDS, dtype="int32")
    x = library.Embedding(30, 6, mask_zero=True)(given)
    x = library.Add()([x, library.MultiHeadAttention(2, 3)(x, x)])
    inner = library.Dense(6)(library.Dense(12, activation="gelu")(library.LayerNormalization()(x)))
    x = library.LayerNormalization()(library.Add()([x, inner]))
    return model(given, library.Dense(3)(library.Bidirectional(library.GRU(4))(x)))


SEQUENCES: dict[str, Case] = {
    "Masking": _masked(),
    "Masking, LSTM": _masked(lambda k: k.LSTM(5)),
    "Masking, LSTM, backwards": _masked(lambda k: k.LSTM(3, return_sequences=True, go_backwards=True)),
    "Masking, GRU, all": _masked(lambda k: k.GRU(4, return_sequences=True), lambda k: k.GRU(3)),
    "Masking, GRU, reset first": _masked(lambda k: k.GRU(4, return_sequences=True, reset_after=False)),
    "Masking, SimpleRNN": _masked(lambda k: k.SimpleRNN(5, activation="sigmoid")),
    "Bidirectional, LSTM": Case(chain(STEPS, _both("concat", "LSTM")), steps()),
    "Bidirectional, GRU, all": Case(chain(STEPS, _both("sum", "GRU", return_sequences=True)), steps()),
    "Bidirectional, masked": _masked(_both("mul", "GRU")),
    "Bidirectional, masked, all": _masked(_both("ave", "LSTM", return_sequences=True)),
    "RMSNormalization": Case(chain(STEPS, lambda k: k.RMSNormalization()), steps() + 3),
    "mask_zero": Case(
        chain(WORDS, lambda k: k.Embedding(30, 6, mask_zero=True), lambda k: k.GRU(4), lambda k: k.Dense(3)), words()
    ),
    "attention": Case(_attends, [numbers((6, 7, 6)), numbers((6, 5, 4), 4)]),
    "attention, longer queries": Case(_longer_queries, [numbers((6, 7, 6)), numbers((6, 4, 6), 4)]),
    "attention, block": Case(_block, words()),
}
