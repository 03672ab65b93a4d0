"""A step of parameters of which other processes have parts: what they agree on before it, what is added up in it, and
who steps what is stepped as a whole. Where there are no such parameters, it is the native call.

What processes say to one another is company.py's business, which parameters one of them steps that of owned.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from martlet._call import Item, LastStep, StepCall, write_configs
from martlet._errors import UnsupportedError
from martlet.torch import deferred, shards
from martlet.torch import state as states
from martlet.torch.company import Reduction, Said
from martlet.torch.copies import Copies
from martlet.torch.laid_out import LaidOut, State
from martlet.torch.meetings import Meetings
from martlet.torch.options import Group, Kind
from martlet.torch.whole_norms import WholeNorms


class Together(LaidOut):
    """meetings: with the other processes; None: there are none, or a step does not wait for them."""

    def __init__(
        self,
        kind: Kind,
        groups: list[Group],
        state: State,
        counts: states.Counts,
        copies: Copies,
        backlogs: deferred.Backlogs,
        meetings: Meetings | None,
    ) -> None:
        super().__init__(kind, groups, state, counts, copies, backlogs)
        self._meetings = meetings
        self._company = None if meetings is None else meetings.company
        self._configs, self._config_count = write_configs(self._rows)
        # What was found of gradients where the library has not all of them.
        self._found: LastStep | None = None
        self._reduction: Reduction | None = None
        # Whether a step needs other processes, and whether to add up sums.
        self.needs_others = self._sums = False
        # All parameters' shapes, in words.
        self._shapes = ""

    def _expect(self, reduce: Callable[[Tensor], Any] | None) -> None:
        """Settles whether a step needs other processes, and adds up what it sums over them. reduce: the user's own way
        to add up."""
        if self._meetings is None:
            return
        if self._steppers and reduce is not None:
            raise UnsupportedError(
                "reduce_sums adds up parts, and an algorithm sees matrices; leave it None for DTensors"
            )
        are_cut = [any(map(shards.is_cut, group["params"])) for group in self._groups]
        sums = reduce is None and any(
            shards.sums_all(row) or (is_cut and shards.sums_each(row))
            for row, is_cut in zip(self._rows, are_cut, strict=True)
        )
        self.needs_others = sums or bool(self._steppers)
        self._sums = sums and not self._steppers
        if self.needs_others:
            self._shapes = str([[tuple(one.shape) for one in group["params"]] for group in self._groups])
        if self.needs_others and self._company is None:
            raise UnsupportedError(
                "a step sums over parts of parameters, or sees matrices, and the processes that have them have no "
                "backend for the CPU; give init_process_group one, as in 'cpu:gloo,cuda:nccl'"
            )

    def _prepare(self, items: list[Item], reduce: Callable[[Tensor], Any] | None) -> None:
        """Makes the call of the items, which are those of the parameters that are active."""
        self._call = StepCall(items, self._configs, self._config_count)
        self._group_of = [item.group for item in items]
        if self._company is not None and self._sums:
            reduce = self._reduction = Reduction(self._company, self._active)
        self._step = self._call.run if reduce is None else partial(self._call.run, _over_tensors(reduce))
        self._run = self._step if self._company is None else self._run_in_company

    def _run_in_company(self) -> None:
        """A step, before which all processes that have parts agree on it where it needs them."""
        assert self._meetings is not None and self._company is not None
        norms: WholeNorms | None = None
        if self._steppers:
            norms = WholeNorms(self._company, self._rows, list(self._with_gradients()))
            self._gathered.pack()
        self._meetings.agree(self.needs_others, bool(self._steppers), self._brief, self._said)
        self._found = None
        if norms is None:
            self._step_summed()
            return
        factors: Sequence[float] = ()
        if norms:
            self._found, factors = norms.settle(self._configs)
        self._gathered.around(self._company, partial(self._step_scaled, factors))

    def _step_summed(self) -> None:
        """A step whose sums other processes may wait for."""
        if self._reduction is None:
            self._step()
            return
        self._reduction.count = 0
        try:
            self._step()
        except BaseException as error:
            self._reduction.end(error)
            raise
        self._reduction.end()

    def _step_scaled(self, factors: Sequence[float]) -> None:
        """A step by gradients that are multiplied by numbers of their groups which no config can say."""
        if any(factor != 1 for factor in factors):
            scaled = [
                gradient if gradient is None or factors[group] == 1 else gradient * factors[group]
                for gradient, group in zip(self._grads, self._group_of, strict=True)
            ]
            self._call.point_grads([0 if gradient is None else gradient.data_ptr() for gradient in scaled])
        self._step()

    def _with_gradients(self) -> Iterator[tuple[Any, str, int]]:
        """The parameters that are stepped, in any process, with their names and groups."""
        for index, group in enumerate(self._groups):
            for parameter, name in states.named(group, index).items():
                if parameter.grad is not None:
                    yield parameter, name, index

    def _brief(self) -> str:
        """What _said() says, in a short form: this is made at each step, and that where something differs."""
        needs = self.needs_others
        given: list[Any] = [needs, [one.why for one in self.left]]
        for index, group in enumerate(self._groups):
            compared, parameters = self._kind.of(group).compared, group["params"]
            given.append(sorted((option, _told(value)) for option, value in group.items() if option in compared))
            given.append((self._kind.of(group).name, len(parameters)))
            if needs:
                given.append(bytes(one.grad is None for one in parameters))
                if self._rows[index].accumulate > 1:
                    given.append([self._in_mean(index, one) for one in parameters])
        return repr(given) + self._shapes

    def _in_mean(self, index: int, parameter: Any) -> int:
        """How many gradients a parameter of a group has in its mean: with fewer it would be stepped later."""
        is_mean = self._rows[index].accumulate > 1
        return int(self._state.get(parameter, {}).get("accumulated", 0)) if is_mean else 0

    def _said(self) -> Said:
        """What has to be alike in all processes."""
        needs = self.needs_others
        said: Said = [("the number of param_groups", str(len(self._groups)))]
        for index, group in enumerate(self._groups):
            kind, where = self._kind.of(group), f"param_groups[{index}]"
            said.append((f"the algorithm of {where}", kind.name))
            said.append((f"the number of parameters in {where}", str(len(group["params"]))))
            options = sorted(option for option in group if option in kind.compared)
            said += [(f"{where}[{option!r}]", _told(group[option])) for option in options]
            for parameter, name in states.named(group, index).items() if needs else ():
                said.append((f"the shape of {name}", str(tuple(parameter.shape))))
                said.append((f"the gradient of {name}", "None" if parameter.grad is None else "a tensor"))
                said.append((f"the number of gradients in the mean of {name}", str(self._in_mean(index, parameter))))
        said += [(f"a step of torch's, since {one.why},", "taken") for one in self.left]
        return [*said, ("whether a step needs other processes", str(needs))]

    def _move(self, mode: int) -> None:
        """Moves parameters to a mode's point."""
        if self._meetings is None or self._company is None:
            self._call.move(mode)
            return
        if self._steppers:
            self._gathered.pack()
        needs = bool(self._steppers)
        self._meetings.agree(needs, needs, self._brief, self._said)
        self._gathered.around(self._company, partial(self._call.move, mode))

    def _remember_placements(self) -> None:
        self._placements = shards.placements(self._active)
        self._are_all_spread = None not in self._placements

    def _lie_as_known(self, grads: Sequence[Any]) -> bool:
        """Whether gradients are DTensors where parameters are, placed alike: their parts may have one shape all the
        same."""
        if self._are_all_spread:
            return shards.lie_as(grads, self._placements)
        return self._lie_where_they_are(grads)

    def _lie_where_they_are(self, grads: Sequence[Any]) -> bool:
        """The same where some are None, or parameters no DTensors."""
        found = zip(grads, shards.placements(grads), self._placements, strict=True)
        return all(gradient is None or here == there for gradient, here, there in found)


def _told(value: Any) -> str:
    return repr(value.tolist() if isinstance(value, Tensor) else value)


def _over_tensors(reduce: Callable[[Tensor], Any]) -> Callable[[Any], Any]:
    """A function of a tensor as one of an array, whose memory is the tensor's."""
    return lambda sums: reduce(torch.from_numpy(sums))
