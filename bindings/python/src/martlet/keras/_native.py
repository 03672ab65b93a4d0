"""Keras's optimizers on torch: each step is one native call over the memory of Keras's own variables.

Mixed into Keras's class in front of its rule. All that is not a step is Keras's: variables, iterations, rates,
constraints, configs and files. What is not for the library, tensors of an accelerator, stateless calls, numbers that it
does not take, goes to Keras's rule, which finds its state where it would have left it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from numbers import Real
from operator import attrgetter
from typing import Any, ClassVar

import torch
from keras.src.backend.common.stateless_scope import in_stateless_scope

from martlet._errors import MartletError, UnsupportedError
from martlet.keras._options import Options
from martlet.keras._plan import Plan, clip_factors, tensor_of
from martlet.keras._rules import Group, Groups, clipping

_is_compiling = torch.compiler.is_compiling
_keep = object.__setattr__  # Keras's looks for variables in what is kept
_constraint_of = attrgetter("constraint")
_OF_16_BITS = ("bfloat16", "float16")
# What the library's step stands for, with all that Keras's class of a rule has beside the last of these lines.
_RULE = {
    *("update_step", "_backend_update_step", "_clip_gradients", "_apply_weight_decay", "_clip_by_norm"),
    *("_update_model_variables_moving_average", "_overwrite_model_variables_with_average_value"),
    *("assign", "assign_add", "assign_sub"),
}
_BESIDE = {"__init__", "__new__", "build", "get_config"}
# What gradients go through before it.
_WAY = ("_backend_apply_gradients", "_filter_empty_gradients", "_overwrite_variables_directly_with_gradients")


class Optimizer(Options):
    """The native step in place of Keras's."""

    # Of a class: its numbers at this rate, where gradients are divided by this.
    _martlet_groups: ClassVar[Groups]
    # The class of this package, and the names of its rule; what of these a subclass has written anew; whether it leaves
    # the way there alone.
    _martlet_ours: ClassVar[type]
    _martlet_rule: ClassVar[set[str]]
    _martlet_own: ClassVar[tuple[str, ...]] = ()
    _martlet_is_usual: ClassVar[bool] = True
    _martlet_plan: Plan | None = None
    # The latest rate and scale with the groups that they made, while no attribute is set.
    _martlet_known: tuple[float, float, list[Group]] | None = None
    # What gradients of this call are divided by as they are read.
    _martlet_scale = 1.0

    def __init_subclass__(cls, groups: Groups | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if groups is not None:
            cls._martlet_groups, cls._martlet_ours = groups, cls
            cls._martlet_rule = _RULE | (set(_methods(cls)) - _BESIDE)
        cls._martlet_own = tuple(name for name in sorted(cls._martlet_rule) if cls._martlet_has_own(name))
        cls._martlet_is_usual = not any(map(cls._martlet_has_own, _WAY))

    @classmethod
    def _martlet_has_own(cls, name: str) -> bool:
        """Whether a subclass, or what it mixes in, has written something anew."""
        return getattr(cls, name, None) is not getattr(cls._martlet_ours, name, None)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            _keep(self, "_martlet_known", None)
        super().__setattr__(name, value)

    def add_variable(self, shape: Any, initializer: Any = "zeros", dtype: Any = None, **options: Any) -> Any:
        """State of variables of 16 bits is in float32: in their own type averages of squares would not fall."""
        if self.low_precision is not None and dtype in _OF_16_BITS:
            dtype = "float32"
        return super().add_variable(shape, initializer, dtype, **options)

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Keras's, but for its checks where a step is like the one before."""
        factor = self._martlet_divisor()
        is_whole = factor is not None or self.loss_scale_factor is None
        if (
            trainable_variables is not None
            and is_whole
            and self._martlet_repeat(grads, [*trainable_variables], factor or 1.0)
        ):
            return
        if factor is None:
            super().apply(grads, trainable_variables)
            return
        # Keras's would divide into copies.
        given = self.loss_scale_factor
        _keep(self, "_martlet_scale", factor)
        _keep(self, "loss_scale_factor", None)
        try:
            super().apply(grads, trainable_variables)
        finally:
            _keep(self, "loss_scale_factor", given)
            _keep(self, "_martlet_scale", 1.0)

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Keras's, which takes effect between steps too."""
        super().exclude_from_weight_decay(var_list, var_names)
        _keep(self, "_martlet_plan", None)

    def _martlet_divisor(self) -> float | None:
        """loss_scale_factor, where it is to be divided by here; a subclass may look at gradients before."""
        factor: Any = self.loss_scale_factor
        if factor is None:
            return None
        return (
            float(factor) if self._martlet_is_usual and isinstance(factor, Real) and 0 < float(factor) < inf else None
        )

    @torch.no_grad()
    def _martlet_repeat(self, grads: Sequence[Any], variables: list[Any], scale: float) -> bool:
        """Steps the variables of the step before by gradients for all. False, and nothing done, where there is more to
        a step."""
        plan, has_more = self._martlet_plan, self.gradient_accumulation_steps or not self._martlet_is_usual
        if plan is None or has_more or _is_compiling() or in_stateless_scope():
            return False
        if not plan.is_of(variables) or len(grads) != len(variables) or any(map(_constraint_of, variables)):
            return False
        if not all(map(_is_tensor, grads)):
            return False
        try:
            averaged = self._martlet_step(grads, variables, scale)
        except MartletError:
            return False  # Keras's way says why
        if self.use_ema:
            self._martlet_average(averaged)
        tensor_of(self._iterations).add_(1)
        return True

    def _backend_apply_gradients(self, grads: Sequence[Any], trainable_variables: Sequence[Any]) -> None:
        if _is_compiling():
            _eagerly(self, grads, trainable_variables)
        else:
            self._martlet_apply(grads, trainable_variables)

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        if "update_step" in self._martlet_own:  # which Keras's class for torch would pass over
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                self.update_step(gradient, variable, learning_rate)
        else:
            super()._backend_update_step(grads, trainable_variables, learning_rate)

    @torch.no_grad()
    def _martlet_apply(self, grads: Sequence[Any], variables: Sequence[Any]) -> None:
        if in_stateless_scope() or not variables:
            self._martlet_apply_by_keras(grads, variables)
            return
        tensors = [gradient if isinstance(gradient, torch.Tensor) else torch.as_tensor(gradient) for gradient in grads]
        try:
            if self._martlet_own:
                raise UnsupportedError(f"it has {' and '.join(self._martlet_own)} of its own")
            if not (every := self.gradient_accumulation_steps):
                averaged = self._martlet_step(tensors, variables, self._martlet_scale)
            else:
                if len(set(map(id, variables))) < len(variables):
                    raise UnsupportedError("a variable is there twice")
                held = [tensor_of(self._accumulated_gradients[self._get_variable_index(one)]) for one in variables]
                is_last = (self._martlet_taken() + 1) % every == 0
                if is_last:
                    self._martlet_ready(held, variables, float(every))  # says what is wrong before anything is added
                torch._foreach_add_(held, tensors, alpha=1.0 / self._martlet_scale)
                # What Keras's rule would add.
                grads = [torch.zeros((), dtype=one.dtype).expand_as(one) for one in held]
                averaged = self._martlet_step_by_sums(held, variables, float(every)) if is_last else ()
        except MartletError as error:
            self._martlet_say(str(error))
            self._martlet_apply_by_keras(grads, variables)
            return
        if self.use_ema:
            self._martlet_average(averaged)

    def _martlet_apply_by_keras(self, grads: Sequence[Any], variables: Sequence[Any]) -> None:
        if self._martlet_scale != 1.0:
            grads = [gradient / self._martlet_scale for gradient in grads]
        super()._backend_apply_gradients(grads, variables)

    def _martlet_step_by_sums(self, held: list[Any], variables: Sequence[Any], every: float) -> Sequence[Any]:
        """Steps by what so many gradients have added up to, and lets all sums begin anew."""
        averaged = self._martlet_step(held, variables, every)
        # Those of variables without gradients too.
        torch._foreach_zero_([tensor_of(one) for one in self._accumulated_gradients if one is not None])
        return averaged

    def _martlet_step(self, grads: Sequence[Any], variables: Sequence[Any], scale: float) -> Sequence[Any]:
        """One native call. Returns the variables whose average it has taken."""
        factors = clip_factors(self, grads, scale) if self._martlet_clips_before() else None
        plan = self._martlet_ready(grads, variables, scale)
        taken = self._martlet_taken() // (self.gradient_accumulation_steps or 1)
        plan.run(taken, self._martlet_scalars(taken), factors)
        self._martlet_count(taken)
        return variables if plan.averages else ()

    def _martlet_ready(self, grads: Sequence[Any], variables: Sequence[Any], scale: float) -> Plan:
        """The plan of a step, with the numbers as they are now."""
        rate, known, plan = self._martlet_rate(), self._martlet_known, self._martlet_plan
        # Factors of one gradient each want numbers of one variable each.
        is_alone = self._martlet_clips_before() and clipping(self) == "clipnorm"
        if plan is not None and plan.is_alone is not is_alone:
            plan = None
        if known is None or known[:2] != (rate, scale):
            groups = type(self)._martlet_groups(self, rate, scale)
            if plan is not None and not plan.turn_to(groups):
                plan = None
            _keep(self, "_martlet_known", (rate, scale, groups))
        else:
            groups = known[2]
        if plan is None or not plan.take(variables, grads):
            _keep(self, "_martlet_plan", None)
            indices = [self._get_variable_index(variable) for variable in variables]
            places = [self._martlet_place(variable) for variable in variables]
            states = [self._martlet_state(groups[place], index) for place, index in zip(places, indices, strict=True)]
            plan = Plan(variables, grads, indices, groups, places, states, is_alone=is_alone)
            _keep(self, "_martlet_plan", plan)
        return plan

    def _martlet_state(self, group: Group, index: int) -> dict[str, Any]:
        """The variables that a variable's state is in, by slots."""
        lists = {slot: getattr(self, name, None) for slot, name in group.slots.items()}
        return {slot: every[index] for slot, every in lists.items() if every and every[index] is not None}

    def _martlet_place(self, variable: Any) -> int:
        """In which group a variable is."""
        return 0 if self._use_weight_decay(variable) else 1

    def _martlet_clips_before(self) -> bool:
        """Whether gradients are clipped by norms that the library would not take as Keras does."""
        return False

    def _martlet_taken(self) -> int:
        """How often gradients were applied."""
        return int(tensor_of(self._iterations))

    def _martlet_rate(self) -> float:
        return float(self._get_current_learning_rate())

    def _martlet_scalars(self, taken: int) -> Mapping[str, float]:
        """What the library keeps of each variable as a number, before a step."""
        return {"ema_step": float(taken)}

    def _martlet_count(self, taken: int) -> None:
        """What Keras keeps of all variables as a number, behind a step."""

    def _martlet_average(self, averaged: Sequence[Any]) -> None:
        """What Keras does for its averages behind a step, but for the variables whose average the step has taken."""
        iterations = self._martlet_taken() // (self.gradient_accumulation_steps or 1)
        weight = 1.0 - self.ema_momentum if iterations else 1.0
        if len(averaged) < len(self._trainable_variables):
            known = set(map(id, averaged))
            for variable, average in zip(self._trainable_variables, self._model_variables_moving_average, strict=True):
                if average is not None and id(variable) not in known:
                    held = tensor_of(average)
                    held.lerp_(tensor_of(variable).to(held.dtype), weight)
        if self.ema_overwrite_frequency and (iterations + 1) % self.ema_overwrite_frequency == 0:
            self._overwrite_model_variables_with_average_value(self._trainable_variables)


def _methods(cls: type) -> Iterator[str]:
    """Of Keras's classes of a rule."""
    for kind in cls.__mro__:
        if kind.__module__.startswith("keras.") and not issubclass(Options, kind):
            yield from (name for name, value in vars(kind).items() if callable(value))


def _is_tensor(gradient: Any) -> bool:
    return isinstance(gradient, torch.Tensor)


@torch._disable_dynamo  # type: ignore[attr-defined]
def _eagerly(optimizer: Optimizer, grads: Sequence[Any], variables: Sequence[Any]) -> None:
    """A step inside a function that torch compiles."""
    optimizer._martlet_apply(grads, variables)
