"""martlet.torch against torch.optim's default loop: every option, every dtype, every layout."""

from __future__ import annotations

import inspect
import itertools
from math import inf
from typing import Any

import pytest
import torch
from torch import nn

import martlet.torch
import models

OPTIONS = [
    {"amsgrad": amsgrad, "maximize": maximize, "weight_decay": decay}
    for amsgrad, maximize, decay in itertools.product([False, True], [False, True], [0, 0.1])
]
TOLERANCE = {torch.float32: 2e-6, torch.float64: 1e-13, torch.complex64: 2e-6, torch.complex128: 1e-13}


def stepped(name: str, parameters: list[nn.Parameter], steps: int, module: Any, **options: Any) -> Any:
    optimizer = getattr(module, name)(parameters, **options)
    for step in range(steps):
        models.set_grads(parameters, step)
        optimizer.step()
    return optimizer


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_signatures_are_torchs(name: str) -> None:
    ours = inspect.signature(getattr(martlet.torch, name)).parameters
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    own = {"flush_denormals": None, "semantics": "torch", "state_dtype": None}
    own |= {"cautious_weight_decay": False, "corrected_weight_decay": False, "cautious": False, "hyperball": False}
    own |= {"defer_rows": False}
    own |= {"skip_nonfinite": False, "measure": False, "ema_bias_correction": False, "ema_warmup": False}
    own |= {"zero_grads": False, "measure_update": False}
    own |= {"lookahead_steps": 0, "lookahead_alpha": 0.5, "loss_scale": 1, "max_norm": inf, "clip_norm": inf}
    own |= {"clip_value": inf, "ema_decay": 0, "accumulate": 0, "low_precision": None, "seed": 0}
    own |= {"param_copy": None, "strict": None}
    assert list(ours) == [*theirs, *own]
    for key, parameter in theirs.items():
        assert (ours[key].default, ours[key].kind) == (parameter.default, parameter.kind)
    for key, default in own.items():
        assert (ours[key].default, ours[key].kind) == (default, inspect.Parameter.KEYWORD_ONLY)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_options(name: str, options: dict[str, Any], dtype: torch.dtype) -> None:
    ours, theirs = models.twins((17, 9), (9,), (), (3, 1, 5), dtype=dtype)
    mine = stepped(name, ours, 40, martlet.torch, lr=0.01, **options)
    peer = stepped(name, theirs, 40, torch.optim, lr=0.01, foreach=False, **options)
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p, q, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
        for slot in ("exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if options["amsgrad"] else [])):
            torch.testing.assert_close(
                mine.state[p][slot], peer.state[q][slot], rtol=10 * TOLERANCE[dtype], atol=TOLERANCE[dtype]
            )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_16_bit_parameters_follow_torchs_fused_step(name: str, dtype: torch.dtype) -> None:
    ours, theirs = models.twins((33, 7), (5,), dtype=dtype)
    stepped(name, ours, 20, martlet.torch, lr=0.01)
    stepped(name, theirs, 20, torch.optim, lr=0.01, fused=True)
    for p, q in zip(ours, theirs, strict=True):
        assert p.dtype == dtype
        difference = (p.float() - q.float()).abs().max().item()
        assert difference <= 2 * torch.finfo(dtype).eps * q.float().abs().max().item()
        assert ((p == q).float().mean() > 0.9).item()


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_training_curve(name: str) -> None:
    mine, peer = models.network(), models.network()
    ours = models.train(mine, getattr(martlet.torch, name)(mine.parameters(), lr=1e-2), 200)
    theirs = models.train(peer, getattr(torch.optim, name)(peer.parameters(), lr=1e-2), 200)
    assert ours[:50] == pytest.approx(theirs[:50], rel=1e-5)
    assert ours == pytest.approx(theirs, rel=1e-3)


def test_groups_and_a_tensor_for_lr() -> None:
    ours, theirs = models.twins((4, 4), (4,), (3,))

    def groups(parameters: list[nn.Parameter]) -> list[dict[str, Any]]:
        return [
            {"params": parameters[:1], "lr": torch.tensor(0.1)},
            {"params": parameters[1:2], "betas": (0.5, 0.6), "amsgrad": True},
            {"params": parameters[2:], "weight_decay": 0.3, "eps": 1e-3, "maximize": True},
        ]

    mine = martlet.torch.Adam(groups(ours), lr=0.02)
    peer = torch.optim.Adam(groups(theirs), lr=0.02, foreach=False)
    for step in range(10):
        models.set_grads(ours, step)
        models.set_grads(theirs, step)
        mine.param_groups[0]["lr"].mul_(0.9)
        peer.param_groups[0]["lr"].mul_(0.9)
        mine.param_groups[1]["lr"] = peer.param_groups[1]["lr"] = 0.01 / (step + 1)
        mine.step()
        peer.step()
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-7)


def test_betas_as_tensors() -> None:
    ours, theirs = models.twins((4, 4))
    betas = (torch.tensor(0.8), torch.tensor(0.95))
    stepped("Adam", ours, 5, martlet.torch, betas=betas)
    stepped("Adam", theirs, 5, torch.optim, betas=betas, foreach=False)
    torch.testing.assert_close(ours[0], theirs[0])


