"""install(): torch.optim's classes make Martlet's optimizers, and nothing else about them changes."""

from __future__ import annotations

import copy
import io
import pickle
import sys
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
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


class Plain(torch.optim.SGD):
    pass


class Own(torch.optim.SGD):
    """Steps in another way."""

    def _init_group(self, *args: Any) -> Any:
        return super()._init_group(*args)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    martlet.torch.uninstall()


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


def test_derived_classes() -> None:
    theirs = stepped(Counting(parameters(), 0.1))
    plain = stepped(Plain(parameters(), lr=0.1, momentum=0.9))
    martlet.torch.install()
    optimizer = Counting(parameters(), 0.1)
    assert isinstance(optimizer, Counting)
    assert isinstance(optimizer, martlet.torch.Adam)
    torch.testing.assert_close(stepped(optimizer), theirs)
    assert (optimizer.steps, optimizer.native_share) == (1, 1)
    # torch has put a step of its own into this class when the first object was made.
    second = Plain(parameters(), lr=0.1, momentum=0.9)
    assert type(second).step is martlet.torch.SGD.step
    torch.testing.assert_close(stepped(second), plain)
    assert not isinstance(Own(parameters(), lr=0.1), martlet.torch.Optimizer)


def test_hooks_run_once_in_derived_classes() -> None:
    martlet.torch.install()
    calls: list[str] = []
    for optimizer in (Counting(parameters(), 0.1), Plain(parameters(), lr=0.1), AdamW(parameters())):
        optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
        optimizer.register_step_post_hook(lambda *_: calls.append("behind"))
        stepped(optimizer)
    assert calls == ["before", "behind"] * 3


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


class Stepping(torch.optim.SGD):
    """Steps by itself."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.state[parameter]["count"] = self.state[parameter].get("count", 0) + 1
                    parameter.data.add_(parameter.grad, alpha=-group["lr"])


class Clipping(torch.optim.AdamW):
    """Looks at gradients before they are stepped by."""

    def step(self, closure: Any = None) -> Any:
        nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 0.1)
        return super().step(closure)


@pytest.mark.parametrize("kind", [Stepping, Clipping, AdamW])
@pytest.mark.parametrize("scale", [1024.0, 1e38])
def test_scaled_losses(kind: Any, scale: float) -> None:
    """Gradients are unscaled before a step sees them, and none is taken where one overflows."""
    ended = []
    for context in (nullcontext(), martlet.torch.installed()):
        with context:
            torch.manual_seed(1)
            model = nn.Linear(3, 2)
            optimizer = kind(model.parameters(), lr=0.05)
            scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=100)
            seen = []
            for _ in range(4):
                optimizer.zero_grad()
                scaler.scale(model(torch.full((2, 3), 10.0)).square().sum()).backward()
                scaler.step(optimizer)
                scaler.update()
                seen.append(float(model.weight.grad.abs().max()))
            ended.append((model.weight.detach().clone(), seen[-1]))
    torch.testing.assert_close(ended[1], ended[0], rtol=1e-5, atol=1e-6)


#: Keys that scripts keep in groups, and that are options of martlet.torch.
KEYS = {
    "max_norm": 0.1,
    "clip_value": 0.1,
    "accumulate": 2,
    "lookahead_steps": 2,
    "loss_scale": 8.0,
    "algorithm": "decoder",
}
KEYS |= {
    "state_dtype": "int3",
    "semantics": "mine",
    "seed": "a",
    "r": 0.5,
    "beta3": 2,
    "low_precision": 1,
    "strict": "no",
}


@pytest.mark.parametrize("key", KEYS)
def test_a_scripts_own_keys_are_its_own(key: str) -> None:
    ended = []
    for context in (nullcontext(), martlet.torch.installed()):
        with context:
            first, second = parameters() + parameters()
            optimizer = AdamW([{"params": [first], key: KEYS[key]}], lr=0.1)
            optimizer.add_param_group({"params": [second], key: KEYS[key]})
            for _ in range(3):
                optimizer.param_groups[1][key] = KEYS[key]
                first.grad, second.grad = torch.ones(3), torch.full((3,), 5.0)
                optimizer.step()
            packed = optimizer.state_dict()
            assert [group[key] for group in packed["param_groups"]] == [KEYS[key]] * 2
            optimizer.load_state_dict(packed)
            optimizer = pickle.loads(pickle.dumps(optimizer))
            assert [group[key] for group in optimizer.param_groups] == [KEYS[key]] * 2
            optimizer.step()
            ended.append([group["params"][0].detach() for group in optimizer.param_groups])
            is_ours = isinstance(optimizer, martlet.torch.Optimizer)
            assert is_ours is (len(ended) == 2)
    torch.testing.assert_close(ended[1], ended[0])


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
def test_muon_steps_what_it_is_given() -> None:
    """By names too, by which Martlet's own would give embeddings, single rows and the last layer to AdamW."""
    martlet.torch.install()
    model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 1, bias=False), nn.Linear(1, 5, bias=False))
    named = [(name, one) for name, one in model.named_parameters() if one.ndim == 2]
    for given in (named, iter(named), [one for _, one in named]):
        optimizer = torch.optim.Muon(given, lr=0.02)
        assert isinstance(optimizer, martlet.torch.Muon)
        model(torch.arange(9)).square().sum().backward()
        optimizer.step()
        assert len(optimizer.param_groups) == 1
        assert [list(optimizer.state[one]) for _, one in named] == [["momentum_buffer"]] * 3
    with pytest.raises(TypeError):
        torch.optim.Muon(model)


