"""What torch's class takes, martlet.torch takes: values beyond the constructor's ranges, tied weights, differentiable
steps. And what it refuses is refused by an exception of torch's type."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import martlet
import martlet.torch
import models

GRADIENTS = [torch.tensor([0.5, -2.0, 3e-4]), torch.tensor([1.0, 0.25, -7.0]), torch.tensor([-3.0, 0.0, 1.0])]


def trained(kind: Any, options: dict[str, Any], steps: int = 3, **given: Any) -> Tensor:
    """A parameter after a step with usual options, and as many with these."""
    parameter = nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    optimizer = kind([parameter], lr=0.1, **given)
    for step in range(1 + steps):
        parameter.grad = GRADIENTS[step % 3].clone()
        optimizer.step()
        optimizer.param_groups[0].update(options)
    return parameter.detach()


BEYOND: list[dict[str, Any]] = [
    {"lr": -0.1},
    {"lr": torch.tensor(-0.1)},
    {"eps": -1e-3},
    {"weight_decay": -0.5},
    {"betas": (1.25, 0.999)},
    {"betas": (-0.5, 0.999)},
    {"betas": (-1.5, 0.999)},
    {"betas": (0.9, -0.25)},
    {"betas": (0.9, 1.0)},
    {"betas": (torch.tensor(-0.5), torch.tensor(0.999))},
]


@pytest.mark.parametrize("options", BEYOND, ids=str)
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_values_that_only_the_constructor_holds_to_ranges(name: str, options: dict[str, Any]) -> None:
    for given in ({"weight_decay": 0.25}, {"amsgrad": True}):
        ours, torchs = (trained(getattr(module, name), options, **given) for module in (martlet.torch, torch.optim))
        torch.testing.assert_close(ours, torchs, rtol=2e-6, atol=1e-7, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 1.0}),
        ("SGD", {"momentum": 1.5, "dampening": -0.5, "weight_decay": 0.1}),
        ("SGD", {"momentum": 1.0, "nesterov": True}),
        ("RMSprop", {"momentum": 1.25}),
        ("RMSprop", {"alpha": 1.5, "momentum": 1.0, "centered": True}),
        ("ASGD", {"t0": -2.0}),
        ("Rprop", {"step_sizes": (-1.0, 50.0)}),
        ("Rprop", {"step_sizes": (0.2, 0.1)}),
    ],
    ids=str,
)
def test_numbers_that_torchs_constructor_takes(name: str, options: dict[str, Any]) -> None:
    ours, torchs = (trained(getattr(module, name), {}, 5, **options) for module in (martlet.torch, torch.optim))
    torch.testing.assert_close(ours, torchs, rtol=2e-6, atol=1e-7, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": -0.5}), ("SGD", {"nesterov": True}), ("RMSprop", {"alpha": -1.0}),
        ("ASGD", {"lambd": -1.0}), ("Rprop", {"etas": (0.5, 1.0)}), ("Adadelta", {"rho": 1.5}),
        ("NAdam", {"momentum_decay": -1.0}), ("Adagrad", {"lr_decay": -1.0}), ("Adamax", {"betas": (0.9, 1.0)}),
    ],
    ids=str,
)  # fmt: skip
def test_numbers_that_torchs_constructor_refuses(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w") as theirs:
        trained(getattr(torch.optim, name), {}, **options)
    with pytest.raises(martlet.ArgumentError) as ours:
        trained(getattr(martlet.torch, name), {}, **options)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize(
    "name",
    ["Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD"]
    + ["Muon"] * hasattr(torch.optim, "Muon"),
)
def test_a_constructor_takes_and_refuses_what_torchs_does(name: str) -> None:
    """Every number of every class, out of range or not, by the kind of exception."""

    def said(module: Any, option: str, value: Any) -> type[Exception] | None:
        try:
            getattr(module, name)([nn.Parameter(torch.ones(3, 3))], **{option: value})
        except (TypeError, ValueError) as error:
            return TypeError if isinstance(error, TypeError) else ValueError
        return None

    for option, parameter in inspect.signature(getattr(torch.optim, name).__init__).parameters.items():
        usual = parameter.default
        if option in ("self", "params", "ns_steps") or type(usual) not in (int, float, tuple):
            continue
        for part in (-1.0, -1e-9, 0.0, 0.5, 1.0, 1.5, None):
            values = [part]
            if isinstance(usual, tuple):
                values = [(*usual[:k], part, *usual[k + 1 :]) for k in range(len(usual))]
            for value in values:
                theirs = said(torch.optim, option, value)
                if part is not None or theirs is not None:  # torch takes some that no step can use
                    assert said(martlet.torch, option, value) is theirs, (option, value)


def test_a_rate_that_a_schedule_takes_below_zero() -> None:
    curves = []
    for module in (martlet.torch, torch.optim):
        model = models.network()
        optimizer = module.AdamW([{"params": list(model.parameters()), "lr": -1e-4}], lr=0.02)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 10 * (step - 3))
        curves.append(models.train(model, optimizer, 12, each=schedule.step))
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)


@pytest.mark.parametrize("betas", [(1.0, 0.999), (0.9, 1.5), (-1.0, 0.999), (1e300, 0.9)], ids=str)
def test_steps_without_defined_arithmetic(betas: tuple[float, float]) -> None:
    parameter = nn.Parameter(torch.ones(3))
    optimizer = martlet.torch.Adam([("weight", parameter)])
    parameter.grad = torch.ones(3)
    optimizer.step()
    before = parameter.detach().clone(), int(optimizer.state[parameter]["step"])
    optimizer.param_groups[0]["betas"] = betas
    for _ in range(2):
        with pytest.raises(martlet.ArgumentError, match="parameter 'weight' has no step 2 with lr .* beta1"):
            optimizer.step()
    assert torch.equal(parameter, before[0]) and int(optimizer.state[parameter]["step"]) == before[1]
    optimizer.param_groups[0]["betas"] = (0.9, 0.999)
    optimizer.step()


@pytest.mark.parametrize("named", [False, True])
def test_a_parameter_twice_in_a_group(named: bool) -> None:
    """Tied weights that were collected module by module. They are stepped once."""
    tied, other, single = (nn.Parameter(torch.ones(2)) for _ in range(3))
    listed = [tied, other, tied]
    params = list(zip("abc", listed, strict=True)) if named else listed
    with pytest.warns(UserWarning, match="optimizer contains a parameter group with duplicate parameters"):
        optimizer = martlet.torch.Adam(params, lr=0.1)
    alone = torch.optim.Adam([single], lr=0.1)
    for _ in range(3):
        for parameter in (tied, other, single):
            parameter.grad = torch.tensor([1.0, -3.0])
        optimizer.step()
        alone.step()
    torch.testing.assert_close(tied.detach(), single.detach())
    assert torch.equal(tied, other)
    assert [float(entry["step"]) for entry in optimizer.state.values()] == [3.0, 3.0]
    packed = optimizer.state_dict()
    with pytest.warns(UserWarning, match="duplicate"):
        peer = torch.optim.Adam([tied, other, tied])
    peer.load_state_dict(packed)
    assert peer.state_dict()["param_groups"][0]["params"] == packed["param_groups"][0]["params"]
    optimizer.load_state_dict(peer.state_dict())
    optimizer.step()
    assert [float(entry["step"]) for entry in optimizer.state.values()] == [4.0, 4.0]
    with pytest.raises(ValueError, match="more than one parameter group"):
        martlet.torch.Adam([{"params": [tied]}, {"params": [tied]}])


def through_a_step(module: Any, **options: Any) -> list[Tensor]:
    """What a step on a copy of some weights becomes, and the gradient of its square by weights and initial gradient."""
    weights = [torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True) for _ in range(2)]
    copies = [weight.clone() for weight in weights]
    slope = torch.tensor([0.5, 3.0], dtype=torch.float64, requires_grad=True)
    optimizer = module.Adam([{"params": copies[:1]}, {"params": copies[1:], "lr": 0.2}], differentiable=True, **options)
    for _ in range(2):
        for copy in copies:
            copy.grad = 2 * slope
        optimizer.step()
    sum((copy**2).sum() for copy in copies).backward()
    return [*copies, *(weight.grad for weight in weights), slope.grad]


@pytest.mark.parametrize(
    "options", [{}, {"weight_decay": 0.1, "maximize": True}, {"decoupled_weight_decay": True}], ids=str
)
def test_differentiable_steps_are_torchs(options: dict[str, Any]) -> None:
    for ours, torchs in zip(
        through_a_step(martlet.torch, **options), through_a_step(torch.optim, **options), strict=True
    ):
        torch.testing.assert_close(ours.detach(), torchs.detach(), rtol=1e-12, atol=0)


def test_a_differentiable_group_beside_a_native_one() -> None:
    found = []
    for module in (martlet.torch, torch.optim):
        plain, traced = nn.Parameter(torch.ones(3)), torch.ones(3)
        optimizer = module.AdamW([{"params": [plain]}, {"params": [traced], "differentiable": True}], lr=0.1)
        for step in range(4):
            plain.grad, traced.grad = torch.arange(1.0, 4.0), torch.arange(1.0, 4.0)
            optimizer.step()
            optimizer.param_groups[1]["differentiable"] = step % 2 == 1
        found.append((plain.detach(), traced, {float(entry["step"]) for entry in optimizer.state.values()}))
    torch.testing.assert_close(*(one[:2] for one in found), rtol=1e-5, atol=1e-6)
    assert found[0][2] == found[1][2] == {4.0}


def test_a_differentiable_group_keeps_to_torch() -> None:
    parameter = torch.ones(3)
    parameter.grad = torch.ones(3)
    optimizer = martlet.torch.Adam([parameter], differentiable=True, semantics="keras")
    with pytest.raises(
        martlet.UnsupportedError, match=r"param_groups\[0\] is differentiable; torch steps it then, and has no"
    ):
        optimizer.step()
    assert torch.equal(parameter, torch.ones(3))


def stepped(module: Any) -> tuple[nn.Parameter, Any]:
    parameter = nn.Parameter(torch.ones(3))
    optimizer = module.Adam([parameter])
    parameter.grad = torch.ones(3)
    optimizer.step()
    return parameter, optimizer


def fails(spoil: Callable[[nn.Parameter, Any], None]) -> Callable[[Any], None]:
    """A step after something was spoiled."""

    def run(module: Any) -> None:
        parameter, optimizer = stepped(module)
        spoil(parameter, optimizer)
        optimizer.step()

    return run


REFUSED: dict[str, Callable[[Any], None]] = {
    "gradient of another shape": fails(lambda p, o: setattr(p.grad, "data", torch.ones(5))),
    "integer gradient": fails(lambda p, o: setattr(p.grad, "data", torch.ones(3, dtype=torch.int32))),
    "expanded parameter": fails(lambda p, o: setattr(p, "data", torch.ones(1).expand(3))),
    "moment of another shape": fails(lambda p, o: o.state[p].update(exp_avg=torch.ones(5))),
    "integer moment": fails(lambda p, o: o.state[p].update(exp_avg=torch.ones(3, dtype=torch.int32))),
    "no moment": fails(lambda p, o: o.state[p].pop("exp_avg_sq")),
    "no step": fails(lambda p, o: o.state[p].pop("step")),
    "no lr": fails(lambda p, o: o.param_groups[0].pop("lr")),
    "no params": fails(lambda p, o: o.param_groups[0].pop("params")),
    "lr is a text": fails(lambda p, o: o.param_groups[0].update(lr="fast")),
    "weight_decay is None": fails(lambda p, o: o.param_groups[0].update(weight_decay=None)),
    "weight_decay=None": lambda module: module.AdamW([nn.Parameter(torch.ones(1))], weight_decay=None),
    "betas=0.9": lambda module: module.Adam([nn.Parameter(torch.ones(1))], betas=0.9),
    "a group without params": lambda module: module.Adam([{"lr": 0.1}]),
    "fused and differentiable": lambda module: module.Adam(
        [nn.Parameter(torch.ones(1))], fused=True, differentiable=True
    ),
    "an empty state_dict": lambda module: stepped(module)[1].load_state_dict({}),
    "a state_dict of SGD": fails(
        lambda p, o: o.load_state_dict(torch.optim.SGD([nn.Parameter(torch.ones(3))]).state_dict())
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_exceptions_are_torchs_too(case: str) -> None:
    with pytest.raises((RuntimeError, ValueError, TypeError, KeyError)) as torchs:
        REFUSED[case](torch.optim)
    with pytest.raises(martlet.MartletError) as ours:
        REFUSED[case](martlet.torch)
    assert isinstance(ours.value, type(torchs.value)), torchs.value
    assert not str(ours.value).startswith(("'", '"'))
