"""martlet.optim.Muon: arrays by name and shape to Muon and to AdamW, in the caller's order; results beside a
reference in float64 and AdamW's own class. test_torch_muon.py has the rules in full, which are the same."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import optim, schedules
from martlet.optim import Muon

SHAPES = {"wte": (9, 4), "b.qkv": (12, 4), "b.bias": (12,), "conv": (4, 2, 3, 3), "head.weight": (3, 4)}
ROUTES = {"wte": "adamw", "b.qkv": "muon3", "b.bias": "adamw", "conv": "muon1", "head.weight": "adamw"}


def arrays(seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in SHAPES.items()}


def gradients(step: int) -> dict[str, Any]:
    return arrays(100 + step)


def routes(optimizer: Muon) -> dict[str, str]:
    packed = optimizer.state_dict()["param_groups"]
    return {
        name: "adamw" if group.get("algorithm") else f"muon{group['blocks']:g}"
        for group in packed
        for name in group["param_names"]
    }


def orthogonal(gradient: Any) -> Any:
    """Five steps of Newton-Schulz."""
    x = gradient.T if gradient.shape[0] > gradient.shape[1] else gradient
    x = x / np.linalg.norm(x)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
    return x.T if gradient.shape[0] > gradient.shape[1] else x


def test_each_array_goes_one_way() -> None:
    values = arrays()
    optimizer = Muon(values, lr=0.1, weight_decay=0.5, blocks={"*.qkv": 3}, adamw_lr=0.01, adamw_weight_decay=0.2)
    assert routes(optimizer) == ROUTES
    assert "b.qkv        12 x 4         muon, 3 blocks  a matrix; blocks has '*.qkv'" in optimizer.describe()
    before, rest = copy.deepcopy(values), {name: values[name].copy() for name, one in ROUTES.items() if one == "adamw"}
    alone = optim.AdamW(rest, lr=0.01, betas=(0.9, 0.95), weight_decay=0.2)
    given = gradients(0)
    optimizer.step(given)
    alone.step({name: given[name] for name in rest})
    for name, value in rest.items():
        assert np.array_equal(values[name], value)
    update = np.concatenate([orthogonal(part) for part in np.split(given["b.qkv"], 3)])
    np.testing.assert_allclose(values["b.qkv"], 0.95 * before["b.qkv"] - 0.1 * update, atol=1e-6)
    update = orthogonal(given["conv"].reshape(4, -1)).reshape(SHAPES["conv"])
    np.testing.assert_allclose(values["conv"], 0.95 * before["conv"] - 0.1 * update, atol=1e-6)


@pytest.mark.parametrize("way", ["load_state_dict", "save", "pickle", "deepcopy"])
def test_training_goes_on_to_the_bit(way: str, tmp_path: Any) -> None:
    values = arrays()
    one = Muon(values, lr=0.02, blocks={"*.qkv": 3}, ns_coefficients="polar_express", adjust_lr_fn="spectral")
    for step in range(3):
        one.step(gradients(step))
    if way == "pickle":
        again, other = pickle.loads(pickle.dumps((values, one)))
    elif way == "deepcopy":
        again, other = copy.deepcopy((values, one))
    else:
        again = copy.deepcopy(values)
        other = Muon(again, blocks={"*.qkv": 3}, ns_coefficients="polar_express", adjust_lr_fn="spectral")
        if way == "save":
            one.save(tmp_path / "state")
            other.load(tmp_path / "state")
        else:
            other.load_state_dict(one.state_dict())
    assert other.describe() == one.describe()
    for step in range(3, 5):
        one.step(gradients(step))
        other.step(gradients(step))
    assert all(np.array_equal(values[name], again[name]) for name in values)


def test_a_list_keeps_its_order_and_goes_by_shape() -> None:
    bias, weight = np.zeros(4), np.zeros((3, 4))
    optimizer = Muon([bias, weight], lr=0.1, adamw_lr=0.5)
    optimizer.step([np.ones(4), np.eye(3, 4)])
    np.testing.assert_allclose(bias, -0.5)
    assert np.count_nonzero(weight) == 3


def test_variables_that_come_with_their_gradients() -> None:
    bias, weight, late = np.zeros(4), np.zeros((3, 4)), np.zeros((4, 3))
    optimizer = Muon(lr=0.1, adamw_lr=0.5)
    optimizer.apply_gradients([(np.ones(4), bias), (np.eye(3, 4), weight)])
    optimizer.build([late])
    np.testing.assert_allclose(bias, -0.5)
    assert routes(optimizer) == {"params[1]": "muon1", "params[2]": "muon1", "params[0]": "adamw"}


def test_a_schedule_leads_muon_and_adamw_where_they_share_a_rate() -> None:
    rate = schedules.ExponentialDecay(0.1, 1, 0.5)
    optimizer = Muon(arrays(), lr=rate, adjust_lr_fn="match_rms_adamw")
    assert [group["lr"] for group in optimizer.param_groups] == [rate, rate]
    optimizer.step(gradients(0))
    assert [group["lr"] for group in optimizer.state_dict()["param_groups"]] == [0.05, 0.05]
    apart = Muon(arrays(), lr=rate)
    assert apart.param_groups[-1]["lr"] == 3e-4


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: Muon(arrays(), rules=[("nothing", "muon")]), "rules has 'nothing', which matches none"),
    (
        lambda: Muon(arrays(), blocks={"conv": 3}),
        r"conv has shape \(4, 2, 3, 3\), and blocks is 3; wanted a divisor of 4",
    ),
    (lambda: Muon(arrays(), rules={"b.bias": "muon"}), r"b\.bias has shape \(12,\); give it to AdamW"),
    (lambda: Muon([{"params": [np.ones(3)]}]), r"params\[0\] has shape \(3,\); give it to AdamW"),
    (lambda: Muon(rules={"wte": "muon"}), "go by names"),
    (lambda: Muon(arrays(), adamw_betas=(1.5, 0.9)), "for AdamW, beside Muon: Invalid beta parameter at index 0"),
    (lambda: Muon(arrays(), adjust_lr_fn="other"), "adjust_lr_fn is 'other'; wanted one of"),
    (lambda: Muon(arrays(), ns_coefficients="cubic"), "ns_coefficients is 'cubic'; wanted one of"),
    (
        lambda: Muon(arrays(), ns_coefficients=(1.0, np.nan, 1.0)),
        r"^ns_coefficients\[1\] is nan; expected a finite number",
    ),
    (lambda: Muon([]), "params is empty"),
    (lambda: Muon(arrays(), other=1), "unexpected argument 'other'"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refusals(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(martlet.MartletError, match=message):
        make()
