"""Rows of rules with several momenta, of Schedule-Free and of Adafactor."""

from __future__ import annotations

from parity_rows._row import APART, EPS, L2, NOT_APART, PAPER, SQUARES, UP, Row

WARM = {"alpha_warmup": 200, "beta3_warmup": 200}
T_WARM = {"alpha_warmup": None, "beta3_warmup": None, "t_alpha_beta3": 200}
TINY = {"eps": (1e-30, 1e-3)}
B12 = {"betas": None, "b1": 0.9, "b2": 0.999}
FLOAT_POWER = "forms the decay in float32"
#: What others call otherwise, or always have.
KERASS_ADAFACTOR = {"epsilon": None, "beta2_decay": None, "d": None}
OPTAXS_ADAFACTOR = {"beta2_decay": None, "d": None, "eps": 1e-30, "min_dim_size_to_factor": 1}

NEWER = [
    Row("ADOPT", "timm", L2, "Adopt", {"clip_exp": 0.25}),
    Row("ADOPT", "timm", APART, "Adopt", {"clip_exp": 0.25, "decoupled": True}),
    Row("ADOPT", "optax.contrib", {}, "adopt"),
    Row("ADOPT", "timm", {}, "Adopt", differs="clips at (t - 1)^0.333"),
    Row("ADOPT", "pytorch_optimizer", differs="clips at t^(1/4), the reference at (t - 1)^(1/4)"),
    Row(
        "ADOPT",
        "pytorch_optimizer",
        APART,
        own={"clip_lambda": lambda t: (t - 1) ** 0.25},
        differs="decays at the first step, where the reference only looks",
    ),
    Row("Adan", "timm", L2),
    Row("Adan", "timm", {**L2, "no_prox": True}, foreign=True),
    Row("Adan", "pytorch_optimizer", L2, own=NOT_APART),
    Row("Adan", "pytorch_optimizer", {"maximize": True}, differs="takes the first difference from the wrong sign"),
    Row("Adan", "optax", {"semantics": "optax"}, "adan", {"eps_root": 0.0}),
    Row("Adan", "optax", {"semantics": "optax", **L2}, "adan", {"eps_root": 0.0}, note="decays as AdamW"),
    Row("Adan", "optax", {}, "adan", {"eps_root": 0.0}, differs="weighs the difference with 1 - beta2, not beta2"),
    Row("AdEMAMix", "pytorch_optimizer", APART),
    Row(
        "AdEMAMix",
        "pytorch_optimizer",
        {**PAPER, **WARM},
        own=T_WARM,
        foreign=True,
    ),
    Row("AdEMAMix", "pytorch_optimizer", WARM, own=T_WARM, differs="has 1 / log(beta3) on a line, as the paper"),
    Row("AdEMAMix", "optax.contrib", APART, "ademamix"),
    Row("SimplifiedAdEMAMix", "optax.contrib", {"alpha": 0.5}, "simplified_ademamix"),
    Row("SimplifiedAdEMAMix", "optax.contrib", APART, "simplified_ademamix"),
    Row(
        "SimplifiedAdEMAMix",
        "pytorch_optimizer",
        {"alpha": 0.5},
        differs="averages the momentum, and divides by 1 - beta2^t once too often",
    ),
    Row("SGDScheduleFree", "schedulefree", {"weight_decay": 0.01}),
    Row("SGDScheduleFree", "schedulefree", {"weight_decay": 0.01}, slot="x"),
    Row("AdamWScheduleFree", "schedulefree", L2),
    Row("AdamWScheduleFree", "schedulefree", {**L2, "warmup_steps": 20, "r": 0.5}),
    Row("AdamWScheduleFree", "schedulefree", {**L2, "warmup_steps": 20, "r": 0.5}, slot="x"),
    Row("AdamWScheduleFree", "pytorch_optimizer", {**EPS, **L2}, "ScheduleFreeAdamW", exact=1e-7, note=SQUARES),
    Row("AdamWScheduleFree", "pytorch_optimizer", L2, "ScheduleFreeAdamW", differs=SQUARES),
    Row("AdamWScheduleFree", "optax.contrib", L2, "schedule_free_adamw", B12, rates="constant"),
    Row("AdamWScheduleFree", "optax.contrib", L2, "schedule_free_adamw", B12, differs="weighs with the next rate"),
    Row("AdamWScheduleFree", "Keras", {}, "ScheduleFreeAdamW", rates="constant"),
    Row("AdamWScheduleFree", "Keras", {}, "ScheduleFreeAdamW", differs="weighs all steps alike"),
    Row("RAdamScheduleFree", "schedulefree", L2),
    Row("RAdamScheduleFree", "schedulefree", {**L2, "silent_sgd_phase": False}, foreign=True),
    Row("RAdamScheduleFree", "pytorch_optimizer", L2, "ScheduleFreeRAdam"),
    Row(
        "RAdamScheduleFree",
        "pytorch_optimizer",
        {**L2, "silent_sgd_phase": False},
        "ScheduleFreeRAdam",
        foreign=True,
        differs="takes its plain steps at rate 1",
    ),
    Row("Adafactor", "torch"),
    Row("Adafactor", "torch", UP),
    Row(
        "Adafactor",
        "Keras",
        {"semantics": "keras", **TINY},
        own=KERASS_ADAFACTOR,
        exact=1e-5,
        note=FLOAT_POWER,
    ),
    Row(
        "Adafactor",
        "Keras",
        {"semantics": "keras", **TINY, **L2},
        own=KERASS_ADAFACTOR,
        exact=1e-5,
        note=FLOAT_POWER,
    ),
    Row(
        "Adafactor",
        "optax",
        {"semantics": "optax", **TINY},
        "adafactor",
        OPTAXS_ADAFACTOR,
        exact=1e-5,
        note=FLOAT_POWER,
    ),
    Row("Adafactor", "torch", L2, kernels=True),
    Row(
        "Adafactor",
        "optax",
        {"semantics": "optax", **TINY},
        "adafactor",
        OPTAXS_ADAFACTOR,
        kernels=True,
        differs="factors the two longest dimensions",
    ),
]
