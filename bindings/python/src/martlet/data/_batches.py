"""Shuffled batches of numpy arrays, fetched by a thread ahead of who uses them.

For training loops of one's own and for arrays that are slow to read, such as memory maps; Sequential.fit needs none.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import numpy as np

from martlet import _arguments, _samples
from martlet._errors import ArgumentError, ShapeError
from martlet._samples import NDArray


class Batches:
    """Iterates over (x, y) in batches; each iteration is an epoch in an order of its own.

    x, y         arrays of as many samples, of any element types but Python objects, or tables, as fit takes them; a
                 batch is (x[rows], y[rows]), copies of (batch_size, *sample), or without y that of x alone
    batch_size   samples in each batch; the last may have fewer, or is left out with drop_last
    shuffle      a new order in each epoch, else the arrays' own
    seed         of the orders, 0 to 2^64 - 1; None: a random one, which .seed tells
    drop_last    every batch has batch_size samples; there must be as many
    prefetch     batches that a thread makes ready ahead; 0: none, and no thread

    epoch is the number of the next iteration's epoch, 0 at first; seed and epoch give the order, so setting it repeats
    one, or goes on where another process was. samples is how many there are. What the constructor was given can be read
    and not set.

    Arguments that cannot be are a DTypeError, ShapeError or ArgumentError. What reading the arrays raises, in the
    thread too, is raised by the iteration at the batch that it befell, and ends it.

    The thread belongs to an iteration and ends with it: at its end, when the iterator is closed, or when nothing refers
    to it. It reads x and y, which must stay as they are so long. Several iterations may go on at once, each used by one
    thread at a time; start them, and set epoch, in one thread. A forked child goes on where its parent was, without a
    thread.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        drop_last: bool = False,
        prefetch: int = 2,
    ) -> None:
        self._arrays = [_filled(x, "x")] if y is None else [_filled(x, "x"), _filled(y, "y")]
        if len({len(array) for array in self._arrays}) > 1:
            raise ShapeError(f"x has {len(self._arrays[0])} samples and y has {len(self._arrays[1])}; wanted as many")
        self.samples = len(self._arrays[0])
        self._batch_size = _arguments.integer(batch_size, "batch_size")
        self._prefetch = _arguments.integer(prefetch, "prefetch", 0)
        self._seed = seed_of(seed)
        self._shuffle = _arguments.flag(shuffle, "shuffle")
        self._drop_last = _arguments.flag(drop_last, "drop_last")
        if self.drop_last and self.batch_size > self.samples:
            raise ArgumentError(
                f"batch_size is {self.batch_size} and x has {self.samples} samples, so that drop_last would leave no "
                f"batch; wanted at most {self.samples}"
            )
        self.epoch = 0

    @property
    def batch_size(self) -> int:
        """Samples in each batch."""
        return self._batch_size

    @property
    def prefetch(self) -> int:
        """Batches that are made ready ahead."""
        return self._prefetch

    @property
    def seed(self) -> int:
        """Of the orders."""
        return self._seed

    @property
    def shuffle(self) -> bool:
        """Whether each epoch has a new order."""
        return self._shuffle

    @property
    def drop_last(self) -> bool:
        """Whether every batch has batch_size samples."""
        return self._drop_last

    def __len__(self) -> int:
        """Batches in an epoch."""
        if self.drop_last:
            return self.samples // self.batch_size
        return -(-self.samples // self.batch_size)

    def __iter__(self) -> Epoch:
        epoch = _arguments.integer(self.epoch, "epoch", 0)
        rows = _samples.order(self.seed, epoch, self.samples) if self.shuffle else np.arange(self.samples)
        self.epoch = epoch + 1
        arrays, size = self._arrays, self._batch_size

        def fetch(batch: int) -> Any:
            chosen = rows[batch * size : (batch + 1) * size]
            parts = tuple(array[chosen] for array in arrays)
            return parts if len(parts) > 1 else parts[0]

        return Epoch(fetch, len(self), self.prefetch)


class Epoch(Iterator[Any]):
    """One pass over the batches. close() ends it early."""

    def __init__(self, fetch: Callable[[int], Any], count: int, prefetch: int) -> None:
        self._fetch, self._count, self._next = fetch, count, 0
        self._process = os.getpid()
        self._ready: SimpleQueue[Any] | None = None
        self._end: Callable[[], object] | None = None
        if prefetch and count:
            self._ready, self._slots = SimpleQueue(), threading.Semaphore(prefetch)
            stop = threading.Event()
            self._end = weakref.finalize(self, _stop, self._process, stop, self._slots)
            arguments = (fetch, count, self._ready, self._slots, stop)
            threading.Thread(target=_work, args=arguments, name="martlet-batches", daemon=True).start()

    def __iter__(self) -> Epoch:
        return self

    def __next__(self) -> Any:
        if self._next >= self._count:
            self.close()
            raise StopIteration
        if self._ready is None or self._process != os.getpid():  # a forked child has the queue, but no thread
            batch = self._fetch(self._next)
        else:
            # A signal's handler may end this, and a batch be lost on its way: the rest then comes without the thread.
            ready, self._ready = self._ready, None
            batch, error = ready.get()
            self._slots.release()
            self._ready = ready
            if error is not None:
                self.close()
                raise error
        self._next += 1
        return batch

    def close(self) -> None:
        """Ends the iteration, and its thread."""
        self._next = self._count
        if self._end is not None:
            self._end()


def _work(
    fetch: Callable[[int], Any], count: int, ready: SimpleQueue[Any], slots: threading.Semaphore, stop: threading.Event
) -> None:
    """The thread: makes batches ready as long as there are slots for them. It does not know the iterator, so that one
    that nobody refers to is collected."""
    for batch in range(count):
        slots.acquire()
        if stop.is_set():
            return
        try:
            ready.put((fetch(batch), None))
        except Exception as error:
            ready.put((None, error))
            return


def _stop(process: int, stop: threading.Event, slots: threading.Semaphore) -> None:
    """Ends the thread. A forked child has none, and must not touch locks that it may have held."""
    if process != os.getpid():
        return
    stop.set()
    slots.release()


def seed_of(seed: Any) -> int:
    """A seed, or a random one for None."""
    return int.from_bytes(os.urandom(8), "little") if seed is None else _arguments.seed(seed)


def _filled(data: Any, where: str) -> NDArray:
    return _samples.filled(_samples.any_array(data, where), where)
