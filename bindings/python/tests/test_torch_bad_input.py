"""Wrong input to martlet.torch: an exception that names the parameter, the value and the remedy; nothing changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import martlet
import martlet.torch

NAN = float("nan")
HYPERPARAMETERS: list[tuple[dict[str, Any], str]] = [
    ({"lr": -1}, "Invalid learning rate: -1"),
    ({"lr": NAN}, "Invalid learning rate: nan"),
    ({"lr": torch.tensor(-1.0)}, "Invalid learning rate: -1.0"),
    ({"eps": -1e-8}, "Invalid epsilon value: -1e-08"),
    ({"eps": NAN}, "Invalid epsilon value: nan"),
    ({"betas": (1.0, 0.999)}, "Invalid beta parameter at index 0: 1.0"),
    ({"betas": (-0.1, 0.999)}, "Invalid beta parameter at index 0: -0.1"),
    ({"betas": (0.9, 1.0)}, "Invalid beta parameter at index 1: 1.0"),
    ({"betas": (0.9, NAN)}, "Invalid beta parameter at index 1: nan"),
    ({"weight_decay": -1}, "Invalid weight_decay value: -1"),
    ({"weight_decay": NAN}, "Invalid weight_decay value: nan"),
    ({"lr": torch.ones(2)}, "Tensor lr must be 1-element"),
    ({"betas": (0.9, torch.tensor(0.9))}, "betas must be either both floats or both Tensors"),
    ({"semantics": "tensorflow"}, "Invalid semantics: 'tensorflow'"),
]


@pytest.mark.parametrize(("options", "text"), HYPERPARAMETERS, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_hyperparameters(name: str, options: dict[str, Any], text: str) -> None:
    parameter = nn.Parameter(torch.ones(2))
    with pytest.raises(ValueError) as caught:
        getattr(martlet.torch, name)([parameter], **options)
    assert isinstance(caught.value, martlet.MartletError)
    assert text.split(" -1.0")[0] in str(caught.value)
    if "semantics" not in options:
        with pytest.raises(ValueError) as peers:
            getattr(torch.optim, name)([parameter], **options)
        assert str(peers.value) == str(caught.value)


def test_hyperparameters_come_before_the_parameters() -> None:
    with pytest.raises(ValueError, match="Invalid learning rate: -1"):
        martlet.torch.Adam([], lr=-1)
    with pytest.raises(ValueError, match="Invalid learning rate: nan"):
        martlet.torch.Adam(["no tensor"], lr=NAN)


def test_hyperparameters_of_a_group() -> None:
    parameter = nn.Parameter(torch.ones(2))
    with pytest.raises(martlet.ArgumentError, match=r"param_groups\[0\]: Invalid learning rate: inf"):
        martlet.torch.Lion([{"params": [parameter], "lr": float("inf")}])
    optimizer = martlet.torch.Lion([parameter])
    with pytest.raises(martlet.ArgumentError, match=r"param_groups\[1\]: Invalid beta"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))], "betas": (NAN, 0.9)})
    assert len(optimizer.param_groups) == 1


TURNED_BAD: list[tuple[str, Any, str]] = [
    ("lr", "fast", "lr is 'fast' of type str; wanted a number"),
    ("betas", 0.9, "betas is 0.9; wanted a pair"),
    ("weight_decay", None, "weight_decay is None"),
    ("semantics", "tensorflow", "Invalid semantics"),
    ("amsgrad", "False", "amsgrad is 'False'; wanted True or False"),
    ("flush_denormals", "no", "flush_denormals is 'no'; wanted True, False or None"),
    ("differentiable", torch.ones(2), "differentiable is tensor"),
    ("lr", torch.ones(2), "lr is tensor"),
    ("maximize", np.ones(2), "maximize is array"),
]


@pytest.mark.parametrize(
    ("name", "option", "value", "remedy"),
    [
        ("Adam", "trust_coefficient", 1e-3, "take it out, or say whose it is: 'algorithm': 'lars'"),
        ("Adagrad", "cautious", True, "take it out"),
        ("Lion", "rho", 0.9, "take it out"),
        ("LAMB", "nesterov", True, "take it out"),
        ("SGD", "beta1", 0.9, "take it out"),
        ("Muon", "grafting", "adam", "'algorithm': 'shampoo'"),
    ],
)
def test_options_of_other_algorithms_in_a_group(name: str, option: str, value: Any, remedy: str) -> None:
    parameter = nn.Parameter(torch.ones(2, 2))
    wanted = pytest.raises(martlet.ArgumentError, match=f"has '{option}', which .* does not read; .*{remedy}")
    optimizer = getattr(martlet.torch, name)([parameter])
    with wanted:
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2, 2))], option: value})
    assert len(optimizer.param_groups) == 1
    with wanted:
        getattr(martlet.torch, name)([{"params": [parameter], option: value}])


def test_keys_that_torch_would_keep_in_a_group() -> None:
    """Any that is no option, those of torch's other classes in a class that torch has, and flags that are off."""
    for name, extra in (
        ("Adam", {"rho": 0.9, "momentum": 0.9, "initial_lr": 0.1, "layer": 3}),
        ("Lion", {"lr_scale": 0.5, "amsgrad": False}),
    ):
        optimizer = getattr(martlet.torch, name)([{"params": [nn.Parameter(torch.ones(2))], **extra}])
        assert extra.items() <= optimizer.param_groups[0].items()


