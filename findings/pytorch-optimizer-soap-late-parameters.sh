#!/usr/bin/env bash
# SOAP's first gradient of a parameter only makes its bases: one that was a step's own would be diagonal in them, and
# the step's singular values all alike. pytorch_optimizer counts steps by group: a parameter that gets its first
# gradient later, as frozen layers do, is stepped by it at once, in its own bases and without bias correction, and the
# gradient is taken into the Gram matrices twice. One would expect it to start as any other does.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 pytorch_optimizer==4.1.0 <<'PROGRAM'
import torch
from pytorch_optimizer import SOAP

torch.manual_seed(0)
first, late = (torch.nn.Parameter(torch.zeros(6, 6, dtype=torch.float64)) for _ in range(2))
optimizer = SOAP([first, late], lr=1.0, weight_decay=0.0)
for step in range(1, 41):
    first.grad = torch.randn(6, 6, dtype=torch.float64)
    if step == 40:
        late.grad = torch.randn(6, 6, dtype=torch.float64)
    optimizer.step()
    if step == 1:
        print(f"the first gradient of one parameter moves it by {first.detach().norm().item()}")
        assert not first.any()
moved = torch.linalg.svdvals(late.detach())
print(f"the first of the other, at step 40, by a matrix whose singular values are {moved.tolist()}")
assert moved.min() > 0.2 and moved.max() - moved.min() < 1e-6
PROGRAM
