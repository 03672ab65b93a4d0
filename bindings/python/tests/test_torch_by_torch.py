"""Tensors that no native call can step: torch's own step takes them, in the same optimizer, and a warning says so."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.utils._mode_utils import no_dispatch

import martlet
import martlet.torch
from martlet.torch import by_torch, plan

NAMES = [peer.__name__ for peer in by_torch.OURS if peer.__name__ != "SparseAdam"]


class Dispatching(Tensor):
    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with no_dispatch():
            return function(*args, **(kwargs or {}))


def leaf(*shape: int, **options: Any) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, **options).requires_grad_()


def overlapping() -> list[Tensor]:
    memory = torch.randn(10, dtype=torch.float64)
    return [memory[:6].requires_grad_(), memory[4:].requires_grad_(), leaf(4)]


def wrapped() -> list[Tensor]:
    return [torch.randn(3, dtype=torch.float64).as_subclass(Dispatching).requires_grad_(), leaf(5)]


def twisted() -> list[Tensor]:
    return [torch.randn(10, dtype=torch.float64).as_strided((4, 3), (2, 1)).requires_grad_(), leaf(3)]


CASES: dict[str, tuple[Callable[[], list[Tensor]], float]] = {
    "overlapping": (overlapping, 4 / 16),
    "wrapped": (wrapped, 5 / 8),
    "in each other": (twisted, 3 / 15),
}


def trained(module: Any, name: str, make: Callable[[], list[Tensor]], **options: Any) -> tuple[list[Tensor], Any]:
    torch.manual_seed(1)
    parameters = make()
    optimizer = getattr(module, name)(parameters, **options)
    for _ in range(6):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, dtype=parameter.dtype)
        optimizer.step()
    return [parameter.detach().as_subclass(Tensor) for parameter in parameters], optimizer


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["Adam", "SGD", "RMSprop", "Adagrad"])
def test_what_torch_steps_follows_torch(case: str, name: str) -> None:
    make, share = CASES[case]
    with pytest.warns(UserWarning, match=rf"torch.optim.{name} steps what martlet.torch.{name} cannot: param_groups"):
        ours, optimizer = trained(martlet.torch, name, make, lr=0.01)
    theirs, _ = trained(torch.optim, name, make, lr=0.01)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    assert optimizer.native_share == pytest.approx(share)


def test_a_warning_is_given_once_and_names_what_and_why() -> None:
    parameters = [(f"layer.{index}", nn.Parameter(torch.empty(3, device="meta"))) for index in range(5)]
    optimizer = martlet.torch.Adam([*parameters, ("own", nn.Parameter(torch.ones(3)))])
    for parameter in optimizer.param_groups[0]["params"]:
        parameter.grad = torch.zeros_like(parameter)
    with pytest.warns(UserWarning) as caught:
        optimizer.step()
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "parameter 'layer.0' is on device 'meta'; " in text
    assert "; and 2 more. Under strict=True" in text
    assert "own" not in text
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
    assert optimizer.native_share == 3 / 18
    states = [set(optimizer.state[parameter]) for parameter in optimizer.param_groups[0]["params"]]
    assert states == [{"step", "exp_avg", "exp_avg_sq"}] * 6


def test_strict_makes_it_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def optimizer(**options: Any) -> Any:
        parameter = nn.Parameter(torch.empty(3, device="meta"))
        parameter.grad = torch.empty(3, device="meta")
        own = nn.Parameter(torch.ones(2))
        own.grad = torch.ones(2)
        return martlet.torch.Adam([own, parameter], **options)

    monkeypatch.setenv("MARTLET_STRICT", "1")
    strict = optimizer()
    for each in (strict, optimizer(strict=True)):
        with pytest.raises(martlet.UnsupportedError, match="on device 'meta'; martlet.torch steps on the CPU"):
            each.step()
        assert not each.state
        assert each.param_groups[0]["params"][0].tolist() == [1, 1]
    with pytest.warns(UserWarning, match="meta"):
        optimizer(strict=False).step()
    monkeypatch.setenv("MARTLET_STRICT", "0")
    with pytest.warns(UserWarning, match="meta"):
        optimizer().step()
    with pytest.raises(martlet.DTypeError, match="strict is 'yes'; wanted True or False"):
        optimizer(strict="yes")


def test_parameters_change_over_and_back() -> None:
    """With their state, which is one."""

    def run(module: Any) -> Tensor:
        torch.manual_seed(2)
        memory = torch.randn(8, dtype=torch.float64)
        own = torch.randn(8, dtype=torch.float64)
        parameter, other = nn.Parameter(own.clone()), nn.Parameter(memory[2:5])
        optimizer = module.AdamW([parameter, other], lr=0.1)
        for step in range(9):
            # For a third of the time it lies in the other's memory.
            parameter.data = (memory if 3 <= step < 6 else own).copy_(parameter.data)
            parameter.grad, other.grad = torch.randn(8, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
            optimizer.step()
            if module is martlet.torch:
                assert optimizer.native_share == (0 if 3 <= step < 6 else 1)
        return torch.cat([parameter.detach(), other.detach()])

    with pytest.warns(UserWarning, match="shares memory"):
        ours = run(martlet.torch)
    torch.testing.assert_close(ours, run(torch.optim), rtol=1e-12, atol=1e-12)


def test_gradients_that_a_scaler_hands_over_are_unscaled_once() -> None:
    def run(module: Any, **options: Any) -> list[Tensor]:
        torch.manual_seed(3)
        parameters = overlapping()
        optimizer = module.SGD(parameters, lr=0.001, **options)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        for _ in range(3):
            optimizer.zero_grad()
            scaler.scale(sum(parameter.pow(2).sum() for parameter in parameters)).backward()
            scaler.step(optimizer)
            scaler.update()
        return [parameter.detach() for parameter in parameters]

    theirs = run(torch.optim)
    for options in ({}, {"fused": True}):
        with pytest.warns(UserWarning, match="shares memory"):
            ours = run(martlet.torch, **options)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "text"),
    [({"state_dtype": torch.float32}, "has no 'state_dtype'"), ({"semantics": "keras"}, "has no 'semantics'")],
)
def test_what_torch_has_not_is_refused(options: dict[str, Any], text: str) -> None:
    parameters = overlapping()
    before = [parameter.detach().clone() for parameter in parameters]
    optimizer = martlet.torch.Adam(parameters, **options)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    with pytest.raises(martlet.UnsupportedError, match=rf"shares memory with .*; torch steps it then, and {text}"):
        optimizer.step()
    assert all(torch.equal(one.detach(), other) for one, other in zip(parameters, before, strict=True))


def test_norms_of_all_gradients_need_all_of_them() -> None:
    own, other = nn.Parameter(torch.ones(2)), nn.Parameter(torch.empty(3, device="meta"))
    own.grad, other.grad = torch.ones(2), torch.empty(3, device="meta")
    optimizer = martlet.torch.Adam([{"params": [own], "max_norm": 1.0}, {"params": [other]}])
    with pytest.raises(martlet.UnsupportedError, match=r"has no 'max_norm', for which param_groups\[0\] asks"):
        optimizer.step()
    assert own.tolist() == [1, 1]


def test_an_algorithm_that_torch_has_not_stays_an_error() -> None:
    parameter = nn.Parameter(torch.empty(3, device="meta"))
    parameter.grad = torch.empty(3, device="meta")
    with pytest.raises(martlet.UnsupportedError, match="device 'meta'"):
        martlet.torch.Lion([parameter]).step()


def test_copies_are_not_left_behind() -> None:
    parameter = torch.ones(3).as_subclass(Dispatching).requires_grad_()
    parameter.grad = torch.ones(3)
    optimizer = martlet.torch.Adam([parameter])
    optimizer.param_copies[parameter] = torch.zeros(3)
    with pytest.raises(martlet.UnsupportedError, match="Dispatching"):
        optimizer.step()


def test_tensors_without_numbers() -> None:
    with FakeTensorMode(), pytest.warns(UserWarning, match="a FakeTensor"):
        parameter = torch.ones(3, requires_grad=True)
        parameter.grad = torch.ones(3)
        optimizer = martlet.torch.Adam([parameter])
        optimizer.step()
    assert optimizer.state[parameter]["exp_avg"].shape == (3,)


def test_steps_inside_vmap() -> None:
    def step(module: Any) -> Callable[[Tensor], Tensor]:
        def function(values: Tensor) -> Tensor:
            values.grad = torch.ones_like(values)
            module.SGD([values], lr=0.5).step()
            return values.sum()

        return function

    with pytest.warns(UserWarning, match="SGD"):
        ours = torch.func.vmap(step(martlet.torch))(torch.ones(2, 3))
    assert torch.equal(ours, torch.func.vmap(step(torch.optim))(torch.ones(2, 3)))


def test_sparse_gradients_that_are_no_rows() -> None:
    ended = []
    for module in (torch.optim, martlet.torch):
        parameter = nn.Parameter(torch.ones(3, 3))
        parameter.grad = torch.eye(3).to_sparse()
        module.SGD([parameter], lr=0.5).step()
        ended.append(parameter.detach())
    assert torch.equal(*ended)


def test_gradients_that_come_and_go_need_no_new_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, made = [], []
    real = plan.Plan.__init__

    def counted(*args: Any, **options: Any) -> None:
        made.append(1)
        real(*args, **options)

    for module in (torch.optim, martlet.torch):
        torch.manual_seed(6)
        given = [leaf(4) for _ in range(5)]
        optimizer = module.Adam(given, lr=0.1)
        for step in range(12):
            for index, parameter in enumerate(given):
                is_there = step < 2 or (step + index) % 3
                parameter.grad = torch.randn(4, dtype=torch.float64) if is_there else None
            if module is martlet.torch and step == 2:
                monkeypatch.setattr(plan.Plan, "__init__", counted)
            optimizer.step()
        ended.append(torch.stack([parameter.detach() for parameter in given]))
    torch.testing.assert_close(ended[1], ended[0], rtol=1e-12, atol=1e-12)
    assert not made


@pytest.mark.parametrize("name", NAMES)
def test_classes_are_torchs(name: str) -> None:
    ours, theirs = getattr(martlet.torch, name), getattr(torch.optim, name)
    optimizer = ours([nn.Parameter(torch.ones(2, 2))])
    assert issubclass(ours, theirs)
    assert isinstance(optimizer, theirs)
    assert type(optimizer) is ours
    assert type(ours) is type


@pytest.mark.parametrize("name", NAMES)
def test_torchs_own_step_stays_right(name: str) -> None:
    """In turn with ours: state is one."""
    dtype = torch.float32 if name == "Muon" else torch.float64
    ended = []
    for module in (torch.optim, martlet.torch):
        torch.manual_seed(4)
        parameter = nn.Parameter(torch.randn(4, 4, dtype=dtype))
        optimizer = getattr(module, name)([parameter])
        for index in range(7):
            parameter.grad = torch.randn_like(parameter)
            if module is martlet.torch and index % 2:
                getattr(torch.optim, name).step(optimizer)
            else:
                optimizer.step()
        ended.append((parameter.detach(), dict(optimizer.state[parameter])))
    (theirs, state), (ours, own) = ended
    # torch keeps some numbers in float32.
    close = 1e-4 if name == "Muon" else 1e-8
    torch.testing.assert_close(ours, theirs, rtol=close, atol=close)
    assert set(state) == set(own)
    for key, value in state.items():
        assert torch.as_tensor(own[key]).numpy() == pytest.approx(torch.as_tensor(value).numpy(), rel=1e-4, abs=close)


@pytest.mark.parametrize("what", ["step", "optimizer.step", "all"])
def test_a_compiled_step_counts_hooks_and_schedules(what: str) -> None:
    torch._dynamo.reset()
    torch.manual_seed(5)
    start = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    inputs = torch.randn(16, 4, dtype=torch.float64)

    def run(*, compiled: bool) -> tuple[Any, ...]:
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).double()
        model.load_state_dict(start.state_dict())
        optimizer = martlet.torch.Adam(model.parameters(), lr=0.05)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        calls: list[str] = []
        optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
        optimizer.register_step_post_hook(lambda *_: calls.append("behind"))
        step: Callable[[], Any] = optimizer.step
        if what == "step":
            step = lambda: optimizer.step()  # noqa: E731

        def train(step: Callable[[], Any]) -> Tensor:
            optimizer.zero_grad()
            loss = model(inputs).square().mean()
            loss.backward()
            step()
            scheduler.step()
            return loss

        if compiled and what == "all":
            train = torch.compile(train, backend="eager")
        elif compiled:
            step = torch.compile(step, backend="eager")
        losses = [train(step).item() for _ in range(4)]
        counts = [float(entry["step"]) for entry in optimizer.state.values()]
        return losses, counts, calls, optimizer.param_groups[0]["lr"], scheduler.last_epoch

    eager, compiled = run(compiled=False), run(compiled=True)
    assert eager[1:] == compiled[1:]
    assert eager[0] == pytest.approx(compiled[0], rel=1e-12)
    assert eager[2] == ["before", "behind"] * 4


def test_adagrad_shares_its_memory() -> None:
    parameter = nn.Parameter(torch.ones(3))
    optimizer = martlet.torch.Adagrad([parameter], initial_accumulator_value=0.5)
    optimizer.share_memory()
    assert optimizer.state[parameter]["sum"].is_shared()
    peer = torch.optim.Adagrad([twin := nn.Parameter(torch.ones(3))], initial_accumulator_value=0.5)
    parameter.grad, twin.grad = torch.ones(3), torch.ones(3)
    optimizer.step()
    peer.step()
    torch.testing.assert_close(parameter, twin)
    assert optimizer.state[parameter]["sum"].is_shared()


def test_signatures_begin_as_torchs() -> None:
    for name in NAMES:
        theirs = list(inspect.signature(getattr(torch.optim, name)).parameters)
        assert list(inspect.signature(getattr(martlet.torch, name)).parameters)[: len(theirs)] == theirs
