#!/usr/bin/env bash
# torch's OneCycleLR cycles momentum by default in whatever has the option: RMSprop without momentum that has taken a
# step gets 0.95, and its next step raises KeyError: 'momentum_buffer', since buffers are made at a parameter's first
# step only. SGD that had no momentum silently has it from then on.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch

seen = {}
for optimizer_class in torch.optim.RMSprop, torch.optim.SGD:
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = optimizer_class([parameter], lr=0.01)
    parameter.grad = torch.ones(2)
    optimizer.step()
    before = optimizer.param_groups[0]["momentum"]
    torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
    try:
        optimizer.step()
        outcome = "the next step works"
    except KeyError as error:
        outcome = f"the next step raises KeyError: {error}"
    seen[optimizer_class] = outcome
    print(f"{optimizer_class.__name__}: momentum {before}, then {optimizer.param_groups[0]['momentum']}; {outcome}")
assert "KeyError" in seen[torch.optim.RMSprop] and "works" in seen[torch.optim.SGD]
PROGRAM
