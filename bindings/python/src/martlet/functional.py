"""Algorithms as plain functions over numpy arrays.

Arrays are updated in place; the moments are in a dict that the caller keeps. martlet.optim has objects that keep it,
and groups of hyperparameters; martlet.torch serves tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from copy import deepcopy
from typing import Any, Protocol, TypeVar

import numpy as np

from martlet import _algorithms, _arrays, _ffi_optimizers, _groups, _signatures, _spellings, _tree
from martlet._algorithms import Slots
from martlet._config import defaults
from martlet._entry import MOST_STEPS, Entry
from martlet._errors import ArgumentError, DTypeError, FormatError
from martlet._stepping import Stepper

__all__ = [
    "adabelief",
    "adabound",
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adam_mini",
    "adam_optimizer",
    "adamax",
    "adamw",
    "adan",
    "ademamix",
    "adopt",
    "asgd",
    "lamb",
    "laprop",
    "lars",
    "lion",
    "mars",
    "muon",
    "nadam",
    "prodigy",
    "radam",
    "rmsprop",
    "rprop",
    "schedule_free_adamw",
    "schedule_free_radam",
    "schedule_free_sgd",
    "sgd",
    "shampoo",
    "simplified_ademamix",
    "soap",
    "stable_adamw",
]

P = TypeVar("P")
State = MutableMapping[Any, Any]


class StepFunction(Protocol):
    """One step of an algorithm, as a plain function."""

    def __call__(
        self,
        params: P,
        grads: Any,
        state: State | None = None,
        *,
        step: int | None = None,
        copy: bool = False,
        **hyperparameters: Any,
    ) -> tuple[P, State]: ...


_DOC = """One step of {name}; returns (params, state).

    params   a numpy array, or a list, tuple or dict of them: float64, float32, float16 or ml_dtypes.bfloat16, of any
             layout, writable; updated in place
    grads    the same structure with arrays of the same shapes, only read; a number will do for a parameter of one
             element. None leaves its parameter as it is
    state    what the step before returned. None or an empty dict: the first step; an empty dict is filled.
             For one array a dict with "step"{slots};
             for several, a dict of such dicts, under the list's indices or the dict's keys. Updated in place
    step     the number of this step, 1 at first, for the bias corrections; more than 1 with a state alone. None: one
             more than state has taken
    copy     True leaves params and state as they are, and returns copies
    state_dtype  element type of new moments; None: each parameter's own

    Hyperparameters and flags are those of martlet.optim's class of the algorithm.

    Everything is checked before anything is written; what is wrong raises a MartletError that is also a ValueError or
    a TypeError.
    """


def _function_of(algorithm: int) -> StepFunction:
    """The step of an algorithm, with its hyperparameters and flags."""
    kind = _algorithms.of(algorithm)
    usual = {key: bool(_spellings.FLAGS[key] & kind.default_flags) for key in _spellings.flag_keys(algorithm)}
    taken = {"step": None, "copy": False, **dict.fromkeys(_spellings.number_keys(algorithm)), **usual}
    taken |= {"semantics": "torch", "state_dtype": None, "flush_denormals": None}
    taken |= dict.fromkeys(sorted(_groups.keys(algorithm).known - taken.keys()))
    taken.pop("defer_rows", None)  # which is kept from step to step, and no part of a state
    if "weight_decay" in taken:
        taken["weight_decay"] = _spellings.OMITTED

    def function(params: P, grads: Any, state: State | None = None, **options: Any) -> tuple[P, State]:
        for option in options:
            if option not in taken:
                known = ", ".join(taken)
                raise DTypeError(f"{function.__name__} got an unexpected argument {option!r}; it takes {known}")
        return take_step(algorithm, params, grads, state, **options)

    _signatures.show(function, taken)
    function.__name__ = function.__qualname__ = kind.name
    slots = "".join(f', "{slot}"' for slot in defaults(algorithm).slots.names)
    function.__doc__ = _DOC.format(name=kind.name, slots=slots)
    return function


adabelief = _function_of(_ffi_optimizers.ADABELIEF)
adabound = _function_of(_ffi_optimizers.ADABOUND)
adadelta = _function_of(_ffi_optimizers.ADADELTA)
adafactor = _function_of(_ffi_optimizers.ADAFACTOR)
adagrad = _function_of(_ffi_optimizers.ADAGRAD)
adam = _function_of(_ffi_optimizers.ADAM)
adam_mini = _function_of(_ffi_optimizers.ADAM_MINI)
adamax = _function_of(_ffi_optimizers.ADAMAX)
adamw = _function_of(_ffi_optimizers.ADAMW)
adan = _function_of(_ffi_optimizers.ADAN)
ademamix = _function_of(_ffi_optimizers.ADEMAMIX)
adopt = _function_of(_ffi_optimizers.ADOPT)
asgd = _function_of(_ffi_optimizers.ASGD)
lamb = _function_of(_ffi_optimizers.LAMB)
laprop = _function_of(_ffi_optimizers.LAPROP)
lars = _function_of(_ffi_optimizers.LARS)
lion = _function_of(_ffi_optimizers.LION)
mars = _function_of(_ffi_optimizers.MARS)
muon = _function_of(_ffi_optimizers.MUON)
nadam = _function_of(_ffi_optimizers.NADAM)
prodigy = _function_of(_ffi_optimizers.PRODIGY)
radam = _function_of(_ffi_optimizers.RADAM)
rmsprop = _function_of(_ffi_optimizers.RMSPROP)
rprop = _function_of(_ffi_optimizers.RPROP)
schedule_free_adamw = _function_of(_ffi_optimizers.SCHEDULE_FREE_ADAMW)
schedule_free_radam = _function_of(_ffi_optimizers.SCHEDULE_FREE_RADAM)
schedule_free_sgd = _function_of(_ffi_optimizers.SCHEDULE_FREE_SGD)
sgd = _function_of(_ffi_optimizers.SGD)
shampoo = _function_of(_ffi_optimizers.SHAMPOO)
simplified_ademamix = _function_of(_ffi_optimizers.SIMPLIFIED_ADEMAMIX)
soap = _function_of(_ffi_optimizers.SOAP)
stable_adamw = _function_of(_ffi_optimizers.STABLE_ADAMW)


def adam_optimizer(
    parameters: P,
    gradients: Any,
    t: int,
    learning_rate: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.9999,
    epsilon: float = 1e-8,
    *,
    state: State | None = None,
) -> P:
    """Step number t of Adam; returns the parameters, which are updated in place.

    parameters  a numpy array, or a list, tuple or dict of them
    gradients   the same structure
    t           the number of this step: 1, 2, 3, ...
    state       a dict that carries the moments from step to step: give an empty one at t = 1, which is filled, and
                the same one at every later step. Adam's second step needs the moments of its first, so from t = 2
                on a call without it is an error:

                    state = {}
                    for t in range(1, 101):
                        parameters = martlet.adam_optimizer(parameters, gradient(parameters), t, state=state)
    """
    given: dict[str, Any] = {"lr": learning_rate, "beta1": beta1, "beta2": beta2, "eps": epsilon}
    t = _step_number(t, "t")
    remedy = "Make one dict before the loop, state = {}, and give it at every step from t = 1 on"
    _check_begun("t", t, state, f"{remedy}: adam_optimizer(..., t, state=state)")
    return take_step(_ffi_optimizers.ADAM, parameters, gradients, state, step=t, consecutive=True, **given)[0]


def take_step(
    algorithm: int,
    params: P,
    grads: Any,
    state: State | None,
    *,
    step: int | None = None,
    state_dtype: Any = None,
    copy: bool = False,
    consecutive: bool = False,
    **given: Any,
) -> tuple[P, State]:
    """given: the hyperparameters in either spelling. consecutive: step must follow the steps that state has taken."""
    row = _groups.completed(defaults(algorithm), given)
    needed = row.slots
    if step is not None and needed.names:
        remedy = "Give the state that the step before returned, or step = 1 to start afresh"
        _check_begun("step", _step_number(step, "step"), state, remedy)
    stepper = Stepper([_arrays.state_dtype(state_dtype)])
    values = _tree.keyed(params)
    aligned = _tree.paired(grads, params)
    state = {} if state is None else state
    states = _states_of(params, values, state)
    if copy:
        values = {key: array.copy() if isinstance(array, np.ndarray) else array for key, array in values.items()}
        params, state = _tree.rebuilt(params, values), deepcopy(state)
        states = _states_of(params, values, state)
    entries = [_entry_of(key, value, states.get(key), algorithm, needed) for key, value in values.items()]
    for place, entry in enumerate(entries):
        entry.key = place
    if step is not None:
        _set_step(entries, step, consecutive)
    stepper.take([row], entries, aligned)
    for key, entry, gradient in zip(values, entries, aligned, strict=True):
        if gradient is not None:
            held = states[key] if key in states else state.setdefault(key, {})
            held.update(step=entry.steps, **entry.state)
    return params, state


def _states_of(params: Any, values: Mapping[Any, Any], state: Any) -> dict[Any, Any]:
    """The parameters' own states under their keys."""
    if not isinstance(state, MutableMapping):
        raise FormatError(f"state is a {type(state).__name__}; wanted the dict that the step before returned")
    if not isinstance(params, list | tuple | Mapping):
        return {None: state}
    unknown = [key for key in state if key not in values]
    if unknown:
        raise FormatError(
            f"state has {unknown[0]!r}, which is no key of params ({_tree.some(list(values))}); wanted a dict from "
            "those keys to states, as the step before returned it for the same structure"
        )
    return dict(state)


