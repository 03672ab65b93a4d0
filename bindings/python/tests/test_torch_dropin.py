"""martlet.torch in a training script written for torch.optim: hooks, schedulers, scalers, copies, autograd's checks."""

from __future__ import annotations

import copy
import io
import pickle
import threading
import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import martlet
import martlet.torch
import models
from martlet import _threads


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


def test_attributes_of_amp_are_refused_by_name() -> None:
    optimizer = martlet.torch.Adam([nn.Parameter(torch.ones(1))], fused=True)
    optimizer.found_inf = torch.tensor(0.0)
    with pytest.raises(martlet.UnsupportedError, match="found_inf"):
        optimizer.step()


def test_backward_through_a_stale_parameter_raises() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = martlet.torch.Adam([weight])
    for _ in range(3):
        optimizer.zero_grad()
        loss = (weight * weight).sum()
        loss.backward(retain_graph=True)
        optimizer.step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


def test_version_counters_of_parameters_without_gradient_stay() -> None:
    first, second = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = martlet.torch.Adam([first, second])
    first.grad, second.grad = torch.ones(3), torch.ones(3)
    optimizer.step()
    optimizer.step()
    versions = first._version, second._version
    moment = optimizer.state[first]["exp_avg"]._version
    second.grad = None
    optimizer.step()
    assert first._version > versions[0]
    assert second._version == versions[1]
    assert optimizer.state[first]["exp_avg"]._version > moment


def test_missing_gradients_come_and_go() -> None:
    ours, theirs = models.twins((3,), (4,), (5,))
    mine, peer = martlet.torch.Adam(ours), torch.optim.Adam(theirs, foreach=False)
    for step in range(24):
        models.set_grads(ours, step)
        models.set_grads(theirs, step)
        for place in range(3):
            if ((step >> place) & 1 and step > 2) or (step == 0 and place < 2):
                ours[place].grad = theirs[place].grad = None
        mine.step()
        peer.step()
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p, q)
        assert mine.state[p]["step"].item() == int(peer.state[q]["step"])


def test_zero_grad_and_accumulation() -> None:
    model = models.network()
    optimizer = martlet.torch.Adam(model.parameters())
    models.train(model, optimizer, 1)
    optimizer.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in model.parameters())
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    before = [p.detach().clone() for p in model.parameters()]
    optimizer.step()
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def test_the_plan_does_not_keep_gradients() -> None:
    import weakref

    parameter = nn.Parameter(torch.ones(1000))
    optimizer = martlet.torch.Adam([parameter])
    for _ in range(3):
        parameter.grad = torch.ones(1000)
        gone = weakref.ref(parameter.grad)
        optimizer.step()
        optimizer.zero_grad()
        assert gone() is None


def test_data_is_read_anew_at_each_step() -> None:
    parameter = nn.Parameter(torch.ones(8))
    optimizer = martlet.torch.Adam([parameter], lr=0.5)
    parameter.grad = torch.ones(8)
    optimizer.step()
    first = parameter.data
    parameter.data = torch.full((8,), 10.0)
    optimizer.step()
    assert torch.allclose(first, torch.full((8,), 0.5))
    assert torch.allclose(parameter.detach(), torch.full((8,), 9.5))
    old = optimizer.state[parameter]["exp_avg"]
    kept = old.clone()
    optimizer.state[parameter]["exp_avg"] = torch.zeros(8)
    optimizer.step()
    assert torch.equal(old, kept)
    moment = optimizer.state[parameter]["exp_avg_sq"]
    moment.data = moment.data * 0
    optimizer.step()
    assert torch.allclose(moment, torch.full((8,), 0.001))


def test_a_square_parameter_or_its_gradient_is_transposed() -> None:
    ours, theirs = models.twins((3, 3))
    mine, peer = martlet.torch.Adam(ours, lr=0.1), torch.optim.Adam(theirs, lr=0.1, foreach=False)
    for step in range(9):
        models.set_grads(ours, step)
        grad = ours[0].grad
        ours[0].grad = grad.t() if step in (3, 4) else grad
        theirs[0].grad = ours[0].grad.contiguous()
        if step == 6:
            ours[0].data = ours[0].data.t()
            theirs[0].data = theirs[0].data.t().contiguous()
        mine.step()
        peer.step()
        torch.testing.assert_close(ours[0], theirs[0], msg=f"step {step}")


