#!/usr/bin/env bash
# torch.distributed.checkpoint's get_optimizer_state_dict, called before the first step, takes a step with gradients
# of zero to make the state. It is counted and hooks see it, so Adam's bias correction is one step ahead: the first
# real step is 0.744 as long. One would expect that reading a state changes nothing.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

moved = {}
for asked in False, True:
    model = torch.nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    steps = []
    optimizer.register_step_post_hook(lambda *_, steps=steps: steps.append(1))
    if asked:
        get_optimizer_state_dict(model, optimizer)
    start = model.weight.item()
    model.weight.grad = torch.ones(1, 1)
    optimizer.step()
    moved[asked] = start - model.weight.item()
    print(f"asked for the state first: {asked}; moved by {moved[asked]:.4f} in a step; a hook saw {len(steps)} steps")
assert abs(moved[False] - 0.1) < 1e-5 and abs(moved[True] - 0.0744) < 1e-4
PROGRAM
