"""Parameter groups' options as torch names them: what they must be, and what a step makes of them.

Knows no parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cached_property, partial
from itertools import chain
from math import isfinite
from typing import Any

from torch import Tensor, empty
from torch.optim import Optimizer as TorchOptimizer

from martlet import _algorithms, _ffi_optimizers, _spellings
from martlet._algorithms import Slots
from martlet._config import Hyperparameters, defaults
from martlet._errors import ArgumentError, DTypeError, MartletError, MissingError, UnsupportedError
from martlet.torch.tensors import DTYPES, STATE_NAMES

Group = dict[str, Any]

# The options of every class that torch has not, and what they are in a group that does not say.
_SHARED: Group = {"flush_denormals": None, "semantics": "torch", "state_dtype": None}
_ROUNDING: Group = {"low_precision": None, "seed": 0}
# Those of torch's that do not all go together.
_SWITCHES = ("foreach", "fused", "capturable", "differentiable")
# The types of numbers that stay the same while the object does.
_PLAIN = {float, int, type(None)}
# The kinds that a group of another class's object may name as its "algorithm".
_BY_NAME: dict[str, Kind] = {}


class _Judging(TorchOptimizer):
    """Stands behind torch's class of an algorithm, whose constructor then judges arguments as ever, and makes no
    more of an optimizer than defaults."""

    def __init__(self, params: Any, defaults: Group) -> None:
        self.defaults, self.param_groups = defaults, []


class Kind:
    """What a class of one algorithm reads in its groups and keeps of its parameters.

    title        what messages call it; name: what groups call it
    own          the options that are not torch's, and what they are in a group that does not say. They stand in a group
                 only where they are something else, so that groups and state_dicts have torch's keys: tools that save
                 and load by key (torch.distributed.checkpoint) then find in one class's files what the other looks for
    peer         torch's class; None: torch does not have the algorithm
    shows_step   whether a state has the count of its steps, as "step"
    slots        all slots that a state can have
    """

    # Whether groups may say "algorithm"; whether a parameter that a group has twice is stepped twice.
    reads_algorithms = True
    steps_twice = False

    def __init__(
        self,
        title: str,
        algorithm: int,
        stated: Collection[str],
        inherited: Kind | None,
        peer: type[TorchOptimizer] | None,
        make: Callable[..., TorchOptimizer],
        semantics: str = "torch",
    ) -> None:
        """stated: the arguments of the class's constructor, to which those of the inherited kind are added. make: the
        class. semantics: the convention of groups that do not say."""
        usual = _algorithms.of(algorithm).default_flags
        flags = {key: bool(_spellings.FLAGS[key] & usual) for key in _spellings.flag_keys(algorithm)}
        # What install() puts in its place later calls this kind.
        self._peers_constructor: Any = peer and peer.__init__
        self._judge: Any = peer and type("_Judge", (peer, _Judging), {})
        self.title, self.peer, self.shows_step = title, peer, algorithm not in _algorithms.UNCOUNTED
        self.stated: set[str] = {*stated, *(inherited.stated if inherited else ())}
        self._semantics = semantics
        self.own: Group = {**_SHARED, "semantics": semantics}
        self.own |= {key: value for key, value in flags.items() if key not in self.stated}
        own_numbers = _spellings.left_out(algorithm)
        self.own |= own_numbers | _ROUNDING
        self._make = make
        self.name = _algorithms.of(algorithm).name if inherited is None else title.lower()
        self.reader = _spellings.Reader(algorithm, sorted(self.stated), self.own)
        if peer is not None:
            self.reader.let_none_be_off(key for key in self.stated if key not in self.own)
        self._own_numbers = {key: self.reader.numbers[key] for key in own_numbers}
        read = (*self.reader.numbers, *self.reader.lists, *self.reader.flags, *self.reader.choices, "differentiable")
        self._order: list[str] | None = None
        self._needed = ("params", *(key for key in read if key in self.stated and key not in self.own))

    @cached_property
    def slots(self) -> Slots:
        return _algorithms.all_slots(self.reader.kind.number)

    @cached_property
    def compared(self) -> frozenset[str]:
        """The options that processes which step together are to have alike."""
        return frozenset({*self.stated, *self.own} - {"params", "foreach", "fused", "capturable", "differentiable"})

    def slots_of(self, group: Group, *, least: bool = False) -> Slots:
        """All slots that a state can have under a group's sizes of blocks; least: those that it has in any case."""
        if not self.slots.are_cut:
            return _algorithms.least_slots(self.reader.kind.number) if least else self.slots
        row = Hyperparameters(self.reader.kind.number, self.reader.values(group), self.reader.kind.default_flags)
        return row.least_slots if least else row.all_slots

    @property
    def number_keys(self) -> tuple[str, ...]:
        """The keys of hyperparameters that a group has in any case."""
        return (*(key for key in self.reader.numbers if key not in self.own), *self.reader.lists)

    def of(self, group: Group) -> Kind:
        """The kind of a group's algorithm: this one, where the group names no other."""
        if (name := group.get("algorithm")) is None:
            return self
        found = _BY_NAME.get(name) if isinstance(name, str) else None
        if found is None:
            raise ArgumentError(f"algorithm is {name!r}; wanted one of {', '.join(sorted(_BY_NAME))}")
        return found

    def offer(self) -> None:
        """Lets groups of other classes' objects name this kind."""
        _BY_NAME.setdefault(self.name, self)

    def defaults(self, given: Group) -> Group:
        """What a group of this kind has where it does not say: as its class's constructor makes of given."""
        return self._make([empty(0, 0)], **given).defaults

    def row(self, group: Group) -> Hyperparameters:
        """A parameter group's hyperparameters as plain numbers, which are checked where they are written. They may be
        any that arithmetic is defined for: torch holds those of its constructor alone to ranges, and schedules go
        beyond them. Numbers that torch's class does not have are in the library's ranges."""
        reader = self.reader
        flags = reader.bits(group) | _spellings.denormal_flags(group.get("flush_denormals"))
        flags |= _ffi_optimizers.WIDE_RANGES
        semantics = group.get("semantics", self._semantics)
        seed = _spellings.seed(group["seed"]) if "seed" in group else 0
        row = Hyperparameters(reader.kind.number, reader.values(group), flags, semantics, seed)
        if not self._own_numbers.keys().isdisjoint(group):
            self._check_own_numbers(row, group)
        return row

    def _check_own_numbers(self, row: Hyperparameters, group: Group) -> None:
        usual = defaults(row.algorithm)
        values = list(usual.values)
        for place in self._own_numbers.values():
            values[place] = row.values[place]
        usual._replace(values=tuple(values)).check(partial(self.reader.said, group))

    @cached_property
    def _not_read(self) -> frozenset[str]:
        """The options of other algorithms; torch's own classes keep any key, and so do these those that torch has."""
        words = {key for number in _algorithms.numbers() for key in _spellings.keys(number)}
        torchs = {key for kind in _BY_NAME.values() if kind.peer is not None for key in kind.stated}
        return frozenset(words - self.stated - self.own.keys() - (torchs if self.peer is not None else set()))

    def state_dtype(self, group: Group) -> Any:
        """The type that a group asks moments to be of."""
        return group.get("state_dtype")

    def beyond_torch(self, group: Group) -> Group:
        """The options that torch's class has not, in which a group is other than torch, with what torch is like."""
        return {
            option: default
            for option, default in self.own.items()
            if option != "flush_denormals" and group.get(option, default) != default
        }

    def moves_other_rows(self, group: Group) -> bool:
        """Whether a step by a sparse gradient is to move rows that it does not name."""
        return False

    def refuse_unread(self, group: Group, where: str) -> None:
        """Raises for an option in a user's group that another algorithm has. A flag that is off asks for nothing."""
        for key in group:
            if key in self._not_read and group[key] is not False:
                who = [name for name, kind in sorted(_BY_NAME.items()) if key in {*kind.stated, *kind.own}]
                raise ArgumentError(
                    f"{where} has {key!r}, which {self.name} does not read; take it out"
                    + (f", or say whose it is: 'algorithm': {who[0]!r}" if who else "")
                )

    def is_differentiable(self, group: Group) -> bool:
        """Whether torch steps a group."""
        if "differentiable" not in self.stated or (given := group["differentiable"]) is None:
            return False
        return _spellings.flag(given, "differentiable")

    def change_in_place(self, group: Group) -> bool:
        """Whether a number can change while the objects in the group stay the same, as a tensor's or a list's can."""
        values = [group[key] for key in self.reader.numbers if key in group]
        for key in self.reader.lists:
            if not isinstance(group[key], tuple | str):
                return True
            values += () if isinstance(group[key], str) else group[key]
        return not _PLAIN.issuperset(map(type, values))

    def is_finite(self, group: Group) -> bool:
        """Whether the numbers are that torch's class has."""
        values = [group.get(key) for key in self.number_keys]
        parts = chain.from_iterable(value if isinstance(value, tuple | list) else (value,) for value in values)
        return all(isfinite(part) for part in parts if isinstance(part, float))

    def drop_defaults(self, options: Group) -> None:
        """Takes the options that are not torch's out where they are what they would be without."""
        for option, default in self.own.items():
            if option not in options:
                continue
            given = options[option]
            if (type(given) is type(default) and given == default) or (
                given is None and option in _spellings.EVERYWHERE
            ):
                del options[option]

    def in_torchs_order(self, options: Group) -> Group:
        """The options in the order in which torch's class has them: files of checkpoints keep it."""
        if self._order is None:
            self._order = [] if self.peer is None else list(self._peer_with({}).defaults)
        first = {key: options[key] for key in self._order if key in options}
        return {**first, **options}

    def check_arguments(self, options: Group) -> None:
        """What torch's constructor asks of numbers and switches; where torch does not have the algorithm, what the
        library asks of numbers."""
        _one_element(options["lr"], "lr")
        if self.peer is None:
            row = self.row(options)
            row._replace(flags=row.flags & ~_ffi_optimizers.WIDE_RANGES).check(partial(self.reader.said, options))
        else:
            self._check_row(options)
        for key in self.reader.lists:
            if isinstance(options[key], str):
                continue
            parts = self.reader.parts(options, key)
            tensors = [isinstance(_one_element(part, f"{key}[{index}]"), Tensor) for index, part in enumerate(parts)]
            if any(tensors) and not all(tensors):
                raise ArgumentError(f"{key} must be either both floats or both Tensors")
        if self.peer is not None:
            judged = {key: options[key] for key in (*self.number_keys, *_SWITCHES) if key in options}
            try:
                self._peer_with({key: value for key, value in judged.items() if not isinstance(value, str)})
            except TypeError as error:
                raise DTypeError(str(error)) from None
            except ValueError as error:
                raise ArgumentError(str(error)) from None
            except RuntimeError as error:
                raise UnsupportedError(str(error)) from None

    def _peer_with(self, options: Group) -> Any:
        """Has the defaults of torch's class, which has judged these options."""
        made = self._judge.__new__(self._judge)
        self._peers_constructor(made, (), **options)
        return made

    def unwrap(self, options: Group) -> None:
        """Makes tensors of one element 0-d, which is how torch keeps betas."""
        for key in self.reader.lists:
            if not isinstance(options[key], str):
                options[key] = tuple(map(_scalar, options[key]))

    def check_options(self, options: Group) -> None:
        """Kinds of all options that a step reads, before it reads them, and what does not go together."""
        self._check_row(options)
        dtype = options.get("state_dtype")
        if dtype is not None and dtype not in DTYPES and dtype not in STATE_NAMES:
            raise DTypeError(
                f"state_dtype is {dtype!r}; wanted torch.float64, float32, bfloat16, float16, 'fp16', 'int8', 'int4' "
                "or None"
            )

    def _check_row(self, options: Group) -> None:
        """What the library asks of numbers together, but for single ones of torch's that are not finite: torch steps
        then."""
        row = self.row(options)
        lists = (options[key] for key in self.reader.lists if not isinstance(options[key], str))
        of_lists = all(isfinite(number) for number in chain.from_iterable(lists) if isinstance(number, float))
        if self.peer is not None and of_lists and not all(map(isfinite, row.values)):
            usual = defaults(row.algorithm).values
            finite = tuple(one if isfinite(one) else known for one, known in zip(row.values, usual, strict=True))
            row = row._replace(values=finite)
        row.check(partial(self.reader.said, options))

    def check_group(self, group: Group, where: str) -> None:
        """As check_options, for a parameter group of this kind, which the errors name."""
        for option in self._needed:
            if option not in group:
                raise MissingError(
                    f"{where} has no {option!r}, which a step reads: put it back, group[{option!r}] = ..."
                )
        try:
            self.is_differentiable(group)
            self.check_options(group)
        except MartletError as error:
            raise type(error)(f"{where}: {error}") from None

    def check_groups(self, groups: Iterable[Group]) -> None:
        """check_group for an optimizer's groups, by the algorithm of each."""
        for index, group in enumerate(groups):
            self.of(group).check_group(group, f"param_groups[{index}]")


