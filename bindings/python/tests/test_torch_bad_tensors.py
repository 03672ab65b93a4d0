"""Tensors that martlet.torch cannot step: an exception that names the parameter and the remedy; nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import martlet
import martlet.torch


class Dispatching(Tensor):
    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*args, **(kwargs or {}))


def bad_gradient(change: Callable[[nn.Parameter], Tensor]) -> Callable[[nn.Parameter], None]:
    def spoil(parameter: nn.Parameter) -> None:
        parameter.grad.data = change(parameter)

    return spoil


def spoil_sparse(parameter: nn.Parameter) -> None:
    parameter.grad = torch.eye(3).to_sparse()


def spoil_expanded(parameter: nn.Parameter) -> None:
    parameter.data = torch.ones(3, 1).expand(3, 3)


def spoil_integer_moment(parameter: nn.Parameter) -> None:
    optimizer = parameter.optimizer
    optimizer.state[parameter]["exp_avg"] = torch.zeros(3, 3, dtype=torch.int32)


def spoil_moment_shape(parameter: nn.Parameter) -> None:
    parameter.optimizer.state[parameter]["exp_avg"] = torch.zeros(9)


def spoil_moment_alias(parameter: nn.Parameter) -> None:
    state = parameter.optimizer.state[parameter]
    state["exp_avg"] = state["exp_avg_sq"]


CASES: dict[str, tuple[Callable[[nn.Parameter], None], type[Exception], str]] = {
    "sparse gradient": (
        spoil_sparse,
        RuntimeError,
        r"the gradient of .*layer.bad.* is sparse along 2 dimensions; wanted rows",
    ),
    "gradient of another shape": (
        bad_gradient(lambda p: torch.ones(3)),
        martlet.ShapeError,
        r"gradient of .*shape \(3,\).*\(3, 3\): set it to None",
    ),
    "integer gradient": (
        bad_gradient(lambda p: torch.ones(3, 3, dtype=torch.int32)),
        martlet.DTypeError,
        r"torch.int32; wanted .*: convert it, tensor.float\(\)",
    ),
    "expanded parameter": (spoil_expanded, martlet.OverlapError, "expanded"),
    "integer moment": (spoil_integer_moment, martlet.DTypeError, "exp_avg of .*torch.int32"),
    "moment of another shape": (spoil_moment_shape, martlet.ShapeError, r"exp_avg of .*shape \(9,\).*: load a state"),
    "two moments in one memory": (
        spoil_moment_alias,
        martlet.OverlapError,
        "exp_avg of .* and exp_avg_sq of .* overlap",
    ),
}


@pytest.mark.parametrize("warm", [False, True], ids=["first step", "later step"])
@pytest.mark.parametrize("case", CASES)
def test_bad_tensors(case: str, warm: bool) -> None:
    spoil, kind, text = CASES[case]
    good, bad = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(3, 3))
    optimizer = martlet.torch.Adam([("layer.good", good), ("layer.bad", bad)], strict=True)
    if not warm and "moment" in case:
        good.grad, bad.grad = torch.ones(4), torch.ones(3, 3)
        optimizer.step()
        optimizer = pickle_twin(optimizer, good, bad)
    good.grad, bad.grad = torch.ones(4), torch.ones(3, 3)
    if warm:
        optimizer.step()
        optimizer.step()
    bad.optimizer = optimizer
    before = good.detach().clone(), {p: int(state["step"]) for p, state in optimizer.state.items()}
    spoil(bad)
    for _ in range(2):
        with pytest.raises(kind, match=text) as caught:
            optimizer.step()
        assert isinstance(caught.value, martlet.MartletError)
        assert "layer.bad" in str(caught.value)
    assert torch.equal(good, before[0])
    assert {p: int(state["step"]) for p, state in optimizer.state.items()} == before[1]


def pickle_twin(optimizer: Any, *parameters: nn.Parameter) -> Any:
    """An optimizer with the same state that has not stepped yet."""
    twin = martlet.torch.Adam([("layer.good", parameters[0]), ("layer.bad", parameters[1])], strict=True)
    twin.load_state_dict(optimizer.state_dict())
    return twin


def test_other_devices_are_named() -> None:
    parameter = nn.Parameter(torch.empty(3, device="meta"))
    parameter.grad = torch.empty(3, device="meta")
    optimizer = martlet.torch.Adam([("embedding", parameter)], strict=True)
    with pytest.raises(
        martlet.UnsupportedError, match="'embedding' is on device 'meta'; martlet.torch steps on the CPU"
    ):
        optimizer.step()


def test_overlapping_parameters() -> None:
    memory = torch.arange(10.0)
    first, second = memory[:6].requires_grad_(), memory[4:].requires_grad_()
    optimizer = martlet.torch.Adam([("left", first), ("right", second)], strict=True)
    first.grad, second.grad = torch.ones(6), torch.ones(6)
    with pytest.raises(martlet.OverlapError, match="value of parameter 'left' and value of parameter 'right' overlap"):
        optimizer.step()
    assert torch.equal(memory, torch.arange(10.0))
    assert not optimizer.state


def test_gradient_that_is_the_parameter() -> None:
    parameter = nn.Parameter(torch.ones(4))
    parameter.grad = parameter.detach()
    optimizer = martlet.torch.Adam([parameter], strict=True)
    with pytest.raises(martlet.OverlapError):
        optimizer.step()
    assert torch.equal(parameter, torch.ones(4))


def test_integer_parameter() -> None:
    parameter = nn.Parameter(torch.ones(3, dtype=torch.int32), requires_grad=False)
    parameter.grad = torch.ones(3, dtype=torch.int32)
    optimizer = martlet.torch.Adam([("counts", parameter)])
    with pytest.raises(martlet.DTypeError, match=r"'counts' has dtype torch.int32; wanted float64"):
        optimizer.step()
    assert not optimizer.state


def test_wrapper_subclass_is_named() -> None:
    parameter = torch.ones(3).as_subclass(Dispatching).requires_grad_()
    parameter.grad = torch.ones(3)
    with pytest.raises(martlet.UnsupportedError, match="Dispatching"):
        martlet.torch.Adam([parameter], strict=True).step()
