"""Rows of rules that go by norms or by an estimate, and of the mask of cautious updates."""

from __future__ import annotations

import math

from parity_rows._row import ALONE, APART, EPS, L2, MOMENTUM, NOT_APART, UP, Row

UNCLIPPED = {"max_grad_norm": float("inf"), "always_adapt": True}
ALL = {"always_adapt": True}
MASKED = {"cautious": True}
CORRECTED = {"use_bias_correction": True}
WARMING = {"safeguard_warmup": True, "d_coef": 2.0, "beta3": 0.99}
# By gradients that follow no parameter the estimate grows without end, and any rounding with it; not so with decay.
UNBOUND = {**APART, "growth_rate": math.inf}
ESTIMATE = {"b1": None, "b2": None, "betas": (0.9, 0.999), "d0": None, "estim_lr0": 1e-3}
ESTIMATE |= {"growth_rate": None, "use_bias_correction": None}

NORMS = [
    Row("LAMB", "timm", {}, "Lamb", UNCLIPPED),
    Row("LAMB", "timm", L2, "Lamb", UNCLIPPED),
    Row("LAMB", "timm", EPS, "Lamb", {"max_grad_norm": float("inf")}, differs="adapts only where there is decay"),
    Row("LAMB", "timm", {}, "Lamb", ALL, differs="clips the norm of all gradients to 1 before"),
    Row("LAMB", "optax", EPS, "lamb"),
    Row("LAMB", "optax", L2, "lamb"),
    Row("LAMB", "Keras", {"semantics": "keras", **L2}, "Lamb"),
    Row("LAMB", "Keras", L2, "Lamb", differs="decays before, outside of the ratio"),
    Row("LAMB", "pytorch_optimizer", {}, "Lamb", differs="corrects the momentum alone, and behind the ratio"),
    Row("LAMB", ALONE, UP),
    Row("LARS", "timm", {}, "Lars", ALL),
    Row("LARS", "timm", {**L2, "dampening": 0.5}, "Lars"),
    Row("LARS", "timm", {**L2, "nesterov": True}, "Lars"),
    Row("LARS", "timm", {**L2, "momentum": 0.0}, "Lars"),
    Row("LARS", "timm", {"eps": 1e3}, "Lars", ALL),
    Row("LARS", "timm", {}, "Lars", differs="adapts only where there is decay"),
    Row("LARS", "optax", {"semantics": "optax", "eps": 1e3}, "lars"),
    Row("LARS", "optax", {"semantics": "optax", **L2, "nesterov": True}, "lars"),
    Row("LARS", "optax", L2, "lars", differs="has the rate in the momentum, and the decay in the gradient's norm"),
    Row("LARS", "pytorch_optimizer", {}, own={"eps": None}, differs="adapts nothing of one dimension"),
    Row(
        "LARS",
        "pytorch_optimizer",
        {"dampening": 0.5},
        own={"eps": None},
        differs="adapts nothing of one dimension, and dampens the first step",
    ),
    Row("LARS", ALONE, UP),
    Row("StableAdamW", "pytorch_optimizer"),
    Row("StableAdamW", "pytorch_optimizer", UP),
    Row("StableAdamW", "pytorch_optimizer", {**EPS, **L2}),
    Row(
        "StableAdamW",
        "timm",
        L2,
        "AdamWLegacy",
        {"clipping_threshold": 1.0},
        differs="decays by the whole rate, and adds eps to the root in the size too",
    ),
    Row("MARS", "timm", L2, "Mars", {"optimize_1d": True}, note="the first gradient is not corrected, but clipped"),
    Row("MARS", "timm", L2, "Mars", differs="steps vectors by AdamW"),
    Row(
        "MARS",
        "pytorch_optimizer",
        L2,
        own={"optimize_1d": True},
        differs="adds eps before the squares are corrected, and 1e-15 to them",
    ),
    Row("MARS", ALONE, UP),
    Row("MARS", ALONE, {**L2, "gamma": 0.5, "corrected_weight_decay": True}),
    Row("MARS", ALONE, {**L2, "cautious_weight_decay": True}, denormals=False),
    Row("StableAdamW", ALONE, {**L2, "corrected_weight_decay": True}),
    Row("StableAdamW", ALONE, {**L2, "cautious_weight_decay": True}, denormals=False),
]

CAUTIOUS = [
    Row("SGD", "timm", {**APART, **MOMENTUM, **MASKED, "nesterov": True}, "SGDW", denormals=False),
    Row("AdamW", "timm", {**L2, **MASKED}, "AdamWLegacy", denormals=False),
    Row("AdamW", ALONE, {**UP, **MASKED, "cautious_weight_decay": True}, denormals=False),
    Row("Adam", ALONE, {**L2, **MASKED}, denormals=False),
    Row("Lion", "timm", {**APART, **MASKED}, denormals=False),
    Row(
        "Lion",
        "pytorch_optimizer",
        {**APART, **MASKED},
        denormals=False,
        differs="divides by the mask's share and one element's",
    ),
    Row("LaProp", "timm", MASKED, denormals=False),
    Row("ADOPT", "timm", {**L2, **MASKED}, "Adopt", {"clip_exp": 0.25}, denormals=False),
    Row(
        "ADOPT",
        "pytorch_optimizer",
        MASKED,
        denormals=False,
        differs="masks by the gradient over its root",
    ),
    Row("MARS", "timm", {**L2, **MASKED}, "Mars", {"optimize_1d": True}, denormals=False),
    Row("Adan", "timm", MASKED, denormals=False, differs="masks the first of two momenta alone"),
    Row("NAdam", ALONE, MASKED, denormals=False),
    Row("AdEMAMix", ALONE, MASKED, denormals=False),
    Row("StableAdamW", ALONE, {**L2, **MASKED}, denormals=False),
]

ESTIMATES = [
    Row("Prodigy", "prodigyopt"),
    Row("Prodigy", "prodigyopt", {**L2, **CORRECTED}, own={"decouple": False}),
    Row("Prodigy", "prodigyopt", {**UNBOUND, **CORRECTED}),
    Row("Prodigy", "prodigyopt", WARMING),
    Row("Prodigy", "pytorch_optimizer", APART),
    Row("Prodigy", "pytorch_optimizer", {"maximize": True, **CORRECTED, **WARMING}),
    Row(
        "Prodigy",
        "pytorch_optimizer",
        {**L2, **CORRECTED},
        own=NOT_APART,
        differs="adds the decay to the gradient when that has been used",
    ),
    Row("Prodigy", "optax.contrib", {**UNBOUND, **CORRECTED}, "prodigy", ESTIMATE),
    Row("Prodigy", "optax.contrib", UNBOUND, "prodigy", ESTIMATE, differs="corrects its averages"),
    Row("Prodigy", ALONE, {**APART, **CORRECTED, "corrected_weight_decay": True}),
    Row("Prodigy", ALONE, {**APART, **CORRECTED, "cautious_weight_decay": True}, denormals=False),
]
