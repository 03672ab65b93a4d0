"""When an optimizer's processes meet: at its first step, and from then on where steps need one another.

Whether they do is what they have agreed on, and not what one of them thinks by itself: who has come to need nobody
comes once more, where all of them then see it; who has come to need others calls them, and gives up where they do not
come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from martlet.torch import company as companies
from martlet.torch.company import Company, Said, SkippedError, company_of
from martlet.torch.shards import is_cut


class Meetings:
    """company: the processes that have parts of the optimizer's parameters; None where they cannot talk. is_late: the
    optimizer has stepped before, and these were not among its parameters."""

    company: Company | None

    def __init__(self, parameters: Iterable[Any], *, is_late: bool) -> None:
        # Those who come; and whether steps need one another, or what else moves parameters: None before the first step.
        self._known: Company | None = None
        self._need: dict[bool, bool | None] = dict.fromkeys((True, False), False if is_late else None)
        self._is_step, self._is_over = True, False
        self.take(parameters)

    def take(self, parameters: Iterable[Any]) -> None:
        """Looks at the optimizer's parameters, of which there are more than before."""
        given = [one for one in parameters if is_cut(one)]
        company = company_of(given)
        self.company = company if company is not None and companies.can_talk() else None
        if self._need[True] is None and self.company is not None:
            # At first they compare with those who have copies, too.
            meshes = {one.device_mesh for one in given}
            everyone = set(self.company.ranks).union(*(mesh.mesh.flatten().tolist() for mesh in meshes))
            self._known = Company(tuple(sorted(everyone)))
        # What was added is compared, whether or not steps need others.
        self._is_changed = self._need[True] is not None

    def begin(self, *, is_step: bool = True) -> None:
        """A step begins, or what moves parameters otherwise."""
        self._is_step, self._is_over = is_step, False

    @property
    def _is_due(self) -> bool:
        """Whether all of them know of a meeting."""
        return self._known is not None and not self._is_over and self._need[self._is_step] is not False

    def agree(self, needs: bool, moves_need: bool, brief: Callable[[], str], say: Callable[[], Said]) -> None:
        """As Company.agree, where a meeting is due, or this process has to call one. needs: whether it needs the others
        now; moves_need: whether it does for what is no step."""
        is_called = not self._is_over and self.company is not None and (needs or (self._is_changed and self._is_step))
        if (self._is_due or is_called) and self._have_agreed(needs, brief, say) and self._is_step:
            self._known, self._need, self._is_changed = self.company, {True: needs, False: moves_need}, False

    def _have_agreed(self, needs: bool, brief: Callable[[], str], say: Callable[[], Said]) -> bool:
        known, company, is_due = self._known, self.company, self._is_due
        what = "step()" if self._is_step else "what exchanges averages, or changes modes"
        # At first there may be others, of copies, too.
        ranks = None if company is None or self._need[True] is None else company.ranks
        short = f"{what} {ranks} {brief()}"
        self._is_over = True  # from here on others hear of it in the exchanges

        def said() -> Said:
            return [("the call", what), ("the ranks that have parts", str(ranks)), *say()]

        if is_due and known is not None:
            if not known.agree(short, said, needs=needs):
                return False
            if self._need[True] is None or company is None or known.ranks == company.ranks:
                return True
        if company is not None:
            company.room.call()
            return company.agree(short, said, needs=needs)
        return True

    def skip(self) -> None:
        """Takes part in a step that is skipped."""
        if self._is_due and self._known is not None:
            self._is_over = True
            with suppress(SkippedError):
                self._known.agree("", list, needs=bool(self._need[True]), skips=True)

    def fail(self, error: BaseException) -> None:
        """Lets the others know of an error of this process, where they wait for it or will."""
        if self._is_due and self._known is not None:
            self._is_over = True
            with suppress(RuntimeError):  # torch's, of a store whose process is gone
                self._known.room.stay_away(error)
