"""Groups of several algorithms in one optimizer of martlet.torch and martlet.optim: each steps as an optimizer of its
own would, to the bit, and has its own options and state."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import martlet
import martlet.torch
from martlet import optim

#: The names of the second group's algorithm, with its class and options.
OTHERS = [
    ("adamw", "AdamW", {"lr": 1e-2, "betas": (0.8, 0.9)}),
    ("sgd", "SGD", {"lr": 1e-2, "momentum": 0.9}),
    ("adafactor", "Adafactor", {"lr": 1e-2}),
    ("muon", "Muon", {"lr": 1e-2, "adjust_lr_fn": "spectral"}),
    ("prodigy", "Prodigy", {"lr": 0.5}),
]


def parameters() -> list[Tensor]:
    made = torch.Generator().manual_seed(3)
    return [torch.randn(shape, generator=made).requires_grad_() for shape in ((6, 4), (5, 3), (4, 7))]


def give(tensors: list[Tensor], step: int) -> None:
    made = torch.Generator().manual_seed(100 + step)
    for tensor in tensors:
        tensor.grad = torch.randn(tensor.shape, generator=made)


def mixed(tensors: list[Tensor], algorithm: str, options: dict[str, Any]) -> martlet.torch.LAMB:
    groups = [{"params": tensors[:1]}, {"params": tensors[1:], "algorithm": algorithm, **options}]
    return martlet.torch.LAMB(groups, lr=0.1)


@pytest.mark.parametrize(("algorithm", "name", "options"), OTHERS)
def test_each_group_steps_as_its_own_optimizer_would(algorithm: str, name: str, options: dict[str, Any]) -> None:
    ours, alone = parameters(), parameters()
    both = mixed(ours, algorithm, options)
    first = martlet.torch.LAMB(alone[:1], lr=0.1)
    second = getattr(martlet.torch, name)(alone[1:], **options)
    for step in range(4):
        give(ours, step)
        give(alone, step)
        if step == 2:
            both.param_groups[1]["lr"] = second.param_groups[0]["lr"] = 0.03
        both.step()
        first.step()
        second.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, alone, strict=True))
    assert both.state[ours[1]].keys() == second.state[alone[1]].keys()
    assert both.param_groups[1].keys() == {"algorithm", *second.param_groups[0].keys()}
    assert "algorithm" not in both.param_groups[0]


@pytest.mark.parametrize("way", ["load_state_dict", "torch.save", "pickle", "deepcopy"])
def test_training_goes_on_to_the_bit(way: str) -> None:
    kept = parameters()
    one = mixed(kept, "adamw", {"lr": 0.02, "betas": (0.8, 0.9)})
    for step in range(3):
        give(kept, step)
        one.step()
    if way == "pickle":
        kept_now, other = pickle.loads(pickle.dumps((kept, one)))
    elif way == "deepcopy":
        kept_now, other = copy.deepcopy((kept, one))
    else:
        kept_now = [tensor.detach().clone().requires_grad_() for tensor in kept]
        other = mixed(kept_now, "adamw", {"lr": 0.5})
        packed: Any = one.state_dict()
        if way == "torch.save":
            file = io.BytesIO()
            torch.save(packed, file)
            packed = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
        other.load_state_dict(packed)
    for step in range(3, 6):
        for tensors, optimizer in ((kept, one), (kept_now, other)):
            give(tensors, step)
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(kept, kept_now, strict=True))
    late = [torch.ones(3, requires_grad=True)]
    other.add_param_group({"params": late, "algorithm": "adamw"})
    assert other.param_groups[2]["betas"] == (0.9, 0.999)  # AdamW's own
    assert other.param_groups[2]["decoupled_weight_decay"] is True


def test_a_schedule_and_zero_grad_reach_every_group() -> None:
    tensors = parameters()
    optimizer = mixed(tensors, "adamw", {"lr": 0.02})
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    give(tensors, 0)
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.01]
    optimizer.zero_grad()
    assert all(tensor.grad is None for tensor in tensors)


def test_a_group_can_change_its_algorithm() -> None:
    tensors = parameters()
    optimizer = mixed(tensors, "sgd", {"lr": 0.1})
    give(tensors, 0)
    optimizer.step()
    group = optimizer.param_groups[1]
    group.update(martlet.torch.Lion([torch.ones(1)], lr=0.25).param_groups[0] | {"params": group["params"]})
    group["algorithm"] = "lion"
    before = tensors[1].detach().clone()
    optimizer.step()
    assert torch.allclose((tensors[1] - before).abs(), torch.full((5, 3), 0.25), atol=1e-6)


def test_states_of_other_algorithms_are_refused() -> None:
    tensors = parameters()
    optimizer = mixed(tensors, "adamw", {"lr": 0.02})
    give(tensors, 0)
    optimizer.step()
    kept = copy.deepcopy(optimizer.state_dict())
    other = mixed(parameters(), "sgd", {"lr": 0.02})
    give(other.param_groups[0]["params"], 0)
    with pytest.raises(martlet.FormatError, match=r"param_groups\[1\] is of adamw, and the optimizer's of sgd"):
        other.load_state_dict(kept)
    assert not other.state_dict()["state"]
    with pytest.raises(martlet.ArgumentError, match=r"param_groups\[2\]: algorithm is 'adamv'; wanted one of .*adamw"):
        optimizer.add_param_group({"params": [torch.ones(1)], "algorithm": "adamv"})
    assert len(optimizer.param_groups) == 2


@pytest.mark.parametrize("name", ["schedule_free_sgd", "schedule_free_adamw"])
def test_schedule_free_steps_alone(name: str) -> None:
    with pytest.raises(martlet.ArgumentError, match="algorithm is"):
        martlet.torch.Adam([{"params": [torch.ones(1)], "algorithm": name}])
    with pytest.raises(martlet.UnsupportedError, match="no other algorithm beside"):
        martlet.torch.SGDScheduleFree([{"params": [torch.ones(1)], "algorithm": "adam"}])
    with pytest.raises(martlet.UnsupportedError, match=name):
        optim.Adam([{"params": [np.ones(1)], "algorithm": name}])
    with pytest.raises(martlet.UnsupportedError, match="adam"):
        optim.SGDScheduleFree([{"params": [np.ones(1)], "algorithm": "adam"}])


@pytest.mark.parametrize(("algorithm", "name", "options"), OTHERS)
def test_arrays_too(algorithm: str, name: str, options: dict[str, Any], tmp_path: Any) -> None:
    """martlet.optim, with its files, which a handle of several algorithms writes and reads."""
    rng = np.random.default_rng(4)
    start = [rng.normal(size=shape) for shape in ((6, 4), (5, 3))]

    def make(arrays: list[Any], rate: float) -> optim.LAMB:
        groups = [{"params": arrays[:1]}, {"params": arrays[1:], "algorithm": algorithm, **options}]
        return optim.LAMB(groups, lr=rate)

    ours, alone, third = ([array.copy() for array in start] for _ in range(3))
    both, first = make(ours, 0.1), optim.LAMB(alone[:1], lr=0.1)
    second = getattr(optim, name)(alone[1:], **options)
    loaded = make(third, 0.7)
    for step in range(5):
        grads = [rng.normal(size=array.shape) for array in start]
        both.step(grads)
        first.step(grads[:1])
        second.step(grads[1:])
        if step == 2:
            both.save(tmp_path / "state")
            loaded.load(tmp_path / "state")
            for array, kept in zip(third, ours, strict=True):
                array[:] = kept
        elif step > 2:
            loaded.step(grads)
    assert all(np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(ours, alone, third, strict=True))
    again = make([array.copy() for array in start], 0.7)
    again.load_state_dict(both.state_dict())
    assert again.param_groups[1]["algorithm"] == algorithm
    assert again.param_groups[0]["lr"] == 0.1
    with pytest.raises(martlet.FormatError):
        optim.LAMB([{"params": start[:1]}, {"params": start[1:]}]).load(tmp_path / "state")
    with pytest.raises(martlet.FormatError, match=f"is of {algorithm}, and the optimizer's of lamb"):
        optim.LAMB([{"params": start[:1]}, {"params": start[1:]}]).load_state_dict(both.state_dict())
