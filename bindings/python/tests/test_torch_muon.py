"""martlet.torch.Muon: which parameters it steps, and which AdamW beside it; its results beside torch.optim.Muon's, and
blocks, beside a reference in float64."""

from __future__ import annotations

import copy
import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.checkpoint import state_dict as distributed

import martlet
import martlet.convert
import martlet.torch
from martlet.torch import AdamW, Muon

TORCHS = getattr(torch.optim, "Muon", None)
SIMPLE = (3.4445, -4.775, 2.0315)


class Residual(nn.Module):
    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.downsample = nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))


class ResNet(nn.Module):
    """ResNet-18's layers, with fewer channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(Residual(8, 8, 1), Residual(8, 8, 1))
        self.layer2 = nn.Sequential(Residual(8, 16, 2), Residual(16, 16, 1))
        self.fc = nn.Linear(16, 10)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


class GPT(nn.Module):
    def __init__(self, tied: bool = False) -> None:
        super().__init__()
        self.wte = nn.Embedding(20, 8)
        self.pos = nn.Parameter(torch.zeros(1, 6, 8))
        self.h = nn.ModuleList([Block(8), Block(8)])
        self.ln_f = nn.LayerNorm(8)
        self.lm_head = nn.Linear(8, 20, bias=False)
        if tied:
            self.lm_head.weight = self.wte.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.wte(tokens) + self.pos
        for block in self.h:
            q, k, v = block.qkv(block.ln_1(x)).chunk(3, -1)
            x = x + block.proj(nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True))
            x = x + block.mlp(x)
        out: Tensor = self.lm_head(self.ln_f(x))
        return out


def routes(optimizer: Muon) -> dict[str, str]:
    """By parameter, the algorithm that steps it, and its blocks."""
    found: dict[str, str] = {}
    for group in optimizer.param_groups:
        for name in group["param_names"]:
            assert name not in found
            found[name] = group.get("algorithm", "muon") + str(group.get("blocks", ""))
    return found


def expected(module: nn.Module, muon: Callable[[str], Any]) -> dict[str, str]:
    return {name: muon(name) or "adamw" for name, _ in module.named_parameters()}


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, first: int = 0) -> list[float]:
    losses = []
    for step in range(first, first + steps):
        tokens = torch.randint(20, (4, 7), generator=torch.Generator().manual_seed(step))
        loss = nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


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
    with pytest.raises((martlet.MartletError, NotImplementedError), match=message):
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


def reference(gradient: Tensor, rows: list[tuple[float, float, float]], margin: float = 1.0) -> Tensor:
    """Newton-Schulz, step by step, in float64."""
    x = gradient.double()
    x = x.T if x.shape[0] > x.shape[1] else x
    x = x / (margin * x.norm())
    for a, b, c in rows:
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if gradient.shape[0] > gradient.shape[1] else x


def test_blocks_are_made_orthogonal_each_by_itself() -> None:
    made = torch.Generator().manual_seed(5)
    weight, kernel = (torch.randn(shape, generator=made) for shape in ((12, 5), (6, 2, 2, 2)))
    optimizer = Muon({"qkv": weight, "kernel": kernel}, lr=0.1, weight_decay=0.5, blocks={"qkv": 3})
    weight.grad, kernel.grad = (torch.randn(tensor.shape, generator=made) for tensor in (weight, kernel))
    before = weight.clone(), kernel.clone()
    gradients = weight.grad.clone(), kernel.grad.clone()
    optimizer.step()
    parts = [reference(part, [SIMPLE] * 5) for part in gradients[0].chunk(3)]
    assert torch.allclose(weight.double(), 0.95 * before[0] - 0.1 * torch.cat(parts), atol=1e-5)
    whole = reference(gradients[1].flatten(1), [SIMPLE] * 5).reshape(kernel.shape)
    assert torch.allclose(kernel.double(), 0.95 * before[1] - 0.1 * whole, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "rows", "margin"),
    [
        ("simple", [SIMPLE] * 2, 1.0),
        ("quintic", [(4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377)], 1.0),
        ("polar_express", [(8.1566, -22.4833, 15.8788), (4.0429, -2.8089, 0.5)], 1.02),
        ((2.0, -1.5, 0.5), [(2.0, -1.5, 0.5)] * 2, 1.0),
    ],
)
def test_coefficients(name: Any, rows: list[tuple[float, float, float]], margin: float) -> None:
    weight = torch.zeros(4, 6, dtype=torch.float64)
    optimizer = Muon([weight], lr=1.0, ns_coefficients=name, ns_steps=2)
    weight.grad = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    optimizer.step()
    assert torch.allclose(weight, -reference(weight.grad, rows, margin), atol=1e-6)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert optimizer.param_groups[0]["ns_coefficients"] == name


@pytest.mark.parametrize(
    ("scale", "factor"),
    [(None, 1.0), ("original", 1.0), ("match_rms_adamw", 0.2 * math.sqrt(6)), ("spectral", math.sqrt(4 / 6))],
)
def test_scales(scale: str | None, factor: float) -> None:
    weight, plain = torch.zeros(4, 6), torch.zeros(4, 6)
    optimizers = Muon([weight], lr=1.0, adjust_lr_fn=scale), Muon([plain], lr=1.0)
    weight.grad = plain.grad = torch.randn(4, 6, generator=torch.Generator().manual_seed(7))
    for optimizer in optimizers:
        optimizer.step()
    assert torch.allclose(weight, factor * plain, atol=1e-6)


@pytest.mark.skipif(TORCHS is None, reason="this torch has no Muon")
@pytest.mark.parametrize(
    "options",
    [{}, {"adjust_lr_fn": "match_rms_adamw"}, {"nesterov": False}, {"momentum": 0.5, "weight_decay": 0.0}],
    ids=str,
)
def test_as_torchs(options: dict[str, Any]) -> None:
    """torch's products are in bf16: results differ by its rounding. States go both ways in the middle of training."""
    made = torch.Generator().manual_seed(8)
    start = [torch.randn(shape, generator=made) for shape in ((24, 16), (8, 8))]
    ours, theirs, after = ([tensor.clone() for tensor in start] for _ in range(3))
    one, other = Muon(ours, lr=0.02, **options), TORCHS(theirs, lr=0.02, **options)
    assert list(one.param_groups[0]) == list(other.param_groups[0])
    for step in range(6):
        for tensors, optimizer in ((ours, one), (theirs, other)):
            for tensor in tensors:
                tensor.grad = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(step))
            optimizer.step()
    for mine, yours, first in zip(ours, theirs, start, strict=True):
        assert (mine - yours).norm() < 0.02 * (yours - first).norm()
    packed = one.state_dict()
    assert [list(entry) for entry in packed["state"].values()] == [["momentum_buffer"]] * 2
    for tensor, kept in zip(after, ours, strict=True):
        tensor.copy_(kept)
    back = TORCHS(after, lr=0.5)
    back.load_state_dict(packed)
    one.load_state_dict(other.state_dict())
    for tensors, optimizer in ((ours, one), (after, back)):
        for tensor in tensors:
            tensor.grad = torch.ones_like(tensor)
        optimizer.step()
    for mine, yours, first in zip(ours, after, start, strict=True):
        assert (mine - yours).norm() < 0.02 * (yours - first).norm()
    assert back.param_groups[0]["lr"] == 0.02


