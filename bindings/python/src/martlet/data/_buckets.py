"""Batches of sequences of like lengths, each padded to its own longest, for models of open sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from martlet import _arguments, _samples
from martlet._errors import ArgumentError, DTypeError, ShapeError
from martlet._samples import NDArray
from martlet.data._batches import Epoch, seed_of


class Buckets:
    """Iterates over (x, y) in batches of sequences whose lengths are neighbours; each iteration is an epoch.

        model = nn.Sequential([nn.Input((None,)), nn.Embedding(2000, 32, mask_zero=True), nn.LSTM(64), nn.Dense(1)])
        model.fit(martlet.data.Buckets(texts, labels), epochs=5)

    x            a list of sequences, arrays or lists of (steps,) or (steps, features), of any lengths, 0 too
    y            an array of what is wanted of each; None: batches are x alone
    batch_size   sequences in each batch; one batch may have fewer
    shuffle      a new order in each epoch, of the batches and of sequences of one length; else the shortest come first
    seed         of the orders, 0 to 2^64 - 1; None: a random one, which .seed tells
    padding      "post": short sequences end in padding, as masks of the library read fastest; "pre": they begin with it
    value        what is padded with; 0 is what mask_zero and Masking() hide
    lengths      whether a batch's x is a list of the sequences and how many steps each has, (samples,), as SequenceMask
                 takes them: of padding "post"

    A batch is (samples, steps) or (samples, steps, features), of the sequences' element type, with as many steps as its
    longest sequence has, 1 at least. epoch is the number of the next iteration's epoch, 0 at first, and samples is how
    many there are; seed and epoch give the order.

    Raises DTypeError, ShapeError or ArgumentError for arguments that cannot be, naming the sequence. What x and y hold
    must stay as it is. One thread at a time may iterate.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        *,
        padding: str = "post",
        value: float = 0.0,
        lengths: bool = False,
    ) -> None:
        self._x = _sequences(x)
        self._y = None if y is None else _samples.filled(_samples.any_array(y, "y"), "y")
        self.samples = len(self._x)
        if self._y is not None and len(self._y) != self.samples:
            raise ShapeError(f"x has {self.samples} sequences and y has {len(self._y)} samples; wanted as many")
        self.batch_size = _arguments.integer(batch_size, "batch_size")
        self.shuffle = _arguments.flag(shuffle, "shuffle")
        self.seed = seed_of(seed)
        if padding not in ("post", "pre"):
            raise ArgumentError(f"padding is {padding!r}; wanted 'post' or 'pre'")
        self.padding, self.value = padding, _arguments.real(value, "value")
        self.lengths = _arguments.flag(lengths, "lengths")
        if self.lengths and padding == "pre":
            raise ArgumentError(
                "lengths is True, and padding is 'pre'; wanted 'post': lengths count from the first step"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            if self._x[0].dtype.kind != "f" and np.array(value).astype(self._x[0].dtype) != value:
                raise ArgumentError(f"value is {value!r}; wanted a number of x's type, {self._x[0].dtype}")
        self.epoch = 0

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-self.samples // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        epoch = _arguments.integer(self.epoch, "epoch", 0)
        self.epoch = epoch + 1
        lengths = np.array([len(one) for one in self._x])
        rows = _samples.order(self.seed, epoch, self.samples) if self.shuffle else np.arange(self.samples)
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches = _samples.order(self.seed, epoch, len(self)) if self.shuffle else np.arange(len(self))

        def fetch(batch: int) -> Any:
            chosen = rows[batches[batch] * self.batch_size :][: self.batch_size]
            x: Any = self._padded([self._x[row] for row in chosen])
            if self.lengths:
                x = [x, lengths[chosen]]
            return x if self._y is None else (x, self._y[chosen])

        return Epoch(fetch, len(self), 0)

    def _padded(self, parts: Sequence[NDArray]) -> NDArray:
        steps = max([1, *map(len, parts)])
        found = np.full((len(parts), steps, *parts[0].shape[1:]), self.value, parts[0].dtype)
        for row, one in zip(found, parts, strict=True):
            row[steps - len(one) if self.padding == "pre" else 0 :][: len(one)] = one
        return found


def _sequences(x: Any) -> list[NDArray]:
    """The sequences as arrays of one type, and of one size for each step."""
    if not isinstance(x, Sequence | np.ndarray) or isinstance(x, str):
        raise DTypeError(f"x is {type(x).__name__}; wanted a list of sequences")
    if len(x) == 0:
        raise ShapeError("x has no sequences; wanted one or more")
    found = [_samples.array(one, f"x[{place}]") for place, one in enumerate(x)]
    known = next((one for one in found if len(one)), found[0])
    for place, one in enumerate(found):
        if len(one) and one.shape[1:] != known.shape[1:]:
            raise ShapeError(f"x[{place}] has steps of shape {one.shape[1:]}; wanted {known.shape[1:]}, as others have")
    kind = np.result_type(*(one.dtype for one in found if len(one) or one is known))
    return [np.asarray(one, kind).reshape(len(one), *known.shape[1:]) for one in found]
