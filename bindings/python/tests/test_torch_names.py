"""Names that a derived class has for things of its own: none of Martlet's private ones is among them."""

from __future__ import annotations

import copy
import pickle
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn

import martlet.torch
from martlet.torch import by_torch, installing

CLASSES = [one for name in martlet.torch.__all__ if isinstance(one := getattr(martlet.torch, name), type)]
# What one would call attributes, and Martlet's classes have in some form.
WORDS = (
    *("plan", "kind", "gate", "told", "states", "counts", "copies", "strict", "others", "is_private", "meetings"),
    *("step_anew", "move", "meet", "finish", "checked", "owner", "why", "routed", "called", "has_run", "native_share"),
)


def private(names: Any) -> set[str]:
    return {name for name in names if name[0] == "_" != name[1:2]}


@pytest.mark.parametrize("cls", [*CLASSES, installing.Installed], ids=lambda cls: cls.__name__)
def test_private_names_begin_as_nobody_elses(cls: Any) -> None:
    peer = by_torch.peer_of(cls) or torch.optim.Optimizer
    added = [one for one in cls.__mro__ if one not in peer.__mro__]
    names = private(name for one in added for name in (*vars(one), *vars(one).get("__annotations__", ())))
    if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer) and cls is not martlet.torch.Optimizer:
        made = [parameter] = [nn.Parameter(torch.ones(2, 2))]
        theirs = vars(peer(made)) if peer is not torch.optim.Optimizer else vars(torch.optim.Adam(made))
        optimizer = cls(made)
        parameter.grad = torch.ones(2, 2)
        optimizer.step()
        names |= private(vars(optimizer).keys() - theirs.keys())
    assert {name for name in names if not name.startswith("_martlet_")} == set()


@pytest.mark.parametrize("way", ["derived", "installed"])
@pytest.mark.parametrize("when", ["class", "before", "behind"])
def test_names_of_ones_own(way: str, when: str) -> None:
    base: Any = martlet.torch.AdamW if way == "derived" else torch.optim.AdamW

    class Own(base):  # type: ignore[misc]
        def __init__(self, params: Any) -> None:
            if when == "before":
                vars(self).update({f"_{word}": "mine" for word in WORDS})
            super().__init__(params, lr=0.1)
            if when == "behind":
                vars(self).update({f"_{word}": "mine" for word in WORDS})

    if when == "class":
        for word in WORDS:
            setattr(Own, f"_{word}", "mine")
    theirs = [nn.Parameter(torch.ones(3))]
    peer = torch.optim.AdamW(theirs, lr=0.1)
    with martlet.torch.installed() if way == "installed" else nullcontext():
        ours = [nn.Parameter(torch.ones(3))]
        optimizer = Own(ours)
    assert isinstance(optimizer, martlet.torch.Optimizer)
    for _ in range(3):
        ours[0].grad = theirs[0].grad = torch.ones(3)
        optimizer.step()
        peer.step()
        optimizer.load_state_dict(optimizer.state_dict())
    torch.testing.assert_close(ours, theirs)
    assert {getattr(optimizer, f"_{word}") for word in WORDS} == {"mine"}
    (copied,) = copy.deepcopy(optimizer).param_groups[0]["params"]
    assert torch.equal(copied, ours[0])


def test_pickles_say_what_torch_must_not_step() -> None:
    optimizer = martlet.torch.Adam([nn.Parameter(torch.ones(2))], strict=True)
    loaded = pickle.loads(pickle.dumps(optimizer))
    (parameter,) = loaded.param_groups[0]["params"]
    loaded.param_groups[0]["lr"] = float("nan")
    parameter.grad = torch.ones(2)
    with pytest.raises(martlet.ArgumentError, match="Invalid learning rate"):
        loaded.step()
