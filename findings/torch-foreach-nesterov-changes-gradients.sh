#!/usr/bin/env bash
# torch's SGD with Nesterov momentum and foreach=True writes its update into the caller's gradients: p.grad is 1.9
# times what it was after the first step. Its default loop leaves them. Who reads a gradient's norm after the step, or
# adds the next gradient to it, gets another number by a flag that is about speed.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch

seen = {}
for foreach in False, True:
    parameter = torch.nn.Parameter(torch.ones(3))
    parameter.grad = torch.ones(3)
    torch.optim.SGD([parameter], lr=0.1, momentum=0.9, nesterov=True, foreach=foreach).step()
    seen[foreach] = parameter.grad.tolist()
    print(f"foreach={foreach}: the gradient of ones after a step is {seen[foreach]}")
assert seen[False] == [1.0] * 3 and abs(seen[True][0] - 1.9) < 1e-6
PROGRAM
