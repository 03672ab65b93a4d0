"""install(): torch.optim's classes make Martlet's optimizers, and nothing else about them changes."""

from __future__ import annotations

import copy
import io
import pickle
import sys
import warnings
from typing import Any

import pytest
import torch
import torch.optim.adamw as adamw_module
from torch import nn
from torch.optim import SGD, AdamW  # as a library has them that was imported before

import martlet
import martlet.torch
from martlet.torch import by_torch


class Counting(torch.optim.Adam):
    """Of a library: arguments and a step of its own."""

    def __init__(self, params: Any, rate: float) -> None:
        super().__init__(params, lr=rate)

    def step(self, closure: Any = None) -> Any:
        self.steps = getattr(self, "steps", 0) + 1  # which torch leaves out of pickles
        return super().step(closure)


def parameters() -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(3))]


def stepped(optimizer: Any) -> torch.Tensor:
    parameter = optimizer.param_groups[0]["params"][0]
    parameter.grad = torch.ones(3)
    optimizer.step()
    values: torch.Tensor = parameter.detach()
    return values


@pytest.mark.parametrize("peer", by_torch.OURS, ids=lambda peer: peer.__name__)
def test_every_class_is_served(peer: Any) -> None:
    given = [nn.Parameter(torch.ones(2, 2))]
    before = peer(given)
    assert not isinstance(before, martlet.torch.Optimizer)
    with martlet.torch.installed():
        made = peer(given)
        assert isinstance(made, martlet.torch.Optimizer)
        assert isinstance(made, by_torch.OURS[peer])
        for one in (before, made):
            assert isinstance(one, peer)
            assert isinstance(one, torch.optim.Optimizer)
        assert getattr(sys.modules[type(made).__module__], type(made).__qualname__) is peer
        assert repr(made) == repr(before)
        assert made.defaults == before.defaults
    assert isinstance(made, peer)
    assert not isinstance(peer(given), martlet.torch.Optimizer)


def test_other_names_of_a_class() -> None:
    martlet.torch.install()
    assert isinstance(AdamW(parameters()), martlet.torch.AdamW)
    assert isinstance(adamw_module.AdamW(parameters()), martlet.torch.AdamW)
    assert isinstance(getattr(torch.optim, "AdamW")(parameters()), martlet.torch.AdamW)  # noqa: B009
    assert issubclass(torch.optim.AdamW, torch.optim.Adam)
    assert not issubclass(torch.optim.AdamW, martlet.torch.Optimizer)


def test_parameters_are_read_once() -> None:
    martlet.torch.install()
    model = nn.Linear(2, 3)
    assert len(AdamW(model.parameters()).param_groups[0]["params"]) == 2
    assert len(AdamW(params=model.parameters()).param_groups[0]["params"]) == 2


@pytest.mark.parametrize("kind", [AdamW, lambda given: Counting(given, 0.1)], ids=["torch's", "derived"])
def test_pickles_name_the_class_that_was_called(kind: Any) -> None:
    martlet.torch.install()
    optimizer = kind(parameters())
    stepped(optimizer)
    packed = pickle.dumps(optimizer)
    assert b"martlet" not in packed
    file = io.BytesIO()
    torch.save(optimizer, file)
    assert b"martlet" not in file.getvalue()
    inside = pickle.loads(packed)
    assert isinstance(inside, martlet.torch.Optimizer)
    martlet.torch.uninstall()
    outside = pickle.loads(packed)
    assert not isinstance(outside, martlet.torch.Optimizer)
    assert type(outside) is type(optimizer).__mro__[2] or isinstance(outside, torch.optim.Adam)
    copied = copy.deepcopy(optimizer)
    assert type(copied) is type(copy.copy(optimizer)) is type(optimizer)
    # All go on alike.
    ends = [stepped(one) for one in (inside, outside, copied, optimizer)]
    for end in ends:
        torch.testing.assert_close(end, ends[0])


def test_optimizers_that_exist_stay_what_they_are() -> None:
    before = AdamW(parameters())
    stepped(before)
    martlet.torch.install()
    during = AdamW(parameters())
    before.load_state_dict(before.state_dict())
    assert not isinstance(before, martlet.torch.Optimizer)
    stepped(before)
    martlet.torch.uninstall()
    stepped(during)
    during.load_state_dict(before.state_dict())
    assert during.native_share == 1
    assert isinstance(during, martlet.torch.AdamW)
    torch.testing.assert_close(stepped(during), stepped(before), rtol=1e-2, atol=1e-2)


def test_it_leaves_no_trace() -> None:
    kinds = [one for one in vars(torch.optim).values() if isinstance(one, type)]
    for kind in (*by_torch.OURS, torch.optim.LBFGS):
        kind([nn.Parameter(torch.ones(2, 2))])  # after which torch has wrapped their steps
    before = [(kind, dict(vars(kind))) for kind in kinds], dict(vars(torch.optim))
    martlet.torch.install()
    martlet.torch.install(["Adam"])
    martlet.torch.install()
    for kind in by_torch.OURS:
        kind([nn.Parameter(torch.ones(2, 2))])
    martlet.torch.uninstall()
    martlet.torch.uninstall()
    assert ([(kind, dict(vars(kind))) for kind in kinds], dict(vars(torch.optim))) == before


