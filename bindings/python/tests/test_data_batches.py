"""martlet.data.Batches: what is in an epoch, its order, and the life of the thread."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

import numpy as np
import pytest

import martlet
from martlet.data import Batches

X, Y = np.arange(50.0).reshape(25, 2), np.arange(25)


def threads() -> int:
    return sum(thread.name == "martlet-batches" for thread in threading.enumerate())


def ended() -> bool:
    """Whether all threads of Batches have ended, or do so at once."""
    for _ in range(200):
        if not threads():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("prefetch", [0, 1, 2, 10])
@pytest.mark.parametrize("drop_last", [False, True])
def test_an_epoch_has_every_sample_once(prefetch: int, drop_last: bool) -> None:
    batches = Batches(X, Y, 8, seed=3, prefetch=prefetch, drop_last=drop_last)
    assert len(batches) == 4 - drop_last
    epoch = list(batches)
    assert [len(y) for _, y in epoch] == [8, 8, 8, 1][: len(batches)]
    for x, y in epoch:
        assert (x == X[y]).all()
    seen = np.concatenate([y for _, y in epoch])
    assert len(set(seen)) == len(seen) == (24 if drop_last else 25)
    assert (seen != np.sort(seen)).any()
    assert ended()


def test_orders() -> None:
    def orders(**options: Any) -> list[list[int]]:
        batches = Batches(Y, batch_size=8, **options)
        return [np.concatenate(list(batches)).tolist() for _ in range(3)]

    first, second, third = orders(seed=1)
    assert first != second != third != first
    assert orders(seed=1) == orders(seed=1, prefetch=0) == [first, second, third]
    assert orders(seed=2)[0] != first
    assert orders() != orders()
    assert orders(shuffle=False) == [Y.tolist()] * 3


def test_neighbouring_epochs_share_no_random_numbers() -> None:
    """Philox streams of neighbouring counters would overlap: then one order would be a shifted form of another."""
    batches = Batches(np.arange(4000), batch_size=4000, seed=5)
    first, second = next(iter(batches)), next(iter(batches))
    shifts = [(np.roll(first, shift) == second).mean() for shift in range(-8, 9)]
    assert max(shifts) < 0.01


def test_abandoned_and_closed_iterations_end_their_threads() -> None:
    batches = Batches(X, Y, 1)
    iterator = iter(batches)
    next(iterator)
    assert threads() == 1
    del iterator
    gc.collect()
    assert ended()
    iterator = iter(batches)
    next(iterator)
    iterator.close()
    assert ended()
    with pytest.raises(StopIteration):
        next(iterator)
    for _ in batches:
        break
    gc.collect()
    assert ended()
    assert len(list(batches)) == 25


def test_an_error_in_the_thread_reaches_the_loop() -> None:
    class Broken(np.ndarray[Any, Any]):
        def __getitem__(self, index: Any) -> Any:
            raise OSError("the disk is gone")

    batches = Batches(X, Y, 8)
    batches._arrays = [X.view(Broken)]
    with pytest.raises(OSError, match="the disk is gone"):
        list(batches)
    assert ended()


def test_it_runs_ahead_only_as_far_as_asked() -> None:
    taken = []

    class Watched(np.ndarray[Any, Any]):
        def __getitem__(self, index: Any) -> Any:
            taken.append(1)
            return np.asarray(self)[index]

    batches = Batches(X, batch_size=1, prefetch=3)
    batches._arrays = [X.view(Watched)]
    iterator = iter(batches)
    next(iterator)
    time.sleep(0.2)
    assert len(taken) == 4
    iterator.close()


def test_a_forked_child_goes_on(run_python: Any) -> None:
    run_python(
        """
