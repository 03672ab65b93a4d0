#!/usr/bin/env bash
# schedulefree's AdamWScheduleFree leaves its update in the caller's gradients: with foreach and without, p.grad after
# the step is the gradient divided by the root of its second moment, plus decay. Who logs a gradient's norm after the
# step, or adds the next backward pass to it, gets another number; torch's AdamW leaves it.
exec "$(dirname "$0")/python-with" schedulefree==1.4.1 torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import schedulefree
import torch

given = torch.tensor([0.5, 2.0, -4.0])
for foreach in (True, False):
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = schedulefree.AdamWScheduleFree([parameter], lr=0.1, foreach=foreach)
    optimizer.train()
    parameter.grad = given.clone()
    optimizer.step()
    print(f"foreach={foreach}: the gradient was {given.tolist()} and is {parameter.grad.tolist()}")
    assert torch.allclose(parameter.grad, given.sign(), atol=1e-4)
PROGRAM
