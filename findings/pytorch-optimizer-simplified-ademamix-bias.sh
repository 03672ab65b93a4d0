#!/usr/bin/env bash
# Simplified AdEMAMix divides by the root of the bias-corrected second moment, sqrt(v / (1 - beta2^t)), as Adam does and
# as its authors' program. pytorch_optimizer's SimplifiedAdEMAMix divides by sqrt(v (1 - beta2^t)): with its default of
# 0.95 the first step is 20 times as long as by the same moments, with 0.999 a thousand times.
exec "$(dirname "$0")/python-with" pytorch_optimizer==4.1.0 torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import math

import pytorch_optimizer
import torch

for beta2 in (0.95, 0.999):
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = pytorch_optimizer.SimplifiedAdEMAMix([parameter], lr=1.0, betas=(0.99, beta2))
    ratios = []
    for step in range(1, 5):
        before = parameter.item()
        parameter.grad = torch.ones(1, dtype=torch.float64)
        optimizer.step()
        moment, square = (optimizer.state[parameter][name].item() for name in ("exp_avg", "exp_avg_sq"))
        corrected = moment / math.sqrt(square / (1 - beta2**step))
        ratios.append((before - parameter.item()) / corrected)
    print(f"beta2 {beta2}: each step over the one by its own moments: {[round(ratio, 2) for ratio in ratios]}")
    assert all(abs(ratio * (1 - beta2**step) - 1) < 1e-5 for step, ratio in enumerate(ratios, 1))
PROGRAM