import os, signal
import numpy as np
from martlet.data import Batches
batches = Batches(np.arange(100), batch_size=10, seed=1)
whole = np.concatenate(list(Batches(np.arange(100), batch_size=10, seed=1)))
for turn in range(20):
    batches.epoch = 0
    iterator = iter(batches)
    start = [next(iterator) for _ in range(3)]
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        rest = np.concatenate(start + list(iterator))
        again = np.concatenate(list(batches))
        iterator.close()
        del iterator
        import sys
        sys.exit(0 if (rest == whole).all() and len(set(again)) == 100 else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert (np.concatenate(start + list(iterator)) == whole).all()
"""
    )


def test_leaving_with_an_iteration_open(run_python: Any) -> None:
    done = run_python(
        "import numpy as np\nfrom martlet.data import Batches\n"
        "iterator = iter(Batches(np.arange(1000), batch_size=1)); next(iterator)",
        "-X", "dev", timeout=20,
    )  # fmt: skip
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((X, Y[:-1]), martlet.ShapeError, "x has 25 samples and y has 24"),
        ((X[:0],), martlet.ShapeError, r"x has shape \(0, 2\), which holds no samples"),
        ((3.0,), martlet.ShapeError, "x is one number, 3.0; wanted an array"),
        ((None,), martlet.DTypeError, "x is None; wanted an array"),
        ((X, [[1, 2], [3]]), martlet.DTypeError, "y is no array of numbers: "),
        ((np.array([1, "a", None], object),), martlet.DTypeError, "x has dtype object, from ndarray; wanted an array"),
        (({"a": 1},), martlet.DTypeError, "x has dtype object, from dict; wanted an array"),
        ((np.ma.masked_array(X, X > 3),), martlet.DTypeError, "x is a masked array, whose mask would be ignored"),
        ((X, Y, 0), martlet.ArgumentError, "batch_size is 0; wanted 1 or more"),
        ((X, Y, 2.5), martlet.DTypeError, "batch_size is 2.5 of type float"),
        ((X, Y, 2, True, -1), martlet.ArgumentError, "seed is -1; wanted 0 to 2"),
        ((X, Y, 2, True, 2**64), martlet.ArgumentError, "seed is .*; wanted 0 to"),
        ((X, Y, 2, True, 1, False, -1), martlet.ArgumentError, "prefetch is -1; wanted 0 or more"),
        ((X, Y, 2, "False"), martlet.DTypeError, "shuffle is 'False'; wanted True or False"),
        ((X, Y, 2, True, 1, "no"), martlet.DTypeError, "drop_last is 'no'; wanted True or False"),
        (
            (X, Y, 26, True, 1, True),
            martlet.ArgumentError,
            "batch_size is 26 and x has 25 samples, .*wanted at most 25",
        ),
    ],
)
def test_bad_input(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Batches(*arguments)


def test_a_wrong_epoch() -> None:
    batches = Batches(X, Y, 25, seed=1)
    for wrong, error in ((-1, martlet.ArgumentError), (2**64, martlet.ArgumentError), ("1", martlet.DTypeError)):
        batches.epoch = wrong  # type: ignore[assignment]
        with pytest.raises(error, match=f"epoch is {wrong!r}"):
            iter(batches)
        assert batches.epoch == wrong


def test_what_the_constructor_checked_stays_as_it_is() -> None:
    batches = Batches(X, Y, 8, True, 7, True, 1)
    for name, value in (("batch_size", 8), ("shuffle", True), ("seed", 7), ("drop_last", True), ("prefetch", 1)):
        assert getattr(batches, name) == value
        with pytest.raises(AttributeError):
            setattr(batches, name, 0)
    assert len(list(batches)) == 3


def test_epoch_repeats_an_order() -> None:
    batches = Batches(Y, batch_size=25, seed=1, drop_last=True)
    orders = [next(iter(batches)).tolist() for _ in range(3)]
    assert batches.epoch == 3
    batches.epoch = 1
    assert next(iter(batches)).tolist() == orders[1] != orders[2]


def test_any_element_type() -> None:
    days = np.arange("2020-01-01", "2020-01-09", dtype="datetime64[D]")
    words = np.array(["one", "two"] * 4)
    for x, y in Batches(days, words, 3, shuffle=False):
        assert x.dtype == days.dtype and y.dtype == words.dtype and len(x) == len(y)
