"""What every torch optimizer here is: a torch.optim.Optimizer whose step is one native call.

Hooks, groups and state names are torch's. A class of one algorithm is a signature over this (adam.py, sgd.py). What
options mean is options.py's work, how tensors become addresses that of plan.py, how a step is taken that of
stepping.py, what state is that of state.py, how it is saved and loaded that of saved.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from martlet import _backlog, _ffi_optimizers, _forks, _reduction, _signatures
from martlet._call import LastStep
from martlet._errors import (
    ArgumentError,
    DTypeError,
    MartletError,
    MissingError,
    UnsupportedError,
)
from martlet._owner import Gate
from martlet.torch import by_torch, deferred, options
from martlet.torch import state as states
from martlet.torch.copies import NAME, Copies, given_copies, new_copies
from martlet.torch.plan import Plan
from martlet.torch.stepping import Stepping


class Optimizer(Stepping):
    """An optimizer over tensors on the CPU. Use a class of an algorithm, which has torch's arguments and defaults where
    torch has the algorithm, and takes these by name beside its own:

    flush_denormals          whether numbers too small for the normal range count as zero during a step. None: yes, but
                             where eps is under 1e-10. False treats them exactly as torch does, and is slower once
                             moments decay to them
    semantics                whose convention is followed where libraries differ: "torch", "keras", "optax" or "paper"
    state_dtype              torch.float64, float32, bfloat16 or float16 for the moments; None: each parameter's type.
                             "fp16", "int8" and "int4": floats of 16, 8 and 4 bits with a scale for each 256, 256 and
                             128 of them, as martlet.h says, in one uint8 tensor a moment, codes before scales: 4.03,
                             2.03 and 1.07 bytes a parameter for Adam. What holds positions, parameters under 4,096
                             elements, of float64 or complex, and those of algorithms of matrices whose rows are no
                             multiple of 256, stay wide. torch.float16 is plain, in which squares under 6e-8 are 0 and
                             those over 65504 infinite. bfloat16 beside wider parameters: what divides them is rounded
                             at random, or it would stand still
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
    defer_rows               of SGD, Adam, AdamW, Adagrad and RMSprop: sparse gradients mean what dense ones with zeros
                             in the other rows mean, to the bit. Other rows are left for later: see finish()
    param_copy               a type, or a list of tensors, one or None for each parameter: copies that each step leaves
                             of the parameters; param_copies has them. No part of groups and state_dicts
    low_precision            how bfloat16 and float16 parameters take steps smaller than half of their last place, of
                             which rounding to nearest leaves nothing: "stochastic" rounds at random, so that the mean
                             is right; "kahan" keeps what rounding takes in the state, as "kahan_comp"; "split" keeps
                             the other half of float32 there, as "remainder", and is float32 to the bit, for bfloat16
                             alone. None: to nearest. Parameters of other types are stepped as ever
    seed                     of the random rounding, with the count of steps and the parameter's place among all
                             parameters: 0 to 2**64 - 1
    strict                   whether it is an error that no native call can step a parameter. None: where the
                             environment has MARTLET_STRICT=1. No part of groups and state_dicts

    The decays are for algorithms that have weight_decay; cautious and hyperball are for those that martlet.h says.
    Options that torch's class does not have stand in param_groups, defaults and state_dict only where they are not as
    they would be without. Each may be given or set for one group: group["semantics"] = "optax".

    As in torch, a group may have other keys, which no step reads; but an option of another algorithm is an error,
    unless both are torch's, whose scripts may have such.

    A group may be of another algorithm: {"params": [...], "algorithm": "adamw", "lr": 3e-4}, by the names that
    martlet_algorithm_name gives and with the options of its own class. In param_groups and state_dict "algorithm"
    stands in such groups alone.

    optimizer.state is torch's too: what is done to it, in place or by replacement, takes effect at the next step.

    foreach, fused and capturable are accepted: every step is one fused call, which no graph holds. Under fused=True
    torch's GradScaler leaves scales to step(), as with torch's classes; gradients themselves then stay scaled.
    A gradient may be sparse along the first dimension, as nn.Embedding(sparse=True) makes it, coalesced or not: rows
    that it has are stepped and decayed, with their moments, and others stay as they are, but with defer_rows. That is
    for algorithms that step each element by itself, without cautious and lookahead_steps.
    Parameters may be DTensors, of which processes have parts, as FSDP2 and tensor parallelism make them. Each process
    steps its own; what is summed is added up over processes; a matrix of an algorithm that sees matrices is stepped by
    one process, its owner, which gets the parts and sends them back. State is of DTensors that lie as their parameter,
    or in parts of their rows where shapes differ; in few bits it is of a process's part, and leaves by state_dict as
    numbers, as it does wherever torch.distributed is up. Where ranks differ in options, or one cannot step, an
    ArgumentError or OrderError in all of them says so: at the first step, and at each that needs other processes. One
    that fails before waits for nobody; one that alone begins to need the others raises an OrderError after a minute. If
    the native call itself fails in one, its error is raised in all, no matrix has changed, and other parts of other
    processes may have been stepped. Beside such matrices
    measure_update, and accumulate with a norm of all gradients, are not supported; Muon and its like keep no few bits.
    Groups with differentiable=True are stepped by torch itself, and so are all where a number of torch's is not finite,
    and what has no memory that a native call could use: tensors on other devices, of subclasses such as FakeTensor, of
    other layouts, or in each other's memory. That is torch's class of the same name, with the same state, under whose
    options alone it can be; a warning says once what it is and why, and native_share how much.
    Tensors of inference mode are written inside of it alone, as in torch. float64, float32, bfloat16, float16 and
    complex parameters of any strides are served; gradients and moments may have other types than their parameter.
    Threads: torch.get_num_threads(). One thread at a time may be inside.
    """

    # Whether groups of other classes' objects may be of this algorithm: not if it has more to a step than step().
    _martlet_joins = True

    def __init_subclass__(
        cls,
        algorithm: int | None = None,
        semantics: str = "torch",
        **others: Any,
    ) -> None:
        """algorithm: the library's number. semantics: the convention of the class that torch has of it."""
        super().__init_subclass__(**others)
        if algorithm is not None:
            stated = inspect.signature(cls.__init__).parameters
            inherited = getattr(cls, "_martlet_kind", None)
            peer = by_torch.peer_of(cls)
            cls._martlet_kind = options.Kind(cls.__name__, algorithm, stated, inherited, peer, cls, semantics)
            is_own = cls.__module__.startswith(__package__ + ".")
            if is_own:
                cls.__module__ = "martlet._torch"  # which says why
            if cls._martlet_joins and is_own:
                cls._martlet_kind.offer()
            if peer is not None and is_own:
                by_torch.OURS[peer] = cls
            _signatures.show(cls.__init__, {**cls._martlet_kind.own, NAME: None, by_torch.NAME: None})

    def __init__(self, params: Any, given: Mapping[str, Any]) -> None:
        """given: the locals() of a class's constructor."""
        own = dict(given["options"])
        copy = own.pop(NAME, None)
        self._martlet_strict = by_torch.is_strict(own.pop(by_torch.NAME, None))
        kind, defaults = self._martlet_kind, self._martlet_checked({**given, "options": own})
        kind.unwrap(defaults)
        kind.drop_defaults(defaults)
        if params is None:
            raise DTypeError("params is None; wanted an iterable of tensors, such as model.parameters()")
        self._martlet_plan, self._martlet_counts, self._martlet_copies, self._martlet_backlogs = None, {}, {}, {}
        self._martlet_copy_dtype = copy if isinstance(copy, torch.dtype) else None
        self._martlet_gate = Gate()
        self._martlet_told = set()  # of what a warning was given
        with _forks.held_off, _torchs_errors_as_ours():  # torch imports its compiler here, at the first one
            torch.optim.Optimizer.__init__(self, params, kind.in_torchs_order(defaults))
        self._martlet_follow_fused()
        if not isinstance(copy, torch.dtype):
            self._martlet_copies = given_copies(copy, [one for group in self.param_groups for one in group["params"]])

    def _martlet_checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options of the class that a constructor's locals() give."""
        kind = self._martlet_kind
        defaults = {**kind.own, **_signatures.arguments(given, kind.own, type(self).__name__)}
        kind.check_arguments(defaults)
        kind.check_options(defaults)
        return defaults

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own, as in torch. A parameter that the group has twice is stepped once,
        with a warning, but twice by torch under install(); one that another group has is an error."""
        index = len(self.param_groups)
        if isinstance(param_group, dict) and param_group.get("params") is None:
            error = DTypeError if "params" in param_group else MissingError
            raise error(f"param_groups[{index}]['params'] is missing or None; wanted an iterable of tensors")
        kind = self._martlet_kind_of_new(param_group, index)
        if isinstance(param_group, dict):
            kind.refuse_unread(param_group, f"param_groups[{index}]")
        own = self.defaults
        self.defaults = self._martlet_defaults_of(kind)  # which torch fills the group with
        try:
            with _torchs_errors_as_ours():
                super().add_param_group(param_group)
        finally:
            self.defaults = own
        group = self.param_groups[-1]
        self._martlet_is_met = False
        try:
            kind.check_group(group, f"param_groups[{index}]")
            kind.drop_defaults(group)
            self._martlet_check_parameters(group, index)
            if kind is self._martlet_kind and kind.reads_algorithms:
                group.pop("algorithm", None)
            if self._martlet_copy_dtype is not None:
                self._martlet_copies |= new_copies(self._martlet_copy_dtype, group["params"])
        except BaseException:
            self.param_groups.pop()
            raise

    def _martlet_kind_of_new(self, group: Any, index: int) -> options.Kind:
        """The kind of a group that a user adds."""
        if not isinstance(group, dict):
            return self._martlet_kind
        try:
            kind = self._martlet_kind.of(group)
        except ArgumentError as error:
            raise ArgumentError(f"param_groups[{index}]: {error}") from None
        if kind is not self._martlet_kind and not self._martlet_joins:
            raise UnsupportedError(
                f"param_groups[{index}] is of {kind.name}, and {self._martlet_kind.title} steps no other algorithm "
                "beside its own"
            )
        return kind

    def _martlet_check_parameters(self, group: dict[str, Any], index: int) -> None:
        """What the parameters of a group that was added must be."""
        if (wanted := self._martlet_kind.of(group).state_dtype(group)) is not None:
            for parameter, name in states.named(group, index).items():
                states.moment_dtype(parameter, wanted, name)

    @property
    def reduce_sums(self) -> Callable[[torch.Tensor], Any] | None:
        """A function that adds up, over all processes that share the parameters, what a step sums over each of them:
        where an optimizer has a part of each parameter, its shard, as ranks of a distributed run have. None: each is
        whole.

        It is called inside step() with a float64 tensor, up to four times, and sums it in place over all processes, or
        returns the sums: torch.distributed.all_reduce as it is. Every process has the same parameters in the same
        order, and a gradient for each or for none of its shards, which may be without elements. LAMB, LARS,
        StableAdamW, MARS, Prodigy and cautious=True sum; algorithms that do not are stepped as ever, and those that see
        matrices, as Adafactor and Muon do, raise an ArgumentError. What the function raises leaves step(), and
        parameters of algorithms that sum may then be partly stepped. It may step nothing itself. DTensors need none:
        their mesh says who has what. Not kept by state_dict, pickle and copies.
        """
        return self._martlet_reduce_sums

    @reduce_sums.setter
    def reduce_sums(self, function: Callable[[torch.Tensor], Any] | None) -> None:
        self._martlet_reduce_sums = _reduction.checked(function)
        self._martlet_plan = None

    @property
    def last_step(self) -> LastStep | None:
        """What the latest step has found of its gradients; None before the first."""
        return (
            self._martlet_last_step.last_step if isinstance(self._martlet_last_step, Plan) else self._martlet_last_step
        )

    @property
    def native_share(self) -> float:
        """How much of what the latest step has stepped, by elements, a native call has: 0 to 1. torch has stepped the
        rest; 1 before the first step."""
        return self._martlet_native_share

    @property
    def param_copies(self) -> Copies:
        """The copies in another type that steps leave of parameters, by parameter. It may be changed."""
        self._martlet_plan = None
        return self._martlet_copies

    def finish(self) -> None:
        """Lets all rows catch up with the steps that defer_rows has left for later, before parameters are read, saved,
        or written by others: values of earlier steps come behind it. optimizer.state, state_dict(), load_state_dict(),
        pickle and copies of the optimizer do so by themselves, the model's state_dict() and load_state_dict() behind
        catch_up_for(model). Options that take state away, such as a momentum that becomes 0, come behind it too, and
        so does taking a parameter out of its group."""
        self._martlet_catch_up(None)

    def catch_up(self, parameter: torch.Tensor, rows: Any) -> None:
        """The same of these rows alone, which a forward pass is about to read; others stay behind. rows: integers of
        any shape, such as a batch of words."""
        if not any(parameter is one for group in self.param_groups for one in group["params"]):
            raise ArgumentError("parameter is none of this optimizer's; wanted a tensor of its param_groups")
        numbers, kept = _backlog.numbers(rows, "the parameter")
        if parameter in self._martlet_backlogs:
            self._martlet_catch_up((parameter, numbers))
        del kept  # until here the library reads it

    def catch_up_for(self, model: torch.nn.Module) -> list[Any]:
        """Lets rows catch up by themselves before each forward pass of the model's nn.Embedding and nn.EmbeddingBag
        modules whose weights are this optimizer's, and all of them before the model's state_dict() and
        load_state_dict(). What reads a table otherwise, as an output layer that shares it does, wants finish() first.
        Returns the hooks' handles, whose remove() ends that."""
        return deferred.hook(self, model)

    def _martlet_exchange(self) -> None:
        self._martlet_plan = None
        self._martlet_move_to(self.param_groups, _ffi_optimizers.EVALUATION)


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
