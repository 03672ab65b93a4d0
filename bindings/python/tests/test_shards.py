"""Steps of shards, whose sums a caller adds up: parts of parameters step as the whole does, in both faces; what a
reduce function may get, give and raise; and who refuses shards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import martlet
import martlet.torch
from by_number import CLASSES
from martlet import _algorithms, _ffi_optimizers, optim
from martlet._errors import ArgumentError, BusyError, DTypeError, ShapeError

MATRICES = ("adafactor", "muon", "soap", "adam_mini")
#: Options under which a step sums over a parameter.
SUMMED: list[tuple[int, dict[str, Any]]] = []
for number in sorted(CLASSES):
    kind = _algorithms.of(number)
    told = {"weight_decay": 0.1} if "weight_decay" in kind.places else {}
    told |= {"momentum": 0.9} if "momentum" in kind.places else {}
    if kind.name not in MATRICES and kind.takes_vectors:
        SUMMED += [(number, told)] * int(kind.is_whole)
        SUMMED += [(number, {**told, "cautious": True})] * int(bool(kind.flags & _ffi_optimizers.CAUTIOUS_UPDATE))
#: Gradients are looked at first, for norms over all parameters or each.
LOOKED: list[tuple[int, dict[str, Any]]] = [
    (_ffi_optimizers.ADAMW, {"max_norm": 1.0}),
    (_ffi_optimizers.SGD, {"clip_norm": 1.0, "momentum": 0.9}),
    (_ffi_optimizers.LAMB, {"max_norm": 1.0, "skip_nonfinite": True, "accumulate": 2, "ema_decay": 0.5}),
]
COUNTS = (40_000, 700, 3)
STEPS = 4


def noise(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(count)


def whole(number: int, options: dict[str, Any], dtype: type = np.float64) -> list[np.ndarray]:
    arrays = [noise(k, count).astype(dtype) for k, count in enumerate(COUNTS)]
    optimizer = CLASSES[number](arrays, **options)
    for t in range(STEPS):
        optimizer.step([noise(100 * t + k + 10, count).astype(dtype) for k, count in enumerate(COUNTS)])
    return arrays


class Ranks:
    """Threads that add their numbers up, in their order."""

    def __init__(self, count: int) -> None:
        self.given: list[np.ndarray] = [np.empty(0)] * count
        self.barrier = threading.Barrier(count, timeout=60)

    def reduce(self, rank: int) -> Callable[[Any], None]:
        def add(sums: Any) -> None:
            self.given[rank] = np.asarray(sums).copy()
            self.barrier.wait()
            total = sum(self.given[1:], self.given[0].copy())
            self.barrier.wait()
            sums[:] = total if isinstance(sums, np.ndarray) else torch.from_numpy(total)

        return add

    def run(self, work: Callable[[int, Callable[[Any], None]], None]) -> None:
        failed: list[BaseException] = []

        def one(rank: int) -> None:
            try:
                work(rank, self.reduce(rank))
            except BaseException as error:
                failed.append(error)
                self.barrier.abort()

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(len(self.given))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]


def in_shards(number: int, options: dict[str, Any], cuts: list[tuple[int, ...]], face: str) -> list[np.ndarray]:
    """The parameters of ranks that have a part of each, put together. cuts: for each parameter, where it is cut."""
    arrays = [noise(k, count) for k, count in enumerate(COUNTS)]
    ends = [(0, *places, count) for places, count in zip(cuts, COUNTS, strict=True)]
    ranks = len(ends[0]) - 1

    def work(rank: int, reduce: Callable[[Any], None]) -> None:
        mine = [slice(end[rank], end[rank + 1]) for end in ends]
        parts = [array[part] for array, part in zip(arrays, mine, strict=True)]
        tensors = [torch.nn.Parameter(torch.from_numpy(part)) for part in parts]
        title = CLASSES[number].__name__
        optimizer: Any = CLASSES[number](parts, **options)
        if face == "torch":
            optimizer = getattr(martlet.torch, title)(tensors, **options)
        optimizer.reduce_sums = reduce
        for t in range(STEPS):
            every = [noise(100 * t + k + 10, count) for k, count in enumerate(COUNTS)]
            grads = [grad[part] for grad, part in zip(every, mine, strict=True)]
            if face == "torch":
                for tensor, grad in zip(tensors, grads, strict=True):
                    tensor.grad = torch.from_numpy(grad)
                optimizer.step()
            else:
                optimizer.step(grads)

    Ranks(ranks).run(work)
    return arrays


@pytest.mark.parametrize("face", ["numpy", "torch"])
@pytest.mark.parametrize(("number", "options"), SUMMED + LOOKED, ids=str)
def test_shards_step_as_the_whole_does(number: int, options: dict[str, Any], face: str) -> None:
    """Cut anywhere, one with nothing of a parameter: to some roundings of fp64."""
    wanted = whole(number, options)
    for cuts in ([(1,), (699,), (0,)], [(17_000, 17_000), (0, 350), (3, 3)]):
        found = in_shards(number, options, list(cuts), face)
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("face", ["numpy", "torch"])
@pytest.mark.parametrize("number", [_ffi_optimizers.ADAMW, _ffi_optimizers.LAMB, _ffi_optimizers.PRODIGY])
def test_norms_of_changes_are_of_all_shards(number: int, face: str) -> None:
    """One with nothing of a parameter, one with nothing at all; micro-steps ask for nothing."""
    options: dict[str, Any] = {"measure_update": True, "max_norm": 5.0, "accumulate": 2}
    arrays = [noise(k, count) for k, count in enumerate(COUNTS)]
    title, wanted = CLASSES[number].__name__, []
    alone = CLASSES[number]([array.copy() for array in arrays], **options)
    for t in range(STEPS):
        alone.step([noise(100 * t + k + 10, count) for k, count in enumerate(COUNTS)])
        wanted.append(alone.last_step.update_norm)
    assert np.isnan(wanted[0]) and wanted[1] > 0
    cuts = [(0, 700, 40_000, 40_000), (0, 0, 700, 700), (0, 3, 3, 3)]

    def work(rank: int, reduce: Callable[[Any], None]) -> None:
        mine = [slice(cut[rank], cut[rank + 1]) for cut in cuts]
        parts = [array[part].copy() for array, part in zip(arrays, mine, strict=True)]
        tensors = [torch.nn.Parameter(torch.from_numpy(part)) for part in parts]
        ranks = {"numpy": lambda: CLASSES[number](parts, **options), "torch": lambda: torchs(title)(tensors, **options)}
        optimizer = ranks[face]()
        optimizer.reduce_sums = reduce
        for t in range(STEPS):
            every = [noise(100 * t + k + 10, count) for k, count in enumerate(COUNTS)]
            grads = [grad[part] for grad, part in zip(every, mine, strict=True)]
            for tensor, grad in zip(tensors, grads, strict=True):
                tensor.grad = torch.from_numpy(grad)
            optimizer.step() if face == "torch" else optimizer.step(grads)
            assert optimizer.last_step.update_norm == pytest.approx(wanted[t], rel=1e-9, nan_ok=True)

    def torchs(title: str) -> Any:
        return getattr(martlet.torch, title)

    Ranks(3).run(work)


def test_a_norm_of_changes_that_fails() -> None:
    """Everything has been stepped by then, and counted."""
    p, q = np.ones(4), np.ones(4)
    calls: list[np.ndarray] = []

    def last(sums: Any) -> None:
        calls.append(sums.copy())
        if len(calls) == 2:  # behind LAMB's own
            raise FailedError("rank 1 is gone")

    optimizer, other = (optim.LAMB([array], lr=0.1, measure_update=True) for array in (p, q))
    optimizer.reduce_sums = last
    other.step([np.full(4, 2.0)])
    with pytest.raises(FailedError, match="rank 1"):
        optimizer.step([np.full(4, 2.0)])
    assert np.array_equal(p, q)
    assert calls[1].tolist() == [pytest.approx(np.sum((q - 1) ** 2), rel=1e-12), 0.0, 4.0]


@pytest.mark.parametrize(("number", "options"), SUMMED, ids=str)
def test_one_shard_is_the_whole(number: int, options: dict[str, Any]) -> None:
    """To the bit, for any threads; a step without that sum would not be: the function is called, with counts."""
    for dtype in (np.float64, np.float32):
        wanted, counts = whole(number, options, dtype), []
        for threads in (1, 3):
            martlet.set_num_threads(threads)
            arrays = [noise(k, count).astype(dtype) for k, count in enumerate(COUNTS)]
            optimizer = CLASSES[number](arrays, **options)
            optimizer.reduce_sums = lambda sums, counts=counts: counts.append(sums.reshape(-1, 3)[:, 2].tolist())
            for t in range(STEPS):
                optimizer.step([noise(100 * t + k + 10, count).astype(dtype) for k, count in enumerate(COUNTS)])
            assert all(map(np.array_equal, arrays, wanted))
        passes = (3 if _algorithms.of(number).is_whole else 2) if options.get("cautious") else 2
        assert counts == [[float(count) for count in COUNTS]] * (2 * STEPS * (passes - 1))


def test_algorithms_without_sums_are_stepped_as_ever() -> None:
    """Beside those with sums, too, which have the places of their parameters."""
    calls: list[list[float]] = []
    p, q, r = np.ones(4), np.ones(5), np.ones(5)
    optimizer = optim.Adam([{"params": [p]}, {"params": [q], "algorithm": "lamb", "lr": 0.1}], lr=0.1)
    optimizer.reduce_sums = lambda sums: calls.append(sums.tolist())
    optimizer.step([np.ones(4), np.full(5, 2.0)])
    optim.LAMB([r], lr=0.1, weight_decay=0.0).step([np.full(5, 2.0)])
    assert np.array_equal(q, r)
    assert [call[:3] for call in calls] == [[0.0, 0.0, 0.0]]
    assert calls[0][5] == 5.0
    optimizer = optim.Adam([p], lr=0.1)
    optimizer.reduce_sums = lambda sums: calls.append(sums.tolist())
    optimizer.step([np.ones(4)])
    assert len(calls) == 1


def test_sums_may_be_given_back() -> None:
    """By a function that leaves its array alone; the array may be kept."""
    kept: list[np.ndarray] = []
    p, q = np.arange(1.0, 5.0), np.arange(1.0, 5.0)
    optimizer = optim.LAMB([p], lr=0.1)
    optimizer.reduce_sums = lambda sums: [kept.append(sums), sums + 0][1]
    optimizer.step([np.ones(4)])
    optim.LAMB([q], lr=0.1).step([np.ones(4)])
    assert np.array_equal(p, q)
    assert kept[0].tolist() == [30.0, pytest.approx(4.0, rel=1e-4), 4.0]


class FailedError(Exception):
    pass


def raising(sums: Any) -> None:
    raise FailedError("rank 1 is gone")


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (raising, FailedError, "rank 1"),
        (lambda sums: sums[:1], ShapeError, "shape .1,.*6,"),
        (lambda sums: "much", DTypeError, "'much'"),
        (lambda sums: optim.SGD([np.ones(2)], lr=0.1).step([np.ones(2)]), BusyError, "inside a reduce function"),
    ],
)
@pytest.mark.parametrize("face", ["numpy", "torch"])
def test_a_function_that_fails(function: Any, error: type[Exception], words: str, face: str) -> None:
    """What it raises arrives; others' parameters and all counts are as before, and the next step is as ever."""
    p, q = np.ones(3), np.ones(3)
    groups: Any = [{"params": [p]}, {"params": [q], "algorithm": "adam"}]
    tensors = [torch.nn.Parameter(torch.from_numpy(array)) for array in (p, q)]
    optimizer: Any = optim.LAMB(groups, lr=0.1)
    grads = [np.ones(3), np.ones(3)]
    if face == "torch":
        optimizer = martlet.torch.LAMB([{"params": tensors[:1]}, {"params": tensors[1:], "algorithm": "adam"}], lr=0.1)
        for tensor, grad in zip(tensors, grads, strict=True):
            tensor.grad = torch.from_numpy(grad)
    step = optimizer.step if face == "torch" else lambda: optimizer.step(grads)
    step()
    before = q.copy()
    optimizer.reduce_sums = function
    with pytest.raises(error, match=words):
        step()
    assert np.array_equal(q, before)
    optimizer.reduce_sums = None
    step()
    assert not np.array_equal(q, before)
    counts = [float(entry["step"]) for entry in optimizer.state_dict()["state"].values()]
    assert counts == [2.0, 2.0]


