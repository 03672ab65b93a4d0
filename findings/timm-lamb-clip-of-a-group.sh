#!/usr/bin/env bash
# timm's Lamb clips the gradients of all groups together by max_grad_norm, an argument that every group holds like its
# other options. A group's own value, also None for no clipping, changes nothing: the constructor's counts.
exec "$(dirname "$0")/python-with" torch==2.15.0 torchvision==0.29.2 timm==1.0.31 numpy==2.4.6 <<'PROGRAM'
import torch
from timm.optim import Lamb


def moved(default, group):
    parameter = torch.nn.Parameter(torch.ones(4))
    parameter.grad = torch.full((4,), 100.0)
    groups = [{"params": [parameter], "max_grad_norm": group}]
    optimizer = Lamb(groups, lr=0.1, betas=(0.0, 0.0), eps=1.0, weight_decay=0.0, max_grad_norm=default)
    assert optimizer.param_groups[0]["max_grad_norm"] == group
    optimizer.step()
    return round(float(1 - parameter.detach()[0]), 4)


for default, group in ((1.0, 1.0), (1.0, None), (None, None), (None, 1.0)):
    print(f"max_grad_norm {default}, the group's {group}: moved by {moved(default, group)}")
assert moved(1.0, None) == moved(1.0, 1.0) != moved(None, None) == moved(None, 1.0)
PROGRAM
