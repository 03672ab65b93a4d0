#!/usr/bin/env bash
# bitsandbytes' 8-bit optimizers on a CPU give an average of 0 the code of a small number: a coordinate that never saw a
# gradient is moved from the second step on, by Lion8bit by the whole rate each time, and by AdamW8bit by a little. One would
# expect it to stand still, as in 32 bits.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 bitsandbytes==0.50.2 <<'PROGRAM'
import bitsandbytes
import torch

for name, options in (("Lion8bit", {}), ("AdamW8bit", {"weight_decay": 0.0}), ("Lion32bit", {})):
    parameter = torch.nn.Parameter(torch.zeros(4096))
    optimizer = getattr(bitsandbytes.optim, name)([parameter], lr=1e-3, **options)
    for step in range(10):
        parameter.grad = torch.randn(4096)
        parameter.grad[::2] = 0
        optimizer.step()
    moved = parameter.detach()[::2].abs().max().item()
    print(f"{name}: coordinates without gradients have moved by {moved:.2g} in 10 steps")
    assert moved == 0 if name == "Lion32bit" else moved > (0.008 if name == "Lion8bit" else 0)
PROGRAM
