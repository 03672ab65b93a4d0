"""State interchange between martlet.torch and torch.optim, both ways, and what a loaded state must be."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from torch import nn

import martlet
import martlet.torch
import models


def fresh(module: Any, name: str = "Adam", **options: Any) -> tuple[nn.Module, Any]:
    model = models.network()
    return model, getattr(module, name)(model.parameters(), lr=0.01, **options)


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_ours_to_ours_is_bit_equal(name: str, amsgrad: bool) -> None:
    model, optimizer = fresh(martlet.torch, name, amsgrad=amsgrad)
    models.train(model, optimizer, 6)
    other_model, other = fresh(martlet.torch, name)
    other_model.load_state_dict(model.state_dict())
    other.load_state_dict(optimizer.state_dict())
    assert models.train(model, optimizer, 6, first=6) == models.train(other_model, other, 6, first=6)
    for p, q in zip(model.parameters(), other_model.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
@pytest.mark.parametrize("to_torch", [False, True], ids=["from torch", "to torch"])
def test_interchange_with_torch(name: str, to_torch: bool, amsgrad: bool) -> None:
    first, second = (martlet.torch, torch.optim) if to_torch else (torch.optim, martlet.torch)
    model, optimizer = fresh(first, name, amsgrad=amsgrad, weight_decay=0.02)
    models.train(model, optimizer, 10)
    other_model, other = fresh(second, name)
    other_model.load_state_dict(model.state_dict())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert other.param_groups[0]["weight_decay"] == 0.02
    ours, theirs = models.train(model, optimizer, 20, first=10), models.train(other_model, other, 20, first=10)
    assert ours == pytest.approx(theirs, rel=1e-5)
    steps = {int(state["step"]) for state in other.state.values()}
    assert steps == {30}


def test_there_and_back() -> None:
    model, optimizer = fresh(martlet.torch, flush_denormals=False, semantics="optax")
    models.train(model, optimizer, 3)
    _, peer = fresh(torch.optim)
    peer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    back_model, back = fresh(martlet.torch)
    back_model.load_state_dict(model.state_dict())
    back.load_state_dict(peer.state_dict())
    assert back.param_groups[0]["semantics"] == "optax"
    assert models.train(model, optimizer, 3, first=3) == models.train(back_model, back, 3, first=3)


def test_names_and_types_are_torchs() -> None:
    model, optimizer = fresh(martlet.torch, amsgrad=True)
    models.train(model, optimizer, 2)
    peer_model, peer = fresh(torch.optim, amsgrad=True)
    models.train(peer_model, peer, 2)
    ours, theirs = optimizer.state_dict(), peer.state_dict()
    assert ours["state"].keys() == theirs["state"].keys()
    for key, entry in theirs["state"].items():
        assert ours["state"][key].keys() == entry.keys()
        for slot, tensor in entry.items():
            assert ours["state"][key][slot].dtype == tensor.dtype
            assert ours["state"][key][slot].shape == tensor.shape
    group, peer_group = ours["param_groups"][0], theirs["param_groups"][0]
    assert {key: group[key] for key in peer_group} == peer_group
    inside = next(iter(optimizer.state.values()))["step"]
    assert (inside.dtype, inside.shape) == (torch.float32, ())


def test_saved_without_pickled_classes() -> None:
    model, optimizer = fresh(martlet.torch, state_dtype=torch.bfloat16)
    models.train(model, optimizer, 2)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    other_model, other = fresh(martlet.torch)
    other.load_state_dict(torch.load(file, weights_only=True))
    parameter = next(other_model.parameters())
    assert other.param_groups[0]["state_dtype"] == torch.bfloat16
    assert other.state[parameter]["exp_avg"].dtype == torch.bfloat16


def test_exact_steps_past_two_to_the_24() -> None:
    parameter = nn.Parameter(torch.ones(2))
    optimizer = martlet.torch.Adam([parameter])
    parameter.grad = torch.ones(2)
    optimizer.step()
    optimizer.state[parameter]["step"].fill_(2**24)
    assert "step_exact" not in optimizer.state_dict()["state"][0]
    optimizer.step()
    saved = optimizer.state_dict()["state"][0]
    assert saved["step_exact"].item() == 2**24 + 1
    assert saved["step"].item() == 2**24
    other = martlet.torch.Adam([nn.Parameter(torch.ones(2))])
    other.load_state_dict(optimizer.state_dict())
    assert other.state_dict()["state"][0]["step_exact"].item() == 2**24 + 1
    torch.optim.Adam([nn.Parameter(torch.ones(2))]).load_state_dict(optimizer.state_dict())
    stale = optimizer.state_dict()
    stale["state"][0]["step"] = torch.tensor(100.0)
    other.load_state_dict(stale)
    assert next(iter(other.state.values()))["step"].item() == 100


def test_a_billion_steps() -> None:
    parameter = nn.Parameter(torch.zeros(2, dtype=torch.float64))
    optimizer = martlet.torch.Adam([parameter], lr=1.0)
    parameter.grad = torch.ones(2, dtype=torch.float64)
    optimizer.step()
    optimizer.state[parameter]["step"].fill_(10**9)
    optimizer.state[parameter]["exp_avg"].fill_(0.5)
    optimizer.state[parameter]["exp_avg_sq"].fill_(0.25)
    before = parameter.detach().clone()
    optimizer.step()
    change = (0.9 * 0.5 + 0.1) / ((0.999 * 0.25 + 0.001) ** 0.5 + 1e-8)
    torch.testing.assert_close(before - parameter.detach(), torch.full((2,), change, dtype=torch.float64))
    assert optimizer.state_dict()["state"][0]["step_exact"].item() == 10**9 + 1


def test_loaded_moments_are_copies() -> None:
    model, optimizer = fresh(martlet.torch)
    models.train(model, optimizer, 2)
    other_model, other = fresh(martlet.torch)
    other.load_state_dict(optimizer.state_dict())
    p, q = next(model.parameters()), next(other_model.parameters())
    assert optimizer.state[p]["exp_avg"].data_ptr() != other.state[q]["exp_avg"].data_ptr()
    assert optimizer.state[p]["step"].data_ptr() != other.state[q]["step"].data_ptr()


def test_types_of_loaded_moments() -> None:
    model, optimizer = fresh(martlet.torch)
    models.train(model, optimizer, 2)
    half = models.network(dtype=torch.bfloat16)
    narrow = martlet.torch.Adam(half.parameters())
    narrow.load_state_dict(optimizer.state_dict())
    assert next(iter(narrow.state.values()))["exp_avg"].dtype == torch.bfloat16
    wide = martlet.torch.Adam(half.parameters(), state_dtype=torch.float32)
    wide.load_state_dict(optimizer.state_dict())
    loaded = next(iter(wide.state.values()))["exp_avg"]
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, optimizer.state[next(model.parameters())]["exp_avg"])


def test_hooks_of_state_dicts() -> None:
    model, optimizer = fresh(martlet.torch)
    models.train(model, optimizer, 1)
    seen: list[Any] = []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("pre"))
    optimizer.register_state_dict_post_hook(lambda o, state: seen.append(state["state"][0]["step"].dtype))
    optimizer.register_load_state_dict_pre_hook(lambda o, state: seen.append(type(state["state"][0]["exp_avg"])))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append(o.state[next(model.parameters())]["step"].dtype))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["pre", torch.float32, torch.Tensor, torch.float32]


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    model, optimizer = fresh(martlet.torch)
    models.train(model, optimizer, 2)
    before = copy.deepcopy(optimizer.state_dict())
    wrong = copy.deepcopy(before)
    wrong["state"][1]["exp_avg_sq"] = torch.zeros(3)
    with pytest.raises(martlet.ShapeError, match=r"exp_avg_sq has shape \(3,\)"):
        optimizer.load_state_dict(wrong)
    wrong = copy.deepcopy(before)
    wrong["state"][0]["step"] = torch.tensor(-1.0)
    with pytest.raises(martlet.FormatError, match="step"):
        optimizer.load_state_dict(wrong)
    with pytest.raises(martlet.FormatError, match="different number of parameter groups"):
        optimizer.load_state_dict({"state": {}, "param_groups": []})
    after = optimizer.state_dict()
    for key, entry in before["state"].items():
        for slot, tensor in entry.items():
            assert torch.equal(after["state"][key][slot], tensor)


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_steps_stay_on_the_cpu_under_another_default_device(device: str) -> None:
    parameter, other = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    parameter.grad = torch.ones(2)
    optimizer, loaded = martlet.torch.Adam([parameter], lr=0.5), martlet.torch.Adam([other])
    with torch.device(device):
        optimizer.step()
        optimizer.state[parameter]["step"].fill_(2**24)
        optimizer.step()
        saved = optimizer.state_dict()
        loaded.load_state_dict(saved)
    assert {key: value.device.type for key, value in saved["state"][0].items()} == dict.fromkeys(
        ("step", "exp_avg", "exp_avg_sq", "step_exact"), "cpu"
    )
    assert saved["state"][0]["step_exact"].item() == 2**24 + 1
    assert loaded.state_dict()["state"][0]["step_exact"].item() == 2**24 + 1
    optimizer.state[parameter]["step"] = torch.zeros((), dtype=torch.int64, device="meta")
    with pytest.raises(martlet.FormatError, match=r"step of param_groups\[0\]\['params'\]\[0\]"):
        optimizer.step()


@pytest.mark.parametrize("name", ["Adamax", "RMSprop", "SGD", "Adagrad", "Adadelta"])
def test_another_optimizers_state_dict_is_refused(name: str) -> None:
    model, peer = models.network(), models.network()
    other = getattr(torch.optim, name)(peer.parameters())
    models.train(peer, other, 2)
    optimizer = martlet.torch.Adam(model.parameters())
    with pytest.raises(martlet.FormatError, match="another optimizer's"):
        optimizer.load_state_dict(other.state_dict())
    assert not optimizer.state


def test_another_optimizers_state_in_adams_groups_is_refused() -> None:
    model, optimizer = fresh(martlet.torch)
    models.train(model, optimizer, 2)
    good = optimizer.state_dict()
    for missing in ("step", "exp_avg", "exp_avg_sq"):
        wrong = copy.deepcopy(good)
        del wrong["state"][1][missing]
        with pytest.raises(martlet.FormatError, match=r"\['params'\]\[1\] has .*wanted step, exp_avg, exp_avg_sq"):
            optimizer.load_state_dict(wrong)
    wrong = copy.deepcopy(good)
    wrong["state"][1] = {"mine": "kept"}
    optimizer.load_state_dict(wrong)
    models.train(model, optimizer, 1)


def test_a_state_dict_that_is_none() -> None:
    _, optimizer = fresh(martlet.torch)
    good = optimizer.state_dict()
    for wrong in (None, {}, {"state": {}}, {"param_groups": good["param_groups"]}, []):
        with pytest.raises(martlet.FormatError, match="state_dict"):
            optimizer.load_state_dict(wrong)
    for option in ("params", "lr", "betas", "eps"):
        wrong = copy.deepcopy(good)
        del wrong["param_groups"][0][option]
        with pytest.raises(martlet.FormatError, match=rf"param_groups\[0\] has no '{option}'"):
            optimizer.load_state_dict(wrong)
    wrong = copy.deepcopy(good)
    wrong["param_groups"][0]["params"].pop()
    with pytest.raises(martlet.FormatError, match="doesn't match the size of optimizer's group"):
        optimizer.load_state_dict(wrong)


def test_a_checkpoint_of_an_accelerator_goes_on() -> None:
    model, optimizer = fresh(martlet.torch)
    models.train(model, optimizer, 2)
    saved = optimizer.state_dict()
    saved["param_groups"][0]["capturable"] = True
    other_model, other = fresh(martlet.torch)
    other_model.load_state_dict(model.state_dict())
    other.load_state_dict(saved)
    assert models.train(other_model, other, 3) == models.train(model, optimizer, 3)


def test_state_that_a_user_resets() -> None:
    model, optimizer = fresh(martlet.torch)
    models.train(model, optimizer, 3)
    optimizer.state.clear()
    models.train(model, optimizer, 2)
    assert {state["step"].item() for state in optimizer.state.values()} == {2}
    parameter = next(model.parameters())
    optimizer.state[parameter]["step"] = torch.tensor(41.0)
    optimizer.state[parameter]["mine"] = "kept"
    models.train(model, optimizer, 1)
    assert optimizer.state[parameter]["step"].item() == 42
    assert optimizer.state[parameter]["mine"] == "kept"
    optimizer.param_groups[0]["amsgrad"] = True
    models.train(model, optimizer, 1)
    assert "max_exp_avg_sq" in optimizer.state[parameter]


def test_names_of_parameters_go_along() -> None:
    model = models.network()
    optimizer = martlet.torch.Adam(model.named_parameters())
    models.train(model, optimizer, 1)
    state = optimizer.state_dict()
    assert state["param_groups"][0]["param_names"][0] == "0.weight"
    optimizer.load_state_dict(state)
    models.train(model, optimizer, 1)


def test_a_sum_that_adagrad_holds_before_its_first_step() -> None:
    """torch's has it from its constructor on, and users fill it."""
    curves = []
    for module in (martlet.torch, torch.optim):
        peer_model, peer = fresh(torch.optim, "Adagrad", initial_accumulator_value=0.5)
        for parameter in list(peer_model.parameters())[1:]:
            peer.state[parameter]["sum"].fill_(2.0)
        model, optimizer = fresh(module, "Adagrad")
        optimizer.load_state_dict(copy.deepcopy(peer.state_dict()))
        curves.append(models.train(model, optimizer, 6))
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)