def test_the_model_changes_its_type() -> None:
    model = models.network()
    optimizer = martlet.torch.Adam(model.parameters(), lr=0.01)
    models.train(model, optimizer, 3)
    model.to(torch.float64)
    models.train(model, optimizer, 3, dtype=torch.float64)
    parameter = next(model.parameters())
    assert parameter.dtype == torch.float64
    assert optimizer.state[parameter]["exp_avg"].dtype == torch.float32
    assert optimizer.state[parameter]["step"].item() == 6
    model.to(torch.bfloat16)
    losses = models.train(model, optimizer, 3, dtype=torch.bfloat16)
    assert all(loss == loss for loss in losses)


def test_channels_last_model() -> None:
    curves = []
    for module, memory_format in ((martlet.torch, torch.channels_last), (torch.optim, torch.contiguous_format)):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(64, 3))
        model.to(memory_format=memory_format)
        optimizer = module.Adam(model.parameters(), lr=0.01)
        losses = []
        for step in range(15):
            generator = torch.Generator().manual_seed(step)
            images = torch.randn(4, 3, 8, 8, generator=generator).to(memory_format=memory_format)
            optimizer.zero_grad()
            loss = model(images).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(losses)
    assert curves[0] == pytest.approx(curves[1], rel=1e-3)


def test_add_param_group() -> None:
    first, second = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = martlet.torch.Adam([first], lr=0.1)
    first.grad, second.grad = torch.ones(3), torch.ones(3)
    optimizer.step()
    optimizer.add_param_group({"params": [second], "lr": 0.5})
    optimizer.step()
    assert torch.allclose(first.detach(), torch.full((3,), 0.8), atol=1e-5)
    assert torch.allclose(second.detach(), torch.full((3,), 0.5), atol=1e-5)
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [first]})
    assert len(optimizer.param_groups) == 2


@pytest.mark.parametrize("way", ["deepcopy", "pickle", "torch.save"])
def test_copies_go_on_alike(way: str) -> None:
    model = models.network()
    optimizer = martlet.torch.AdamW(model.parameters(), lr=0.01, amsgrad=True, semantics="keras")
    models.train(model, optimizer, 5)
    if way == "deepcopy":
        twin_model, twin = copy.deepcopy((model, optimizer))
    elif way == "pickle":
        twin_model, twin = pickle.loads(pickle.dumps((model, optimizer)))
    else:
        file = io.BytesIO()
        torch.save((model, optimizer), file)
        file.seek(0)
        twin_model, twin = torch.load(file, weights_only=False)
    ours = models.train(model, optimizer, 5, first=5)
    assert models.train(twin_model, twin, 5, first=5) == ours
    for p, q in zip(model.parameters(), twin_model.parameters(), strict=True):
        assert torch.equal(p, q)
        assert p.data_ptr() != q.data_ptr()
        assert optimizer.state[p]["exp_avg"].data_ptr() != twin.state[q]["exp_avg"].data_ptr()


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


def test_follows_torchs_thread_count() -> None:
    before = torch.get_num_threads()
    parameter = nn.Parameter(torch.ones(4))
    optimizer = martlet.torch.Adam([parameter])
    parameter.grad = torch.ones(4)
    _threads.explicit, _threads.followed = False, None
    try:
        torch.set_num_threads(3)
        optimizer.step()
        assert martlet.get_num_threads() == 3
        martlet.set_num_threads(2)
        optimizer.step()
        assert martlet.get_num_threads() == 2
        torch.set_num_threads(1)
        optimizer.step()
        assert martlet.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_two_threads_in_one_optimizer() -> None:
    parameter = nn.Parameter(torch.ones(3_000_000))
    parameter.grad = torch.ones(3_000_000)
    optimizer = martlet.torch.Adam([parameter])
    busy, done = [], []
    barrier = threading.Barrier(2)

    def work() -> None:
        barrier.wait()
        for _ in range(25):
            try:
                optimizer.step()
                done.append(1)
            except martlet.BusyError as error:
                busy.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert busy, "no step met another one"
    assert len(done) + len(busy) == 50
    assert optimizer.state[parameter]["step"].item() == len(done)


def test_two_threads_with_their_own_optimizers() -> None:
    results = {}
    networks = {name: models.network() for name in ("alone", "a", "b")}

    def work(name: str) -> None:
        parameters = list(networks[name].parameters())
        optimizer = martlet.torch.Adam(parameters)
        for step in range(50):
            models.set_grads(parameters, step)
            optimizer.step()
        results[name] = torch.cat([p.detach().flatten() for p in parameters])

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    work("alone")
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(results["a"], results["alone"])
    assert torch.equal(results["b"], results["alone"])
