#!/usr/bin/env bash
# With bfloat16 parameters torch's Adam keeps bfloat16 moments, in which 0.999 times a number rounds back to it: after
# one gradient of 1 and 2,000 of 0 the second moment is what it was. Exact arithmetic leaves 0.135 of it, so the steps
# that follow are 2.7 times too short.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch

left = {}
for dtype in torch.float32, torch.bfloat16:
    parameter = torch.nn.Parameter(torch.ones(1, dtype=dtype))
    optimizer = torch.optim.Adam([parameter])
    parameter.grad = torch.ones(1, dtype=dtype)
    optimizer.step()
    first = optimizer.state[parameter]["exp_avg_sq"].item()
    parameter.grad = torch.zeros(1, dtype=dtype)
    for _ in range(2000):
        optimizer.step()
    left[dtype] = optimizer.state[parameter]["exp_avg_sq"].item() / first
    print(f"{dtype}: {left[dtype]:.3f} of the second moment is left")
assert abs(left[torch.float32] - 0.999**2000) < 1e-3 and left[torch.bfloat16] == 1.0
PROGRAM
