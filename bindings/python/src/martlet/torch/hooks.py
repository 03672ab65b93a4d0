"""What torch.optim puts around a step: its hooks, and its name in a profile.

torch wraps the step of every optimizer class and pays for the profiler's record each time. A step that is wrapped here
instead runs the same hooks in the same order with the same arguments, and is recorded only while a profiler is on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from itertools import chain
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch.autograd import profiler
from torch.optim import Optimizer
from torch.optim import optimizer as torch_optimizer

P = ParamSpec("P")
R = TypeVar("R")
O = TypeVar("O", bound=Optimizer)  # noqa: E741

_PRE_HOOKS: dict[int, Any] = torch_optimizer._global_optimizer_pre_hooks
_POST_HOOKS: dict[int, Any] = torch_optimizer._global_optimizer_post_hooks
_is_compiling = torch.compiler.is_compiling
# The body of the function that torch wraps around a step: how its wrapping is told from a class's own method.
_TORCHS_WRAPPER = Optimizer.profile_hook_step(lambda: None).__code__


def hooked(step: Callable[Concatenate[O, P], R]) -> Callable[Concatenate[O, P], R]:
    """Wraps a step, in place of torch.

    In a subclass with a step of its own torch has wrapped that one and runs the hooks there; they do not run again in
    the step that it inherits.
    """

    @wraps(step)
    def wrapper(self: O, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if _is_compiling():
            return eagerly(self, *args, **kwargs)
        if (
            _PRE_HOOKS
            or _POST_HOOKS
            or self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or profiler._is_profiler_enabled
        ):
            return around(self, *args, **kwargs)
        if args or kwargs:
            return step(self, *args, **kwargs)
        # The usual call, without the cost of unpacking nothing.
        return step(self)  # type: ignore[call-arg]

    def around(self: O, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if getattr(type(self).step, "__code__", None) is _TORCHS_WRAPPER:
            return step(self, *args, **kwargs)
        return _with_hooks(step, self, (self, *args), kwargs)

    eagerly = torch._disable_dynamo(around)  # type: ignore[attr-defined]
    # torch leaves a step alone that says it runs the hooks itself.
    wrapper.hooked = True  # type: ignore[attr-defined]
    return wrapper


def _with_hooks(step: Callable[..., R], optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
    """A step as torch.optim.Optimizer wraps it: between the global hooks and the optimizer's own."""
    name = f"Optimizer.step#{type(optimizer).__name__}.step"
    with profiler.record_function(name) if profiler._is_profiler_enabled else nullcontext():
        own: Any = optimizer
        with own._martlet_heard():
            for pre_hook in chain(_PRE_HOOKS.values(), optimizer._optimizer_step_pre_hooks.values()):
                changed = pre_hook(optimizer, args, kwargs)
                if changed is not None:
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        raise RuntimeError(
                            f"{step} must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                        )
                    args, kwargs = changed
        result = step(*args, **kwargs)
        optimizer._optimizer_step_code()
        for post_hook in chain(optimizer._optimizer_step_post_hooks.values(), _POST_HOOKS.values()):
            post_hook(optimizer, args, kwargs)
    return result
