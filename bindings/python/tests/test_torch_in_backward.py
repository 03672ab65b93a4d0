"""Steps inside the backward pass end where steps behind it do, and gradients are gone by then."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import martlet
import martlet.torch
from martlet.torch import in_backward
from trained_inside import assert_same, model, train

CASES: list[tuple[str, dict[str, Any]]] = [
    ("AdamW", {}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("LAMB", {}),
    ("Adafactor", {}),
    ("Adam", {"clip_norm": 0.1}),
    ("Adam", {"accumulate": 3}),
    ("AdamW", {"ema_decay": 0.9}),
]

# Rules whose states begin each in a way of its own, or that sum over a parameter.
RULES = (
    "Adadelta", "Adagrad", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop", "Lion", "Adan", "ADOPT", "AdEMAMix",
    "AdaBound", "AdamWScheduleFree", "StableAdamW", "MARS", "LARS", "AdamMini", "SOAP", "Shampoo",
)  # fmt: skip


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_the_same_bits_as_behind(name: str, options: dict[str, Any]) -> None:
    """With a schedule, and half-way from a file."""
    ended, saved = [], []
    for is_inside in (False, True):
        net = model()
        optimizer = getattr(martlet.torch, name)(net.parameters(), lr=0.05, **options)
        if is_inside:
            in_backward(net, optimizer)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        train(net, optimizer, range(5), scheduler, is_inside=is_inside)
        assert scheduler.last_epoch == 5
        saved.append(copy.deepcopy((net.state_dict(), optimizer.state_dict())))
        train(net, optimizer, range(5, 9), scheduler, is_inside=is_inside)
        ended.append(net)
    assert_same(*ended)
    states = [packed["state"] for _, packed in saved]
    assert states[0].keys() == states[1].keys()
    for index, one in states[0].items():
        other = states[1][index]
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(other[key])), key
    # What is saved inside goes on inside.
    net = model()
    optimizer = getattr(martlet.torch, name)(net.parameters(), lr=0.5, **options)
    in_backward(net, optimizer)
    net.load_state_dict(saved[1][0])
    optimizer.load_state_dict(saved[1][1])
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9, last_epoch=4)
    train(net, optimizer, range(5, 9), scheduler, is_inside=True)
    assert_same(net, ended[0])


def test_numbers_at_random_are_those_of_a_step() -> None:
    ended = []
    for is_inside in (False, True):
        net = model(torch.bfloat16)
        groups = [{"params": list(net[0].parameters())}, {"params": [*net[2].parameters(), *net[5].parameters()]}]
        optimizer = martlet.torch.AdamW(groups, lr=0.01, low_precision="stochastic", seed=5)
        if is_inside:
            in_backward(net, optimizer)
        train(net, optimizer, range(4), is_inside=is_inside)
        ended.append(net)
    assert_same(*ended)


class Dispatching(Tensor):
    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with no_dispatch():
            return function(*args, **(kwargs or {}))


@pytest.mark.filterwarnings("ignore:torch.optim")
def test_what_torch_steps_is_stepped_inside_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    for is_inside in (False, True):
        net = nn.Linear(4, 3, bias=False).double()
        del net.weight
        net.weight = torch.ones(3, 4, dtype=torch.float64).as_subclass(Dispatching).requires_grad_()
        monkeypatch.setattr(net, "parameters", [net.weight].__iter__)
        optimizer = martlet.torch.SGD([net.weight], lr=0.1, momentum=0.5)
        if is_inside:
            in_backward(net, optimizer)
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.ones(2, 4, dtype=torch.float64)).square().sum().backward()
            optimizer.step()
        ended.append(net.weight.detach().as_subclass(Tensor))
    assert not torch.equal(ended[0], torch.ones_like(ended[0]))
    assert torch.equal(*ended)


@pytest.mark.parametrize("is_reentrant", [False, True])
def test_checkpointed_activations(is_reentrant: bool) -> None:
    """Layers that no two checkpoints share, in either of torch's ways."""
    from torch.utils.checkpoint import checkpoint

    ended = []
    for is_inside in (False, True):
        torch.manual_seed(3)
        layers = nn.ModuleList(nn.Linear(5, 5) for _ in range(3))
        optimizer = martlet.torch.AdamW(layers.parameters(), lr=0.05)
        if is_inside:
            in_backward(layers, optimizer)
        for _ in range(3):
            value = torch.ones(2, 5, requires_grad=True)
            for layer in layers:
                value = checkpoint(layer, value, use_reentrant=is_reentrant)
            value.square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        ended.append(layers)
    assert_same(*ended)


