"""How a torch optimizer steps: the plan of the step before where nothing has changed, else one that is made anew; what
other processes and torch have to do with it.

What a plan is stands in plan.py, where processes meet in meetings.py, what torch steps instead in by_torch.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from martlet import _threads
from martlet._call import LastStep
from martlet._errors import MartletError, OverlapError
from martlet.torch import by_torch, options, shards
from martlet.torch.by_torch import Scale
from martlet.torch.company import SkippedError
from martlet.torch.hooks import hooked
from martlet.torch.meetings import Meetings
from martlet.torch.plan import Plan, drop_step
from martlet.torch.saved import Saved
from martlet.torch.tensors import InferenceError

_num_threads = torch.get_num_threads
_UNSCALED = Scale()


class Stepping(Saved):
    """What steps and moves parameters. Optimizer has the documentation."""

    _martlet_reduce_sums: Callable[[torch.Tensor], Any] | None = None
    # The plan of the latest step, or what it found; and how much of it native calls have stepped.
    _martlet_last_step: Plan | LastStep | None = None
    _martlet_native_share = 1.0
    # Whether the library has taken the step that is under way.
    _martlet_has_run = False
    # With the other processes that have parts of parameters; None before the first step, and where there are no parts.
    _martlet_meetings: Meetings | None = None
    # Whether they know of all parameters.
    _martlet_is_met = False

    @hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Performs a single optimization step.

        closure: reevaluates the model and returns the loss, which step then returns.
        """
        loss = None
        if closure is not None:
            with self._martlet_heard(), torch.enable_grad():
                loss = closure()
        if (threads := _num_threads()) != _threads.followed:
            _threads.follow(threads)
        scale, number = _UNSCALED, _UNSCALED.number
        if self._martlet_is_swapped or "found_inf" in self.__dict__ or "grad_scale" in self.__dict__:
            with self._martlet_heard():
                self._martlet_refuse_averages("step()")
                scale = Scale.of(self)
                number = scale.number
        gate = self._martlet_gate
        turn = gate.enter()
        self._martlet_has_run = False
        if self._martlet_meetings is not None:
            self._martlet_meetings.begin()
        try:
            plan = self._martlet_plan
            state, is_private = self._martlet_states, self._martlet_is_private
            if number is None:
                if (meetings := self._martlet_meet()) is not None:
                    meetings.skip()
                self._martlet_last_step = drop_step(self.param_groups, state, self._martlet_kind)
                return loss
            if plan is not None:
                plan.set_scale(number)
            if plan is None or not plan.repeat(self.param_groups, state, is_private):
                plan = self._martlet_step_anew(scale, number)
            elif plan.needs_torch:
                self._martlet_step_by_torch(plan, scale)
            self._martlet_last_step = plan
        except SkippedError as skipped:
            dropped = drop_step(self.param_groups, self._martlet_states, self._martlet_kind)
            self._martlet_last_step = skipped.found or dropped
        except (MartletError, LookupError) as error:
            if self._martlet_meetings is not None:
                self._martlet_meetings.fail(error)
            if self._martlet_leaves_all(error, scale):
                return loss
            # The fast path says less: where a group's options are to blame, the error names the group.
            self._martlet_kind.check_groups(self.param_groups)
            raise
        except BaseException as error:
            if self._martlet_meetings is not None:
                self._martlet_meetings.fail(error)
            raise
        finally:
            gate.leave(turn)
        return loss

    def _martlet_move_to(self, groups: list[options.Group], mode: int) -> None:
        """Moves the parameters of groups to a mode's point."""
        meetings = self._martlet_meet()
        with self._martlet_heard(is_step=False):
            rest = self._martlet_is_private, self._martlet_copies
            Plan(self._martlet_kind, groups, self._martlet_states, self._martlet_counts, *rest, meetings=meetings).move(
                mode
            )

    def _martlet_meet(self) -> Meetings | None:
        """The meetings with other processes, made where there are parts that they have."""
        if not self._martlet_is_met or self._martlet_meetings is None:
            parameters = [one for group in self.param_groups for one in group["params"]]
            if self._martlet_meetings is not None:
                self._martlet_meetings.take(parameters)
            elif any(map(shards.is_cut, parameters)):
                self._martlet_meetings = Meetings(parameters, is_late=self._martlet_last_step is not None)
            self._martlet_is_met = True
        return self._martlet_meetings

    @contextmanager
    def _martlet_heard(self, *, is_step: bool = True) -> Iterator[None]:
        """Around a meeting and what comes before it: others that wait at it hear of what is raised."""
        if self._martlet_meetings is not None:
            self._martlet_meetings.begin(is_step=is_step)
        try:
            yield
        except BaseException as error:
            with suppress(MartletError):
                meetings = self._martlet_meet()
                if meetings is not None:
                    meetings.fail(error)
            raise

    def _martlet_leaves_all(self, error: Exception, scale: Scale) -> bool:
        """Lets torch step all, where the library has refused what a script has and this stands for torch's own class,
        or a number is not finite: torch takes it, or says what it thinks of it. False, and nothing done, where that is
        not so."""
        if self._martlet_strict or self._martlet_has_run or isinstance(error, InferenceError):
            return False
        kind, groups = self._martlet_kind, self.param_groups
        if kind.reads_algorithms and not by_torch.takes_numbers(kind, groups, self._martlet_states):
            return False
        left = by_torch.all_left(groups, str(error))
        by_torch.warn(kind.title, left, self._martlet_told, stacklevel=4)
        self._martlet_plan, self._martlet_last_step, self._martlet_native_share = None, None, 0.0
        graph = self.defaults.get("differentiable", False)
        by_torch.take_step(kind, groups, self._martlet_states, left, scale, graph=graph)
        return True

    def _martlet_step_by_torch(self, plan: Plan, scale: Scale) -> None:
        """What a plan has left out."""
        self._martlet_catch_up_within()
        graph = self.defaults.get("differentiable", False)
        by_torch.take_step(self._martlet_kind, self.param_groups, self._martlet_states, plan.left, scale, graph=graph)

    def _martlet_step_anew(self, scale: Scale, number: float) -> Plan:
        """A step by a plan that is made for it, and by torch where no native call can take it."""
        self._martlet_plan = None
        kind, groups, state = self._martlet_kind, self.param_groups, self._martlet_states
        meetings = self._martlet_meet()

        def make(shared: Mapping[Tensor, str] = MappingProxyType({})) -> Plan:
            rest = self._martlet_is_private, self._martlet_copies, self._martlet_reduce_sums, shared
            ways: Any = {"strict": self._martlet_strict, "backlogs": self._martlet_backlogs, "meetings": meetings}
            plan = Plan(kind, groups, state, self._martlet_counts, *rest, **ways)
            plan.set_scale(number)
            by_torch.check(kind, groups, state, plan.left)
            by_torch.warn(kind.title, plan.left, self._martlet_told, stacklevel=5)
            return plan

        plan = make()
        try:
            lasts = plan.run_first()
        except OverlapError:
            stays = self._martlet_strict or plan.needs_others
            shared = {} if stays else by_torch.overlapping(groups)
            if not shared:
                raise
            plan = make(shared)
            lasts = plan.run_first()
        self._martlet_has_run = True
        if plan.needs_torch:
            self._martlet_step_by_torch(plan, scale)
        self._martlet_native_share = plan.native_share()
        if lasts:
            self._martlet_plan = plan
        return plan
