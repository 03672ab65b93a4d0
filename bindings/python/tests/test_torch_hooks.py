"""martlet.torch in a training script: step hooks, closures, profiles, schedulers, scalers, subclasses, compilation."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd import profiler
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import martlet
import martlet.torch
import models


def test_is_an_optimizer() -> None:
    model = models.network()
    optimizer = martlet.torch.AdamW(model.parameters())
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert isinstance(optimizer, martlet.torch.Adam)
    assert martlet.torch.Adam.step.hooked
    assert "lr: 0.001" in repr(optimizer)
    assert optimizer.defaults["weight_decay"] == 0.01


def test_step_and_hooks_in_torchs_order() -> None:
    seen: list[str] = []

    def note(name: str) -> Any:
        def hook(optimizer: Any, args: Any, kwargs: Any) -> None:
            assert args[0] is optimizer
            seen.append(name)

        return hook

    def order(module: Any) -> list[str]:
        seen.clear()
        parameter = nn.Parameter(torch.ones(2))
        optimizer = module.Adam([parameter])
        parameter.grad = torch.ones(2)
        handles = [
            register_optimizer_step_pre_hook(note("global pre")),
            register_optimizer_step_post_hook(note("global post")),
            optimizer.register_step_pre_hook(note("pre")),
            optimizer.register_step_post_hook(note("post")),
        ]
        try:
            optimizer.step()
        finally:
            for handle in handles:
                handle.remove()
        optimizer.step()
        return list(seen)

    assert order(martlet.torch) == order(torch.optim) == ["global pre", "pre", "post", "global post"]


def test_hooks_see_torchs_arguments() -> None:
    def seen_by_hooks(module: Any) -> list[Any]:
        seen: list[Any] = []

        def hook(optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            seen.append((args[1:], kwargs))

        optimizer = module.Adam([nn.Parameter(torch.ones(2))])
        optimizer.register_step_pre_hook(hook)
        optimizer.register_step_post_hook(hook)
        optimizer.step()
        assert optimizer.step(loss) == 7.0
        assert optimizer.step(closure=loss) == 7.0
        optimizer.step(None)
        return seen

    def loss() -> float:
        return 7.0

    assert seen_by_hooks(martlet.torch) == seen_by_hooks(torch.optim)


def test_hooks_run_once_in_a_subclass_with_its_own_step() -> None:
    class Own(martlet.torch.AdamW):
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    class Decorated(martlet.torch.Adam):
        @functools.wraps(martlet.torch.Adam.step)
        def step(self, *args: Any, **kwargs: Any) -> Any:
            return super().step(*args, **kwargs)

    class Inherited(Own):
        pass

    def counted(kind: Any) -> list[str]:
        seen: list[str] = []
        parameter = nn.Parameter(torch.ones(2))
        optimizer = kind([parameter], lr=0.1)
        optimizer.register_step_pre_hook(lambda *_: seen.append("pre"))
        optimizer.register_step_post_hook(lambda *_: seen.append("post"))
        parameter.grad = torch.ones(2)
        optimizer.step()
        assert not torch.equal(parameter, torch.ones(2))
        return seen

    for kind in (Own, Decorated, Inherited, martlet.torch.Adam):
        assert counted(kind) == ["pre", "post"], kind


def test_a_pre_hook_may_change_the_arguments() -> None:
    parameter = nn.Parameter(torch.ones(2))
    optimizer = martlet.torch.Adam([parameter])
    optimizer.register_step_pre_hook(lambda optimizer, args, kwargs: ((args[0], lambda: 7.0), kwargs))
    assert optimizer.step() == 7.0
    optimizer.register_step_pre_hook(lambda *_: "nonsense")
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_closure_runs_with_gradients_enabled() -> None:
    model = models.network()
    optimizer = martlet.torch.Adam(model.parameters())
    images, labels = models.batch(0)

    def closure() -> torch.Tensor:
        assert torch.is_grad_enabled()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        return loss

    with torch.no_grad():
        first = optimizer.step(closure)
        for _ in range(20):
            last = optimizer.step(closure=closure)
    assert last < first


def test_profiler_records_the_step() -> None:
    parameter = nn.Parameter(torch.ones(2))
    optimizer = martlet.torch.AdamW([parameter])
    parameter.grad = torch.ones(2)
    with torch.profiler.profile() as profile:
        optimizer.step()
    assert "Optimizer.step#AdamW.step" in [event.name for event in profile.events()]


def test_records_nothing_without_a_profiler(monkeypatch: pytest.MonkeyPatch) -> None:
    parameter = nn.Parameter(torch.ones(2))
    optimizer = martlet.torch.Adam([parameter])
    parameter.grad = torch.ones(2)
    hooked: list[str] = []
    optimizer.register_step_post_hook(lambda *_: hooked.append("post"))
    recorded: list[str] = []
    monkeypatch.setattr(profiler, "record_function", recorded.append)
    optimizer.step()
    assert (hooked, recorded) == (["post"], [])


@pytest.mark.parametrize(
    "make",
    [
        lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 20),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=30),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
    ],
    ids=["StepLR", "CosineAnnealingLR", "OneCycleLR", "LambdaLR"],
)
def test_schedulers(make: Any) -> None:
    curves = []
    for module in (martlet.torch, torch.optim):
        model = models.network()
        optimizer = module.AdamW(model.parameters(), lr=0.02)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scheduler = make(optimizer)
            losses = models.train(model, optimizer, 25, each=scheduler.step)
        curves.append((losses, optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"]))
    assert curves[0][0] == pytest.approx(curves[1][0], rel=1e-5)
    assert curves[0][1:] == curves[1][1:]


def test_scheduler_notices_a_missing_step() -> None:
    optimizer = martlet.torch.Adam(models.network().parameters())
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()


def test_grad_scaler() -> None:
    results = []
    for module in (martlet.torch, torch.optim):
        model = models.network()
        optimizer = module.Adam(model.parameters(), lr=0.01)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=4)
        for step in range(12):
            images, labels = models.batch(step)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            scaler.scale(loss * (float("inf") if step == 5 else 1.0)).backward()
            scaler.step(optimizer)
            scaler.update()
        steps = {int(state["step"]) for state in optimizer.state.values()}
        results.append((torch.cat([p.detach().flatten() for p in model.parameters()]), scaler.get_scale(), steps))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-5, atol=1e-7)
    assert results[0][1:] == results[1][1:]
    assert results[0][2] == {11}


def test_subclass() -> None:
    class Clipped(martlet.torch.Adam):
        def step(self, closure: Any = None) -> Any:
            nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 1.0)
            return super().step(closure)

    parameter = nn.Parameter(torch.ones(4))
    optimizer = Clipped([parameter], lr=0.1)
    parameter.grad = torch.full((4,), 100.0)
    optimizer.step()
    assert parameter.grad.norm() <= 1.001
    assert torch.allclose(parameter.detach(), torch.full((4,), 0.9))


def test_compiled_model_and_compiled_training_step() -> None:
    torch._dynamo.reset()
    model = models.network()
    compiled = torch.compile(model, backend="eager")
    optimizer = martlet.torch.Adam(model.parameters(), lr=0.01)
    images, labels = models.batch(0)

    def training_step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(compiled(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    plain = [training_step().item() for _ in range(3)]
    whole = torch.compile(training_step, backend="eager")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rest = [whole().item() for _ in range(3)]
    reference = models.network()
    peer = torch.optim.Adam(reference.parameters(), lr=0.01)
    wanted = []
    for _ in range(6):
        peer.zero_grad()
        loss = nn.functional.cross_entropy(reference(images), labels)
        loss.backward()
        peer.step()
        wanted.append(loss.item())
    assert plain + rest == pytest.approx(wanted, rel=1e-5)
    torch._dynamo.reset()
