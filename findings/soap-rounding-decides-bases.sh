#!/usr/bin/env bash
# SOAP makes its first bases of the first gradient alone, whose Gram matrix has no more rank than its shorter side:
# the other directions of the longer side are whatever the eigensolver leaves there. A first gradient that is 1e-15
# off sends a matrix of 64 x 16 18 % of its way elsewhere in 100 steps, while a square one stays within 1e-13; so do
# another LAPACK, or another element type. One would expect an optimizer's way not to hang on the last bit of one
# gradient.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 pytorch_optimizer==4.1.0 <<'PROGRAM'
import torch
from pytorch_optimizer import SOAP

torch.set_default_dtype(torch.float64)


def trained(shape, error):
    numbers, noise = (torch.Generator().manual_seed(seed) for seed in (0, 1))
    parameter = torch.nn.Parameter(torch.randn(shape, generator=numbers))
    start = parameter.detach().clone()
    optimizer = SOAP([parameter])
    for step in range(100):
        parameter.grad = torch.randn(shape, generator=numbers)
        if step == 0:
            parameter.grad *= 1 + error * torch.randn(shape, generator=noise)
        optimizer.step()
    return parameter.detach(), start


apart = {}
for shape in ((32, 32), (64, 16), (16, 64)):
    (one, start), (other, _) = trained(shape, 0.0), trained(shape, 1e-15)
    apart[shape] = ((one - other).norm() / (one - start).norm()).item()
    print(f"{shape}: {apart[shape]:.1e} of the way apart")
assert apart.pop((32, 32)) < 1e-10
assert min(apart.values()) > 0.1
PROGRAM
