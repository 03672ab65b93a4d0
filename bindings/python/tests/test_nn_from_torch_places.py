"""Models of torch's modules that name places by lists, as nanoGPT does, and give more than tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import martlet
from martlet.nn import from_torch


class Listed(nn.Module):
    """Places that a list names, and further outputs."""

    def __init__(self, places: Any, *others: Any) -> None:
        super().__init__()
        self.last, self.places, self.others = nn.Linear(5, 4), places, others

    def forward(self, x: Any) -> Any:
        return self.last(x)[self.places], *self.others


EVERY = slice(None)
PLACES = [
    (EVERY, [-1]), (EVERY, [1, 2]), (EVERY, [2, 0, 1]), (EVERY, [0, 0, -1, 2]), (EVERY, EVERY, [3, 1]), (..., [0]),
]  # fmt: skip


@pytest.mark.parametrize("places", PLACES)
def test_places_that_a_list_names(places: Any) -> None:
    torch.manual_seed(2)
    module, x = Listed(places, None), torch.randn(4, 3, 5)
    found = from_torch(module, x).predict(x.numpy())
    np.testing.assert_allclose(found, module(x)[0].detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (Listed((EVERY, [0], [1])), "of several dimensions"),
        (Listed(([0],)), "takes some of the samples"),
        (Listed((EVERY, torch.tensor([True, False, True]))), "no list of numbers"),
        (Listed((EVERY, torch.tensor([[0, 1]]))), "no list of numbers"),
        (Listed(EVERY, 3), "Listed gives 3, and wanted are tensors"),
    ],
)
def test_places_and_outputs_that_are_not_taken(module: Any, text: str) -> None:
    with pytest.raises(martlet.UnsupportedError, match=text):
        from_torch(module, torch.randn(4, 3, 5))
