"""Embedding(sparse=True): a table is trained by the rows that batches name, as torch's with SparseAdam, and with
defer_rows to the bits of a dense one."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import martlet
from martlet import nn

ROWS, COLUMNS, LENGTH, BATCH = 40, 5, 7, 6


def samples(count: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Sentences of which each has words of its own, some of them several times, and their kinds."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, ROWS - 4, (count, LENGTH)).astype(np.int32)
    rows[:, 1] = rows[:, 0]
    return rows, rng.integers(0, 3, count)


def made(sparse: bool, optimizer: Any, shared: bool = False, rows: int = ROWS) -> nn.Model:
    ids = nn.Input((LENGTH,), dtype="int32")
    table = nn.Embedding(rows, COLUMNS, sparse=sparse, name="table")
    words = nn.GlobalAveragePooling1D()(nn.Dense(6, "tanh")(table(ids)))
    if shared:
        more = nn.Input((2,), dtype="int32")
        words = nn.Concatenate()([words, nn.Flatten()(table(more))])
    model = nn.Model([ids, more] if shared else ids, nn.Dense(3)(words), seed=5)
    model.compile(optimizer, nn.SparseCategoricalCrossentropy(from_logits=True))
    return model


class Torchs(torch.nn.Module):
    """The same model with the same weights."""

    def __init__(self, model: nn.Model, sparse: bool) -> None:
        super().__init__()
        table, kernel, bias, last, shift = (torch.from_numpy(weight.copy()) for weight in model.get_weights())
        self.table = torch.nn.Embedding.from_pretrained(table.double(), freeze=False, sparse=sparse)
        self.rest = torch.nn.ParameterList([kernel.double(), bias.double(), last.double(), shift.double()])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        kernel, bias, last, shift = self.rest
        return torch.tanh(self.table(ids) @ kernel + bias).mean(1) @ last + shift


class Steps:
    """Adam in float64 by Keras's convention, which SparseAdam's is too, of the rows that are named."""

    def __init__(self, weight: torch.Tensor) -> None:
        self.weight, self.step = weight, 0
        self.mean, self.square = torch.zeros_like(weight), torch.zeros_like(weight)

    def take(self, rows: Any = slice(None)) -> None:
        gradient, self.step = self.weight.grad[rows], self.step + 1
        with torch.no_grad():
            self.mean[rows] += 0.1 * (gradient - self.mean[rows])
            self.square[rows] += 0.001 * (gradient**2 - self.square[rows])
            rate = 1e-2 * (1 - 0.999**self.step) ** 0.5 / (1 - 0.9**self.step)
            self.weight[rows] -= rate * self.mean[rows] / (self.square[rows].sqrt() + 1e-4)


@pytest.mark.parametrize("norm", [None, 0.02], ids=["plain", "clipped by the norm of all"])
def test_sparse_rows_move_as_torchs_in_float64(norm: float | None) -> None:
    """torch's SparseAdam clips nothing, so where gradients are clipped its rows are stepped by hand."""
    model = made(True, nn.Adam(1e-2, epsilon=1e-4, global_clipnorm=norm))
    peer = Torchs(model, sparse=norm is None)
    table, rest = Steps(peer.table.weight), [Steps(weight) for weight in peer.rest]
    sparse = torch.optim.SparseAdam([peer.table.weight], lr=1e-2, eps=1e-4)
    x, y = samples(5 * BATCH)
    for start in range(0, len(x), BATCH):
        part = slice(start, start + BATCH)
        model.train_on_batch(x[part], y[part])
        peer.zero_grad()
        torch.nn.functional.cross_entropy(peer(torch.from_numpy(x[part]).long()), torch.from_numpy(y[part])).backward()
        if norm is None:
            sparse.step()
        else:
            whole = torch.stack([weight.grad.norm() for weight in peer.parameters()]).norm()
            for weight in peer.parameters():
                weight.grad *= min(1.0, norm / whole.item())
            table.take(np.unique(x[part]))
        for one in rest:
            one.take()
    theirs = [peer.table.weight, *peer.rest]
    for ours, other in zip(model.get_weights(), theirs, strict=True):
        np.testing.assert_allclose(ours, other.detach().numpy(), rtol=0, atol=2e-6)


def test_rows_that_no_batch_names_stay_and_others_do_not() -> None:
    model = made(True, nn.Adam(1e-2))
    before = model.get_weights()[0].copy()
    x, y = samples(3 * BATCH)
    model.fit(x, y, batch_size=BATCH, epochs=2, verbose=0)
    moved = (model.get_weights()[0] != before).any(1)
    assert moved[np.unique(x)].all() and not moved[np.setdiff1d(np.arange(ROWS), x)].any()


