#!/usr/bin/env bash
# pytorch_optimizer's maximize=True changes the sign of the caller's gradients in place. Where the next step sees the
# same gradient (a full batch that is held, a second optimizer over the parameter, gradients added up over several
# steps) it climbs and descends by turns: Lion goes 1.0, 1.1, 1.0, 1.1. torch's maximize leaves the gradient and climbs.
exec "$(dirname "$0")/python-with" pytorch_optimizer==4.1.0 torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import pytorch_optimizer
import torch


def walk(kind, **options):
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = kind([parameter], lr=0.1, maximize=True, **options)
    parameter.grad = torch.ones(1)
    path = [parameter.item()]
    for _ in range(4):
        optimizer.step()
        path.append(round(parameter.item(), 4))
    print(f"{kind.__module__}.{kind.__name__}: {path}, gradient {parameter.grad.item()}")
    return path


assert walk(torch.optim.Adam) == [1.0, 1.1, 1.2, 1.3, 1.4]
assert walk(pytorch_optimizer.Lion) == [1.0, 1.1, 1.0, 1.1, 1.0]
flips = []
for name in ("AdaBelief", "AdaBound", "AdEMAMix", "ADOPT", "LaProp", "Lion", "RAdam", "StableAdamW"):
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    parameter.grad = torch.ones(2, 2)
    getattr(pytorch_optimizer, name)([parameter], lr=0.1, maximize=True).step()
    flips.append(bool((parameter.grad == -1).all()))
    print(f"{name}: the gradient was 1 and is {parameter.grad[0, 0].item()}")
assert all(flips)
PROGRAM
