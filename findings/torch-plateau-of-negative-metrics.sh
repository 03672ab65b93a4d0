#!/usr/bin/env bash
# torch's ReduceLROnPlateau by default wants a metric that is better by a share of the best one. Of a metric below zero, as
# a log-likelihood's may be, the share points the other way: a loss that grows worse, by less than 1e-4 of itself a step,
# counts as better each time, and the rate never falls.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
scheduler = ReduceLROnPlateau(optimizer, patience=2)
loss = -1.0
for _ in range(100):
    scheduler.step(loss)
    loss *= 0.99991
rate = optimizer.param_groups[0]["lr"]
print(f"losses from -1 up to {loss:.4f}: best {scheduler.best:.4f}, rate {rate}, bad epochs {scheduler.num_bad_epochs}")
assert rate == 1.0 and scheduler.num_bad_epochs == 0 and scheduler.best > -0.992
PROGRAM
