"""Each optimizer's rule in numpy longdouble, straight from its reference; nothing of martlet is in it.

A rule takes parameter, gradient, state, step and rate, and gives what is to be subtracted; `step` adds what is around
it. Options have torch's names, or the reference's. test_parity_table.py holds each rule against torch in float64, and
parity.py against every other library.
"""

from oracles._step import LONG, Array, Rule, State, step, steps
from oracles.adam import adabelief, adabound, adam, adam_mini, adamax, laprop, nadam, radam
from oracles.classic import adadelta, adagrad, asgd, lion, rmsprop, rprop, sgd
from oracles.estimates import prodigy
from oracles.matrices import muon
from oracles.norms import lamb, lars, mars, stable_adamw
from oracles.recent import (
    adafactor,
    adan,
    ademamix,
    adopt,
    schedule_free_adamw,
    schedule_free_radam,
    schedule_free_sgd,
    simplified_ademamix,
)
from oracles.shampoo import shampoo
from oracles.soap import soap

__all__ = [
    "LONG",
    "Array",
    "Rule",
    "State",
    "adabelief",
    "adabound",
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adam_mini",
    "adamax",
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
    "step",
    "steps",
]
