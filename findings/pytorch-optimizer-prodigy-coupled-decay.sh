#!/usr/bin/env bash
# weight_decouple=False adds the weight decay to the gradient, from which the averages are formed. pytorch_optimizer's
# Prodigy forms them first, and then adds it to a gradient that nobody reads again: no decay has any effect. prodigyopt's
# decouple=False decays.
exec "$(dirname "$0")/python-with" prodigyopt==1.1.2 pytorch_optimizer==4.1.0 torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import prodigyopt
import pytorch_optimizer
import torch


def end(kind, **options):
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = kind([parameter], d0=0.1, **options)
    for _ in range(3):
        parameter.grad = torch.full((3,), 0.1)
        optimizer.step()
    found = round(parameter[0].item(), 6)
    print(f"{kind.__module__}: with {options} the parameter ends at {found}")
    return found


assert len({end(pytorch_optimizer.Prodigy, weight_decouple=False, weight_decay=decay) for decay in (0.0, 0.5, 5.0)}) == 1
assert len({end(prodigyopt.Prodigy, decouple=False, weight_decay=decay) for decay in (0.0, 0.5, 5.0)}) == 3
PROGRAM
