"""Gradients of some rows, martlet.Rows: what they step, beside float64 numpy and torch.optim.SparseAdam; what is
refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import martlet
from martlet import Rows, optim

SHAPE = (40, 3, 5)


def given(seed: int, count: int = 30, dtype: str = "float64") -> tuple[Any, Any]:
    """Row numbers, several of them more than once, and values for them."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 25, count), rng.standard_normal((count, *SHAPE[1:])).astype(dtype)


def summed(indices: Any, values: Any) -> tuple[Any, Any]:
    """The rows that are named, once each, with their sums in the order of the places."""
    rows = np.unique(indices)
    sums = np.zeros((len(rows), *values.shape[1:]), values.dtype)
    for index, value in zip(indices, values, strict=True):
        sums[np.searchsorted(rows, index)] += value
    return rows, sums


def start(dtype: str = "float64") -> Any:
    return np.random.default_rng(7).standard_normal(SHAPE).astype(dtype)


def lazy_adam(w: Any, m: Any, v: Any, t: int, rows: Any, g: Any, decay: float, decoupled: bool) -> None:
    """Adam of the named rows, in float64."""
    b1, b2, lr, eps = 0.9, 0.999, 1e-2, 1e-8
    if decoupled:
        w[rows] *= 1 - lr * decay
    else:
        g = g + decay * w[rows]
    m[rows] = b1 * m[rows] + (1 - b1) * g
    v[rows] = b2 * v[rows] + (1 - b2) * g * g
    w[rows] -= lr / (1 - b1**t) * m[rows] / (np.sqrt(v[rows]) / np.sqrt(1 - b2**t) + eps)


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam_of_rows_is_adam_of_these_rows_alone(decay: float, decoupled: bool) -> None:
    w, wanted = start(), start()
    m, v = np.zeros(SHAPE), np.zeros(SHAPE)
    optimizer = optim.Adam(w, lr=1e-2, weight_decay=decay, decoupled_weight_decay=decoupled)
    for t in range(1, 21):
        indices, values = given(t)
        optimizer.step(Rows(indices, values))
        lazy_adam(wanted, m, v, t, *summed(indices, values), decay, decoupled)
    np.testing.assert_allclose(w, wanted, rtol=1e-13, atol=1e-14)
    assert (w[25:] == start()[25:]).all()
    state = optimizer.state_dict()["state"][0]
    assert state["step"] == 20
    np.testing.assert_allclose(state["exp_avg_sq"], v, rtol=1e-13)


