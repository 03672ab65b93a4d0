#!/usr/bin/env bash
# torch's CosineAnnealingWarmRestarts, resumed with last_epoch past its first restart, goes on with another schedule: it
# counts the steps since the beginning as those of one cycle. Set to an epoch, step(484), it takes the first step of the
# sixth cycle for the end of the fifth, since it finds the cycle by a logarithm: rate 0 in place of the highest.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import warnings

import torch
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

warnings.simplefilter("ignore")


def made():
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.ones(1))], "initial_lr": 1.0}], lr=1.0)


def rates(optimizer, scheduler, steps):
    found = []
    for _ in range(steps):
        found.append(round(optimizer.param_groups[0]["lr"], 4))
        optimizer.step()
        scheduler.step()
    return found


optimizer = made()
straight = rates(optimizer, CosineAnnealingWarmRestarts(optimizer, T_0=3, T_mult=2), 16)
optimizer = made()
resumed = rates(optimizer, CosineAnnealingWarmRestarts(optimizer, T_0=3, T_mult=2, last_epoch=10), 5)
print(f"steps 11 to 15: {straight[11:]} straight, {resumed} resumed")
optimizer = made()
scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=4, T_mult=3)
scheduler.step(4 * (3**5 - 1) // 2)
print(f"at the first step of a cycle: {optimizer.param_groups[0]['lr']}")
assert straight[11:] != resumed and optimizer.param_groups[0]["lr"] == 0.0
PROGRAM
