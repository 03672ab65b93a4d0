"""Hyperparameters of any algorithm, as plain numbers and flags, and how they enter a martlet_config.

Defaults and ranges are the library's, so that they are stated once; what is said of a number out of range is said in
torch's words where torch has words for it. Nothing here knows arrays.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

from martlet import _algorithms, _ffi, _ffi_optimizers
from martlet._algorithms import Cut, Slots
from martlet._errors import ArgumentError
from martlet._spellings import FLAGS, range_error

SEMANTICS = {
    "torch": _ffi_optimizers.SEMANTICS_TORCH,
    "keras": _ffi_optimizers.SEMANTICS_KERAS,
    "optax": _ffi_optimizers.SEMANTICS_OPTAX,
    "paper": _ffi_optimizers.SEMANTICS_PAPER,
}


class Hyperparameters(NamedTuple):
    """One group's. values: of the hyperparameters that the algorithm reads, in the order of their numbers.

    Each can be read by its name, and so can flags: row.lr, row.amsgrad.
    """

    algorithm: int
    values: tuple[float, ...]
    flags: int
    semantics: str = "torch"
    seed: int = 0

    def __getattr__(self, name: str) -> Any:
        place = _algorithms.of(self.algorithm).places.get(name)
        if place is not None:
            return self.values[place]
        if name in FLAGS:
            return bool(self.flags & FLAGS[name])
        raise AttributeError(f"{_algorithms.of(self.algorithm).name} has no hyperparameter {name!r}")

    def changed(self, values: Mapping[str, float]) -> Hyperparameters:
        """With other values under these names."""
        new = list(self.values)
        for name, value in values.items():
            new[_algorithms.of(self.algorithm).places[name]] = value
        return self._replace(values=tuple(new))

    @property
    def flush_denormals(self) -> bool | None:
        if self.flags & (_ffi_optimizers.FLUSH_DENORMALS | _ffi_optimizers.KEEP_DENORMALS):
            return bool(self.flags & _ffi_optimizers.FLUSH_DENORMALS)
        return None

    @property
    def slots(self) -> Slots:
        """The names of the state arrays, in the library's order."""
        semantics = semantics_number(self.semantics)
        try:
            found = _algorithms.slots(
                self.algorithm, semantics, self.flags, _algorithms.used(self.algorithm, self.values)
            )
            return found._replace(cut=self._cut) if "block_size" in self._places else found
        except ArgumentError:
            self.check()  # which names the numbers that are here
            raise

    @property
    def all_slots(self) -> Slots:
        """The slots that a state can have."""
        return _algorithms.all_slots(self.algorithm)._replace(cut=self._cut)

    @property
    def least_slots(self) -> Slots:
        """The slots that a state has in any case."""
        return _algorithms.least_slots(self.algorithm)._replace(cut=self._cut)

    @property
    def _places(self) -> Mapping[str, int]:
        return _algorithms.of(self.algorithm).places

    @property
    def _cut(self) -> Cut:
        if "block_size" not in self._places:
            return Cut()
        most = int(self.max_precond_dim) if "max_precond_dim" in self._places else sys.maxsize
        return Cut(most, int(self.block_size))

    def write(self, config: _ffi_optimizers.Config) -> None:
        """Fills the struct. What is not finite is refused, and what the convention does not read."""
        semantics = semantics_number(self.semantics)
        names = _algorithms.of(self.algorithm).places
        if not all(map(math.isfinite, self.values)):
            for (name, default), value in zip(
                _algorithms.of(self.algorithm).defaults.items(), self.values, strict=True
            ):
                if not math.isfinite(value) and value != default:  # which may be infinite
                    raise range_error(name, dict(zip(names, self.values, strict=True)), self.algorithm)
        _ffi_optimizers.martlet_config_init(config, _algorithms.CONFIG_SIZE, self.algorithm)
        config.semantics = semantics
        config.flags = self.flags
        config.seed = self.seed
        for name, value in zip(names, self.values, strict=True):
            setattr(config, name, value)

    @classmethod
    def read(cls, config: _ffi_optimizers.Config) -> Hyperparameters:
        """Those of a struct."""
        values = tuple(float(getattr(config, name)) for name in _algorithms.of(config.algorithm).places)
        (semantics,) = (name for name, number in SEMANTICS.items() if number == config.semantics)
        return cls(config.algorithm, values, config.flags, semantics, config.seed)

    def check(self, given: Callable[[], Mapping[str, Any]] | None = None) -> None:
        """Refuses what the library does. given: gives numbers as the user gave them, for messages."""
        try:
            _check(self)
        except _RefusedError as error:
            names = _algorithms.of(self.algorithm).places
            numbers = {**dict(zip(names, self.values, strict=True)), **(given() if given else {})}
            raise range_error(str(error), numbers, self.algorithm) from None


class _RefusedError(Exception):
    """What the library says of numbers."""


@lru_cache(maxsize=64)
def _check(row: Hyperparameters) -> None:
    """Remembers what it lets through: an optimizer checks the same numbers at several places."""
    config = _ffi_optimizers.Config()
    row.write(config)
    try:
        _ffi_optimizers.martlet_algorithm_slot_count(_ffi.Int64(), config)
    except ArgumentError as error:
        raise _RefusedError(str(error)) from None


@cache
def defaults(algorithm: int) -> Hyperparameters:
    """The library's own defaults."""
    kind = _algorithms.of(algorithm)
    return Hyperparameters(algorithm, tuple(kind.defaults.values()), kind.default_flags)


def semantics_number(name: Any) -> int:
    """The constant for a semantics name."""
    if isinstance(name, str) and name in SEMANTICS:
        return SEMANTICS[name]
    raise ArgumentError(f"Invalid semantics: {name!r}; wanted one of {', '.join(map(repr, SEMANTICS))}")
