"""martlet.convert over state_dicts as other libraries' classes of torch's shape write them, without those libraries."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import martlet
import martlet.optim
import martlet.torch
from martlet import convert


class InAFile:
    """The state_dict of another library's class of that name, after a step, as it is in a file."""

    def __init__(self, options: dict[str, Any], slots: list[str], **entry: Any) -> None:
        self.options, self.slots, self.entry = options, slots, entry

    def state_dict(self, **changed: Any) -> dict[str, Any]:
        state = {0: {**{slot: torch.ones(3) for slot in self.slots}, **self.entry}}
        return {"state": state, "param_groups": [{**self.options, **changed, "params": [0]}]}


ADAN = InAFile(
    {"lr": 0.1, "betas": (0.98, 0.92, 0.99), "eps": 1e-8, "weight_decay": 0.0, "no_prox": False, "caution": False,
     "foreach": None, "step": 7},
    ["exp_avg", "exp_avg_sq", "exp_avg_diff", "neg_pre_grad"],
)  # fmt: skip
NADAMW = InAFile(
    {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "caution": False, "maximize": False},
    ["exp_avg", "exp_avg_sq"],
    step=torch.tensor(3.0),
)
# pytorch_optimizer's AdaBound, of which the object alone has base_lrs.
BOUND = InAFile(
    {"lr": 1e-4, "betas": (0.9, 0.999), "final_lr": 0.1, "gamma": 1e-3, "weight_decay": 0.0, "weight_decouple": True,
     "fixed_decay": False, "ams_bound": False, "eps": 1e-8, "step": 5},
    ["exp_avg", "exp_avg_sq"],
)  # fmt: skip


def test_files_of_other_libraries_are_known() -> None:
    """Without the library: by its keys."""
    ours = martlet.torch.Adan([torch.nn.Parameter(torch.zeros(3))])
    ours.load_state_dict(ADAN.state_dict())
    assert ours.state_dict()["state"][0]["step"] == 7 and ours.param_groups[0]["lr"] == 0.1
    assert not {"no_prox", "caution", "step"} & ours.param_groups[0].keys()
    plain = martlet.optim.Adan(np.zeros(3, np.float32))
    plain.load_state_dict(ADAN.state_dict())
    assert plain.state_dict()["state"][0]["step"] == 7


@pytest.mark.parametrize(
    "kind, packed, message",
    [
        ("Adan", ADAN.state_dict(no_prox=True), "no_prox=True, and Martlet's rule is that of no_prox=False"),
        ("Adan", ADAN.state_dict(caution=True), "caution=True"),
        ("NAdam", NADAMW.state_dict(), "NAdamW has no schedule of its momentum"),
        ("Adafactor", ADAN.state_dict(min_dim_size_to_factor=16), "timm's Adafactor keeps whole averages"),
        ("Adafactor", BOUND.state_dict(), "pytorch_optimizer's AdaFactor averages its steps"),
    ],
)
def test_rules_of_other_libraries_that_are_none_of_ours(kind: str, packed: Any, message: str) -> None:
    ours = getattr(martlet.torch, kind)([torch.nn.Parameter(torch.zeros(3))])
    with pytest.raises(martlet.UnsupportedError, match=message):
        ours.load_state_dict(packed)
    assert not ours.state and ours.param_groups[0]["lr"] != 0.1


LARS = InAFile(
    {"lr": 0.5, "momentum": 0.9, "dampening": 0, "weight_decay": 0.1, "nesterov": False, "trust_coeff": 0.01,
     "eps": 1e-7, "trust_clip": False, "always_adapt": False, "foreach": None},
    ["momentum_buffer"],
)  # fmt: skip
LAMB = InAFile(
    {"lr": 0.5, "bias_correction": True, "betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0.1,
     "grad_averaging": True, "max_grad_norm": None, "trust_clip": False, "always_adapt": False, "caution": False,
     "decoupled_decay": False, "foreach": None, "step": torch.tensor(4.0)},
    ["exp_avg", "exp_avg_sq"],
)  # fmt: skip
# pytorch_optimizer's.
STABLE = InAFile(
    {"lr": 0.5, "betas": (0.9, 0.99), "kahan_sum": True, "weight_decay": 0.1, "weight_decouple": True, "eps": 1e-8,
     "foreach": None, "step": 3},
    ["exp_avg", "exp_avg_sq"],
    kahan_comp=None,
)  # fmt: skip


