"""What a script has in its groups and gradients under martlet.torch.install() means what it means to torch."""

from __future__ import annotations

import copy
import pickle
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW  # as a library has them that was imported before

import martlet
import martlet.torch
from test_torch_install import parameters, stepped

#: Keys that scripts keep in groups, and that are options of martlet.torch.
KEYS = {
    "max_norm": 0.1,
    "clip_value": 0.1,
    "accumulate": 2,
    "lookahead_steps": 2,
    "loss_scale": 8.0,
    "algorithm": "decoder",
}
KEYS |= {
    "state_dtype": "int3",
    "semantics": "mine",
    "seed": "a",
    "r": 0.5,
    "beta3": 2,
    "low_precision": 1,
    "strict": "no",
}


@pytest.mark.parametrize("key", KEYS)
def test_a_scripts_own_keys_are_its_own(key: str) -> None:
    ended = []
    for context in (nullcontext(), martlet.torch.installed()):
        with context:
            first, second = parameters() + parameters()
            optimizer = AdamW([{"params": [first], key: KEYS[key]}], lr=0.1)
            optimizer.add_param_group({"params": [second], key: KEYS[key]})
            for _ in range(3):
                optimizer.param_groups[1][key] = KEYS[key]
                first.grad, second.grad = torch.ones(3), torch.full((3,), 5.0)
                optimizer.step()
            packed = optimizer.state_dict()
            assert [group[key] for group in packed["param_groups"]] == [KEYS[key]] * 2
            optimizer.load_state_dict(packed)
            optimizer = pickle.loads(pickle.dumps(optimizer))
            assert [group[key] for group in optimizer.param_groups] == [KEYS[key]] * 2
            optimizer.step()
            ended.append([group["params"][0].detach() for group in optimizer.param_groups])
            is_ours = isinstance(optimizer, martlet.torch.Optimizer)
            assert is_ours is (len(ended) == 2)
    torch.testing.assert_close(ended[1], ended[0])


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has Muon from 2.9 on, and is served from 2.7 on")
def test_muon_steps_what_it_is_given() -> None:
    """By names too, by which Martlet's own would give embeddings, single rows and the last layer to AdamW."""
    martlet.torch.install()
    model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 1, bias=False), nn.Linear(1, 5, bias=False))
    named = [(name, one) for name, one in model.named_parameters() if one.ndim == 2]
    for given in (named, iter(named), [one for _, one in named]):
        optimizer = torch.optim.Muon(given, lr=0.02)
        assert isinstance(optimizer, martlet.torch.Muon)
        model(torch.arange(9)).square().sum().backward()
        optimizer.step()
        assert len(optimizer.param_groups) == 1
        assert [list(optimizer.state[one]) for _, one in named] == [["momentum_buffer"]] * 3
    with pytest.raises(TypeError):
        torch.optim.Muon(model)


@pytest.mark.filterwarnings("ignore:torch.optim.AdamW steps")
@pytest.mark.parametrize(("key", "value"), [("lr", float("nan")), ("maximize", None), ("amsgrad", None), ("eps", "1")])
def test_what_a_group_has_is_torchs_affair(key: str, value: Any) -> None:
    ended: list[Any] = []
    for context in (nullcontext(), martlet.torch.installed()):
        with context:
            optimizer = AdamW(parameters(), lr=0.1)
            stepped(optimizer)
            usual, optimizer.param_groups[0][key] = optimizer.param_groups[0][key], value
            try:
                stepped(optimizer)
            except Exception as error:
                ended.append((type(error), str(error)))
                continue
            optimizer.param_groups[0][key] = usual
            ended.append(stepped(optimizer).tolist())
            counts = [float(entry["step"]) for entry in optimizer.state.values()]
            assert counts == [3.0]
    assert ended[0] == pytest.approx(ended[1], nan_ok=True) if isinstance(ended[0], list) else ended[0] == ended[1]


@pytest.mark.filterwarnings("ignore:torch.optim.SGD steps", "ignore:Sparse invariant")
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rows_move_as_in_torch(momentum: float) -> None:
    ended = []
    for context in (nullcontext(), martlet.torch.installed()):
        with context:
            table = nn.Parameter(torch.arange(12.0).reshape(6, 2))
            optimizer: Any = SGD([table], lr=0.1, momentum=momentum)
            for rows in ([0, 2], [2, 2], [1, 5]):
                table.grad = torch.sparse_coo_tensor(torch.tensor([rows]), torch.ones(2, 2), (6, 2))
                optimizer.step()
            ended.append((table.detach(), optimizer))
    (theirs, _), (ours, optimizer) = ended
    torch.testing.assert_close(ours, theirs)
    assert optimizer.native_share == (0 if momentum else 1)
    again = copy.deepcopy(optimizer)
    again.load_state_dict(optimizer.state_dict())
    for one in (optimizer, again):
        (twin,) = one.param_groups[0]["params"]
        twin.grad = torch.sparse_coo_tensor(torch.tensor([[3]]), torch.ones(1, 2), (6, 2))
        one.step()
    assert torch.equal(twin.detach(), table.detach())


@pytest.mark.filterwarnings("ignore:optimizer contains a parameter group with duplicate", "ignore:torch.optim")
@pytest.mark.parametrize("name", ["AdamW", "SGD", "Adagrad", "NAdam"])
def test_a_parameter_twice_is_stepped_twice(name: str) -> None:
    ended = []
    for context in (nullcontext(), martlet.torch.installed()):
        with context:
            (tied,), (other,) = parameters(), parameters()
            optimizer: Any = getattr(torch.optim, name)([tied, other, tied], lr=0.1)
            for step in range(3):
                tied.grad, other.grad = torch.ones(3), torch.full((3,), step + 1.0)
                optimizer.step()
            ended.append([tied.detach(), other.detach(), *optimizer.state[tied].values()])
    for one, twin in zip(*ended, strict=True):
        torch.testing.assert_close(one, twin, check_dtype=False)
    assert optimizer.native_share == 0.5
