"""Storages that hold fewer bytes than their tensors reach, as offloading leaves them, or others than a step before.

Each case is a child process of its own: where the look at the storages misses one, a step runs over memory that is
freed or somebody else's, which may end the process.
"""

from __future__ import annotations

import copy
import os
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import martlet
import martlet.torch
from martlet.torch import watch

COUNT = 5000
# torch imports its compiler with the first optimizer: once, and not in each child.
torch.optim.Adam([nn.Parameter(torch.ones(1))])


@pytest.fixture(autouse=True, params=["asked", "mapped"])
def way_of_looking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """By torch's C functions, and by torch's Python as where it lacks them."""
    if request.param == "mapped":
        monkeypatch.setattr(watch, "_QUESTIONS", None)


ROLES = ["gradient", "parameter", "exp_avg", "exp_avg_sq"]


def in_a_child(case: Callable[[], None]) -> None:
    """Runs a case in a forked child, which must end by itself, and pass."""
    child = os.fork()
    if not child:
        try:
            torch.set_num_threads(1)  # torch's threads are not there any more
            case()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, f"the child ended with {status}"


class Scene:
    """Three parameters, the middle one of which will suffer, beside torch's optimizer with the same."""

    def __init__(self, role: str, *, steps: int) -> None:
        self.role = role
        self.sides = [self._side(module) for module in (martlet.torch, torch.optim)]
        self.optimizer = self.sides[0][1]
        if role.startswith("exp"):
            steps = max(steps, 1)
        for _ in range(steps):
            self.step()

    @staticmethod
    def _side(module: Any) -> tuple[list[nn.Parameter], Any]:
        torch.manual_seed(5)
        parameters = [nn.Parameter(torch.randn(COUNT)) for _ in range(3)]
        for parameter in parameters:
            parameter.grad = torch.randn(COUNT)
        named = list(zip(["left", "middle", "right"], parameters, strict=True))
        return parameters, module.Adam(named, lr=0.1)

    def step(self) -> None:
        for _, optimizer in self.sides:
            optimizer.step()

    def victims(self) -> list[Tensor]:
        """The tensor of that role, ours and torch's."""
        found = []
        for parameters, optimizer in self.sides:
            roles = {"parameter": parameters[1], "gradient": parameters[1].grad}
            found.append(roles[self.role] if self.role in roles else optimizer.state[parameters[1]][self.role])
        return found

    def is_refused(self) -> None:
        """By name, with what is wrong, and nothing is written."""
        parameters, optimizer = self.sides[0]
        before = [parameters[0].detach().clone(), parameters[2].detach().clone()]
        for _ in range(2):
            with pytest.raises(martlet.ShapeError, match="'middle' has a storage of .* bytes, and .*: it was freed"):
                optimizer.step()
        assert torch.equal(parameters[0], before[0]) and torch.equal(parameters[2], before[1])

    def goes_on(self) -> None:
        """As torch does, and so it does afterwards."""
        for _ in range(3):
            self.step()
        for ours, torchs in zip(self.sides[0][0], self.sides[1][0], strict=True):
            torch.testing.assert_close(ours.detach(), torchs.detach(), rtol=2e-5, atol=2e-6)


def free(tensor: Tensor) -> None:
    tensor.untyped_storage().resize_(0)


def shrink(tensor: Tensor) -> None:
    tensor.untyped_storage().resize_(4 * COUNT - 4)


def shrink_under_an_offset(tensor: Tensor) -> None:
    """Its storage has as many bytes as the tensor has, but the tensor starts in its middle."""
    whole = torch.zeros(2 * COUNT)
    whole[COUNT:] = tensor.detach()
    tensor.data = whole[COUNT:]
    whole.untyped_storage().resize_(4 * COUNT)


SHORT = [free, shrink, shrink_under_an_offset]


