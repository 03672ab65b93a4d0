"""What all schedules are: the library's schedules, one or several, behind a name and its arguments.

The rates are the library's; here is how they are asked for, and how a schedule is written down and made again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, NamedTuple, TypeVar

import numpy as np

from martlet import _arguments, _ffi, _ffi_schedules
from martlet._entry import MOST_STEPS
from martlet._errors import ArgumentError, DTypeError, UnsupportedError


class Part(NamedTuple):
    """One of the library's schedules: under way from begin until end, or for good."""

    kind: int
    numbers: dict[str, float]
    flags: int = 0
    begin: int = 0
    end: int = 0

    def moved(self, by: int, until: int) -> list[Part]:
        """The same as a part of a sequence, of which it may be none."""
        begin, end = min(self.begin + by, MOST_STEPS), self.end and min(self.end + by, MOST_STEPS)
        if until:
            end = min(end, until) if end else until
        return [self._replace(begin=begin, end=end)] if not until or begin < until else []

    def write(self) -> _ffi_schedules.Schedule:
        struct = _ffi_schedules.Schedule()
        _ffi_schedules.martlet_schedule_init(struct, _ffi.struct_size(_ffi_schedules.Schedule), self.kind)
        struct.flags, struct.begin, struct.end = self.flags, self.begin, self.end
        for name, value in self.numbers.items():
            setattr(struct, name, value)
        return struct


def part(kind: int, flags: int = 0, begin: int = 0, end: int = 0, **numbers: float) -> Part:
    return Part(kind, numbers, flags, begin, end)


class LearningRateSchedule:
    """The base of all schedules, and of one's own, as in Keras: a class that has __call__(step) -> rate, and get_config
    where it is to be saved with a model."""

    def __call__(self, step: Any) -> Any:
        """The rate of a step, counted from 0."""
        raise UnsupportedError(f"{type(self).__name__} has no __call__(self, step); wanted one that gives the rate")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        raise UnsupportedError(f"{type(self).__name__} has no get_config(self); wanted one that gives its arguments")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """One with these arguments."""
        return cls(**config)


class Schedule(LearningRateSchedule):
    """A schedule of the library's. It does not change; schedules with the same arguments are equal."""

    _parts: Sequence[Part]
    _config: dict[str, Any]
    _structs: Any

    def _settle(self, given: dict[str, Any], parts: Sequence[Part]) -> None:
        """given: the locals of __init__, its arguments among them."""
        config = {name: _kept(given[name]) for name in signature(type(self)).parameters}
        self.__dict__.update(config, _config=config, _parts=tuple(parts), _structs=None)
        self(0)  # what the library refuses is said here

    def __call__(self, step: Any) -> Any:
        """The rate of a step, counted from 0: a float, or an array of them for an array of steps."""
        if isinstance(step, np.ndarray) and step.ndim:
            return np.array([self(each) for each in step.ravel().tolist()]).reshape(step.shape)
        number = step.item() if getattr(step, "ndim", None) == 0 else step
        if isinstance(number, float) and number.is_integer():
            number = int(number)
        if self._structs is None:
            self.__dict__["_structs"] = _ffi_schedules.schedule_array([each.write() for each in self._parts])
        rate = _ffi.Double()
        structs = self._structs
        _ffi_schedules.martlet_schedule_get(rate, structs, len(structs), _arguments.integer(number, "step", 0))
        return rate.value

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again, plain numbers, texts and lists."""
        return {name: _plain(value) for name, value in self._config.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        return cls(**{name: _made(value) for name, value in config.items()})

    def __setattr__(self, name: str, value: Any) -> None:
        raise ArgumentError(f"{type(self).__name__}.{name} cannot be set: a schedule does not change; make another one")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_structs": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((type(self), self._config_text()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._config_text()})"

    def _config_text(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self._config.items() if name != "name")


# By the name of the class: what deserialize makes.
_KINDS: dict[str, type[Schedule]] = {}
Kind = TypeVar("Kind", bound=type[Schedule])


def known(kind: Kind) -> Kind:
    """For a class: deserialize makes it."""
    _KINDS[kind.__name__] = kind
    return kind


def serialize(schedule: LearningRateSchedule) -> dict[str, Any]:
    """A schedule as plain data, as Keras's function of this name: {"class_name": ..., "config": {...}}."""
    if not isinstance(schedule, LearningRateSchedule):
        raise DTypeError(f"schedule is {schedule!r}; wanted a LearningRateSchedule")
    return {"class_name": type(schedule).__name__, "config": schedule.get_config()}


def deserialize(
    config: dict[str, Any], custom_objects: dict[str, Callable[..., Any]] | None = None
) -> LearningRateSchedule:
    """What serialize wrote, or Keras's function of this name; custom_objects: one's own classes by their names."""
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise ArgumentError(f"config is {config!r}; wanted a dict with 'class_name' and 'config'")
    name = config.get("class_name")
    found: Any = {**_KINDS, **(custom_objects or {})}.get(name) if isinstance(name, str) else None
    if found is None:
        raise ArgumentError(f"config has the class {name!r}; wanted one of {', '.join(_KINDS)}, or of custom_objects")
    try:
        made: LearningRateSchedule = found.from_config(config["config"])
    except TypeError as error:
        raise ArgumentError(f"config of {name} is none: {error}") from None
    return made


def is_known(schedule: Any) -> bool:
    """Whether deserialize makes it again without custom_objects."""
    return _KINDS.get(type(schedule).__name__) is type(schedule)


def _kept(value: Any) -> Any:
    """An argument as Python's own number, text or list."""
    if isinstance(value, list | tuple | np.ndarray):
        return [_kept(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _plain(value: Any) -> Any:
    if isinstance(value, LearningRateSchedule):
        return serialize(value)
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _made(value: Any) -> Any:
    if isinstance(value, dict):
        return deserialize(value)
    return [_made(each) for each in value] if isinstance(value, list) else value


# ---- arguments ----


def rate(value: Any, where: str) -> float:
    """A rate, or a factor of one."""
    return _arguments.within(value, where, 0, math.inf)


def steps(value: Any, where: str) -> float:
    """How many steps something takes; it need not be a whole number, as in Keras."""
    return _arguments.within(value, where, 1, math.inf)


def whole(value: Any, where: str, least: int = 0) -> int:
    """A step's number, or how many there are."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _arguments.integer(value, where, least)


def climbing(value: Any, where: str, least: int, *, may_repeat: bool = False) -> list[int]:
    """Steps in the order in which they come."""
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        raise DTypeError(f"{where} is {value!r}; wanted a list of whole numbers")
    found: list[int] = []
    for index, each in enumerate(value):
        bound = found[-1] + (not may_repeat) if found else least
        found.append(whole(each, f"{where}[{index}]", bound))
    return found


def parts_of(value: Any, where: str) -> tuple[Part, ...]:
    """The parts of a schedule, or of a number for one that stays."""
    if isinstance(value, Schedule):
        return tuple(value._parts)
    if isinstance(value, LearningRateSchedule) or callable(value):
        raise DTypeError(f"{where} is {value!r}; wanted a number or one of martlet.schedules, whose steps are known")
    return (part(_ffi_schedules.SCHEDULE_CONSTANT, rate=rate(value, where)),)