@pytest.mark.filterwarnings("ignore:torch.optim.AdamW steps")
@pytest.mark.parametrize(("key", "value"), [("lr", float("nan")), ("maximize", None), ("amsgrad", None), ("eps", "1")])
def test_what_a_group_has_is_torchs_affair(key: str, value: Any) -> None:
    ended: list[Any] = []
    for context in (nullcontext(), martlet.torch.installed()):
        with context:
            optimizer = AdamW(parameters(), lr=0.1)
            stepped(optimizer)
            usual, optimizer.param_groups[0][key] = optimizer.param_groups[0][key], value
            try:
                stepped(optimizer)
            except Exception as error:
                ended.append((type(error), str(error)))
                continue
            optimizer.param_groups[0][key] = usual
            ended.append(stepped(optimizer).tolist())
            counts = [float(entry["step"]) for entry in optimizer.state.values()]
            assert counts == [3.0]
    assert ended[0] == pytest.approx(ended[1], nan_ok=True) if isinstance(ended[0], list) else ended[0] == ended[1]


def test_states_of_other_steps_are_kept() -> None:
    martlet.torch.install()
    optimizer = Stepping(parameters(), lr=0.1)
    stepped(optimizer)
    optimizer.state[optimizer.param_groups[0]["params"][0]]["momentum_buffer"] = torch.zeros(7)
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert [entry["count"] for entry in twin.state.values()] == [1]
    optimizer.load_state_dict(optimizer.state_dict())
    assert [len(entry["momentum_buffer"]) for entry in optimizer.state.values()] == [7]
    # And a state_dict that lacks what torch fills in.
    packed = AdamW(parameters()).state_dict()
    del packed["param_groups"][0]["maximize"]
    AdamW(parameters()).load_state_dict(packed)


def test_names_of_a_derived_classs_own() -> None:
    class Naming(torch.optim.Adam):
        def __init__(self, params: Any) -> None:
            super().__init__(params)
            self.last_step, self.native_share, self.param_copies = 3, "all", None
            self.reduce_sums = True

        def __deepcopy__(self, memo: Any) -> Any:
            return "mine"

    martlet.torch.install()
    optimizer = Naming(parameters())
    stepped(optimizer)
    assert (optimizer.last_step, optimizer.native_share, optimizer.param_copies) == (3, "all", None)
    assert copy.deepcopy(optimizer) == "mine"


def test_strict_keeps_torch_out_of_constructors(monkeypatch: pytest.MonkeyPatch) -> None:
    martlet.torch.install()
    monkeypatch.setenv("MARTLET_STRICT", "1")
    with pytest.raises(martlet.MartletError, match="Invalid learning rate: -1"):
        AdamW(parameters(), lr=-1)


def test_classes_that_step_in_another_way_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("martlet.torch.installing._told", set())
    martlet.torch.install()
    with pytest.warns(UserWarning, match="Own stays torch's: it has an _init_group"):
        Own(parameters(), lr=0.1)


@pytest.mark.filterwarnings("ignore:torch.optim.SGD steps", "ignore:Sparse invariant")
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rows_move_as_in_torch(momentum: float) -> None:
    ended = []
    for context in (nullcontext(), martlet.torch.installed()):
        with context:
            table = nn.Parameter(torch.arange(12.0).reshape(6, 2))
            optimizer: Any = SGD([table], lr=0.1, momentum=momentum)
            for rows in ([0, 2], [2, 2], [1, 5]):
                table.grad = torch.sparse_coo_tensor(torch.tensor([rows]), torch.ones(2, 2), (6, 2))
                optimizer.step()
            ended.append((table.detach(), optimizer))
    (theirs, _), (ours, optimizer) = ended
    torch.testing.assert_close(ours, theirs)
    assert optimizer.native_share == (0 if momentum else 1)
    again = copy.deepcopy(optimizer)
    again.load_state_dict(optimizer.state_dict())
    for one in (optimizer, again):
        (twin,) = one.param_groups[0]["params"]
        twin.grad = torch.sparse_coo_tensor(torch.tensor([[3]]), torch.ones(1, 2), (6, 2))
        one.step()
    assert torch.equal(twin.detach(), table.detach())


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
