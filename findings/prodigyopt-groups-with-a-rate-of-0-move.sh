#!/usr/bin/env bash
# A group whose learning rate is 0 is not trained: that is how groups are frozen, and the one rate beside the others' that
# prodigyopt's Prodigy allows. It takes the others' rate for such a group's step: along the averages of the time before,
# which are no longer updated, in every step, and with weight decay. pytorch_optimizer's takes the first group's rate for
# all groups, from the first step on.
exec "$(dirname "$0")/python-with" prodigyopt==1.1.2 pytorch_optimizer==4.1.0 torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import prodigyopt
import pytorch_optimizer
import torch


def moved(kind, rates):
    """How far the second group goes in each step."""
    first, second = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    optimizer, found = kind([{"params": [first]}, {"params": [second]}], d0=0.1), []
    for rate in rates:
        optimizer.param_groups[1]["lr"] = rate
        first.grad, second.grad = torch.ones(3), torch.ones(3)
        before = second.detach().clone()
        optimizer.step()
        found.append(round((second.detach() - before).abs().max().item(), 4))
    print(f"{kind.__module__}: by rates of {rates} the second group goes {found}")
    return found


_, trained, *frozen = moved(prodigyopt.Prodigy, (1.0, 1.0, 0.0, 0.0))
assert min(frozen) > trained > 0
assert min(moved(pytorch_optimizer.Prodigy, (0.0, 0.0))) > 0.3
PROGRAM
