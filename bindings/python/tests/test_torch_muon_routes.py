"""martlet.torch.Muon: which parameters it steps, and which AdamW beside it, with which options; what it refuses."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import martlet
from martlet.torch import Muon
from muon_models import GPT, ResNet, expected, routes


def test_kernels_of_a_residual_network() -> None:
    model = ResNet()
    found = routes(Muon(model))
    assert found == expected(model, lambda name: "muon" if "conv" in name or "downsample.0" in name else None)
    table = Muon(model).describe().splitlines()
    assert table[0].split() == ["parameter", "shape", "algorithm", "why"]
    assert len(table) == 1 + len(found)
    assert next(line for line in table if line.startswith("fc.weight")).endswith("the output layer")
    assert "8 x 3 x 7 x 7" in next(line for line in table if line.startswith("conv1.weight"))


@pytest.mark.parametrize("tied", [False, True])
def test_a_language_model(tied: bool) -> None:
    model = GPT(tied)
    optimizer = Muon(model, blocks={"*.qkv": 3})
    assert routes(optimizer) == expected(
        model,
        lambda name: "muon3" if name.endswith("qkv.weight") else "muon" if name[0] == "h" and name[-6:] == "weight"
        and "ln" not in name else None,
    )  # fmt: skip
    assert ("tied to lm_head" in optimizer.describe()) is tied


def test_names_say_what_a_module_would() -> None:
    model = GPT()
    for given in (model.named_parameters(), dict(model.named_parameters())):
        assert routes(Muon(given)) == routes(Muon(model))


def test_what_torch_knows_by_class() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
    found = routes(Muon(encoder))
    assert found["layers.1.self_attn.in_proj_weight"] == "muon3"
    assert found["layers.1.linear2.weight"] == "muon"  # a block's, no output layer
    layers = nn.Sequential(nn.LayerNorm([4, 4]), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    assert [name for name, one in routes(Muon(layers)).items() if one == "muon"] == ["1.weight"]
    named = nn.ModuleDict({"classifier": nn.Linear(4, 3), "hidden": nn.Linear(4, 4), "last": nn.Conv1d(4, 4, 3)})
    assert [name for name, one in routes(Muon(named)).items() if one == "muon"] == ["hidden.weight", "last.weight"]


def test_the_callers_rules_come_first() -> None:
    model = GPT()
    found = routes(Muon(model, rules=[("lm_head", "muon"), ("h.0.*", "adamw"), ("h.0.proj", "muon")]))
    assert found["lm_head.weight"] == "muon"
    assert {one for name, one in found.items() if name.startswith("h.0.")} == {"adamw"}
    assert found["h.1.proj.weight"] == "muon"
    chosen = routes(Muon(model, rules=lambda name, parameter: "adamw" if parameter.shape[0] == 24 else None))
    assert chosen["h.0.qkv.weight"] == "adamw"
    assert chosen["h.0.proj.weight"] == "muon"
    layers = nn.ModuleDict({"time_embed": nn.Linear(4, 4), "last": nn.Linear(4, 4)})
    for pattern in ("time_embed", "*"):
        found = routes(Muon(layers, rules=[(pattern, "muon")]))
        assert (found["time_embed.weight"], found["time_embed.bias"]) == ("muon", "adamw")
    weight, bias = torch.ones(4, 3, 3), torch.ones(4)
    for key, on, off in (("algorithm", "muon", "adamw"), ("use_muon", True, False)):
        optimizer = Muon([{"params": [weight], key: on}, {"params": [bias], key: off, "lr": 0.5}])
        assert [group.get("algorithm") for group in optimizer.param_groups] == [None, "adamw"]
        assert optimizer.param_groups[1]["lr"] == 0.5
        assert optimizer.param_groups[1]["betas"] == (0.9, 0.95)


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: Muon(GPT(), rules=[("nothing", "muon")]), r"rules has 'nothing', which matches none .*pos, wte\.weight"),
    (lambda: Muon(GPT(), blocks={"*.q": 3}), r"blocks has '\*\.q', which matches none"),
    (lambda: Muon(GPT(), blocks={"wte": 2}), "blocks has 'wte', which matches no parameter that Muon steps"),
    (
        lambda: Muon(GPT(), blocks={"*.proj": 3}),
        r"h\.0\.proj\.weight has shape \(8, 8\), and blocks is 3; wanted a div",
    ),
    (lambda: Muon(GPT(), blocks={"*.proj": 0}), "0; wanted how many matrices"),
    (lambda: Muon(GPT(), rules=[("*bias", "muon")]), r"h\.0\.ln_1\.bias has shape \(8,\); give it to AdamW"),
    (lambda: Muon(GPT(), rules=[("pos", "sgd")]), "'sgd' for 'pos'; wanted 'muon' or 'adamw'"),
    (lambda: Muon(GPT(), rules=lambda name, parameter: True), "True; wanted 'muon' or 'adamw'"),
    (lambda: Muon(GPT(), rules="wte"), "rules is 'wte'; wanted"),
    (lambda: Muon(GPT().parameters(), rules=[("wte", "muon")]), "params has none"),
    (lambda: Muon(GPT().parameters()), "Muon only supports 2D parameters whereas we found a parameter with size"),
    (lambda: Muon([torch.ones(3)]), r"size: torch\.Size\(\[3\]\), param_groups\[0\]\['params'\]\[0\]"),
    (lambda: Muon([{"params": [torch.ones(3)], "algorithm": "muon"}]), "give it to AdamW"),
    (lambda: Muon([{"params": [torch.ones(4, 3)], "blocks": 3}]), "blocks is 3"),
    (
        lambda: Muon([{"params": [torch.ones(4, 3)], "use_muon": True, "algorithm": "adamw"}]),
        r"param_groups\[0\] has 'use_muon' and 'algorithm'",
    ),
    (lambda: Muon([torch.ones(4, 3, dtype=torch.complex64)]), "does not support complex parameters"),
    (lambda: Muon(nn.LazyLinear(3)), "weight has no shape yet"),
    (lambda: Muon(GPT(), adamw_lr=-1.0), "for AdamW, beside Muon: Invalid learning rate: -1"),
    (lambda: Muon(GPT(), adamw_betas=(0.9, 1.0)), "for AdamW, beside Muon: Invalid beta parameter at index 1"),
    (lambda: Muon(GPT(), adjust_lr_fn="other"), "adjust_lr_fn is 'other'; wanted one of"),
    (lambda: Muon(GPT(), ns_coefficients="cubic"), "ns_coefficients is 'cubic'; wanted one of 'simple', 'quintic'"),
    (lambda: Muon(GPT(), ns_coefficients=(1.0, 2.0)), "wanted 3 numbers"),
    (lambda: Muon(GPT(), lr=-1.0), "Learning rate should be >= 0 but is: -1"),
    (lambda: Muon(nn.Sequential()), "empty parameter list"),
    (lambda: Muon({"weight": 3}), "wanted names with their tensors"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refusals(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(martlet.MartletError, match=message):
        make()


def test_options_of_adamw() -> None:
    def adamw(**options: Any) -> dict[str, Any]:
        group: dict[str, Any] = Muon(GPT(), **options).param_groups[-1]
        assert group["algorithm"] == "adamw"
        return group

    assert adamw(lr=0.02)["lr"] == 3e-4
    assert adamw(lr=2e-3, adjust_lr_fn="match_rms_adamw")["lr"] == 2e-3
    assert adamw()["weight_decay"] == 0.1
    told = adamw(adamw_lr=0.5, adamw_betas=(0.8, 0.9), adamw_eps=1e-10, adamw_weight_decay=0.0, maximize=True)
    assert [told[key] for key in ("lr", "betas", "eps", "weight_decay")] == [0.5, (0.8, 0.9), 1e-10, 0.0]
    assert told["maximize"] is True
    for optimizer in (made := Muon(GPT(), adamw_lr=0.5), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        optimizer.add_param_group({"params": [("late", torch.ones(2))], "algorithm": "adamw"})
        assert optimizer.param_groups[-1]["lr"] == 0.5


def test_a_model_says_itself_what_gives_its_outputs() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out, self.last = nn.Linear(4, 3), nn.Linear(4, 4)

        def get_classifier(self) -> nn.Module:
            return self.out

    class Listed(Model):
        def get_classifier(self) -> Any:
            return [self.out]

    class Named(Model):
        def get_classifier(self) -> Any:
            return "out"

    class Other(Model):
        get_classifier = None  # type: ignore[assignment]

    kinds = ((Model, "last.weight"), (Listed, "last.weight"), (Named, "out.weight"), (Other, "out.weight"))
    for kind, hidden in kinds:
        assert [name for name, one in routes(Muon(kind())).items() if one == "muon"] == [hidden]
