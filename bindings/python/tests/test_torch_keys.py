"""What is saved and loaded by key: groups and states of martlet.torch have torch's keys, in plain state_dicts and in
those of torch.distributed.checkpoint, with the classes of torch.optim beside ours as the judge."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint import state_dict as dcp

import martlet.torch
import models

OWN = ("flush_denormals", "semantics", "state_dtype")
FORMS = {
    "sharded": {},
    "full": {"full_state_dict": True},
    "flattened": {"flatten_optimizer_state_dict": True},
}
Model = tuple[nn.Module, Any, Any]


def make(module: Any, name: str, *, named: bool = False, scheduled: bool = False, **options: Any) -> Model:
    """A network, its optimizer in two groups, and a schedule."""
    model = models.network()
    parameters = list(model.named_parameters() if named else model.parameters())
    groups = [{"params": parameters[:2]}, {"params": parameters[2:], "lr": 0.02, "weight_decay": 0.1}]
    optimizer = getattr(module, name)(groups, lr=0.01, **options)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5) if scheduled else None
    return model, optimizer, schedule


def trained(made: Model, steps: int = 3, first: int = 0) -> list[float]:
    model, optimizer, schedule = made
    losses = models.train(model, optimizer, steps, first=first)
    if schedule is not None:
        schedule.step()
    return losses


def structure(value: Any) -> Any:
    """Keys in their order, and what stands under them; of tensors the type and shape."""
    if isinstance(value, dict):
        return [(key, structure(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [structure(item) for item in value]
    return (value.dtype, value.shape) if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"amsgrad": True, "maximize": True, "weight_decay": 0.3, "foreach": True},
        {"lr": torch.tensor(0.01), "betas": (torch.tensor([0.8]), torch.tensor(0.99)), "fused": True},
    ],
    ids=["defaults", "flags", "tensors"],
)
def test_keys_and_content_are_torchs(name: str, options: dict[str, Any]) -> None:
    ours, theirs = (
        getattr(module, name)(models.network().parameters(), **options) for module in (martlet.torch, torch.optim)
    )
    assert structure(ours.defaults) == structure(theirs.defaults)
    assert list(ours.param_groups[0]) == list(theirs.param_groups[0])
    assert structure(ours.state_dict()) == structure(theirs.state_dict())


@pytest.mark.parametrize("scheduled", [False, True], ids=["", "schedule"])
@pytest.mark.parametrize("named", [False, True], ids=["", "named"])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_trained_and_loaded_they_are_torchs_too(name: str, named: bool, scheduled: bool) -> None:
    ours, theirs = (
        make(module, name, named=named, scheduled=scheduled, amsgrad=True) for module in (martlet.torch, torch.optim)
    )
    trained(ours), trained(theirs)
    assert structure(ours[1].state_dict()) == structure(theirs[1].state_dict())
    given = [copy.deepcopy(made[1].state_dict()) for made in (theirs, ours)]
    for made, state in zip((ours, theirs), given, strict=True):
        made[1].load_state_dict(state)
    assert structure(ours[1].state_dict()) == structure(theirs[1].state_dict())
    assert [list(group) for group in ours[1].param_groups] == [list(group) for group in theirs[1].param_groups]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("to_torch", [False, True], ids=["from torch", "to torch"])
@pytest.mark.parametrize("extras", [False, True], ids=["plain", "named, schedule"])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_distributed_checkpoints_both_ways(extras: bool, to_torch: bool, form: str) -> None:
    name = "Adam" if extras else "AdamW"
    own, peer = (martlet.torch, torch.optim) if to_torch else (torch.optim, martlet.torch)
    source, target, twin = (make(module, name, named=extras, scheduled=extras) for module in (own, peer, peer))
    options = dcp.StateDictOptions(**FORMS[form])
    trained(source), trained(twin)
    saved, twins = (dcp.get_optimizer_state_dict(*made[:2], options=options) for made in (source, twin))
    assert structure(saved) == structure(twins)
    dcp.set_optimizer_state_dict(*target[:2], copy.deepcopy(saved), options=options)
    target[0].load_state_dict(source[0].state_dict())
    if extras:
        target[2].load_state_dict(source[2].state_dict())
    assert trained(target, 5, 3) == pytest.approx(trained(source, 5, 3), rel=1e-5)
    assert list(target[1].state_dict()["param_groups"][1]) == list(source[1].state_dict()["param_groups"][1])


def test_an_adam_that_loads_an_adamw_becomes_one() -> None:
    for module, peer in ((martlet.torch, torch.optim), (torch.optim, martlet.torch)):
        adamw, adam = make(peer, "AdamW"), make(module, "Adam")
        trained(adamw)
        before = copy.deepcopy(adam[1].state_dict())
        adam[1].load_state_dict(copy.deepcopy(adamw[1].state_dict()))
        assert adam[1].param_groups[1]["decoupled_weight_decay"] is True
        adam[0].load_state_dict(adamw[0].state_dict())
        assert trained(adam, 3, 3) == pytest.approx(trained(adamw, 3, 3), rel=1e-5)
        adamw[1].load_state_dict(before)
        assert adamw[1].param_groups[1]["decoupled_weight_decay"] is True


VALUES = {"flush_denormals": False, "semantics": "keras", "state_dtype": torch.float64}


@pytest.mark.parametrize("option", VALUES)
@pytest.mark.parametrize("way", ["state_dict", "pickle", "deepcopy"])
def test_options_of_ours_that_say_something_survive(option: str, way: str) -> None:
    value = VALUES[option]
    model = models.network()
    parameters = list(model.parameters())
    groups = [{"params": parameters[:2]}, {"params": parameters[2:], option: options_default(option)}]
    optimizer = martlet.torch.AdamW(groups, **{option: value})
    assert [group.get(option) for group in optimizer.param_groups] == [value, None]
    models.train(model, optimizer, 2)
    if way == "state_dict":
        twin_model = models.network()
        twin = martlet.torch.AdamW(
            [{"params": list(twin_model.parameters())[:2]}, {"params": list(twin_model.parameters())[2:]}]
        )
        twin_model.load_state_dict(model.state_dict())
        twin.load_state_dict(optimizer.state_dict())
    else:
        copied = copy.deepcopy if way == "deepcopy" else lambda value: pickle.loads(pickle.dumps(value))
        twin_model, twin = copied((model, optimizer))
    assert [group.get(option) for group in twin.param_groups] == [value, None]
    assert models.train(twin_model, twin, 3, first=2) == models.train(model, optimizer, 3, first=2)
    late = nn.Parameter(torch.ones(2))
    if way != "state_dict":
        twin.add_param_group({"params": [late]})
        assert twin.param_groups[2][option] == value


def options_default(option: str) -> Any:
    return "torch" if option == "semantics" else None


def test_options_of_ours_set_later_and_set_back() -> None:
    model, optimizer, _ = make(martlet.torch, "Adam")
    trained((model, optimizer, None))
    optimizer.param_groups[1]["semantics"] = "keras"
    assert optimizer.state_dict()["param_groups"][1]["semantics"] == "keras"
    optimizer.param_groups[1]["semantics"] = "torch"
    assert not set(OWN) & set(optimizer.state_dict()["param_groups"][1])
    _, loaded, _ = make(martlet.torch, "Adam", flush_denormals=False)
    loaded.load_state_dict(optimizer.state_dict())
    assert loaded.param_groups[0]["flush_denormals"] is False
    with pytest.raises(martlet.ArgumentError, match=r"param_groups\[1\].*semantics"):
        optimizer.param_groups[1]["semantics"] = "torhc"
        trained((model, optimizer, None))
