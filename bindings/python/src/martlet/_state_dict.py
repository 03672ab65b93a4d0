"""state_dict of numpy optimizers: groups and entries packed into plain types and arrays, and unpacked with checks.

The shape is torch's, and torch's own state_dicts are read too. Nothing here steps, and nothing is changed.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from martlet import _algorithms, _spellings
from martlet._config import Hyperparameters
from martlet._entry import Entry
from martlet._errors import FormatError
from martlet._groups import algorithm_of, check_group, keys

NO_PARAMETERS = (
    "this optimizer has no parameters: take them on first, optimizer.build(variables), or where update(gradient) is "
    "used, call it once with zeros"
)

Loaded = list[tuple[Entry, int, dict[str, Any]]]


def exact_step(step: Any, exact: Any) -> Any:
    """step_exact where it is what step, a float32, was rounded from; else step, since another optimizer may have
    carried step_exact along unchanged. Numbers, numpy arrays and tensors of one element."""
    try:
        count = operator.index(exact)
        same = float(np.float32(count)) == float(step)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return step
    return count if same else step


def pack(groups: Sequence[Mapping[str, Any]], members: Sequence[Sequence[Entry]]) -> dict[str, Any]:
    """Copies. members: the entries of each group."""
    packed: list[dict[str, Any]] = []
    state: dict[int, Any] = {}
    first = 0
    for group, entries in zip(groups, members, strict=True):
        places = range(first, first + len(entries))
        options = {key: value for key, value in group.items() if key != "params"}
        packed.append({**options, "params": list(places), "param_names": [entry.name for entry in entries]})
        state |= {place: entry.export() for place, entry in zip(places, entries, strict=True) if entry.state}
        first += len(entries)
    return {"state": state, "param_groups": packed}


def unpack(
    given: Any, algorithm: int, groups: Sequence[Mapping[str, Any]], members: Sequence[Sequence[Entry]]
) -> tuple[list[Hyperparameters], Loaded]:
    """The groups' hyperparameters, and each entry with its steps and copies of its moments. algorithm: of the groups
    that name none."""
    algorithms = [algorithm_of(group, algorithm) for group in groups]
    loaded, state = _parts(given, algorithms)
    counts, own_counts = [len(group["params"]) for group in loaded], list(map(len, members))
    if counts != own_counts:
        remedy = "" if any(own_counts) else f"; {NO_PARAMETERS}"
        raise FormatError(
            f"the loaded state has groups of {counts} parameters, and the optimizer of {own_counts}{remedy}"
        )
    rows = [
        check_group(
            kind,
            {key: source[key] for key in keys(kind).all for source in (own, group) if key in source},
            f"param_groups[{index}] of the loaded state",
        )
        for index, (kind, group, own) in enumerate(zip(algorithms, loaded, groups, strict=True))
    ]
    places = [key for group in loaded for key in group["params"]]
    unknown = [key for key in state if key not in places]
    if unknown:
        raise FormatError(f"the loaded state has a state for {unknown[0]!r}, which is in none of its param_groups")
    entries = [entry for row in members for entry in row]
    return rows, [
        _unpacked(entry, state.get(key), rows[entry.group]) for key, entry in zip(places, entries, strict=True)
    ]


def _parts(given: Any, algorithms: Sequence[int]) -> tuple[list[Mapping[str, Any]], Mapping[Any, Any]]:
    """param_groups and state, which are what they should be."""
    wanted = "wanted what state_dict() gave: a dict with 'state' and 'param_groups'"
    if not isinstance(given, Mapping):
        raise FormatError(f"the loaded state is a {type(given).__name__}; {wanted}")
    groups, state = given.get("param_groups"), given.get("state")
    if not isinstance(groups, list | tuple) or not isinstance(state, Mapping):
        raise FormatError(f"the loaded state has {', '.join(map(repr, given)) or 'nothing'}; {wanted}")
    for index, group in enumerate(groups):
        if not isinstance(group, Mapping) or not isinstance(group.get("params"), list | tuple):
            raise FormatError(f"param_groups[{index}] of the loaded state is {group!r}; wanted a dict with 'params'")
        algorithm = algorithms[min(index, len(algorithms) - 1)]  # how many they are is compared by who asked
        if (name := group.get("algorithm")) is not None and name != _algorithms.of(algorithm).name:
            raise FormatError(
                f"param_groups[{index}] of the loaded state is of {name}, and the optimizer's of "
                f"{_algorithms.of(algorithm).name}; make the optimizer with the groups that were saved"
            )
        wanted_keys = _spellings.required_keys(algorithm)
        if not all(key in group for key in wanted_keys):
            raise FormatError(
                f"param_groups[{index}] of the loaded state has {', '.join(map(repr, group))}; wanted "
                f"{', '.join(map(repr, wanted_keys))}: it is another optimizer's"
            )
    return list(groups), state


def _unpacked(entry: Entry, given: Any, row: Hyperparameters) -> tuple[Entry, int, dict[str, Any]]:
    if given is None:
        return entry, 0, {}
    if isinstance(given, Mapping) and "step" in given:
        given = {**given, "step": exact_step(given["step"], given.get("step_exact"))}
    return entry, *entry.parse(given, row.algorithm, row.least_slots, f"the state of {entry.name}", copy=True)
