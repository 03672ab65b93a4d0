"""How optimizers of torch's shape keep the state of Martlet's algorithms, by library; what _forms.py is for the others.

Their options stand in param_groups, but some in the object alone, which a state_dict does not tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from martlet import _ffi_optimizers as _ffi
from martlet.convert._forms import NONE, Form, Where0


def _same(*slots: str, **others: str) -> dict[str, str]:
    return {**{slot: slot for slot in slots}, **others}


_ADAM = ("exp_avg", "exp_avg_sq")
_BELIEF = ("exp_avg", "exp_avg_var", "max_exp_avg_var")
_OWN_STEP = {"step": "step"}
_DECOUPLED = {"decoupled_weight_decay": True}
_LATE_DECAY = {"weight_decay": NONE}  # it decays what the step has moved
_RATE_INSIDE = {"semantics": ("torch", "keras", "optax")}  # of the momentum
_SECOND_RATE = {"exp_avg_lr_2": lambda t, numbers: 1 - numbers["beta2"] ** t}

# ---- schedulefree: single numbers stand in the group ----

_AVERAGED = {"step": "group.k", "weight_sum": "group.weight_sum", "lr_max": "group.lr_max"}
_TOLD = {"group.scheduled_lr": lambda t, numbers: numbers["lr"]}

SCHEDULEFREE = (
    Form("SGDScheduleFree", _ffi.SCHEDULE_FREE_SGD, _same("z", **_AVERAGED), told=_TOLD, marks=("k",)),
    Form(
        "AdamWScheduleFree",
        _ffi.SCHEDULE_FREE_ADAMW,
        _same("z", "exp_avg_sq", **_AVERAGED),
        told=_TOLD,
        marks=("k",),
    ),
    Form(
        "RAdamScheduleFree",
        _ffi.SCHEDULE_FREE_RADAM,
        _same("z", "exp_avg_sq", **_AVERAGED),
        theirs={"silent_sgd_phase": True},
        told=_TOLD,
        marks=("k",),
    ),
)

# ---- prodigyopt: so do its estimates, which are one for all groups ----

_ESTIMATED = {"d": "group.d", "d_max": "group.d_max", "d_numerator": "group.d_numerator"}

PRODIGYOPT = (
    Form(
        "Prodigy",
        _ffi.PRODIGY,
        _same("exp_avg", "exp_avg_sq", "s", "p0", step="group.k", **_ESTIMATED),
        {"decoupled_weight_decay": "decouple"},
        theirs={"slice_p": 1, "fsdp_in_use": False},
        told={"step": lambda t, numbers: t},
        flat=("s", "p0"),
        marks=("slice_p",),
    ),
)

# ---- timm ----

_PLAIN: Mapping[str, Any] = {"caution": False}
_LARGEST = {"lr_max": "group.max_lr_snapshot"}
# Without, a group that does not decay has plain steps.
_ADAPTS = {"always_adapt": Where0(True, "weight_decay"), "trust_clip": False}

TIMM = (
    Form(
        "SGDW",
        _ffi.SGD,
        _same("momentum_buffer", **_LARGEST),
        ours=_DECOUPLED,
        theirs=_PLAIN,
        marks=("caution", "dampening"),
    ),
    Form(
        "RMSpropTF",
        _ffi.RMSPROP,
        _same("square_avg", "momentum_buffer", "grad_avg", **_OWN_STEP, **_LARGEST),
        {"decoupled_weight_decay": "decoupled_decay"},
        {"semantics": "optax"},
        {**_PLAIN, "lr_in_momentum": True},
        marks=("lr_in_momentum",),
    ),
    Form(
        "AdamWLegacy",
        _ffi.ADAMW,
        _same(*_ADAM, "max_exp_avg_sq", **_OWN_STEP, **_LARGEST),
        ours=_DECOUPLED,
        theirs={**_PLAIN, "clipping_threshold": None},
        marks=("caution",),
    ),
    Form(
        "NAdamLegacy",
        _ffi.NADAM,
        _same(*_ADAM, **_OWN_STEP, mu_product="m_schedule"),
        {"momentum_decay": "schedule_decay"},
        marks=("schedule_decay",),
    ),
    Form(
        "NAdamW",
        _ffi.NADAM,
        marks=("caution",),
        differs="timm's NAdamW has no schedule of its momentum, which NAdam's state counts on",
    ),
    Form("RAdamLegacy", _ffi.RADAM, _same(*_ADAM, **_OWN_STEP), ours=_DECOUPLED),
    Form(
        "AdaBelief",
        _ffi.ADABELIEF,
        _same(*_BELIEF, **_OWN_STEP),
        {"decoupled_weight_decay": "decoupled_decay", "eps_root": "eps"},
        theirs={"fixed_decay": False, "degenerated_to_sgd": True},
        marks=("decoupled_decay", "rectify"),
    ),
    Form(
        "Adan",
        _ffi.ADAN,
        _same(*_ADAM, "exp_avg_diff", "neg_pre_grad", step="group.step"),
        theirs={**_PLAIN, "no_prox": False},
        marks=("no_prox",),
    ),
    Form("Lion", _ffi.LION, _same("exp_avg", **_LARGEST), ours=_DECOUPLED, theirs=_PLAIN, marks=("caution",)),
    Form(
        "Adopt",
        _ffi.ADOPT,
        _same(*_ADAM, **_OWN_STEP, **_LARGEST),
        {"decoupled_weight_decay": "decoupled"},
        theirs={**_PLAIN, "clip_exp": 0.25},
        marks=("clip_exp",),
    ),
    Form(
        "LaProp",
        _ffi.LAPROP,
        _same(*_ADAM, "exp_avg_lr_1", **_OWN_STEP),
        ours=_RATE_INSIDE,
        theirs={**_PLAIN, **_LATE_DECAY},
        told=_SECOND_RATE,
        marks=("caution",),
    ),
    Form(
        "Lamb",
        _ffi.LAMB,
        _same(*_ADAM, step="group.step"),
        ours={"semantics": "torch"},
        theirs={
            **_PLAIN,
            **_ADAPTS,
            "bias_correction": True,
            "grad_averaging": True,
            "decoupled_decay": False,
            "max_grad_norm": (math.inf, None),
        },
        marks=("always_adapt", "grad_averaging"),
    ),
    Form(
        "Lars",
        _ffi.LARS,
        _same("momentum_buffer"),
        {"trust_coefficient": "trust_coeff"},
        {"semantics": "torch"},
        _ADAPTS,
        marks=("trust_coeff",),
    ),
    Form(
        "Mars",
        _ffi.MARS,
        _same("last_grad", *_ADAM, **_OWN_STEP),
        theirs={**_PLAIN, "mars_type": "adamw", "optimize_1d": True},
        marks=("mars_type", "lr_1d_factor", "caution"),
    ),
    Form(
        "Adafactor",
        _ffi.ADAFACTOR,
        marks=("min_dim_size_to_factor",),
        differs="timm's Adafactor keeps whole averages of matrices with a side of 16 or less, and factors kernels of "
        "convolutions over their first two axes",
    ),
)

# ---- pytorch_optimizer: the count of steps stands in the group ----

_APART = {"decoupled_weight_decay": "weight_decouple"}
_SQUARES = {"gram_rows": "GG.0", "gram_columns": "GG.1", "basis_rows": "Q.0", "basis_columns": "Q.1"}
_WHOLE = {"block_size": 0.0}
_BOUND = {**_APART, "amsgrad": "ams_bound"}
_COUNTED = {"step": "group.step"}
_SCALED = {"fixed_decay": False, "adanorm": (None, False), "cautious": (None, False), "use_gc": (None, False)}
_MARK = ("step",)
_SIMPLE = (3.4445, -4.775, 2.0315)

PYTORCH_OPTIMIZER = (
    Form("SGDW", _ffi.SGD, _same("momentum_buffer", **_COUNTED), _APART, marks=_MARK),
    Form("AdaDelta", _ffi.ADADELTA, _same("square_avg", "acc_delta", **_COUNTED), _APART, theirs=_SCALED, marks=_MARK),
    Form("AdaMax", _ffi.ADAMAX, _same("exp_avg", "exp_inf", **_COUNTED), _APART, theirs=_SCALED, marks=_MARK),
    Form("RAdam", _ffi.RADAM, _same(*_ADAM, **_COUNTED), _APART, theirs=_SCALED, marks=_MARK),
    Form(
        "AdaBound",
        _ffi.ADABOUND,
        _same(*_ADAM, "max_exp_avg_sq", **_COUNTED),
        _BOUND,
        theirs=_SCALED,
        # Only the object knows the rate that it began with: where a scheduler has left it in the group, it is that.
        made={"base_lr": lambda t, numbers: numbers.get("initial_lr", numbers["lr"])},
        marks=_MARK,
    ),
    Form(
        "AdaBelief",
        _ffi.ADABELIEF,
        _same(*_BELIEF, **_COUNTED),
        {**_BOUND, "eps_root": "eps"},
        theirs=_SCALED,
        marks=_MARK,
    ),
    Form(
        "Adan",
        _ffi.ADAN,
        _same(*_ADAM, "exp_avg_diff", neg_pre_grad="previous_grad", **_COUNTED),
        theirs={**_SCALED, "weight_decouple": False, "max_grad_norm": 0.0},
        marks=_MARK,
    ),
    Form("Lion", _ffi.LION, _same("exp_avg", **_COUNTED), _APART, theirs=_SCALED, marks=_MARK),
    Form(
        "AdEMAMix",
        _ffi.ADEMAMIX,
        _same("exp_avg_slow", "exp_avg_sq", exp_avg_fast="exp_avg", **_COUNTED),
        _APART,
        {"alpha_warmup": 0.0, "beta3_warmup": 0.0},
        {**_SCALED, "t_alpha_beta3": None},
        marks=_MARK,
    ),
    Form(
        "SimplifiedAdEMAMix",
        _ffi.SIMPLIFIED_ADEMAMIX,
        marks=_MARK,
        differs="pytorch_optimizer's SimplifiedAdEMAMix averages the momentum, which Martlet's adds up",
    ),
    Form(
        "ADOPT",
        _ffi.ADOPT,
        marks=_MARK,
        differs="pytorch_optimizer's ADOPT clips at t^(1/4), and Martlet's at (t - 1)^(1/4)",
    ),
    Form(
        "LaProp",
        _ffi.LAPROP,
        _same(*_ADAM, "exp_avg_lr_1", **_COUNTED),
        _BOUND,
        _RATE_INSIDE,
        {**_SCALED, **_LATE_DECAY, "centered": False, "ams_bound": False},
        told=_SECOND_RATE,
        marks=_MARK,
    ),
    Form(
        "Lamb",
        _ffi.LAMB,
        marks=_MARK,
        differs="pytorch_optimizer's Lamb does not correct its averages, and has Adam's first correction in the rate",
    ),
    Form(
        "LARS",
        _ffi.LARS,
        marks=_MARK,
        differs="pytorch_optimizer's LARS neither adapts nor decays what has one dimension, and dampens the first step",
    ),
    Form(
        "StableAdamW",
        _ffi.STABLE_ADAMW,
        _same(*_ADAM, **_COUNTED),
        theirs={"weight_decouple": True},
        low="kahan_sum",
        marks=_MARK,
    ),
    Form(
        "Prodigy",
        _ffi.PRODIGY,
        _same(*_ADAM, "s", "p0", **_COUNTED, **_ESTIMATED),
        {**_APART, "use_bias_correction": "bias_correction"},
        # Without, its decay is added to a gradient that has been used.
        theirs={"fixed_decay": False, "weight_decouple": True},
        first=1,
        wrapped=("group.d_numerator",),
        marks=("step", "d_coef"),
    ),
    Form(
        "MARS",
        _ffi.MARS,
        marks=("mars_type", "step"),
        differs="pytorch_optimizer's MARS adds eps before the squares are corrected",
    ),
    Form("ScheduleFreeSGD", _ffi.SCHEDULE_FREE_SGD, _same("z", **{**_AVERAGED, **_COUNTED}), marks=_MARK),
    Form(
        "ScheduleFreeAdamW",
        _ffi.SCHEDULE_FREE_ADAMW,
        _same("z", "exp_avg_sq", **{**_AVERAGED, **_COUNTED}),
        theirs={"ams_bound": False, "decoupling_c": 0, "use_palm": False},
        marks=_MARK,
    ),
    Form(
        "SOAP",
        _ffi.SOAP,
        _same(*_ADAM, **_COUNTED, **_SQUARES),
        {"max_precond_dim": "max_precondition_dim"},
        _WHOLE,
        {"normalize_gradient": False, "merge_dims": False},
        told={
            "precondition_frequency": lambda t, numbers: int(numbers["precondition_frequency"]),
            "shampoo_beta": lambda t, numbers: numbers["beta3"],
        },
        bases=("basis_rows", "basis_columns"),
        marks=("step", "max_precondition_dim"),
    ),
    Form(
        "Shampoo",
        _ffi.SHAMPOO,
        marks=("matrix_eps",),
        differs="pytorch_optimizer's Shampoo has eps in its matrices, and its last step for a momentum",
    ),
    # Where it steps matrices alone.
    Form(
        "NorMuon",
        _ffi.MUON,
        _same("momentum_buffer", "second_momentum_buffer", **_COUNTED),
        ours={
            "normuon": True,
            "adjust_lr_fn": (None, "original"),
            "ns_coefficients": (_SIMPLE, "simple"),
            "blocks": 1,
        },
        theirs={
            "use_muon": True,
            "weight_decouple": True,
            "update_scale": "preserve_norm",
            "use_adjusted_lr": False,
            "ns_coeffs": [_SIMPLE],
        },
        marks=("step", "update_scale"),
    ),
    Form(
        "AdaFactor",
        _ffi.ADAFACTOR,
        marks=_MARK,
        differs="pytorch_optimizer's AdaFactor averages its steps, and does not hold their relative size under lr",
    ),
    Form(
        "ScheduleFreeRAdam",
        _ffi.SCHEDULE_FREE_RADAM,
        _same("z", "exp_avg_sq", **{**_AVERAGED, **_COUNTED}),
        theirs={"silent_sgd_phase": True, "use_palm": False},
        marks=_MARK,
    ),
)

# ---- the authors' own ----

SOAP = (
    Form(
        "SOAP",
        _ffi.SOAP,
        _same(*_ADAM, **_OWN_STEP, **_SQUARES),
        ours=_WHOLE,
        theirs={"normalize_grads": False, "merge_dims": False},
        first=-1,
        marks=("normalize_grads", "precondition_1d", "max_precond_dim"),
    ),
)

# ---- heavyball: what each of a list of functions keeps, by its place in the list; and rules that go on otherwise ----

_IN_LISTS = "heavyball keeps its state by the places of functions in a list of them"
HEAVYBALL = tuple(
    Form(name, number, marks=("param_ecc", "storage_dtype"), differs=why)
    for name, number, why in (
        ("SOAP", _ffi.SOAP, "heavyball's SOAP turns its bases at uneven steps, and lifts their small eigenvalues"),
        ("AdamW", _ffi.ADAMW, _IN_LISTS),
        ("NAdam", _ffi.NADAM, _IN_LISTS),
        ("AdEMAMix", _ffi.ADEMAMIX, _IN_LISTS),
        ("ADOPT", _ffi.ADOPT, _IN_LISTS),
        ("LaProp", _ffi.LAPROP, _IN_LISTS),
        ("Muon", _ffi.MUON, _IN_LISTS),
        ("RMSprop", _ffi.RMSPROP, _IN_LISTS),
        ("SFAdamW", _ffi.SCHEDULE_FREE_ADAMW, _IN_LISTS),
        ("SGD", _ffi.SGD, _IN_LISTS),
    )
)

LION_PYTORCH = (Form("Lion", _ffi.LION, _same("exp_avg"), ours=_DECOUPLED, theirs={"decoupled_wd": False}),)
ADABELIEF_PYTORCH = (
    Form(
        "AdaBelief",
        _ffi.ADABELIEF,
        _same(*_BELIEF, **_OWN_STEP),
        {"decoupled_weight_decay": "weight_decouple", "eps_root": "eps"},
        theirs={"fixed_decay": False, "degenerated_to_sgd": True},
        marks=("buffer",),
    ),
)

# By the name of the package that a class comes from; first whose groups have the marks of others, too.
TORCH: Mapping[str, tuple[Form, ...]] = {
    "heavyball": HEAVYBALL,
    "schedulefree": SCHEDULEFREE,
    "prodigyopt": PRODIGYOPT,
    "timm": TIMM,
    "pytorch_optimizer": PYTORCH_OPTIMIZER,
    "lion_pytorch": LION_PYTORCH,
    "adabelief_pytorch": ADABELIEF_PYTORCH,
    "soap": SOAP,
}
