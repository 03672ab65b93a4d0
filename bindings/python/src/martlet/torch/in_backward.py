"""Steps inside the backward pass: each parameter is stepped as soon as its gradient is there, which is then freed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite, nan
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from martlet import _arguments, _ffi_optimizers
from martlet._errors import ArgumentError, DTypeError, OrderError, UnsupportedError
from martlet.torch import shards
from martlet.torch._optimizer import Optimizer
from martlet.torch.single import Single, check_group

# The margin of torch's clip_grad_norm_.
_MARGIN = 1e-6
_AVERAGED_LATER = (
    "model is a DistributedDataParallel, or in one, or has one, which averages gradients later than they are there; "
    "wanted a model of one process"
)


def in_backward(model: nn.Module, optimizer: Optimizer, *, max_norm: float | None = None) -> InBackward:
    """From here on backward() steps the optimizer's parameters, one by one, and frees their gradients.

    model      whose parameters they are, all of them or some. A DistributedDataParallel is refused, whose gradients are
               averaged later than they are there; of a model in one the first backward pass says so
    optimizer  one of martlet.torch's, which is to be kept as long as the model is trained. What it is asked for over
               all gradients, max_norm and skip_nonfinite, or by its algorithm over all parameters, as Prodigy, is
               refused, in a group that is changed later by backward(). Its other options hold for each parameter: with
               accumulate=k gradients are added to a mean in the state, which takes the memory that is saved here
    max_norm   clip by the norm of all gradients of these parameters, exactly, more than 0: backward(closure) then runs
               the backward pass twice: the first only adds up squares, the second steps. With accumulate=k each of the
               k gradients is clipped. None: no clip

    Each backward() is a step of what it reaches: a loss in two parts is added up first. A checkpoint by
    torch.utils.checkpoint with use_reentrant=True is a backward pass of its own, so what two of those share is stepped
    twice; use_reentrant=False is not. What raises in the middle leaves stepped what has been stepped. The gradient of a
    weight that is used more than once lives from its first use on the way back to its last.

    optimizer.step() is to be called as ever, behind backward(): it runs hooks, lets schedulers count, and steps what
    has a gradient still. state_dict, load_state_dict and pickles are the optimizer's. A gradient that was there before
    backward() is added to, as ever. torch's GradScaler, which looks at all gradients before a step, finds none, and
    says so; loss_scale in the optimizer divides by a scale of your own.

    Raises a DTypeError for what is no model or optimizer, an ArgumentError for a max_norm out of its range, and an
    OrderError where parameters are stepped inside already.
    """
    return InBackward(model, optimizer, max_norm)


class InBackward:
    """What in_backward gives: the hooks, until remove()."""

    def __init__(self, model: nn.Module, optimizer: Optimizer, max_norm: float | None) -> None:
        if not isinstance(model, nn.Module):
            raise DTypeError(f"model is a {type(model).__name__}; wanted a torch.nn.Module")
        if any(isinstance(module, DistributedDataParallel) for module in model.modules()):
            raise UnsupportedError(_AVERAGED_LATER)
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
        own = dict.fromkeys(model.parameters())
        shares_of: dict[Tensor, Single] = {}
        for index, group in enumerate(optimizer.param_groups):
            for place, parameter in enumerate(group["params"]):
                if parameter in own and parameter.requires_grad and parameter not in shares_of:
                    shares_of[parameter] = Single(optimizer, index, place)
        self._shares = list(shares_of.values())
        if not self._shares:
            raise ArgumentError("no parameter of the optimizer is the model's; wanted an optimizer of its parameters")
        inside = optimizer.__dict__.setdefault(_INSIDE, [])
        if any(share.parameter in shares_of for other in inside for share in other._shares):
            raise OrderError("backward() steps parameters of the model already; call remove() of what does so before")
        # Others that a backward pass may leave gradients in.
        self._others = [one for one in (*own, *_parameters(optimizer)) if one.requires_grad and one not in shares_of]
        self._kept: dict[Tensor, Tensor] = {}
        add: Any = Tensor.register_post_accumulate_grad_hook
        # A hook that had these itself would keep them for ever, since Python's collector does not see into it.
        self._hooks = [add(share.parameter, _hook(weakref.ref(self), weakref.ref(share))) for share in self._shares]
        inside.append(self)

    def remove(self) -> None:
        """Lets backward() leave gradients again, for optimizer.step()."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        inside = self.optimizer.__dict__[_INSIDE]
        inside[:] = [other for other in inside if other is not self]

    def backward(self, closure: Callable[[], Tensor]) -> Tensor:
        """Calls closure, which computes the loss, and steps in its backward pass; returns the loss.

        With max_norm it is called twice, from the same random numbers, so what it counts or averages beside, as
        batch normalization does, it does twice; gradients are multiplied by min(1, max_norm / (norm + 1e-6)). Where the
        norm is no finite number no step is taken, gradients are freed, and grad_norm says so.
        """
        if not self._hooks:
            raise OrderError("the hooks have been removed; call in_backward again")
        if self._max_norm is None:
            loss = closure()
            torch.autograd.backward(loss)
            return loss
        with torch.random.fork_rng(devices=[]), self._measuring():
            loss = closure()
            torch.autograd.backward(loss)
            self.grad_norm = float(self._squares or 0.0) ** 0.5
        if not isfinite(self.grad_norm):
            for share in self._shares:
                share.parameter.grad = None
            return loss
        with self._stepping(max(1.0, (self.grad_norm + _MARGIN) / self._max_norm)):
            loss = closure()
            torch.autograd.backward(loss)
        return loss

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        """Squares are added up, and no gradient is another one behind it: what was there before is put back."""
        touched = [*(share.parameter for share in self._shares), *self._others]
        self._kept = {one: one.grad for one in touched if one.grad is not None}
        for parameter in self._kept:
            parameter.grad = None
        self._squares = 0.0
        try:
            yield
        finally:
            self._squares = None
            for parameter in touched:
                parameter.grad = self._kept.get(parameter)
            self._kept = {}

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
        _refuse_averaged_later({share.parameter for share in self._shares})
        for share in self._shares:
            share.make_state()
        self._has_begun = True

    def _take(self, share: Single) -> None:
        """Does what is to be done with a gradient that is there."""
        if self._squares is not None:
            self._squares += share.squares(self._kept.get(share.parameter))
        elif self._steps:
            if not self._has_begun:
                self._begin()
            share.step(self._scale)
        else:
            raise OrderError(
                "max_norm clips by the norm of all gradients; call backward(closure) in place of loss.backward()"
            )