def test_compiled() -> None:
    ended = []
    for is_inside in (False, True):
        net = model()
        net[3].p = 0.0
        optimizer = martlet.torch.AdamW(net.parameters(), lr=0.05)
        if is_inside:
            in_backward(net, optimizer)
        train(torch.compile(net, backend="aot_eager"), optimizer, range(4), is_inside=is_inside)
        ended.append(net)
    assert_same(*ended)


@pytest.mark.parametrize("name", RULES)
def test_every_kind_of_rule(name: str) -> None:
    ended = []
    for is_inside in (False, True):
        net = model()
        optimizer = getattr(martlet.torch, name)(net.parameters())
        if is_inside:
            in_backward(net, optimizer)
        train(net, optimizer, range(4), is_inside=is_inside)
        ended.append(net)
    assert_same(*ended)


class Gradients(TorchDispatchMode):
    """The largest number of bytes that storages of the sizes of parameters have had at once, of those made within."""

    def __init__(self, parameters: list[Tensor], known: list[Tensor]) -> None:
        super().__init__()
        self._sizes = {one.untyped_storage().nbytes() for one in parameters}
        self._known = {one.untyped_storage()._cdata for one in known}
        self._alive: dict[int, tuple[int, StorageWeakRef]] = {}
        self.most = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = function(*args, **(kwargs or {}))
        for one in tree_leaves(found):
            storage = one.untyped_storage() if isinstance(one, Tensor) else None
            if storage is not None and storage.nbytes() in self._sizes and storage._cdata not in self._known:
                self._alive[storage._cdata] = storage.nbytes(), StorageWeakRef(storage)
        self._alive = {key: one for key, one in self._alive.items() if not one[1].expired()}
        self.most = max(self.most, sum(size for size, _ in self._alive.values()))
        return found


@pytest.mark.parametrize("way", ["behind", "inside", "clipped", "accumulated"])
def test_the_two_largest_gradients_at_most(way: str) -> None:
    """In bytes, of a model that uses each weight once; all of them where steps come behind."""
    torch.manual_seed(0)
    widths = (31, 41, 53, 67, 79, 81)  # no two parameters are of one size, nor is an activation
    layers = [nn.Linear(here, there) for here, there in pairwise(widths)]
    net = nn.Sequential(*(part for layer in layers for part in (layer, nn.GELU())))
    optimizer = martlet.torch.AdamW(net.parameters(), **({"accumulate": 2} if way == "accumulated" else {}))
    stepping = None
    if way != "behind":
        stepping = in_backward(net, optimizer, max_norm=1.0 if way == "clipped" else None)

    def loss() -> Tensor:
        return net(torch.ones(7, widths[0])).square().mean()

    parameters = list(net.parameters())
    sizes = sorted((one.numel() * one.itemsize for one in parameters), reverse=True)
    for _ in range(3):
        states = [one for entry in optimizer.state.values() for one in entry.values()]
        watching = Gradients(parameters, [*parameters, *states])
        computed = None if way == "clipped" else loss()
        with watching if states or way == "behind" else nullcontext():
            if computed is None:
                assert stepping is not None
                stepping.backward(loss)
            else:
                computed.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert watching.most >= sizes[0]
    assert (watching.most <= sum(sizes[:2])) == (way != "behind")
