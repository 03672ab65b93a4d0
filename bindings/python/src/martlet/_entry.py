"""A parameter of the numpy side: its array, its place, its step count, and the moments that are kept for it.

The only place that says what a step count and a moment must be. It steps nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from martlet import _arrays, _backlog, _small
from martlet._algorithms import OF_VALUES, UNCOUNTED, Slots, all_slots
from martlet._call import Item
from martlet._errors import ArgumentError, DTypeError, FormatError, ShapeError
from martlet._rows import Rows

NDArray = np.ndarray[Any, Any]
MOST_STEPS = 2**63 - 1  # what the library counts to, in memory and in files
LONGEST_NAME = 500  # in bytes


class LaidOut(NamedTuple):
    """An entry in a call: its item, the addresses of its counter and its slots, what keep() is to be given, and the
    numbers of the rows that the gradient is of, whose address the item has."""

    item: Item
    addresses: list[int]
    state: dict[str, NDArray]
    counter: NDArray | None
    row_numbers: NDArray | None = None


class Entry:
    """name and group: for messages, files and hyperparameters. counter: the steps that state has seen, a 0-d int64
    array that the library counts up; before: those that it has not. state: slot name to array, of the parameter's shape
    or, for a single number, 0-d of float64; empty before the first step; never changed, but replaced by keep(). copy:
    the array that each step copies the value into; None: there is none.

    key: its place among all parameters, for random rounding. backlog: what its rows have not seen, None until a step of
    rows is deferred. value is the caller's, who may give it other memory,
    another shape or type at any time.
    """

    __slots__ = ("_kept_for", "backlog", "before", "copy", "counter", "group", "key", "name", "state", "value")

    def __init__(self, name: str, value: NDArray, group: int) -> None:
        self.name = name
        self.value = value
        self.group = group
        self.key = 0
        self.state: dict[str, NDArray] = {}
        self.counter = _new_counter()
        self.before = 0
        self.copy: NDArray | None = None
        self.backlog: NDArray | None = None
        self._kept_for: Any = None

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """All but the backlog, with which rows have caught up."""
        kept = (slot for slot in Entry.__slots__ if hasattr(self, slot))
        return None, {slot: None if slot == "backlog" else getattr(self, slot) for slot in kept}

    @property
    def steps(self) -> int:
        """Steps taken."""
        return self.before + int(self.counter)

    @steps.setter
    def steps(self, count: int) -> None:
        self.before, self.counter[()] = 0, count

    def view(self) -> _arrays.View:
        """Where the parameter is. Raises the exception that names what is wrong with it."""
        return _arrays.view(self.value, self.name, written=True)

    def ready_state(self, slots: Slots, dtype: np.dtype[Any] | str | None) -> dict[str, NDArray]:
        """The slots, first in this order; those that are not there yet as zeros, to be kept once they were stepped.

        Raises the exception that says how the parameter has changed, where they were made for another one.
        """
        self._check_unchanged()
        slots = slots.of(self.value.shape)
        alike = slots.alike(self.value.shape)
        made: dict[str, NDArray] = {}
        for slot in slots.arrays:
            shape = None if slot in alike else slots.shape(slot, self.value.shape)
            small = self._small(slots, slot, dtype)
            if small is not None and slot not in self.state:
                made[slot] = np.zeros(small.size(self.value.size), dtype=np.uint8)
                continue
            if slot in self.state and shape is not None and self.state[slot].shape != shape:
                raise ShapeError(
                    f"{self.name}'s {slot} has shape {self.state[slot].shape}, and the group's sizes of blocks want "
                    f"{shape}; change them back, or make another optimizer"
                )
            made[slot] = self.state[slot] if slot in self.state else self._zeros(shape, self._dtype(slots, slot, dtype))
        for slot in slots.scalars:
            made[slot] = self.state[slot] if slot in self.state else np.zeros(())
        return self.state if made.keys() <= self.state.keys() else self.state | made

    def keep(self, state: dict[str, NDArray], counter: NDArray | None = None) -> None:
        """Puts moments in, which are for the parameter as it is now, and a counter that begins with them."""
        self._kept_for = self.value.dtype, self.value.shape
        self.state = state
        if counter is not None:
            self.before, self.counter = self.steps, counter

    def check_writable(self) -> None:
        """Raises the exception that names what is wrong with the parameter, or says how it has changed."""
        self.view()
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        if not self.state:
            return
        dtype, shape = self._kept_for
        back = "change it back, or make another optimizer"
        if self.value.shape != shape:
            raise ShapeError(f"{self.name} has shape {self.value.shape}, and its moments were made for {shape}; {back}")
        if self.value.dtype != dtype:
            raise DTypeError(f"{self.name} has dtype {self.value.dtype}, and its moments were made for {dtype}; {back}")

    def lay_out(
        self,
        gradient: Any,
        algorithm: int,
        slots: Slots,
        dtype: np.dtype[Any] | str | None,
        *,
        zeroes: bool = False,
        defers: bool = False,
    ) -> LaidOut:
        """Checks the arrays of a step, or of a move, which has no gradient. zeroes: whether the gradient is written.
        defers: whether rows that it does not name are left for later.

        Where steps are all alike but the first, moments that come late, as a momentum that was 0 does, start with a
        first step of their own.
        """
        value = self.view()
        is_late = algorithm in UNCOUNTED and any(slot not in self.state for slot in slots.arrays)
        state, counter = self.ready_state(slots, dtype), _new_counter() if is_late else None
        name = f"the gradient of {self.name}"
        of_rows = _arrays.rows_view(gradient, name, value.shape) if isinstance(gradient, Rows) else None
        is_dense = gradient is not None and of_rows is None
        seen = _arrays.gradient_view(gradient, name, value.shape, written=zeroes) if is_dense else None
        views = {slot: self._slot_view(state[slot], slot, slots) for slot in slots.of(value.shape).names}
        copy = None if self.copy is None else _arrays.copy_view(self.copy, f"the copy of {self.name}", value)
        if self.backlog is not None or (defers and of_rows is not None):
            self.backlog = _backlog.ready(self.backlog, value.shape[0])
        keeps = bool(of_rows) or self.backlog is not None
        item = _arrays.item(self.name, self.group, value, seen, views, slots, copy, keeps_dimensions=keeps)
        backlog = 0 if self.backlog is None else _arrays.address(self.backlog)
        item = item._replace(key=self.key, backlog=backlog)
        if of_rows is not None:
            item = item._replace(grad=of_rows.layout, rows=of_rows.call)
        counted = _arrays.address(self.counter if counter is None else counter)
        addresses = [counted, *(view.pointer for view in (*views.values(), copy) if view is not None)]
        return LaidOut(item, addresses, state, counter, of_rows and of_rows.numbers)

    def _slot_view(self, array: NDArray, slot: str, slots: Slots) -> _arrays.View:
        """Where a slot is."""
        name = f"{slot} of {self.name}"
        if isinstance(array, np.ndarray) and array.dtype == np.uint8:
            return _arrays.small_view(array, slot, slots, self.value.shape, name)
        return _arrays.view(array, name, written=True)

    def _small(self, slots: Slots, slot: str, dtype: np.dtype[Any] | str | None) -> _small.Small | None:
        """In what a new slot is kept; None: in no few bits."""
        return None if self.value.dtype == np.float64 else slots.small_type(slot, dtype, self.value.shape)

    def parse(
        self, given: Any, algorithm: int, needed: Slots, where: str, *, copy: bool
    ) -> tuple[int, dict[str, NDArray]]:
        """Checks a given state against the parameter: the steps taken, and the moments or copies of them.

        needed: the slots that a state must have once a step was taken. where: what the state is called in messages.
        """
        known = all_slots(algorithm)._replace(cut=needed.cut).of(self.value.shape)
        needed = needed.of(self.value.shape)
        if isinstance(given, Mapping) and algorithm in UNCOUNTED:
            given = {"step": 1, **given}
        if not isinstance(given, Mapping) or "step" not in given:
            found = f"has {_keys(given)}" if isinstance(given, Mapping) else f"is a {type(given).__name__}"
            wanted = " and ".join(filter(None, ["'step'", _quoted(needed.names)]))
            raise FormatError(f"{where} {found}; wanted a dict with {wanted}")
        step = step_count(given["step"], where)
        slots = [slot for slot in known.names if slot in given and given[slot] is not None]
        missing = [slot for slot in needed.names if slot not in slots]
        if missing and (slots or step):
            raise FormatError(
                f"{where} lacks {_quoted(missing)}: it has {_keys(given)}, which another optimizer or another amsgrad "
                "may have made; wanted all of them, or an empty dict to start afresh"
            )
        state: dict[str, NDArray] = {}
        for slot in slots:
            called = f"{slot!r} in {where}"
            if slot in known.scalars:
                state[slot] = _scalar(given[slot], called, copy)
            else:
                if isinstance(given[slot], np.ndarray) and given[slot].dtype == np.uint8:
                    state[slot] = given[slot].copy() if copy else given[slot]
                    _arrays.small_view(state[slot], slot, known, self.value.shape, called)
                    continue
                shape, alike = known.shape(slot, self.value.shape), slot in known.alike(self.value.shape)
                state[slot] = self._moment(given[slot], shape, called, "K" if alike else "C", copy)
        return step, state

    def take(self, step: int, state: dict[str, NDArray]) -> None:
        """Puts another step count and other moments in."""
        self.steps = step
        self.keep(state)

    def export(self) -> dict[str, Any]:
        """A copy, in plain types."""
        return {"step": self.steps, **{slot: array.copy() for slot, array in self.state.items()}}

    def _dtype(self, slots: Slots, slot: str, dtype: np.dtype[Any] | str | None) -> np.dtype[Any] | None:
        """What an array of the state is stored as, where dtype is asked for; None: as the parameter."""
        if slot in OF_VALUES:
            return None
        if isinstance(dtype, str):
            # Who asks for scaled numbers has no use for plain ones of as many bits.
            dtype = np.dtype(np.float32) if dtype == "fp16" and self.value.dtype == np.float16 else None
        if not slots.is_precise(slot) or (dtype or self.value.dtype) == np.float64:
            return dtype
        return np.dtype(np.float32)

    def _zeros(self, shape: tuple[int, ...] | None, dtype: np.dtype[Any] | None) -> NDArray:
        """Of a shape, or else of the parameter's, in its order of axes."""
        if shape is not None:
            return np.zeros(shape, dtype or self.value.dtype)
        return np.zeros_like(self.value, dtype=dtype, subok=False)

    def _moment(self, given: Any, shape: tuple[int, ...], where: str, order: Literal["K", "C"], copy: bool) -> NDArray:
        """order: in which it must lie, "C", or a copy of it does."""
        try:
            array: NDArray = np.asarray(given).copy(order=order) if copy else given
        except (TypeError, ValueError, RuntimeError) as error:
            raise DTypeError(f"{where} cannot be read as a numpy array: {error}") from error
        if isinstance(array, np.ndarray) and array.shape != shape:
            raise FormatError(
                f"{where} has shape {array.shape}, and its parameter, {self.name}, has {self.value.shape}; wanted the "
                f"state that was made for this parameter, of {shape}"
            )
        _arrays.view(array, where, written=True)
        if order == "C" and not array.flags.c_contiguous:
            raise FormatError(f"{where} is not contiguous; give numpy.ascontiguousarray of it")
        return array


