"""What users give as parameters and hyperparameters, turned into named arrays and Hyperparameters, and back.

A group is a dict as in torch. Nothing here looks at the arrays, keeps state or steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from martlet import _algorithms, _arrays, _choices, _ffi_optimizers, _spellings, _tree
from martlet._config import Hyperparameters, semantics_number
from martlet._errors import ArgumentError, DTypeError, MartletError

_NAMES = ("params", "param_names", "algorithm", "state_dtype")
# What stands in a group only where it is not the algorithm's own way: how weight decay works, what becomes of an
# update, and what stands around it.
_OPTIONAL = (
    *("decoupled_weight_decay", "cautious_weight_decay", "corrected_weight_decay", "cautious"),
    "defer_rows",
    *_spellings.AROUND,
    *_spellings.EVERYWHERE,
    *("low_precision", "seed"),
)
_DENORMALS = _ffi_optimizers.FLUSH_DENORMALS | _ffi_optimizers.KEEP_DENORMALS
_AROUND = sum(_spellings.AROUND.values())
_PLAIN = (int, float, str, type(None))

Group = Mapping[str, Any]


def groups_of(params: Any) -> list[Group]:
    """The groups in a constructor's first argument."""
    if params is None:
        return []
    if isinstance(params, Mapping) and are_groups(params):
        return [params]
    if isinstance(params, np.ndarray | Mapping):
        return [{"params": params}]
    listed = _listed(params, "params")
    if not listed:
        raise ArgumentError("params is empty; wanted at least one array")
    if all(isinstance(group, Mapping) for group in listed):
        return listed
    return [{"params": listed}]


def are_groups(params: Any) -> bool:
    """Whether a constructor's first argument is a group, or a list of some."""
    if isinstance(params, Mapping):
        return "params" in params and not isinstance(params["params"], np.ndarray)
    return isinstance(params, list | tuple) and bool(params) and all(isinstance(group, Mapping) for group in params)


def named_arrays(params: Any, name: str) -> list[tuple[str | None, Any]]:
    """The arrays of a group, with the names that the user gave them."""
    if isinstance(params, Mapping):
        return [(str(key), value) for key, value in params.items()]
    if isinstance(params, np.ndarray):
        return [(None, params)]
    return [
        value if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) else (None, value)
        for value in _listed(params, name)
    ]


def _listed(params: Any, name: str) -> list[Any]:
    listed = _tree.many(params, name, "numpy.ndarray, or a list of them")
    _tree.refuse_numbers(listed, name)
    return listed


class Keys:
    """What the groups of one algorithm look like: the keys of all options, and of those that each group has."""

    def __init__(self, algorithm: int) -> None:
        kind = _algorithms.of(algorithm)
        numbers, flags = _spellings.number_keys(algorithm), _spellings.flag_keys(algorithm)
        choices = (key for key in _choices.keys(algorithm) if key not in numbers)
        self.all = (*numbers, *choices, *flags, "semantics", "flush_denormals", "seed")
        self.needed = tuple(key for key in self.all if key not in _OPTIONAL)
        # In any spelling.
        self.known = {*self.all, *kind.places}
        self.known |= {alias for alias, name in _spellings.aliases(kind).items() if name in self.known}
        self.reader = _spellings.Reader(algorithm, self.needed, _OPTIONAL)


@cache
def keys(algorithm: int) -> Keys:
    """Those of an algorithm."""
    return Keys(algorithm)


def completed(default: Hyperparameters, given: Group) -> Hyperparameters:
    """Hyperparameters in any spelling, over defaults. Other keys of given are left alone."""
    kind, said, values = _algorithms.of(default.algorithm), {}, {}
    for name, called, value in _spellings.given_numbers(kind, given):
        said[name], values[name] = value, _spellings.number(value, called)
    for name, other in _spellings.as_another(kind).items():
        follows = getattr(default, name) == getattr(default, other)
        if values.get(name, -1.0 if follows else 0.0) < 0:
            values[name] = values.get(other, getattr(default, other))
    flags = {_spellings.ALIASES.get(key, key): value for key, value in given.items() if value is not None}
    row = default.changed(values)
    seed = _spellings.seed(flags["seed"]) if "seed" in flags else row.seed
    row = row._replace(flags=_flags(row, flags), semantics=flags.get("semantics", row.semantics), seed=seed)
    semantics_number(row.semantics)
    row.check(lambda: said)
    return row


def _flags(row: Hyperparameters, given: Group) -> int:
    """The flags of a row with those that were given."""
    flags = row.flags
    for key in _spellings.flag_keys(row.algorithm):
        if key in given:
            bit = _spellings.FLAGS[key]
            flags = flags | bit if _spellings.flag(given[key], key) else flags & ~bit
    for key in _choices.keys(row.algorithm):
        if key in given:
            flags = _choices.choose(flags, given[key], key)
    if "flush_denormals" in given:
        flags = flags & ~_DENORMALS | _spellings.denormal_flags(given["flush_denormals"])
    return flags


def algorithm_of(group: Any, usual: int) -> int:
    """The algorithm of a group: the usual one, where it names none."""
    name = group.get("algorithm") if isinstance(group, Mapping) else None
    return usual if name is None else _algorithms.number_of(name)


def refuse_unknown(algorithm: int, given: Group, where: str) -> None:
    """Raises for an option that the algorithm does not read."""
    known = keys(algorithm)
    unknown = [key for key in given if key not in known.known and key not in _NAMES]
    if unknown:
        name = _algorithms.of(algorithm).name
        raise ArgumentError(f"{where} has {unknown[0]!r}, which is no hyperparameter of {name}; wanted {known.all}")


