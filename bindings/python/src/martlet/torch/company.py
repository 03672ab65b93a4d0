"""The processes that have parts of one optimizer's parameters: what they agree on, and what they add up.

Where and how they meet is rooms.py's business, when that of meetings.py. An error of one is raised in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, NoReturn

import torch
from torch import Tensor

from martlet._call import LastStep
from martlet._errors import ArgumentError, MartletError, OrderError, UnsupportedError
from martlet.torch import placed, rooms
from martlet.torch.shards import is_cut, is_spread
from martlet.torch.words import cannot, why

# What each process says: a name, and what it has under it.
Said = list[tuple[str, str]]

_MISSING = "not given"


class SkippedError(MartletError):
    """No step is to be taken, here as in all other processes. found: what of gradients is known; None: nothing here."""

    def __init__(self, found: LastStep | None = None) -> None:
        super().__init__("a gradient was not finite")
        self.found = found


class Company:
    """Processes by their ranks among all, in ascending order."""

    def __init__(self, ranks: tuple[int, ...]) -> None:
        self.ranks, self.room = ranks, rooms.room_of(ranks)

    def counts(self, parameter: Any) -> bool:
        """Whether what this process sums over its part of a parameter counts: of several copies one does."""
        sharers = placed.sharers(parameter) if is_spread(parameter) else (torch.distributed.get_rank(),)
        return self.ranks[0] in sharers

    def add_up(self, sums: Tensor, error: BaseException | None = None) -> Tensor:
        """Sums over the processes, in their order, and so to the same bits in each. error: why this one has none."""
        message = torch.cat([sums, torch.tensor([error is not None], dtype=torch.float64)])
        found = torch.stack(self.room.exchange(message))
        self._raise_if(found[:, -1], error)
        total = found[0, :-1]
        for other in found[1:, :-1]:
            total += other
        return total

    def check(self, error: BaseException | None) -> None:
        """Raises an error of one process in all of them."""
        found = self.room.exchange(torch.tensor([error is not None], dtype=torch.int64, device="cpu"))
        self._raise_if(torch.cat(found), error)

    def agree(self, brief: str, say: Callable[[], Said], *, needs: bool, skips: bool = False) -> bool:
        """Goes on where all processes can step and say the same, of which brief is a short form. Raises SkippedError
        where one of them skips the step and steps need one another, and otherwise what is wrong, in each of them.
        False: nothing was compared. needs: whether this one needs the others."""
        digest = int.from_bytes(blake2b(brief.encode(), digest_size=7).digest(), "big")
        found = self.room.meet(rooms.SKIPS if skips else rooms.READY, digest, needs)
        states, digests, needing = (set(found[:, place].tolist()) for place in range(3))
        if rooms.SKIPS in states:
            if any(needing):
                raise SkippedError
            return False
        if len(digests) > 1:
            self._tell(say())
        return True

    def _raise_if(self, failed: Tensor, error: BaseException | None) -> None:
        """Raises what one process could not do, where one has said so."""
        if not failed.any():
            return
        told = self.room.exchange_objects(None if error is None else why(error))
        if error is not None:
            raise error
        rank, said = next((rank, said) for rank, said in zip(self.ranks, told, strict=True) if said is not None)
        raise OrderError(cannot(rank, said))

    def _tell(self, own: Said) -> NoReturn:
        """Raises for the first thing that differs."""
        told = self.room.exchange_objects(own)
        first = dict(told[0])
        for rank, said in zip(self.ranks, told, strict=True):
            other = dict(said)
            # What is said last follows from something before, which is not given everywhere.
            for name in (*list(first)[:-1], *other):
                here, there = first.get(name, _MISSING), other.get(name, _MISSING)
                if here != there:
                    raise ArgumentError(
                        f"{name} is {here} on rank {self.ranks[0]} and {there} on rank {rank}; wanted the same on all "
                        "ranks that have parts of the parameters"
                    )
        raise ArgumentError("ranks have the same options in another order; wanted the same groups")


def company_of(parameters: Iterable[Any]) -> Company | None:
    """The processes that have parts of parameters; None: each is whole here."""
    found = {placed.sharers(one): one for one in parameters if is_cut(one)}
    if not found:
        return None
    if len(found) == 1:
        return Company(next(iter(found)))
    meshes = [one.device_mesh._get_root_mesh() for one in found.values()]
    ranks = tuple(sorted(meshes[0].mesh.flatten().tolist()))
    if not set(ranks).issuperset(set().union(*found)):
        raise UnsupportedError(
            f"parameters lie on {meshes[0]} and on other processes; wanted meshes of the same ones, or an optimizer "
            "for each"
        )
    return Company(ranks)


def group_of(parameter: Any) -> Any:
    """torch's group of the processes that have the parts of a parameter."""
    mesh, ranks = parameter.device_mesh, placed.sharers(parameter)
    for dimension in range(mesh.ndim):
        group = mesh.get_group(dimension)
        if tuple(sorted(torch.distributed.get_process_group_ranks(group))) == ranks:
            return group
    return rooms.group_of(ranks)


def can_talk() -> bool:
    """Whether the processes have a way to send one another what lies in the CPU's memory."""
    world: Any = torch.distributed.group.WORLD
    return any(device.type == "cpu" for device in world._device_types)


class Reduction:
    """Adds up a step's sums, three for each of its parameters, over processes."""

    def __init__(self, company: Company, parameters: Sequence[Tensor]) -> None:
        counted = torch.tensor([company.counts(parameter) for parameter in parameters], dtype=torch.bool)
        self._company, self._left_out = company, ~counted.unsqueeze(1)
        self._leaves_some = not bool(counted.all())
        # How often the step under way has asked.
        self.count = 0

    def __call__(self, sums: Tensor) -> None:
        self.count += 1
        if self._leaves_some:
            # A copy's sums may be no numbers, which times 0 are none.
            sums.view(-1, 3).masked_fill_(self._left_out, 0)
        sums.copy_(self._company.add_up(sums))

    def end(self, error: BaseException | None = None) -> None:
        """Answers those who ask for sums where this process has asked for none: it only adds to means, or cannot take
        the step, and error says why."""
        if not self.count:
            self._company.add_up(torch.zeros(3 * len(self._left_out), dtype=torch.float64), error)
