#!/usr/bin/env bash
# torch's ConstantLR and LinearLR with total_iters=0 keep the first factor for good: 0 steps of it are all of them, though
# ConstantLR's own closed form says none. ConstantLR with factor=0, which it takes, raises ZeroDivisionError when the
# factor should end.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch
from torch.optim.lr_scheduler import ConstantLR, LinearLR


def rates(make):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler, found = make(optimizer), []
    for _ in range(4):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found, getattr(scheduler, "_get_closed_form_lr", None)


constant, closed = rates(lambda optimizer: ConstantLR(optimizer, factor=0.5, total_iters=0))
linear, _ = rates(lambda optimizer: LinearLR(optimizer, start_factor=0.5, total_iters=0))
print(f"ConstantLR: {constant}, its closed form: {closed()}; LinearLR: {linear}")
try:
    rates(lambda optimizer: ConstantLR(optimizer, factor=0.0, total_iters=2))
    said = "nothing"
except ZeroDivisionError as error:
    said = f"ZeroDivisionError: {error}"
print(f"ConstantLR with factor 0: {said}")
assert constant == linear == [0.5] * 4 and closed() == [1.0] and "ZeroDivisionError" in said
PROGRAM
