"""Whether a model of a torch module is that module: outputs at batches of any size, weights there and back, a curve."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import martlet
import martlet.torch
from martlet.nn import from_torch, to_torch


def agree(module: Any, *given: Any, limit: float = 1e-5) -> Any:
    """Holds a model to a module in float64, at batches of some sizes, and its weights there and back to the bit; gives
    the model."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    model = from_torch(module, given)
    exact, draw = copy.deepcopy(module).double().eval(), np.random.default_rng(1)
    for samples in (1, 2, 3, 7):
        rows = torch.from_numpy(draw.integers(0, len(given[0]), samples))
        # Whole numbers and bools say what is seen; of others any do.
        some = [
            torch.from_numpy(draw.normal(size=(samples, *one.shape[1:])).astype(np.float32))
            if one.is_floating_point() else one[rows] for one in given
        ]  # fmt: skip
        with torch.no_grad():
            wanted = exact(*(one.double() if one.is_floating_point() else one for one in some))
        found = model.predict([one.numpy() for one in some] if len(some) > 1 else some[0].numpy())
        several = isinstance(wanted, tuple)
        for one, ours in zip(wanted if several else [wanted], found if several else [found], strict=True):
            assert ours.shape == one.shape
            assert np.isfinite(ours).all()
            assert np.abs(ours - one.numpy()).max() <= limit * np.abs(one.numpy()).max()
    other = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.5)
    to_torch(model, other)
    whole = module.state_dict()
    taken = {name for carried in model._carried for weight in carried.weights for name in weight.names}
    assert taken
    for name, value in other.state_dict().items():
        assert name not in taken or value.equal(whole[name]), name
    return model


def refused(module: Any, given: Any, text: str) -> None:
    """Holds that a module is refused by a text, and a line of its own."""
    with pytest.raises(martlet.UnsupportedError, match=text) as raised:
        from_torch(module, given)
    assert ": test_" in str(raised.value) or "torch.export" in str(raised.value)


def same_curve(module: Any, given: Any, y: Any, limit: float = 2e-6) -> None:
    """Holds losses of each epoch to torch's from the same start, and what the module gives then."""
    for kind, options in ((torch.optim.AdamW, {"weight_decay": 0.1}), (torch.optim.SGD, {"momentum": 0.9})):
        ours, theirs = copy.deepcopy(module).train(), copy.deepcopy(module).train()
        optimizer: Any = kind(theirs.parameters(), lr=0.02, **options)
        wanted = []
        for _ in range(3):
            losses = []
            for start in range(0, len(y), 8):
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(theirs(*(one[start : start + 8] for one in given)), y[start : start + 8])
                loss.backward()
                optimizer.step()
                losses.append(loss.item() * len(y[start : start + 8]))
            wanted.append(sum(losses) / len(y))
        x = given[0] if len(given) == 1 else list(given)
        history = martlet.torch.train(
            ours, (x, y), nn.MSELoss(), kind(ours.parameters(), lr=0.02, **options), epochs=3, batch_size=8,
            shuffle=False, verbose=0,
        )  # fmt: skip
        np.testing.assert_allclose(history.history["loss"], wanted, rtol=limit)
        assert wanted[-1] < wanted[0]
        with torch.no_grad():
            np.testing.assert_allclose(ours.eval()(*given), theirs.eval()(*given), atol=1e-4)