def _entry_of(key: Any, value: Any, given: Any, algorithm: int, needed: Slots) -> Entry:
    """A parameter with its state, which may be fresh."""
    entry, where = Entry(_tree.label("params", key), value, 0), _tree.label("state", key)
    if given is not None and not isinstance(given, MutableMapping):
        raise FormatError(f"{where} is a {type(given).__name__}; wanted the dict that the step before filled")
    if given:
        entry.view()
        entry.take(*entry.parse(given, algorithm, needed, where, copy=False))
    return entry


def _set_step(entries: list[Entry], step: int, consecutive: bool) -> None:
    """Puts the number of this step into effect, or, where it must follow the steps taken, checks that it does.

    A parameter that had no gradient for a while has taken fewer steps than others.
    """
    number = _step_number(step, "step")
    taken = max((entry.steps for entry in entries), default=number - 1)
    if not consecutive:
        for entry in entries:
            entry.steps = number - 1
    elif number != taken + 1:
        raise ArgumentError(
            f"t is {number}, and state has taken {taken} steps: wanted t = {taken + 1}. t counts the calls; to start "
            "afresh, give an empty dict and t = 1"
        )


def _check_begun(name: str, number: int, state: State | None, remedy: str) -> None:
    """Refuses a later step without the state of those before."""
    if number > 1 and not state:
        found = "None" if state is None else "empty"
        needs = "a step after the first needs the state of those before"
        raise ArgumentError(f"{name} is {number}, and state is {found}: {needs}. {remedy}")


def _step_number(step: Any, name: str) -> int:
    if isinstance(step, bool) or not isinstance(step, int | np.integer) or not 1 <= step <= MOST_STEPS:
        raise ArgumentError(f"{name} is {step!r}; wanted the number of this step, an integer from 1 on")
    return int(step)
