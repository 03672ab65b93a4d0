"""What every torch optimizer here is: a torch.optim.Optimizer whose step is one native call.

Hooks, groups and state names are torch's. A class of one algorithm is a signature over this (adam.py, sgd.py). What
options mean is options.py's work, how tensors become addresses that of plan.py, what state is that of state.py, how it
enters and leaves a state_dict that of state_dict.py, what surrounds a step that of hooks.py.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from types import MappingProxyType
from typing import Any

import torch

from martlet import _ffi_optimizers, _forks, _reduction, _signatures, _threads
from martlet._call import LastStep
from martlet._errors import (
    ArgumentError,
    DTypeError,
    FormatError,
    MartletError,
    MissingError,
    OrderError,
    UnsupportedError,
)
from martlet._owner import Gate
from martlet.convert._torch import translated
from martlet.torch import differentiable, options
from martlet.torch import state as states
from martlet.torch import state_dict as state_dicts
from martlet.torch.copies import NAME, Copies, given_copies, new_copies
from martlet.torch.hooks import hooked
from martlet.torch.plan import Plan, drop_step

_num_threads = torch.get_num_threads
# What a pickled optimizer has beside torch's, where a count of steps is more than its "step" can show.
_EXACT = "exact_steps"
# And the options of groups of other algorithms.
_OTHERS = "_others"


class Optimizer(torch.optim.Optimizer):
    """An optimizer over tensors on the CPU. Use a class of an algorithm, which has torch's arguments and defaults where
    torch has the algorithm, and takes these by name beside its own:

    flush_denormals          whether numbers too small for the normal range count as zero during a step. None: yes, but
                             where eps is under 1e-10. False treats them exactly as torch does, and is slower once
                             moments decay to them
    semantics                whose convention is followed where libraries differ: "torch", "keras", "optax" or "paper"
    state_dtype              torch.float64, float32, bfloat16 or float16 for the moments; None: each parameter's type.
                             "int8" and "int4": floats of 8 and of 4 bits with a scale for each 256 and 128 of them, as
                             martlet.h says, in one uint8 tensor a moment, codes before scales: 2.03 and 1.07 bytes a
                             parameter for Adam. What holds positions, parameters under 4,096 elements, of float64 or
                             complex, and those of algorithms of matrices whose rows are no multiple of 256, stay wide.
                             bfloat16 beside wider parameters: what divides them is rounded at random, or it would stand
                             still
    decoupled_weight_decay   take weight_decay off the parameter, p <- (1 - lr weight_decay) p, in place of adding it to
                             the gradient. Keras's convention does so always
    cautious_weight_decay    the same, but in elements that the step moves away from 0
    corrected_weight_decay   the same with lr^2 over the largest lr so far for lr
    cautious                 the mask of cautious optimizers: leave out of a step the elements in which its
                             update goes against the gradient, and divide the others by their share, 0.001 at
                             least. Decoupled weight decay has no part in it: see cautious_weight_decay
    hyperball                keep the norm of each parameter of two dimensions or more: a step goes lr times
                             the norm along the update's direction, and back to the norm, which is in the
                             state as "radius". weight_decay is to be 0
    lookahead_steps          Lookahead: after every so many steps of a parameter, slow weights, "slow_params" in the
                             state, which start as it, go a part of the way to it, and it goes back to them. 0: never
    lookahead_alpha          how much of the way, 0 to 1
    loss_scale               what the loss, and so each gradient, was multiplied by: steps divide by it
    max_norm                 clip gradients by the norm of all of them: multiply by min(1, max_norm / (norm + 1e-6)), as
                             torch's clip_grad_norm_ does (no 1e-6 with another semantics). Gradients themselves stay as
                             they are
    clip_norm, clip_value    the same by each gradient's own norm; each element to +-clip_value. One of the three
    skip_nonfinite           take no step, and change nothing, where a gradient has a NaN or an infinity; last_step says
                             so
    measure                  look at the gradients' norm without clipping, for last_step
    measure_update           the norm of what a step changes, for last_step; it takes the memory of another copy of the
                             parameters
    accumulate               step with every so many gradients of a parameter, by their mean, "grad_mean" in the state
    ema_decay                keep an exponential average of each parameter, "ema_params" in the state: see averaged().
                             ema_bias_correction: weigh its first steps as Adam's moments are; ema_warmup: begin with
                             the smaller decay (1 + t) / (10 + t)
    zero_grads               fill the gradients with zeros behind the step
    param_copy               a type, or a list of tensors, one or None for each parameter: copies that each step leaves
                             of the parameters; param_copies has them. No part of groups and state_dicts
    low_precision            how bfloat16 and float16 parameters take steps smaller than half of their last place, of
                             which rounding to nearest leaves nothing: "stochastic" rounds at random, so that the mean
                             is right; "kahan" keeps what rounding takes in the state, as "kahan_comp"; "split" keeps
                             the other half of float32 there, as "remainder", and is float32 to the bit, for bfloat16
                             alone. None: to nearest. Parameters of other types are stepped as ever
    seed                     of the random rounding, with the count of steps and the parameter's place among all
                             parameters: 0 to 2**64 - 1

    The decays are for algorithms that have weight_decay; cautious and hyperball are for those that martlet.h says.
    Options that torch's class does not have stand in param_groups, defaults and state_dict only where they are not as
    they would be without. Each may be given or set for one group: group["semantics"] = "optax".

    As in torch, a group may have other keys, which no step reads; but an option of another algorithm is an error,
    unless both are torch's, whose scripts may have such.

    A group may be of another algorithm: {"params": [...], "algorithm": "adamw", "lr": 3e-4}, by the names that
    martlet_algorithm_name gives and with the options of its own class. In param_groups and state_dict "algorithm"
    stands in such groups alone.

    optimizer.state is torch's too: what is done to it, in place or by replacement, takes effect at the next step.

    foreach, fused and capturable are accepted and change nothing: every step is one fused call, which no graph holds.
    A gradient may be sparse along the first dimension, as nn.Embedding(sparse=True) makes it, coalesced or not: rows
    that it has are stepped and decayed, with their moments, and others stay as they are. That is for algorithms that
    step each element by itself, without cautious and lookahead_steps.
    Groups with differentiable=True are stepped by torch itself. float64, float32, bfloat16, float16 and complex
    parameters of any strides are served; gradients and moments may have other types than their parameter. Threads:
    torch.get_num_threads(). One thread at a time may be inside.
    """

    _kind: options.Kind
    # Whether groups of other classes' objects may be of this algorithm: not if it has more to a step than step().
    _joins = True
    # By the name of another algorithm, what its groups have where they do not say.
    _others: Mapping[str, dict[str, Any]] = MappingProxyType({})
    _reduce_sums: Callable[[torch.Tensor], Any] | None = None
    # The state that load_state_dict has just made.
    _loading: defaultdict[Any, Any] | None = None
    # The plan of the latest step, or what it found.
    _last_step: Plan | LastStep | None = None
    # Whether parameters are their averages.
    _is_swapped = False
    # That torch's GradScaler may leave scales to step().
    _step_supports_amp_scaling = True

    def __init_subclass__(
        cls,
        algorithm: int | None = None,
        peer: type[torch.optim.Optimizer] | None = None,
        semantics: str = "torch",
        **others: Any,
    ) -> None:
        """algorithm: the library's number. peer: torch's class of it. semantics: that class's convention."""
        super().__init_subclass__(**others)
        if algorithm is not None:
            stated = inspect.signature(cls.__init__).parameters
            inherited = getattr(cls, "_kind", None)
            cls._kind = options.Kind(cls.__name__, algorithm, stated, inherited, peer, cls, semantics)
            if cls._joins and cls.__module__.startswith(__package__ + "."):
                cls._kind.offer()
            _signatures.show(cls.__init__, {**cls._kind.own, NAME: None})

    def __init__(self, params: Any, given: Mapping[str, Any]) -> None:
        """given: the locals() of a class's constructor."""
        own = dict(given["options"])
        copy = own.pop(NAME, None)
        kind, defaults = self._kind, self._checked({**given, "options": own})
        kind.unwrap(defaults)
        kind.drop_defaults(defaults)
        if params is None:
            raise DTypeError("params is None; wanted an iterable of tensors, such as model.parameters()")
        self._plan: Plan | None = None
        self._counts: states.Counts = {}
        self._copies: Copies = {}
        self._copy_dtype = copy if isinstance(copy, torch.dtype) else None
        self._gate = Gate()
        with _forks.held_off, _torchs_errors_as_ours():  # torch imports its compiler here, at the first one
            super().__init__(params, kind.in_torchs_order(defaults))
        if not isinstance(copy, torch.dtype):
            self._copies = given_copies(copy, [one for group in self.param_groups for one in group["params"]])

    def _checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options of the class that a constructor's locals() give."""
        kind = self._kind
        defaults = {**kind.own, **_signatures.arguments(given, kind.own, type(self).__name__)}
        kind.check_arguments(defaults)
        options.check_switched(defaults)
        kind.check_options(defaults)
        return defaults

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own, as in torch. A parameter that the group has twice is stepped once,
        with a warning; one that another group has is an error."""
        index = len(self.param_groups)
        if isinstance(param_group, dict) and param_group.get("params") is None:
            error = DTypeError if "params" in param_group else MissingError
            raise error(f"param_groups[{index}]['params'] is missing or None; wanted an iterable of tensors")
        kind = self._kind_of_new(param_group, index)
        if isinstance(param_group, dict):
            kind.refuse_unread(param_group, f"param_groups[{index}]")
        own = self.defaults
        self.defaults = self._defaults_of(kind)  # which torch fills the group with
        try:
            with _torchs_errors_as_ours():
                super().add_param_group(param_group)
        finally:
            self.defaults = own
        group = self.param_groups[-1]
        try:
            kind.check_group(group, f"param_groups[{index}]")
            kind.drop_defaults(group)
            self._check_parameters(group, index)
            if kind is self._kind:
                group.pop("algorithm", None)
            if self._copy_dtype is not None:
                self._copies |= new_copies(self._copy_dtype, group["params"])
        except BaseException:
            self.param_groups.pop()
            raise

    def _kind_of_new(self, group: Any, index: int) -> options.Kind:
        """The kind of a group that a user adds."""
        if not isinstance(group, dict):
            return self._kind
        try:
            kind = self._kind.of(group)
        except ArgumentError as error:
            raise ArgumentError(f"param_groups[{index}]: {error}") from None
        if kind is not self._kind and not self._joins:
            raise UnsupportedError(
                f"param_groups[{index}] is of {kind.name}, and {self._kind.title} steps no other algorithm beside its "
                "own"
            )
        return kind

    def _defaults_of(self, kind: options.Kind) -> dict[str, Any]:
        """What a group of this kind has where it does not say."""
        if kind is self._kind:
            return self.defaults
        if kind.name not in self._others:
            self._others = {**self._others, kind.name: kind.defaults({})}
        return self._others[kind.name]

    def _check_parameters(self, group: dict[str, Any], index: int) -> None:
        """What the parameters of a group that was added must be."""
        for parameter, name in states.named(group, index).items():
            states.moment_dtype(parameter, group.get("state_dtype"), name)

    @property
    def state(self) -> defaultdict[Any, Any]:
        """Moments and step counts by parameter, as in torch: what steps read and write, to be looked at and changed.

        Steps know their own moments. From here on somebody else has them too, and each step looks for what has become
        of them.
        """
        self._is_private = False
        return self._states

    @state.setter
    def state(self, value: defaultdict[Any, Any]) -> None:
        # The first one is what torch's constructor makes.
        self._is_private = "_states" not in self.__dict__
        self._states = value

    @property
    def reduce_sums(self) -> Callable[[torch.Tensor], Any] | None:
        """A function that adds up, over all processes that share the parameters, what a step sums over each of them:
        where an optimizer has a part of each parameter, its shard, as ranks of a distributed run have. None: each is
        whole.

        It is called inside step() with a float64 tensor, once or twice a step, and sums it in place over all processes,
        or returns the sums: torch.distributed.all_reduce as it is. Every process has the same parameters in the same
        order, and a gradient for each or for none of its shards, which may be without elements. LAMB, LARS,
        StableAdamW, MARS, Prodigy and cautious=True sum; algorithms that do not are stepped as ever, and those that see
        matrices, as Adafactor and Muon do, raise an ArgumentError. What the function raises leaves step(), and
        parameters of algorithms that sum may then be partly stepped. It may step nothing itself. Not kept by
        state_dict, pickle and copies.
        """
        return self._reduce_sums

    @reduce_sums.setter
    def reduce_sums(self, function: Callable[[torch.Tensor], Any] | None) -> None:
        self._reduce_sums = _reduction.checked(function)
        self._plan = None

    @property
    def last_step(self) -> LastStep | None:
        """What the latest step has found of its gradients; None before the first."""
        return self._last_step.last_step if isinstance(self._last_step, Plan) else self._last_step

    @property
    def param_copies(self) -> Copies:
        """The copies in another type that steps leave of parameters, by parameter. It may be changed."""
        self._plan = None
        return self._copies

    def swap_averages(self) -> None:
        """Exchanges each parameter that has an ema_decay for its average, in place. A second call is the way back,
        before which there is no step and no state_dict (OrderError). Between tensors of two types each is rounded."""
        turn = self._gate.enter()
        try:
            self._plan = None
            groups, state = self.param_groups, self._states
            plan = Plan(self._kind, groups, state, self._counts, self._is_private, self._copies)
            plan.move(_ffi_optimizers.EVALUATION)
            self._is_swapped = not self._is_swapped
        finally:
            self._gate.leave(turn)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within this context parameters are their averages, to be evaluated or used: swap_averages() around it."""
        self.swap_averages()
        try:
            yield
        finally:
            self.swap_averages()

    def _refuse_averages(self, what: str) -> None:
        if self._is_swapped:
            raise OrderError(f"the parameters are their averages; call swap_averages() before {what}")

    @hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Performs a single optimization step.

        closure: reevaluates the model and returns the loss, which step then returns.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if (threads := _num_threads()) != _threads.followed:
            _threads.follow(threads)
        scale = _scale_of(self) if "found_inf" in self.__dict__ or "grad_scale" in self.__dict__ else 1.0
        if self._is_swapped:
            self._refuse_averages("step()")
        gate = self._gate
        turn = gate.enter()
        try:
            plan = self._plan
            state, is_private = self._states, self._is_private
            if scale is None:
                self._last_step = drop_step(self.param_groups, state, self._kind)
                return loss
            if plan is not None:
                plan.set_scale(scale)
            if plan is None or not plan.repeat(self.param_groups, state, is_private):
                self._plan = None
                copies, reduce = self._copies, self._reduce_sums
                plan = Plan(self._kind, self.param_groups, state, self._counts, is_private, copies, reduce)
                plan.set_scale(scale)
                differentiable.take_step(
                    self._kind, self.param_groups, state, self.defaults.get("differentiable", False)
                )
                if plan.run_first():
                    self._plan = plan
            self._last_step = plan
        except (MartletError, LookupError):
            # The fast path says less: where a group's options are to blame, the error names the group.
            self._kind.check_groups(self.param_groups)
            raise
        finally:
            gate.leave(turn)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """As torch's, loadable by torch's class of the same name, with "step_exact" (int64) beside a "step" (float32)
        past 2^24.

        A copy: later steps do not change it, nor does changing it, or loading it into another optimizer, change this
        one. It takes as much memory as the moments; optimizer.state has the moments themselves.
        """
        self._refuse_averages("state_dict()")
        for pre_hook in self._optimizer_state_dict_pre_hooks.values():
            pre_hook(self)
        hooks = self._optimizer_state_dict_pre_hooks, self._optimizer_state_dict_post_hooks
        is_private = self._is_private
        self._optimizer_state_dict_pre_hooks, self._optimizer_state_dict_post_hooks = OrderedDict(), OrderedDict()
        try:
            packed = super().state_dict()
        finally:
            self._optimizer_state_dict_pre_hooks, self._optimizer_state_dict_post_hooks = hooks
        self._is_private = is_private  # a copy is all that leaves here
        parameters = dict(enumerate(chain.from_iterable(group["params"] for group in self.param_groups)))
        counts: dict[Any, Any] = self._counts
        packed = {
            "state": {
                key: state_dicts.handed_out(entry, counts.get(parameters.get(key)))
                for key, entry in packed["state"].items()
            },
            "param_groups": state_dicts.snapshot(packed["param_groups"]),
        }
        for group in packed["param_groups"]:
            self._kind.of(group).drop_defaults(group)
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
        does; those of 8 and 4 bits stay so, and others are not made such. Options beyond torch's that it does not have
        stay as they are, and entries for no parameter of this optimizer are carried along. Raises FormatError, and
        changes nothing, where shapes or groups do not fit.
        """
        self._refuse_averages("load_state_dict()")
        if not isinstance(state_dict, dict):
            raise FormatError(f"the state_dict is a {type(state_dict).__name__}; wanted what state_dict() gave")
        state_dict = state_dict.copy()
        for pre_hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = pre_hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        state_dict = translated(state_dict, self)
        state_dicts.check_packed(state_dict, self.param_groups, self._kind)
        groups = state_dicts.loaded_groups(state_dict["param_groups"], self.param_groups, self._kind)
        self._loading = state_dicts.loaded_state(state_dict, groups, self._kind)
        try:
            self.__setstate__({"state": self._loading, "param_groups": groups})
        finally:
            self._loading = None
        for post_hook in self._optimizer_load_state_dict_post_hooks.values():
            post_hook(self)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        exact = {
            parameter: count
            for parameter, counter in self._counts.items()
            if (count := state_dicts.exact_count(self.state.get(parameter), counter)) is not None
        }
        others = {_OTHERS: self._others} if self._others else {}
        return {**state, **others, **({_EXACT: exact} if exact else {})}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        exact = state.pop(_EXACT, {})
        if "defaults" in state:
            self.defaults = state["defaults"]
        self._others = state.pop(_OTHERS, self._others)
        for group in state["param_groups"]:
            kind = self._kind.of(group)
            for option, value in self._defaults_of(kind).items():
                if option not in kind.own:
                    group.setdefault(option, value)
            kind.drop_defaults(group)
        counts = states.take_over(state["state"], state["param_groups"], self._kind)
        self.state = state.pop("state")
        # Who gave it may hold it, unless it was made for this.
        self._is_private = self._states is self._loading
        super().__setstate__(state)
        self._counts = counts | {parameter: states.counter(count) for parameter, count in exact.items()}
        self._plan = None
        self._copies = self.__dict__.get("_copies", {})
        self._copy_dtype = self.__dict__.get("_copy_dtype")
        self._gate = Gate()


def _scale_of(optimizer: Any) -> float | None:
    """What torch's GradScaler has multiplied the loss by, as it hands it over; None: a gradient was not finite."""
    found, scale = (getattr(optimizer, name, None) for name in ("found_inf", "grad_scale"))
    if found is not None and float(found) != 0:
        return None
    return 1.0 if scale is None else float(scale)


@contextmanager
def _torchs_errors_as_ours() -> Iterator[None]:
    """What torch says of parameters and groups, in its words, as errors that are Martlet's too."""
    try:
        yield
    except MartletError:
        raise
    except TypeError as error:
        raise DTypeError(str(error)) from error
    except ValueError as error:
        raise ArgumentError(str(error)) from error