@pytest.mark.skipif(TORCHS is None, reason="this torch has no Muon")
def test_states_of_torchs_two_optimizers_make_one() -> None:
    made = torch.Generator().manual_seed(9)
    weight, bias = torch.randn(6, 4, generator=made), torch.randn(6, generator=made)
    theirs = TORCHS([weight], lr=0.02), torch.optim.AdamW([bias], lr=0.01)
    weight.grad, bias.grad = torch.ones(6, 4), torch.ones(6)
    for optimizer in theirs:
        optimizer.step()
    first, second = (optimizer.state_dict() for optimizer in theirs)
    second["param_groups"][0]["params"] = [1]
    packed = {"state": {0: first["state"][0], 1: second["state"][0]},
              "param_groups": first["param_groups"] + second["param_groups"]}  # fmt: skip
    ours = Muon({"weight": weight, "bias": bias})
    ours.load_state_dict(packed)
    assert [group["lr"] for group in ours.param_groups] == [0.02, 0.01]
    assert ours.state[bias]["step"].item() == 1
    kept = bias.clone().requires_grad_(), bias.clone().requires_grad_()
    expected_by = torch.optim.AdamW([kept[0]])
    expected_by.load_state_dict(theirs[1].state_dict())
    kept[0].grad = bias.grad
    expected_by.step()
    ours.step()
    assert torch.allclose(bias, kept[0], atol=1e-7)


