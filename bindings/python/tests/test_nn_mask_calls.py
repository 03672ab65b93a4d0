"""What becomes of masks is known where layers are called: there they are refused, by the layer's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import martlet
from martlet import nn

CALLS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: nn.BatchNormalization(name="norm")(x), '"norm" reads'),
    (
        lambda x: nn.Bidirectional(nn.GRU(3))(x, mask=nn.Input((7,))),
        r"called with mask; wanted .* Masking\(\)\(x, mask=m\)",
    ),
    (lambda x: nn.BatchNormalization(name="norm")(nn.Dense(4)(nn.GRU(3, return_sequences=True)(x))), '"norm" reads'),
    (lambda x: nn.Concatenate(1, name="behind")([x, x]), '"behind" reads'),
    (lambda x: nn.Add(name="sum")([x, nn.Masking(1.0)(nn.Dense(3)(x))]), '"sum" reads'),
    (lambda x: nn.Add(name="sum")([nn.Masking(1.0)(one := nn.Input((7, 4))), nn.Masking(2.0)(one)]), '"sum" reads'),
    (
        lambda x: nn.Add(name="sum")([nn.Masking()(x, mask=nn.Input((7,))), nn.Masking()(x, mask=nn.Input((7,)))]),
        '"sum" reads',
    ),
    (lambda x: nn.MultiHeadAttention(1, 2, name="own")(x, x, nn.Masking(1.0)(nn.Dense(3)(x))), '"own_weights" reads'),
    (
        lambda x: nn.Model(one := nn.Input((7, 3)), nn.BatchNormalization(name="norm")(one), name="inner")(x),
        '"inner.norm" reads',
    ),
    (
        lambda x: nn.BatchNormalization(name="norm")(nn.Model(one := nn.Input((7, 3)), nn.Masking()(one))(x)),
        '"norm" reads',
    ),
]


@pytest.mark.parametrize("index", range(len(CALLS)))
@pytest.mark.parametrize("steps", [7, None])
def test_layers_refuse_masks_where_they_are_called(index: int, steps: int | None) -> None:
    call, says = CALLS[index]
    x = nn.Masking()(nn.Input((steps, 3)))
    if steps is None and index > 5:
        pytest.skip("models within of seven steps")
    with pytest.raises(martlet.UnsupportedError, match=says):
        call(x)


def test_layers_that_take_masks_are_called() -> None:
    """Of one mask by two ways, and where one of two has none."""
    one = nn.Input((None, 3))
    x = nn.Masking()(one)
    both = nn.Add()([x, nn.MultiHeadAttention(1, 2)(x, x)])
    states = nn.LSTM(3, return_sequences=True, return_state=True)(both)
    nn.Multiply()([states[0], both])
    nn.BatchNormalization()(nn.Add()([x, one]))
    nn.BatchNormalization()(nn.RMSNormalization()(x))
    nn.BatchNormalization()(states[1])
    nn.BatchNormalization()(nn.GlobalAveragePooling1D()(both))
