#!/usr/bin/env bash
# torch's fused Adam on the CPU walks parameter and gradient in the order in which each lies in memory. A transposed
# parameter beside a gradient in row order is stepped with other elements' gradients: no error, and half of the elements
# move the wrong way. The default loop pairs them by index.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch

moved = {}
for fused in False, True:
    parameter = torch.nn.Parameter(torch.zeros(4, 3).t())
    parameter.grad = torch.arange(12.0).reshape(3, 4) - 5.5
    torch.optim.Adam([parameter], lr=0.1, fused=fused).step()
    moved[fused] = parameter.detach().sign().int()
    print(f"fused={fused}: signs of the change {moved[fused].tolist()}")
wrong = int((moved[False] != moved[True]).sum())
print(f"{wrong} of 12 elements move the other way")
assert wrong == 4
PROGRAM
