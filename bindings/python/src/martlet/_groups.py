"""What users give as parameters and hyperparameters, turned into named arrays and Hyperparameters, and back.

A group is a dict as in torch. Nothing here looks at the arrays, keeps state or steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from martlet import _config, _ffi, _tree
from martlet._config import Hyperparameters
from martlet._errors import ArgumentError, DTypeError, MartletError

SPELLINGS = ("lr", "learning_rate", "betas", "beta1", "beta2", "eps", "epsilon", "weight_decay")
FLAGS = ("amsgrad", "maximize", "semantics", "flush_denormals")
OPTIONS = ("lr", "betas", "eps", "weight_decay", *FLAGS)
_NAMES = ("params", "param_names")
_values_of = itemgetter(*OPTIONS)
_PLAIN = (int, float, str, type(None))

Group = Mapping[str, Any]


def groups_of(params: Any) -> list[Group]:
    """The groups in a constructor's first argument."""
    if params is None:
        return []
    if isinstance(params, Mapping) and "params" in params and not isinstance(params["params"], np.ndarray):
        return [params]
    if isinstance(params, np.ndarray | Mapping):
        return [{"params": params}]
    listed = _listed(params, "params")
    if not listed:
        raise ArgumentError("params is empty; wanted at least one array")
    if all(isinstance(group, Mapping) for group in listed):
        return listed
    return [{"params": listed}]


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


def completed(default: Hyperparameters, given: Group) -> Hyperparameters:
    """Hyperparameters in either spelling, over defaults. Other keys of given are left alone."""
    row = _config.spelled(default, **{key: given[key] for key in SPELLINGS if key in given})
    return _checked(row._replace(**{key: given[key] for key in FLAGS if key in given}))


def new_group(default: Hyperparameters, group: Any, where: str) -> Hyperparameters:
    """The hyperparameters of a group that a user adds."""
    if not isinstance(group, Mapping) or "params" not in group:
        raise DTypeError(f"{where} is {group!r}; wanted a dict with 'params'")
    unknown = [key for key in group if key not in (*_NAMES, *SPELLINGS, *FLAGS)]
    if unknown:
        name = _ffi.martlet_algorithm_name(default.algorithm).decode()
        raise ArgumentError(f"{where} has {unknown[0]!r}, which is no hyperparameter of {name}; wanted {OPTIONS}")
    try:
        return completed(default, group)
    except MartletError as error:
        raise type(error)(f"{where}: {error}") from None


def check_group(algorithm: int, group: Any, where: str) -> Hyperparameters:
    """A whole group's hyperparameters, checked."""
    missing = [key for key in OPTIONS if key not in group] if isinstance(group, Mapping) else ["lr"]
    if missing:
        raise ArgumentError(f"{where} lacks {missing[0]!r}; wanted a dict with {', '.join(map(repr, OPTIONS))}")
    try:
        lr, betas, eps, weight_decay, *flags = _values_of(group)
        beta1, beta2 = _config.pair(betas)
        row = Hyperparameters(
            algorithm,
            _config.number(lr, "lr"),
            _config.number(beta1, "betas[0]"),
            _config.number(beta2, "betas[1]"),
            _config.number(eps, "eps"),
            _config.number(weight_decay, "weight_decay"),
            *flags,
        )
        return _checked(row)
    except MartletError as error:
        raise type(error)(f"{where}: {error}") from None


def _checked(row: Hyperparameters) -> Hyperparameters:
    _config.check(row.lr, (row.beta1, row.beta2), row.eps, row.weight_decay)
    _config.semantics_number(row.semantics)
    _config.check_flags(row.amsgrad, row.maximize, row.flush_denormals)
    return row


def as_group(row: Hyperparameters) -> dict[str, Any]:
    """Hyperparameters as a group's items."""
    values = (row.lr, (row.beta1, row.beta2), row.eps, row.weight_decay, *(getattr(row, flag) for flag in FLAGS))
    return dict(zip(OPTIONS, values, strict=True))


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
            seen = list(map(_values_of, groups))
            if seen == self._seen:
                return self._rows
        except (LookupError, TypeError, ValueError):
            seen = []
        check_count(groups, wanted)
        self._seen = None  # A signal's handler may end this between the two.
        self._rows = [
            check_group(self._algorithm, group, f"param_groups[{index}]") for index, group in enumerate(groups)
        ]
        self._seen = seen if all(map(_is_plain, seen)) else None
        return self._rows


def _is_plain(values: tuple[Any, ...]) -> bool:
    """Whether no value can change while it stays the same object, as an array's can."""
    betas = values[1]
    return type(betas) is tuple and all(isinstance(value, _PLAIN) for value in (*values[:1], *values[2:], *betas))
