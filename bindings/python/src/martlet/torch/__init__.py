"""Optimizers for PyTorch tensors on the CPU, in place of torch.optim's: same arguments, same state, same curve.

import martlet.torch
optimizer = martlet.torch.Adam(model.parameters(), lr=1e-3)

For a script that is to stay as it is, install() makes torch.optim's classes Martlet's, as `python -m martlet run` does.
"""

from martlet.torch._optimizer import Optimizer
from martlet.torch.adafactor import Adafactor
from martlet.torch.adagrad import Adadelta, Adagrad, RMSprop
from martlet.torch.adam import Adam, Adamax, AdamW, NAdam, RAdam
from martlet.torch.adam_mini import AdamMini
from martlet.torch.divisors import ADOPT, AdaBelief, AdaBound, LaProp
from martlet.torch.in_backward import in_backward
from martlet.torch.installing import install, installed, uninstall
from martlet.torch.momenta import Adan, AdEMAMix, Lion, SimplifiedAdEMAMix
from martlet.torch.muon import Muon
from martlet.torch.norms import LAMB, LARS, MARS, StableAdamW
from martlet.torch.prodigy import Prodigy
from martlet.torch.rprop import Rprop
from martlet.torch.schedule_free import AdamWScheduleFree, RAdamScheduleFree, SGDScheduleFree
from martlet.torch.sgd import ASGD, SGD
from martlet.torch.shampoo import Shampoo
from martlet.torch.soap import SOAP
from martlet.torch.sparse_adam import SparseAdam
from martlet.torch.training import train

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
    "SparseAdam",
    "StableAdamW",
    "in_backward",
    "install",
    "installed",
    "train",
    "uninstall",
]
