"""Plain arguments of models: numbers that are too large, and flags, texts and axes that are something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import martlet
from martlet import nn
from martlet.data import MinMaxScaler
from networks import digits_like, mlp

X, Y = digits_like(40, (20,))
LARGE = 10**400


def compiled() -> nn.Sequential:
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


BEYOND_FLOAT64: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.Dropout(LARGE), "rate of <Dropout>"),
    (lambda: nn.LeakyReLU(LARGE), "negative_slope of <LeakyReLU>"),
    (lambda: nn.BatchNormalization(epsilon=LARGE), "epsilon of <BatchNormalization>"),
    (lambda: nn.Huber(LARGE), "delta of Huber"),
    (lambda: nn.EarlyStopping(min_delta=-LARGE), "min_delta"),
    (lambda: nn.RandomUniform(-LARGE, LARGE), "maxval of RandomUniform"),
    (lambda: nn.Adam(LARGE), "lr"),
    (lambda: martlet.optim.Adam([], betas=(0.5, LARGE)), r"betas\[1\]"),
    (lambda: setattr(compiled().optimizer, "learning_rate", LARGE), "l"),
    (lambda: compiled().fit(X, Y, validation_split=LARGE, verbose=0), "validation_split"),
    (lambda: MinMaxScaler((0, LARGE)), "range"),
]


@pytest.mark.parametrize("index", range(len(BEYOND_FLOAT64)))
def test_numbers_beyond_float64(index: int) -> None:
    call, name = BEYOND_FLOAT64[index]
    with pytest.raises(martlet.ArgumentError, match=f"^{name}.* is beyond float64's"):
        call()


def test_numbers_that_the_library_has_no_room_for() -> None:
    for k in (2**31, 2**32 + 3, 2**63, 10**5000):
        with pytest.raises(martlet.ArgumentError, match="k of TopK is more than 2147483647; wanted 1 to 2147483647"):
            nn.TopK(k)
    assert nn.TopK(2**31 - 1).k == 2**31 - 1
    with pytest.raises(martlet.ArgumentError, match="units of <Dense> is more than 9223372036854775807"):
        nn.Dense(2**63)
