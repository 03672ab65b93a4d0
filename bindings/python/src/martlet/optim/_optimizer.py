"""What every optimizer over numpy arrays is: it keeps the state, and groups of hyperparameters.

Arrays are updated in place and never copied; moments are numpy arrays of this module's own. Parameters and gradients
are the caller's. A class of one algorithm is a signature over this (adam.py, sgd.py). What arguments must be is the
business of _groups.py, _tree.py and _entry.py; how a step is taken that of _stepping.py; how state is saved and loaded
that of _saved.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from types import MappingProxyType
from typing import Any

import numpy as np

from martlet import (
    _algorithms,
    _arrays,
    _ffi_optimizers,
    _groups,
    _reduction,
    _scheduled,
    _signatures,
    _spellings,
    _tree,
)
from martlet._call import LastStep
from martlet._config import Hyperparameters, defaults
from martlet._copies import Copies
from martlet._entry import Delta, Entry
from martlet._errors import ArgumentError, DTypeError, UnsupportedError
from martlet._owner import Gate, gated
from martlet._parameters import BoundGradients, Parameters
from martlet._stepping import Stepper
from martlet.optim._saved import Saved

NDArray = np.ndarray[Any, Any]

_SHARED = {"maximize": False, "semantics": "torch", "state_dtype": None, "flush_denormals": None}
_SHARED |= {"grads": None, "param_copy": None}

# Algorithms of classes that have more to a step than step().
_ALONE: set[int] = set()


class Optimizer(Saved):
    """An optimizer over numpy arrays. Use a class of an algorithm, which takes these arguments beside its own:

    params   what to optimize: one array, a list of arrays, of (name, array) pairs or of group dicts
             {"params": [...], "lr": ...}, or a dict from names to arrays. float64, float32, float16 or
             ml_dtypes.bfloat16, of any layout, writable. None: the arrays come with apply_gradients, or with nothing
             but update. A number in this place is the learning rate, as in Keras
    maximize                         climb instead of descend
    semantics                        whose convention is followed where libraries differ: "torch", "keras", "optax" or
                                     "paper"
    state_dtype                      element type of the moments, which a group may have of its own; None: each
                                     parameter's. "fp16", "int8" and "int4": floats of 16, 8 and 4 bits with a scale for
                                     each 256, 256 and 128 of them, as martlet.h says, in one array of uint8 a moment,
                                     codes before scales; what holds positions, parameters under 4,096 elements or of
                                     float64, and those of algorithms of matrices whose rows are no multiple of 256,
                                     stay wide. float16 is plain, in which squares under 6e-8 are 0 and those over 65504
                                     infinite. bfloat16 beside wider parameters: what divides them is rounded at random,
                                     or it would stand still
    flush_denormals                  whether numbers too small for the normal range count as zero during a step.
                                     None: yes, but where eps is under 1e-10
    grads                            gradient arrays for step() without arguments, which zero_grad() clears: as step's
    decoupled_weight_decay           take weight_decay off the parameter, p <- (1 - lr weight_decay) p, in place of
                                     adding it to the gradient. Keras's convention does so always
    cautious_weight_decay            the same, but in elements that the step moves away from 0
    corrected_weight_decay           the same with lr^2 over the largest lr so far for lr
    cautious                         the mask of cautious optimizers: leave out of a step the elements in which its
                                     update goes against the gradient, and divide the others by their share, 0.001 at
                                     least. Decoupled weight decay has no part in it: see cautious_weight_decay
    hyperball                        keep the norm of each parameter of two dimensions or more: a step goes lr times
                                     the norm along the update's direction, and back to the norm, which is in the
                                     state as "radius". weight_decay is to be 0
    lookahead_steps                  Lookahead: after every so many steps of a parameter, slow weights, "slow_params" in
                                     the state, which start as it, go a part of the way to it, and it goes back to them.
                                     Default 0: never
    lookahead_alpha                  how much of the way, 0 to 1. Default 0.5
    loss_scale                       what the loss, and so each gradient, was multiplied by: steps divide by it
    max_norm                         clip gradients by the norm of all of them: multiply by min(1, max_norm / (norm +
                                     1e-6)), as torch's clip_grad_norm_ does (no 1e-6 with another semantics). Gradients
                                     themselves stay as they are
    clip_norm, clip_value            the same by each gradient's own norm; each element to +-clip_value. One of the
                                     three
    skip_nonfinite                   take no step, and change nothing, where a gradient has a NaN or an infinity;
                                     last_step says so
    measure                          look at the gradients' norm without clipping, for last_step
    measure_update                   the norm of what a step changes, for last_step; it takes the memory of another copy
                                     of the parameters
    accumulate                       step with every so many gradients of a parameter, by their mean, "grad_mean" in the
                                     state
    ema_decay                        keep an exponential average of each parameter, "ema_params" in the state: see
                                     averaged(). ema_bias_correction: weigh its first steps as Adam's moments are;
                                     ema_warmup: begin with the smaller decay (1 + t) / (10 + t)
    zero_grads                       fill the gradients with zeros behind the step
    defer_rows                       of SGD, Adam, AdamW, Adagrad and RMSprop: gradients of rows, martlet.Rows, mean
                                     what dense ones with zeros in the other rows mean, to the bit. Other rows are left
                                     for later: see finish()
    param_copy                       an element type, or a list of arrays, one or None for each parameter: copies that
                                     each step leaves of the parameters; param_copies has them
    low_precision                    how bfloat16 and float16 parameters take steps smaller than half of their last
                                     place, of which rounding to nearest leaves nothing: "stochastic" rounds at random,
                                     so that the mean is right; "kahan" keeps what rounding takes in the state, as
                                     "kahan_comp"; "split" keeps the other half of float32 there, as "remainder", and is
                                     float32 to the bit, for bfloat16 alone. None, the default: to nearest. Parameters
                                     of other types are stepped as ever
    seed                             of the random rounding, with the count of steps and the parameter's place among all
                                     parameters: 0, the default, to 2**64 - 1

    The decays are for algorithms that have weight_decay; cautious and hyperball are for those that martlet.h says.
    Every hyperparameter may be given by the names of torch, Keras and this library: lr or learning_rate, eps or
    epsilon, betas or beta1 and beta2 or beta_1 and beta_2. A learning rate may be a schedule: a function of the steps
    taken so far, the most of any parameter's, such as martlet.schedules.CosineDecay.

    A group may be of another algorithm, {"params": [...], "algorithm": "adamw"}, by the names that
    martlet_algorithm_name gives; "algorithm" stands in the param_groups of such alone.

    A parameter's gradient may be of another type and layout, or of some rows alone: martlet.Rows. None for a gradient
    leaves its parameter as it is. Arrays may move, and are looked at again at each step: a parameter that no longer
    fits its moments is an error.
    Wrong arguments raise a MartletError that is also a ValueError or a TypeError, before anything is written.
    One thread at a time may be inside an optimizer; a second one gets BusyError.
    """

    # Whether its groups may be of other algorithms, and others' of its: not if it has more to a step than step().
    _joins = True
    # By the number of another algorithm, what its groups have where they do not say.
    _others: Mapping[int, Mapping[str, Any]] = MappingProxyType({})
    # What a constructor takes beside params, with defaults.
    _options: dict[str, Any]

    def __init_subclass__(cls, algorithm: int | None = None, **others: Any) -> None:
        super().__init_subclass__(**others)
        if algorithm is not None:
            cls._algorithm = algorithm
            if not cls._joins:
                _ALONE.add(algorithm)
            usual = _algorithms.of(algorithm).default_flags
            flags = {key: bool(_spellings.FLAGS[key] & usual) for key in _spellings.flag_keys(algorithm)}
            cls._options = {**_SHARED, **flags}
            cls._options |= dict.fromkeys(sorted(_groups.keys(algorithm).known - cls._options.keys()))
            _signatures.show(cls.__init__, cls._options)

    def __init__(self, params: Any, given: Mapping[str, Any]) -> None:
        """given: the locals() of a class's constructor."""
        if not hasattr(self, "_algorithm"):
            raise DTypeError("Optimizer is of no algorithm; use a class of one, such as martlet.optim.Adam")
        arguments = _signatures.arguments(given, self._options, type(self).__name__)
        if isinstance(params, Real):
            both = "the first argument, a number, and lr"
            if arguments.get("lr") is not None:
                raise DTypeError(f"{both} are two names of one argument: give one of them")
            params, arguments["lr"] = None, params
        grads, kept = arguments.pop("grads", None), _arrays.state_name(arguments.pop("state_dtype", None))
        self._copies = Copies(arguments.pop("param_copy", None))
        row = _groups.completed(defaults(self._algorithm), _scheduled.at(arguments, 0))
        self.defaults: dict[str, Any] = with_schedule(_groups.as_group(row), _scheduled.schedule_of(arguments))
        self.defaults |= _groups.kept_in(kept)
        self.param_groups: list[dict[str, Any]] = []
        self._parameters = Parameters()
        self._delta: Delta | None = None
        self._rows = _groups.Rows(self._algorithm)
        self._stepper = Stepper()
        self._martlet_gate = Gate()
        self._take_params(params)
        self._bound = None if grads is None else BoundGradients(grads, self._parameters)
        self._copies.give(self._parameters.entries)

    def _take_params(self, params: Any) -> None:
        """Makes the groups of the constructor's first argument."""
        groups = _groups.groups_of(params)
        self._open = not groups
        for group in groups:
            self.add_param_group(group)
        if self._open:
            self.param_groups.append({"params": (), **self.defaults})

    # ---- stepping ----

    @gated
    def step(self, grads: Any = None) -> None:
        """Updates every parameter.

        grads: the gradients in the order of the parameters, or a dict from their names, or one array where there is
        one parameter; only read. A number will do for a parameter of one element. Left out: the arrays that were given
        to the constructor as grads.
        """
        if grads is None and self._bound is None:
            raise ArgumentError(
                f"step() has no gradients: give them, step(grads), or bind them, {type(self).__name__}(..., grads=...)"
            )
        self._refuse_changes("step()")
        aligned = self._parameters.aligned(grads) if self._bound is None or grads is not None else self._bound()
        self._stepper.take(self._read_rows(), self._parameters.entries, aligned)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, NDArray]]) -> None:
        """Updates the variables of (gradient, variable) pairs, as in Keras.

        An optimizer that was made without parameters takes on each variable when it first sees it; one is known
        again by its memory, so a fresh view of the same array is the same variable.
        """
        self._apply(_tree.gradient_pairs(grads_and_vars))

    @gated
    def _apply(self, pairs: list[tuple[Any, Any]]) -> None:
        self._refuse_changes("apply_gradients")
        found, new = self._parameters.of_variables([variable for _, variable in pairs], self._open)
        self._place(new)
        self._stepper.take(self._read_rows(), found, [gradient for gradient, _ in pairs])
        self._keep(new)

    def update(self, gradient: Any) -> Any:
        """Updates the parameters by a gradient and returns them; one array for one parameter.

        An optimizer without parameters returns the change instead, to be added: p += optimizer.update(gradient).
        It is kept under the name "update", and has the shape and type of the first gradient. A plain number as
        gradient gives a plain number.
        """
        if self._parameters.entries and self._delta is None:
            self.step(gradient)
            values = [entry.value for entry in self._parameters.entries]
            return values[0] if len(values) == 1 else values
        return self._change(gradient)

    @gated
    def _change(self, gradient: Any) -> Any:
        """update() without parameters."""
        rows = self._read_rows()
        number = isinstance(gradient, _tree.NUMBERS)
        array = np.asarray(gradient, dtype=np.float64) if number else gradient
        delta = self._delta or Delta(array)
        delta.start(array, getattr(rows[0], "weight_decay", 0))
        self._stepper.take(rows, [delta], [array])
        if self._delta is None:
            self._keep([delta])
            self._delta = delta
        return float(delta.value) if number else delta.value.copy()

    @gated
    def zero_grad(self) -> None:
        """Sets the gradient arrays that were given to the constructor to zero. Without them there is nothing to do."""
        if self._bound is not None:
            self._bound.clear()

    @property
    def last_step(self) -> LastStep | None:
        """What the latest step has found of its gradients; None before the first."""
        return self._stepper.last_step

    @property
    def param_copies(self) -> list[NDArray | None]:
        """The copies in another type that steps leave of the parameters, in their order; None: it has none."""
        return [entry.copy for entry in self._parameters.entries]

    def _martlet_exchange(self) -> None:
        self._refuse_changes("swap_averages()", swapped=True)
        self._stepper.move(self._read_rows(), self._parameters.entries, _ffi_optimizers.EVALUATION)

    @gated
    def catch_up(self, parameter: Any, rows: Any) -> None:
        """As finish(), of these rows alone, which a model is about to read; others stay behind.

        parameter: the array, or its name. rows: integers of any shape, such as a batch of words.
        """
        known = self._parameters
        entry = known.by_name.get(parameter) if isinstance(parameter, str) else known.find(parameter, "parameter")
        if entry is None and not isinstance(parameter, str):
            known.look_again()
            entry = known.find(parameter, "parameter")
        if entry is None:
            raise ArgumentError(f"parameter is {_shown(parameter)}; wanted an array of this optimizer's, or its name")
        self._stepper.catch_up(self._read_rows(), known.entries, (entry, rows))

    # ---- parameters ----

    @gated
    def build(self, variables: Any) -> None:
        """Takes on variables without a step, as in Keras, so that a state can be loaded; those it knows are left.

        variables: as params of an optimizer that was made without parameters.
        """
        self._refuse_changes("build")
        if not self._open:
            raise ArgumentError("build is for an optimizer that was made without parameters: use add_param_group")
        named = _groups.named_arrays(variables, "variables")
        self._parameters.look_again()
        unknown = [pair for pair in named if self._parameters.find(pair[1], "variables") is None]
        new = self._parameters.new(unknown, 0)
        self._place(new)
        self._keep(new)

    @gated
    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Adds parameters with hyperparameters of their own: {"params": [...], "lr": ...}."""
        self._refuse_changes("add_param_group")
        index = len(self.param_groups)
        where = f"param_groups[{index}]"
        now = self._steps_taken()
        algorithm = self._algorithm_of_new(group, where)
        own = self.defaults if algorithm == self._algorithm else self._others.get(algorithm)
        usual = _groups.as_group(defaults(algorithm)) if own is None else own
        base = _groups.check_group(algorithm, _scheduled.at(usual, now), "defaults")
        row = _groups.new_group(base, _scheduled.at(group, now) if isinstance(group, Mapping) else group, where)
        has_rate = "lr" in group or "learning_rate" in group
        schedule = _scheduled.schedule_of(group if has_rate else usual)
        new = self._parameters.new(_groups.named_arrays(group["params"], f"{where}['params']"), index)
        kept = group["state_dtype"] if "state_dtype" in group else self.defaults.get("state_dtype")
        options = with_schedule(_groups.as_group(row), schedule) | _groups.kept_in(kept)
        self._check_new(new, row)
        self._copies.give_new(new)
        self._parameters.add(new)
        named = {} if algorithm == self._algorithm else {"algorithm": _algorithms.of(algorithm).name}
        self.param_groups.append({"params": tuple(entry.value for entry in new), **named, **options})

    def _algorithm_of_new(self, group: Any, where: str) -> int:
        """The algorithm of a group that a user adds."""
        try:
            algorithm = _groups.algorithm_of(group, self._algorithm)
        except ArgumentError as error:
            raise ArgumentError(f"{where}: {error}") from None
        if algorithm != self._algorithm and not (self._joins and algorithm not in _ALONE):
            name, own = _algorithms.of(algorithm).name, type(self).__name__
            raise UnsupportedError(f"{where} is of {name}, which no {own} steps beside its own algorithm")
        return algorithm

    def _check_new(self, new: list[Entry], row: Hyperparameters) -> None:
        """What the parameters of a group that is added must be."""

    def _place(self, new: list[Entry]) -> None:
        """Gives new entries that come without a group theirs, which is the first one unless a class says otherwise."""

    @property
    def lr(self) -> float:
        """The learning rate of the first group, which a schedule gives for the next step; setting it, to a number or a
        schedule, sets every group's."""
        return float(self._read_rows()[0].lr)

    @lr.setter
    def lr(self, value: Any) -> None:
        number = _spellings.number(_scheduled.at({"lr": value}, self._steps_taken())["lr"], "lr")
        defaults(self._algorithm).changed({"lr": number}).check(lambda: {"lr": number})
        for group in self.param_groups:
            group["lr"] = value if _scheduled.is_schedule(value) else number

    learning_rate = lr

    def _keep(self, new: list[Entry]) -> None:
        """Takes new entries into their groups."""
        self._copies.give_new(new)
        self._parameters.add(new)
        for entry in new:
            self.param_groups[entry.group]["params"] += (entry.value,)

    def _refuse_changes(self, what: str, *, swapped: bool = False) -> None:
        """swapped: whether parameters may be their averages."""
        if not swapped:
            self._martlet_refuse_averages(what)
        if self._delta is not None:
            raise ArgumentError(
                f"this optimizer has no parameters, and returns changes: update(gradient). {what} wants another one"
            )

    @property
    def reduce_sums(self) -> _reduction.Reduce | None:
        """A function that adds up, over all processes that share the parameters, what a step sums over each of them:
        where an optimizer has a part of each parameter, its shard, as ranks of a distributed run have. None: each is
        whole.

        It is called inside step() with a float64 array, up to four times, and sums it in place over all processes, or
        returns the sums: lambda sums: comm.allreduce(sums) by mpi4py. Every process has the same parameters in the same
        order, and a gradient for each or for none of its shards, which may be without elements. LAMB, LARS,
        StableAdamW, MARS, Prodigy and cautious=True sum, and so do the norms of last_step; algorithms that do not are
        stepped as ever, and those that see matrices, as Adafactor and Muon do, raise an ArgumentError. What the
        function raises leaves step(), and parameters of algorithms that sum may then be partly stepped, or wholly where
        the norm of the update was asked for. It may step nothing itself. Not kept by state_dict, pickle and copies.
        """
        return self._stepper.reduce

    @reduce_sums.setter
    def reduce_sums(self, function: _reduction.Reduce | None) -> None:
        self._stepper.reduce = _reduction.checked(function)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}("]
        for index, group in enumerate(self.param_groups):
            wanted = ("algorithm", *_groups.keys(_groups.algorithm_of(group, self._algorithm)).all)
            options = ", ".join(f"{key}={group[key]!r}" for key in (*wanted, "state_dtype") if key in group)
            lines.append(f"  group {index}: {len(group['params'])} parameters, {options}")
        return "\n".join([*lines, ")"])


def _shown(parameter: Any) -> str:
    """What a message says of a parameter that is none of this optimizer's."""
    return repr(parameter) if isinstance(parameter, str) else f"an array of shape {getattr(parameter, 'shape', None)}"


def with_schedule(group: dict[str, Any], schedule: Any) -> dict[str, Any]:
    """A group's options, with a schedule, where there is one, for the rate."""
    return group if schedule is None else {**group, "lr": schedule}
