"""Parameters of which processes have parts, and which one of them steps as a whole: what sees matrices, as Muon does.

Each step the owner of a parameter gets all parts of it, of its gradient and of its state, steps, and sends them back:
two exchanges for all parameters together. Between steps nothing lies anywhere but in the parts, so that what is saved,
loaded or changed there counts. Which parameters these are, and who owns them, is owned.py's business.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from math import prod
from typing import Any

import torch
from torch import Tensor

from martlet.torch import placed
from martlet.torch.company import Company, group_of
from martlet.torch.shards import part_of

# What arrays in a message begin at multiples of.
_ROOM = 16


class _Array:
    """A DTensor, of which the owner has a whole copy for the time of a step."""

    def __init__(self, tensor: Any, name: str, *, is_owner: bool) -> None:
        self.part = part_of(tensor).detach()
        self.parts = {part.rank: part for part in placed.parts_of(tensor, name)}
        self.whole = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu") if is_owner else None

    def size(self, rank: int) -> int:
        """The bytes of a process's part in a message."""
        return _rounded(prod(self.parts[rank].shape) * self.part.itemsize)

    def of(self, rank: int) -> Tensor:
        """The owner's copy of a process's part."""
        assert self.whole is not None
        return self.whole[self.parts[rank].slices]


class Whole:
    """A parameter with its gradient and state. numbers: what of its state each process has, its step in it; counter:
    the count of its steps."""

    def __init__(
        self,
        parameter: Any,
        gradient: Any,
        states: Mapping[str, Any],
        numbers: Sequence[Tensor],
        counter: array[int],
        name: str,
        owner: int,
    ) -> None:
        self.parameter, self.name, self.owner = parameter, name, owner
        self.is_owner = owner == torch.distributed.get_rank()
        self.value = _Array(parameter, name, is_owner=self.is_owner)
        self.gradient = None
        if gradient is not None:
            self.gradient = _Array(gradient, f"the gradient of {name}", is_owner=self.is_owner)
        self.states = {
            slot: _Array(tensor, f"{slot} of {name}", is_owner=self.is_owner) for slot, tensor in states.items()
        }
        # The state's own, and the owner's for the time of a step, which may fail elsewhere.
        self.numbers, self.lent = list(numbers), [number.clone() for number in numbers]
        self.counter, self.lent_counter = counter, array("q", counter)
        # What else is to be done behind a step.
        self.copy: Any = None
        self.is_zeroed = False

    def wholes(self) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
        """The owner's memory for the value, the gradient and the state."""
        value, gradient = self.value.whole, None if self.gradient is None else self.gradient.whole
        assert value is not None
        return value, gradient, {slot: each.whole for slot, each in self.states.items() if each.whole is not None}

    @property
    def kept(self) -> list[_Array]:
        """What comes back from the owner."""
        return [self.value, *self.states.values()]

    @property
    def sent(self) -> list[_Array]:
        """What the owner gets."""
        return self.kept if self.gradient is None else [*self.kept, self.gradient]

    @property
    def number_size(self) -> int:
        """The bytes of the numbers that come back."""
        return _rounded(8 * (1 + len(self.numbers)))

    def packed_numbers(self) -> Tensor:
        given = torch.empty(1 + len(self.numbers), dtype=torch.float64, device="cpu")
        given.view(torch.int64)[0] = self.lent_counter[0]
        for place, number in enumerate(self.lent, 1):
            given[place] = number
        return given

    def take_numbers(self, given: Tensor) -> None:
        self.counter[0] = int(given.view(torch.int64)[0])
        for place, number in enumerate(self.numbers, 1):
            number.fill_(given[place])

    def finish(self) -> None:
        """What a native step does beside, in this process's part."""
        if self.copy is not None:
            part_of(self.copy).copy_(self.value.part)
        if self.is_zeroed and self.gradient is not None:
            self.gradient.part.zero_()


