#!/usr/bin/env bash
# torch's fused SGD with a momentum, when GradScaler's very first step is skipped because a gradient overflowed, keeps a
# momentum_buffer that nobody has written to, and the next step averages the gradient into it: weights move by whatever
# was in memory, also by NaN. SGD that is not fused has no buffer then, and its next step is its first.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch


def stepped(fused, losses):
    """How far weights at 0 move where each loss has one step, and whether they have a buffer after the first."""
    weights = torch.nn.Parameter(torch.zeros(256))
    optimizer = torch.optim.SGD([weights], lr=1.0, momentum=0.9, dampening=0.5, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    kept = []
    for loss in losses:
        optimizer.zero_grad()
        scaler.scale(weights.sum() * loss).backward()
        scaler.step(optimizer)
        scaler.update()
        kept.append("momentum_buffer" in optimizer.state[weights])
    return weights.detach(), kept[0]


for fused in (False, True):
    for losses in ((1.0,), (float("inf"), 1.0)):
        weights, kept = stepped(fused, losses)
        print(f"fused {fused}, losses {losses}: a buffer after the first {kept}, weights {weights[:4].tolist()} ...")
        if losses[0] == 1.0:
            assert kept and bool((weights == -1).all())
        elif not fused:
            assert not kept and bool((weights == -1).all())
        else:
            assert kept and not bool((weights == -1).any())
PROGRAM
