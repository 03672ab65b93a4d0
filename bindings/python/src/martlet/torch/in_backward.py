"""Steps inside the backward pass: each parameter is stepped as soon as its gradient is there, which is then freed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite, nan
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from martlet import _arguments, _ffi_optimizers
from martlet._errors import ArgumentError, DTypeError, OrderError, UnsupportedError
from martlet.torch import by_torch, shards
from martlet.torch import state as states
from martlet.torch._optimizer import Optimizer
from martlet.torch.plan import Plan

# What of a group reaches over all gradients, which are never there at once.
_OF_ALL = ("max_norm", "skip_nonfinite", "measure", "measure_update")
# The margin of torch's clip_grad_norm_.
_MARGIN = 1e-6


def in_backward(model: nn.Module, optimizer: Optimizer, *, max_norm: float | None = None) -> InBackward:
    """From here on backward() steps the optimizer's parameters, one by one, and frees their gradients.

    model      whose parameters they are, all of them or some. A DistributedDataParallel is refused, whose gradients are
               averaged later than they are there; the module inside of one cannot be told from others
    optimizer  one of martlet.torch's. What it is asked for over all gradients, max_norm and skip_nonfinite, or by its
               algorithm over all parameters, as Prodigy, is refused. Its other options hold for each parameter: with
               accumulate=k gradients are added to a mean in the state, which takes the memory that is saved here
    max_norm   clip by the norm of all gradients, exactly, more than 0: backward(closure) then runs the backward pass
               twice: the first only adds up squares, the second steps. None: no clip

    optimizer.step() is to be called as ever, behind backward(): it runs hooks, lets schedulers count, and steps what
    has a gradient still. state_dict, load_state_dict and pickles are the optimizer's. A gradient that was there before
    backward() is added to, as ever. torch's GradScaler, which looks at all gradients before a step, finds none.

    Raises a DTypeError for what is no model or optimizer, an ArgumentError for a max_norm out of its range.
    """
    return InBackward(model, optimizer, max_norm)


class InBackward:
    """What in_backward gives: the hooks, until remove()."""

    def __init__(self, model: nn.Module, optimizer: Optimizer, max_norm: float | None) -> None:
        if not isinstance(model, nn.Module):
            raise DTypeError(f"model is a {type(model).__name__}; wanted a torch.nn.Module")
        if isinstance(model, DistributedDataParallel):
            raise UnsupportedError(
                "model is a DistributedDataParallel, which averages gradients later; wanted a plain one"
            )
        if not isinstance(optimizer, Optimizer):
            raise DTypeError(f"optimizer is a {type(optimizer).__name__}; wanted one of martlet.torch's")
        self._max_norm = None if max_norm is None else _arguments.real(max_norm, "max_norm")
        if self._max_norm is not None and not self._max_norm > 0:
            raise ArgumentError(f"max_norm is {max_norm}; wanted more than 0, or None")
        self.optimizer = optimizer
        #: The norm of all gradients that the latest backward(closure) has clipped by; NaN before.
        self.grad_norm = nan
        self._squares: float | None = None
        self._scale = 1.0
        self._steps = max_norm is None
        self._has_begun = False
        _check(optimizer)
        own = set(model.parameters())
        self._shares = [
            _Share(optimizer, index, place)
            for index, group in enumerate(optimizer.param_groups)
            for place, parameter in enumerate(group["params"])
            if parameter in own and parameter.requires_grad
        ]
        if not self._shares:
            raise ArgumentError("no parameter of the optimizer is the model's; wanted an optimizer of its parameters")
        self._inside: set[Tensor] = vars(optimizer).setdefault("_stepped_inside", set())
        stepped = {share.parameter for share in self._shares}
        if not self._inside.isdisjoint(stepped):
            raise OrderError("backward() steps parameters of the model already; call remove() of what does so before")
        self._inside |= stepped
        add: Any = Tensor.register_post_accumulate_grad_hook
        self._hooks = [add(share.parameter, self._hook(share)) for share in self._shares]

    def remove(self) -> None:
        """Lets backward() leave gradients again, for optimizer.step()."""
        for hook in self._hooks:
            hook.remove()
        if self._hooks:
            self._inside -= {share.parameter for share in self._shares}
        self._hooks = []

    def backward(self, closure: Callable[[], Tensor]) -> Tensor:
        """Calls closure, which computes the loss, and steps in its backward pass; returns the loss.

        With max_norm it is called twice, from the same random numbers, so what it counts or averages beside, as
        batch normalization does, it does twice; gradients are multiplied by min(1, max_norm / (norm + 1e-6)). Where the
        norm is no finite number no step is taken, and grad_norm says so.
        """
        if not self._hooks:
            raise OrderError("the hooks have been removed; call in_backward again")
        if self._max_norm is None:
            loss = closure()
            torch.autograd.backward(loss)
            return loss
        loss = self._measure(closure)
        if not isfinite(self.grad_norm):
            return loss
        with self._stepping(max(1.0, (self.grad_norm + _MARGIN) / self._max_norm)):
            loss = closure()
            torch.autograd.backward(loss)
        return loss

    def _measure(self, closure: Callable[[], Tensor]) -> Tensor:
        """Finds the norm of all gradients, by a backward pass that leaves none; those that were there before it are
        there again behind it, unless the norm is no finite number."""
        parameters = [share.parameter for share in self._shares]
        before = [(one, one.grad) for one in parameters if one.grad is not None]
        for parameter, gradient in before:
            parameter.grad = gradient.clone()  # which is added to
        self.grad_norm, self._squares = nan, 0.0
        try:
            with torch.random.fork_rng(devices=[]):
                loss = closure()
                torch.autograd.backward(loss)
            self.grad_norm = self._squares**0.5
        finally:
            self._squares = None
            for parameter, gradient in before:
                parameter.grad = gradient
        if not isfinite(self.grad_norm):
            for parameter in parameters:
                parameter.grad = None
        return loss

    @contextmanager
    def _stepping(self, scale: float) -> Iterator[None]:
        """Steps are taken, as if the loss had been multiplied by scale."""
        self._steps, self._scale = True, scale
        try:
            yield
        finally:
            self._steps, self._scale = False, 1.0

    def _begin(self) -> None:
        """Makes all states while hardly a gradient is there: gradients that come and go between states that stay would
        leave holes in the memory, which no other fits into."""
        for share in self._shares:
            share.make_state()
        self._has_begun = True

    def _hook(self, share: _Share) -> Callable[[Tensor], None]:
        def ready(parameter: Tensor) -> None:
            if self._squares is not None:
                gradient = parameter.grad
                assert gradient is not None
                self._squares += float(torch.linalg.vector_norm(gradient, dtype=torch.float64)) ** 2
            elif self._steps:
                if not self._has_begun:
                    self._begin()
                share.step(self._scale)
            else:
                raise OrderError(
                    "max_norm clips by the norm of all gradients; call backward(closure) in place of loss.backward()"
                )
            parameter.grad = None

        return ready


class _Share:
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
        if optimizer._states.get(parameter):
            return
        group = optimizer.param_groups[self._index]
        kind = optimizer._kind.of(group)
        name = states.name_of(group, self._index, self._place)
        slots = kind.row(group).slots.of(parameter.shape)
        entry = {"step": states.number_tensor(0, states.step_dtype(group))} if kind.shows_step else {}
        optimizer._states[parameter].update(
            entry | states.missing({}, parameter, group, slots, name, kind.state_dtype(group))
        )
        optimizer._counts[parameter] = states.counter(0)

    def step(self, scale: float) -> None:
        """Steps by the gradient that is there, of a loss that was multiplied by scale."""
        optimizer, parameter, group = self._optimizer, self.parameter, self._group
        if optimizer._is_swapped:
            raise OrderError("the parameters are their averages; call swap_averages() before backward()")
        given = optimizer.param_groups[self._index]
        if len(group) != len(given) - ("param_names" in given):
            group = self._group = {"params": group["params"]}
        group.update((key, value) for key, value in given.items() if key not in ("params", "param_names"))
        state = optimizer._states[parameter]
        if self._state.get(parameter) is not state:  # another was loaded
            self._state, self._plan = {parameter: state}, None
            self._counts = {one: count for one, count in optimizer._counts.items() if one is parameter}
        turn = optimizer._gate.enter()
        try:
            plan = self._plan
            if plan is not None:
                plan.set_scale(scale)
            if plan is None or not plan.repeat([group], self._state, optimizer._is_private):
                plan = self._step_anew(scale)
            if plan.needs_torch:
                scaled = by_torch.Scale(grad_scale=torch.tensor(scale)) if scale != 1 else by_torch.Scale()
                by_torch.take_step(optimizer._kind, [group], self._state, plan.left, scaled, graph=False)
            optimizer._counts.update(self._counts)
        finally:
            optimizer._gate.leave(turn)

    def _step_anew(self, scale: float) -> Plan:
        optimizer, groups = self._optimizer, [self._group]
        kind = optimizer._kind
        self._plan = None
        plan = Plan(
            *(kind, groups, self._state, self._counts, optimizer._is_private, optimizer._copies),
            strict=optimizer._strict,
            backlogs=optimizer._backlogs,
            key=self._key,
        )
        plan.set_scale(scale)
        by_torch.check(kind, groups, self._state, plan.left)
        if plan.run_first():
            self._plan = plan
        return plan


def _check(optimizer: Optimizer) -> None:
    """Refuses what cannot be had of one gradient at a time."""
    for index, group in enumerate(optimizer.param_groups):
        kind = optimizer._kind.of(group)
        if kind.reader.kind.number == _ffi_optimizers.PRODIGY:
            raise UnsupportedError(f"param_groups[{index}] is of {kind.title}, whose rate is of all gradients together")
        for option in _OF_ALL:
            if group.get(option):
                raise UnsupportedError(
                    f"param_groups[{index}] has {option!r}, which looks at all gradients: leave it out"
                    + (", and give in_backward max_norm" if option == "max_norm" else "")
                )
        for parameter in group["params"]:
            if shards.is_spread(parameter):
                raise UnsupportedError(
                    f"param_groups[{index}] has a DTensor, whose gradient comes behind the backward pass; wanted plain "
                    "parameters"
                )