def test_somebody_else_wraps_a_constructor_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    martlet.torch.install()
    inner = torch.optim.SGD.__init__
    monkeypatch.setattr(torch.optim.SGD, "__init__", lambda self, *args, **kwargs: inner(self, *args, **kwargs))
    assert isinstance(SGD(parameters(), lr=0.1), martlet.torch.SGD)
    martlet.torch.uninstall()
    assert not isinstance(SGD(parameters(), lr=0.1), martlet.torch.Optimizer)
    monkeypatch.undo()
    torch.optim.SGD.__init__ = inner.__wrapped__  # type: ignore[attr-defined]


def test_choices() -> None:
    for choice in ("adamw", ["AdamW"], ("ADAMW",)):
        with martlet.torch.installed(choice):
            assert isinstance(AdamW(parameters()), martlet.torch.AdamW)
            assert not isinstance(torch.optim.Adam(parameters()), martlet.torch.Optimizer)
            with martlet.torch.installed():
                assert isinstance(SGD(parameters(), lr=0.1), martlet.torch.SGD)
            assert not isinstance(SGD(parameters(), lr=0.1), martlet.torch.Optimizer)
            assert isinstance(AdamW(parameters()), martlet.torch.AdamW)
        assert not isinstance(AdamW(parameters()), martlet.torch.Optimizer)
    # AdamW is derived from Adam, and is not Adam.
    with martlet.torch.installed("adam"):
        assert not isinstance(AdamW(parameters()), martlet.torch.Optimizer)


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        (["adamm"], martlet.ArgumentError, "algorithms has 'adamm'; wanted names of ASGD, "),
        (["LBFGS"], martlet.ArgumentError, "algorithms has 'LBFGS'"),
        (3, martlet.DTypeError, "algorithms is 3; wanted names"),
        ([torch.optim.Adam], martlet.DTypeError, "wanted names"),
    ],
)
def test_bad_choices_change_nothing(given: Any, kind: type[Exception], text: str) -> None:
    martlet.torch.install("sgd")
    with pytest.raises(kind, match=text):
        martlet.torch.install(given)
    assert isinstance(SGD(parameters(), lr=0.1), martlet.torch.SGD)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: AdamW(parameters(), lr=-1), "Invalid learning rate: -1"),
        (lambda: AdamW([]), "optimizer got an empty parameter list"),
        (lambda: SGD(parameters(), lr=0.1, nesterov=True), "Nesterov momentum requires a momentum"),
        (lambda: AdamW(parameters(), speed=3), "unexpected keyword argument 'speed'"),
        (lambda: AdamW(torch.ones(3)), "params argument given to the optimizer should be an iterable"),
    ],
)
def test_errors_are_torchs(make: Any, text: str) -> None:
    with pytest.raises(Exception, match=text) as theirs:
        make()
    martlet.torch.install()
    with pytest.raises(Exception, match=text) as ours:
        make()
    assert (type(ours.value), str(ours.value)) == (type(theirs.value), str(theirs.value))


def test_what_martlet_lacks_stays_torchs_and_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("martlet.torch.installing._told", set())
    martlet.torch.install()
    with pytest.warns(UserWarning, match="LBFGS stays torch's: Martlet has no LBFGS") as caught:
        torch.optim.LBFGS(parameters())
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.optim.LBFGS(parameters())


def test_schedulers_averages_and_scalers_find_what_they_know() -> None:
    martlet.torch.install()
    model = nn.Linear(3, 1)
    optimizer = AdamW(model.parameters(), lr=0.1)
    schedulers = [
        torch.optim.lr_scheduler.LinearLR(optimizer, 0.5, total_iters=3),
        torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer),
        torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.05),
    ]
    average = torch.optim.swa_utils.AveragedModel(model)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(2, 3)).sum().backward()
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step(1.0) if scheduler is schedulers[1] else scheduler.step()
        average.update_parameters(model)
    assert int(average.n_averaged) == 3
    assert optimizer.native_share == 1


def test_strict_keeps_torch_out_of_constructors(monkeypatch: pytest.MonkeyPatch) -> None:
    martlet.torch.install()
    monkeypatch.setenv("MARTLET_STRICT", "1")
    with pytest.raises(martlet.MartletError, match="Invalid learning rate: -1"):
        AdamW(parameters(), lr=-1)


def test_contexts_are_left_in_any_order() -> None:
    first, second = martlet.torch.installed(["SGD"]), martlet.torch.installed(["AdamW"])

    def served() -> tuple[bool, bool]:
        return tuple(isinstance(kind(parameters(), lr=0.1), martlet.torch.Optimizer) for kind in (SGD, AdamW))  # type: ignore[return-value]

    first.__enter__()
    second.__enter__()
    assert served() == (False, True)
    first.__exit__(None, None, None)
    assert served() == (False, True)
    second.__exit__(None, None, None)
    assert served() == (False, False)
    martlet.torch.install()
    with martlet.torch.installed(["SGD"]):
        martlet.torch.uninstall()
        assert served() == (False, False)
    assert served() == (True, True)