class PlainKind(Kind):
    """What stands for torch's own class: its options alone are read in groups, whose other keys are a script's."""

    reads_algorithms = False
    steps_twice = True

    def __init__(self, kind: Kind) -> None:
        self.__dict__.update(kind.__dict__)

    def of(self, group: Group) -> Kind:
        return self if "params" in group else super().of(group)

    def row(self, group: Group) -> Hyperparameters:
        return super().row({key: value for key, value in group.items() if key in self.stated})

    def state_dtype(self, group: Group) -> Any:
        return None

    def beyond_torch(self, group: Group) -> Group:
        return {}

    def moves_other_rows(self, group: Group) -> bool:
        """By their momentum, as in torch's SGD."""
        return self.reader.kind.number == _ffi_optimizers.SGD and bool(group["momentum"])

    def refuse_unread(self, group: Group, where: str) -> None:
        pass

    def check_options(self, options: Group) -> None:
        self._check_row(options)

    def drop_defaults(self, options: Group) -> None:
        if "params" not in options:
            super().drop_defaults(options)


def _one_element(value: Any, name: str) -> Any:
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ArgumentError(f"Tensor {name} must be 1-element")
    return value


def _scalar(value: Any) -> Any:
    return value.squeeze() if isinstance(value, Tensor) and value.dim() else value
