"""How an optimizer's groups and state leave and come back: state dicts, pickles and copies, as torch has them.

What is in a state is state.py's, what becomes of it on the way out and in state_dict.py's.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any

import torch

from martlet._averages import Averaging
from martlet._call import RowNumbers
from martlet._errors import FormatError, MartletError
from martlet._owner import Gate
from martlet.convert._torch import translated
from martlet.torch import deferred, options
from martlet.torch import state as states
from martlet.torch import state_dict as state_dicts
from martlet.torch.copies import Copies
from martlet.torch.plan import Plan

# What a pickled optimizer has beside torch's, where a count of steps is more than its "step" can show.
_EXACT = "exact_steps"
# And the options of groups of other algorithms, and whether torch may step anything.
_OTHERS, _STRICT = "_others", "_strict"


class Saved(Averaging, torch.optim.Optimizer):
    """What every optimizer here keeps, and how it is kept. Optimizer has the documentation."""

    _martlet_kind: options.Kind
    _martlet_states: defaultdict[Any, Any]
    _martlet_plan: Plan | None
    _martlet_counts: states.Counts
    _martlet_copies: Copies
    _martlet_backlogs: deferred.Backlogs
    _martlet_gate: Gate
    _martlet_told: set[int]
    _martlet_copy_dtype: torch.dtype | None
    # Whether nobody else can have the states.
    _martlet_is_private: bool
    # By the name of another algorithm, what its groups have where they do not say.
    _martlet_others: Mapping[str, dict[str, Any]] = MappingProxyType({})
    # The state that load_state_dict has just made.
    _martlet_loading: defaultdict[Any, Any] | None = None
    # Whether what only torch could step is an error; and whether a state may be what no step here could use.
    _martlet_strict = False
    _martlet_takes_any_state = False

    @property
    def state(self) -> defaultdict[Any, Any]:
        """Moments and step counts by parameter, as in torch: what steps read and write, to be looked at and changed.

        Steps know their own moments. From here on somebody else has them too, and each step looks for what has become
        of them. Rows that defer_rows has left behind catch up first.
        """
        self._martlet_finish()
        self._martlet_is_private = False
        return self._martlet_states

    @state.setter
    def state(self, value: defaultdict[Any, Any]) -> None:
        # The first one is what torch's constructor makes.
        self._martlet_is_private = "_martlet_states" not in self.__dict__
        self._martlet_states = value

    def _martlet_defaults_of(self, kind: options.Kind) -> dict[str, Any]:
        """What a group of this kind has where it does not say."""
        if kind is self._martlet_kind:
            return self.defaults
        if kind.name not in self._martlet_others:
            self._martlet_others = {**self._martlet_others, kind.name: kind.defaults({})}
        return self._martlet_others[kind.name]

    def _martlet_finish(self) -> None:
        """Lets all rows catch up, where some are behind; none is before torch's constructor has set a state."""
        if deferred.are_behind(self.__dict__.get("_martlet_backlogs", {})):
            self._martlet_catch_up(None)

    def _martlet_catch_up(self, named: tuple[torch.Tensor, RowNumbers] | None) -> None:
        """Lets rows catch up, those that are named or all."""
        turn = self._martlet_gate.enter()
        try:
            if named is None or self._martlet_plan is None or not self._martlet_plan.catch_up(*named):
                self._martlet_catch_up_within(named)
        finally:
            self._martlet_gate.leave(turn)

    def _martlet_catch_up_within(self, named: tuple[torch.Tensor, RowNumbers] | None = None) -> None:
        """The same from inside a call."""
        deferred.catch_up(self._martlet_kind, self.param_groups, self._martlet_states, self._martlet_backlogs, named)

    def _martlet_follow_fused(self) -> None:
        """Says to torch's GradScaler, as torch's classes do, whether it may leave scales to step()."""
        if self.defaults.get("fused"):
            self._step_supports_amp_scaling = True

    def state_dict(self) -> dict[str, Any]:
        """As torch's, loadable by torch's class of the same name, with "step_exact" (int64) beside a "step" (float32)
        past 2^24.

        A copy: later steps do not change it, nor does changing it, or loading it into another optimizer, change this
        one. It takes as much memory as the moments; optimizer.state has the moments themselves. Those of few bits
        leave as numbers while torch.distributed is up, since another number of processes has other blocks.
        """
        self._martlet_refuse_averages("state_dict()")
        for pre_hook in self._optimizer_state_dict_pre_hooks.values():
            pre_hook(self)
        hooks = self._optimizer_state_dict_pre_hooks, self._optimizer_state_dict_post_hooks
        is_private = self._martlet_is_private
        self._optimizer_state_dict_pre_hooks, self._optimizer_state_dict_post_hooks = OrderedDict(), OrderedDict()
        try:
            packed = super().state_dict()
        finally:
            self._optimizer_state_dict_pre_hooks, self._optimizer_state_dict_post_hooks = hooks
        self._martlet_is_private = is_private  # a copy is all that leaves here
        parameters = dict(enumerate(chain.from_iterable(group["params"] for group in self.param_groups)))
        counts: dict[Any, Any] = self._martlet_counts
        kinds = [self._martlet_kind.of(group) for group in self.param_groups for _ in group["params"]]
        of = {
            key: (parameters.get(key), kinds[key] if key in parameters else self._martlet_kind)
            for key in packed["state"]
        }
        packed = {
            "state": {
                key: state_dicts.handed_out(entry, counts.get(of[key][0]), *of[key])
                for key, entry in packed["state"].items()
            },
            "param_groups": state_dicts.snapshot(packed["param_groups"]),
        }
        for group in packed["param_groups"]:
            self._martlet_kind.of(group).drop_defaults(group)
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, packed)
            if changed is not None:
                packed = changed
        return packed

    @torch._disable_dynamo  # type: ignore[attr-defined]
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over a state_dict of this class, or of the same algorithm in torch or a library of torch's shape, as
        martlet.convert.from_torch reads it.

        Everything is copied. Moments are cast to state_dtype where one was given, else to the parameter's type as torch
        does; those of few bits stay so. Options beyond torch's that it does not have stay as they are, and entries
        for no parameter of this optimizer are carried along. Raises FormatError, and changes nothing, where shapes or
        groups do not fit.
        """
        self._martlet_refuse_averages("load_state_dict()")
        self._martlet_finish()
        if not isinstance(state_dict, dict):
            raise FormatError(f"the state_dict is a {type(state_dict).__name__}; wanted what state_dict() gave")
        state_dict = state_dict.copy()
        for pre_hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = pre_hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        state_dict = translated(state_dict, self)
        state_dicts.check_packed(state_dict, self.param_groups, self._martlet_kind)
        groups = state_dicts.loaded_groups(state_dict["param_groups"], self.param_groups, self._martlet_kind)
        self._martlet_loading = state_dicts.loaded_state(state_dict, groups, self._martlet_kind)
        try:
            self.__setstate__({"state": self._martlet_loading, "param_groups": groups})
        finally:
            self._martlet_loading = None
        for post_hook in self._optimizer_load_state_dict_post_hooks.values():
            post_hook(self)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        exact = {
            parameter: count
            for parameter, counter in self._martlet_counts.items()
            if (count := state_dicts.exact_count(self.state.get(parameter), counter)) is not None
        }
        given = {_OTHERS: self._martlet_others, _STRICT: self._martlet_strict, _EXACT: exact}
        return {**state, **{key: value for key, value in given.items() if value}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        exact = state.pop(_EXACT, {})
        if "defaults" in state:
            self.defaults = state["defaults"]
        self._martlet_others = state.pop(_OTHERS, self._martlet_others)
        self._martlet_strict = state.pop(_STRICT, self._martlet_strict)
        for group in state["param_groups"]:
            kind = self._martlet_kind.of(group)
            for option, value in self._martlet_defaults_of(kind).items():
                if option not in kind.own:
                    group.setdefault(option, value)
            kind.drop_defaults(group)
        try:
            counts = states.take_over(state["state"], state["param_groups"], self._martlet_kind)
        except MartletError:
            if not self._martlet_takes_any_state:
                raise
            counts = {}
        self.state = state.pop("state")
        # Who gave it may hold it, unless it was made for this.
        self._martlet_is_private = self._martlet_states is self._martlet_loading
        torch.optim.Optimizer.__setstate__(self, state)
        self._martlet_follow_fused()
        self._martlet_counts = counts | {parameter: states.counter(count) for parameter, count in exact.items()}
        self._martlet_plan = None
        self._martlet_backlogs = self.__dict__.get("_martlet_backlogs", {})
        self._martlet_copies = self.__dict__.get("_martlet_copies", {})
        self._martlet_copy_dtype = self.__dict__.get("_martlet_copy_dtype")
        self._martlet_told = self.__dict__.get("_martlet_told", set())
        self._martlet_gate = Gate()
