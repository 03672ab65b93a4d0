#!/usr/bin/env bash
# A compiled step of Adam works out its bias corrections from the float32 count of steps, in float32, for float64
# parameters too: the first step is 7e-6 off. One would expect float64's digits, as the same step has without
# torch.compile.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch


def first_step(compiled):
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    parameter.grad = torch.ones(1, dtype=torch.float64)
    optimizer = torch.optim.Adam([parameter], lr=1.0, eps=0.0)
    step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
    step()
    return -parameter.item()


eager, compiled = first_step(False), first_step(True)
print(f"a first step by a rate of 1, which is 1: {eager:.15f} eager, {compiled:.15f} compiled")
assert abs(eager - 1) < 1e-14
assert 1e-6 < abs(compiled - 1) < 1e-4
PROGRAM
