"""Optimizers as objects over numpy arrays: they keep the state, and groups of hyperparameters.

martlet.torch has the same names over tensors.
"""

from martlet.optim._optimizer import Optimizer
from martlet.optim.adafactor import Adafactor
from martlet.optim.adagrad import Adadelta, Adagrad, RMSprop
from martlet.optim.adam import Adam, Adamax, AdamOptimizer, AdamW, NAdam, RAdam
from martlet.optim.adam_mini import AdamMini
from martlet.optim.divisors import ADOPT, AdaBelief, AdaBound, LaProp
from martlet.optim.momenta import Adan, AdEMAMix, Lion, SimplifiedAdEMAMix
from martlet.optim.muon import Muon
from martlet.optim.norms import LAMB, LARS, MARS, StableAdamW
from martlet.optim.prodigy import Prodigy
from martlet.optim.rprop import Rprop
from martlet.optim.schedule_free import AdamWScheduleFree, RAdamScheduleFree, SGDScheduleFree
from martlet.optim.sgd import ASGD, SGD
from martlet.optim.shampoo import Shampoo
from martlet.optim.soap import SOAP

__all__ = [
    "ADOPT",
    "ASGD",
    "LAMB",
    "LARS",
    "MARS",
    "SGD",
    "SOAP",
    "AdEMAMix",
    "AdaBelief",
    "AdaBound",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamMini",
    "AdamOptimizer",
    "AdamW",
    "AdamWScheduleFree",
    "Adamax",
    "Adan",
    "LaProp",
    "Lion",
    "Muon",
    "NAdam",
    "Optimizer",
    "Prodigy",
    "RAdam",
    "RAdamScheduleFree",
    "RMSprop",
    "Rprop",
    "SGDScheduleFree",
    "Shampoo",
    "SimplifiedAdEMAMix",
    "StableAdamW",
]