@pytest.mark.parametrize(
    ("option", "value"), [("lr", "fast"), ("lr", None), ("betas", 0.9), ("betas", (0.9,)), ("eps", None)]
)
def test_options_that_are_loaded_are_looked_at_by_the_step(option: str, value: Any) -> None:
    """As in torch, whose load_state_dict takes any."""
    for module in (torch.optim, martlet.torch):
        parameter = nn.Parameter(torch.ones(2))
        optimizer = module.Adam([parameter])
        packed = optimizer.state_dict()
        packed["param_groups"][0][option] = value
        optimizer.load_state_dict(packed)
        parameter.grad = torch.ones(2)
        with pytest.raises((TypeError, ValueError)) as raised:
            optimizer.step()
        assert torch.equal(parameter.detach(), torch.ones(2))
    assert str(raised.value).startswith(f"param_groups[0]: {option} is {value!r}")


@pytest.mark.parametrize("option", ["amsgrad", "maximize", "flush_denormals"])
def test_a_text_is_no_switch(option: str) -> None:
    parameters = [nn.Parameter(torch.ones(2))]
    with pytest.raises(martlet.DTypeError, match=f"^{option} is 'False'; wanted True"):
        martlet.torch.AdamW(parameters, **{option: "False"})
    with pytest.raises(martlet.DTypeError, match=rf"param_groups\[0\]: {option} is \[\]"):
        martlet.torch.Adam([{"params": parameters, option: []}])
    martlet.torch.AdamW(parameters, **{option: np.True_})
    martlet.torch.AdamW(parameters, **{option: 0})


@pytest.mark.parametrize("warm", [False, True], ids=["first step", "later step"])
def test_hyperparameters_that_turn_bad(warm: bool) -> None:
    parameter = nn.Parameter(torch.ones(2))
    optimizer = martlet.torch.Adam([parameter])
    parameter.grad = torch.ones(2)
    group = optimizer.param_groups[0]
    good_group = dict(group)
    for option, value, text in TURNED_BAD:
        if warm:
            optimizer.step()
        before = parameter.detach().clone()
        group[option] = value
        for _ in range(2):
            with pytest.raises((ValueError, TypeError), match=rf"param_groups\[0\]: {text}") as caught:
                optimizer.step()
            assert isinstance(caught.value, martlet.MartletError)
            assert torch.equal(parameter, before)
        group.clear()
        group.update(good_group)
    before = parameter.detach().clone()
    for option in [*group]:
        if option in ("fused", "foreach", "capturable", "params"):
            continue
        good = group.pop(option)
        with pytest.raises(martlet.MissingError, match=rf"^param_groups\[0\] has no '{option}'"):
            optimizer.step()
        group[option] = good
    assert torch.equal(parameter, before)
    optimizer.step()
    assert not torch.equal(parameter, before)


def test_harmless_options_are_accepted() -> None:
    parameter = nn.Parameter(torch.ones(1))
    for options in ({"foreach": True}, {"fused": True}, {"foreach": False, "fused": False}, {"capturable": True}):
        optimizer = martlet.torch.Adam([parameter], **options)
        parameter.grad = torch.ones(1)
        optimizer.step()
    with pytest.raises(RuntimeError, match="cannot be `True` together"):
        martlet.torch.Adam([parameter], fused=True, foreach=True)


def test_what_torch_refuses_as_parameters() -> None:
    with pytest.raises(ValueError, match="empty parameter list"):
        martlet.torch.Adam([])
    with pytest.raises(TypeError, match="iterable of Tensors or dicts"):
        martlet.torch.Adam(torch.ones(3))
    with pytest.raises(TypeError, match="can only optimize Tensors"):
        martlet.torch.Adam([3.0])
    with pytest.raises(ValueError, match="non-leaf"):
        martlet.torch.Adam([torch.ones(2, requires_grad=True) * 2])
    with pytest.raises(martlet.DTypeError, match="state_dtype"):
        martlet.torch.Adam([nn.Parameter(torch.ones(1))], state_dtype=torch.int8)