class Delta(Entry):
    """A parameter of our own that starts each step at zero, so that a step leaves the change in it."""

    __slots__ = ()

    def __init__(self, gradient: Any) -> None:
        seen = _arrays.view(gradient, "gradient", written=False)
        super().__init__("update", np.zeros(seen.shape, dtype=gradient.dtype), 0)

    def start(self, gradient: Any, weight_decay: float) -> None:
        """Before each step."""
        if weight_decay != 0:
            raise ArgumentError(
                "update() without parameters has nothing to decay: set weight_decay to 0, or give the parameters"
            )
        shape = getattr(gradient, "shape", self.value.shape)
        if shape != self.value.shape:
            raise ShapeError(
                f"gradient has shape {shape}; this optimizer has been updating arrays of {self.value.shape}: make one "
                "optimizer for each array"
            )
        self.value.fill(0)


def _new_counter() -> NDArray:
    return np.zeros((), dtype=np.int64)


def check_name(name: str) -> None:
    """Raises ArgumentError for a name under which no file could hold the parameter's state."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        size = 0
    if not 1 <= size <= LONGEST_NAME or "\0" in name:
        raise ArgumentError(
            f"a parameter is named {name[:80]!r}; wanted 1 to {LONGEST_NAME} bytes of UTF-8 without NUL: files hold "
            "its state under its name"
        )


def _scalar(given: Any, where: str, copy: bool) -> NDArray:
    """A number of a state, given as an array, a tensor or a plain number."""
    if not copy and type(given) is np.ndarray and given.dtype == np.float64 and given.ndim == 0:
        return given
    try:
        return np.array(float(given))
    except (OverflowError, TypeError, ValueError, RuntimeError) as error:
        raise DTypeError(f"{where} is {given!r}; wanted a number") from error


def step_count(value: Any, where: str) -> int:
    """The number of steps taken, from a number of any kind, or an array or tensor of one element."""
    try:
        try:
            count = operator.index(value)
        except TypeError:
            number = float(value)
            count = int(number) if number.is_integer() else -1
    except (TypeError, ValueError, OverflowError, RuntimeError):
        count = -1
    if isinstance(value, bool | np.bool_ | str) or not 0 <= count <= MOST_STEPS:
        raise FormatError(f"'step' in {where} is {value!r}; wanted the number of steps taken, an integer from 0 on")
    return count


def _keys(given: Mapping[Any, Any]) -> str:
    return ", ".join(map(repr, given)) or "nothing"


def _quoted(slots: Sequence[str]) -> str:
    return ", ".join(map(repr, slots))
