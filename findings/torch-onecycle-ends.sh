#!/usr/bin/env bash
# torch's OneCycleLR with pct_start one step of total_steps raises ZeroDivisionError when it is made. In a loop that calls
# it once for each of total_steps batches, as its docs have it, the last call leaves a rate past the end of the schedule:
# below zero, with anneal_strategy="linear"; a further call raises.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch
from torch.optim.lr_scheduler import OneCycleLR


def made():
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0, momentum=0.9)


try:
    OneCycleLR(made(), max_lr=1.0, total_steps=10, pct_start=0.1)
    said = "nothing"
except ZeroDivisionError as error:
    said = f"ZeroDivisionError: {error}"
print(f"10 steps, of which a tenth rises: {said}")
optimizer = made()
scheduler = OneCycleLR(optimizer, max_lr=1.0, total_steps=10, anneal_strategy="linear")
for _ in range(10):
    optimizer.step()
    scheduler.step()
left = optimizer.param_groups[0]["lr"]
print(f"after 10 of 10 steps the rate is {left}")
assert "ZeroDivisionError" in said and left < 0
PROGRAM
