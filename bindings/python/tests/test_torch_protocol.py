"""What torch puts around its optimizers works around these: every scheduler, averages of weights, files, autocast."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler, swa_utils

import martlet.torch
from martlet.torch import by_torch

NAMES = [peer.__name__ for peer in by_torch.OURS if peer.__name__ != "SparseAdam"]
torch.manual_seed(0)
INPUTS, TARGETS = torch.randn(32, 4, dtype=torch.float64), torch.randn(32, 2, dtype=torch.float64)

SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, 3), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 0.5, 3),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 6),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.001, 0.1, step_size_up=3),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, 0.3, total_iters=4),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 5]),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda step: 0.9),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=20),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 8, 2.0),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, total_iters=3), lr_scheduler.StepLR(o, 2, 0.5)], [3]
    ),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3, 0.5),
    "SWALR": lambda o: swa_utils.SWALR(o, 0.05, anneal_epochs=3),
}


def model() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).double()


def train(net: nn.Module, optimizer: Any, steps: int, scheduler: Any = None) -> list[Tensor]:
    """The losses."""
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (net(INPUTS) - TARGETS).square().mean()
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step(1.0) if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau) else scheduler.step()
        losses.append(loss.detach())
    return losses


def assert_equal(ours: list[Tensor], theirs: list[Tensor]) -> None:
    torch.testing.assert_close(torch.stack(ours), torch.stack(theirs), rtol=1e-10, atol=1e-12)


def test_schedulers_are_all_torch_has() -> None:
    known = {name for name in lr_scheduler.__all__ if name not in ("LRScheduler", "_LRScheduler")}
    assert known <= SCHEDULERS.keys()


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_moves_what_it_moves_in_torch(name: str) -> None:
    """Momenta too, where it cycles them; and it goes on from a file, with the optimizer."""
    found = []
    for module in (torch.optim, martlet.torch):
        net = model()
        optimizer = module.SGD(net.parameters(), lr=0.1, momentum=0.9)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of schedulers in schedulers
            scheduler = SCHEDULERS[name](optimizer)
            losses = train(net, optimizer, 5, scheduler)
            saved = optimizer.state_dict(), scheduler.state_dict()
            optimizer = module.SGD(net.parameters(), lr=0.1, momentum=0.9)
            scheduler = SCHEDULERS[name](optimizer)
        optimizer.load_state_dict(saved[0])
        scheduler.load_state_dict(saved[1])
        losses += train(net, optimizer, 5, scheduler)
        found.append((losses, optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
    (theirs, *numbers), (ours, *own) = found
    assert_equal(ours, theirs)
    assert own == pytest.approx(numbers)


@pytest.mark.parametrize("name", ["AdamW", "NAdam", "Adamax"])
def test_betas_that_a_scheduler_cycles(name: str) -> None:
    losses = []
    for module in (torch.optim, martlet.torch):
        net = model()
        optimizer = getattr(module, name)(net.parameters(), lr=0.1)
        scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=14)
        losses.append(train(net, optimizer, 12, scheduler))
    # torch keeps NAdam's product of momenta in float32.
    torch.testing.assert_close(torch.stack(losses[1]), torch.stack(losses[0]), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "Muon"])
def test_files_of_weights_alone_go_both_ways(name: str) -> None:
    """torch.load with weights_only, as it is by default, from torch's class to ours and back."""
    ours, theirs = getattr(martlet.torch, name), getattr(torch.optim, name)
    ended = []
    for first, second in ((theirs, theirs), (theirs, ours), (ours, theirs), (ours, ours)):
        net = model()
        optimizer = first(net.parameters(), lr=0.01)
        losses = train(net, optimizer, 4)
        file = io.BytesIO()
        torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict()}, file)
        packed = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
        net = model()
        net.load_state_dict(packed["model"])
        optimizer = second(net.parameters(), lr=0.5)
        optimizer.load_state_dict(packed["optimizer"])
        ended.append(losses + train(net, optimizer, 4))
    for end in ended[1:]:
        torch.testing.assert_close(torch.stack(end), torch.stack(ended[0]), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "Adadelta"])
def test_old_state_dicts(name: str) -> None:
    """Of torch 1.x: steps are numbers, and groups lack what has come since."""
    new = ("foreach", "maximize", "capturable", "differentiable", "fused", "decoupled_weight_decay", "param_names")
    losses = []
    for module in (torch.optim, martlet.torch):
        net = model()
        optimizer = getattr(module, name)(net.parameters(), lr=0.01)
        train(net, optimizer, 3)
        packed = optimizer.state_dict()
        for group in packed["param_groups"]:
            for key in new:
                group.pop(key, None)
        for entry in packed["state"].values():
            if "step" in entry:
                entry["step"] = int(entry["step"])
        optimizer = getattr(module, name)(net.parameters(), lr=0.01)
        optimizer.load_state_dict(packed)
        losses.append(train(net, optimizer, 3))
    assert_equal(losses[1], losses[0])


def test_state_in_safetensors(tmp_path: Any) -> None:
    safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    net = model()
    optimizer = martlet.torch.AdamW(net.parameters(), lr=0.1)
    train(net, optimizer, 3)
    packed = optimizer.state_dict()
    flat = {f"{index}.{key}": value for index, entry in packed["state"].items() for key, value in entry.items()}
    safetensors.save_file(flat, tmp_path / "state.safetensors")
    loaded: dict[int, dict[str, Tensor]] = {}
    for name, value in safetensors.load_file(tmp_path / "state.safetensors").items():
        index, key = name.split(".")
        loaded.setdefault(int(index), {})[key] = value
    twin = model()
    twin.load_state_dict(net.state_dict())
    other = martlet.torch.AdamW(twin.parameters(), lr=0.1)
    other.load_state_dict({"state": loaded, "param_groups": packed["param_groups"]})
    assert torch.equal(torch.stack(train(twin, other, 3)), torch.stack(train(net, optimizer, 3)))


@pytest.mark.parametrize("kind", ["swa", "ema"])
def test_averages_of_weights(kind: str) -> None:
    ended = []
    for module in (torch.optim, martlet.torch):
        net = model()
        multi = swa_utils.get_ema_multi_avg_fn(0.9) if kind == "ema" else swa_utils.get_swa_multi_avg_fn()
        average = swa_utils.AveragedModel(net, multi_avg_fn=multi)
        optimizer = module.Adam(net.parameters(), lr=0.05)
        for _ in range(4):
            train(net, optimizer, 2)
            average.update_parameters(net)
        ended.append(average(INPUTS).detach())
    torch.testing.assert_close(ended[1], ended[0], rtol=1e-10, atol=1e-12)


def test_autocast() -> None:
    losses = []
    for module in (torch.optim, martlet.torch):
        net = model().float()
        optimizer = module.AdamW(net.parameters(), lr=0.01)
        scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
        found = []
        for _ in range(6):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = (net(INPUTS.float()) - TARGETS.float()).square().mean()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            scaler.step(optimizer)
            scaler.update()
            found.append(loss.detach())
        losses.append(torch.stack(found))
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-3, atol=1e-4)


def test_closures_that_clear_gradients() -> None:
    losses = []
    for module in (torch.optim, martlet.torch):
        net = model()
        optimizer = module.Adam(net.parameters(), lr=0.05)

        def closure(net: nn.Module = net, optimizer: Any = optimizer) -> Tensor:
            optimizer.zero_grad()
            loss = (net(INPUTS) - TARGETS).square().mean()
            loss.backward()
            return loss

        losses.append([optimizer.step(closure).detach() for _ in range(5)])
    assert_equal(losses[1], losses[0])
