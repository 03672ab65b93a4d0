"""State of the numpy optimizers: copied, exported, loaded, and refused where it does not fit."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

import martlet
from arrays import grads, values
from martlet.optim import Adam, AdamOptimizer, AdamW


@pytest.mark.parametrize("way", ["state_dict", "deepcopy", "pickle"])
def test_copies_go_on_alike(way: str) -> None:
    ours = values()
    optimizer = AdamW(ours, lr=0.01, amsgrad=True, semantics="keras", state_dtype="float64")
    for step in range(4):
        optimizer.step(grads(step))
    if way == "state_dict":
        theirs = [value.copy() for value in ours]
        twin = AdamW(theirs, state_dtype="float64")
        twin.load_state_dict(optimizer.state_dict())
    else:
        twin = copy.deepcopy(optimizer) if way == "deepcopy" else pickle.loads(pickle.dumps(optimizer))
        theirs = [entry.value for entry in twin._parameters.entries]
    for step in range(4, 8):
        optimizer.step(grads(step))
        twin.step(grads(step))
    assert all(np.array_equal(a, b) and a is not b for a, b in zip(ours, theirs, strict=True))
    assert twin.state_dict()["state"][3]["step"] == 8


def test_state_dict_is_a_copy_in_plain_types() -> None:
    ours = values()
    optimizer = Adam(ours)
    optimizer.step(grads(0))
    state = optimizer.state_dict()
    assert type(state["state"][0]["step"]) is int
    assert type(state["state"][0]["exp_avg"]) is np.ndarray
    state["state"][0]["exp_avg"][:] = 99
    assert optimizer.state_dict()["state"][0]["exp_avg"].max() < 99


def test_loads_torchs_state() -> None:
    parameters = [torch.nn.Parameter(torch.from_numpy(np.array(value))) for value in values()]
    peer = torch.optim.Adam(parameters, lr=0.02)
    for parameter, grad in zip(parameters, grads(0), strict=True):
        parameter.grad = torch.from_numpy(np.array(grad))
    peer.step()
    ours = [parameter.detach().numpy().copy() for parameter in parameters]
    optimizer = Adam(ours)
    optimizer.load_state_dict(peer.state_dict())
    assert optimizer.lr == 0.02
    for parameter, grad in zip(parameters, grads(1), strict=True):
        parameter.grad = torch.from_numpy(np.array(grad))
    peer.step()
    optimizer.step(grads(1))
    for found, parameter in zip(ours, parameters, strict=True):
        np.testing.assert_allclose(found, parameter.detach().numpy(), rtol=1e-5, atol=1e-7)


def test_states_that_do_not_fit() -> None:
    optimizer = Adam(values())
    optimizer.step(grads(0))
    before = optimizer.state_dict()
    for change, text in (
        (lambda s: s["state"][1].update(exp_avg=np.zeros(2)), "shape"),
        (lambda s: s["state"][1].update(exp_avg=np.zeros(5, np.int32)), "int32"),
        (lambda s: s["state"][1].update(step=-4), "step"),
        (lambda s: s["state"][1].pop("exp_avg_sq"), "exp_avg_sq"),
        (lambda s: s["param_groups"].pop(), "groups"),
        (lambda s: s["param_groups"][0].update(lr=float("nan")), "Invalid learning rate"),
    ):
        wrong = copy.deepcopy(before)
        change(wrong)
        with pytest.raises(martlet.MartletError, match=text):
            optimizer.load_state_dict(wrong)
    after = optimizer.state_dict()
    assert all(np.array_equal(after["state"][k]["exp_avg"], before["state"][k]["exp_avg"]) for k in range(4))


def test_what_is_no_state() -> None:
    array = np.zeros(3)
    optimizer = Adam([array])
    good = optimizer.state_dict()
    group = good["param_groups"][0]
    sgd = {"lr": 0.1, "momentum": 0.9, "params": [0]}
    for wrong, text in (
        ({}, "has nothing; wanted what state_dict"),
        (None, "is a NoneType"),
        ({"state": {}}, "has 'state'; wanted"),
        ({"state": {}, "param_groups": [{"lr": 0.1}]}, "wanted a dict with 'params'"),
        ({"state": {}, "param_groups": [sgd]}, "another optimizer's"),
        ({"state": {"0": {}}, "param_groups": [group]}, "'0', which is in none of its param_groups"),
        ({"state": {0: {"exp_avg": array}}, "param_groups": [group]}, "wanted a dict with 'step'"),
        ({"state": {0: {"step": 3}}, "param_groups": [group]}, "lacks 'exp_avg', 'exp_avg_sq'"),
        ({"state": {0: {"step": 2.5}}, "param_groups": [group]}, "an integer from 0 on"),
    ):
        with pytest.raises(martlet.FormatError, match=text):
            optimizer.load_state_dict(wrong)
    with pytest.raises(martlet.ArgumentError, match=r"param_groups\[0\] of the loaded state: Invalid learning rate"):
        optimizer.load_state_dict({"state": {}, "param_groups": [{**group, "lr": -1}]})


@pytest.mark.parametrize("count", [3, 2**24 + 1, 2**24 + 3])
def test_steps_past_what_a_float32_counts(count: int) -> None:
    optimizer = Adam([np.zeros(3)])
    state = {"exp_avg": np.zeros(3), "exp_avg_sq": np.zeros(3), "step": torch.tensor(count, dtype=torch.float32)}
    for exact, wanted in ((torch.tensor(count), count), (count, count), (torch.tensor(7), int(state["step"]))):
        given = {"state": {0: {**state, "step_exact": exact}}, "param_groups": optimizer.state_dict()["param_groups"]}
        optimizer.load_state_dict(given)
        assert optimizer.state_dict()["state"][0]["step"] == wanted


def test_an_optimizer_that_took_its_variables_on_resumes() -> None:
    ours = values()
    optimizer = Adam(0.01)
    for step in range(3):
        optimizer.apply_gradients(zip(grads(step), ours, strict=True))
    theirs = [value.copy() for value in ours]
    twin = Adam()
    with pytest.raises(martlet.FormatError, match=r"groups of \[4\] .* of \[0\]; .*optimizer.build\(variables\)"):
        twin.load_state_dict(optimizer.state_dict())
    twin.build(theirs)
    twin.build(theirs)
    twin.load_state_dict(optimizer.state_dict())
    for step in range(3, 6):
        optimizer.apply_gradients(zip(grads(step), ours, strict=True))
        twin.apply_gradients(zip(grads(step), theirs, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    with pytest.raises(martlet.ArgumentError, match="use add_param_group"):
        Adam(ours).build(theirs)
    with pytest.raises(martlet.OverlapError, match="same array"):
        Adam().build([ours[0], ours[0]])


@pytest.mark.parametrize("way", ["state_dict", "file", "deepcopy", "pickle"])
def test_update_keeps_its_state(way: str, tmp_path: Path) -> None:
    optimizer = AdamOptimizer(0.01)
    for step in range(3):
        optimizer.update(grads(step)[0])
    state = optimizer.state_dict()
    assert state["param_groups"][0]["param_names"] == ["update"]
    assert state["state"][0]["step"] == 3
    if way in ("deepcopy", "pickle"):
        twin = copy.deepcopy(optimizer) if way == "deepcopy" else pickle.loads(pickle.dumps(optimizer))
    else:
        twin = AdamOptimizer()
        optimizer.save(tmp_path / "state")
        with pytest.raises(martlet.FormatError, match="call it once with zeros"):
            twin.load_state_dict(state) if way == "state_dict" else twin.load(tmp_path / "state")
        twin.update(np.zeros_like(grads(0)[0]))
        twin.load_state_dict(state) if way == "state_dict" else twin.load(tmp_path / "state")
    for step in range(3, 6):
        assert np.array_equal(optimizer.update(grads(step)[0]), twin.update(grads(step)[0]))
    assert twin.state_dict()["state"][0]["step"] == 6
