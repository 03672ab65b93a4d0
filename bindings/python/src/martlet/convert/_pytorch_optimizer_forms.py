"""How pytorch_optimizer keeps the state of Martlet's algorithms: the count of steps stands in the group."""

from __future__ import annotations

from martlet import _ffi_optimizers as _ffi
from martlet.convert._forms import Form
from martlet.convert._torch_common import (
    ADAM,
    AVERAGED,
    BELIEF,
    ESTIMATED,
    LATE_DECAY,
    RATE_INSIDE,
    SECOND_RATE,
    SQUARES,
    WHOLE,
    same,
)

_APART = {"decoupled_weight_decay": "weight_decouple"}
_BOUND = {**_APART, "amsgrad": "ams_bound"}
_COUNTED = {"step": "group.step"}
_SCALED = {"fixed_decay": False, "adanorm": (None, False), "cautious": (None, False), "use_gc": (None, False)}
_MARK = ("step",)
_SIMPLE = (3.4445, -4.775, 2.0315)

PYTORCH_OPTIMIZER = (
    Form("SGDW", _ffi.SGD, same("momentum_buffer", **_COUNTED), _APART, marks=_MARK),
    Form("AdaDelta", _ffi.ADADELTA, same("square_avg", "acc_delta", **_COUNTED), _APART, theirs=_SCALED, marks=_MARK),
    Form(
        "AdamMini",
        _ffi.ADAM_MINI,
        marks=("step", "name"),
        differs="pytorch_optimizer's AdamMini keeps one number for a whole matrix",
    ),
    Form("AdaMax", _ffi.ADAMAX, same("exp_avg", "exp_inf", **_COUNTED), _APART, theirs=_SCALED, marks=_MARK),
    Form("RAdam", _ffi.RADAM, same(*ADAM, **_COUNTED), _APART, theirs=_SCALED, marks=_MARK),
    Form(
        "AdaBound",
        _ffi.ADABOUND,
        same(*ADAM, "max_exp_avg_sq", **_COUNTED),
        _BOUND,
        theirs=_SCALED,
        # Only the object knows the rate that it began with: where a scheduler has left it in the group, it is that.
        made={"base_lr": lambda t, numbers: numbers.get("initial_lr", numbers["lr"])},
        marks=_MARK,
    ),
    Form(
        "AdaBelief",
        _ffi.ADABELIEF,
        same(*BELIEF, **_COUNTED),
        {**_BOUND, "eps_root": "eps"},
        theirs=_SCALED,
        marks=_MARK,
    ),
    Form(
        "Adan",
        _ffi.ADAN,
        same(*ADAM, "exp_avg_diff", neg_pre_grad="previous_grad", **_COUNTED),
        theirs={**_SCALED, "weight_decouple": False, "max_grad_norm": 0.0},
        marks=_MARK,
    ),
    Form("Lion", _ffi.LION, same("exp_avg", **_COUNTED), _APART, theirs=_SCALED, marks=_MARK),
    Form(
        "AdEMAMix",
        _ffi.ADEMAMIX,
        same("exp_avg_slow", "exp_avg_sq", exp_avg_fast="exp_avg", **_COUNTED),
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
        same(*ADAM, "exp_avg_lr_1", **_COUNTED),
        _BOUND,
        RATE_INSIDE,
        {**_SCALED, **LATE_DECAY, "centered": False, "ams_bound": False},
        told=SECOND_RATE,
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
        same(*ADAM, **_COUNTED),
        theirs={"weight_decouple": True},
        low="kahan_sum",
        marks=_MARK,
    ),
    Form(
        "Prodigy",
        _ffi.PRODIGY,
        same(*ADAM, "s", "p0", **_COUNTED, **ESTIMATED),
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
    Form("ScheduleFreeSGD", _ffi.SCHEDULE_FREE_SGD, same("z", **{**AVERAGED, **_COUNTED}), marks=_MARK),
    Form(
        "ScheduleFreeAdamW",
        _ffi.SCHEDULE_FREE_ADAMW,
        same("z", "exp_avg_sq", **{**AVERAGED, **_COUNTED}),
        theirs={"ams_bound": False, "decoupling_c": 0, "use_palm": False},
        marks=_MARK,
    ),
    Form(
        "SOAP",
        _ffi.SOAP,
        same(*ADAM, **_COUNTED, **SQUARES),
        {"max_precond_dim": "max_precondition_dim"},
        WHOLE,
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
        same("momentum_buffer", "second_momentum_buffer", **_COUNTED),
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
        same("z", "exp_avg_sq", **{**AVERAGED, **_COUNTED}),
        theirs={"silent_sgd_phase": True, "use_palm": False},
        marks=_MARK,
    ),
)
