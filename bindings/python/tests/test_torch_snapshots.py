"""A state_dict of martlet.torch is a picture of one instant: nothing writes into it, and nothing writes through it; and
what it has beside the parameters' states is carried along, and checked."""

from __future__ import annotations

import copy
from collections import OrderedDict, namedtuple
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import martlet
import martlet.torch
import models

Pair = namedtuple("Pair", "first second")


def trained(steps: int = 3, name: str = "Adam", **options: Any) -> tuple[nn.Module, Any]:
    model = models.network()
    optimizer = getattr(martlet.torch, name)(model.parameters(), lr=0.01, **options)
    models.train(model, optimizer, steps)
    return model, optimizer


def tensors(value: Any) -> list[Tensor]:
    """All tensors in nested containers."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        return [tensor for item in value.values() for tensor in tensors(item)]
    return [tensor for item in value for tensor in tensors(item)] if isinstance(value, list | tuple) else []


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


def test_going_back_to_a_state_dict_is_exact() -> None:
    model, optimizer = trained(amsgrad=True)
    weights, state = copy.deepcopy(model.state_dict()), optimizer.state_dict()
    kept = copy.deepcopy(state)
    on = models.train(model, optimizer, 4, first=3)
    assert same(state, kept)
    for _ in range(2):
        model.load_state_dict(weights)
        optimizer.load_state_dict(state)
        assert {entry["step"].item() for entry in optimizer.state.values()} == {3}
        assert models.train(model, optimizer, 4, first=3) == on
        assert same(state, kept)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_torchs_optimizer_writes_nothing_of_ours(name: str) -> None:
    rate = torch.tensor(0.01)
    model, optimizer = trained(name=name)
    optimizer.param_groups[0]["lr"] = rate
    parameter = next(model.parameters())
    optimizer.state[parameter]["nested"] = {"list": [torch.ones(2), (torch.zeros(1), 7)]}
    before = copy.deepcopy(dict(optimizer.state))
    peer_model = models.network()
    peer = getattr(torch.optim, name)(peer_model.parameters())
    peer.load_state_dict(optimizer.state_dict())
    models.train(peer_model, peer, 3)
    peer.param_groups[0]["lr"].fill_(7.0)
    for tensor in tensors(list(peer.state.values())) + tensors(list(optimizer.state_dict().values())):
        tensor.fill_(3)
    assert same(list(before.values()), list(optimizer.state.values()))
    assert rate.item() == pytest.approx(0.01)
    state = optimizer.state_dict()
    assert state["state"][0]["nested"]["list"][1][1] == 7
    models.train(model, optimizer, 1)
    ours = {tensor.data_ptr() for tensor in tensors(list(optimizer.state.values()))}
    assert not ours & {tensor.data_ptr() for tensor in tensors(state["state"])}


ORPHANS = {
    99: {"step": torch.tensor(4.0), "exp_avg": torch.ones(2), "exp_avg_sq": torch.ones(2)},
    "global": {"list": [torch.ones(3), 5], "nested": {"step": torch.tensor(2)}},
    "number": 17,
    "none": None,
    "text": "kept",
}


def test_entries_for_no_parameter_are_carried_along() -> None:
    model, optimizer = trained()
    state = optimizer.state_dict()
    state["state"] = {**ORPHANS, **state["state"]}
    peer_model = models.network()
    peer = torch.optim.Adam(peer_model.parameters())
    peer.load_state_dict(copy.deepcopy(state))
    optimizer.load_state_dict(state)
    for each_model, each in ((model, optimizer), (peer_model, peer)):
        models.train(each_model, each, 2)
    again, theirs = optimizer.state_dict()["state"], peer.state_dict()["state"]
    assert list(again) == list(theirs)
    for key, value in ORPHANS.items():
        assert same(again[key], value) and type(again[key]) is type(value)
        assert optimizer.state[key] is not value or not isinstance(value, dict)
    assert again["number"] == 17 and again["text"] == "kept"
    twin = copy.deepcopy(optimizer)
    twin.load_state_dict(twin.state_dict())
    assert list(twin.state_dict()["state"]) == list(theirs)


def kinds(value: Any) -> set[str]:
    """The modules that the types in nested containers come from."""
    if isinstance(value, dict):
        return set().union({type(value).__module__}, *map(kinds, value.keys()), *map(kinds, value.values()))
    if isinstance(value, list | tuple | set):
        return set().union({type(value).__module__}, *map(kinds, value))
    return {type(value).__module__}


def test_nothing_of_the_inside_stays_in_the_state() -> None:
    model, optimizer = trained()
    state = optimizer.state_dict()
    state["state"][0] |= {
        "exp_avg_sq": state["state"][0]["exp_avg_sq"].double(),
        "nested": {"exp_avg": torch.ones(2), "step": torch.tensor(3), "deep": {"max_exp_avg_sq": [torch.ones(1)]}},
        "text": "kept",
        "pair": Pair(torch.ones(1), 2),
        "ordered": OrderedDict(a=torch.ones(1, dtype=torch.int64)),
    }
    state["state"][77] = dict(state["state"][0])

    def hook(_: Any, loaded: dict[str, Any]) -> dict[str, Any]:
        return {**loaded, "state": {**loaded["state"], "hooked": {"exp_avg": torch.ones(1)}, 1: loaded["state"][1]}}

    optimizer.register_load_state_dict_pre_hook(hook)
    optimizer.load_state_dict(state)
    models.train(model, optimizer, 2)
    found = kinds({"state": list(optimizer.state.values()), "out": optimizer.state_dict()})
    assert not any(module.startswith("martlet") for module in found)
    entry = optimizer.state[next(model.parameters())]
    assert entry["text"] == "kept"  # torch makes text into the name of a generator
    assert entry["nested"]["exp_avg"].dtype == torch.float32 and entry["nested"]["step"].dtype == torch.int64
    assert entry["ordered"]["a"].dtype == torch.float32  # as torch casts what it does not know
    assert entry["exp_avg_sq"].dtype == torch.float32
    assert isinstance(entry["pair"], Pair) and entry["pair"].second == 2


@pytest.mark.parametrize(
    "wrong", [None, 3.0, torch.ones(3).to_sparse(), torch.ones(3, device="meta"), torch.ones(2)], ids=repr
)
def test_a_moment_that_no_step_could_use_is_refused_when_it_is_loaded(wrong: Any) -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = martlet.torch.Adam([parameter])
    parameter.grad = torch.ones(3)
    optimizer.step()
    before = optimizer.state_dict()
    given = optimizer.state_dict()
    given["state"][0]["exp_avg"] = wrong
    with pytest.raises(martlet.MartletError, match="exp_avg"):
        optimizer.load_state_dict(given)
    assert torch.equal(optimizer.state_dict()["state"][0]["exp_avg"], before["state"][0]["exp_avg"])
    optimizer.step()


@pytest.mark.parametrize("wrong", [5, {"params": 5}, {"params": [[1]]}], ids=repr)
def test_groups_that_are_none_are_refused(wrong: Any) -> None:
    optimizer = martlet.torch.Adam([torch.nn.Parameter(torch.ones(3))])
    given = optimizer.state_dict()
    given["param_groups"] = [{**given["param_groups"][0], **wrong} if isinstance(wrong, dict) else wrong]
    with pytest.raises(martlet.FormatError, match=r"param_groups\[0\]"):
        optimizer.load_state_dict(given)


@pytest.mark.parametrize("wrong", [5, "text", [torch.ones(2)], torch.ones(2), ("step", 1)], ids=str)
def test_an_entry_that_is_no_dict_is_refused(wrong: Any) -> None:
    model, optimizer = trained()
    state = optimizer.state_dict()
    before = optimizer.state_dict()
    state["state"][1] = wrong
    with pytest.raises(martlet.FormatError, match=r"state of param_groups\[0\]\['params'\]\[1\] is a"):
        optimizer.load_state_dict(state)
    assert same(before, optimizer.state_dict())
    for changed in (None, {}):
        state["state"][1] = changed
        optimizer.load_state_dict(state)
        models.train(model, optimizer, 1)
        assert optimizer.state[list(model.parameters())[1]]["step"].item() == 1


@pytest.mark.parametrize(
    "wrong", [None, 5, {"state": 3, "param_groups": []}, {"state": {}, "param_groups": 7}], ids=str
)
def test_a_hook_that_gives_no_state_dict(wrong: Any) -> None:
    _, optimizer = trained()
    state = optimizer.state_dict()
    before = copy.deepcopy(state)
    optimizer.register_load_state_dict_pre_hook(lambda *_: wrong)
    if wrong is None:
        optimizer.load_state_dict(state)
    else:
        with pytest.raises(martlet.FormatError, match="state_dict"):
            optimizer.load_state_dict(state)
    assert same(before, optimizer.state_dict())
