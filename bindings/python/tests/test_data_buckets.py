"""Buckets: batches of sequences of like lengths, padded to their own longest; each sequence once in an epoch."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn
from martlet.data import Buckets

RNG = np.random.default_rng(3)


def texts(count: int = 50) -> list[Any]:
    """Sequences of words, whose first tells them apart, from none to 30 long; some are lists."""
    found: list[Any] = [np.concatenate([[100 + k], RNG.integers(1, 9, RNG.integers(0, 30))]) for k in range(count)]
    found[3], found[4] = [], found[4].tolist()
    return found


def test_each_sequence_comes_once_with_its_own_target() -> None:
    x, y = texts(), np.arange(50)
    buckets = Buckets(x, y, 8, seed=1)
    assert len(buckets) == 7 and buckets.samples == 50
    epochs = []
    for _ in range(2):
        seen, lengths = [], []
        for ids, numbers in buckets:
            assert ids.dtype == np.int64 and len(ids) == len(numbers) <= 8
            assert ids.shape[1] == max(1, *(len(x[one]) for one in numbers))
            for row, one in zip(ids, numbers, strict=True):
                np.testing.assert_array_equal(row[: len(x[one])], x[one])
                assert not row[len(x[one]) :].any()
            seen.extend(numbers)
            lengths.append((ids != 0).sum(axis=1))
        assert sorted(seen) == [*range(50)] and seen != [*range(50)]
        # A batch's lengths are neighbours: none of another batch lies between them.
        edges = sorted((one.min(), one.max()) for one in lengths)
        assert all(before[1] <= after[0] for before, after in pairwise(edges))
        epochs.append(seen)
    assert epochs[0] != epochs[1]
    buckets.epoch = 0
    assert [one for _, numbers in buckets for one in numbers] == epochs[0]
    assert [one for _, numbers in Buckets(x, y, 8, seed=2) for one in numbers] != epochs[0]


def test_padding_stands_before_or_behind() -> None:
    x = [np.ones((2, 3), np.float32), np.full((4, 3), 2, np.float32)]
    (before,) = Buckets(x, padding="pre", value=-1, shuffle=False)
    (behind,) = Buckets(x, value=-1, shuffle=False)
    assert before.shape == behind.shape == (2, 4, 3) and before.dtype == np.float32
    np.testing.assert_array_equal(before[0, :, 0], [-1, -1, 1, 1])
    np.testing.assert_array_equal(behind[0, :, 0], [1, 1, -1, -1])
    (nothing,) = Buckets([[]])
    assert nothing.shape == (1, 1)


def test_a_model_learns_from_them() -> None:
    """Which of two words comes more often: padding is hidden, and so lengths do not matter."""
    x = [RNG.integers(1, 3, RNG.integers(5, 25)) for _ in range(300)]
    y = np.array([(one == 1).mean() > 0.5 for one in x], np.float32)
    model = nn.Sequential([nn.Input((None,)), nn.Embedding(3, 8, mask_zero=True), nn.GRU(8), nn.Dense(1)], seed=1)
    model.compile(nn.Adam(0.02), nn.BinaryCrossentropy(from_logits=True), metrics=["accuracy"])
    history = model.fit(Buckets(x, y, 16, seed=4), epochs=12, verbose=0).history
    assert history["accuracy"][-1] > 0.9
    again = Buckets(x, y, 64, shuffle=False)
    assert model.evaluate(again, return_dict=True)["accuracy"] > 0.9
    assert model.predict(Buckets(x, None, 64, shuffle=False)).shape == (300, 1)


@pytest.mark.parametrize(
    ("given", "options", "error", "said"),
    [
        ("text", {}, martlet.DTypeError, "x is str; wanted a list of sequences"),
        ([], {}, martlet.ShapeError, "one or more"),
        ([[1, 2], [[1, 2]]], {}, martlet.ShapeError, r"x\[1\] has steps of shape \(2,\); wanted \(\)"),
        ([[1], "a"], {}, martlet.DTypeError, r"x\[1\] is 'a'"),
        ([[1], [1j]], {}, martlet.DTypeError, r"x\[1\] has dtype complex128"),
        ([[1], 3], {}, martlet.ShapeError, r"x\[1\] is one number"),
        ([[1], [2]], {"y": [1]}, martlet.ShapeError, "x has 2 sequences and y has 1 samples"),
        ([[1]], {"padding": "left"}, martlet.ArgumentError, "padding is 'left'"),
        ([[1]], {"batch_size": 0}, martlet.ArgumentError, "batch_size is 0"),
        ([[1]], {"value": float("nan")}, martlet.ArgumentError, "value is nan"),
        ([[1]], {"value": 0.5}, martlet.ArgumentError, "value is 0.5; wanted a number of x's type, int64"),
        ([[1]], {"value": 1e300}, martlet.ArgumentError, "value is 1e.300"),
    ],
)
def test_what_cannot_be(given: Any, options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        Buckets(given, **options)


def test_lengths_beside_the_sequences() -> None:
    """A batch's are what SequenceMask takes: a model trains and predicts as on each sequence by itself."""
    x = [RNG.standard_normal((steps, 3)).astype(np.float32) for steps in (4, 0, 2, 7, 7, 1, 3)]
    y = np.arange(7, dtype=np.float32)[:, None]
    for (ids, lengths), numbers in Buckets(x, y, 3, seed=1, lengths=True):
        assert ids.shape[1] == max(lengths) and [len(x[int(one)]) for one in numbers[:, 0]] == [*lengths]
    inputs, steps = nn.Input((None, 3)), nn.Input((1,))
    model = nn.Model([inputs, steps], nn.Dense(1)(nn.GRU(4)(nn.SequenceMask()(inputs, steps))), seed=2)
    model.compile("sgd", "mse")
    model.fit(Buckets(x, y, 3, lengths=True), epochs=2, verbose=0)
    order = np.argsort([len(one) for one in x], kind="stable")
    wanted = [
        model.predict([x[place][None] if len(x[place]) else np.ones((1, 1, 3)), [len(x[place])]]) for place in order
    ]
    buckets = Buckets(x, None, 3, shuffle=False, lengths=True)
    np.testing.assert_array_equal(model.predict(buckets), np.concatenate(wanted))
    buckets = Buckets(x, y, 3, shuffle=False, lengths=True)
    np.testing.assert_array_equal(model.predict(buckets), np.concatenate(wanted))
    with pytest.raises(martlet.ArgumentError, match="lengths is True, and padding is 'pre'"):
        Buckets(x, lengths=True, padding="pre")
