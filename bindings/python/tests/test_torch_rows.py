"""Sparse gradients of torch, as nn.Embedding(sparse=True) has them: which rows are stepped, beside torch's classes."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import martlet
import martlet.torch

WORDS, WIDTH = 50, 7


def trained(
    make: Callable[..., Any],
    steps: int = 25,
    dtype: torch.dtype = torch.float64,
    coalesced: bool = False,
    **options: Any,
) -> tuple[torch.Tensor, Any]:
    """An embedding after some steps, of which each names rows several times, and its optimizer."""
    generator = torch.Generator().manual_seed(1)
    embedding = nn.Embedding(WORDS, WIDTH, sparse=True, dtype=dtype)
    embedding.weight.data = torch.randn(WORDS, WIDTH, generator=generator, dtype=torch.float64).to(dtype)
    optimizer = make(embedding.parameters(), **options)
    for _ in range(steps):
        words = torch.randint(0, 40, (60,), generator=generator)
        weights = torch.randn(60, WIDTH, generator=generator, dtype=torch.float64).to(dtype)
        optimizer.zero_grad()
        (embedding(words) * weights).sum().backward()
        if coalesced:
            embedding.weight.grad = embedding.weight.grad.coalesce()  # type: ignore[union-attr]
        optimizer.step()
    return embedding.weight.detach(), optimizer


@pytest.mark.parametrize(
    "options",
    [{}, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}, {"maximize": True}],
    ids=["plain", "numbers", "maximize"],
)
def test_sparse_adam_is_torchs(options: dict[str, Any]) -> None:
    ours, optimizer = trained(martlet.torch.SparseAdam, **options)
    theirs, peer = trained(torch.optim.SparseAdam, **options)
    torch.testing.assert_close(ours, theirs, rtol=1e-15, atol=2e-15)
    mine, other = optimizer.state_dict()["state"][0], peer.state_dict()["state"][0]
    assert mine.keys() == other.keys() and int(mine["step"]) == other["step"]
    torch.testing.assert_close(mine["exp_avg_sq"], other["exp_avg_sq"], rtol=1e-14, atol=0)


def test_signature_and_groups_are_torchs() -> None:
    ours, theirs = (inspect.signature(kind).parameters for kind in (martlet.torch.SparseAdam, torch.optim.SparseAdam))
    assert [(key, ours[key].default, ours[key].kind) for key in list(ours)[: len(theirs)]] == [
        (key, one.default, one.kind) for key, one in theirs.items()
    ]
    parameter = nn.Parameter(torch.ones(2, 2))
    groups = [
        kind([parameter], lr=0.5).state_dict()["param_groups"]
        for kind in (martlet.torch.SparseAdam, torch.optim.SparseAdam)
    ]
    assert groups[0] == groups[1] and list(groups[0][0]) == list(groups[1][0])


def test_state_dicts_of_sparse_adam_go_both_ways() -> None:
    weight, peer = trained(torch.optim.SparseAdam, steps=5)
    twin = nn.Parameter(weight.clone())
    parameter = nn.Parameter(weight.clone())
    ours = martlet.torch.SparseAdam([parameter])
    theirs = torch.optim.SparseAdam([twin])
    ours.load_state_dict(copy.deepcopy(peer.state_dict()))
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
    for _ in range(3):
        for one, optimizer in ((parameter, ours), (twin, theirs)):
            one.grad = torch.sparse_coo_tensor([[4, 1, 4]], torch.ones(3, WIDTH, dtype=torch.float64), one.shape)
            optimizer.step()
    torch.testing.assert_close(parameter.detach(), twin.detach(), rtol=1e-15, atol=2e-15)
    assert int(ours.state_dict()["state"][0]["step"]) == 8


@pytest.mark.parametrize("name", ["SGD", "Adagrad"])
def test_those_that_torch_steps_by_rows_too(name: str) -> None:
    ours, _ = trained(getattr(martlet.torch, name), lr=0.1)
    theirs, _ = trained(getattr(torch.optim, name), lr=0.1)
    torch.testing.assert_close(ours, theirs, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "Lion"])
def test_rows_step_as_a_dense_parameter_of_them(name: str, dtype: torch.dtype) -> None:
    """The named rows in a parameter of their own, to the bit; the others stay."""
    make = getattr(martlet.torch, name)
    weight = torch.randn(WORDS, WIDTH, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(dtype)
    parameter, small = nn.Parameter(weight.clone()), nn.Parameter(weight[[3, 8, 9]].clone())
    optimizers = make([parameter], weight_decay=0.1), make([small], weight_decay=0.1)
    for step in range(4):
        values = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(step), dtype=torch.float64).to(dtype)
        parameter.grad = torch.sparse_coo_tensor([[9, 3, 8]], values[[2, 0, 1]], weight.shape)
        small.grad = values
        for optimizer in optimizers:
            optimizer.step()
    assert torch.equal(parameter[[3, 8, 9]], small)
    others = [row for row in range(WORDS) if row not in (3, 8, 9)]
    assert torch.equal(parameter[others], weight[others])


def test_a_model_trains_by_one_optimizer() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.EmbeddingBag(100, 8, sparse=True), nn.Linear(8, 2))
    optimizer = martlet.torch.Adam(model.parameters(), lr=0.05)
    words = torch.randint(0, 100, (64, 5))
    labels = (words.sum(1) > 247).long()
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(words), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_coalesced_gradients_and_others_agree() -> None:
    plain, _ = trained(martlet.torch.Adam)
    merged, _ = trained(martlet.torch.Adam, coalesced=True)
    torch.testing.assert_close(plain, merged, rtol=1e-13, atol=1e-13)


def one_row(make: Any, row: int, **options: Any) -> list[float]:
    """The first column of three rows of ones after a step with ones for one row."""
    parameter = nn.Parameter(torch.ones(3, 2))
    optimizer = make([parameter], lr=0.5, **options)
    parameter.grad = torch.sparse_coo_tensor([[row]], torch.ones(1, 2), (3, 2))
    optimizer.step()
    column: list[float] = parameter.detach()[:, 0].tolist()
    return column


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Adam", {}),
        ("AdamW", {}),
        ("RMSprop", {}),
        ("Adadelta", {}),
        ("SGD", {"weight_decay": 0.1}),
        ("Adagrad", {"weight_decay": 0.1}),
    ],
)
def test_what_torch_refuses_of_sparse_gradients(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError):
        one_row(getattr(torch.optim, name), 1, **options)
    first, moved, last = one_row(getattr(martlet.torch, name), 1, **options)
    assert first == last == 1 != moved
    if name == "SGD":
        assert moved == pytest.approx(1 - 0.5 * 1.1)


def test_momentum_moves_named_rows_alone() -> None:
    columns = []
    for library in (torch.optim, martlet.torch):
        parameter = nn.Parameter(torch.zeros(3, 2))
        optimizer: Any = library.SGD([parameter], lr=1.0, momentum=0.5)  # type: ignore[attr-defined]
        for row in (0, 1, 1):
            parameter.grad = torch.sparse_coo_tensor([[row]], torch.ones(1, 2), (3, 2))
            optimizer.step()
        columns.append(parameter.detach()[:, 0].tolist())
    assert columns == [[-1.75, -2.5, 0], [-1, -2.5, 0]]


def test_values_that_repeat_their_elements() -> None:
    """The gradient of a sum is one number, expanded."""
    embedding = nn.Embedding(WORDS, WIDTH, sparse=True)
    before = embedding.weight.detach().clone()
    optimizer = martlet.torch.SGD(embedding.parameters(), lr=1.0)
    embedding(torch.tensor([4, 4, 6])).sum().backward()
    optimizer.step()
    before[4] -= 2
    before[6] -= 1
    assert torch.equal(embedding.weight.detach(), before)


def test_sparse_and_dense_steps_of_one_parameter_take_turns() -> None:
    parameter = nn.Parameter(torch.ones(6, 3, dtype=torch.float64))
    optimizer = martlet.torch.Adam([parameter], lr=0.1)
    for step in range(6):
        dense = torch.full((6, 3), 0.5, dtype=torch.float64)
        parameter.grad = dense if step % 2 else torch.sparse_coo_tensor([[1, 1]], dense[:2], (6, 3))
        if step == 4:
            parameter.grad = None
        optimizer.step()
    assert int(optimizer.state[parameter]["step"]) == 5
    assert torch.equal(parameter[0], parameter[2]) and not torch.equal(parameter[0], parameter[1])


def test_a_gradient_without_rows_counts_a_step() -> None:
    parameter = nn.Parameter(torch.ones(6, 3))
    optimizer = martlet.torch.Adam([parameter], weight_decay=0.1)
    parameter.grad = torch.sparse_coo_tensor(torch.zeros(1, 0, dtype=torch.long), torch.zeros(0, 3), (6, 3))
    optimizer.step()
    assert int(optimizer.state[parameter]["step"]) == 1 and torch.equal(parameter, torch.ones(6, 3))


def raw(rows: Any, values: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """A sparse tensor that torch has not looked at."""
    return torch.sparse_coo_tensor(torch.tensor(rows), values, shape, check_invariants=False)


WRONG: dict[str, tuple[torch.Tensor, type[Exception], str]] = {
    "a row past the end": (
        raw([[6]], torch.ones(1, 3), (6, 3)),
        martlet.ArgumentError,
        r"rows\[0\] of .* is 6; expected 0 ..< 6",
    ),
    "a negative row": (raw([[0, -2]], torch.ones(2, 3), (6, 3)), martlet.ArgumentError, r"rows\[1\] of .* is -2"),
    "elements": (torch.eye(6)[:, :3].to_sparse(), martlet.UnsupportedError, r"along 2 dimensions; .*to_sparse\(1\)"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_refused(what: str) -> None:
    gradient, error, message = WRONG[what]
    parameter = nn.Parameter(torch.ones(6, 3))
    optimizer = martlet.torch.Adam([parameter], strict=True)
    parameter.grad = gradient
    with pytest.raises(error, match=message):
        optimizer.step()
    assert torch.equal(parameter.detach(), torch.ones(6, 3)) and not optimizer.state


@pytest.mark.parametrize(
    ("name", "options", "who"),
    [
        ("LAMB", {}, "lamb sees the parameter as a whole"),
        ("Muon", {}, "sees the parameter as a whole"),
        ("Adam", {"cautious": True}, "CAUTIOUS_UPDATE counts every row"),
        ("Adam", {"lookahead_steps": 5}, "LOOKAHEAD_STEPS moves every row"),
    ],
)
def test_what_sees_a_parameter_as_a_whole(name: str, options: dict[str, Any], who: str) -> None:
    parameter = nn.Parameter(torch.ones(6, 3))
    optimizer = getattr(martlet.torch, name)([parameter], **options)
    parameter.grad = raw([[1]], torch.ones(1, 3), (6, 3))
    with pytest.raises(
        martlet.UnsupportedError, match=rf"grad of .* is of rows, and {re.escape(who)}|{re.escape(who)}"
    ):
        optimizer.step()
    assert torch.equal(parameter.detach(), torch.ones(6, 3))


def test_complex_rows_are_refused() -> None:
    parameter = nn.Parameter(torch.ones(6, 3, dtype=torch.complex64))
    optimizer = martlet.torch.Adam([parameter], strict=True)
    parameter.grad = raw([[1]], torch.ones(1, 3, dtype=torch.complex64), (6, 3))
    with pytest.raises(martlet.UnsupportedError, match="sparse and complex"):
        optimizer.step()
