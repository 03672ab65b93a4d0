#!/usr/bin/env bash
# torch warns of a parameter that stands twice in a group, as tied weights do, and then steps it twice in each step(),
# counting two: Adam's bias corrections run ahead, and it moves twice as far, or 1.74 times as far by the fused step.
# One would expect one step, as Module.parameters() and a group without the repetition give.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch

moved = {}
for times in 1, 2:
    for fused in False, True:
        parameter = torch.nn.Parameter(torch.ones(1))
        optimizer = torch.optim.Adam([parameter] * times, lr=0.1, fused=fused)
        parameter.grad = torch.ones(1)
        optimizer.step()
        steps = optimizer.state[parameter]["step"].item()
        moved[times, fused] = 1 - parameter.item()
        print(f"in the group {times} times, fused={fused}: moved by {moved[times, fused]:.3f}, step {steps:.0f}")
        assert steps == times
assert all(abs(moved[1, fused] - 0.1) < 1e-3 for fused in (False, True))
assert abs(moved[2, False] - 0.2) < 1e-3 and abs(moved[2, True] - 0.174) < 1e-3
PROGRAM
