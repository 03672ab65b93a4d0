"""Keras's optimizers on torch: each step is one native call over the memory of Keras's own variables.

Mixed into Keras's class in front of its rule. All that is not a step is Keras's: variables, iterations, rates,
constraints, configs and files. What is not for the library, tensors of an accelerator, stateless calls, numbers that it
does not take, goes to Keras's rule, which finds its state where it would have left it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar

import torch
from keras.src.backend.common.stateless_scope import in_stateless_scope

from martlet._errors import MartletError, UnsupportedError
from martlet.keras._options import Options
from martlet.keras._plan import Plan, tensor_of
from martlet.keras._rules import Group, Groups

_is_compiling = torch.compiler.is_compiling
_keep = object.__setattr__  # Keras's looks for variables in what is kept
_constraint_of = attrgetter("constraint")
_OF_16_BITS = ("bfloat16", "float16")
# What the library's step stands for.
_RULE = (
    *("update_step", "_backend_update_step", "_parallel_update_step", "_clip_gradients", "_apply_weight_decay"),
    *("_update_model_variables_moving_average", "_overwrite_model_variables_with_average_value"),
)


class Optimizer(Options):
    """The native step in place of Keras's."""

    # Of a class: its numbers at this rate, where gradients are divided by this.
    _groups: ClassVar[Groups]
    # What of the rule a subclass has written anew.
    _own: ClassVar[tuple[str, ...]] = ()
    _plan: Plan | None = None
    # The latest rate and scale with the groups that they made, while no attribute is set.
    _known: tuple[float, float, list[Group]] | None = None

    def __init_subclass__(cls, groups: Groups | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if groups is not None:
            cls._groups = groups
        else:
            cls._own = (*cls._own, *(name for name in _RULE if name in cls.__dict__))

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            _keep(self, "_known", None)
        super().__setattr__(name, value)

    def add_variable(self, shape: Any, initializer: Any = "zeros", dtype: Any = None, **options: Any) -> Any:
        """State of variables of 16 bits is in float32: in their own type averages of squares would not fall."""
        if self.low_precision is not None and dtype in _OF_16_BITS:
            dtype = "float32"
        return super().add_variable(shape, initializer, dtype, **options)

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Keras's, but for its checks where a step is like the one before."""
        if trainable_variables is None or not self._repeat(grads, list(trainable_variables)):
            super().apply(grads, trainable_variables)

    @torch.no_grad()
    def _repeat(self, grads: Sequence[Any], variables: list[Any]) -> bool:
        """Steps the variables of the step before by gradients for all. False, and nothing done, where there is more to
        a step."""
        plan, has_more = self._plan, self.gradient_accumulation_steps or self.loss_scale_factor is not None
        if plan is None or has_more or self._clips_before() or _is_compiling() or in_stateless_scope():
            return False
        if not plan.is_of(variables) or len(grads) != len(variables) or any(map(_constraint_of, variables)):
            return False
        if not all(map(_is_tensor, grads)):
            return False
        try:
            averaged = self._step(grads, variables, 1.0)
        except MartletError:
            return False  # Keras's way says why
        if self.use_ema:
            self._average(averaged)
        tensor_of(self._iterations).add_(1)
        return True

    def _backend_apply_gradients(self, grads: Sequence[Any], trainable_variables: Sequence[Any]) -> None:
        if _is_compiling():
            _eagerly(self, grads, trainable_variables)
        else:
            self._apply(grads, trainable_variables)

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        if "update_step" in self._own:  # which Keras's class for torch would pass over
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                self.update_step(gradient, variable, learning_rate)
        else:
            super()._backend_update_step(grads, trainable_variables, learning_rate)

    @torch.no_grad()
    def _apply(self, grads: Sequence[Any], variables: Sequence[Any]) -> None:
        if in_stateless_scope():
            super()._backend_apply_gradients(grads, variables)
            return
        tensors = [gradient if isinstance(gradient, torch.Tensor) else torch.as_tensor(gradient) for gradient in grads]
        try:
            if self._own:
                raise UnsupportedError(f"it has {' and '.join(self._own)} of its own")
            if self.gradient_accumulation_steps:
                averaged = self._accumulate(tensors, variables)
            else:
                averaged = self._step(tensors, variables, 1.0)
        except MartletError as error:
            self._say(str(error))
            super()._backend_apply_gradients(grads, variables)
            return
        if self.use_ema:
            self._average(averaged)

    def _accumulate(self, grads: list[Any], variables: Sequence[Any]) -> Sequence[Any]:
        """Adds gradients up, and steps by the last of so many. Returns the variables whose average has been taken."""
        held = [tensor_of(self._accumulated_gradients[self._get_variable_index(one)]) for one in variables]
        every = self.gradient_accumulation_steps
        if (self._taken() + 1) % every:
            torch._foreach_add_(held, grads)
            return ()
        averaged = self._step(torch._foreach_add(held, grads), variables, float(every))
        # Those of variables without gradients too.
        torch._foreach_zero_([tensor_of(one) for one in self._accumulated_gradients if one is not None])
        return averaged

    def _step(self, grads: Sequence[Any], variables: Sequence[Any], scale: float) -> Sequence[Any]:
        if self._clips_before():
            grads = self._clip_gradients(torch._foreach_div(list(grads), scale))
            scale = 1.0
        plan = self._ready(grads, variables, scale)
        taken = self._taken() // (self.gradient_accumulation_steps or 1)
        plan.run(taken, self._scalars(taken))
        return variables if plan.averages else ()

    def _ready(self, grads: Sequence[Any], variables: Sequence[Any], scale: float) -> Plan:
        """The plan of a step, with the numbers as they are now."""
        rate, known, plan = self._rate(), self._known, self._plan
        if known is None or known[:2] != (rate, scale):
            groups = type(self)._groups(self, rate, scale)
            if plan is not None and not plan.turn_to(groups):
                plan = None
            _keep(self, "_known", (rate, scale, groups))
        else:
            groups = known[2]
        if plan is None or not plan.take(variables, grads):
            _keep(self, "_plan", None)
            indices = [self._get_variable_index(variable) for variable in variables]
            places = [self._place(variable) for variable in variables]
            states = [self._state(groups[place], index) for place, index in zip(places, indices, strict=True)]
            plan = Plan(variables, grads, indices, groups, places, states)
            _keep(self, "_plan", plan)
        return plan

    def _state(self, group: Group, index: int) -> dict[str, Any]:
        """The variables that a variable's state is in, by slots."""
        lists = {slot: getattr(self, name, None) for slot, name in group.slots.items()}
        return {slot: every[index] for slot, every in lists.items() if every and every[index] is not None}

    def _place(self, variable: Any) -> int:
        """In which group a variable is."""
        return 0 if self._use_weight_decay(variable) else 1

    def _clips_before(self) -> bool:
        """Whether Keras clips gradients, before the library sees them."""
        return False

    def _taken(self) -> int:
        """How often gradients were applied."""
        return int(tensor_of(self._iterations))

    def _rate(self) -> float:
        return float(self._get_current_learning_rate())

    def _scalars(self, taken: int) -> Mapping[str, float]:
        """What the library keeps of each variable as a number, before a step."""
        return {"ema_step": float(taken)}

    def _average(self, averaged: Sequence[Any]) -> None:
        """What Keras does for its averages behind a step, but for the variables whose average the step has taken."""
        iterations = self._taken() // (self.gradient_accumulation_steps or 1)
        weight = 1.0 - self.ema_momentum if iterations else 1.0
        if len(averaged) < len(self._trainable_variables):
            known = set(map(id, averaged))
            for variable, average in zip(self._trainable_variables, self._model_variables_moving_average, strict=True):
                if average is not None and id(variable) not in known:
                    held = tensor_of(average)
                    held.lerp_(tensor_of(variable).to(held.dtype), weight)
        if self.ema_overwrite_frequency and (iterations + 1) % self.ema_overwrite_frequency == 0:
            self._overwrite_model_variables_with_average_value(self._trainable_variables)


def _is_tensor(gradient: Any) -> bool:
    return isinstance(gradient, torch.Tensor)


@torch._disable_dynamo  # type: ignore[attr-defined]
def _eagerly(optimizer: Optimizer, grads: Sequence[Any], variables: Sequence[Any]) -> None:
    """A step inside a function that torch compiles."""
    optimizer._apply(grads, variables)