def laid_out(kind: str, grad: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(8 if grad else 9)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    return {
        "contiguous": lambda: numbers(2, 4, 3, 5),
        "channels_last": lambda: numbers(2, 4, 3, 5).to(memory_format=torch.channels_last),
        "permuted": lambda: numbers(5, 2, 3, 4).permute(1, 3, 2, 0),
        "every other": lambda: numbers(2, 4, 3, 10)[..., ::2],
        "one column": lambda: numbers(2, 4, 3, 5, 7)[..., 3],
        "transposed": lambda: numbers(2, 4, 5, 3).transpose(2, 3),
        "expanded": lambda: numbers(2, 1, 3, 1).expand(2, 4, 3, 5),
        "row repeated": lambda: numbers(1).expand(2, 4, 3, 5),
    }[kind]()


LAYOUTS = ["contiguous", "channels_last", "permuted", "every other", "one column", "transposed"]


@pytest.mark.parametrize("grad_kind", [*LAYOUTS, "expanded", "row repeated"])
@pytest.mark.parametrize("kind", LAYOUTS)
def test_layouts(kind: str, grad_kind: str) -> None:
    ours = laid_out(kind).requires_grad_()
    theirs = laid_out(kind).contiguous().requires_grad_()
    before = ours.detach().clone()
    strides = ours.stride()
    mine = martlet.torch.AdamW([ours], lr=0.1, amsgrad=True)
    peer = torch.optim.AdamW([theirs], lr=0.1, amsgrad=True, foreach=False)
    for _ in range(3):
        grad = laid_out(grad_kind, grad=True)
        ours.grad, theirs.grad = grad, grad.contiguous()
        mine.step()
        peer.step()
    assert ours.stride() == strides
    assert not torch.equal(ours, before)
    torch.testing.assert_close(ours.detach().contiguous(), theirs.detach(), rtol=1e-5, atol=1e-6)


def test_elements_between_those_of_a_strided_parameter_stay() -> None:
    memory = torch.arange(40.0)
    parameter = memory[1::4].requires_grad_()
    optimizer = martlet.torch.Adam([parameter], lr=1.0)
    parameter.grad = torch.ones(10)
    optimizer.step()
    written = torch.zeros(40, dtype=torch.bool)
    written[1::4] = True
    assert torch.equal(memory[~written], torch.arange(40.0)[~written])
    assert (memory[written] != torch.arange(40.0)[written]).all()


def test_empty_and_scalar_parameters() -> None:
    empty, scalar, matrix = (
        nn.Parameter(torch.empty(0, 3)),
        nn.Parameter(torch.tensor(2.0)),
        nn.Parameter(torch.ones(3)),
    )
    optimizer = martlet.torch.Adam([empty, scalar, matrix], lr=0.1)
    for _ in range(3):
        empty.grad, scalar.grad, matrix.grad = torch.empty(0, 3), torch.tensor(1.0), torch.ones(3)
        optimizer.step()
    assert optimizer.state[empty]["step"].item() == 3
    assert scalar.item() == pytest.approx(1.7, abs=1e-5)
    empty.grad = None
    optimizer.step()
    assert [optimizer.state[p]["step"].item() for p in (empty, scalar, matrix)] == [3, 4, 4]


def test_only_empty_parameters() -> None:
    empty = nn.Parameter(torch.empty(0))
    optimizer = martlet.torch.Adam([empty])
    optimizer.step()
    empty.grad = torch.empty(0)
    optimizer.step()
    assert optimizer.state[empty]["step"].item() == 1


def test_gradients_of_another_type() -> None:
    parameter = torch.ones(6, dtype=torch.bfloat16).requires_grad_()
    gradient = torch.randn(6)
    parameter.grad = torch.ones_like(parameter)
    parameter.grad.data = gradient
    assert parameter.grad.dtype == torch.float32
    optimizer = martlet.torch.Adam([parameter], lr=0.5, state_dtype=torch.float32)
    optimizer.step()
    assert optimizer.state[parameter]["exp_avg"].dtype == torch.float32
    torch.testing.assert_close(optimizer.state[parameter]["exp_avg"], 0.1 * gradient)
    torch.testing.assert_close(parameter.detach().float(), 1 - 0.5 * gradient.sign(), atol=1e-2, rtol=0)


@pytest.mark.parametrize("state_dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_state_dtype(dtype: torch.dtype, state_dtype: torch.dtype) -> None:
    (ours,), (theirs,) = models.twins((50,), dtype=dtype)
    mine = stepped("Adam", [ours], 10, martlet.torch, lr=0.01, amsgrad=True, state_dtype=state_dtype)
    wide = theirs.detach().double().requires_grad_()
    peer = torch.optim.Adam([wide], lr=0.01, amsgrad=True, foreach=False)
    for step in range(10):
        models.set_grads([theirs], step)
        wide.grad = theirs.grad.double()
        peer.step()
    for slot in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
        assert mine.state[ours][slot].dtype == state_dtype
    coarse = max(torch.finfo(dtype).eps, torch.finfo(state_dtype).eps)
    torch.testing.assert_close(ours.double(), wide, rtol=10 * coarse, atol=10 * coarse * 0.1)


def test_lazily_conjugated_and_negated_gradients() -> None:
    (ours,), (theirs,) = models.twins((5,), dtype=torch.complex64)
    mine, peer = martlet.torch.Adam([ours]), torch.optim.Adam([theirs], foreach=False)
    for step in range(6):
        models.set_grads([ours], step)
        grad = ours.grad
        ours.grad = grad.conj() if step in (2, 4) else grad
        theirs.grad = grad.conj().resolve_conj() if step in (2, 4) else grad.clone()
        mine.step()
        peer.step()
    torch.testing.assert_close(ours, theirs)
    (real,), (other,) = models.twins(())
    mine, peer = martlet.torch.Adam([real]), torch.optim.Adam([other], foreach=False)
    for step in range(4):
        if step % 2:
            for scalar in (real, other):
                scalar.grad = None
                torch.complex(torch.tensor(1.0), scalar).conj().imag.backward()
        else:
            real.grad, other.grad = torch.tensor(3.0), torch.tensor(3.0)
        mine.step()
        peer.step()
    torch.testing.assert_close(real, other)
