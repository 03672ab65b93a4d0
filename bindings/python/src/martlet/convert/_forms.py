"""How other libraries keep the state of Martlet's algorithms: one table, by library and algorithm.

What is done with it is in _keras.py, _optax.py and _torch.py; nothing here reads a state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from martlet import _ffi_optimizers as _ffi

# From the number of steps taken and the hyperparameters by their names.
Formula = Callable[[float, Mapping[str, float]], float]


NOTHING: Mapping[str, Any] = {}


class Where0(NamedTuple):
    """What an option of theirs must be where another one of theirs is 0; elsewhere it makes no difference."""

    value: Any
    other: str


class Form(NamedTuple):
    """One algorithm in one library.

    name      the library's: of a class, or in optax of a function
    slots     our slots, and "step", to the library's names. "-" before one: of the other sign; "group.": one number for
              a whole group; ".0" and ".1" after one: parts of a list of two, empty where a slot is not there
    options   our keys of hyperparameters and flags to the library's, where those are called otherwise
    ours      our options as the library has them without saying so. Of a tuple, any will do
    theirs    the library's options as they must be, for the rule to be Martlet's. Of a tuple, any will do
    flat      arrays of theirs that have one dimension whatever the parameter has, or none where all is 0
    wrapped   numbers of theirs that are tensors of one element
    bases     slots of theirs that hold the bases in which ours has its momentum, where theirs is in none
    low       an option of theirs that must be off where parameters have 16 bits, and counts nowhere else
    first     the library's count before the first step
    made      slots that the library does not keep, from the number of steps and the hyperparameters
    told      what the library keeps beside, likewise
    marks     keys that tell a group of the library from torch's
    differs   why its state is no state of ours
    """

    name: str
    algorithm: int
    slots: Mapping[str, str] = NOTHING
    options: Mapping[str, str] = NOTHING
    ours: Mapping[str, Any] = NOTHING
    theirs: Mapping[str, Any] = NOTHING
    first: int = 0
    made: Mapping[str, Formula] = NOTHING
    told: Mapping[str, Formula] = NOTHING
    marks: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()
    wrapped: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    low: str = ""
    differs: str = ""


NONE = (None, 0)

# ---- Keras: attributes of an optimizer, and its variables, of which each ends with one of these names ----

_KERAS = {"semantics": "keras"}
# Where the convention says nothing but that decay is decoupled.
_APART = {"semantics": ("keras", "torch", "optax"), "decoupled_weight_decay": True}
_MOMENTS = {"exp_avg": "momentum", "exp_avg_sq": "velocity", "max_exp_avg_sq": "velocity_hat"}

KERAS = (
    Form("SGD", _ffi.SGD, {"momentum_buffer": "-momentum"}, ours=_KERAS),
    Form(
        "RMSprop",
        _ffi.RMSPROP,
        {"square_avg": "velocity", "momentum_buffer": "momentum", "grad_avg": "average_gradient"},
        {"alpha": "rho"},
        _KERAS,
    ),
    Form("Adagrad", _ffi.ADAGRAD, {"sum": "accumulator"}, ours=_KERAS),
    Form(
        "Adadelta",
        _ffi.ADADELTA,
        {"square_avg": "accumulated_grad", "acc_delta": "accumulated_delta_var"},
        ours=_APART,
    ),
    Form("Adam", _ffi.ADAM, _MOMENTS, ours=_KERAS),
    Form("AdamW", _ffi.ADAMW, _MOMENTS, ours=_KERAS),
    Form("Adamax", _ffi.ADAMAX, {"exp_avg": "momentum", "exp_inf": "norm"}, ours=_KERAS),
    Form("Nadam", _ffi.NADAM, {**_MOMENTS, "mu_product": "_u_product"}, ours=_KERAS),
    Form("Lamb", _ffi.LAMB, _MOMENTS, ours=_KERAS),
    Form("Lion", _ffi.LION, {"exp_avg": "momentum"}, ours=_APART),
    Form(
        "ScheduleFreeAdamW",
        _ffi.SCHEDULE_FREE_ADAMW,
        {"z": "momentum", "exp_avg_sq": "velocity"},
        # Weighs all steps alike.
        ours={"weight_lr_power": 0.0, "r": 0.0},
        theirs={"weight_decay": NONE},
        made={"weight_sum": lambda t, numbers: t, "lr_max": lambda t, numbers: numbers["lr"]},
    ),
    Form("Muon", _ffi.MUON, differs="Keras's Muon keeps sums of gradients beside Adam's moments of the rest"),
    Form("Adafactor", _ffi.ADAFACTOR, differs="Keras's Adafactor calls its averages of rows and of columns alike"),
)

# ---- optax: named tuples anywhere in a state, and their fields ----

_PLAIN = {"semantics": ("torch", "optax", "paper")}
_OPTAX = {"semantics": "optax"}
_DECAYED = {"semantics": ("torch", "optax"), "decoupled_weight_decay": True}
_UNDECAYED = {"weight_decay": 0.0}
# Under a schedule optax weighs a step with the rate of the next.
_CONSTANT = {"ScaleByScheduleState": None}


def _optax(node: str, step: str = "count", **slots: str) -> dict[str, str]:
    named = {slot: f"{node}.{name.lstrip('-')}" for slot, name in slots.items()}
    signed = {slot: "-" * slots[slot].startswith("-") + name for slot, name in named.items()}
    return {**({"step": f"{node}.{step}"} if step else {}), **signed}


_ADAM = _optax("ScaleByAdamState", exp_avg="mu", exp_avg_sq="nu")
_AMSGRAD = _optax("ScaleByAmsgradState", exp_avg="mu", exp_avg_sq="nu", max_exp_avg_sq="nu_max")

OPTAX = (
    Form("sgd", _ffi.SGD, _optax("TraceState", "", momentum_buffer="trace"), ours={**_PLAIN, "dampening": 0.0}),
    Form("adam", _ffi.ADAM, _ADAM, ours={**_DECAYED, "amsgrad": False}),
    Form("amsgrad", _ffi.ADAM, _AMSGRAD, ours={"semantics": ("optax", "paper"), "amsgrad": True, **_UNDECAYED}),
    Form(
        "rmsprop",
        _ffi.RMSPROP,
        {**_optax("ScaleByRmsState", "", square_avg="nu"), **_optax("TraceState", "", momentum_buffer="-trace")},
        ours={**_OPTAX, "centered": False},
    ),
    Form(
        "rmsprop",
        _ffi.RMSPROP,
        {
            **_optax("ScaleByRStdDevState", "", square_avg="nu", grad_avg="mu"),
            **_optax("TraceState", "", momentum_buffer="-trace"),
        },
        ours={**_OPTAX, "centered": True},
    ),
    Form(
        "adagrad", _ffi.ADAGRAD, _optax("ScaleByRssState", "", sum="sum_of_squares"), ours={**_OPTAX, "lr_decay": 0.0}
    ),
    Form("adadelta", _ffi.ADADELTA, _optax("ScaleByAdaDeltaState", "", square_avg="e_g", acc_delta="e_x"), ours=_PLAIN),
    Form("adamax", _ffi.ADAMAX, _optax("ScaleByAdamState", exp_avg="mu", exp_inf="nu"), ours=_DECAYED),
    Form("nadam", _ffi.NADAM, _ADAM, ours=_OPTAX, made={"mu_product": lambda t, numbers: 1.0}),
    Form("radam", _ffi.RADAM, _ADAM, ours=_OPTAX),
    Form(
        "adabelief",
        _ffi.ADABELIEF,
        _optax("ScaleByBeliefState", exp_avg="mu", exp_avg_var="nu"),
        ours={**_DECAYED, "rectify": False},
    ),
    Form(
        "adan",
        _ffi.ADAN,
        _optax("ScaleByAdanState", "t", exp_avg="m", exp_avg_sq="n", exp_avg_diff="v", neg_pre_grad="-g"),
        ours=_OPTAX,
    ),
    Form("lion", _ffi.LION, _optax("ScaleByLionState", exp_avg="mu"), ours=_DECAYED),
    Form(
        "ademamix",
        _ffi.ADEMAMIX,
        _optax("ScaleByAdemamixState", exp_avg_fast="m1", exp_avg_slow="m2", exp_avg_sq="nu"),
        ours={**_DECAYED, "alpha_warmup": 0.0, "beta3_warmup": 0.0},
        told={"ScaleByAdemamixState.count_m2": lambda t, numbers: t},
    ),
    Form(
        "simplified_ademamix",
        _ffi.SIMPLIFIED_ADEMAMIX,
        _optax("ScaleBySimplifiedAdEMAMixState", "t", exp_avg="m", exp_avg_sq="n"),
        ours=_DECAYED,
    ),
    Form("adopt", _ffi.ADOPT, _ADAM, ours=_DECAYED),
    Form(
        "schedule_free_sgd",
        _ffi.SCHEDULE_FREE_SGD,
        _optax("ScheduleFreeState", "step_count", z="z", weight_sum="weight_sum", lr_max="max_lr"),
        ours={"r": 0.0},
        theirs=_CONSTANT,
        first=1,
    ),
    Form(
        "schedule_free_adamw",
        _ffi.SCHEDULE_FREE_ADAMW,
        {
            **_optax("ScheduleFreeState", "", z="z", weight_sum="weight_sum", lr_max="max_lr"),
            **_optax("ScaleByRmsWithCountState", exp_avg_sq="nu"),
        },
        ours={"r": 0.0},
        theirs=_CONSTANT,
        told={"ScheduleFreeState.step_count": lambda t, numbers: t + 1},
    ),
    Form("lamb", _ffi.LAMB, _ADAM, ours={"semantics": "torch"}),
    Form(
        "prodigy",
        _ffi.PRODIGY,
        _optax(
            "ProdigyState",
            exp_avg="exp_avg",
            exp_avg_sq="exp_avg_sq",
            s="grad_sum",
            p0="params0",
            d="estim_lr",
            d_max="estim_lr",
            d_numerator="numerator_weighted",
        ),
        ours={**_DECAYED, "use_bias_correction": True, "growth_rate": math.inf},
    ),
    Form("lars", _ffi.LARS, _optax("TraceState", "", momentum_buffer="-trace"), ours=_OPTAX),
    Form(
        "adafactor",
        _ffi.ADAFACTOR,
        differs="optax's adafactor averages over the two largest dimensions, not the last two",
    ),
    Form("muon", _ffi.MUON, differs="optax's muon keeps its momentum beside adam's moments of the rest"),
    Form("rprop", _ffi.RPROP, differs="optax's rprop makes each step's move one step late"),
)