# The attribute of an optimizer that keeps what steps it inside; neither state_dict nor pickles have it.
_INSIDE = "_martlet_inside"


def _hook(inside: weakref.ref[InBackward], share: weakref.ref[Single]) -> Callable[[Tensor], None]:
    def ready(parameter: Tensor) -> None:
        stepping, own = inside(), share()
        if stepping is None or own is None:
            raise OrderError("the optimizer that in_backward was given is gone; keep it while its model is trained")
        stepping._take(own)
        parameter.grad = None

    return ready


def _check(optimizer: Optimizer) -> None:
    """Refuses what cannot be had of one gradient at a time."""
    for index, group in enumerate(optimizer.param_groups):
        kind = optimizer._martlet_kind.of(group)
        if kind.reader.kind.number == _ffi_optimizers.PRODIGY:
            raise UnsupportedError(f"param_groups[{index}] is of {kind.title}, whose rate is of all gradients together")
        check_group(group, index)
        for parameter in group["params"]:
            if shards.is_spread(parameter):
                raise UnsupportedError(
                    f"param_groups[{index}] has a DTensor, whose gradient comes behind the backward pass; wanted plain "
                    "parameters"
                )


def _parameters(optimizer: Optimizer) -> Iterator[Tensor]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


def _refuse_averaged_later(parameters: set[Tensor]) -> None:
    """Refuses parameters of a model that is in a DistributedDataParallel, which nothing of them tells."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    for one in gc.get_objects():
        if issubclass(type(one), DistributedDataParallel) and not parameters.isdisjoint(one.parameters()):
            raise UnsupportedError(_AVERAGED_LATER)
