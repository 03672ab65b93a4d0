#!/usr/bin/env bash
# adabelief-pytorch's amsgrad=True does nothing while rectify is on, which is its default: the maximum is kept, but the
# step divides by the root of the present variance. timm's AdaBelief is the same.
exec "$(dirname "$0")/python-with" adabelief-pytorch==0.2.1 torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import contextlib
import io

import torch
from adabelief_pytorch import AdaBelief


def stepped(**options: bool) -> float:
    parameter = torch.nn.Parameter(torch.ones(1))
    with contextlib.redirect_stdout(io.StringIO()):
        optimizer = AdaBelief([parameter], lr=0.1, print_change_log=False, **options)
    for step in range(50):
        size = 10.0 if step < 10 else 0.01
        parameter.grad = torch.full((1,), size * (-1) ** step)
        optimizer.step()
    return parameter.item()


plain, amsgrad = stepped(rectify=False), stepped(rectify=False, amsgrad=True)
rectified, both = stepped(rectify=True), stepped(rectify=True, amsgrad=True)
print(f"rectify off: {plain:.6f}, with amsgrad {amsgrad:.6f}; on: {rectified:.6f}, with amsgrad {both:.6f}")
assert plain != amsgrad and rectified == both
PROGRAM
