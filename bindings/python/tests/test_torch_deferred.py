"""Deferred rows in torch, defer_rows=True: an embedding with sparse=True trains as one with dense gradients does, once
rows have caught up. Beside torch's own dense optimizers, and to the bit beside our dense steps, which other tests hold.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import martlet
import martlet.torch as mt

KINDS: dict[str, tuple[Callable[..., Any], Callable[..., Any], dict[str, Any]]] = {
    "sgd": (mt.SGD, torch.optim.SGD, {}),
    "momentum": (mt.SGD, torch.optim.SGD, {"momentum": 0.9}),
    "adam": (mt.Adam, torch.optim.Adam, {}),
    "adamw": (mt.AdamW, torch.optim.AdamW, {"weight_decay": 0.1, "amsgrad": True}),
    "adagrad": (mt.Adagrad, torch.optim.Adagrad, {}),
    "rmsprop": (mt.RMSprop, torch.optim.RMSprop, {"centered": True}),
}
WORDS, WIDTH = 40, 6


class Model(nn.Module):
    def __init__(self, *, sparse: bool, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.table = nn.Embedding(WORDS, WIDTH, sparse=sparse, dtype=dtype)
        self.out = nn.Linear(WIDTH, 3, dtype=dtype)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return self.out(self.table(words).sum(1))  # type: ignore[no-any-return]


def batch(t: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(t)
    return torch.randint(0, 33, (4, 2), generator=generator), torch.randint(0, 3, (4,), generator=generator)


def train(model: Model, optimizer: Any, t: int) -> float:
    words, labels = batch(t)
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(words), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_as_torchs_dense_optimizer_does(kind: str) -> None:
    make, peer, options = KINDS[kind]
    sparse, dense = Model(sparse=True, dtype=torch.float64), Model(sparse=False, dtype=torch.float64)
    ours, theirs = (
        make(sparse.parameters(), lr=1e-2, defer_rows=True, **options),
        peer(dense.parameters(), lr=1e-2, **options),
    )
    ours.catch_up_for(sparse)
    schedules = [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99) for optimizer in (ours, theirs)]
    for t in range(50):
        assert train(sparse, ours, t) == pytest.approx(train(dense, theirs, t), rel=1e-10)
        for schedule in schedules:
            schedule.step()
    ours.finish()
    for mine, other in zip(sparse.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_state_and_copies_are_those_of_dense_steps(kind: str) -> None:
    make, _, options = KINDS[kind]
    table, twin = nn.Parameter(torch.randn(WORDS, WIDTH)), None
    twin = nn.Parameter(table.detach().clone())
    ours, dense_one = make([table], lr=1e-2, defer_rows=True, **options), make([twin], lr=1e-2, **options)

    def step(t: int, optimizer: Any, one: Any, *, dense: bool) -> None:
        rng = np.random.default_rng(t)
        rows, values = (
            torch.tensor(rng.integers(0, 33, 5)),
            torch.tensor(rng.integers(-9, 9, (5, WIDTH)) / 8, dtype=torch.float32),
        )
        gradient = torch.sparse_coo_tensor(rows[None], values, one.shape, check_invariants=True)
        one.grad = gradient.to_dense() if dense else gradient
        optimizer.step()

    def both(t: int) -> None:
        step(t, ours, table, dense=t == 21)
        step(t, dense_one, twin, dense=True)

    for t in range(30):
        both(t)
        if t == 8:  # to be looked at
            for slot, wanted in dense_one.state[twin].items():
                assert wanted is None or torch.equal(ours.state[table][slot], wanted)
            assert torch.equal(table, twin)
        if t == 12:  # to be loaded, also by itself
            ours.load_state_dict(ours.state_dict())
        if t == 16:  # options
            for optimizer in (ours, dense_one):
                optimizer.param_groups[0]["weight_decay"] = 0.2
    assert kind in ("sgd", "adagrad") or not torch.equal(table, twin)
    other = copy.deepcopy(ours)
    assert torch.equal(table, twin)
    (other_table,) = other.param_groups[0]["params"]
    file = io.BytesIO()
    torch.save(ours.state_dict(), file)
    file.seek(0)
    made = make([table], lr=1, defer_rows=True, **options)
    made.load_state_dict(torch.load(file))
    for t in range(30, 40):
        step(t, made, table, dense=False)
        step(t, other, other_table, dense=False)
        step(t, dense_one, twin, dense=True)
    made.finish()
    other.finish()
    assert torch.equal(table, twin) and torch.equal(other_table, twin)


def test_hooks() -> None:
    sparse, dense = Model(sparse=True), Model(sparse=False)
    ours, dense_one = mt.Adam(sparse.parameters(), defer_rows=True), mt.Adam(dense.parameters())
    handles = ours.catch_up_for(sparse)
    assert len(handles) == 3
    for t in range(20):
        assert train(sparse, ours, t) == train(dense, dense_one, t)
        with torch.no_grad():
            assert torch.equal(sparse(words := batch(t + 1)[0]), dense(words))
    again = copy.deepcopy(sparse)  # whose hooks do nothing
    before = again.table.weight.detach().clone()
    again(batch(0)[0])
    assert torch.equal(again.table.weight, before)
    with torch.no_grad():
        unseen = torch.tensor([[0, 1]])
        sparse(unseen)
        assert torch.equal(sparse.table.weight[:2], dense.table.weight[:2])
    for handle in handles:
        handle.remove()
    ours.finish()
    assert torch.equal(sparse.table.weight, dense.table.weight)
    with pytest.raises(martlet.ArgumentError, match=r"model has no nn.Embedding or nn.EmbeddingBag whose weight"):
        ours.catch_up_for(dense)


def test_autograd_sees_that_rows_have_changed() -> None:
    table = nn.Embedding(WORDS, WIDTH, sparse=True)
    optimizer = mt.Adam(table.parameters(), defer_rows=True)
    for word in (1, 2):
        table.weight.grad = None
        table(torch.tensor([word])).sum().backward()
        optimizer.step()
    kept = (table.weight[1] ** 2).sum()
    optimizer.catch_up(table.weight, torch.tensor([1]))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        kept.backward()


def test_what_is_refused() -> None:
    table = nn.Embedding(WORDS, WIDTH, sparse=True)
    with pytest.raises(martlet.MartletError, match="defer_rows"):
        mt.NAdam(table.parameters(), defer_rows=True)
    optimizer = mt.Adam(table.parameters(), defer_rows=True)
    table(torch.tensor([1, 2])).sum().backward()
    optimizer.step()
    with pytest.raises(martlet.ArgumentError, match=r"rows\[0\].*is 40; expected 0 ..< 40"):
        optimizer.catch_up(table.weight, torch.tensor([40]))
    with pytest.raises(martlet.DTypeError, match="wanted integers"):
        optimizer.catch_up(table.weight, torch.tensor([0.5]))
    with pytest.raises(martlet.ArgumentError, match="parameter is none of this optimizer's"):
        optimizer.catch_up(nn.Parameter(torch.zeros(2, 2)), torch.tensor([0]))
    optimizer.param_groups[0]["ema_decay"] = 0.9
    with pytest.raises(martlet.UnsupportedError, match="EMA_DECAY averages every row"):
        optimizer.step()


@pytest.mark.parametrize("rows", [150, 5, 3])
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_a_table_of_another_size(name: str, rows: int) -> None:
    """What is kept of rows is for as many rows as the parameter has now."""
    parameter = nn.Parameter(torch.ones(4, 2))
    optimizer = getattr(martlet.torch, name)([parameter], lr=0.1, defer_rows=True)

    def step(row: int) -> None:
        values = torch.ones(1, 2)
        parameter.grad = torch.sparse_coo_tensor(torch.tensor([[row]]), values, parameter.shape, check_invariants=True)
        optimizer.step()

    for _ in range(3):
        step(1)
    optimizer.finish()
    parameter.grad = None
    parameter.data = torch.ones(rows, 2)
    optimizer.state.clear()
    for _ in range(3):
        step(rows - 1)
    optimizer.finish()
    own = nn.Parameter(torch.ones(rows, 2))
    dense = getattr(martlet.torch, name)([own], lr=0.1)
    for _ in range(3):
        own.grad = torch.zeros(rows, 2)
        own.grad[rows - 1] = 1
        dense.step()
    assert torch.equal(parameter, own)
    # Behind, it is an error.
    step(0)
    step(1)
    parameter.grad = None
    parameter.data = torch.ones(rows + 7, 2)
    with pytest.raises(martlet.MartletError):
        step(rows)


def test_a_models_values_are_whole_when_they_are_saved_or_replaced() -> None:
    ended = []
    for options in ({}, {"defer_rows": True}):
        torch.manual_seed(1)
        model = nn.Sequential(nn.Embedding(20, 3, sparse=bool(options)), nn.Linear(3, 1))
        optimizer = martlet.torch.AdamW(model.parameters(), lr=0.1, **options)
        if options:
            optimizer.catch_up_for(model)

        def train(model: nn.Module = model, optimizer: Any = optimizer) -> None:
            for index in range(3):
                optimizer.zero_grad()
                model(torch.tensor([index, 5])).square().sum().backward()
                optimizer.step()

        train()
        best, state = copy.deepcopy(model.state_dict()), optimizer.state_dict()
        train()
        model.load_state_dict(best)
        optimizer.load_state_dict(state)
        assert torch.equal(model[0].weight, best["0.weight"])
        train()
        ended.append(model.state_dict()["0.weight"].clone())
    assert torch.equal(*ended)