class Gathered:
    """The parameters of a step that owners step."""

    def __init__(self) -> None:
        self.all: list[Whole] = []
        self._turns: list[_Turn] = []

    def __bool__(self) -> bool:
        return bool(self.all)

    def pack(self) -> None:
        """Puts together what owners get: before others wait for it, so that nothing is left that could fail."""
        self._turns = [_Turn(group, ones) for group, ones in self._by_group()]

    def around(self, company: Company, step: Callable[[], None]) -> None:
        """Brings parameters to their owners, steps, and brings them back. An error of one process is raised in all, and
        no parameter that an owner steps has then changed."""
        turns, self._turns = self._turns, []
        for turn in turns:
            turn.gather()
        failed: BaseException | None = None
        try:
            for turn in turns:
                turn.unpack()
            step()
            for turn in turns:
                turn.pack_back()
        except BaseException as error:  # want of memory, and Ctrl-C, too
            failed = error
        if turns:
            company.check(failed)
        elif failed is not None:
            raise failed
        for turn in turns:
            turn.scatter()
        for one in self.all:
            one.finish()

    def _by_group(self) -> list[tuple[Any, list[Whole]]]:
        """The parameters by the processes that have them, in the order of their first."""
        found: dict[tuple[int, ...], list[Whole]] = {}
        for one in self.all:
            found.setdefault(placed.sharers(one.parameter), []).append(one)
        return [(group_of(ones[0].parameter), ones) for ones in found.values()]


class _Turn:
    """The exchanges of a group's parameters."""

    def __init__(self, group: Any, ones: list[Whole]) -> None:
        self._group, self._ranks = group, torch.distributed.get_process_group_ranks(group)
        self._own = torch.distributed.get_rank()
        self._mine = [one for one in ones if one.is_owner]
        self._of = {rank: [one for one in ones if one.owner == rank] for rank in self._ranks}
        given = [[each.part for one in self._of[rank] for each in one.sent] for rank in self._ranks]
        self._arrays = [each for one in self._mine for each in one.sent]
        sizes = [sum(each.size(rank) for each in self._arrays) for rank in self._ranks]
        self._exchange = _Exchange(group, given, sizes)

    def gather(self) -> None:
        self._exchange.run()

    def unpack(self) -> None:
        for rank, message in zip(self._ranks, self._exchange.found, strict=True):
            for each, part in zip(self._arrays, _unpacked(message, self._arrays, rank), strict=True):
                each.of(rank).copy_(part)

    def pack_back(self) -> None:
        given = [
            [piece for one in self._mine for piece in (one.packed_numbers(), *(each.of(rank) for each in one.kept))]
            for rank in self._ranks
        ]
        sizes = [
            sum(one.number_size + sum(each.size(self._own) for each in one.kept) for one in self._of[rank])
            for rank in self._ranks
        ]
        self._exchange = _Exchange(self._group, given, sizes)

    @torch.no_grad()
    def scatter(self) -> None:
        self._exchange.run()
        for rank, message in zip(self._ranks, self._exchange.found, strict=True):
            start = 0
            for one in self._of[rank]:
                one.take_numbers(message[start : start + 8 * (1 + len(one.numbers))].view(torch.float64))
                arrays = one.kept
                rest = message[start + one.number_size :]
                for each, part in zip(arrays, _unpacked(rest, arrays, self._own), strict=True):
                    each.part.copy_(part)
                start += one.number_size + sum(each.size(self._own) for each in arrays)


class _Exchange:
    """Tensors for each process, and the bytes that come from each, of which these are so many."""

    def __init__(self, group: Any, given: Sequence[Sequence[Tensor]], sizes: Sequence[int]) -> None:
        messages = [_packed(tensors) for tensors in given]
        self._group, self._sizes = group, list(sizes)
        self._given, self._given_sizes = torch.cat(messages), [message.numel() for message in messages]
        self._all = torch.empty(sum(sizes), dtype=torch.uint8, device="cpu")
        self.found = list(torch.split(self._all, self._sizes))

    def run(self) -> None:
        torch.distributed.all_to_all_single(self._all, self._given, self._sizes, self._given_sizes, group=self._group)


def _rounded(size: int) -> int:
    return -(-size // _ROOM) * _ROOM


def _packed(tensors: Sequence[Tensor]) -> Tensor:
    """The bytes of tensors, each from a multiple of _ROOM on."""
    message = torch.empty(
        sum(_rounded(tensor.numel() * tensor.itemsize) for tensor in tensors), dtype=torch.uint8, device="cpu"
    )
    start = 0
    for tensor in tensors:
        size = tensor.numel() * tensor.itemsize
        if size:
            message[start : start + size].view(tensor.dtype).view(tensor.shape).copy_(tensor)
        start += _rounded(size)
    return message


def _unpacked(message: Tensor, arrays: Sequence[_Array], rank: int) -> list[Tensor]:
    """A process's parts of arrays, out of a message."""
    ends = list(accumulate((each.size(rank) for each in arrays), initial=0))
    found = []
    for each, start in zip(arrays, ends, strict=False):
        shape = each.parts[rank].shape
        size = prod(shape) * each.part.itemsize
        found.append(message[start : start + size].view(each.part.dtype).view(shape))
    return found