@pytest.mark.parametrize("name", ["NAdam", "ASGD"])
def test_single_numbers_are_kept_in_float64(name: str) -> None:
    """Whatever type they were loaded or set in; through files too."""
    model, optimizer = fresh(martlet.torch, name)
    slots = {"NAdam": ["mu_product"], "ASGD": ["eta", "mu"]}[name]
    models.train(model, optimizer, 4)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    packed = torch.load(file, weights_only=True)
    _, again = fresh(martlet.torch, name)
    again.load_state_dict(packed)
    peer_model, peer = fresh(torch.optim, name)
    models.train(peer_model, peer, 4)
    _, from_torch = fresh(martlet.torch, name)
    from_torch.load_state_dict(peer.state_dict())
    first = next(iter(model.parameters()))
    optimizer.state[first][slots[0]] = optimizer.state[first][slots[0]].float()
    models.train(model, optimizer, 1, first=4)
    for one in (again, from_torch, optimizer):
        assert {state[slot].dtype for state in one.state.values() for slot in slots} == {torch.float64}


@pytest.mark.parametrize("name", ["NAdam", "ASGD"])
def test_single_numbers_of_bf16_parameters_are_loaded_as_they_are(name: str) -> None:
    parameter = nn.Parameter(torch.zeros(3, dtype=torch.bfloat16))
    peer, ours = getattr(torch.optim, name)([parameter]), getattr(martlet.torch, name)([parameter])
    for _ in range(3):
        parameter.grad = torch.ones_like(parameter)
        peer.step()
    ours.load_state_dict(peer.state_dict())
    for slot in peer.state[parameter].keys() & ours._martlet_kind.slots.scalars:
        assert ours.state[parameter][slot].item() == peer.state[parameter][slot].item()
