#!/usr/bin/env bash
# A step of LAMB is as long as the rate times the parameter's norm, whatever the gradient: its trust ratio sees to that.
# pytorch_optimizer's divides by Adam's first bias correction after the ratio, where nothing is left to correct: its
# first step is 10 times as long, its second 5.3 times. timm's steps are rate times norm, as the paper's.
exec "$(dirname "$0")/python-with" pytorch_optimizer==4.1.0 timm==1.0.31 torch==2.15.0 torchvision==0.29.2 \
    numpy==2.4.6 <<'PROGRAM'
import pytorch_optimizer
import timm.optim
import torch


def shares(kind, rate):
    parameter = torch.nn.Parameter(torch.linspace(1, 2, 10))
    optimizer, found = kind([parameter], lr=rate), []
    for _ in range(4):
        before = parameter.detach().clone()
        parameter.grad = torch.ones(10)
        optimizer.step()
        found.append(round(((parameter.detach() - before).norm() / before.norm() / rate).item(), 3))
    print(f"{kind.__module__}: length of each step over rate times norm: {found}")
    return found


assert shares(pytorch_optimizer.Lamb, 0.01) == [round(1 / (1 - 0.9**step), 3) for step in (1, 2, 3, 4)]
assert shares(timm.optim.Lamb, 0.01) == [1.0] * 4
PROGRAM
