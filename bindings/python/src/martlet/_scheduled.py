"""Schedules where a learning rate stands: functions of the steps taken, such as those of martlet.schedules.

An optimizer keeps the schedule, and asks here for the number that it stands for at a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from martlet import _spellings
from martlet._errors import ArgumentError

_NAMES = ("lr", "learning_rate")


def is_schedule(value: Any) -> bool:
    """A number cannot be called."""
    return callable(value)


def schedule_of(given: Mapping[str, Any]) -> Any:
    """The schedule among a group's items; None where its rate is a number, or is not said."""
    return next((given[name] for name in _NAMES if is_schedule(given.get(name))), None)


def at(given: Mapping[str, Any], step: int) -> Mapping[str, Any]:
    """A group's items, with the rate of a step in its schedule's place."""
    found = {name: rate(given[name], step, name) for name in _NAMES if is_schedule(given.get(name))}
    return {**given, **found} if found else given


def all_at(groups: Sequence[Mapping[str, Any]], step: Any) -> Sequence[Mapping[str, Any]]:
    """Groups likewise. step: a function that says how many steps were taken, called where there is a schedule."""
    if not any(is_schedule(group.get("lr")) for group in groups if isinstance(group, Mapping)):
        return groups
    now = step()
    return [at(group, now) for group in groups]


def rate(schedule: Any, step: int, name: str) -> float:
    """What a schedule gives for a step, counted from 0: 0 or more."""
    number = _spellings.number(schedule(step), f"{name}({step})")
    if not 0 <= number < float("inf"):
        raise ArgumentError(f"{name}({step}) is {number}; wanted a finite number, 0 or more: it is {schedule!r}'s")
    return number