def test_parameters_that_are_none() -> None:
    with pytest.raises(martlet.DTypeError, match="params is None; wanted an iterable of tensors"):
        martlet.torch.Adam(None)
    with pytest.raises(martlet.DTypeError, match=r"param_groups\[1\]\['params'\] is missing or None"):
        martlet.torch.Adam([{"params": [nn.Parameter(torch.ones(1))]}, {"params": None}])
    with pytest.raises(martlet.MissingError, match=r"param_groups\[0\]\['params'\] is missing or None"):
        martlet.torch.Adam([{"lr": 0.1}])
    for params in (3.0, [3.0], [], torch.ones(3), [{"params": 3}], [torch.ones(2, requires_grad=True) * 2]):
        with pytest.raises(martlet.MartletError) as caught:
            martlet.torch.Adam(params)
        with pytest.raises((TypeError, ValueError)) as peers:
            torch.optim.Adam(params)
        assert str(caught.value) == str(peers.value)
        assert isinstance(caught.value, type(peers.value))


@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_complex_parameters_have_no_bfloat16_moments() -> None:
    parameter = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    with pytest.raises(martlet.UnsupportedError, match="state_dtype=torch.bfloat16 is not supported for .*'phase'"):
        martlet.torch.Adam([("phase", parameter)], state_dtype=torch.bfloat16)
    optimizer = martlet.torch.Adam([parameter], state_dtype=torch.float16)
    parameter.grad = torch.ones(2, dtype=torch.complex64)
    optimizer.step()
    assert optimizer.state[parameter]["exp_avg"].dtype == torch.complex32
    optimizer.state.clear()
    optimizer.param_groups[0]["state_dtype"] = torch.bfloat16
    with pytest.raises(martlet.UnsupportedError, match="state_dtype=torch.bfloat16 is not supported"):
        optimizer.step()


@pytest.mark.parametrize(("option", "value"), [("lr", "x"), ("betas", (0.9, "x")), ("amsgrad", "False")])
def test_options_that_go_wrong_between_steps(option: str, value: object) -> None:
    parameter = nn.Parameter(torch.ones(8))
    optimizer = martlet.torch.Adam([parameter], lr=0.1)
    for _ in range(3):
        parameter.grad = torch.ones(8)
        optimizer.step()
    optimizer.param_groups[0][option] = value
    before = parameter.detach().clone()
    with pytest.raises(martlet.MartletError, match=r"param_groups\[0\]"):
        optimizer.step()
    assert torch.equal(parameter, before)


@pytest.mark.parametrize("wrong", [None, 5, 0.0, "moments", [1.0], torch.ones(2)], ids=repr)
@pytest.mark.parametrize("warm", [False, True], ids=["first step", "later step"])
@pytest.mark.parametrize("name", ["Adam", "SGD", "NAdam", "Adafactor", "AdamWScheduleFree"])
def test_a_state_that_is_no_dict(name: str, warm: bool, wrong: Any) -> None:
    parameter = nn.Parameter(torch.ones(2))
    optimizer = getattr(martlet.torch, name)([parameter])
    parameter.grad = torch.ones(2)
    if warm:
        optimizer.step()
    optimizer.state[parameter] = wrong
    before = parameter.detach().clone()
    with pytest.raises(
        martlet.FormatError, match=r"the state of param_groups\[0\]\['params'\]\[0\] is a \w+; wanted a dict"
    ):
        optimizer.step()
    assert optimizer.state[parameter] is wrong
    assert torch.equal(parameter, before)


@pytest.mark.parametrize("wrong", [None, "no", 2, torch.ones(2), np.ones(2)], ids=repr)
def test_a_mode_that_is_none(wrong: Any) -> None:
    parameter = nn.Parameter(torch.ones(2))
    optimizer = martlet.torch.AdamWScheduleFree([parameter])
    parameter.grad = torch.ones(2)
    optimizer.step()
    optimizer.param_groups[0]["train_mode"] = wrong
    before = parameter.detach().clone()
    for call in (optimizer.step, optimizer.train, optimizer.eval):
        with pytest.raises(martlet.DTypeError, match="train_mode is .*; wanted True or False"):
            call()
    assert torch.equal(parameter, before)
    optimizer.param_groups[0]["train_mode"] = 1  # as files of other libraries may have it
    optimizer.train()
    assert torch.equal(parameter, before)