def new_group(default: Hyperparameters, group: Any, where: str) -> Hyperparameters:
    """The hyperparameters of a group that a user adds."""
    if not isinstance(group, Mapping) or "params" not in group:
        raise DTypeError(f"{where} is {group!r}; wanted a dict with 'params'")
    refuse_unknown(default.algorithm, group, where)
    try:
        return completed(default, group)
    except MartletError as error:
        raise type(error)(f"{where}: {error}") from None


def check_group(algorithm: int, group: Any, where: str) -> Hyperparameters:
    """A whole group's hyperparameters, checked."""
    needed, reader = keys(algorithm).needed, keys(algorithm).reader
    missing = [key for key in needed if key not in group] if isinstance(group, Mapping) else ["lr"]
    if missing:
        raise ArgumentError(f"{where} lacks {missing[0]!r}; wanted a dict with {', '.join(map(repr, needed))}")
    try:
        values = reader.values(group)
        flags = reader.bits(group) | _spellings.denormal_flags(group["flush_denormals"])
        row = Hyperparameters(algorithm, values, flags, group["semantics"], _spellings.seed(group.get("seed")))
        row.check()
        return row
    except MartletError as error:
        raise type(error)(f"{where}: {error}") from None


def as_group(row: Hyperparameters) -> dict[str, Any]:
    """Hyperparameters as a group's items."""
    kind, known = _algorithms.of(row.algorithm), keys(row.algorithm)
    several = _spellings.lists(kind)
    group: dict[str, Any] = {}
    for key in known.all:
        if key == "low_precision" and _choices.chosen(key, row.flags) is None:
            continue
        if key in _choices.TABLE and (key not in several or _choices.chosen(key, row.flags)):
            group[key] = _choices.chosen(key, row.flags)
        elif key in several:
            parts = tuple(getattr(row, name) for name in several[key])
            group[key] = (parts[0] or None, *parts[1:]) if key in _spellings.NONE_IS_ZERO else parts
        elif key not in _OPTIONAL or getattr(row, key) != _usual(key, kind):
            value = getattr(row, _spellings.aliases(kind).get(key, key))
            group[key] = None if value == 0 and key in _spellings.NONE_IS_ZERO - {"eps"} else value
    return group


def _usual(key: str, kind: _algorithms.Algorithm) -> bool | float:
    """What an algorithm has under an optional key where nothing else is said."""
    if key == "seed":
        return 0
    return kind.defaults[key] if key in kind.places else bool(_spellings.FLAGS[key] & kind.default_flags)


def around(row: Hyperparameters, other: Hyperparameters) -> Hyperparameters:
    """Hyperparameters with another's of what stands around a step."""
    flags = row.flags & ~_AROUND | other.flags & _AROUND
    return row.changed({key: getattr(other, key) for key in _spellings.EVERYWHERE})._replace(flags=flags)


def put(group: dict[str, Any], row: Hyperparameters) -> None:
    """Gives a group these hyperparameters."""
    for key in _OPTIONAL:
        group.pop(key, None)
    group.update(as_group(row))


def kept_in(state_dtype: Any) -> dict[str, Any]:
    """What a group says of what its moments are kept in: nothing, where each is in its parameter's own type."""
    name = _arrays.state_name(state_dtype)
    return {} if name is None else {"state_dtype": name}


def state_dtypes(groups: Sequence[Group]) -> list[np.dtype[Any] | str | None]:
    """What the moments of each group are kept in."""
    return [
        _arrays.state_dtype(group.get("state_dtype"), f"param_groups[{index}]['state_dtype']")
        for index, group in enumerate(groups)
    ]


def check_count(groups: Sequence[Any], wanted: int) -> None:
    """Users may change a list of groups, too, but not take groups with parameters away."""
    if len(groups) < wanted:
        raise ArgumentError(
            f"param_groups has {len(groups)} groups, and the parameters are in {wanted}; put the others back, or make "
            "another optimizer"
        )


class Rows:
    """Reads the hyperparameters of groups, which users may change between steps; the same list while nothing has."""

    __slots__ = ("_algorithm", "_rows", "_seen")

    def __init__(self, algorithm: int) -> None:
        self._algorithm = algorithm
        self._seen: list[Any] | None = None
        self._rows: list[Hyperparameters] = []

    def read(self, groups: Sequence[Any], wanted: int) -> list[Hyperparameters]:
        """wanted: how many groups the parameters are in."""
        try:
            seen = [dict(group) for group in groups]
            if seen == self._seen:
                return self._rows
        except (LookupError, TypeError, ValueError, RuntimeError):  # arrays and tensors do not compare as numbers do
            seen = []
        check_count(groups, wanted)
        self._seen = None  # A signal's handler may end this between the two.
        self._rows = [self._row(group, f"param_groups[{index}]") for index, group in enumerate(groups)]
        self._seen = seen if all(map(_is_plain, seen)) else None
        return self._rows

    def _row(self, group: Any, where: str) -> Hyperparameters:
        try:
            algorithm = algorithm_of(group, self._algorithm)
        except ArgumentError as error:
            raise ArgumentError(f"{where}: {error}") from None
        return check_group(algorithm, group, where)


def _is_plain(group: Group) -> bool:
    """Whether no value can change while it stays the same object, as an array's can."""
    options = [value for key, value in group.items() if key not in _NAMES]
    several = [part for value in options if type(value) is tuple for part in value]
    return all(isinstance(value, _PLAIN) for value in (*several, *(one for one in options if type(one) is not tuple)))
