"""One parameter of an optimizer, stepped by itself: what steps inside the backward pass are made of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from martlet._errors import OrderError, UnsupportedError
from martlet.torch import by_torch
from martlet.torch import state as states
from martlet.torch._optimizer import Optimizer
from martlet.torch.plan import Plan

# What of a group reaches over all gradients, which are never there at once.
_OF_ALL = ("max_norm", "skip_nonfinite", "measure", "measure_update")
# Elements whose squares are added up together: a float64 copy is made of so many only.
_CHUNK = 1 << 18


class Single:
    """One parameter of an optimizer, which a plan of its own steps."""

    def __init__(self, optimizer: Optimizer, index: int, place: int) -> None:
        self._optimizer, self._index, self._place = optimizer, index, place
        groups = optimizer.param_groups
        self.parameter: Tensor = groups[index]["params"][place]
        self._key = sum(len(group["params"]) for group in groups[:index]) + place
        self._group: dict[str, Any] = {"params": [self.parameter]}
        self._state: dict[Any, Any] = {}
        self._counts: states.Counts = {}
        self._plan: Plan | None = None

    def make_state(self) -> None:
        """Puts a state into the optimizer as it is before the first step, where there is none."""
        optimizer, parameter = self._optimizer, self.parameter
        if optimizer._martlet_states.get(parameter):
            return
        group = optimizer.param_groups[self._index]
        kind = optimizer._martlet_kind.of(group)
        name = states.name_of(group, self._index, self._place)
        slots = kind.row(group).slots.of(parameter.shape)
        entry = {"step": states.number_tensor(0, states.step_dtype(group))} if kind.shows_step else {}
        optimizer._martlet_states[parameter].update(
            entry | states.missing({}, parameter, group, slots, name, kind.state_dtype(group))
        )
        optimizer._martlet_counts[parameter] = states.counter(0)

    def squares(self, before: Tensor | None) -> float:
        """The sum of the squares of the gradient that is there, on top of one that was there before."""
        gradient = self.parameter.grad
        assert gradient is not None
        if before is not None:
            gradient = gradient + before
        if gradient.is_sparse:
            gradient = gradient.coalesce().values()
        if gradient.is_complex():
            gradient = torch.view_as_real(gradient.resolve_conj())
        parts = torch.split(gradient.detach().reshape(-1), _CHUNK)
        found = sum(float(torch.linalg.vector_norm(part, dtype=torch.float64)) ** 2 for part in parts)
        own = float(self._optimizer.param_groups[self._index].get("loss_scale") or 1.0)
        return found / own**2

    def step(self, scale: float) -> None:
        """Steps by the gradient that is there, of a loss that was multiplied by scale."""
        optimizer, parameter, group = self._optimizer, self.parameter, self._group
        if optimizer._martlet_is_swapped:
            raise OrderError("the parameters are their averages; call swap_averages() before backward()")
        given = optimizer.param_groups[self._index]
        check_group(given, self._index)
        if not given.get("train_mode", True):
            raise OrderError("the parameters are at the trained point, for evaluation; call train() before backward()")
        if len(group) != len(given) - ("param_names" in given):
            group = self._group = {"params": group["params"]}
        group.update((key, value) for key, value in given.items() if key not in ("params", "param_names"))
        state = optimizer._martlet_states[parameter]
        if self._state.get(parameter) is not state:  # another was loaded
            self._state, self._plan = {parameter: state}, None
            self._counts = {one: count for one, count in optimizer._martlet_counts.items() if one is parameter}
        turn = optimizer._martlet_gate.enter()
        try:
            plan = self._plan
            if plan is not None:
                plan.set_scale(scale)
            if plan is None or not plan.repeat([group], self._state, optimizer._martlet_is_private):
                plan = self._step_anew(scale)
            if plan.needs_torch:
                scaled = by_torch.Scale(grad_scale=torch.tensor(scale)) if scale != 1 else by_torch.Scale()
                by_torch.take_step(optimizer._martlet_kind, [group], self._state, plan.left, scaled, graph=False)
            optimizer._martlet_counts.update(self._counts)
        finally:
            optimizer._martlet_gate.leave(turn)

    def _step_anew(self, scale: float) -> Plan:
        optimizer, groups = self._optimizer, [self._group]
        kind = optimizer._martlet_kind
        self._plan = None
        plan = Plan(
            *(kind, groups, self._state, self._counts, optimizer._martlet_is_private, optimizer._martlet_copies),
            strict=optimizer._martlet_strict,
            backlogs=optimizer._martlet_backlogs,
            key=self._key,
        )
        plan.set_scale(scale)
        by_torch.check(kind, groups, self._state, plan.left)
        if plan.run_first():
            self._plan = plan
        return plan


def check_group(group: dict[str, Any], index: int) -> None:
    """Refuses options that look at all gradients."""
    for option in _OF_ALL:
        if group.get(option):
            raise UnsupportedError(
                f"param_groups[{index}] has {option!r}, which looks at all gradients: leave it out"
                + (", and give in_backward max_norm" if option == "max_norm" else "")
            )
