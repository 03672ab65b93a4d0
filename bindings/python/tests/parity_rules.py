"""The algorithms of the parity table: each with its oracle, its rate, and the options that everybody is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import oracles


@dataclass(frozen=True)
class Algorithm:
    """A rule with what is the same in all its rows: a rate, the options that everybody is told, and those that are in
    its name (AdamW's decoupling). matrices: whether it steps matrices alone. plain: whether it gets a square matrix and
    ordinary noise, for others leave directions to rounding. wide: how near Martlet comes to the oracle in float64.
    """

    rule: oracles.Rule
    lr: float
    options: dict[str, Any]
    named: dict[str, Any] = field(default_factory=dict)
    matrices: bool = False
    plain: bool = False
    wide: float = 2e-11


ADAM = {"betas": (0.9, 0.999), "eps": 1e-8}
NO_DECAY = {"weight_decay": 0.0}
DECOUPLED = {"decoupled_weight_decay": True}

ALGORITHMS = {
    "SGD": Algorithm(oracles.sgd, 1e-2, {}),
    "RMSprop": Algorithm(oracles.rmsprop, 1e-2, {"alpha": 0.99, "eps": 1e-8}),
    "Adagrad": Algorithm(oracles.adagrad, 1e-2, {"eps": 1e-10, "initial_accumulator_value": 0.0}),
    "Adadelta": Algorithm(oracles.adadelta, 1.0, {"rho": 0.9, "eps": 1e-6}),
    "Rprop": Algorithm(oracles.rprop, 1e-2, {"etas": (0.5, 1.2), "step_sizes": (1e-6, 50.0)}),
    "ASGD": Algorithm(oracles.asgd, 1e-2, {"lambd": 1e-4, "alpha": 0.75, "t0": 1e6}),
    "Adam": Algorithm(oracles.adam, 1e-3, ADAM),
    "AdamW": Algorithm(oracles.adam, 1e-3, ADAM, DECOUPLED),
    "AdamMini": Algorithm(oracles.adam_mini, 1e-3, {**ADAM, "block_size": 1, **NO_DECAY}, DECOUPLED),
    "Adamax": Algorithm(oracles.adamax, 2e-3, ADAM),
    "NAdam": Algorithm(oracles.nadam, 2e-3, {**ADAM, "momentum_decay": 4e-3}),
    "RAdam": Algorithm(oracles.radam, 1e-3, ADAM),
    "AdaBound": Algorithm(oracles.adabound, 1e-3, {**ADAM, "final_lr": 0.1, "gamma": 1e-3}),
    "AdaBelief": Algorithm(oracles.adabelief, 1e-3, {"betas": (0.9, 0.999), "eps": 1e-16, "rectify": False}),
    "LaProp": Algorithm(oracles.laprop, 4e-4, {"betas": (0.9, 0.999), "eps": 1e-15}),
    "ADOPT": Algorithm(oracles.adopt, 1e-3, {"betas": (0.9, 0.9999), "eps": 1e-6}),
    "Adan": Algorithm(oracles.adan, 1e-3, {"betas": (0.98, 0.92, 0.99), "eps": 1e-8, **NO_DECAY}),
    "Lion": Algorithm(oracles.lion, 1e-4, {"betas": (0.9, 0.99)}),
    "AdEMAMix": Algorithm(oracles.ademamix, 1e-3, {"betas": (0.9, 0.999, 0.9999), "eps": 1e-8, "alpha": 5.0}),
    "SimplifiedAdEMAMix": Algorithm(
        oracles.simplified_ademamix, 1e-4, {"betas": (0.99, 0.95), "eps": 1e-8, "alpha": 0.0}
    ),
    "SGDScheduleFree": Algorithm(oracles.schedule_free_sgd, 1.0, {"momentum": 0.9, **NO_DECAY}),
    "AdamWScheduleFree": Algorithm(oracles.schedule_free_adamw, 2.5e-3, {**ADAM, **NO_DECAY}),
    "RAdamScheduleFree": Algorithm(oracles.schedule_free_radam, 2.5e-3, {**ADAM, **NO_DECAY}),
    "Adafactor": Algorithm(
        oracles.adafactor, 1e-2, {"eps": (2.0**-23, 1e-3), "beta2_decay": -0.8, "d": 1.0}, DECOUPLED
    ),
    "LAMB": Algorithm(oracles.lamb, 1e-3, {"betas": (0.9, 0.999), "eps": 1e-6, **NO_DECAY}),
    "LARS": Algorithm(oracles.lars, 1.0, {"momentum": 0.9, "trust_coefficient": 1e-3, "eps": 1e-8, **NO_DECAY}),
    "MARS": Algorithm(oracles.mars, 3e-3, {"betas": (0.95, 0.99), "eps": 1e-8, "gamma": 0.025, **NO_DECAY}, DECOUPLED),
    "Prodigy": Algorithm(oracles.prodigy, 1.0, {"betas": (0.9, 0.999), "eps": 1e-8, "d0": 1e-3, "growth_rate": 1.02}),
    # Its products are in float32, and make small singular values some hundred times larger.
    "Muon": Algorithm(
        oracles.muon,
        1e-3,
        {"momentum": 0.95, "eps": 1e-7, "ns_coefficients": (3.4445, -4.775, 2.0315), **NO_DECAY},
        DECOUPLED,
        matrices=True,
        wide=1e-4,
    ),
    # Their products are in float32, and the errors of small eigenvalues larger.
    "SOAP": Algorithm(
        oracles.soap,
        3e-3,
        {"betas": (0.95, 0.95), "eps": 1e-8, **NO_DECAY},
        DECOUPLED,
        matrices=True,
        plain=True,
        wide=3e-4,
    ),
    "Shampoo": Algorithm(
        oracles.shampoo,
        1e-2,
        {"betas": (0.9, 0.999), "eps": 1e-12, "shampoo_beta": 1.0, "block_size": 0, **NO_DECAY},
        DECOUPLED,
        matrices=True,
        plain=True,
        wide=3e-4,
    ),
    "StableAdamW": Algorithm(oracles.stable_adamw, 1e-3, {"betas": (0.9, 0.99), "eps": 1e-8, **NO_DECAY}, DECOUPLED),
}