@pytest.mark.parametrize("spoil", SHORT, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("role", ROLES)
def test_storages_that_are_too_short(role: str, spoil: Callable[[Tensor], None]) -> None:
    def case() -> None:
        for steps in (0, 3):
            scene = Scene(role, steps=steps)
            victim = scene.victims()[0]
            for _ in range(steps):
                scene.step()
            spoil(victim)
            scene.is_refused()

    in_a_child(case)


@pytest.mark.parametrize("role", ROLES)
def test_a_storage_that_comes_back_shorter_at_its_address(role: str) -> None:
    """Freed and grown again. It is so large that the system itself maps it, and gives the same pages again."""

    def case() -> None:
        scene = Scene(role, steps=1)
        victim, bytes_held = scene.victims()[0], 64_000_000
        large = torch.empty(bytes_held // 4)
        large[-COUNT:] = victim.detach()
        victim.data = large[-COUNT:]
        del large
        for _ in range(2):
            scene.step()
        at = victim.data_ptr()
        for length in (0, bytes_held - 64):
            victim.untyped_storage().resize_(length)
        assert victim.data_ptr() == at
        scene.is_refused()

    in_a_child(case)


def move(tensor: Tensor) -> None:
    """To another place, by freeing and growing, as an offloader does that brings values back."""
    values, storage = tensor.detach().clone(), tensor.untyped_storage()
    storage.resize_(0)
    blocker = torch.empty(COUNT)
    storage.resize_(4 * COUNT)
    tensor.detach().copy_(values)
    del blocker


def set_another(tensor: Tensor) -> None:
    other = torch.cat([torch.zeros(8), tensor.detach()])
    tensor.data.set_(other.untyped_storage(), 8, (COUNT,), (1,))
    with torch.no_grad():
        tensor.set_(other.untyped_storage(), 8, (COUNT,), (1,))


def give_other_data(tensor: Tensor) -> None:
    tensor.data = tensor.detach().clone()


def lengthen(tensor: Tensor) -> None:
    tensor.untyped_storage().resize_(8 * COUNT)


CHANGED = [move, set_another, give_other_data, lengthen]


@pytest.mark.parametrize("change", CHANGED, ids=lambda change: change.__name__)
@pytest.mark.parametrize("role", ROLES)
def test_storages_that_are_others(role: str, change: Callable[[Tensor], None]) -> None:
    def case() -> None:
        scene = Scene(role, steps=3)
        victims = scene.victims()
        for _ in range(2):
            scene.step()
        for tensor in victims:
            change(tensor)
        scene.goes_on()

    in_a_child(case)


@pytest.mark.parametrize("role", ROLES)
def test_a_tensor_that_slides_in_its_storage(role: str) -> None:
    """Between two steps it comes to lie elsewhere in the same memory, which is as long and starts where it did."""

    def case() -> None:
        scene = Scene(role, steps=1)
        victims = scene.victims()
        memories = [torch.cat([tensor.detach(), tensor.detach()]) for tensor in victims]
        for start in (0, COUNT, 0):
            for tensor, memory in zip(victims, memories, strict=True):
                memory[start:][:COUNT] = tensor.detach()
                tensor.data = memory[start:][:COUNT]
            scene.goes_on()

    in_a_child(case)


WAYS: dict[str, Callable[[Any], Any]] = {
    "state": lambda optimizer: optimizer.state,
    "getattr": lambda optimizer: getattr(optimizer, "state"),  # noqa: B009
    "__getstate__": lambda optimizer: optimizer.__getstate__()["state"],
    "a shallow copy": lambda optimizer: copy.copy(optimizer).state,
}


@pytest.mark.parametrize("way", WAYS)
def test_moments_that_were_handed_out_before(way: str) -> None:
    """Who once got the state can free a moment at any later time."""

    def case() -> None:
        scene = Scene("parameter", steps=2)
        state = WAYS[way](scene.optimizer)
        for _ in range(2):
            scene.step()
        free(next(iter(state.values()))["exp_avg"])
        with pytest.raises(martlet.ShapeError, match="exp_avg of parameter 'left' has a storage of 0 bytes"):
            scene.optimizer.step()

    in_a_child(case)


def test_a_gradient_that_is_brought_back() -> None:
    def case() -> None:
        scene = Scene("gradient", steps=2)
        for tensor in scene.victims():
            values = tensor.clone()
            free(tensor)
            if tensor is scene.victims()[0]:
                scene.is_refused()
            tensor.untyped_storage().resize_(4 * COUNT)
            tensor.copy_(values)
        scene.goes_on()

    in_a_child(case)


def test_where_tensors_lie() -> None:
    """As torch says, of whatever lies there now."""

    def case() -> None:
        memory = torch.zeros(64)
        tensors = [
            *(memory[3:9], memory[9:30].view(3, 7).T, torch.zeros(()), torch.zeros(2, 3, dtype=torch.complex64)),
            *(torch.zeros(5, dtype=torch.bfloat16)[1:], nn.Parameter(torch.zeros(3))),
        ]
        watched = watch.watch(tensors)
        seen = watched.addresses(tensors)
        assert seen == [tensor.data_ptr() for tensor in tensors]
        assert watched.addresses(tensors) is seen
        tensors[0] = memory.clone()[3:9]
        with torch.no_grad():
            torch.utils.swap_tensors(tensors[2], torch.ones(()))
            torch.utils.swap_tensors(tensors[5], nn.Parameter(torch.ones(3)))
        moved = watched.addresses(tensors)
        assert moved == [tensor.data_ptr() for tensor in tensors] != seen
        assert watched.addresses([*tensors[:4], torch.zeros(4, dtype=torch.bfloat16), tensors[5]]) is None
        free(tensors[3])
        assert watched.addresses(tensors) is None

    in_a_child(case)


def test_this_torch_has_the_functions_to_ask(request: pytest.FixtureRequest) -> None:
    tensor = torch.zeros(3)
    asks = isinstance(watch.watch([tensor]), watch._Asking)
    assert asks == ("asked" in request.node.name)
