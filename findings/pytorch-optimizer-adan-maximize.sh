#!/usr/bin/env bash
# maximize=True steps as maximize=False does by the negative gradient. In pytorch_optimizer's Adan it does not: the
# gradient before the first is kept before the sign is turned, so that the first difference is twice the gradient, and not
# 0. A constant gradient, whose differences are all 0, moves the parameter by other steps up than down.
exec "$(dirname "$0")/python-with" pytorch_optimizer==4.1.0 torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import pytorch_optimizer
import torch


def ends(name, **options):
    found = []
    for sign, maximize in ((1, False), (-1, True)):
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = getattr(pytorch_optimizer, name)([parameter], lr=1.0, maximize=maximize, **options)
        for _ in range(3):
            parameter.grad = torch.full((1,), 0.5 * sign)
            optimizer.step()
        found.append(round(parameter.item(), 4))
    print(f"{name}: {found[0]} by a gradient of 0.5, {found[1]} by -0.5 with maximize=True")
    return found


down, up = ends("Adan")
assert abs(down - up) > 0.1
down, up = ends("AdEMAMix")
assert down == up
PROGRAM
