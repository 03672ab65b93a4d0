#!/usr/bin/env bash
# pytorch_optimizer's ScheduleFreeRAdam(silent_sgd_phase=False) takes its first steps, before it rectifies, at the rate 1
# whatever lr is; the authors' own takes them at lr. With lr 0.001 a gradient of 1 moves a parameter by 1.
exec "$(dirname "$0")/python-with" pytorch-optimizer==4.1.0 schedulefree==1.4.1 torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import pytorch_optimizer
import schedulefree
import torch


def moved(kind: type) -> float:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = kind([parameter], lr=0.001, silent_sgd_phase=False)
    optimizer.train()
    parameter.grad = torch.ones(1)
    optimizer.step()
    return parameter.item()


theirs, authors = moved(pytorch_optimizer.ScheduleFreeRAdam), moved(schedulefree.RAdamScheduleFree)
print(f"the first step: pytorch_optimizer {theirs:.6f}, schedulefree {authors:.6f}")
assert abs(theirs + 1) < 1e-6 and abs(authors + 0.001) < 1e-6
PROGRAM
