"""What the library says of its algorithms: what each is called, the hyperparameters that it reads with their defaults,
its flags and the slots of its state. Asked once each.

How users spell hyperparameters and flags is _spellings.py's business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import count
from math import inf, prod
from types import MappingProxyType
from typing import Any, NamedTuple

from martlet import _ffi, _ffi_optimizers, _small
from martlet._errors import ArgumentError

CONFIG_SIZE = _ffi.struct_size(_ffi_optimizers.Config)
# Algorithms whose steps are all alike but the first: torch's states of them, and their authors', have no "step".
UNCOUNTED = frozenset({_ffi_optimizers.SGD, _ffi_optimizers.LION, _ffi_optimizers.LARS, _ffi_optimizers.MUON})
TORCH = _ffi_optimizers.SEMANTICS_TORCH
_SEMANTICS = (TORCH, _ffi_optimizers.SEMANTICS_KERAS, _ffi_optimizers.SEMANTICS_OPTAX, _ffi_optimizers.SEMANTICS_PAPER)


def _named_numbers() -> Iterator[tuple[str, int]]:
    for number in count(1):
        name = _ffi_optimizers.martlet_hyperparameter_name(number)
        if name is None:
            return
        yield name.decode(), number


# The numbers of all hyperparameters, by their names, which are those of martlet_config's fields.
HYPERPARAMETERS = dict(_named_numbers())


class Algorithm:
    """defaults: of the hyperparameters that it reads, in the order of their numbers; places: where each stands in that
    order. flags: those that it reads, as a sum; default_flags: those that it has unless told otherwise.
    conventions: the semantics that it may be asked for. is_whole: whether a step sees a parameter in the order of its
    dimensions, however it lies in memory; takes_vectors: whether it steps those of fewer than two, too."""

    __slots__ = (
        "conventions",
        "default_flags",
        "defaults",
        "flags",
        "is_whole",
        "name",
        "number",
        "places",
        "takes_vectors",
    )

    def __init__(self, number: int) -> None:
        config = new_config(number)
        values = {name: float(getattr(config, name)) for name in HYPERPARAMETERS}
        self.number = number
        self.name: str = _ffi_optimizers.martlet_algorithm_name(number).decode()
        self.defaults = {name: value for name, value in values.items() if value == value}  # NaN: not read
        self.places = {name: place for place, name in enumerate(self.defaults)}
        self.flags: int = _ffi_optimizers.martlet_algorithm_flags(number)
        self.default_flags: int = config.flags
        needs = _ffi_optimizers.martlet_algorithm_needs(number)
        self.is_whole = bool(needs & _ffi_optimizers.NEEDS_WHOLE)
        self.takes_vectors = not needs & _ffi_optimizers.NEEDS_MATRICES
        self.conventions = frozenset(semantics for semantics in _SEMANTICS if _is_known(config, semantics))


def _is_known(config: _ffi_optimizers.Config, semantics: int) -> bool:
    """Whether an algorithm may be asked for a convention."""
    config.semantics = semantics
    try:
        _ffi_optimizers.martlet_algorithm_slot_count(_ffi.Int64(), config)
    except ArgumentError:
        return False
    return True


class Cut(NamedTuple):
    """How sides of matrices are taken where there are squares of them: in blocks of `block`, where that is not 0; one
    whose blocks are longer than `most` has none."""

    most: int = 0
    block: int = 0

    def pieces(self, side: int) -> list[int]:
        """How long a side's blocks are."""
        size = self.block or max(side, 1)
        return [min(size, side - first) for first in range(0, side, size)]

    def blocks(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of an array of a number for each block of first indices."""
        rows = shape[0] if shape else 1
        return tuple(shape) if 0 in shape else (-(-rows // (self.block or rows)),)

    def squares(self, side: int, other: int) -> tuple[int, ...]:
        """The shape of an array of a side's squares, one for each block of the matrix; without elements where there are
        none. other: the other side."""
        pieces, across = self.pieces(side), len(self.pieces(other))
        if not pieces or max(pieces) > self.most:
            return (0,)
        return (side, side) if len(pieces) == across == 1 else (across * sum(piece * piece for piece in pieces),)


class Slots(NamedTuple):
    """The names of a parameter's slots, in the library's order: arrays, then single numbers. kinds: of the arrays, of
    which a parameter's shape says whether it has them. are_whole: whether a step sees them in the order of the
    parameter's dimensions. cut: how its sides are taken. small: the types of few bits that arrays may have, by
    these bits."""

    arrays: tuple[str, ...]
    scalars: tuple[str, ...]
    kinds: tuple[int, ...]
    are_whole: bool = False
    cut: Cut = Cut()
    small: Mapping[str, Mapping[int, int]] = MappingProxyType({})

    def without(self, names: Collection[str]) -> Slots:
        """The same but for these arrays."""
        kept = [pair for pair in zip(self.arrays, self.kinds, strict=True) if pair[0] not in names]
        return self._replace(arrays=tuple(name for name, _ in kept), kinds=tuple(kind for _, kind in kept))

    @property
    def names(self) -> tuple[str, ...]:
        return self.arrays + self.scalars

    @property
    def are_shaped(self) -> bool:
        """Whether a parameter's shape says which of them it has: matrices then are to be told from vectors."""
        return not _SHAPED.isdisjoint(self.kinds)

    @property
    def have_squares(self) -> bool:
        """Whether some are of a matrix's sides."""
        return not _SQUARES.isdisjoint(self.kinds)

    @property
    def are_cut(self) -> bool:
        """Whether their shapes depend on a size of blocks."""
        return self.have_squares or _ffi_optimizers.SLOT_BLOCKS in self.kinds

    def is_precise(self, name: str) -> bool:
        """Whether an array is in fp32 or fp64, whatever the parameter is in: of a matrix's side, or of a stage."""
        return name in self.arrays and (name in _PRECISE or self.kinds[self.arrays.index(name)] in _OF_SIDES)

    def small_type(self, name: str, asked: Any, shape: Sequence[int]) -> _small.Small | None:
        """In what an array of a parameter of this shape is kept where state_dtype is asked; None: in no few bits."""
        bits = _small.BITS.get(asked) if isinstance(asked, str) else None
        if bits is None or name not in self.small or prod(shape) < _small.LEAST:
            return None
        if self.are_whole and len(shape) > 1 and shape[-1] % _small.ROW:
            return None
        return _small.TYPES[self.small[name][bits]]

    def small_of(self, name: str, size: int, shape: Sequence[int]) -> _small.Small | None:
        """What so many bytes are as an array of a parameter of this shape; None: no array of few bits."""
        found = (_small.TYPES[number] for number in self.small.get(name, {}).values())
        return next((small for small in found if small.size(prod(shape)) == size), None)

    @property
    def keep_dimensions(self) -> bool:
        """Whether a step depends on the order of a parameter's dimensions."""
        return self.are_shaped or self.are_whole

    def of(self, shape: Sequence[int]) -> Slots:
        """Those that a parameter of this shape has."""
        if not self.are_shaped:
            return self
        left_out = _OF_VECTORS if len(shape) > 1 else _OF_MATRICES
        kept = [pair for pair in zip(self.arrays, self.kinds, strict=True) if pair[1] not in left_out]
        kept = [(name, kind) for name, kind in kept if kind not in _SQUARES or 0 not in self.shape(name, shape)]
        return self._replace(arrays=tuple(name for name, _ in kept), kinds=tuple(kind for _, kind in kept))

    def shape(self, name: str, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of an array of a parameter of this shape."""
        kind = self.kinds[self.arrays.index(name)]
        if kind == _ffi_optimizers.SLOT_ROWS and len(shape) > 1:
            return (*shape[:-1], 1)
        if kind == _ffi_optimizers.SLOT_COLUMNS and len(shape) > 1:
            return (*shape[:-2], 1, shape[-1])
        if kind in _SQUARES:
            sides = shape[0], prod(shape[1:])
            return self.cut.squares(*(sides if kind == _ffi_optimizers.SLOT_ROW_SQUARES else sides[::-1]))
        if kind == _ffi_optimizers.SLOT_LEADING and len(shape) > 1:
            return (shape[0], 1)
        if kind == _ffi_optimizers.SLOT_BLOCKS:
            return self.cut.blocks(shape)
        return tuple(shape)

    def alike(self, shape: Sequence[int]) -> tuple[str, ...]:
        """The arrays that have a parameter's own shape."""
        own = _ALIKE if len(shape) > 1 else _ALIKE | _OF_VECTORS
        return tuple(name for name, kind in zip(self.arrays, self.kinds, strict=True) if kind in own)

    def size(self, name: str, shape: Sequence[int]) -> int:
        """How many numbers the library keeps in a slot of a parameter of this shape: none where that has none."""
        if name in self.scalars:
            return 1
        return prod(self.shape(name, shape)) if prod(shape) else 0


# Arrays that every algorithm may keep, for what is done around its updates.
# Those that stand beside values of 16 bits, in their type.
OF_VALUES = frozenset({"kahan_comp", "remainder"})
# Those of them that keep what low precision would forget: in fp32 or fp64.
_PRECISE = frozenset({"ema_params", "grad_mean"})
OF_STAGES = frozenset({"slow_params"}) | _PRECISE | OF_VALUES
# Numbers that ask for nothing where they are infinite, and those of them that clip by a norm.
BOUNDS = ("max_norm", "clip_norm", "clip_value")
_NORMS = ("max_norm", "clip_norm")
# What stands for any value but 0 where 0 is the default, and a half is none.
_USED = {"block_size": 1.0, "lookahead_steps": 1.0, "accumulate": 2.0}
_ALIKE = frozenset({_ffi_optimizers.SLOT_ELEMENTS})
_OF_VECTORS = frozenset({_ffi_optimizers.SLOT_VECTOR})
_SQUARES = frozenset({_ffi_optimizers.SLOT_ROW_SQUARES, _ffi_optimizers.SLOT_COLUMN_SQUARES})
_OF_MATRICES = _SQUARES | {_ffi_optimizers.SLOT_LEADING, _ffi_optimizers.SLOT_ROWS, _ffi_optimizers.SLOT_COLUMNS}
_OF_SIDES = _SQUARES | {_ffi_optimizers.SLOT_LEADING, _ffi_optimizers.SLOT_BLOCKS}
_SHAPED = _OF_VECTORS | _OF_MATRICES | {_ffi_optimizers.SLOT_BLOCKS}
# With which a step of any algorithm sees a parameter as a whole, or its elements by their places.
_WHOLE = _ffi_optimizers.CAUTIOUS_UPDATE | _ffi_optimizers.HYPERBALL | _ffi_optimizers.STOCHASTIC_ROUNDING


def new_config(number: int) -> _ffi_optimizers.Config:
    """The library's own defaults."""
    config = _ffi_optimizers.Config()
    _ffi_optimizers.martlet_config_init(config, CONFIG_SIZE, number)
    return config


@cache
def of(number: int) -> Algorithm:
    """The algorithm of a number."""
    return Algorithm(number)


@cache
def numbers() -> tuple[int, ...]:
    """Those of all algorithms."""
    found = []
    for number in count(1):
        if _ffi_optimizers.martlet_algorithm_name(number) is None:
            break
        found.append(number)
    return tuple(found)


def number_of(name: Any) -> int:
    """The number of the algorithm of a name."""
    found = {of(number).name: number for number in numbers()}
    if not isinstance(name, str) or name not in found:
        raise ArgumentError(f"algorithm is {name!r}; wanted one of {', '.join(sorted(found))}")
    return found[name]


def used(number: int, values: Sequence[float]) -> tuple[bool, ...]:
    """For each hyperparameter that an algorithm reads, whether its number asks for something: is other than 0, or
    counts more gradients to a step than one, or bounds them."""
    found = list(map(bool, values))
    places = of(number).places
    found[places["accumulate"]] = values[places["accumulate"]] > 1
    for name in BOUNDS:
        found[places[name]] = values[places[name]] < inf
    return tuple(found)


@cache
def slots(number: int, semantics: int, flags: int, used: tuple[bool, ...]) -> Slots:
    """The slots of a configuration, but for its cut. used: as the function of that name says, on which alone names and
    kinds depend."""
    config = new_config(number)
    config.semantics, config.flags = semantics, flags | _ffi_optimizers.WIDE_RANGES
    for (name, default), is_used in zip(of(number).defaults.items(), used, strict=True):
        if name not in BOUNDS:
            setattr(config, name, (default or _USED.get(name, 0.5)) if is_used else 0.0)
    slot_count, slot = _ffi.Int64(), _ffi_optimizers.Slot()
    _ffi_optimizers.martlet_algorithm_slot_count(slot_count, config)
    arrays: dict[str, int] = {}
    small: dict[str, Mapping[int, int]] = {}
    scalars: list[str] = []
    for index in range(slot_count.value):
        _ffi_optimizers.martlet_slot_get(slot, config, index)
        if slot.kind == _ffi_optimizers.SLOT_SCALAR:
            scalars.append(slot.name.decode())
        else:
            arrays[slot.name.decode()] = slot.kind
            if slot.dtype_8bit:
                small[slot.name.decode()] = {16: slot.dtype_16bit, 8: slot.dtype_8bit, 4: slot.dtype_4bit}
    sums = any(used[of(number).places[name]] for name in _NORMS)
    are_whole = of(number).is_whole or bool(flags & _WHOLE) or sums
    return Slots(tuple(arrays), tuple(scalars), tuple(arrays.values()), are_whole, small=small)


@cache
def all_slots(number: int) -> Slots:
    """The slots that a state of the algorithm can have."""
    every = _possible_slots(number)
    arrays = {name: kind for found in every for name, kind in zip(found.arrays, found.kinds, strict=True)}
    scalars = dict.fromkeys(name for found in every for name in found.scalars)
    small = {name: types for found in every for name, types in found.small.items()}
    return Slots(tuple(arrays), tuple(scalars), tuple(arrays.values()), small=small)


@cache
def least_slots(number: int) -> Slots:
    """The slots that every state of the algorithm has once a step was taken."""
    first, *others = _possible_slots(number)
    arrays = {
        name: kind
        for name, kind in zip(first.arrays, first.kinds, strict=True)
        if all(name in found.arrays for found in others)
    }
    scalars = tuple(name for name in first.scalars if all(name in found.scalars for found in others))
    return Slots(tuple(arrays), scalars, tuple(arrays.values()))


def _possible_slots(number: int) -> list[Slots]:
    """What each choice makes of them: convention, flag, and numbers that are zero."""
    kind = of(number)
    switches = [1 << bit for bit in range(32) if kind.flags >> bit & 1 and 1 << bit != _ffi_optimizers.WIDE_RANGES]
    usual = used(number, tuple(kind.defaults.values()))
    choices = [(semantics, kind.default_flags) for semantics in sorted(kind.conventions)]
    choices += [(TORCH, kind.default_flags ^ switch) for switch in switches]
    # With decay, and without, which some flags do not go with; with an average, and without, which some rules do not.
    without = tuple(one and name != "weight_decay" for name, one in zip(kind.defaults, usual, strict=True))
    nearly_all = tuple(name != "ema_decay" for name in kind.defaults)
    found = []
    for semantics, flags in choices:
        for chosen in (usual, without, (True,) * len(usual), nearly_all, (False,) * len(usual)):
            try:
                found.append(slots(number, semantics, flags, chosen))
            except ArgumentError:
                continue  # choices that exclude each other
    return found
