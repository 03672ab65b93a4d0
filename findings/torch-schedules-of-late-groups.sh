#!/usr/bin/env bash
# A parameter group that is added under way, with the same base rate, gets four different fates from torch's schedulers:
# StepLR treats it as the others, LinearLR leaves it above its own base rate, CosineAnnealingLR and LambdaLR raise.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR, StepLR

schedules = {
    "StepLR": lambda optimizer: StepLR(optimizer, 5, 0.5),
    "LinearLR": lambda optimizer: LinearLR(optimizer, start_factor=0.5, total_iters=10),
    "CosineAnnealingLR": lambda optimizer: CosineAnnealingLR(optimizer, 10),
    "LambdaLR": lambda optimizer: LambdaLR(optimizer, lambda step: 0.9**step),
}
seen = {}
for name, schedule in schedules.items():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = schedule(optimizer)
    try:
        for step in range(12):
            if step == 4:
                optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "lr": 1.0})
            optimizer.step()
            scheduler.step()
        seen[name] = [round(group["lr"], 4) for group in optimizer.param_groups]
    except ValueError as error:
        seen[name] = f"{type(error).__name__}: {error}"
    print(f"{name}: {seen[name]}")
assert seen["StepLR"] == [0.25, 0.25] and seen["LinearLR"] == [1.0, 1.4286]
assert "ValueError" in seen["CosineAnnealingLR"] and "ValueError" in seen["LambdaLR"]
PROGRAM
