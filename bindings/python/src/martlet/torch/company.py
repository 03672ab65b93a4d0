"""The processes that have parts of one optimizer's parameters: what they agree on before a step, and what they add up.

A step that needs other processes begins with a few numbers from each: whether it can take the step, and a digest of
what has to be alike. Where one cannot, or they differ, all of them raise an error. Whether a step needs others is each
process's own knowledge: where they differ in that, some wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from martlet._call import LastStep
from martlet._errors import ArgumentError, MartletError, OrderError, UnsupportedError
from martlet.torch import placed
from martlet.torch.shards import is_cut, is_spread

# What each process says: a name, and what it has under it.
Said = list[tuple[str, str]]

_READY, _SKIPS, _FAILED = range(3)
_MISSING = "not given"
# Groups of several dimensions of a mesh, of the processes that are together now.
_GROUPS: WeakKeyDictionary[Any, dict[tuple[int, ...], Any]] = WeakKeyDictionary()


class SkippedError(MartletError):
    """No step is to be taken, here as in all other processes. found: what of gradients is known; None: nothing here."""

    def __init__(self, found: LastStep | None = None) -> None:
        super().__init__("a gradient was not finite")
        self.found = found


class Company:
    """Processes, in the order of their ranks in a group of torch.distributed."""

    def __init__(self, group: Any) -> None:
        self.group = group
        self.ranks: list[int] = torch.distributed.get_process_group_ranks(group)

    def counts(self, parameter: Any) -> bool:
        """Whether what this process sums over its part of a parameter counts: of several copies one does."""
        sharers = placed.sharers(parameter) if is_spread(parameter) else (torch.distributed.get_rank(),)
        return min(self.ranks) in sharers

    def add_up(self, sums: Tensor) -> None:
        """Sums over the processes, in their order, and so to the same bits in each."""
        first, *others = self._from_each(sums)
        for other in others:
            first.add_(other)
        sums.copy_(first)

    def agree(self, brief: str, say: Callable[[], Said], *, skips: bool = False) -> None:
        """Goes on where all processes can step and say the same, of which brief is a short form. Raises SkippedError
        where one of them skips the step, and otherwise what is wrong, in each of them."""
        digest = int.from_bytes(blake2b(brief.encode(), digest_size=7).digest(), "big")
        found = self._meet(_SKIPS if skips else _READY, digest)
        states, digests = found[:, 0].tolist(), set(found[:, 1].tolist())
        if _FAILED in states or (len(digests) > 1 and _SKIPS not in states):
            self._tell((None, say()))
        if _SKIPS in states:
            raise SkippedError

    def fail(self, error: BaseException) -> None:
        """Lets the others know that this process cannot step."""
        self._meet(_FAILED, 0)
        self._objects((str(error), []))

    def check(self, error: MartletError | None) -> None:
        """Raises an error of one process in all of them."""
        found = self._meet(_READY if error is None else _FAILED, 0)
        if _FAILED in found[:, 0].tolist():
            told = self._objects((None if error is None else str(error), []))
            if error is not None:
                raise error
            _raise_first(told, self.ranks)

    def _meet(self, state: int, digest: int) -> Tensor:
        return torch.stack(self._from_each(torch.tensor([state, digest], dtype=torch.int64, device="cpu")))

    def _from_each(self, numbers: Tensor) -> list[Tensor]:
        found = [torch.empty_like(numbers) for _ in self.ranks]
        torch.distributed.all_gather(found, numbers, group=self.group)
        return found

    def _objects(self, value: tuple[str | None, Said]) -> list[tuple[str | None, Said]]:
        found: list[Any] = [None] * len(self.ranks)
        torch.distributed.all_gather_object(found, value, group=self.group)
        return found

    def _tell(self, own: tuple[str | None, Said]) -> NoReturn:
        """Raises for what one process could not do, or for the first thing that differs."""
        told = self._objects(own)
        if any(error is not None for error, _ in told):
            _raise_first(told, self.ranks)
        first = dict(told[0][1])
        for rank, (_, said) in zip(self.ranks, told, strict=True):
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


def _raise_first(told: Sequence[tuple[str | None, Said]], ranks: Sequence[int]) -> NoReturn:
    rank, why = next((rank, why) for rank, (why, _) in zip(ranks, told, strict=True) if why is not None)
    raise OrderError(f"rank {rank} cannot take this step: {why}")


def company_of(parameters: Iterable[Any]) -> Company | None:
    """The processes that have parts of parameters; None: each is whole here."""
    found = {placed.sharers(one): one for one in parameters if is_cut(one)}
    if not found:
        return None
    if len(found) == 1:
        return Company(group_of(next(iter(found.values()))))
    meshes = [one.device_mesh._get_root_mesh() for one in found.values()]
    ranks = tuple(sorted(meshes[0].mesh.flatten().tolist()))
    if not set(ranks).issuperset(set().union(*found)):
        raise UnsupportedError(
            f"parameters lie on {meshes[0]} and on other processes; wanted meshes of the same ones, or an optimizer "
            "for each"
        )
    return Company(_group(ranks))


def group_of(parameter: Any) -> Any:
    """torch's group of the processes that have the parts of a parameter."""
    mesh, ranks = parameter.device_mesh, placed.sharers(parameter)
    for dimension in range(mesh.ndim):
        group = mesh.get_group(dimension)
        if tuple(sorted(torch.distributed.get_process_group_ranks(group))) == ranks:
            return group
    return _group(ranks)


