"""Parameters without weight decay, by their names: which an optimizer leaves out, and the groups that this makes.

Such a group is another one's, with a weight decay of 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from martlet._config import Hyperparameters
from martlet._errors import ArgumentError, DTypeError


def patterns(var_names: Any) -> tuple[re.Pattern[str], ...]:
    """Regular expressions that a user gave."""
    if var_names is None:
        return ()
    if isinstance(var_names, str) or not isinstance(var_names, Sequence):
        raise DTypeError(f"var_names is {var_names!r}; wanted a list of regular expressions, such as ['bias', 'gamma']")
    found = []
    for name in var_names:
        try:
            found.append(re.compile(name))
        except (re.error, TypeError) as error:
            raise ArgumentError(f"var_names has {name!r}, no regular expression: {error}") from None
    return tuple(found)


def matches(wanted: Sequence[re.Pattern[str]], name: str) -> bool:
    """Whether one is found in a parameter's name, such as "dense_1/bias", or in the last part of it."""
    return any(pattern.search(name) or pattern.search(name.rpartition("/")[2]) for pattern in wanted)


def without(row: Hyperparameters) -> Hyperparameters:
    """A group's numbers without decay."""
    return row.changed({"weight_decay": 0.0})


def split(rows: Sequence[Hyperparameters]) -> tuple[int, tuple[int, ...]]:
    """How many of a model's groups stand for themselves, and which of them the others are without decay."""
    for count in range(1, len(rows)):
        copied = [_of(row, rows[:count]) for row in rows[count:]]
        if None not in copied:
            return count, tuple(place for place in copied if place is not None)
    return len(rows), ()


def _of(row: Hyperparameters, bases: Sequence[Hyperparameters]) -> int | None:
    found = (k for k, base in enumerate(bases) if hasattr(base, "weight_decay") and row == without(base))
    return next(found, None)
