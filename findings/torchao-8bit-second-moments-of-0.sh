#!/usr/bin/env bash
# torchao's 8-bit AdamW rounds the second moment of a coordinate that is small in its block to 0, and then divides its average
# by epsilon alone: beside coordinates of 1e5 times the gradient, with gradients at one step in five, it has moved by more than
# 1,000,000 in 200 steps, where AdamW in float32 moves by 0.05. One would expect a step to be of about the rate's size.
# Without the compiler, which changes no rule and takes a minute.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 torchao==0.18.0 <<'PROGRAM'
import torch

torch.compile = lambda function, **options: function
from torchao.optim import AdamW8bit

torch.manual_seed(0)
far = {}
for name, kind in (("torchao's AdamW8bit", AdamW8bit), ("torch's AdamW", torch.optim.AdamW)):
    parameter = torch.nn.Parameter(torch.zeros(4096))
    optimizer = kind([parameter], lr=1e-3, weight_decay=0.0)
    for step in range(200):
        parameter.grad = torch.randn(4096) if step % 5 == 0 else torch.zeros(4096)
        parameter.grad[::256] *= 1e5
        optimizer.step()
    far[name] = parameter.detach().abs().max().item()
    print(f"{name}: {far[name]:.3g}")
assert far["torchao's AdamW8bit"] > 100 > 1 > far["torch's AdamW"]
PROGRAM
