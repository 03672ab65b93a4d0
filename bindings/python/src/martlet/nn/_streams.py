"""What gives batches, in the place of arrays: generators, loaders such as torch's DataLoader or martlet.data.Batches,
and objects of a length whose items are batches, such as Keras's PyDataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from martlet import _arguments, _tables
from martlet._errors import ArgumentError, DTypeError
from martlet.nn import _orders


def is_stream(data: Any) -> bool:
    """Whether this gives batches, and is no array, nor what becomes one."""
    if data is None or hasattr(data, "__array__") or isinstance(data, str | bytes | list | tuple | Mapping):
        return False
    if _tables.library_of(data) or isinstance(data, memoryview | bytearray | range | set | frozenset):
        return False
    return hasattr(data, "__iter__") or (hasattr(data, "__getitem__") and hasattr(data, "__len__"))


class Stream:
    """Batches, epoch by epoch. An epoch ends where the source does, or after `steps` batches, and the next one goes on
    where it ended: from the beginning, where there is no more and the source can begin again."""

    def __init__(self, source: Any, where: str, steps: Any, order: Callable[[int], Any] | None = None) -> None:
        self._source, self._where, self._order = source, where, order
        self.limit = None if steps is None else _arguments.integer(steps, f"steps of {where}")
        self._refuse_samples()
        self._is_indexed = hasattr(source, "__getitem__") and hasattr(source, "__len__")
        self._is_indexed &= not hasattr(source, "__iter__") or hasattr(source, "num_batches")
        self._going: Iterator[Any] | None = None
        self._is_over = False

    def _refuse_samples(self) -> None:
        modules = {kind.__module__ for kind in type(self._source).__mro__}
        if "torch.utils.data.dataset" in modules:
            raise DTypeError(f"{self._where} is a {type(self._source).__name__} of single samples; wanted batches: "
                             "torch.utils.data.DataLoader(dataset, batch_size)")  # fmt: skip

    @property
    def steps(self) -> int | None:
        """Batches in an epoch, as far as is known."""
        if self.limit is not None:
            return self.limit
        try:
            return len(self._source)
        except (TypeError, NotImplementedError):
            return None

    def _begun(self) -> Iterator[Any]:
        if not self._is_indexed:
            return iter(self._source)
        count = len(self._source)
        places = range(count) if self._order is None else self._order(count).tolist()
        return (self._source[place] for place in places)

    def epoch(self) -> Iterator[Any]:
        """The batches of the next one; none where the source has no more and cannot begin again."""
        given = 0
        while not self._is_over and (self.limit is None or given < self.limit):
            began = self._going is None
            if self._going is None:
                self._going = self._begun()
            found = False
            for batch in self._going:
                found = True
                given += 1
                yield batch
                if given == self.limit:
                    return
            self._is_over = self._going is self._source or (began and not found)
            self._going = None
            if hasattr(self._source, "on_epoch_end"):
                self._source.on_epoch_end()
            if self.limit is None:
                return

    def batches(self) -> Iterator[tuple[Any, Any, Any]]:
        """The same as samples, targets, and weights of samples or None."""
        for place, batch in enumerate(self.epoch()):
            yield _triple(batch, f"batch {place} of {self._where}")

    def samples(self, inputs: int) -> Iterator[Any]:
        """The same as samples alone, with or without targets, of a model with so many inputs."""
        for batch in self.epoch():
            is_pair = isinstance(batch, list) and len(batch) == 2 != inputs and hasattr(batch[0], "shape")
            yield batch[0] if is_pair or isinstance(batch, tuple) else batch


def _triple(batch: Any, where: str) -> tuple[Any, Any, Any]:
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        given = f"{len(batch)} things" if isinstance(batch, tuple | list) else f"a {type(batch).__name__}"
        raise DTypeError(f"{where} is {given}; wanted (x, y), samples and targets, or (x, y, sample_weight)")
    return batch[0], batch[1], batch[2] if len(batch) == 3 else None


def of_fit(model: Any, source: Any, y: Any, weights: Any, steps: Any, shuffle: bool) -> Stream:
    """What fit trains on."""
    refuse_targets(y, weights)

    def order(count: int) -> Any:
        return _orders.of_seed(model.seed, model._ready().model.epoch() if model._is_ready else 0, count)

    return Stream(source, "x", steps, order if shuffle else None)


def refuse_targets(y: Any, weights: Any) -> None:
    for name, given in (("y", y), ("sample_weight", weights)):
        if given is not None:
            raise ArgumentError(f"{name} is given, and x gives batches; wanted None: each batch is (x, y), or (x, y, "
                                "sample_weight)")  # fmt: skip


def joined(parts: list[Any]) -> Any:
    """Predictions of batches as one array, of several outputs a list of them."""
    if not parts:
        raise ArgumentError("x gives no batch; wanted one or more")
    if isinstance(parts[0], list):
        return [np.concatenate(of) for of in zip(*parts, strict=True)]
    return np.concatenate(parts)