def test_a_model_learns_and_goes_on_to_the_bit() -> None:
    torch.manual_seed(0)
    model = GPT(tied=True)
    optimizer = Muon(model, lr=0.02, adamw_lr=0.01, blocks={"*.qkv": 3})
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 0.5, total_iters=4)
    train(model, optimizer, 4)
    schedule.step()
    assert [round(group["lr"], 6) for group in optimizer.param_groups] == [0.0125, 0.0125, 0.00625]
    described = optimizer.describe()
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    twin = copy.deepcopy(model)
    other = Muon(twin, blocks={"*.qkv": 3})
    other.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    third, again = pickle.loads(pickle.dumps((model, optimizer)))
    fourth, copied = copy.deepcopy((model, optimizer))
    losses = train(model, optimizer, 4, first=4)
    for each, its in ((twin, other), (third, again), (fourth, copied)):
        assert its.describe() == described
        assert train(each, its, 4, first=4) == losses
    slots = {frozenset(entry) for entry in optimizer.state.values()}
    assert slots == {frozenset({"momentum_buffer"}), frozenset({"step", "exp_avg", "exp_avg_sq"})}


@pytest.mark.parametrize("flat", [False, True])
def test_distributed_checkpoints_know_parameters_by_name(flat: bool) -> None:
    torch.manual_seed(0)
    model = GPT()
    optimizer = Muon(model, lr=0.02, blocks={"*.qkv": 3})
    train(model, optimizer, 2)
    how = distributed.StateDictOptions(flatten_optimizer_state_dict=flat)
    packed = distributed.get_optimizer_state_dict(model, optimizer, options=how)
    twin = copy.deepcopy(model)
    other = Muon(twin, lr=0.5, blocks={"*.qkv": 3})
    distributed.set_optimizer_state_dict(twin, other, packed, options=how)
    assert train(twin, other, 3, first=2) == train(model, optimizer, 3, first=2)


def test_a_model_says_itself_what_gives_its_outputs() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out, self.last = nn.Linear(4, 3), nn.Linear(4, 4)

        def get_classifier(self) -> nn.Module:
            return self.out

    class Other(Model):
        get_classifier = None  # type: ignore[assignment]

    for kind, hidden in ((Model, "last.weight"), (Other, "out.weight")):
        assert [name for name, one in routes(Muon(kind())).items() if one == "muon"] == [hidden]


def test_states_of_several_algorithms_are_not_converted() -> None:
    mixed = Muon(GPT())
    with pytest.raises(martlet.UnsupportedError, match=r"param_groups\[1\] is of adamw, .* one of muon alone"):
        martlet.convert.to_torch(mixed, torch.optim.SGD([torch.ones(1)]))


def test_the_rest_steps_as_adamw_does() -> None:
    torch.manual_seed(0)
    model = GPT()
    twin = copy.deepcopy(model)
    optimizer = Muon(model, lr=0.0, weight_decay=0.0, adamw_lr=0.01, adamw_weight_decay=0.1)
    names = {name for name, one in routes(optimizer).items() if one == "adamw"}
    rest = [parameter for name, parameter in twin.named_parameters() if name in names]
    alone = AdamW(rest, lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)
    assert train(model, optimizer, 3) == train(twin, alone, 3)
    for (name, mine), (_, theirs) in zip(model.named_parameters(), twin.named_parameters(), strict=True):
        assert torch.equal(mine, theirs), name