@pytest.mark.parametrize("number", [np.nan, np.inf, -1.0, 0.0])
@pytest.mark.parametrize(("algorithm", "options"), SUMMED, ids=str)
def test_sums_that_are_none(algorithm: int, options: dict[str, Any], number: float) -> None:
    """End in numbers, whatever they are."""
    p = np.ones(3)
    optimizer = CLASSES[algorithm]([p], **options)
    optimizer.reduce_sums = lambda sums: np.full_like(sums, number)
    optimizer.step([np.ones(3)])
    assert optimizer.state_dict()["state"][0]["step"] == 1 if "step" in optimizer.state_dict()["state"][0] else True


@pytest.mark.parametrize("name", MATRICES)
def test_who_refuses_shards(name: str) -> None:
    """Before anything is changed."""
    found = [kind for number, kind in CLASSES.items() if _algorithms.of(number).name == name]
    for kind in found:
        p = np.ones((4, 3))
        optimizer = kind([p])
        optimizer.reduce_sums = lambda sums: None
        with pytest.raises(ArgumentError, match=f"{name}.*part of a parameter"):
            optimizer.step([np.ones((4, 3))])
        assert np.array_equal(p, np.ones((4, 3)))


def test_what_may_stand_there() -> None:
    for optimizer in (optim.LAMB([np.ones(2)]), martlet.torch.LAMB([torch.nn.Parameter(torch.ones(2))])):
        assert optimizer.reduce_sums is None
        with pytest.raises(DTypeError, match="reduce_sums is 3"):
            optimizer.reduce_sums = 3
