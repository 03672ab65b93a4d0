"""How timm keeps the state of Martlet's algorithms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from martlet import _ffi_optimizers as _ffi
from martlet.convert._forms import Form, Where0
from martlet.convert._torch_common import ADAM, BELIEF, DECOUPLED, LATE_DECAY, OWN_STEP, RATE_INSIDE, SECOND_RATE, same

_PLAIN: Mapping[str, Any] = {"caution": False}
_LARGEST = {"lr_max": "group.max_lr_snapshot"}
# Without, a group that does not decay has plain steps.
_ADAPTS = {"always_adapt": Where0(True, "weight_decay"), "trust_clip": False}

TIMM = (
    Form(
        "SGDW",
        _ffi.SGD,
        same("momentum_buffer", **_LARGEST),
        ours=DECOUPLED,
        theirs=_PLAIN,
        marks=("caution", "dampening"),
    ),
    Form(
        "RMSpropTF",
        _ffi.RMSPROP,
        same("square_avg", "momentum_buffer", "grad_avg", **OWN_STEP, **_LARGEST),
        {"decoupled_weight_decay": "decoupled_decay"},
        {"semantics": "optax"},
        {**_PLAIN, "lr_in_momentum": True},
        marks=("lr_in_momentum",),
    ),
    Form(
        "AdamWLegacy",
        _ffi.ADAMW,
        same(*ADAM, "max_exp_avg_sq", **OWN_STEP, **_LARGEST),
        ours=DECOUPLED,
        theirs={**_PLAIN, "clipping_threshold": None},
        marks=("caution",),
    ),
    Form(
        "NAdamLegacy",
        _ffi.NADAM,
        same(*ADAM, **OWN_STEP, mu_product="m_schedule"),
        {"momentum_decay": "schedule_decay"},
        marks=("schedule_decay",),
    ),
    Form(
        "NAdamW",
        _ffi.NADAM,
        marks=("caution",),
        differs="timm's NAdamW has no schedule of its momentum, which NAdam's state counts on",
    ),
    Form("RAdamLegacy", _ffi.RADAM, same(*ADAM, **OWN_STEP), ours=DECOUPLED),
    Form(
        "AdaBelief",
        _ffi.ADABELIEF,
        same(*BELIEF, **OWN_STEP),
        {"decoupled_weight_decay": "decoupled_decay", "eps_root": "eps"},
        theirs={"fixed_decay": False, "degenerated_to_sgd": True},
        marks=("decoupled_decay", "rectify"),
    ),
    Form(
        "Adan",
        _ffi.ADAN,
        same(*ADAM, "exp_avg_diff", "neg_pre_grad", step="group.step"),
        theirs={**_PLAIN, "no_prox": False},
        marks=("no_prox",),
    ),
    Form("Lion", _ffi.LION, same("exp_avg", **_LARGEST), ours=DECOUPLED, theirs=_PLAIN, marks=("caution",)),
    Form(
        "Adopt",
        _ffi.ADOPT,
        same(*ADAM, **OWN_STEP, **_LARGEST),
        {"decoupled_weight_decay": "decoupled"},
        theirs={**_PLAIN, "clip_exp": 0.25},
        marks=("clip_exp",),
    ),
    Form(
        "LaProp",
        _ffi.LAPROP,
        same(*ADAM, "exp_avg_lr_1", **OWN_STEP),
        ours=RATE_INSIDE,
        theirs={**_PLAIN, **LATE_DECAY},
        told=SECOND_RATE,
        marks=("caution",),
    ),
    Form(
        "Lamb",
        _ffi.LAMB,
        same(*ADAM, step="group.step"),
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
        same("momentum_buffer"),
        {"trust_coefficient": "trust_coeff"},
        {"semantics": "torch"},
        _ADAPTS,
        marks=("trust_coeff",),
    ),
    Form(
        "Mars",
        _ffi.MARS,
        same("last_grad", *ADAM, **OWN_STEP),
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