def test_it_is_torchs_sparse_adam() -> None:
    w, theirs = start(), torch.nn.Parameter(torch.tensor(start()))
    ours = optim.Adam(w, lr=1e-2, semantics="keras")
    peer = torch.optim.SparseAdam([theirs], lr=1e-2)
    for t in range(20):
        indices, values = given(t)
        ours.step(Rows(indices, values))
        theirs.grad = torch.sparse_coo_tensor(indices[None], torch.tensor(values), SHAPE, check_invariants=True)
        peer.step()
    np.testing.assert_allclose(w, theirs.detach().numpy(), rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("make", [optim.Adam, optim.SGD, optim.Adagrad, optim.RMSprop, optim.Lion, optim.Adan])
def test_the_bits_are_those_of_a_dense_step_of_the_rows(make: Callable[..., Any]) -> None:
    w = start("float32")
    indices, values = given(1, dtype="float32")
    rows, sums = summed(indices, values)
    small = w[rows].copy()
    make(small, lr=1e-2).step(sums)
    make(w, lr=1e-2).step(Rows(indices, values))
    assert w[rows].tobytes() == small.tobytes()


def test_any_layout_and_type() -> None:
    plain = start("float32")
    optimizers = [optim.Adam(plain, lr=1e-2)]
    arrays = [plain]
    holder = np.zeros((SHAPE[0], SHAPE[2], SHAPE[1] + 2), np.float32).transpose(0, 2, 1)[:, 1:-1]
    holder[...] = start("float32")
    arrays.append(holder)
    optimizers.append(optim.Adam(holder, lr=1e-2))
    for t in range(4):
        indices, values = given(t, dtype="float32")
        turned = np.ascontiguousarray(values.transpose(2, 0, 1)).transpose(1, 2, 0)
        optimizers[0].step(Rows(indices.astype(np.int32), values))
        optimizers[1].step([Rows(list(indices), turned)])
    assert arrays[0].tobytes() == np.ascontiguousarray(arrays[1]).tobytes()
    half = start("float16")
    optim.Adam(half, state_dtype="float32").step(Rows([3, 3], np.ones((2, *SHAPE[1:]), np.float64)))
    assert (half[3] != start("float16")[3]).all() and (np.delete(half, 3, 0) == np.delete(start("float16"), 3, 0)).all()


def test_rows_beside_dense_gradients_and_none() -> None:
    w, bias, other = start(), np.ones(4), np.ones(3)
    twin_w, twin_bias = start(), np.ones(4)
    optimizer = optim.AdamW({"w": w, "bias": bias, "other": other})
    first, second = optim.AdamW(twin_w), optim.AdamW(twin_bias)
    dense = np.linspace(-1, 1, 4)
    for t in range(4):
        rows = Rows(*given(t)) if t != 2 else None
        optimizer.step({"w": rows, "bias": dense, "other": None})
        if rows is not None:
            first.step(rows)
        second.step(dense)
    assert w.tobytes() == twin_w.tobytes() and bias.tobytes() == twin_bias.tobytes() and (other == 1).all()
    optimizer.step({"w": np.ones(SHAPE), "bias": dense, "other": None})
    first.step(np.ones(SHAPE))
    assert w.tobytes() == twin_w.tobytes()


def test_no_rows_count_a_step() -> None:
    w = start()
    optimizer = optim.Adam(w, weight_decay=0.1)
    optimizer.step(Rows([], np.zeros((0, *SHAPE[1:]))))
    assert optimizer.state_dict()["state"][0]["step"] == 1 and w.tobytes() == start().tobytes()


def test_functions_and_apply_gradients_take_them() -> None:
    w, twin, third = start(), start(), start()
    state: dict[str, Any] = {}
    optimizer, keras = optim.Adam(twin, lr=1e-2), optim.Adam(lr=1e-2)
    for t in range(3):
        rows = Rows(*given(t))
        martlet.adam(w, rows, state, lr=1e-2)
        optimizer.step(rows)
        keras.apply_gradients([(rows, third)])
    assert w.tobytes() == twin.tobytes() == third.tobytes()


def test_the_same_bits_on_any_number_of_threads_and_instruction_set() -> None:
    before = martlet.get_num_threads()
    best = martlet.machine().isa_best
    sets = ["baseline", "avx2", "avx512"]
    results = []
    rng = np.random.default_rng(3)
    indices, values = rng.integers(0, 3000, 8000), rng.standard_normal((8000, 64)).astype(np.float32)
    try:
        of_sets = [(2, isa) for isa in sets[: sets.index(best) + 1]]
        for threads, isa in [(1, "auto"), (2, "auto"), (4, "auto"), *of_sets]:
            martlet.set_num_threads(threads)
            martlet.set_isa(isa)
            w = np.ones((4000, 64), np.float32)
            optimizer = optim.Adam(w)
            for _ in range(3):
                optimizer.step(Rows(indices, values))
            results.append(w.tobytes())
    finally:
        martlet.set_num_threads(before)
        martlet.set_isa("auto")
    assert len(set(results)) == 1


ROW = np.ones((2, *SHAPE[1:]))
WRONG = {
    "past the end": (Rows([1, 40], ROW), martlet.ArgumentError, r"rows\[1\] of .*params.* is 40; expected 0 ..< 40"),
    "negative": (Rows([-1, 3], ROW), martlet.ArgumentError, r"rows\[0\] of .*params.* is -1"),
    "unsigned": (Rows(np.array([2**63, 3], np.uint64), ROW), martlet.ArgumentError, r"is -9223372036854775808"),
    "floats": (Rows([1.0, 2.0], ROW), martlet.DTypeError, "dtype float64; wanted integers"),
    "booleans": (Rows(np.ones(2, bool), ROW), martlet.DTypeError, "dtype bool; wanted integers"),
    "a matrix of indices": (Rows([[1, 2]], ROW), martlet.DTypeError, r"shape \(1, 2\)"),
    "too few values": (
        Rows([1, 2, 3], ROW),
        martlet.ShapeError,
        r"\(2, 3, 5\), and there are 3 indices .* wanted \(3, 3, 5\)",
    ),
    "rows of another shape": (Rows([1, 2], np.ones((2, 15))), martlet.ShapeError, r"wanted \(2, 3, 5\)"),
    "no array": (Rows([1], [[1.0]]), martlet.DTypeError, "the values of the gradient of .* is a builtins.list"),
    "integers": (Rows([1, 2], ROW.astype(int)), martlet.DTypeError, "dtype int64"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_refused(what: str) -> None:
    rows, error, message = WRONG[what]
    w = start()
    optimizer = optim.Adam(w)
    optimizer.step(Rows([0, 5], ROW))
    before, state = w.tobytes(), optimizer.state_dict()["state"][0]
    with pytest.raises(error, match=message):
        optimizer.step(rows)
    assert w.tobytes() == before
    after = optimizer.state_dict()["state"][0]
    assert all(np.array_equal(after[key], state[key]) for key in state)


@pytest.mark.parametrize(
    ("make", "options", "who"),
    [
        (optim.LAMB, {}, "lamb sees the parameter as a whole"),
        (optim.Muon, {}, "muon"),
        (optim.Adafactor, {}, "adafactor"),
        (optim.Adam, {"cautious": True}, "CAUTIOUS_UPDATE counts every row"),
        (optim.Adam, {"lookahead_steps": 5}, "LOOKAHEAD_STEPS moves every row"),
    ],
)
def test_what_sees_a_parameter_as_a_whole(make: Callable[..., Any], options: dict[str, Any], who: str) -> None:
    w = np.ones((8, 8))
    with pytest.raises(martlet.UnsupportedError, match=rf"grad of .* is of rows, and .*{re.escape(who)}"):
        make(w, **options).step(Rows([1], np.ones((1, 8))))
    assert (w == 1).all()


def test_written_memory_overlaps_nothing() -> None:
    w = np.ones((8, 8))
    with pytest.raises(martlet.OverlapError):
        optim.SGD(w).step(Rows([1], w[2:3]))


@pytest.mark.parametrize("make", [optim.ASGD, optim.Rprop, optim.SGDScheduleFree, optim.AdamWScheduleFree])
def test_rows_that_come_late_begin_as_at_the_first_step(make: Callable[..., Any]) -> None:
    """A row that is named at the second step only, beside one whose gradient was 0 at the first."""
    late, early = start(), start()
    late_optimizer, early_optimizer = make(late), make(early)
    gradient = np.ones((1, *SHAPE[1:]))
    late_optimizer.step(Rows([0], gradient))
    early_optimizer.step(Rows([0, 9], np.concatenate([gradient, 0 * gradient])))
    for optimizer in (late_optimizer, early_optimizer):
        optimizer.step(Rows([9], gradient))
    decays = np.abs(early[9] - late[9]).max()
    assert decays < 1e-3 if make is optim.ASGD else early[9].tobytes() == late[9].tobytes()


def test_adagrads_sum_begins_when_a_row_is_first_named() -> None:
    w, twin = start(), torch.nn.Parameter(torch.tensor(start()))
    ours = optim.Adagrad(w, lr=0.1, initial_accumulator_value=0.5)
    theirs = torch.optim.Adagrad([twin], lr=0.1, initial_accumulator_value=0.5)
    for t in range(6):
        indices, values = given(t, 6)
        ours.step(Rows(indices, values))
        twin.grad = torch.sparse_coo_tensor(indices[None], torch.tensor(values), SHAPE, check_invariants=True)
        theirs.step()
    np.testing.assert_allclose(w, twin.detach().numpy(), rtol=1e-14, atol=1e-15)


def test_an_adagrad_beside_it_goes_on_from_its_own_sums() -> None:
    """A dense parameter of the same group and step, whose sums are 0 after the first step."""
    w, bias = start(), np.ones(4)
    optimizer = optim.Adagrad([w, bias], lr=0.1, initial_accumulator_value=0.5)
    state = {0: {"step": 1, "sum": np.zeros(SHAPE)}, 1: {"step": 1, "sum": np.zeros(4)}}
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    optimizer.step([Rows([1], np.ones((1, *SHAPE[1:]))), np.full(4, 2.0)])
    found = optimizer.state_dict()["state"]
    assert (found[1]["sum"] == 4).all() and (found[0]["sum"][1] == 1.5).all()
