"""The rows of the parity table: each algorithm, its options, and who else has it.

A new rule is one oracle, one line in parity_rules.py and one row here for each peer. Options have the words of torch,
or of the rule's reference; what a library calls them is in peers.py, and what only one library is told in its row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from parity_rules import DECOUPLED

#: In a peer's place: the oracle alone, where no library has the option.
ALONE = ""


@dataclass(frozen=True)
class Row:
    algorithm: str
    peer: str
    options: dict[str, Any] = field(default_factory=dict)
    #: The peer's name for the algorithm, and what it is told in its own words. None takes one of our words away.
    call: str = ""
    own: dict[str, Any] = field(default_factory=dict)
    #: What the peer computes that the reference does not: its error says how far away that leads.
    differs: str = ""
    note: str = ""
    #: How the learning rate goes: "changing", "falling" or "constant".
    rates: str = "changing"
    #: An array of the state that is looked at instead of the parameter.
    slot: str | None = None
    #: Whether some gradients are denormal.
    denormals: bool = True
    #: Martlet does not have the convention, or the option.
    foreign: bool = False
    #: How near the peer comes to the oracle in float64.
    exact: float = 2e-11
    #: Which of the draws of parameters and gradients.
    draw: int = 0

    @property
    def case(self) -> tuple[str, str]:
        """What is the same for all peers of one computation: the algorithm, and its options in words."""
        said = [key if value is True else f"{key} {value}" for key, value in self.options.items()]
        said += [f"{self.rates} rate"] * (self.rates != "changing") + [f"its {self.slot}"] * (self.slot is not None)
        said += ["no denormal gradients"] * (not self.denormals)
        return self.algorithm, ", ".join(said) or "defaults"


L2 = {"weight_decay": 0.1}
APART = {**L2, **DECOUPLED}
UP = {"weight_decay": 0.1, "maximize": True}
EPS = {"eps": 1e-3}
KERAS = {"semantics": "keras", "eps": 1e-3}
WARM = {"alpha_warmup": 200, "beta3_warmup": 200}
T_WARM = {"alpha_warmup": None, "beta3_warmup": None, "t_alpha_beta3": 200}
PAPER = {"semantics": "paper"}
OPTAX = {"semantics": "optax", "eps": 1e-3}
TINY = {"eps": (1e-30, 1e-3)}
DECAY = {"alpha": None, "decay": 0.99}  # optax's word for RMSprop's alpha
NO_MAX = {"amsgrad": None}
UNCORRECTED = {"bias_correction_mu": False, "bias_correction_nu": False}
NO_PSI = {"momentum_decay": None}
NO_ETAS = {"etas": None, "step_sizes": None, "fixed_rate": True}
NOT_APART = {"weight_decouple": False}
B12 = {"betas": None, "b1": 0.9, "b2": 0.999}
FLOAT_POWER = "forms the decay in float32"
SQUARES = "adds 1e-15 to the squares"
ROOT = "has eps inside the root"
FLUSHED = "XLA takes denormal gradients for 0"
MOMENTUM = {"momentum": 0.9}
UNCLIPPED = {"max_grad_norm": float("inf"), "always_adapt": True}
ALL = {"always_adapt": True}
RMS = {"adjust_lr_fn": "match_rms_adamw"}
BFLOAT = "iterates in bfloat16"

CLASSIC = [
    Row("SGD", "torch"),
    Row("SGD", "torch", {**UP, **MOMENTUM, "dampening": 0.5}),
    Row("SGD", "torch", {**L2, **MOMENTUM, "nesterov": True}),
    Row("SGD", "timm", {**APART, **MOMENTUM, "nesterov": True}, "SGDW"),
    Row("SGD", "optax", {**MOMENTUM, "nesterov": True}, "sgd"),
    Row("SGD", "Keras", {"semantics": "keras", **L2, **MOMENTUM, "nesterov": True}),
    Row("SGD", "Keras", MOMENTUM, differs="keeps the rate inside the buffer"),
    Row("RMSprop", "torch"),
    Row("RMSprop", "torch", {**UP, **MOMENTUM, "centered": True}),
    Row("RMSprop", "Keras", {**KERAS, **L2, **MOMENTUM, "centered": True}),
    Row("RMSprop", "optax", {**OPTAX, **MOMENTUM}, "rmsprop", DECAY),
    Row("RMSprop", "optax", EPS, "rmsprop", DECAY, differs=ROOT),
    Row("Adagrad", "torch"),
    Row("Adagrad", "torch", {**UP, "lr_decay": 0.01, "initial_accumulator_value": 0.1}),
    Row("Adagrad", "Keras", {**KERAS, **L2, "initial_accumulator_value": 0.1}),
    Row("Adagrad", "optax", {**OPTAX, "initial_accumulator_value": 0.1}, "adagrad"),
    Row("Adagrad", "optax", EPS, "adagrad", differs=ROOT),
    Row("Adadelta", "torch"),
    Row("Adadelta", "torch", UP),
    Row("Adadelta", "Keras"),
    Row("Adadelta", "optax", L2, "adadelta"),
    Row("Adadelta", "pytorch_optimizer", APART, "AdaDelta"),
    Row("Rprop", "torch", denormals=False),
    Row("Rprop", "torch", {"maximize": True, "etas": (0.6, 1.1), "step_sizes": (1e-5, 0.1)}, denormals=False),
    Row("Rprop", "torch", note="the product of two denormal gradients is 0"),
    Row("Rprop", "optax", {"semantics": "optax"}, "rprop", NO_ETAS, denormals=False, foreign=True),
    Row("Rprop", "optax", {}, "rprop", NO_ETAS, denormals=False, differs="makes each step's move one step late"),
    Row("ASGD", "torch"),
    Row("ASGD", "torch", {**UP, "lambd": 0.01, "t0": 20.0}),
    Row("ASGD", "torch", {**UP, "lambd": 0.01, "t0": 20.0}, slot="ax"),
    Row("Lion", "lion-pytorch", denormals=False),
    Row("Lion", "lion-pytorch", APART, denormals=False),
    Row("Lion", "lion-pytorch", APART, note="Martlet takes denormal gradients for 0 unless told flush_denormals=False"),
    Row("Lion", "timm", {**APART, "maximize": True}, denormals=False),
    Row("Lion", "timm", {**APART, "corrected_weight_decay": True}, rates="falling", denormals=False),
    Row("Lion", "Keras", APART, note=FLUSHED),
    Row("Lion", "optax", APART, "lion", note=FLUSHED),
    Row("Lion", "pytorch_optimizer", APART, denormals=False),
    Row("Lion", ALONE, {**APART, "cautious_weight_decay": True}, denormals=False),
]

ADAMS = [
    Row("Adam", "torch"),
    Row("Adam", "torch", UP),
    Row("Adam", "torch", {**L2, "amsgrad": True}),
    Row("Adam", "torch", EPS),
    Row("Adam", "optax", EPS, "adam"),
    Row("Adam", "Keras", {**KERAS, **L2}),
    Row("Adam", "Keras", EPS, differs="adds eps before the squares are corrected"),
    Row("Adam", "Keras", {**KERAS, "amsgrad": True}),
    Row("Adam", "optax", {**OPTAX, "amsgrad": True}, "amsgrad", NO_MAX),
    Row("Adam", "optax", {**PAPER, "amsgrad": True}, "amsgrad", {**NO_MAX, **UNCORRECTED}),
    Row("Adam", "optax", {**EPS, "amsgrad": True}, "amsgrad", NO_MAX, differs="takes the maximum of corrected squares"),
    Row("AdamW", "torch", L2),
    Row("AdamW", "torch", {**UP, "amsgrad": True}),
    Row("AdamW", "torch", {**EPS, **L2}),
    Row("AdamW", "optax", {**EPS, **L2}, "adamw"),
    Row("AdamW", "Keras", {**KERAS, **L2}),
    Row("AdamW", "timm", L2, "AdamWLegacy"),
    Row(
        "AdamW",
        "pytorch_optimizer",
        {**KERAS, **L2, "corrected_weight_decay": True},
        "AdamC",
        {"corrected_weight_decay": None, "normalized": True},
        rates="falling",
        exact=1e-7,
        note=SQUARES,
    ),
    Row("AdamW", ALONE, {**L2, "corrected_weight_decay": True}),
    Row("AdamW", ALONE, {**L2, "cautious_weight_decay": True}, denormals=False),
    Row("AdamW", ALONE, {**UP, "corrected_weight_decay": True, "cautious_weight_decay": True}, denormals=False),
    Row("Adamax", "torch"),
    Row("Adamax", "torch", UP),
    Row("Adamax", "optax", EPS, "adamax"),
    Row("Adamax", "optax", APART, "adamaxw"),
    Row("Adamax", "Keras", {**KERAS, **L2}),
    Row("Adamax", "Keras", EPS, differs="has eps outside the maximum"),
    Row("Adamax", "pytorch_optimizer", APART, "AdaMax"),
    Row("NAdam", "torch"),
    Row("NAdam", "torch", UP),
    Row("NAdam", "torch", APART),
    Row("NAdam", "Keras", {"semantics": "keras", **L2}, "Nadam", NO_PSI),
    Row("NAdam", "Keras", {}, "Nadam", NO_PSI, differs="momentum grows with t, torch's with t * momentum_decay"),
    Row("NAdam", "optax", {"semantics": "optax"}, "nadam", NO_PSI),
    Row("NAdam", "optax", {}, "nadam", NO_PSI, differs="momentum does not grow; each term corrected by itself"),
    Row("NAdam", "timm", {"semantics": "timm", **APART}, "NAdamW", NO_PSI, foreign=True),
    Row("NAdam", "timm", APART, "NAdamW", NO_PSI, differs="momentum does not grow; the sum corrected"),
    Row("RAdam", "torch"),
    Row("RAdam", "torch", UP),
    Row("RAdam", "torch", APART),
    Row("RAdam", "optax", OPTAX, "radam"),
    Row("RAdam", "optax", EPS, "radam", differs="adds eps after the squares are corrected"),
    Row("RAdam", "pytorch_optimizer", APART, own={"degenerated_to_sgd": True}),
    Row("RAdam", "pytorch_optimizer", own={"degenerated_to_sgd": False}, differs="stands still until it rectifies"),
    Row("AdaBound", "pytorch_optimizer", EPS, own=NOT_APART, exact=1e-7, note=SQUARES),
    Row("AdaBound", "pytorch_optimizer", {**EPS, **UP, "amsgrad": True}, own=NOT_APART, exact=1e-7, note=SQUARES),
    Row("AdaBound", "pytorch_optimizer", {**EPS, **APART}, exact=1e-7, note=SQUARES),
    Row("AdaBound", "pytorch_optimizer", own=NOT_APART, differs=SQUARES),
    Row("AdaBelief", "adabelief-pytorch"),
    Row("AdaBelief", "adabelief-pytorch", {**APART, "rectify": True}),
    Row("AdaBelief", "adabelief-pytorch", {**L2, "amsgrad": True}, own=NOT_APART),
    Row(
        "AdaBelief",
        "adabelief-pytorch",
        {**APART, "rectify": True, "amsgrad": True},
        differs="AMSGrad does nothing while it rectifies",
    ),
    Row("AdaBelief", "optax", {}, "adabelief", {"eps_root": 1e-16, "rectify": None}),
    Row("AdaBelief", "pytorch_optimizer", APART),
    Row("AdaBelief", "timm", {**APART, "rectify": True}),
    Row("LaProp", "timm"),
    Row("LaProp", "timm", PAPER, rates="constant"),
    Row("LaProp", "timm", PAPER, differs="has the rate in the momentum, and divides by an average of rates"),
    Row("LaProp", "pytorch_optimizer", EPS, differs="adds eps before the squares are corrected, and 1e-15 to them"),
]

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
        own={"epsilon": None, "beta2_decay": None, "d": None},
        exact=1e-5,
        note=FLOAT_POWER,
    ),
    Row(
        "Adafactor",
        "Keras",
        {"semantics": "keras", **TINY, **L2},
        own={"epsilon": None, "beta2_decay": None, "d": None},
        exact=1e-5,
        note=FLOAT_POWER,
    ),
    Row(
        "Adafactor",
        "optax",
        {"semantics": "optax", **TINY},
        "adafactor",
        {"beta2_decay": None, "d": None, "eps": 1e-30, "min_dim_size_to_factor": 1},
        exact=1e-5,
        note=FLOAT_POWER,
    ),
]

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

MASKED = {"cautious": True}

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

CORRECTED = {"use_bias_correction": True}
WARMING = {"safeguard_warmup": True, "d_coef": 2.0, "beta3": 0.99}
# By gradients that follow no parameter the estimate grows without end, and any rounding with it; not so with decay.
UNBOUND = {**APART, "growth_rate": math.inf}
ESTIMATE = {"b1": None, "b2": None, "betas": (0.9, 0.999), "d0": None, "estim_lr0": 1e-3}
ESTIMATE |= {"growth_rate": None, "use_bias_correction": None}

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

TORCH = {"foreach": None}
KERAS_ROWS = {"rms_rate": 0.2, "adjust_lr_fn": None}
OPTAX_ROWS = {"momentum": None, "beta": 0.95, "ns_coefficients": None, "adjust_lr_fn": None, "consistent_rms": 0.2}

QR32 = 1e-5
FLOAT_QR = "orthogonalizes in float32"
HEAVY = {"merge_dims": False, "shampoo_beta": 0.95, "precondition_frequency": 10}
ROOTS = {"betas": None, "shampoo_beta": None, "block_size": None, "matrix_eps": 1e-6, "eps": None}
SCALED_ROOTS = {"start_preconditioning_step": 1, "preconditioning_compute_steps": 1, "graft_type": 0, "nesterov": False}
SCALED_ROOTS |= {"betas": (0.0, 0.95), "shampoo_beta": None, "block_size": 512, "use_svd": True, "matrix_eps": 1e-6}
SCALED_ROOTS |= {"eps": None, "use_bias_correction": None, "bias_correction": None}

MATRICES = [
    Row("Muon", "torch", {}, "", TORCH, note=BFLOAT, exact=0.1),
    Row("Muon", "torch", {**L2, **RMS}, "", TORCH, note=BFLOAT, exact=0.1),
    Row("Muon", "torch", {"nesterov": False}, "", TORCH, note=BFLOAT, exact=0.1),
    Row("Muon", "Keras", RMS, "Muon", KERAS_ROWS, exact=1e-5),
    Row("Muon", "Keras", {"nesterov": False, **L2, **RMS}, "Muon", KERAS_ROWS, exact=1e-5),
    Row("Muon", "optax.contrib", RMS, "muon", OPTAX_ROWS, differs="corrects the momentum before it looks ahead"),
    Row("Muon", "optax.contrib", {"nesterov": False, **L2, **RMS}, "muon", OPTAX_ROWS, exact=1e-5),
    Row("Muon", ALONE, {"adjust_lr_fn": "spectral"}),
    Row("Muon", ALONE, {"ns_coefficients": "quintic"}),
    Row("Muon", ALONE, {"ns_coefficients": "polar_express", "ns_steps": 7}),
    Row("Muon", ALONE, UP),
    Row("SOAP", "pytorch_optimizer", exact=QR32, note=FLOAT_QR),
    Row(
        "SOAP", "pytorch_optimizer", {**L2, "shampoo_beta": 0.9, "precondition_frequency": 3}, exact=QR32, note=FLOAT_QR
    ),
    Row("SOAP", "pytorch_optimizer", {"correct_bias": False, "maximize": True}, exact=QR32, note=FLOAT_QR),
    Row("SOAP", "pytorch_optimizer", {"max_precond_dim": 10}, exact=QR32),
    Row("SOAP", "heavyball", own=HEAVY, differs="turns the bases at uneven steps, and lifts their small eigenvalues"),
    Row("SOAP", ALONE, {"block_size": 12}),
    Row("Shampoo", "pytorch_optimizer", {"betas": (0.0, 0.999), "eps": 1e-6}, own=ROOTS, exact=1e-9),
    Row(
        "Shampoo",
        "pytorch_optimizer",
        {"betas": (0.0, 0.999), "shampoo_beta": 0.95, "eps": 1e-6, "use_bias_correction": False},
        "ScalableShampoo",
        SCALED_ROOTS,
        exact=1e-4,
        note="adds eps once at the start",
    ),
    Row(
        "Shampoo",
        "pytorch_optimizer",
        {"eps": 1e-6},
        own={**ROOTS, "momentum": 0.9},
        differs="averages each gradient with the step before, and takes that into its matrices",
    ),
    Row("Shampoo", ALONE, {**L2, **EPS, "block_size": 12, "shampoo_beta": 0.99, "precondition_frequency": 3}),
    Row("Shampoo", ALONE, {"grafting": "adam", "maximize": True}),
]

ROWS = [*CLASSIC, *ADAMS, *NEWER, *NORMS, *CAUTIOUS, *ESTIMATES, *MATRICES]
