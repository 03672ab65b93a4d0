#!/usr/bin/env bash
# timm's Lookahead makes its slow weights at the first pull-back, from the weights of that moment, and not from those that
# training began with: the first pull-back leaves everything where it is, and later ones start from there, unless
# sync_lookahead() was called before the first step, while parameters had gradients. The paper, and pytorch_optimizer's,
# begin with the first weights.
exec "$(dirname "$0")/python-with" torch==2.15.0 torchvision==0.29.2 timm==1.0.31 pytorch_optimizer==4.1.0 numpy==2.4.6 <<'PROGRAM'
import pytorch_optimizer
import timm.optim
import torch


def weights(wrap, synchronized=False):
    """After each of eight steps that take 1 off a weight, pulled back half-way after every fourth."""
    weight = torch.nn.Parameter(torch.tensor([8.0]))
    optimizer = wrap(torch.optim.SGD([weight], lr=1.0), k=4, alpha=0.5)
    if synchronized:
        weight.grad = torch.zeros(1)
        optimizer.sync_lookahead()
    seen = []
    for _ in range(8):
        weight.grad = torch.ones(1)
        optimizer.step()
        seen.append(weight.item())
    return seen


paper = [7.0, 6.0, 5.0, 6.0, 5.0, 4.0, 3.0, 4.0]
for name, seen in (
    ("the paper", paper),
    ("pytorch_optimizer", weights(pytorch_optimizer.Lookahead)),
    ("timm", weights(timm.optim.Lookahead)),
    ("timm, sync_lookahead with gradients of 0 before the first step", weights(timm.optim.Lookahead, True)),
):
    print(f"{name}: {seen}")
assert weights(pytorch_optimizer.Lookahead) == weights(timm.optim.Lookahead, True) == paper
assert weights(timm.optim.Lookahead) == [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 2.0]
PROGRAM
