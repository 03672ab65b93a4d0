"""Classes of a user's own: what would never be called is refused where it is written, and the rest works."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import martlet
from martlet import nn


@pytest.mark.parametrize(
    ("base", "method"),
    [
        (nn.Layer, "call"), (nn.Dense, "call"), (nn.Dense, "__call__"), (nn.Conv2D, "build"),
        (nn.Layer, "forward"), (nn.Dense, "backward"),
        (nn.MeanSquaredError, "call"), (nn.losses.Loss, "__call__"), (nn.Sequential, "train_step"),
        (nn.Sequential, "call"),
    ],
)  # fmt: skip
def test_what_the_library_would_not_hear_of(base: Any, method: str) -> None:
    with pytest.raises(martlet.UnsupportedError, match=f"class Mine defines {method}, which nothing calls"):
        type("Mine", (base,), {method: lambda self, *given: None})


def test_classes_with_nothing_to_compute() -> None:
    with pytest.raises(martlet.UnsupportedError, match="class Mine says nothing that the library computes"):
        type("Mine", (nn.Layer,), {})

    class Mine(nn.losses.Loss):
        pass

    model = nn.Sequential([nn.Dense(3)])
    for loss in (nn.losses.Loss(), nn.losses.Loss, Mine(), Mine):
        with pytest.raises(martlet.UnsupportedError, match=r"loss is .*\(\), which the library does not compute"):
            model.compile("adam", loss)


def test_what_adds_to_a_class_works() -> None:
    class Wide(nn.Dense):
        def __init__(self) -> None:
            super().__init__(64)

    class Noted(nn.Sequential):
        def fit(self, *given: Any, **named: Any) -> Any:
            return super().fit(*given, verbose=0, **named)

    model = Noted([Wide()])
    model.compile("adam", type("Own", (nn.MeanSquaredError,), {}))
    assert model.fit(np.ones((4, 2)), np.ones((4, 64))).epoch == [0]
