#!/usr/bin/env bash
# torch.optim.Muon has an eps of 1e-7 for the gradient's norm, yet steps as far by a gradient of norm 1.5e-8 as by one of
# 14.5: eps bounds the divisor, and the iterations after it make what is left up to 480 times larger. A parameter that
# gets rounding errors alone for a gradient takes whole steps along them; one would expect such steps to be near 0.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch

torch.manual_seed(0)
gradient = torch.randn(12, 20)
moved = {}
for size in (1, 1e-8, 1e-9, 1e-10, 1e-12):
    parameter = torch.nn.Parameter(torch.zeros(12, 20))
    parameter.grad = gradient * size
    torch.optim.Muon([parameter], lr=1.0, weight_decay=0.0).step()
    moved[size] = parameter.norm().item()
    print(f"a gradient of norm {parameter.grad.norm().item():.3g} moves the parameter by {moved[size]:.3g}")
assert moved[1e-9] > 0.9 * moved[1]
assert 0.1 < moved[1e-10] < 1
PROGRAM