@pytest.mark.parametrize("kind, packed", [("LARS", LARS), ("LAMB", LAMB)], ids=["LARS", "LAMB"])
def test_timms_groups_that_do_not_adapt(kind: str, packed: InAFile) -> None:
    """Those without decay, unless told to; with decay it makes no difference."""
    for changed in ({}, {"weight_decay": 0, "always_adapt": True}):
        ours = getattr(martlet.torch, kind)([torch.nn.Parameter(torch.zeros(3))])
        ours.load_state_dict(packed.state_dict(**changed))
        assert len(ours.state) == 1 and ours.param_groups[0]["lr"] == 0.5
    ours = getattr(martlet.torch, kind)([torch.nn.Parameter(torch.zeros(3))])
    with pytest.raises(martlet.UnsupportedError, match="always_adapt=False, and Martlet's rule is that of .*=True"):
        ours.load_state_dict(packed.state_dict(weight_decay=0))
    assert not ours.state and ours.param_groups[0]["lr"] != 0.5


@pytest.mark.parametrize(
    "kind, packed, message",
    [
        ("LAMB", LAMB.state_dict(max_grad_norm=1.0), "max_grad_norm=1.0, and Martlet's rule is that of .*=None"),
        ("LAMB", LAMB.state_dict(grad_averaging=False), "grad_averaging=False"),
        ("LAMB", LAMB.state_dict(decoupled_decay=True), "decoupled_decay=True"),
        ("LAMB", LAMB.state_dict(trust_clip=True), "trust_clip=True"),
        ("LARS", LARS.state_dict(trust_clip=True), "trust_clip=True"),
        ("LAMB", BOUND.state_dict(), "pytorch_optimizer's Lamb does not correct its averages"),
        ("LARS", BOUND.state_dict(), "pytorch_optimizer's LARS neither adapts nor decays what has one dimension"),
        ("StableAdamW", STABLE.state_dict(weight_decouple=False), "weight_decouple=False"),
    ],
)
def test_rules_with_norms_that_are_none_of_ours(kind: str, packed: Any, message: str) -> None:
    for module, parameter in (
        (martlet.torch, torch.nn.Parameter(torch.zeros(3))),
        (martlet.optim, np.zeros(3, np.float32)),
    ):
        ours = getattr(module, kind)([parameter])
        with pytest.raises(martlet.UnsupportedError, match=message):
            ours.load_state_dict(packed)
        assert not ours.state_dict()["state"] and ours.param_groups[0]["lr"] not in (0.5, 1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_kahans_sum_of_16_bits_is_refused_both_ways(dtype: torch.dtype) -> None:
    """It is another rule there; for wider parameters, and with it off, nothing."""

    def stable(parameter: Any, **changed: Any) -> Any:
        made = type("StableAdamW", (), {"__module__": "pytorch_optimizer", "step": lambda self: None})()
        packed = STABLE.state_dict(**changed)
        entry = packed["state"][0]
        packed["state"][0] = {
            key: value if value is None else value.to(parameter.dtype) for key, value in entry.items()
        }
        made.state_dict, made.param_groups = lambda: packed, [{**packed["param_groups"][0], "params": [parameter]}]
        return made

    low, wide = (torch.nn.Parameter(torch.ones(3, dtype=kind)) for kind in (dtype, torch.float32))
    for parameter, changed in ((low, {"kahan_sum": False}), (wide, {})):
        ours = martlet.torch.StableAdamW([parameter])
        ours.load_state_dict(convert.from_torch(stable(parameter, **changed), ours))
        assert convert.to_torch(ours, stable(parameter, **changed))["param_groups"][0]["step"] == 3
    ours = martlet.torch.StableAdamW([low])
    message = "kahan_sum=True, which counts for parameters of 16 bits, and Martlet's rule is that of kahan_sum=False"
    for conversion in (
        lambda: ours.load_state_dict(stable(low).state_dict()),
        lambda: convert.from_torch(stable(low), ours),
        lambda: convert.to_torch(ours, stable(low)),
    ):
        with pytest.raises(martlet.UnsupportedError, match=message):
            conversion()
    assert not ours.state


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"params": None}, r"param_groups\[0\] has params None"),
        ({"params": [[0]]}, r"param_groups\[0\] has params \[\[0\]\]; wanted a list of keys"),
        ({"params": [0, 1]}, r"groups have \[2\] parameters, and ours \[1\]"),
        ({"step": "seven"}, "'step' in the other optimizer's state is 'seven'"),
        ({"betas": (0.9, 0.9)}, "wanted 3 numbers"),
        ({"lr": "fast"}, "lr is 'fast'"),
    ],
)
def test_hostile_files(changed: dict[str, Any], message: str) -> None:
    packed = ADAN.state_dict()
    packed["param_groups"][0].update(changed)
    for ours in (martlet.torch.Adan([torch.nn.Parameter(torch.zeros(3))]), martlet.optim.Adan(np.zeros(3, np.float32))):
        with pytest.raises(martlet.MartletError, match=message):
            ours.load_state_dict(packed)
        assert not ours.state_dict()["state"]
    no_dict = {"state": {0: 3}, "param_groups": ADAN.state_dict()["param_groups"]}
    with pytest.raises(martlet.FormatError, match="parameter 0 is a int"):
        martlet.optim.Adan(np.zeros(3, np.float32)).load_state_dict(no_dict)


