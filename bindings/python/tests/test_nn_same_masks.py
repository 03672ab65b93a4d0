"""A mask that is made twice, of one node by the same numbers, is one: beside Keras's, and to the bits of one that is
handed on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphs import alike, numbers
from martlet import nn
from sequence_cases import steps, words


def twice_of_words(library: Any, ids: Any) -> list[Any]:
    return [library.Embedding(30, 4, mask_zero=True)(ids) for _ in range(2)]


def twice_of_features(library: Any, x: Any) -> list[Any]:
    return [library.Masking()(x), library.Dense(3)(library.Masking()(x))]


def by_one_layer(library: Any, x: Any) -> list[Any]:
    hides = library.Masking()
    return [hides(x), library.Dense(3)(hides(x))]


@pytest.mark.parametrize("join", ["Add", "Concatenate", "MultiHeadAttention"])
@pytest.mark.parametrize("make", [twice_of_words, twice_of_features, by_one_layer])
def test_a_mask_that_is_made_twice_is_one(make: Callable[[Any, Any], list[Any]], join: str) -> None:
    of_words = make is twice_of_words

    def build(library: Any, model: Any) -> Any:
        inputs = library.Input((7,), dtype="int32") if of_words else library.Input((7, 3))
        one, other = make(library, inputs)
        if join == "MultiHeadAttention":
            both = library.MultiHeadAttention(1, 2)(library.RMSNormalization()(one), one, other)
        else:
            both = getattr(library, join)()([one, other])
        return model(inputs, library.Dense(2)(library.LSTM(5)(both)))

    alike(build, words() if of_words else steps())


def inside(x: Any) -> list[Any]:
    one = nn.Input((7, 3))
    return [nn.Model(one, nn.Masking()(one))(x), nn.Masking()(x)]


BY_INPUTS: dict[str, Callable[[Any, Any, Any], list[Any]]] = {
    "numbers": lambda x, said, counts: [nn.Masking()(x, mask=said), nn.Masking()(nn.Dense(3)(x), mask=said)],
    "a table": lambda x, said, counts: [nn.Masking()(x, mask=said), nn.Embedding(30, 3, mask_zero=True)(said)],
    "lengths": lambda x, said, counts: [nn.SequenceMask()(x, counts), nn.SequenceMask()(nn.Dense(3)(x), counts)],
    "a model": lambda x, said, counts: inside(x),
}


@pytest.mark.parametrize("name", BY_INPUTS)
def test_a_mask_that_inputs_or_models_make_twice_is_one(name: str, tmp_path: Path) -> None:
    """To the bits of one that is made once and handed on."""
    x, said, counts = nn.Input((7, 3)), nn.Input((7,), dtype="int32"), nn.Input((1,), dtype="int32")
    both, gru = nn.Add()(BY_INPUTS[name](x, said, counts)), nn.GRU(4)
    model = nn.Model([x, said, counts], [gru(both), both], seed=3)
    of_steps = steps() if name == "a model" else numbers(9, 7, 3)
    given = [of_steps, words(), np.arange(9, dtype=np.int32)[:, None] % 8]
    seen = (given[0] != 0).any(2) if name == "a model" else given[1] != 0
    seen = np.arange(7) < given[2] if name == "lengths" else seen
    found, sums = model.predict(given)
    assert not (sums[seen] == 0).all(1).any()
    sums[~seen] = 7  # what is hidden is not looked at
    again = nn.Sequential([nn.Input((7, 3)), nn.Masking(7.0), nn.GRU(4)])
    again.set_weights(gru.get_weights())
    np.testing.assert_array_equal(found, again.predict(sums))
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(nn.load_model(tmp_path / "model").predict(given)[0], found)
