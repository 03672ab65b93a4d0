"""Deferred rows, defer_rows=True: a gradient of rows means what a dense one with zeros in the other rows means, once
rows have caught up. Beside torch's dense optimizers in float64, and to the bit beside our own dense steps, which other
tests hold."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import martlet
from martlet import Rows, optim
from martlet.schedules import CosineDecay

SHAPE = (40, 3, 5)
KINDS: dict[str, tuple[Callable[..., Any], dict[str, Any], Callable[..., Any], dict[str, Any]]] = {
    "sgd": (optim.SGD, {}, torch.optim.SGD, {}),
    "sgd with momentum": (optim.SGD, {"momentum": 0.9, "nesterov": True}, torch.optim.SGD,
                          {"momentum": 0.9, "nesterov": True}),
    "sgd with decay": (optim.SGD, {"weight_decay": 0.1}, torch.optim.SGD, {"weight_decay": 0.1}),
    "adam": (optim.Adam, {}, torch.optim.Adam, {}),
    "adam with decay": (optim.Adam, {"weight_decay": 0.1}, torch.optim.Adam, {"weight_decay": 0.1}),
    "amsgrad": (optim.Adam, {"amsgrad": True}, torch.optim.Adam, {"amsgrad": True}),
    "adamw": (optim.AdamW, {"weight_decay": 0.1}, torch.optim.AdamW, {"weight_decay": 0.1}),
    "adagrad": (optim.Adagrad, {"lr_decay": 0.01, "initial_accumulator_value": 0.1}, torch.optim.Adagrad,
                {"lr_decay": 0.01, "initial_accumulator_value": 0.1}),
    "rmsprop": (optim.RMSprop, {}, torch.optim.RMSprop, {}),
    "rmsprop with momentum": (optim.RMSprop, {"momentum": 0.9, "centered": True}, torch.optim.RMSprop,
                              {"momentum": 0.9, "centered": True}),
}  # fmt: skip


def start(dtype: str = "float64") -> Any:
    return np.random.default_rng(7).standard_normal(SHAPE).astype(dtype)


def given(seed: int, dtype: str = "float64") -> tuple[Any, Any, Any]:
    """Row numbers, several of them twice and some never, values for them, and these as a dense gradient."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 33, rng.integers(1, 9))
    values = rng.integers(-128, 128, (len(rows), *SHAPE[1:])).astype(dtype) / 64  # so that no sum is rounded
    dense = np.zeros(SHAPE, dtype)
    np.add.at(dense, rows, values)
    return rows, values, dense


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_torchs_dense_optimizer(kind: str) -> None:
    make, options, peer, theirs = KINDS[kind]
    w, tensor = start(), torch.nn.Parameter(torch.tensor(start()))
    ours, other = make(w, lr=1e-2, defer_rows=True, **options), peer([tensor], lr=1e-2, **theirs)
    for t in range(50):
        rows, values, dense = given(t)
        ours.catch_up(w, rows)
        np.testing.assert_allclose(w[rows], tensor.detach().numpy()[rows], rtol=1e-12, atol=1e-13)
        ours.step(Rows(rows, values))
        tensor.grad = torch.tensor(dense)
        other.step()
        rate = 1e-2 * (1 - t / 100)
        ours.lr = other.param_groups[0]["lr"] = rate
    ours.finish()
    np.testing.assert_allclose(w, tensor.detach().numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_are_those_of_the_dense_step(kind: str) -> None:
    make, options, _, _ = KINDS[kind]
    w, twin = start("float32"), start("float32")
    schedule = CosineDecay(1e-2, 100)
    ours, dense_one = make({"w": w}, lr=schedule, defer_rows=True, **options), make({"w": twin}, lr=schedule, **options)
    was_behind = False
    for t in range(60):
        rows, values, dense = given(t, "float32")
        ours.catch_up("w", rows.reshape(1, -1))
        assert w[rows].tobytes() == twin[rows].tobytes()
        ours.step(dense if t == 25 else Rows(rows, values))
        dense_one.step(dense)
        was_behind = was_behind or w.tobytes() != twin.tobytes()
        if t % 20 == 10:
            mine, theirs = (optimizer.state_dict()["state"].get(0, {}) for optimizer in (ours, dense_one))
            assert all(np.asarray(mine[slot]).tobytes() == np.asarray(theirs[slot]).tobytes() for slot in theirs)
            assert w.tobytes() == twin.tobytes()
        if t == 40:
            for optimizer in (ours, dense_one):
                optimizer.load_state_dict(optimizer.state_dict())
    ours.finish()
    assert w.tobytes() == twin.tobytes()
    assert was_behind or kind in ("sgd", "adagrad", "rmsprop")


def test_files_are_those_of_dense_steps(tmp_path: Any) -> None:
    w, twin = start("float32"), start("float32")
    ours, dense_one = optim.AdamW(w, defer_rows=True), optim.AdamW(twin)
    for t in range(10):
        rows, values, dense = given(t, "float32")
        ours.step(Rows(rows, values))
        dense_one.step(dense)
    ours.save(tmp_path / "ours")
    dense_one.save(tmp_path / "dense")
    assert w.tobytes() == twin.tobytes()
    ends = [(tmp_path / name).read_bytes()[-3 * w.nbytes // 2 :] for name in ("ours", "dense")]
    assert ends[0] == ends[1]
    again = start("float32")
    again[...] = w
    resumed = optim.AdamW(again, defer_rows=True)
    resumed.load(tmp_path / "ours")
    for t in range(10, 20):
        rows, values, dense = given(t, "float32")
        resumed.step(Rows(rows, values))
        dense_one.step(dense)
    resumed.finish()
    assert again.tobytes() == twin.tobytes()


@pytest.mark.parametrize("made", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
def test_copies_have_caught_up(made: Callable[[Any], Any]) -> None:
    w, twin = start("float32"), start("float32")
    ours, dense_one = optim.Adam(w, defer_rows=True), optim.Adam(twin)
    for t in range(8):
        rows, values, dense = given(t, "float32")
        ours.step(Rows(rows, values))
        dense_one.step(dense)
    other = made(ours)
    assert w.tobytes() == twin.tobytes()
    table = other.param_groups[0]["params"][0]
    for t in range(8, 16):
        rows, values, dense = given(t, "float32")
        other.step(Rows(rows, values))
        dense_one.step(dense)
    other.finish()
    assert table.tobytes() == twin.tobytes()


def test_options_change_between_steps() -> None:
    w, twin = start("float32"), start("float32")
    ours, dense_one = optim.Adam(w, defer_rows=True), optim.Adam(twin)
    for t in range(60):
        rows, values, dense = given(t, "float32")
        for optimizer in (ours, dense_one):
            optimizer.param_groups[0]["weight_decay"] = 0.1 if t > 20 else 0.0
            optimizer.param_groups[0]["maximize"] = t % 3 == 0
            optimizer.param_groups[0]["amsgrad"] = t > 30
        ours.step(Rows(rows, values))
        dense_one.step(dense)
    ours.param_groups[0]["defer_rows"] = False
    rows, values, dense = given(60, "float32")
    ours.step(dense)
    dense_one.step(dense)
    assert w.tobytes() == twin.tobytes()


def test_groups_and_layouts() -> None:
    holder = np.zeros((SHAPE[0], SHAPE[2], SHAPE[1] + 2), np.float32).transpose(0, 2, 1)[:, 1:-1]
    holder[...] = start("float32")
    lazy, bias, twin = start("float32"), np.ones(4, np.float32), start("float32")
    ours = optim.AdamW([{"params": [holder, bias], "defer_rows": True}, {"params": [lazy]}])
    dense_one, lazy_twin = optim.AdamW(twin), start("float32")
    lazy_one = optim.AdamW(lazy_twin)
    for t in range(20):
        rows, values, dense = given(t, "float32")
        ours.step([Rows(rows, values), np.ones(4, np.float32), Rows(rows, values)])
        dense_one.step(dense)
        lazy_one.step(Rows(rows, values))
    assert lazy.tobytes() == lazy_twin.tobytes()
    ours.finish()
    assert np.ascontiguousarray(holder).tobytes() == twin.tobytes()
    assert lazy.tobytes() == lazy_twin.tobytes() != twin.tobytes()


def test_training_goes_on_in_torchs_dense_class() -> None:
    w = start()
    ours = optim.AdamW(w, defer_rows=True)
    tensor, twin = torch.nn.Parameter(torch.zeros(SHAPE, dtype=torch.float64)), start()
    theirs, dense_one = torch.optim.AdamW([tensor]), optim.AdamW(twin)
    for t in range(20):
        rows, values, dense = given(t)
        if t < 10:
            ours.step(Rows(rows, values))
        elif t == 10:
            theirs.load_state_dict(martlet.convert.to_torch(ours, theirs))
            tensor.detach().copy_(torch.tensor(w))
        tensor.grad = torch.tensor(dense)
        if t >= 10:
            theirs.step()
        dense_one.step(dense)
    np.testing.assert_allclose(tensor.detach().numpy(), twin, rtol=1e-12, atol=1e-13)


def test_what_is_refused() -> None:
    w = start()
    rows = Rows([1, 2], np.ones((2, *SHAPE[1:])))
    with pytest.raises(martlet.MartletError, match="defer_rows"):
        optim.NAdam(w, defer_rows=True)
    for options, words in [
        ({"ema_decay": 0.9}, "EMA_DECAY averages every row"),
        ({"max_norm": 1.0}, "norms are of gradients of all elements"),
        ({"lookahead_steps": 5}, "LOOKAHEAD_STEPS moves every row"),
        ({"accumulate": 2}, "ACCUMULATE keeps a mean of every row"),
        ({"cautious": True}, "CAUTIOUS_UPDATE counts every row"),
        ({"param_copy": "float32"}, "its copy is of every row"),
    ]:
        with pytest.raises(martlet.UnsupportedError, match=re.escape(words)):
            optim.Adam(w, defer_rows=True, **options).step(rows)
    optimizer = optim.Adam(w, defer_rows=True)
    optimizer.catch_up(w, [1])  # nothing is behind
    optimizer.step(rows)
    before = w.tobytes()
    for bad in ([SHAPE[0]], [-1]):
        with pytest.raises(martlet.ArgumentError, match=r"expected 0 ..< 40"):
            optimizer.catch_up(w, bad)
    with pytest.raises(martlet.DTypeError, match=r"the rows of params\[0\] have dtype float64; wanted integers"):
        optimizer.catch_up(w, [0.5])
    with pytest.raises(martlet.ArgumentError, match=r"parameter is an array of shape \(40, 3, 5\); wanted"):
        optimizer.catch_up(start(), [0])
    with pytest.raises(
        martlet.ArgumentError, match="parameter is 'v'; wanted an array of this optimizer's, or its name"
    ):
        optimizer.catch_up("v", [0])
    with pytest.raises(martlet.MartletError, match="defer_rows"):
        martlet.adam(w, start(), defer_rows=True)
    assert w.tobytes() == before


def test_more_steps_than_are_kept() -> None:
    w = np.random.default_rng(1).standard_normal((6, 2)).astype(np.float32)
    twin = w.copy()
    ours, dense_one = optim.Adam(w, defer_rows=True), optim.Adam(twin)
    for t in range(4100):
        dense = np.zeros_like(w)
        dense[t % 2 if t else 5] = 1
        ours.step(Rows([t % 2 if t else 5], np.ones((1, 2), np.float32)))
        dense_one.step(dense)
    ours.finish()
    assert w.tobytes() == twin.tobytes()


@pytest.mark.parametrize("shape", [(150, 2), (3, 2), (8, 1)])
def test_an_array_of_another_size(shape: tuple[int, int]) -> None:
    array = np.ones((4, 2), np.float32)
    optimizer = optim.SGD([array], lr=0.1, defer_rows=True)
    optimizer.step([Rows([1], np.ones((1, 2), np.float32))])
    optimizer.finish()
    array.resize(shape, refcheck=False)
    array[:] = 1
    optimizer.step([Rows([shape[0] - 1], np.ones((1, shape[1]), np.float32))])
    optimizer.finish()
    wanted = np.ones(shape, np.float32)
    wanted[-1] -= np.float32(0.1)
    assert np.array_equal(array, wanted)
