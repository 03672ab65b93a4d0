"""One call of martlet_step, or martlet_mode_set, laid out in memory once and repeated with other addresses.

The structs are written as 8-byte words at offsets that _ffi's declarations give. Nothing here knows numpy or torch;
who uses it has checked the arrays, and keeps them alive during run().
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from martlet import _ffi, _ffi_bound, _memory, _reduction, _small
from martlet._algorithms import Slots
from martlet._config import Hyperparameters
from martlet._errors import MartletError
from martlet._layout import Layout

_PARAMETER_WORDS = _ffi.struct_size(_ffi.Parameter) // 8
_ARRAY_WORDS = _ffi.struct_size(_ffi.Array) // 8
_NEGATIVE = (1 << 64) - 1


def _word(offset: int) -> int:
    assert offset % 8 == 0
    return offset // 8


_DATA = _word(_ffi.Array.data.offset)
_COUNT = _word(_ffi.Array.count.offset)
_DTYPE_AND_RANK = _word(_ffi.Array.dtype.offset)
_SIZES = _word(_ffi.Array.sizes.offset)
_STRIDES = _word(_ffi.Array.strides.offset)
_SCALES = _word(_ffi.Array.scales.offset)
_BLOCK_AND_SCALE_DTYPE = _word(_ffi.Array.block.offset)
_VALUE = _word(_ffi.Parameter.value.offset)
_GRAD = _word(_ffi.Parameter.grad.offset)
_STATE = _word(_ffi.Parameter.state.offset)
_STATE_COUNT = _word(_ffi.Parameter.state_count.offset)
_STEP = _word(_ffi.Parameter.step.offset)
_GROUP = _word(_ffi.Parameter.group.offset)
_ROWS = _word(_ffi.Parameter.rows.offset)
_ROW_COUNT = _word(_ffi.Parameter.row_count.offset)
_KEY = _word(_ffi.Parameter.key.offset)
_OFFSET = _word(_ffi.Parameter.offset.offset)
_STEP_SHOWN = _word(_ffi.Parameter.step_shown.offset)
_COPY = _word(_ffi.Parameter.copy.offset)
_BACKLOG = _word(_ffi.Parameter.backlog.offset)
_STEP_SHOWN_DTYPE = _word(_ffi.Parameter.step_shown_dtype.offset)


class LastStep(NamedTuple):
    """What an optimizer's latest step has found.

    skipped      whether it took no step, since a gradient was not finite
    grad_norm    the norm of all gradients, unscaled and before they were clipped; NaN where it was not measured:
                 max_norm, clip_norm, skip_nonfinite and measure=True look at gradients
    update_norm  the norm of what was taken off the parameters; NaN where it was not asked for
    nonfinite    the name of the first parameter whose gradient was not finite; None: none was, or none was looked at
    """

    skipped: bool
    grad_norm: float
    update_norm: float
    nonfinite: str | None


class RowNumbers(NamedTuple):
    """The rows that a sparse gradient is of: where their numbers are (int64), how many, and the elements of all. The
    gradient is laid out by its sizes, so that there is room for those of another."""

    address: int
    length: int
    size: int


class Item(NamedTuple):
    """A parameter without addresses: what stays the same from call to call.

    state: its slots, each with how many numbers it has and how they lie; None: the parameter has none of it. slots:
    their names.
    step_shown: the element type of the number that shows its step counter; 0: it has none. copy: how the copy lies that
    a step leaves of it; None: there is none. rows: those that its gradient is of, which may be others in the next call;
    None: all. key: whose draws it takes where it is rounded at random: its place among all parameters; offset: which of
    them its first element takes, where it is a part. backlog: where the memory is of what its rows have not seen; 0: it
    has none.
    """

    name: str
    size: int
    group: int
    value: Layout
    grad: Layout
    state: Sequence[tuple[int, Layout] | None]
    slots: Sequence[str]
    step_shown: int = 0
    copy: Layout | None = None
    rows: RowNumbers | None = None
    key: int = 0
    offset: int = 0
    backlog: int = 0


class StepCall:
    """Parameters, states and configs of a call.

    values   addresses of the parameters
    states   for each item the address of its step counter (int64), then of the number that shows it where it has
             one, then those of the state slots that it has, then that of its copy where it has one
    grads    addresses of the gradients; 0 leaves an item that has elements as it is
    """

    __slots__ = (
        "_configs",
        "_grad_numbers",
        "_grad_view",
        "_names",
        "_numbers",
        "_place",
        "_report",
        "_run",
        "_scale_words",
        "_state_words",
        "_value_view",
        "_words",
    )

    def __init__(self, items: Sequence[Item], configs: _memory.Configs, config_count: int) -> None:
        state_count = sum(len(item.state) + (item.copy is not None) for item in items)
        number_count = 2 * sum(len(layout.sizes) for item in items for layout in _layouts_of(item))
        self._words = _memory.Words(len(items) * _PARAMETER_WORDS + state_count * _ARRAY_WORDS)
        self._numbers = _memory.Words(number_count)
        # The library is not told the names: here they stand for the numbers in its messages.
        self._names = [(item.name, item.slots) for item in items]
        self._configs = configs
        # Structs stand one after another, so a field of all of them is a slice.
        fields = self._words.view[: len(items) * _PARAMETER_WORDS]
        self._value_view = fields[_VALUE + _DATA :: _PARAMETER_WORDS]
        self._grad_view = fields[_GRAD + _DATA :: _PARAMETER_WORDS]
        self._state_words: list[int] = []
        self._grad_numbers: list[int] = []  # where each gradient's sizes and strides begin
        # Where the address of scales is written, the place of their state among those words, how far behind they lie.
        self._scale_words: list[tuple[int, int, int]] = []
        self._lay_out(items)
        self._place = self._words.address, len(items), configs.address, config_count
        self._report = _memory.Report()
        self._run = _ffi_bound.bound_step(self._report.address, *self._place)

    def _lay_out(self, items: Sequence[Item]) -> None:
        view = self._words.view
        state = len(items) * _PARAMETER_WORDS
        used = 0
        for index, item in enumerate(items):
            base = index * _PARAMETER_WORDS
            view[base + _STATE] = self._words.address + 8 * state
            view[base + _STATE_COUNT] = len(item.state)
            view[base + _GROUP] = item.group
            view[base + _KEY] = item.key
            view[base + _OFFSET] = item.offset
            view[base + _BACKLOG] = item.backlog
            self._state_words.append(base + _STEP)
            if item.step_shown:
                view[base + _STEP_SHOWN_DTYPE] = item.step_shown
                self._state_words.append(base + _STEP_SHOWN)
            used = self._write_array(base + _VALUE, item.size, item.value, used)
            self._grad_numbers.append(used)
            used = self._write_array(base + _GRAD, item.size, item.grad, used)
            if item.rows is not None:
                self.point_rows(index, 0, item.grad, item.rows)
            for slot in item.state:
                if slot is None:
                    self._write_array(state, 0, Layout(_ffi.FP32), used)
                else:
                    used = self._write_array(state, *slot, used)
                    self._write_small(state, *slot)
                    self._state_words.append(state + _DATA)
                state += _ARRAY_WORDS
            if item.copy is not None:
                view[base + _COPY] = self._words.address + 8 * state
                used = self._write_array(state, item.size, item.copy, used)
                self._state_words.append(state + _DATA)
                state += _ARRAY_WORDS

    def _write_array(self, base: int, count: int, layout: Layout, used: int) -> int:
        view, numbers = self._words.view, self._numbers.view
        rank = len(layout.sizes)
        view[base + _COUNT] = count
        view[base + _DTYPE_AND_RANK] = layout.dtype | rank << 32
        if rank:
            view[base + _SIZES] = self._numbers.address + 8 * used
            view[base + _STRIDES] = self._numbers.address + 8 * (used + rank)
            for place, value in enumerate((*layout.sizes, *layout.strides), used):
                numbers[place] = value & _NEGATIVE
        return used + 2 * rank

    def _write_small(self, base: int, count: int, layout: Layout) -> None:
        """What an array of few bits has more."""
        small = _small.TYPES.get(layout.dtype)
        if small is not None:
            self._words.view[base + _BLOCK_AND_SCALE_DTYPE] = small.block | _ffi.FP32 << 32
            self._scale_words.append((base + _SCALES, len(self._state_words), small.scales_at(count)))

    def point(self, values: Sequence[int], states: Sequence[int], grads: Sequence[int]) -> None:
        """Sets all addresses."""
        view = self._words.view
        for word, pointer in zip(self._state_words, states, strict=True):
            view[word] = pointer
        for word, place, offset in self._scale_words:
            view[word] = states[place] + offset
        self.point_values(values)
        self.point_grads(grads)

    def point_values(self, values: Sequence[int]) -> None:
        """Sets the parameters' addresses."""
        self._value_view[:] = array("Q", values)

    def point_grads(self, grads: Sequence[int]) -> None:
        """Sets the gradients' addresses."""
        self._grad_view[:] = array("Q", grads)

    def point_rows(self, index: int, address: int, grad: Layout, rows: RowNumbers) -> None:
        """Sets an item's gradient of rows, of the rank that it was laid out with."""
        view, base = self._words.view, index * _PARAMETER_WORDS
        self._write_array(base + _GRAD, rows.size, grad, self._grad_numbers[index])
        view[base + _GRAD + _DATA] = address
        # Of no rows an address stands there all the same, or the gradient would be a dense one.
        view[base + _ROWS] = rows.address if rows.length else self._words.address
        view[base + _ROW_COUNT] = rows.length

    def set_hyperparameters(self, rows: Sequence[Hyperparameters]) -> None:
        """Puts other numbers into the configs, of which there are as many, with the same slots."""
        for index, row in enumerate(rows):
            row.write(self._configs[index])

    def run(self, reduce: _reduction.Reduce | None = None) -> None:
        """Steps. Raises the exception of a failure; nothing has then changed, unless it is that of reduce, which adds
        up what is summed over shards."""
        status = self._run() if reduce is None else _reduction.step(self._report.address, self._place, reduce)
        if status:
            raise self._error(status)

    @property
    def last_step(self) -> LastStep:
        """What the latest run has found."""
        found = self._report.numbers
        place = found.nonfinite_parameter
        name = None if place < 0 else self._names[place][0]
        return LastStep(bool(found.dropped), found.grad_norm, found.update_norm, name)

    def move(self, mode: int) -> None:
        """Moves Schedule-Free parameters to a mode's point. Raises as run() does."""
        status = _ffi_bound.bound_mode_set(*self._place)(mode)
        if status:
            raise self._error(status)

    def finish(self) -> None:
        """Lets rows catch up, those that items have or all. Raises as run() does."""
        status = _ffi_bound.finish(*self._place)
        if status:
            raise self._error(status)

    def finish_rows(self, index: int, rows: RowNumbers) -> None:
        """The same of these rows of one item, which is otherwise left as it is."""
        view, base = self._words.view, index * _PARAMETER_WORDS
        kept = view[base + _ROWS], view[base + _ROW_COUNT]
        view[base + _ROWS] = rows.address if rows.length else self._words.address
        view[base + _ROW_COUNT] = rows.length
        try:
            status = _ffi_bound.finish(self._words.address + 8 * base, 1, *self._place[2:])
        finally:
            view[base + _ROWS], view[base + _ROW_COUNT] = kept
        if status:
            raise self._error(status, index)

    def _error(self, status: int, first: int = 0) -> MartletError:
        """The failure in the library's words, with the parameters' names for their numbers. first: the call's first."""
        error = _ffi.error_of(status)

        def named(found: re.Match[str]) -> str:
            name, slots = self._names[first + int(found[1])]
            if not found[2]:
                return name
            # A user knows one step count, which the number is that shows it, and moments by their names.
            field = re.sub(r"^state\[(\d+)\]", lambda slot: slots[int(slot[1])], found[2])
            return f"{field.replace('step_shown', 'step')} of {name}"

        return type(error)(re.sub(r"\bparameters\[(\d+)\](?:\.(\w+(?:\[\d+\]|\.\w+)*))?", named, str(error)))


def state_layouts(
    slots: Slots, shape: Sequence[int], lying: Mapping[str, Layout], types: Mapping[str, int]
) -> list[tuple[int, Layout] | None]:
    """An item's state. lying: the slots of the parameter's shape; types: the element types of all that it has."""
    return [
        (slots.size(slot, shape), lying.get(slot) or Layout(types[slot])) if slot in types else None
        for slot in slots.names
    ]


def _layouts_of(item: Item) -> list[Layout]:
    copies = () if item.copy is None else (item.copy,)
    return [item.value, item.grad, *(slot[1] for slot in item.state if slot is not None), *copies]


def write_configs(groups: Iterable[Hyperparameters]) -> tuple[_memory.Configs, int]:
    """The groups' hyperparameters as configs, and how many they are."""
    rows = list(groups)
    configs = _memory.Configs(len(rows))
    for index, row in enumerate(rows):
        row.write(configs[index])
    return configs, len(rows)