def adabound(**attributes: Any) -> Any:
    """An object of that class."""
    made = type(
        "AdaBound", (), {"__module__": "pytorch_optimizer", "state_dict": BOUND.state_dict, "step": lambda self: None}
    )()
    vars(made).update(attributes)
    return made


def test_the_rate_that_adabound_began_with() -> None:
    """Of the object; without it that of torch's schedulers, or today's, which is said."""

    def base_lr(packed: Any) -> Any:
        ours = martlet.optim.AdaBound(np.zeros(3, np.float32))
        ours.load_state_dict(packed)
        return ours.state_dict()["state"][0]["base_lr"]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = martlet.optim.AdaBound(np.zeros(3, np.float32))
        assert base_lr(convert.from_torch(adabound(base_lrs=[1e-3]), ours)) == 1e-3
        assert base_lr(BOUND.state_dict(initial_lr=1e-3)) == 1e-3
    with pytest.warns(UserWarning, match=r"param_groups\[0\] goes on as if it was lr=0.0001; .*from_torch"):
        assert base_lr(BOUND.state_dict()) == 1e-4
    for hostile in ([], 3, ["fast"], {1: 0.1}):
        with pytest.raises(martlet.FormatError, match="wanted a rate for each of its groups"):
            convert.from_torch(adabound(base_lrs=hostile), ours)
        with pytest.raises(martlet.FormatError, match="wanted a rate for each of its groups"):
            convert.to_torch(ours, adabound(base_lrs=hostile))


def test_a_subclass_with_a_step_of_its_own() -> None:
    ours = martlet.optim.AdaBound(np.zeros(3, np.float32))
    plain, other = (
        type("Mine", (type(adabound(base_lrs=[1e-3])),), body) for body in ({}, {"step": lambda self: None})
    )
    same = plain()
    same.base_lrs = [1e-3]
    convert.from_torch(same, ours)
    for conversion in (convert.from_torch, lambda peer, ours: convert.to_torch(ours, peer)):
        with pytest.raises(
            martlet.UnsupportedError, match="Mine has a step of its own in place of pytorch_optimizer's"
        ):
            conversion(other(), ours)