@pytest.mark.parametrize("shared", [False, True], ids=["read once", "read twice"])
@pytest.mark.parametrize("options", [{}, {"global_clipnorm": 0.05}, {"weight_decay": 0.01}], ids=str)
def test_deferred_rows_give_the_bits_of_a_dense_table(options: dict[str, float], shared: bool) -> None:
    models = [made(sparse, nn.Adam(1e-2, defer_rows=sparse, **options), shared) for sparse in (True, False)]
    x, y = samples(40)
    inputs = [x, x[:, :2][::-1].copy()] if shared else x
    for turn in range(3):
        for model in models:
            model.fit(inputs, y, batch_size=BATCH, epochs=2, verbose=0)
        ours, dense = (model.predict(inputs) for model in models)
        np.testing.assert_array_equal(ours, dense, str(turn))
        for one, other in zip(*(model.get_weights() for model in models), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_same_bits_for_any_thread_count() -> None:
    threads, found = martlet.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            martlet.set_num_threads(count)
            model = made(True, nn.Adam(1e-2, global_clipnorm=0.05), shared=True)
            x, y = samples(200)
            model.fit([x, x[:, :2].copy()], y, batch_size=50, epochs=2, verbose=0)
            found.append(model.get_weights())
    finally:
        martlet.set_num_threads(threads)
    for one, other in itertools.pairwise(found):
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("defers", [False, True])
def test_a_saved_model_goes_on_to_the_bit(tmp_path: Path, defers: bool) -> None:
    model = made(True, nn.Adam(1e-2, defer_rows=defers))
    x, y = samples(5 * BATCH)
    model.fit(x, y, batch_size=BATCH, verbose=0)
    model.save(tmp_path / "model.martlet")
    other = nn.load_model(tmp_path / "model.martlet")
    assert other.layers[1].sparse is True
    for one in (model, other):
        one.fit(x, y, batch_size=BATCH, epochs=2, verbose=0)
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_each_algorithm_of_rows_steps_a_table() -> None:
    x, y = samples(3 * BATCH)
    for kind in (nn.SGD, nn.Adagrad, nn.RMSprop, nn.AdamW, nn.Nadam, nn.Lion):
        model = made(True, kind(1e-2))
        before = model.get_weights()[0].copy()
        model.fit(x, y, batch_size=BATCH, verbose=0)
        moved = (model.get_weights()[0] != before).any(1)
        assert moved[np.unique(x)].all() and not moved[np.setdiff1d(np.arange(ROWS), x)].any(), kind


@pytest.mark.parametrize("norm", [None, 0.02], ids=["plain", "clipped"])
def test_gradients_that_the_caller_gives_step_all_their_rows(norm: float | None) -> None:
    """Of two batches together, as with accumulation or other processes: a deferred table moves as a dense one does, and
    what was written stands in no later batch's gradient. A model that has seen no batch moves by what it is given."""
    models = [made(sparse, nn.Adam(1e-2, defer_rows=sparse, global_clipnorm=norm)) for sparse in (True, False)]
    x, y = samples(3 * BATCH)
    for model in models:
        model.differentiate(x[:BATCH], y[:BATCH])
        given = np.array(model.gradients())
        model.differentiate(x[BATCH : 2 * BATCH], y[BATCH : 2 * BATCH])
        model.step((given + model.gradients()) / 2)
        model.train_on_batch(x[2 * BATCH :], y[2 * BATCH :])
    for found, wanted in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(found, wanted)
    models[0].differentiate(x[:1], y[:1])
    table = models[0].gradients()[: ROWS * COLUMNS].reshape(ROWS, COLUMNS)
    np.testing.assert_array_equal(np.flatnonzero(table.any(1)), np.unique(x[:1]))

    fresh = [made(sparse, nn.Adam(1e-2, defer_rows=sparse)) for sparse in (True, False)]
    for model in fresh:
        model.step(given)
    for found, wanted in zip(*(model.get_weights() for model in fresh), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("defers", [False, True], ids=["lazy", "deferred"])
@pytest.mark.parametrize("shared", [False, True], ids=["read once", "read twice"])
def test_a_loss_of_ones_own_trains_rows_as_the_librarys(defers: bool, shared: bool) -> None:
    """Over batches that grow and shrink."""

    def squared(y_true: Any, y_pred: Any) -> Any:
        error = y_pred.astype(np.float64) - y_true
        return (error**2).mean(1), 2 * error / 3

    models = [made(True, nn.Adam(1e-2, epsilon=1e-4, defer_rows=defers), shared) for _ in range(2)]
    for model, loss in zip(models, (squared, "mse"), strict=True):
        model.compile(nn.Adam(1e-2, epsilon=1e-4, defer_rows=defers), loss)
    ids, _ = samples(60)
    targets = np.random.default_rng(4).standard_normal((60, 3)).astype(np.float32)
    for start, count in [(0, 2), (2, 30), (32, 5), (37, 23)]:
        part = slice(start, start + count)
        x = [ids[part], ids[part, 2:4]] if shared else ids[part]
        for model in models:
            model.train_on_batch(x, targets[part])
    for found, wanted in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        (lambda: nn.Lamb(1e-3), "lamb sees the parameter as a whole"),
        (lambda: nn.Adam(1e-3, ema_decay=0.99), "EMA_DECAY averages every row"),
        (lambda: nn.Adam(1e-3, gradient_accumulation_steps=4), "ACCUMULATE keeps a mean of every row"),
        (lambda: nn.Adam(1e-3, state_dtype="bfloat16", defer_rows=True), "DEFER_ROWS takes no state of bf16"),
        (lambda: nn.Adam(1e-3, low_precision="stochastic"), "low precision rounds the value"),
        (lambda: nn.Adam(1e-3, param_copy="float16"), "a copy is of every row"),
    ],
)
def test_what_cannot_train_rows_says_so(optimizer: Any, said: str) -> None:
    model = made(True, optimizer(), rows=4096)
    with pytest.raises(martlet.UnsupportedError, match=said) as raised:
        model.fit(*samples(BATCH), verbose=0)
    if "copy" not in said:
        assert '"table/embeddings" is trained by rows, since its layer is sparse' in str(raised.value)


def test_a_penalty_on_a_sparse_table_is_refused() -> None:
    ids = nn.Input((3,), dtype="int32")
    table = nn.Embedding(9, 2, embeddings_regularizer=nn.regularizers.L2(0.1), sparse=True)
    with pytest.raises(martlet.ArgumentError, match="a penalty moves every row"):
        nn.Model(ids, nn.Flatten()(table(ids)))