def can_talk(company: Company) -> bool:
    """Whether the processes have a way to send one another what lies in the CPU's memory."""
    return any(device.type == "cpu" for device in company.group._device_types)


def _group(ranks: tuple[int, ...]) -> Any:
    """A group of these ranks, which all of them ask for."""
    distributed = torch.distributed
    world = distributed.group.WORLD
    if ranks == tuple(range(distributed.get_world_size())):
        return world
    known = _GROUPS.setdefault(world, {})
    if ranks not in known:
        known[ranks] = distributed.new_group(list(ranks), use_local_synchronization=True)
    return known[ranks]


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
        self._add_up(sums, is_ready=True)

    def refuse(self) -> None:
        """Answers those who ask for sums of a step that this process cannot take."""
        self._add_up(torch.zeros(3 * len(self._left_out), dtype=torch.float64), is_ready=False)

    def _add_up(self, sums: Tensor, *, is_ready: bool) -> None:
        message = torch.cat([sums, torch.tensor([float(not is_ready)], dtype=torch.float64)])
        self._company.add_up(message)
        if message[-1] and is_ready:
            raise OrderError("another rank cannot take this step, and says why")
        sums.copy_(message[:-1])


class Meetings:
    """An optimizer's meetings with those of other processes, one a step: at the first step, and at each for which they
    need one another. company: None where they cannot talk."""

    def __init__(self, parameters: Iterable[Any]) -> None:
        company = company_of(parameters)
        self.company = company if company is not None and can_talk(company) else None
        # Whether steps need other processes, as far as is known; and whether this one's meeting is over.
        self.needs = False
        self._has_met = self._is_over = False

    def begin(self) -> None:
        self._is_over = False

    @property
    def _is_due(self) -> bool:
        return self.company is not None and not self._is_over and (self.needs or not self._has_met)

    @contextmanager
    def around_move(self) -> Iterator[None]:
        """Around a call that is no step, for which processes meet where steps need one another."""
        self.begin()
        try:
            yield
        except MartletError as error:
            if self.needs:
                self.fail(error)
            raise

    def agree(self, brief: Callable[[], str], say: Callable[[], Said]) -> None:
        """As Company.agree, where a meeting is due."""
        if self._is_due and self.company is not None:
            self._is_over = True
            self.company.agree(brief(), say)
            self._has_met = True

    def skip(self) -> None:
        """Takes part in a step that is skipped."""
        if self._is_due and self.company is not None:
            self._is_over = True
            with suppress(SkippedError):
                self.company.agree("", list, skips=True)

    def fail(self, error: BaseException) -> None:
        """Lets the others know of an error of this process, where they wait for it."""
        if self._is_due and self.company is not None:
            self._is_over = True
            self.company.fail(error)
